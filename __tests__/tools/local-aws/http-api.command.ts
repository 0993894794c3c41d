import { FunctionsBed } from "./functions-bed";
import { authorization, BUILD, OTHER } from "./upstream";

const FN = `arn:aws:lambda:eu-west-1:${BUILD}:function:hello:live`;
const ID = "abcdefghij";

type Fields = Record<string, unknown>;
/** What moto keeps of the API, by the path that it is asked for. */
let kept: Record<string, unknown>;
let bed: FunctionsBed;
/** Address of the API, as Terraform learns it. */
let url: string;
beforeEach(async () => {
  bed = new FunctionsBed();
  const functions = bed.upstream;
  bed.upstream = (incoming, response, body) => {
    const path = decodeURIComponent(incoming.url ?? "");
    if (!path.startsWith("/v2/apis")) return functions(incoming, response, body);
    const own = incoming.headers["x-moto-account-id"] === BUILD && kept[path.replace(/\/$/, "")];
    response
      .writeHead(own ? 200 : 404, { "content-type": "application/json" })
      .end(JSON.stringify(own || {}));
  };
  await bed.start();
  bed.aliases.set("hello:live", { FunctionVersion: "$LATEST" });
  const api = { apiId: ID, protocolType: "HTTP", apiEndpoint: `https://${ID}.execute-api.amazonaws.com` };
  kept = {
    "/v2/apis": { items: [api, { ...api, apiId: "socket", protocolType: "WEBSOCKET" }] },
    [`/v2/apis/${ID}`]: api,
    [`/v2/apis/${ID}/stages/$default`]: { stageName: "$default" },
    [`/v2/apis/${ID}/routes`]: { items: [{ routeKey: "$default", target: "integrations/one" }] },
    [`/v2/apis/${ID}/integrations/one`]: {
      integrationType: "AWS_PROXY",
      integrationUri: `arn:aws:apigateway:eu-west-1:lambda:path/2015-03-31/functions/${FN}/invocations`,
      payloadFormatVersion: "2.0",
    },
  };
  const { apiEndpoint } = (await asTerraform(`/v2/apis/${ID}`)) as { apiEndpoint: string };
  url = apiEndpoint;
});
afterEach(() => bed.stop());

const asTerraform = async (path: string): Promise<unknown> => {
  const headers = { authorization: authorization("apigateway") };
  return (await fetch(`${bed.endpoint}${path}`, { headers })).json();
};
/** Deploys a function of one expression of `event`. */
const deploy = (result: string) =>
  bed.create({ "index.js": `exports.handler = async (event) => (${result});` });
const change = (path: string, changes: Fields) =>
  Object.assign(
    (kept[`/v2/apis/${ID}/${path}`] as { items?: Fields[] }).items?.[0] ??
      (kept[`/v2/apis/${ID}/${path}`] as Fields),
    changes,
  );
async function get(path: string, init: RequestInit = {}) {
  const response = await fetch(`${url}${path}`, init);
  return { status: response.status, content: (await response.json()) as Fields };
}

test("an API has an address of Local AWS, and one of web sockets keeps its own", async () => {
  expect(url).toBe(`${bed.endpoint}/http-api/${BUILD}/eu-west-1/${ID}`);
  expect(await asTerraform("/v2/apis")).toMatchObject({
    items: [{ apiEndpoint: url }, { apiEndpoint: `https://${ID}.execute-api.amazonaws.com` }],
  });
});

test("a request becomes an event of the alias, and its result the answer", async () => {
  await deploy("{ statusCode: 201, headers: { 'x-mine': event.body }, body: JSON.stringify(event) }");
  const response = await fetch(`${url}/some/where?x=1`, { method: "POST", body: "hello" });
  expect([response.status, response.headers.get("x-mine")]).toEqual([201, "hello"]);
  expect(await response.json()).toMatchObject({
    version: "2.0",
    routeKey: "$default",
    rawPath: "/some/where",
    rawQueryString: "x=1",
    requestContext: {
      accountId: BUILD,
      apiId: ID,
      domainName: `${ID}.execute-api.eu-west-1.amazonaws.com`,
      http: { method: "POST", path: "/some/where" },
      stage: "$default",
    },
  });
});

test("a route of one method and path leads that to the function, and nothing else", async () => {
  await deploy("[event.routeKey, event.requestContext.routeKey]");
  change("routes", { routeKey: "POST /github/hello" });
  const post = { method: "POST", body: "hello" };
  expect(await get("/github/hello", post)).toEqual({
    status: 200,
    content: ["POST /github/hello", "POST /github/hello"],
  });
  const others = [get("/github/hello"), get("/github/hello/more", post), get("/", post)];
  expect((await Promise.all(others)).map(({ status }) => status)).toEqual([404, 404, 404]);
});

test("where the route wants IAM, only signed requests get through, and the event says whose", async () => {
  await deploy("event.requestContext");
  change("routes", { authorizationType: "AWS_IAM" });
  expect(await get("/")).toEqual({ status: 403, content: { message: "Forbidden" } });
  const sign = (service: string) => ({ headers: { authorization: authorization(service) } });
  expect((await get("/", sign("lambda"))).status).toBe(403);
  expect(await get("/", sign("execute-api"))).toMatchObject({
    status: 200,
    content: { authorizer: { iam: { accountId: BUILD } } },
  });
});

test("a function that fails is a 500, and one that has no room a 503", async () => {
  await deploy("missing.thing");
  expect(await get("/")).toEqual({ status: 500, content: { message: "Internal Server Error" } });
  bed.reserved.set("hello", 0);
  expect(await get("/")).toEqual({ status: 503, content: { message: "Service Unavailable" } });
});

test.each<[string, () => unknown]>([
  ["without a stage", () => delete kept[`/v2/apis/${ID}/stages/$default`]],
  ["without a route for it", () => change("routes", { routeKey: "POST /" })],
  ["of another account", () => (url = url.replace(BUILD, OTHER))],
])("an API %s is not found", async (_, prepare) => {
  await deploy("1");
  prepare();
  expect(await get("/")).toEqual({ status: 404, content: { message: "Not Found" } });
});

test.each<[string, () => unknown, string]>([
  ["authorizers", () => change("routes", { authorizationType: "JWT" }), "authorization by JWT"],
  [
    "payloads of 1.0",
    () => change("integrations/one", { payloadFormatVersion: "1.0" }),
    "payload format 1.0",
  ],
  ["other servers", () => change("integrations/one", { integrationType: "HTTP_PROXY" }), "no function's"],
])("says that it does not know %s", async (_, prepare, message) => {
  await deploy("1");
  prepare();
  expect(await get("/")).toEqual({ status: 500, content: { message: expect.stringContaining(message) } });
});
