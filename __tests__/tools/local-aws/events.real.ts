import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CloudWatchClient, PutMetricAlarmCommand, SetAlarmStateCommand } from "@aws-sdk/client-cloudwatch";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  FilterLogEventsCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { CodeBuildClient, CreateProjectCommand } from "@aws-sdk/client-codebuild";
import {
  type ActionDeclaration,
  CodePipelineClient,
  CreatePipelineCommand,
  GetPipelineStateCommand,
  RetryStageExecutionCommand,
  StartPipelineExecutionCommand,
} from "@aws-sdk/client-codepipeline";
import { CreateFunctionCommand, LambdaClient, ListFunctionsCommand } from "@aws-sdk/client-lambda";
import { CreateBucketCommand, ListBucketsCommand, S3Client } from "@aws-sdk/client-s3";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import { zipSync } from "fflate";
import { handInSource, type LocalAws, startLocalAws } from "../../../tools/local-aws";
import type { Mail } from "../../../tools/local-aws/events/mail";
import { ask } from "../../../tools/local-aws/functions/client";
import { motoServer } from "../../support/moto";

jest.setTimeout(2 * 60_000);

const BUILD = "111111111111";
const region = "eu-west-1";
const ROLE = `arn:aws:iam::${BUILD}:role/it`;

let aws: LocalAws;
let log: string[];
let config: {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
};
const start = async (faults = {}) => {
  log = [];
  aws = await startLocalAws({
    account: BUILD,
    motoServer: await motoServer(),
    faults,
    log: (line) => log.push(line),
  });
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  config = { endpoint: aws.endpoint, region, credentials };
  await form("iam", {
    Action: "CreateRole",
    Version: "2010-05-08",
    RoleName: "it",
    AssumeRolePolicyDocument: "{}",
  });
};
afterEach(() => aws.stop());

async function form(service: string, fields: Record<string, string>): Promise<string> {
  const caller = { endpoint: aws.endpoint, region, accessKey: "local" };
  const response = await ask(caller, service, "/", { method: "POST", body: new URLSearchParams(fields) });
  const text = await response.text();
  expect([response.status, text]).toEqual([200, text]);
  return text;
}

async function json(service: string, target: string, input: object): Promise<Record<string, unknown>> {
  const caller = { endpoint: aws.endpoint, region, accessKey: "local" };
  const headers = { "content-type": "application/x-amz-json-1.1", "x-amz-target": target };
  const response = await ask(caller, service, "/", { method: "POST", headers, body: JSON.stringify(input) });
  const text = await response.text();
  expect([response.status, text]).toEqual([200, text]);
  return text ? JSON.parse(text) : {};
}

async function rule(Name: string, EventPattern: object, ...targets: object[]): Promise<void> {
  await json("events", "AWSEvents.PutRule", { Name, EventPattern: JSON.stringify(EventPattern) });
  const Targets = targets.map((target, index) => ({ Id: `${index}`, ...target }));
  await json("events", "AWSEvents.PutTargets", { Rule: Name, Targets });
}

async function topicWithMail(name: string): Promise<string> {
  const TopicArn = `arn:aws:sns:${region}:${BUILD}:${name}`;
  await form("sns", { Action: "CreateTopic", Version: "2010-03-31", Name: name });
  const subscription = { TopicArn, Protocol: "email", Endpoint: "ops+aws@example.com" };
  await form("sns", { Action: "Subscribe", Version: "2010-03-31", ...subscription });
  return TopicArn;
}

const mails = async () => (await (await fetch(`${aws.endpoint}/local-aws/mail`)).json()) as Mail[];

/** A function that says in its log what it was called with. */
async function listener(FunctionName: string): Promise<string> {
  const lambda = new LambdaClient(config);
  const logs = new CloudWatchLogsClient(config);
  const code = "exports.handler = async (event) => console.log('GOT ' + JSON.stringify(event));";
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName,
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      Role: ROLE,
      Code: { ZipFile: zipSync({ "index.js": Buffer.from(code) }) },
    }),
  );
  await logs.send(new CreateLogGroupCommand({ logGroupName: `/aws/lambda/${FunctionName}` }));
  lambda.destroy();
  logs.destroy();
  return `arn:aws:lambda:${region}:${BUILD}:function:${FunctionName}`;
}

