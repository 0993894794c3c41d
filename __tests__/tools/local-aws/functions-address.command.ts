import { FunctionsBed } from "./functions-bed";
import { authorization, BUILD } from "./upstream";

let bed: FunctionsBed;
beforeEach(async () => {
  bed = (await new FunctionsBed().start()) as FunctionsBed;
  bed.aliases.set("hello:live", { FunctionVersion: "$LATEST" });
});
afterEach(() => bed.stop());

const ARN = `arn:aws:lambda:eu-west-1:${BUILD}:function:hello`;
const PATH = "/2021-10-31/functions/hello/url";

/** Deploys a function of one expression of `event`, and gives it an address. */
async function open(result: string, AuthType = "NONE", query = ""): Promise<string> {
  await bed.create({ "index.js": `exports.handler = async (event) => (${result});` });
  const response = await bed.lambda("POST", `${PATH}${query}`, { AuthType });
  expect(response.status).toBe(201);
  return ((await response.json()) as { FunctionUrl: string }).FunctionUrl;
}

test("an address answers with what the function returns", async () => {
  const url = await open("{ hello: event.rawPath }");
  const response = await fetch(`${url}some/where`);
  expect([response.status, response.headers.get("content-type"), await response.json()]).toEqual([
    200,
    "application/json",
    { hello: "/some/where" },
  ]);
});

test("a request becomes an event of format 2.0", async () => {
  const url = await open("event");
  const response = await fetch(`${url}a%20b?x=1&x=2&y=%26`, {
    method: "PUT",
    body: '{"a":"ü"}',
    headers: {
      "Content-Type": "application/json",
      Cookie: "one=1; two=2",
      Authorization: "Bearer made-up",
      "User-Agent": "test",
      "X-Mine": "1",
    },
  });
  const id = /([0-9a-f]{32})\/$/.exec(url)?.[1];
  const event = (await response.json()) as Record<string, unknown>;
  expect(event).toMatchObject({
    version: "2.0",
    routeKey: "$default",
    rawPath: "/a%20b",
    rawQueryString: "x=1&x=2&y=%26",
    queryStringParameters: { x: "1,2", y: "&" },
    cookies: ["one=1", "two=2"],
    headers: { "x-mine": "1", authorization: "Bearer made-up", "x-forwarded-for": "127.0.0.1" },
    requestContext: {
      accountId: "anonymous",
      apiId: id,
      domainName: `${id}.lambda-url.eu-west-1.on.aws`,
      domainPrefix: id,
      http: { method: "PUT", path: "/a%20b", protocol: "HTTP/1.1", sourceIp: "127.0.0.1", userAgent: "test" },
      stage: "$default",
      time: expect.stringMatching(/^\d\d\/[A-Z][a-z]{2}\/\d{4}:\d\d:\d\d:\d\d \+0000$/),
    },
    body: '{"a":"ü"}',
    isBase64Encoded: false,
  });
  expect(event.headers).not.toHaveProperty("cookie");
});

test("a body that is no text comes in base64, and goes out of it", async () => {
  const url = await open("{ statusCode: 200, body: event.body, isBase64Encoded: event.isBase64Encoded }");
  const sent = Buffer.from([0, 255, 1, 254]);
  const headers = { "content-type": "application/octet-stream" };
  const response = await fetch(url, { method: "POST", body: sent, headers });
  expect(Buffer.from(await response.arrayBuffer())).toEqual(sent);
});

test("status, headers, cookies and body are the function's where it names a status", async () => {
  const url = await open(
    "{ statusCode: 418, headers: { 'Content-Type': 'text/plain', 'X-Mine': 1, 'Content-Length': 1, 'Transfer-Encoding': 'chunked' }, cookies: ['a=1', 'b=2'], body: 'tea' }",
  );
  const response = await fetch(url);
  expect([
    response.status,
    response.headers.get("content-type"),
    response.headers.get("x-mine"),
    response.headers.getSetCookie(),
    await response.text(),
  ]).toEqual([418, "text/plain", "1", ["a=1", "b=2"], "tea"]);
});

test("an address that asks for IAM refuses a request without a signature", async () => {
  const url = await open("event", "AWS_IAM");
  const response = await fetch(url);
  expect([response.status, await response.json()]).toEqual([403, { Message: "Forbidden" }]);
  const elsewhere = await fetch(url, { headers: { authorization: authorization("execute-api") } });
  expect(elsewhere.status).toBe(403);
  const headers = { authorization: authorization("lambda") };
  const signed = await fetch(url, { headers });
  expect(signed.status).toBe(200);
  const event = (await signed.json()) as { headers: object; requestContext: object };
  expect(event.requestContext).toMatchObject({
    accountId: BUILD,
    authorizer: { iam: { accessKey: "test", accountId: BUILD } },
  });
  expect(event.headers).not.toHaveProperty("authorization");
});

test("an alias has an address of its own, which follows it", async () => {
  const url = await open("'old'", "NONE", "?Qualifier=live");
  await bed.lambda("POST", "/2015-03-31/functions/hello/versions", {});
  bed.aliases.set("hello:live", { FunctionVersion: "1" });
  await bed.update({ "index.js": "exports.handler = async () => 'new';" });
  const latest = await bed.lambda("POST", PATH, { AuthType: "NONE" });
  const { FunctionUrl, FunctionArn } = (await latest.json()) as Record<string, string>;
  expect(FunctionArn).toBe(ARN);
  expect(await Promise.all([url, FunctionUrl!].map(async (one) => (await fetch(one)).json()))).toEqual([
    "old",
    "new",
  ]);
});

test("a function that fails answers 502, and one without room 429", async () => {
  const url = await open("nothing.here");
  const response = await fetch(url);
  expect([response.status, await response.text()]).toEqual([502, "Internal Server Error"]);
  bed.reserved.set("hello", 0);
  expect((await fetch(url)).status).toBe(429);
});

test("an address can be read, changed, listed and deleted", async () => {
  const url = await open("1", "AWS_IAM", "?Qualifier=live");
  const live = `${PATH}?Qualifier=live`;
  const read = await bed.lambda("GET", live);
  expect([read.status, await read.json()]).toEqual([
    200,
    {
      FunctionUrl: url,
      FunctionArn: `${ARN}:live`,
      AuthType: "AWS_IAM",
      InvokeMode: "BUFFERED",
      CreationTime: expect.any(String),
      LastModifiedTime: expect.any(String),
    },
  ]);
  expect((await bed.lambda("POST", live, { AuthType: "NONE" })).status).toBe(409);
  expect(await (await bed.lambda("PUT", live, { AuthType: "NONE" })).json()).toMatchObject({
    FunctionUrl: url,
    AuthType: "NONE",
  });
  expect(await (await bed.lambda("GET", `${PATH}s`)).json()).toEqual({
    FunctionUrlConfigs: [expect.objectContaining({ FunctionUrl: url })],
  });
  expect((await bed.lambda("DELETE", live)).status).toBe(204);
  expect((await bed.lambda("GET", live)).status).toBe(404);
  expect((await fetch(url)).status).toBe(404);
});

test("a function that is deleted takes its address along", async () => {
  const url = await open("1");
  await bed.lambda("DELETE", "/2015-03-31/functions/hello");
  expect((await fetch(url)).status).toBe(404);
});

test("a function that is not there gets no address", async () => {
  expect((await bed.lambda("POST", PATH, { AuthType: "NONE" })).status).toBe(404);
});
