import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodeBuildClient, CreateProjectCommand } from "@aws-sdk/client-codebuild";
import {
  CodePipelineClient,
  CreatePipelineCommand,
  GetPipelineExecutionCommand,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  type PipelineDeclaration,
} from "@aws-sdk/client-codepipeline";
import {
  CreateEventSourceMappingCommand,
  CreateFunctionCommand,
  InvokeCommand,
  LambdaClient,
} from "@aws-sdk/client-lambda";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { zipSync } from "fflate";
import { handInSource, type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { call } from "../../../tools/local-aws/functions/client";
import type { Post } from "../../../tools/local-aws/posts";
import { motoServer } from "../../support/moto";
import { authorization, BUILD } from "./upstream";

// What previews ask of AWS, by functions with the rights that theirs have.

jest.setTimeout(3 * 60_000);

const region = "eu-west-1";
const arn = (service: string, name: string) => `arn:aws:${service}:${region}:${BUILD}:${name}`;
const roleArn = (name: string) => `arn:aws:iam::${BUILD}:role/${name}`;
const TEMPLATE = "hello-preview-main_dev";
const BUCKET = "hello-previews";
const TEARDOWN = "hello-delivery-teardown";
/** A branch, as Git takes it. */
const HOSTILE = "feature/$(id)`id`'\"&é%2F;<b>|#+";
const QUEUE = arn("sqs", "hello-previews.fifo");

/** Does what it is asked to, and tells why it may not. */
const ACTOR = `
import * as codebuild from "@aws-sdk/client-codebuild";
import * as codepipeline from "@aws-sdk/client-codepipeline";
import * as s3 from "@aws-sdk/client-s3";
import * as sqs from "@aws-sdk/client-sqs";
const clients = {
  codebuild: [codebuild, new codebuild.CodeBuildClient({})],
  codepipeline: [codepipeline, new codepipeline.CodePipelineClient({})],
  s3: [s3, new s3.S3Client({})],
  sqs: [sqs, new sqs.SQSClient({})],
};
export const handler = async ({ service, command, input }) => {
  const [sdk, client] = clients[service];
  return client.send(new sdk[command + "Command"](input))
    .catch(({ name, message }) => ({ refused: name + ": " + message }));
};`;

/** Tells what it hears of; what is to fail at first does so, and all of its group after it. */
const LISTENER = `
export const handler = async ({ Records }) => {
  const failed = new Set();
  const batchItemFailures = [];
  for (const { messageId, body, attributes } of Records) {
    const { detail, slipway, fails } = JSON.parse(body);
    const group = attributes.MessageGroupId;
    const text = slipway ?? detail.pipeline + " " + detail.state;
    if (failed.has(group) || (fails && attributes.ApproximateReceiveCount === "1")) {
      failed.add(group);
      batchItemFailures.push({ itemIdentifier: messageId });
      continue;
    }
    await fetch(process.env.AWS_ENDPOINT_URL + "/local-aws/chat", { method: "POST", body: JSON.stringify({ text }) });
  }
  return { batchItemFailures };
};`;

const RIGHTS: readonly (readonly [actions: string[], resource: string])[] = [
  [["codepipeline:GetPipeline"], arn("codepipeline", "hello-preview-*")],
  [["codepipeline:ListPipelines"], arn("codepipeline", "*")],
  [
    ["Create", "Update", "Delete", "Get"]
      .map((verb) => `codepipeline:${verb}Pipeline`)
      .concat(
        ["StartPipelineExecution", "StopPipelineExecution", "TagResource", "ListTagsForResource"].map(
          (operation) => `codepipeline:${operation}`,
        ),
      ),
    arn("codepipeline", "hello-preview-*_*_*"),
  ],
  [["iam:PassRole"], roleArn("pipeline")],
  [["codebuild:StartBuild"], arn("codebuild", `project/${TEARDOWN}`)],
  [["s3:GetObject", "s3:PutObject"], `arn:aws:s3:::${BUCKET}/records/*`],
  [["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], QUEUE],
];

let aws: LocalAws;
let folder: string;
/** While it is there, builds wait. */
let hold: string;
let clients: { codepipeline: CodePipelineClient; lambda: LambdaClient; s3: S3Client };
let queueUrl: string;
beforeAll(async () => {
  aws = await startLocalAws({
    account: BUILD,
    motoServer: await motoServer(),
    enforceIam: true,
    minuteMilliseconds: 1000,
  });
  folder = mkdtempSync(join(tmpdir(), "slipway-previews-"));
  hold = join(folder, "hold");
  const config = {
    endpoint: aws.endpoint,
    region,
    credentials: { accessKeyId: "local", secretAccessKey: "local" },
  };
  clients = {
    codepipeline: new CodePipelineClient(config),
    lambda: new LambdaClient(config),
    s3: new S3Client(config),
  };
  await role("pipeline", "codepipeline", [
    [["s3:*"], `arn:aws:s3:::${BUCKET}/*`],
    [["codebuild:StartBuild", "codebuild:BatchGetBuilds"], arn("codebuild", `project/${TEMPLATE}`)],
  ]);
  await role("admin", "codepipeline", []);
  await role("build", "codebuild", [[["s3:GetObject", "s3:GetObjectVersion"], `arn:aws:s3:::${BUCKET}/*`]]);
  await role("previews", "lambda", RIGHTS);
  await clients.s3.send(
    new CreateBucketCommand({ Bucket: BUCKET, CreateBucketConfiguration: { LocationConstraint: region } }),
  );
  const codebuild = new CodeBuildClient(config);
  const projects = {
    [TEMPLATE]: ["CODEPIPELINE", 'test "$SLIPWAY_PREVIEW" = "pv-dev-$SLUG"'],
    [TEARDOWN]: ["NO_SOURCE", "true"],
  } as const;
  for (const [name, [type, command]] of Object.entries(projects)) {
    const commands = [`while test -e ${hold}; do sleep 0.1; done`, command];
    await codebuild.send(
      new CreateProjectCommand({
        name,
        serviceRole: roleArn("build"),
        source: { type, buildspec: JSON.stringify({ version: "0.2", phases: { build: { commands } } }) },
        artifacts: { type: type === "NO_SOURCE" ? "NO_ARTIFACTS" : type },
        environment: { type: "LINUX_CONTAINER", image: "i", computeType: "BUILD_GENERAL1_SMALL" },
        logsConfig: { cloudWatchLogs: { status: "DISABLED" } },
      }),
    );
  }
  codebuild.destroy();
  for (const [name, code] of Object.entries({ actor: ACTOR, listener: LISTENER })) {
    await clients.lambda.send(
      new CreateFunctionCommand({
        FunctionName: name,
        Role: roleArn("previews"),
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Timeout: 30,
        Code: { ZipFile: zipSync({ "index.mjs": Buffer.from(code) }) },
      }),
    );
  }
  await clients.codepipeline.send(new CreatePipelineCommand({ pipeline: template }));
  await listen();
});
afterAll(async () => {
  rmSync(hold, { force: true });
  for (const client of Object.values(clients)) client.destroy();
  await aws.stop();
  rmSync(folder, { recursive: true });
});
afterEach(() => rmSync(hold, { force: true }));

const policy = (...statements: object[]) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: statements.map((statement) => ({ Effect: "Allow", ...statement })),
  });

async function role(name: string, service: string, rights: typeof RIGHTS): Promise<void> {
  const ask = async (Action: string, fields: Record<string, string>) => {
    const response = await fetch(aws.endpoint, {
      method: "POST",
      headers: { authorization: authorization("iam", "local") },
      body: new URLSearchParams({ Action, Version: "2010-05-08", RoleName: name, ...fields }),
    });
    expect(response.status).toBe(200);
  };
  const trust = { Action: "sts:AssumeRole", Principal: { Service: `${service}.amazonaws.com` } };
  await ask("CreateRole", { AssumeRolePolicyDocument: policy(trust) });
  const statements = rights.map(([Action, Resource]) => ({ Action, Resource }));
  if (statements.length)
    await ask("PutRolePolicy", { PolicyName: "grants", PolicyDocument: policy(...statements) });
}

const admin = () => ({ endpoint: aws.endpoint, region, accessKey: "local" });

/** Events of previews' pipelines, and a function's own messages, reach the listener by a queue that keeps their order. */
async function listen(): Promise<void> {
  const rules = ["previews", "sweep"].map((name) => arn("events", `rule/hello-${name}`));
  const letIn = {
    Action: "sqs:SendMessage",
    Resource: QUEUE,
    Principal: { Service: "events.amazonaws.com" },
    Condition: { ArnEquals: { "aws:SourceArn": rules } },
  };
  const created = await call(admin(), "sqs", "AmazonSQS.CreateQueue", {
    QueueName: "hello-previews.fifo",
    Attributes: {
      FifoQueue: "true",
      ContentBasedDeduplication: "true",
      VisibilityTimeout: "180",
      Policy: policy(letIn),
    },
  });
  queueUrl = String(created.QueueUrl);
  await clients.lambda.send(
    new CreateEventSourceMappingCommand({
      FunctionName: "listener",
      EventSourceArn: QUEUE,
      FunctionResponseTypes: ["ReportBatchItemFailures"],
    }),
  );
  await call(admin(), "events", "AWSEvents.PutRule", {
    Name: "hello-previews",
    EventPattern: JSON.stringify({
      source: ["aws.codepipeline"],
      "detail-type": ["CodePipeline Pipeline Execution State Change"],
      detail: { pipeline: [{ prefix: "hello-preview-" }] },
    }),
  });
  const target = { Id: "queue", Arn: QUEUE, SqsParameters: { MessageGroupId: "pipelines" } };
  await call(admin(), "events", "AWSEvents.PutTargets", { Rule: "hello-previews", Targets: [target] });
}

const type = (category: "Source" | "Build", provider: string, owner: "AWS" | "ThirdParty" = "AWS") => ({
  category,
  owner,
  provider,
  version: "1",
});

const template: PipelineDeclaration = {
  name: TEMPLATE,
  roleArn: roleArn("pipeline"),
  pipelineType: "V2",
  executionMode: "SUPERSEDED",
  artifactStore: { type: "S3", location: BUCKET },
  variables: [{ name: "SLIPWAY_PREVIEW", defaultValue: "none" }],
  stages: [
    {
      name: "Source",
      actions: [
        {
          name: "Fetch",
          actionTypeId: type("Source", "GitHub", "ThirdParty"),
          configuration: { Owner: "acme", Repo: "hello", Branch: "main", OAuthToken: "made-up" },
          outputArtifacts: [{ name: "Code" }],
        },
      ],
    },
    {
      name: "Build",
      actions: [
        {
          name: "build",
          actionTypeId: type("Build", "CodeBuild"),
          inputArtifacts: [{ name: "Code" }],
          configuration: { ProjectName: TEMPLATE },
        },
      ],
    },
  ],
};

interface Answer extends Record<string, unknown> {
  readonly refused?: string;
  readonly pipeline?: PipelineDeclaration;
}

/** What the function is answered that asks AWS. */
async function act(service: string, command: string, input: object): Promise<Answer> {
  const Payload = JSON.stringify({ service, command, input });
  const answer = await clients.lambda.send(new InvokeCommand({ FunctionName: "actor", Payload }));
  return JSON.parse(Buffer.from(answer.Payload!).toString());
}

/** A preview's pipeline, made like the template as the API shows it. */
async function likeTemplate(
  slug: string,
  { Branch = slug, OAuthToken = "made-up" } = {},
): Promise<PipelineDeclaration> {
  const { pipeline } = await act("codepipeline", "GetPipeline", { name: TEMPLATE });
  const [source, build] = pipeline!.stages!;
  const [fetching] = source!.actions!;
  const [building] = build!.actions!;
  const variables = [
    { name: "SLIPWAY_PREVIEW", value: "#{variables.SLIPWAY_PREVIEW}" },
    { name: "SLUG", value: slug },
  ];
  return {
    ...pipeline!,
    name: `${TEMPLATE}_${slug}`,
    variables: [{ name: "SLIPWAY_PREVIEW", defaultValue: `pv-dev-${slug}` }],
    stages: [
      {
        ...source!,
        actions: [{ ...fetching!, configuration: { ...fetching!.configuration, Branch, OAuthToken } }],
      },
      {
        ...build!,
        actions: [
          {
            ...building!,
            configuration: { ...building!.configuration, EnvironmentVariables: JSON.stringify(variables) },
          },
        ],
      },
    ],
  };
}

async function handIn(branch: string): Promise<void> {
  const source = mkdtempSync(join(folder, "source-"));
  writeFileSync(join(source, "version.txt"), branch);
  const commit = { commit: "c0ffee", message: "Try it" };
  await handInSource({ s3: clients.s3, repository: "acme/hello", branch, folder: source, ...commit });
}

async function create(slug: string, Branch = slug): Promise<string> {
  await handIn(Branch);
  const pipeline = await likeTemplate(slug, { Branch });
  const tags = [{ key: "slipway:preview", value: slug }];
  expect((await act("codepipeline", "CreatePipeline", { pipeline, tags })).refused).toBeUndefined();
  return pipeline.name!;
}

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = Date.now() + 30_000;
  while (Date.now() < deadline) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error("It never came.");
}

