import { createHash } from "node:crypto";
import { once } from "node:events";
import { request } from "node:http";
import { decodeCbor } from "../../../tools/local-aws/cbor";
import { authorization, Bed, BUILD, OTHER } from "./upstream";

let bed: Bed;
beforeEach(async () => {
  bed = await new Bed().start();
});
afterEach(() => bed.stop());

test("what is not ours goes to moto as it came, with the account of its credentials", async () => {
  const key = await bed.assumeRole();
  const seen: object[] = [];
  bed.upstream = ({ method, url, headers }, response, body) => {
    const { host, "x-moto-account-id": account } = headers;
    seen.push({ method, url, host, account, body: body.toString() });
    response.setHeader("x-from-moto", "yes").end("<ok/>");
  };
  const answer = await bed.form("sns", { Action: "ListTopics" }, key);
  expect([answer.headers.get("x-from-moto"), await answer.text()]).toEqual(["yes", "<ok/>"]);
  await bed.form("sns", { Action: "ListTopics" });
  const alike = { method: "POST", url: "/", host: new URL(bed.endpoint).host, body: "Action=ListTopics" };
  expect(seen).toEqual([
    { ...alike, account: OTHER },
    { ...alike, account: BUILD },
  ]);
});

test("a signed URL tells its account, too", async () => {
  const key = await bed.assumeRole();
  bed.upstream = ({ headers }, response) => response.end(headers["x-moto-account-id"]);
  const query = `X-Amz-Credential=${key}%2F20260101%2Feu-west-1%2Fs3%2Faws4_request`;
  expect(await (await fetch(`${bed.endpoint}/bucket/key?${query}`)).text()).toBe(OTHER);
});

test("a big body reaches moto before it has ended, and a big answer comes back whole", async () => {
  const chunk = Buffer.alloc(1 << 20, "x");
  const chunks = 32;
  const expected = createHash("sha256");
  for (let i = 0; i < chunks; i++) expected.update(chunk);
  let tellArrival = () => {};
  const arrived = new Promise<void>((resolve) => {
    tellArrival = resolve;
  });
  bed.stream = (incoming, response) => {
    const hash = createHash("sha256");
    incoming.on("data", (data) => {
      hash.update(data);
      tellArrival();
    });
    incoming.on("end", async () => {
      response.setHeader("x-sha", hash.digest("hex"));
      for (let i = 0; i < chunks; i++) if (!response.write(chunk)) await once(response, "drain");
      response.end();
    });
  };
  const outgoing = request(`${bed.endpoint}/bucket/big`, {
    method: "PUT",
    headers: { authorization: authorization("s3"), "content-length": chunk.length * chunks },
  });
  const answered = once(outgoing, "response");
  outgoing.write(chunk);
  // Were it held until its end, this would never come.
  await arrived;
  for (let i = 1; i < chunks; i++) if (!outgoing.write(chunk)) await once(outgoing, "drain");
  outgoing.end();
  const [response] = await answered;
  let length = 0;
  for await (const data of response) length += data.length;
  expect([response.headers["x-sha"], length]).toEqual([expected.digest("hex"), chunk.length * chunks]);
});

test("a HEAD keeps the object's length", async () => {
  bed.upstream = (_, response) => response.writeHead(200, { "content-length": 1234 }).end();
  expect((await bed.s3("/bucket/key", "HEAD")).headers.get("content-length")).toBe("1234");
});

test.each([
  ["a service of ours", "CodePipeline_20150709.Fly"],
  ["a name that every object has", "CodeDeploy_20141006.constructor"],
  ["builds in batches", "CodeBuild_20161006.StartBuildBatch"],
])("unknown operations are refused at once: %s", async (_, target) => {
  const { status, content, headers } = await bed.call(target, {});
  expect([status, content.__type]).toEqual([400, "UnknownOperationException"]);
  expect(headers.has("x-amzn-requestid")).toBe(true);
  expect(bed.log).toEqual([expect.stringContaining("does not know")]);
});

test("broken JSON is refused", async () => {
  const { content } = await bed.call("CodePipeline_20150709.GetPipeline", "{");
  expect(content.__type).toBe("SerializationException");
});