async function heard(FunctionName: string): Promise<{ detail: Record<string, unknown>; id: string }[]> {
  const logs = new CloudWatchLogsClient(config);
  const logGroupName = `/aws/lambda/${FunctionName}`;
  const { events = [] } = await logs.send(new FilterLogEventsCommand({ logGroupName }));
  logs.destroy();
  return events.flatMap(({ message = "" }) => {
    const [, event] = /GOT (\{.*\})/.exec(message) ?? [];
    return event ? [JSON.parse(event)] : [];
  });
}

async function until<T>(read: () => Promise<T[]>, count: number): Promise<T[]> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const all = await read();
    if (all.length >= count || Date.now() > deadline) return all;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

/** A pipeline whose source is not there: its first action fails. */
async function failingPipeline(name: string): Promise<void> {
  const codepipeline = new CodePipelineClient(config);
  const s3 = new S3Client({ ...config, forcePathStyle: true });
  await s3.send(new CreateBucketCommand({ Bucket: "artifacts" }));
  const source = {
    name: "Fetch",
    actionTypeId: { category: "Source", owner: "AWS", provider: "CodeCommit", version: "1" },
    configuration: { RepositoryName: "app", BranchName: "main" },
    outputArtifacts: [{ name: "Code" }],
  } satisfies ActionDeclaration;
  const approval = {
    name: "Approve",
    actionTypeId: { category: "Approval", owner: "AWS", provider: "Manual", version: "1" },
  } as const;
  await codepipeline.send(
    new CreatePipelineCommand({
      pipeline: {
        name,
        roleArn: ROLE,
        pipelineType: "V2",
        artifactStore: { type: "S3", location: "artifacts" },
        stages: [
          { name: "Source", actions: [source] },
          { name: "Release", actions: [approval] },
        ],
      },
    }),
  );
  await codepipeline.send(new StartPipelineExecutionCommand({ name }));
  codepipeline.destroy();
  s3.destroy();
}