const executions = async (pipelineName: string) =>
  (await clients.codepipeline.send(new ListPipelineExecutionsCommand({ pipelineName })))
    .pipelineExecutionSummaries ?? [];
const newest = (name: string, status: string) =>
  until(async () => (await executions(name)).find((one, index) => index === 0 && one.status === status));
const told = async () =>
  ((await (await fetch(`${aws.endpoint}/local-aws/posts`)).json()) as Post[]).map(
    ({ body }) => (body as { text: string }).text,
  );

test("a function makes a pipeline like another one, which starts by itself on its own branch", async () => {
  const { pipeline } = await act("codepipeline", "GetPipeline", { name: TEMPLATE });
  expect(pipeline?.stages?.[0]?.actions?.[0]?.configuration?.OAuthToken).toBe("****");
  const name = await create("login-3f9a2c", HOSTILE);
  const ended = await newest(name, "Succeeded");
  expect(ended).toMatchObject({
    trigger: { triggerType: "CreatePipeline" },
    sourceRevisions: [{ revisionId: "c0ffee" }],
  });
  const { pipelines } = await act("codepipeline", "ListPipelines", {});
  expect(pipelines).toContainEqual(expect.objectContaining({ name, version: 1 }));
  const { tags } = await act("codepipeline", "ListTagsForResource", {
    resourceArn: arn("codepipeline", name),
  });
  expect(tags).toEqual([{ key: "slipway:preview", value: "login-3f9a2c" }]);

  const { pipelineExecutionId } = await act("codepipeline", "StartPipelineExecution", { name });
  expect(await newest(name, "Succeeded")).toMatchObject({ pipelineExecutionId });
  await until(async () => (await told()).filter((text) => text === `${name} SUCCEEDED`).length === 2);
  const heard = (await told()).filter((text) => text.startsWith(name));
  expect(heard).toEqual([`${name} STARTED`, `${name} SUCCEEDED`, `${name} STARTED`, `${name} SUCCEEDED`]);
});