describe("where moto's threads run into each other", () => {
  const PAGE =
    "<!doctype html><title>500 Internal Server Error</title><h1>Internal Server Error</h1><p>The server encountered an internal error.</p>";
  const asked: string[] = [];
  /** @param times how often it stumbles */
  const stumble = (times: number) => {
    asked.length = 0;
    bed.upstream = (_, response, body) => {
      asked.push(body.toString());
      if (asked.length <= times) response.writeHead(500, { "content-type": "text/html" }).end(PAGE);
      else response.end("<done/>");
    };
  };

  test("it is asked the same again", async () => {
    stumble(2);
    const answer = await bed.form("iam", { Action: "CreateRole", RoleName: "build" });
    expect([answer.status, await answer.text()]).toEqual([200, "<done/>"]);
    expect(asked).toEqual(Array(3).fill(expect.stringContaining("RoleName=build")));
  });

  test("it is not asked for ever", async () => {
    stumble(9);
    const answer = await bed.form("iam", { Action: "CreateRole", RoleName: "build" });
    expect([answer.status, await answer.text()]).toEqual([
      400,
      expect.stringContaining("cannot do iam CreateRole: moto answers 500 Internal Server Error"),
    ]);
    expect(asked).toHaveLength(3);
  });
});

describe("a failure inside moto is one that nobody tries again, in the protocol of the request", () => {
  beforeEach(() => {
    bed.upstream = (_, response) => response.writeHead(500).end("<h1>NotImplementedError</h1>");
  });

  test("JSON", async () => {
    const { status, content } = await bed.call("Logs_20140328.Fly", {});
    expect([status, content.__type]).toEqual([400, "UnknownOperationException"]);
    expect(content.message).toContain("Fly: moto answers NotImplementedError");
  });

  test.each([
    ["sns", /^<ErrorResponse><Error><Type>Sender<\/Type><Code>UnknownOperationException<.*sns Fly/],
    ["ec2", /^<Response><Errors><Error><Code>UnknownOperationException<.*ec2 Fly/],
  ])("query XML of %s", async (service, expected) => {
    const answer = await bed.form(service, { Action: "Fly" });
    expect([answer.status, await answer.text()]).toEqual([400, expect.stringMatching(expected)]);
  });

  test("XML of Route 53", async () => {
    const headers = { authorization: authorization("route53") };
    const answer = await fetch(`${bed.endpoint}/2013-04-01/fly`, { headers });
    const expected = expect.stringMatching(/^<ErrorResponse><Error>.*<Code>UnknownOperationException</);
    expect([answer.status, await answer.text()]).toEqual([400, expected]);
  });

  test("CBOR, as CloudWatch's clients speak it", async () => {
    const answer = await fetch(`${bed.endpoint}/service/GraniteServiceVersion20100801/operation/Fly`, {
      method: "POST",
      headers: {
        authorization: authorization("monitoring"),
        "content-type": "application/cbor",
        "smithy-protocol": "rpc-v2-cbor",
      },
    });
    expect([answer.status, answer.headers.get("smithy-protocol")]).toEqual([400, "rpc-v2-cbor"]);
    expect(decodeCbor(Buffer.from(await answer.arrayBuffer()))).toEqual({
      __type: "UnknownOperationException",
      message: expect.stringContaining("Fly: moto answers NotImplementedError"),
    });
  });

  test("S3", async () => {
    const answer = await bed.s3("/bucket?fly");
    const expected = expect.stringMatching(/^<Error><Code>UnknownOperationException</);
    expect([answer.status, await answer.text()]).toEqual([400, expected]);
  });
});

test("an operation that moto has no address for is unknown, not a thing that is not found", async () => {
  bed.upstream = (_, response) => response.writeHead(404, { "content-type": "text/html" }).end("<h1>No</h1>");
  const headers = { authorization: authorization("lambda") };
  const answer = await fetch(`${bed.endpoint}/2020-01-01/fly`, { headers });
  expect([answer.status, answer.headers.get("x-amzn-errortype")]).toEqual([400, "UnknownOperationException"]);
});

test("without moto, requests fail at once", async () => {
  bed.stopMoto();
  const started = Date.now();
  expect((await bed.s3("/bucket/key")).status).toBe(503);
  expect((await bed.s3("/bucket/key", "PUT", "x".repeat(1 << 20))).status).toBe(503);
  expect((await bed.form("sns", { Action: "ListTopics" })).status).toBe(503);
  expect(Date.now() - started).toBeLessThan(2000);
});
