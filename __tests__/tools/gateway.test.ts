import { once } from "node:events";
import { createServer, type IncomingMessage, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { createGateway } from "../../tools/local-aws/gateway";

const BUILD = "111111111111";

/** Stands in for moto: tells what it was asked, and answers what the test says. */
let asked: { account: string; body: string; path: string }[] = [];
let answer: (request: IncomingMessage) => { status: number; body: string };
let moto: Server;
let gateway: Server;

const portOf = (server: Server) => (server.address() as AddressInfo).port;

beforeAll(async () => {
  moto = createServer(async (request, response) => {
    let body = "";
    for await (const chunk of request) body += chunk;
    asked.push({ account: String(request.headers["x-moto-account-id"]), body, path: request.url ?? "" });
    const { status, body: content } = answer(request);
    response.writeHead(status, { "content-type": "text/xml" }).end(content);
  }).listen(0, "127.0.0.1");
  await once(moto, "listening");
  gateway = createGateway({ account: BUILD, motoPort: portOf(moto) }).listen(0, "127.0.0.1");
  await once(gateway, "listening");
});
afterAll(() => {
  for (const server of [gateway, moto]) {
    server.closeAllConnections();
    server.close();
  }
});
beforeEach(() => {
  asked = [];
  answer = () => ({ status: 200, body: "<Ok/>" });
});

const authorization = (service: string, key = "local", region = "eu-west-1") =>
  `AWS4-HMAC-SHA256 Credential=${key}/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=x`;

async function call(target: string, input: unknown, key?: string, region?: string) {
  const response = await fetch(`http://127.0.0.1:${portOf(gateway)}/`, {
    method: "POST",
    headers: { "x-amz-target": target, authorization: authorization("any", key, region) },
    body: JSON.stringify(input),
  });
  const answered: Record<string, unknown> = {
    status: response.status,
    ...((await response.json()) as object),
  };
  return answered;
}

const pipeline = (name: string) => ({
  name,
  roleArn: "arn:aws:iam::111111111111:role/r",
  pipelineType: "V2",
  stages: [
    {
      name: "Source",
      actions: [
        {
          name: "s",
          actionTypeId: { category: "Source" },
          configuration: { OAuthToken: "secret", Repo: "r" },
        },
      ],
    },
    { name: "Build", actions: [{ name: "b", actionTypeId: { category: "Build" } }] },
  ],
});

const get = (name: string, key?: string, region?: string) =>
  call("CodePipeline_20150709.GetPipeline", { name }, key, region);

describe("CodePipeline", () => {
  test("keeps a pipeline, counts its versions, and hides its token", async () => {
    const created = await call("CodePipeline_20150709.CreatePipeline", {
      pipeline: pipeline("one"),
      tags: [{ key: "a", value: "b" }],
    });
    expect(created).toMatchObject({ status: 200, pipeline: { version: 1, pipelineType: "V2" } });
    await call("CodePipeline_20150709.UpdatePipeline", { pipeline: pipeline("one") });
    const found = await get("one");
    expect(found).toMatchObject({
      pipeline: {
        version: 2,
        stages: [{ actions: [{ configuration: { OAuthToken: "****", Repo: "r" } }] }, {}],
      },
      metadata: { pipelineArn: "arn:aws:codepipeline:eu-west-1:111111111111:one" },
    });
    expect(typeof (found.metadata as { created: unknown }).created).toBe("number");
    const arn = "arn:aws:codepipeline:eu-west-1:111111111111:one";
    expect(await call("CodePipeline_20150709.ListTagsForResource", { resourceArn: arn })).toMatchObject({
      tags: [{ key: "a", value: "b" }],
    });
  });

  test("fails as AWS does when the name is taken, is unknown, or the stages make no pipeline", async () => {
    await call("CodePipeline_20150709.CreatePipeline", { pipeline: pipeline("two") });
    expect(await call("CodePipeline_20150709.CreatePipeline", { pipeline: pipeline("two") })).toMatchObject({
      status: 400,
      __type: "PipelineNameInUseException",
    });
    expect(await get("none")).toMatchObject({ status: 400, __type: "PipelineNotFoundException" });
    const [source] = pipeline("x").stages;
    for (const stages of [[source], [source, source]]) {
      expect(
        await call("CodePipeline_20150709.CreatePipeline", { pipeline: { ...pipeline("three"), stages } }),
      ).toMatchObject({ status: 400, __type: "InvalidStructureException" });
    }
  });

  test("keeps regions apart", async () => {
    await call("CodePipeline_20150709.CreatePipeline", { pipeline: pipeline("here") });
    expect(await get("here", "local", "us-east-1")).toMatchObject({ __type: "PipelineNotFoundException" });
  });
});

test("credentials of an assumed role work in the role's account", async () => {
  answer = () => ({
    status: 200,
    body: "<AssumeRoleResult><AccessKeyId>ASIAOTHER</AccessKeyId><Arn>arn:aws:sts::222222222222:assumed-role/r/s</Arn></AssumeRoleResult>",
  });
  await fetch(`http://127.0.0.1:${portOf(gateway)}/`, {
    method: "POST",
    headers: { authorization: authorization("sts") },
  });
  answer = () => ({ status: 200, body: "<Ok/>" });
  await fetch(`http://127.0.0.1:${portOf(gateway)}/`, {
    headers: { authorization: authorization("ec2", "ASIAOTHER") },
  });
  expect(asked.map(({ account }) => account)).toEqual([BUILD, "222222222222"]);
  await call("CodePipeline_20150709.CreatePipeline", { pipeline: pipeline("theirs") }, "ASIAOTHER");
  expect(await get("theirs")).toMatchObject({ __type: "PipelineNotFoundException" });
  expect(await get("theirs", "ASIAOTHER")).toMatchObject({
    metadata: { pipelineArn: "arn:aws:codepipeline:eu-west-1:222222222222:theirs" },
  });
});

test.each([
  "CodePipeline_20150709.Fly",
  "CodeDeploy_20141006.constructor",
  "CodeBuild_20161006.StartSandbox",
])("%s, which nobody knows, is refused at once", async (target) => {
  expect(await call(target, {})).toMatchObject({ status: 400, __type: "UnknownOperationException" });
  expect(asked).toEqual([]);
});

test("a failure inside moto is told as an error that nobody tries again", async () => {
  answer = () => ({ status: 500, body: "<h1>Internal Server Error</h1>" });
  expect(await call("Logs_20140328.Fly", {})).toMatchObject({
    status: 400,
    __type: "UnknownOperationException",
  });
});

test("broken JSON is refused", async () => {
  const response = await fetch(`http://127.0.0.1:${portOf(gateway)}/`, {
    method: "POST",
    headers: {
      "x-amz-target": "CodePipeline_20150709.GetPipeline",
      authorization: authorization("codepipeline"),
    },
    body: "{",
  });
  expect([response.status, await response.json()]).toMatchObject([400, { __type: "SerializationException" }]);
});

test("a bucket's policy comes back as it was given, and moto gets only what it allows", async () => {
  const url = `http://127.0.0.1:${portOf(gateway)}/bucket?policy`;
  const headers = { authorization: authorization("s3") };
  expect((await fetch(url, { headers })).status).toBe(404);
  const allow = {
    Effect: "Allow",
    Action: "s3:PutObject",
    Resource: "*",
    Condition: { StringEquals: { a: "b" } },
  };
  const policy = JSON.stringify({ Statement: [{ Effect: "Deny", Action: "s3:*", Resource: "*" }, allow] });
  await fetch(url, { method: "PUT", headers, body: policy });
  expect(JSON.parse(asked.at(-1)!.body).Statement).toEqual([
    { Effect: "Allow", Action: "s3:PutObject", Resource: "*" },
  ]);
  expect(await (await fetch(url, { headers })).text()).toBe(policy);
});

test("CodeDeploy and CodeBuild answer times as numbers", async () => {
  await call("CodeDeploy_20141006.CreateApplication", { applicationName: "app", computePlatform: "ECS" });
  const { application } = await call("CodeDeploy_20141006.GetApplication", { applicationName: "app" });
  expect(typeof (application as { createTime: unknown }).createTime).toBe("number");
  const { reportGroup } = await call("CodeBuild_20161006.CreateReportGroup", { name: "tests", type: "TEST" });
  expect(typeof (reportGroup as { created: unknown }).created).toBe("number");
});

test.each([
  "com.amazonaws.codeconnections.CodeConnections_20231201",
  "CodeStar_connections_20191201",
])("a connection waits for its handshake, asked for as %s", async (target) => {
  const { ConnectionArn } = await call(`${target}.CreateConnection`, {
    ConnectionName: "c",
    ProviderType: "GitHub",
  });
  expect(await call(`${target}.GetConnection`, { ConnectionArn })).toMatchObject({
    Connection: { ConnectionStatus: "PENDING", ConnectionName: "c" },
  });
});