test.each<[string, string, string, object]>([
  ["a pipeline of another name", "codepipeline:CreatePipeline", "CreatePipeline", { name: "hello-main" }],
  [
    "a pipeline of a role that it may not pass",
    "iam:PassRole",
    "CreatePipeline",
    { roleArn: roleArn("admin") },
  ],
])("a function may not make %s", async (_, action, command, changes) => {
  const pipeline = { ...(await likeTemplate("denied-000000")), ...changes };
  expect((await act("codepipeline", command, { pipeline })).refused).toMatch(
    new RegExp(`^AccessDenied.*not authorized to perform: ${action} on`),
  );
});

test.each<[string, string, object]>([
  ["delete the template", "codepipeline:DeletePipeline", { name: TEMPLATE }],
  ["start the template", "codepipeline:StartPipelineExecution", { name: TEMPLATE }],
  [
    "tag an ordinary pipeline",
    "codepipeline:TagResource",
    { resourceArn: arn("codepipeline", "hello-main"), tags: [{ key: "a", value: "b" }] },
  ],
])("a function may not %s", async (_, action, input) => {
  const { refused } = await act("codepipeline", action.split(":")[1]!, input);
  expect(refused).toMatch(new RegExp(`^AccessDenied.*not authorized to perform: ${action} on`));
});

