import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  FilterLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import {
  CreateAliasCommand,
  CreateFunctionCommand,
  type CreateFunctionCommandInput,
  DeleteFunctionCommand,
  InvokeCommand,
  type InvokeCommandInput,
  LambdaClient,
  PublishVersionCommand,
  PutFunctionConcurrencyCommand,
  UpdateAliasCommand,
  UpdateFunctionCodeCommand,
} from "@aws-sdk/client-lambda";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { zipSync } from "fflate";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { ask, type Caller, call } from "../../../tools/local-aws/functions/client";
import { Functions, readFunctionName } from "../../../tools/local-aws/functions/functions";
import { LocalClients, region, spawnLocalAws } from "../../support/local-aws";
import { motoServer } from "../../support/moto";
import { ROOT } from "../../support/settings";
import { changesIn, initializedTerraformIn } from "../../support/terraform";
import { lives, until } from "./functions-bed";

jest.setTimeout(5 * 60_000);

const BUILD = "111111111111";
const OTHER = "222222222222";

let aws: LocalAws;
let clients: LocalClients;
let lambda: LambdaClient;
let logs: CloudWatchLogsClient;
let folder: string;
beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer() });
  clients = new LocalClients(aws.endpoint);
  lambda = clients.of(LambdaClient);
  logs = clients.of(CloudWatchLogsClient);
  folder = mkdtempSync(join(tmpdir(), "slipway-functions-"));
  await createRole("local", "hello");
});
afterAll(async () => {
  clients.destroy();
  await aws.stop();
  rmSync(folder, { recursive: true });
});

/** moto wants to see a function's role. */
async function createRole(accessKey: string, RoleName: string, endpoint = aws.endpoint): Promise<void> {
  const body = new URLSearchParams({
    Action: "CreateRole",
    Version: "2010-05-08",
    RoleName,
    AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}',
  });
  expect((await ask({ endpoint, region, accessKey }, "iam", "/", { method: "POST", body })).ok).toBe(true);
}

const zipOf = (code: string) => zipSync({ "index.js": Buffer.from(code) });
const saying = (word: string) => zipOf(`exports.handler = async () => ${JSON.stringify(word)};`);

async function create(client: LambdaClient, FunctionName: string, more: Partial<CreateFunctionCommandInput>) {
  await client.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      Role: `arn:aws:iam::${BUILD}:role/hello`,
      Code: { ZipFile: saying("one") },
      ...more,
    }),
  );
}

async function invoke(input: InvokeCommandInput, client = lambda) {
  const { Payload, ...rest } = await client.send(new InvokeCommand(input));
  return { ...rest, payload: JSON.parse(Payload?.transformToString() || "null") };
}

async function messagesOf(logGroupName: string): Promise<string[]> {
  const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
  return events.map(({ message }) => message ?? "");
}

const pause = () => new Promise((resolve) => setTimeout(resolve, 100));

test("an alias gives its version's code, whatever the function is updated to", async () => {
  const FunctionName = "words";
  await create(lambda, FunctionName, {});
  const { Version } = await lambda.send(new PublishVersionCommand({ FunctionName }));
  await lambda.send(new CreateAliasCommand({ FunctionName, Name: "live", FunctionVersion: Version }));
  const call = async (Qualifier?: string) => {
    const { payload, ExecutedVersion } = await invoke({ FunctionName, Qualifier });
    return [payload, ExecutedVersion];
  };
  expect(await call("live")).toEqual(["one", "1"]);
  await lambda.send(new UpdateFunctionCodeCommand({ FunctionName, ZipFile: saying("two") }));
  expect([await call("live"), await call()]).toEqual([
    ["one", "1"],
    ["two", "$LATEST"],
  ]);
  const update = { FunctionName, ZipFile: saying("three"), Publish: true };
  const { Version: newest } = await lambda.send(new UpdateFunctionCodeCommand(update));
  await lambda.send(
    new UpdateAliasCommand({
      FunctionName,
      Name: "live",
      RoutingConfig: { AdditionalVersionWeights: { [newest ?? ""]: 1 } },
    }),
  );
  expect([await call("live"), await call("1")]).toEqual([
    ["three", "2"],
    ["one", "1"],
  ]);
  await lambda.send(new DeleteFunctionCommand({ FunctionName }));
  await expect(call()).rejects.toMatchObject({
    name: "ResourceNotFoundException",
    message: `Function not found: arn:aws:lambda:${region}:${BUILD}:function:words`,
  });
});