test("a rule for failed executions calls a function, and tells a topic in words of its own", async () => {
  await start();
  const fn = await listener("failures");
  const topic = await topicWithMail("failures");
  await rule(
    "failed",
    {
      source: ["aws.codepipeline"],
      "detail-type": [{ wildcard: "CodePipeline * Execution State Change" }],
      detail: { state: ["FAILED"], pipeline: [{ "anything-but": { prefix: "other-" } }] },
    },
    { Arn: fn },
    {
      Arn: topic,
      InputTransformer: {
        InputPathsMap: {
          pipeline: "$.detail.pipeline",
          why: "$.detail.execution-result.external-execution-summary",
        },
        InputTemplate: '"<pipeline> has failed: <why>"',
      },
    },
  );
  await failingPipeline("hello");
  const events = await until(() => heard("failures"), 3);
  const told = events.map(({ detail }) => `${detail.stage ?? "-"}/${detail.action ?? "-"} ${detail.state}`);
  expect(told.sort()).toEqual(["-/- FAILED", "Source/- FAILED", "Source/Fetch FAILED"]);
  const action = events.find(({ detail }) => detail.action)?.detail;
  expect(action).toMatchObject({
    pipeline: "hello",
    "execution-result": {
      "error-code": expect.any(String),
      "external-execution-summary": expect.any(String),
    },
    type: { category: "Source", provider: "CodeCommit" },
    "pipeline-execution-attempt": 1,
    version: 1,
  });
  const sent = await until(mails, 3);
  expect(sent).toHaveLength(3);
  expect(sent.every(({ to }) => to === "ops+aws@example.com")).toBe(true);
  expect(sent.some(({ text }) => /^"hello has failed: .+local-aws-sources/.test(text))).toBe(true);
  expect(log).toEqual([]);
});

test("an alarm tells its topic, and EventBridge, of each change once", async () => {
  await start();
  const fn = await listener("alarms");
  const topic = await topicWithMail("alarms");
  await rule("alarms", { source: ["aws.cloudwatch"], detail: { state: { value: ["ALARM"] } } }, { Arn: fn });
  const cloudwatch = new CloudWatchClient(config);
  await cloudwatch.send(
    new PutMetricAlarmCommand({
      AlarmName: "hello-errors",
      Namespace: "AWS/Lambda",
      MetricName: "Errors",
      Dimensions: [{ Name: "FunctionName", Value: "hello" }],
      Statistic: "Sum",
      Period: 60,
      EvaluationPeriods: 1,
      Threshold: 0,
      ComparisonOperator: "GreaterThanThreshold",
      AlarmActions: [topic],
      OKActions: [topic],
    }),
  );
  const change = (StateValue: "ALARM" | "OK") =>
    cloudwatch.send(
      new SetAlarmStateCommand({
        AlarmName: "hello-errors",
        StateValue,
        StateReason: `By hand: ${StateValue}`,
      }),
    );
  await change("ALARM");
  await change("ALARM");
  await change("OK");
  cloudwatch.destroy();
  expect((await mails()).map(({ subject, topic: told }) => [subject, told])).toEqual([
    ['ALARM: "hello-errors" in eu-west-1', topic],
    ['OK: "hello-errors" in eu-west-1', topic],
  ]);
  expect((await mails())[0]?.text).toContain("By hand: ALARM");
  const [event, ...more] = await until(() => heard("alarms"), 1);
  expect(more).toEqual([]);
  expect(event?.detail).toMatchObject({
    alarmName: "hello-errors",
    state: { value: "ALARM", reason: "By hand: ALARM" },
    configuration: {
      metrics: [{ metricStat: { metric: { name: "Errors", dimensions: { FunctionName: "hello" } } } }],
    },
  });
  expect(log).toEqual([]);
});

test("duplicates are seen twice by a function and by a topic, with one id", async () => {
  await start({ duplicateEvents: true });
  const fn = await listener("twice");
  const topic = await topicWithMail("twice");
  await rule("twice", { source: ["acme"] }, { Arn: fn }, { Arn: topic, InputPath: "$.detail.number" });
  const entry = { Source: "acme", DetailType: "It", Detail: '{"number":7}' };
  const answer = await json("events", "AWSEvents.PutEvents", {
    Entries: [entry, { ...entry, Detail: "no JSON" }],
  });
  expect(answer).toMatchObject({ FailedEntryCount: 1, Entries: [{}, { ErrorCode: "MalformedDetail" }] });
  const events = await until(() => heard("twice"), 2);
  expect(events).toHaveLength(2);
  expect(new Set(events.map(({ id }) => id)).size).toBe(1);
  expect((await until(mails, 2)).map(({ text }) => text)).toEqual(["7", "7"]);
});

test("a role's calls that are refused as too many succeed when they are tried again", async () => {
  await start({ throttle: 0.3 });
  const sts = new STSClient(config);
  const { Credentials: given } = await sts.send(
    new AssumeRoleCommand({ RoleArn: ROLE, RoleSessionName: "it" }),
  );
  sts.destroy();
  const credentials = {
    accessKeyId: given?.AccessKeyId ?? "",
    secretAccessKey: given?.SecretAccessKey ?? "",
    sessionToken: given?.SessionToken ?? "",
  };
  const asRole = { ...config, credentials, maxAttempts: 12 };
  const clients = {
    json: new CloudWatchLogsClient(asRole),
    query: new STSClient(asRole),
    rest: new LambdaClient(asRole),
    s3: new S3Client({ ...asRole, forcePathStyle: true }),
  };
  let attempts = 0;
  for (let call = 0; call < 4; call++) {
    const answers = [
      await clients.json.send(new CreateLogGroupCommand({ logGroupName: `group-${call}` })),
      await clients.query.send(new AssumeRoleCommand({ RoleArn: ROLE, RoleSessionName: "again" })),
      await clients.rest.send(new ListFunctionsCommand({})),
      await clients.s3.send(new ListBucketsCommand({})),
    ];
    for (const { $metadata } of answers) attempts += $metadata.attempts ?? 0;
  }
  expect(attempts).toBeGreaterThan(16);
  for (const client of Object.values(clients)) client.destroy();
});

test("a build that is killed once tells of it, and after a retry the approval's mail comes", async () => {
  await start({ kill: "Test" });
  const fn = await listener("builds");
  const topic = await topicWithMail("approvals");
  await rule("builds", { source: ["aws.codebuild"] }, { Arn: fn });
  const s3 = new S3Client({ ...config, forcePathStyle: true });
  const codebuild = new CodeBuildClient(config);
  const codepipeline = new CodePipelineClient(config);
  const folder = mkdtempSync(join(tmpdir(), "slipway-events-"));
  writeFileSync(join(folder, "it.txt"), "it");
  const source = { repository: "app", branch: "main", commit: "c0ffee", message: "It" };
  await handInSource({ s3, folder, ...source });
  rmSync(folder, { recursive: true });
  await s3.send(new CreateBucketCommand({ Bucket: "artifacts" }));
  const buildspec = JSON.stringify({ version: "0.2", phases: { build: { commands: ["sleep 1"] } } });
  await codebuild.send(
    new CreateProjectCommand({
      name: "test",
      serviceRole: ROLE,
      source: { type: "CODEPIPELINE", buildspec },
      artifacts: { type: "CODEPIPELINE" },
      environment: { type: "LINUX_CONTAINER", image: "i", computeType: "BUILD_GENERAL1_SMALL" },
    }),
  );
  const type = (category: "Source" | "Test" | "Approval", provider: string) =>
    ({ category, owner: "AWS", provider, version: "1" }) as const;
  const stages = [
    {
      name: "Source",
      actions: [
        {
          name: "Fetch",
          actionTypeId: type("Source", "CodeCommit"),
          configuration: { RepositoryName: "app", BranchName: "main" },
          outputArtifacts: [{ name: "Code" }],
        },
      ],
    },
    {
      name: "Check",
      actions: [
        {
          name: "Test",
          actionTypeId: type("Test", "CodeBuild"),
          configuration: { ProjectName: "test" },
          inputArtifacts: [{ name: "Code" }],
        },
      ],
    },
    {
      name: "Release",
      actions: [
        {
          name: "Approve",
          actionTypeId: type("Approval", "Manual"),
          configuration: { NotificationArn: topic, CustomData: "Look at the plan" },
        },
      ],
    },
  ];
  const artifactStore = { type: "S3" as const, location: "artifacts" };
  // It starts by itself: its source is there.
  await codepipeline.send(
    new CreatePipelineCommand({
      pipeline: { name: "hello", roleArn: ROLE, pipelineType: "V2", artifactStore, stages },
    }),
  );
  const states = async () => (await heard("builds")).map(({ detail }) => detail["build-status"]);
  expect((await until(states, 2)).sort()).toEqual(["IN_PROGRESS", "STOPPED"]);
  const { stageStates = [] } = await codepipeline.send(new GetPipelineStateCommand({ name: "hello" }));
  const pipelineExecutionId = stageStates[1]?.latestExecution?.pipelineExecutionId;
  expect(await mails()).toEqual([]);
  const again = { pipelineName: "hello", stageName: "Check", retryMode: "FAILED_ACTIONS" as const };
  await codepipeline.send(new RetryStageExecutionCommand({ ...again, pipelineExecutionId }));
  const [notice, ...more] = await until(mails, 1);
  expect(more).toEqual([]);
  expect(notice).toMatchObject({
    to: "ops+aws@example.com",
    subject: "APPROVAL NEEDED: AWS CodePipeline hello for action Approve",
    text: expect.stringContaining("Look at the plan"),
  });
  expect((await until(states, 4)).sort()).toEqual(["IN_PROGRESS", "IN_PROGRESS", "STOPPED", "SUCCEEDED"]);
  for (const client of [s3, codebuild, codepipeline]) client.destroy();
  expect(log).toEqual([]);
});