test("a pipeline that is given back the hidden token reaches its repository no more", async () => {
  const name = await create("token-000000");
  await newest(name, "Succeeded");
  const pipeline = await likeTemplate("token-000000", { OAuthToken: "****" });
  await act("codepipeline", "UpdatePipeline", { pipeline });
  const { pipelineExecutionId } = await act("codepipeline", "StartPipelineExecution", { name });
  await newest(name, "Failed");
  const filter = { pipelineExecutionId: String(pipelineExecutionId) };
  const { actionExecutionDetails } = await clients.codepipeline.send(
    new ListActionExecutionsCommand({ pipelineName: name, filter }),
  );
  expect(actionExecutionDetails?.[0]?.output?.executionResult?.errorDetails?.message).toContain(
    'Could not access the GitHub repository: "acme/hello"',
  );
});

test("a pipeline is stopped after the build that runs, deleted, and made anew without a past", async () => {
  writeFileSync(hold, "");
  const name = await create("stop-000000");
  const { pipelineExecutionId } = await newest(name, "InProgress");
  const running = { pipelineName: name, pipelineExecutionId };
  await until(async () => {
    const listed = await clients.codepipeline.send(
      new ListActionExecutionsCommand({ pipelineName: name, filter: { pipelineExecutionId } }),
    );
    return listed.actionExecutionDetails?.length === 2;
  });
  await act("codepipeline", "StopPipelineExecution", { ...running, abandon: false });
  const again = await act("codepipeline", "StopPipelineExecution", { ...running, abandon: false });
  expect(again.refused).toContain("DuplicatedStopRequestException");
  const read = await clients.codepipeline.send(new GetPipelineExecutionCommand(running));
  expect(read.pipelineExecution?.status).toBe("Stopping");
  rmSync(hold);
  await newest(name, "Stopped");
  await until(async () => (await told()).includes(`${name} STOPPED`));
  expect((await told()).filter((text) => text.startsWith(name))).toEqual([
    `${name} STARTED`,
    `${name} STOPPING`,
    `${name} STOPPED`,
  ]);

  for (let times = 0; times < 2; times++)
    expect((await act("codepipeline", "DeletePipeline", { name })).refused).toBeUndefined();
  expect((await act("codepipeline", "GetPipeline", { name })).refused).toContain("PipelineNotFoundException");
  await create("stop-000000");
  await newest(name, "Succeeded");
  expect(await executions(name)).toHaveLength(1);
});