test("code may come from S3, and errors, logs and limits are Lambda's", async () => {
  await clients.createBucket("proof-code");
  const code = "exports.handler = async () => { console.log('about to fail'); throw new Error('boom'); };";
  const object = { Bucket: "proof-code", Key: "fails.zip", Body: zipOf(code) };
  await clients.of(S3Client).send(new PutObjectCommand(object));
  const logGroupName = "/aws/lambda/fails";
  await logs.send(new CreateLogGroupCommand({ logGroupName }));
  await create(lambda, "fails", { Code: { S3Bucket: "proof-code", S3Key: "fails.zip" } });
  const failed = await invoke({ FunctionName: "fails", LogType: "Tail" });
  expect(failed).toMatchObject({
    StatusCode: 200,
    FunctionError: "Unhandled",
    payload: { errorType: "Error", errorMessage: "boom" },
  });
  const tail = Buffer.from(failed.LogResult ?? "", "base64").toString();
  expect(tail).toMatch(/INFO\tabout to fail\n[\s\S]*\nREPORT /);
  const logged = async () => (await messagesOf(logGroupName)).join("");
  while (!(await logged()).includes("REPORT")) await pause();
  expect(await logged()).toBe(tail);
  await lambda.send(
    new PutFunctionConcurrencyCommand({ FunctionName: "fails", ReservedConcurrentExecutions: 0 }),
  );
  const once = clients.of(LambdaClient, { maxAttempts: 1 });
  await expect(invoke({ FunctionName: "fails" }, once)).rejects.toMatchObject({
    name: "TooManyRequestsException",
  });
});