test("a pipeline is deleted while it runs", async () => {
  writeFileSync(hold, "");
  const name = await create("gone-000000");
  await newest(name, "InProgress");
  expect((await act("codepipeline", "DeletePipeline", { name })).refused).toBeUndefined();
  const { pipelines } = await act("codepipeline", "ListPipelines", {});
  expect(pipelines).not.toContainEqual(expect.objectContaining({ name }));
});

test("messages of a group keep their order, and what fails holds no other group", async () => {
  const send = (group: string, slipway: string, more: object = {}) =>
    act("sqs", "SendMessage", {
      QueueUrl: queueUrl,
      MessageGroupId: group,
      MessageDeduplicationId: slipway,
      MessageBody: JSON.stringify({ slipway, ...more }),
    });
  await send("a", "a1", { fails: true });
  await send("a", "a2");
  for (const one of ["b1", "b2"]) await send("b", one);
  await until(async () => (await told()).includes("a2"));
  // Sent again after it was done.
  await send("b", "b1");
  await send("b", "b3");
  await until(async () => (await told()).includes("b3"));
  const heard = (await told()).filter((text) => /^[ab]\d$/.test(text));
  expect(heard.filter((text) => text.startsWith("a"))).toEqual(["a1", "a2"]);
  expect(heard.filter((text) => text.startsWith("b"))).toEqual(["b1", "b2", "b3"]);
  expect(heard.indexOf("b2")).toBeLessThan(heard.indexOf("a1"));
});

test("a schedule puts what it says into the queue", async () => {
  await call(admin(), "events", "AWSEvents.PutRule", {
    Name: "hello-sweep",
    ScheduleExpression: "rate(1 minute)",
  });
  const Input = JSON.stringify({ slipway: "sweep" });
  const target = { Id: "queue", Arn: QUEUE, Input, SqsParameters: { MessageGroupId: "sweep" } };
  await call(admin(), "events", "AWSEvents.PutTargets", { Rule: "hello-sweep", Targets: [target] });
  await until(async () => (await told()).includes("sweep"));
});

test("a build is started once for a token, with variables of its own", async () => {
  const input = {
    projectName: TEARDOWN,
    idempotencyToken: "once",
    environmentVariablesOverride: [{ name: "SLIPWAY_PREVIEW", value: "pv-dev-login-3f9a2c" }],
  };
  const start = (more: object = {}) => act("codebuild", "StartBuild", { ...input, ...more });
  const [first, second] = [await start(), await start()] as { build: { id: string } }[];
  expect(first).toMatchObject({
    build: {
      environment: {
        environmentVariables: [{ name: "SLIPWAY_PREVIEW", value: "pv-dev-login-3f9a2c", type: "PLAINTEXT" }],
      },
    },
  });
  expect(second?.build.id).toBe(first?.build.id);
  expect((await start({ projectName: TEMPLATE, idempotencyToken: "other" })).refused).toMatch(
    /^AccessDenied.*not authorized to perform: codebuild:StartBuild on/,
  );
});

test("an object is written only where there is none, or the one that was read", async () => {
  const put = (more: object) =>
    act("s3", "PutObject", { Bucket: BUCKET, Key: "records/main_dev_login.json", Body: "{}", ...more });
  const { ETag, refused } = await put({ IfNoneMatch: "*" });
  expect(refused).toBeUndefined();
  expect((await put({ IfNoneMatch: "*" })).refused).toContain("PreconditionFailed");
  expect((await put({ IfMatch: ETag, Body: '{"run":1}' })).refused).toBeUndefined();
  expect((await put({ IfMatch: ETag })).refused).toContain("PreconditionFailed");
});