test("a function of another account is that account's, and has its role", async () => {
  const inOther = await clients.as(OTHER, "deploy");
  await createRole(inOther.credentials.accessKeyId, "worker");
  const other = inOther.of(LambdaClient);
  const code = `const { GetCallerIdentityCommand, STSClient } = require("@aws-sdk/client-sts");
    exports.handler = async () => (await new STSClient().send(new GetCallerIdentityCommand())).Arn;`;
  await create(other, "who", {
    Role: `arn:aws:iam::${OTHER}:role/worker`,
    Code: { ZipFile: zipOf(code) },
    Timeout: 20,
  });
  expect((await invoke({ FunctionName: "who" }, other)).payload).toBe(
    `arn:aws:sts::${OTHER}:assumed-role/worker/who`,
  );
  await expect(invoke({ FunctionName: "who" })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
});

test("an event that fails for good goes to the function's queue, or to its topic", async () => {
  const caller: Caller = { endpoint: aws.endpoint, region, accessKey: "local" };
  const sns = async (form: Record<string, string>) => {
    const body = new URLSearchParams({ Version: "2010-03-31", ...form });
    expect((await ask(caller, "sns", "/", { method: "POST", body })).ok).toBe(true);
  };
  const queue = `arn:aws:sqs:${region}:${BUILD}:letters`;
  const topic = `arn:aws:sns:${region}:${BUILD}:letters`;
  await call(caller, "sqs", "AmazonSQS.CreateQueue", { QueueName: "letters" });
  await sns({ Action: "CreateTopic", Name: "letters" });
  await sns({ Action: "Subscribe", TopicArn: topic, Protocol: "sqs", Endpoint: queue });
  const ZipFile = zipOf("exports.handler = async () => { throw new Error('boom'); };");
  const functions = new Functions({
    endpoint: () => aws.endpoint,
    keyOf: () => "local",
    retryMilliseconds: [],
  });
  for (const [name, TargetArn] of [
    ["to-queue", queue],
    ["to-topic", topic],
  ] as const) {
    await create(lambda, name, { Code: { ZipFile }, DeadLetterConfig: { TargetArn } });
    const fn = readFunctionName(name, { account: BUILD, region });
    functions.keep(fn, ZipFile);
    await functions.invokeLater(fn, { event: JSON.stringify({ from: name }) });
  }
  const letters: string[] = [];
  while (letters.length < 2) {
    const response = await ask(caller, "sqs", "/", {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.0", "x-amz-target": "AmazonSQS.ReceiveMessage" },
      body: JSON.stringify({
        QueueUrl: `${aws.endpoint}/${BUILD}/letters`,
        MaxNumberOfMessages: 10,
        MessageAttributeNames: ["All"],
      }),
    });
    const { Messages = [] } = (await response.json()) as { Messages?: object[] };
    letters.push(...Messages.map((message) => JSON.stringify(message)));
    await pause();
  }
  await functions.stop();
  for (const letter of letters) expect(letter).toMatch(/from.*to-(queue|topic).*boom/);
});

test("a function by Terraform has its addresses, and a plan right after an apply is empty", async () => {
  cpSync(join(ROOT, "__tests__/tools/local-aws/terraform/functions"), folder, { recursive: true });
  const run = await initializedTerraformIn(folder, aws.endpoint);
  const archive = (word: string) => {
    const file = join(folder, `${word}.zip`);
    const code = `exports.handler = async (event) => {
      console.log("asked for", event.rawPath);
      return { statusCode: 200, headers: { "content-type": "text/plain" }, body: process.env.GREETING + " ${word}" };
    };`;
    writeFileSync(file, zipOf(code));
    return `-var=archive=${file}`;
  };
  const [one, two] = [archive("one"), archive("two")];
  await run("apply", "-auto-approve", "-input=false", one);
  const { stdout } = await run("output", "-json");
  const outputs = JSON.parse(stdout) as Record<"live" | "open", { value: string }>;

  expect((await fetch(outputs.live.value)).status).toBe(403);
  const caller = { endpoint: outputs.live.value, region, accessKey: "local" };
  const live = async () => (await ask(caller, "lambda", "")).text();
  const open = async () => (await fetch(`${outputs.open.value}a/path?b=c`)).text();
  expect([await live(), await open()]).toEqual(["hello one", "hello one"]);
  const records = async () =>
    (await messagesOf("/aws/lambda/proof-function")).map((text) => JSON.parse(text));
  const reports = async () => (await records()).filter(({ type }) => type === "platform.report");
  while ((await reports()).length < 2) await pause();
  const record = { level: "INFO", message: "asked for /a/path" };
  expect(await records()).toContainEqual(expect.objectContaining(record));

  const updated = await run("apply", "-auto-approve", "-input=false", two);
  expect(changesIn(updated).map((line) => line.replace(/ = .*/, ""))).toEqual([
    '~ resource "aws_lambda_alias" "live"',
    "~ function_version",
    '~ resource "aws_lambda_function" "this"',
    "~ filename",
    "~ last_modified",
    "~ qualified_arn",
    "~ qualified_invoke_arn",
    "~ source_code_hash",
    "~ version",
  ]);
  expect((await run("plan", "-detailed-exitcode", "-input=false", two)).exitCode).toBe(0);
  expect([await live(), await open()]).toEqual(["hello two", "hello two"]);
  await run("destroy", "-auto-approve", "-input=false", two);
  expect((await fetch(outputs.open.value)).status).toBe(404);
});

test("no function outlives a Local AWS that was killed", async () => {
  const { cli, endpoint } = await spawnLocalAws();
  const its = new LocalClients(endpoint);
  const mine = its.of(LambdaClient);
  await createRole("local", "hello", endpoint);
  const code = `exports.handler = async ({ stay }) => {
    if (stay) for (;;);
    return [process.pid, __dirname];
  };`;
  await create(mine, "stays", { Code: { ZipFile: zipOf(code) }, Timeout: 300 });
  const { payload } = await invoke({ FunctionName: "stays" }, mine);
  const [pid, task] = payload;
  const busy = invoke({ FunctionName: "stays", Payload: '{"stay":true}' }, mine).catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 500));
  expect(lives(pid)).toBe(true);
  cli.kill("SIGKILL");
  await until(() => !lives(pid) && !existsSync(task));
  its.destroy();
  await busy;
});
