import {
  BatchGetBuildsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  ListBuildsCommand,
  StartBuildCommand,
} from "@aws-sdk/client-codebuild";
import {
  AddPermissionCommand,
  CreateFunctionCommand,
  InvokeCommand,
  LambdaClient,
} from "@aws-sdk/client-lambda";
import { zipSync } from "fflate";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { assumeServiceRole } from "../../../tools/local-aws/builds/role";
import type { Mail } from "../../../tools/local-aws/events/mail";
import { call } from "../../../tools/local-aws/functions/client";
import type { Post } from "../../../tools/local-aws/posts";
import { motoServer } from "../../support/moto";
import { authorization, BUILD } from "./upstream";

jest.setTimeout(60_000);

let aws: LocalAws;
beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer(), enforceIam: true });
});
afterAll(() => aws.stop());

const config = () => ({
  endpoint: aws.endpoint,
  region: "eu-west-1",
  credentials: { accessKeyId: "local", secretAccessKey: "local" },
});
const roleArn = (name: string) => `arn:aws:iam::${BUILD}:role/${name}`;
const policy = (statement: object) =>
  JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", ...statement }] });

async function ask(service: string, body: string | URLSearchParams, target?: string): Promise<void> {
  const response = await fetch(aws.endpoint, {
    method: "POST",
    headers: {
      authorization: authorization(service, "local"),
      ...(target && { "x-amz-target": target, "content-type": "application/x-amz-json-1.1" }),
    },
    body,
  });
  expect([response.status, await response.text()]).toEqual([200, expect.anything()]);
}

const iam = (Action: string, fields: Record<string, string>) =>
  ask("iam", new URLSearchParams({ Action, Version: "2010-05-08", ...fields }));

/** A role that a service takes on for what is its own account's. */
function role(name: string, service: string): Promise<void> {
  const Condition = { StringEquals: { "aws:SourceAccount": BUILD } };
  const trust = policy({ Action: "sts:AssumeRole", Principal: { Service: service }, Condition });
  return iam("CreateRole", { RoleName: name, AssumeRolePolicyDocument: trust });
}

async function build(serviceRole: string): Promise<string> {
  const codebuild = new CodeBuildClient(config());
  const buildspec = JSON.stringify({
    version: 0.2,
    env: { "parameter-store": { GREETING: "/hello/greeting" } },
    phases: { build: { commands: ["true"] } },
  });
  await codebuild.send(
    new CreateProjectCommand({
      name: serviceRole,
      source: { type: "NO_SOURCE", buildspec },
      artifacts: { type: "NO_ARTIFACTS" },
      environment: { type: "LINUX_CONTAINER", image: "x", computeType: "BUILD_GENERAL1_SMALL" },
      logsConfig: { cloudWatchLogs: { status: "DISABLED" } },
      serviceRole: roleArn(serviceRole),
    }),
  );
  return again(serviceRole);
}

/** How a build of a project ends, and why. */
async function again(projectName: string): Promise<string> {
  const codebuild = new CodeBuildClient(config());
  const { build: started } = await codebuild.send(new StartBuildCommand({ projectName }));
  for (;;) {
    const { builds } = await codebuild.send(new BatchGetBuildsCommand({ ids: [started!.id!] }));
    const [found] = builds!;
    if (found?.buildComplete) {
      const contexts = (found.phases ?? []).flatMap((phase) => phase.contexts ?? []);
      return [found.buildStatus, ...contexts.map(({ message }) => message)].filter(Boolean).join(" ");
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("a build fails whose role does not trust CodeBuild, or lacks a right, and succeeds with both", async () => {
  await ask(
    "ssm",
    JSON.stringify({ Name: "/hello/greeting", Value: "hi", Type: "String" }),
    "AmazonSSM.PutParameter",
  );
  await role("of-lambda", "lambda.amazonaws.com");
  expect(await build("of-lambda")).toMatch(
    /^F\w+ CodeBuild is not authorized to perform: sts:AssumeRole on \S+of-lambda/,
  );
  await role("of-build", "codebuild.amazonaws.com");
  expect(await build("of-build")).toMatch(
    /^F\w+ .*is not authorized to perform: ssm:GetParameters on resource: \S+parameter\/hello\/greeting /,
  );
  const PolicyDocument = policy({
    Action: "ssm:GetParameters",
    Resource: `arn:aws:ssm:eu-west-1:${BUILD}:parameter/hello/*`,
  });
  await iam("PutRolePolicy", { RoleName: "of-build", PolicyName: "grants", PolicyDocument });
  expect(await again("of-build")).toBe("SUCCEEDED");
});

test("a pipeline's role is asked for its right to start a build of a project, which starts none", async () => {
  await role("of-pipeline", "codepipeline.amazonaws.com");
  const projectName = "of-build";
  const taken = await assumeServiceRole({
    endpoint: aws.endpoint,
    region: "eu-west-1",
    roleArn: roleArn("of-pipeline"),
    session: "1",
    service: "codepipeline.amazonaws.com",
    source: `arn:aws:codepipeline:eu-west-1:${BUILD}:main`,
  });
  const check = () =>
    taken.checkRight("codebuild", "CodeBuild_20161006.StartBuild", {
      projectName,
      timeoutInMinutesOverride: 0,
    });
  await expect(check()).rejects.toThrow(/is not authorized to perform: codebuild:StartBuild on .*of-build/);
  const project = `arn:aws:codebuild:eu-west-1:${BUILD}:project/${projectName}`;
  const PolicyDocument = policy({ Action: "codebuild:StartBuild", Resource: project });
  await iam("PutRolePolicy", { RoleName: "of-pipeline", PolicyName: "grants", PolicyDocument });
  const codebuild = new CodeBuildClient(config());
  const builds = async () => (await codebuild.send(new ListBuildsCommand({}))).ids!.length;
  const before = await builds();
  await check();
  expect(await builds()).toBe(before);
});

test("a function runs only with a role that trusts Lambda", async () => {
  const lambda = new LambdaClient(config());
  const ZipFile = zipSync({ "index.js": Buffer.from("exports.handler = async () => 'hi';") });
  const run = async (name: string) => {
    const shape = { Runtime: "nodejs22.x", Handler: "index.handler", Code: { ZipFile } } as const;
    await lambda.send(new CreateFunctionCommand({ FunctionName: name, Role: roleArn(name), ...shape }));
    const { Payload } = await lambda.send(new InvokeCommand({ FunctionName: name }));
    return Buffer.from(Payload!).toString();
  };
  await role("fn-build", "codebuild.amazonaws.com");
  await expect(run("fn-build")).rejects.toThrow("cannot be assumed by Lambda");
  await role("fn-lambda", "lambda.amazonaws.com");
  expect(await run("fn-lambda")).toBe('"hi"');
});

test("a rule calls a function, and tells a topic, only where they let it in", async () => {
  const lambda = new LambdaClient(config());
  const caller = { endpoint: aws.endpoint, region: "eu-west-1", accessKey: "local" };
  const arn = (service: string, name: string) => `arn:aws:${service}:eu-west-1:${BUILD}:${name}`;
  const Principal = { Service: "events.amazonaws.com" };
  const fromRule = { Condition: { ArnLike: { "aws:SourceArn": arn("events", "rule/told") } } };
  await role("fn-told", "lambda.amazonaws.com");
  const code = `exports.handler = async ({ detail }) => {
    const { status } = await fetch(process.env.AWS_ENDPOINT_URL + "/local-aws/chat", {
      method: "POST",
      body: JSON.stringify({ text: "got " + detail.number }),
    });
    if (status !== 200) throw new Error(String(status));
  };`;
  await lambda.send(
    new CreateFunctionCommand({
      FunctionName: "told",
      Role: roleArn("fn-told"),
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      Code: { ZipFile: zipSync({ "index.js": Buffer.from(code) }) },
    }),
  );
  const Version = "2010-03-31";
  const TopicArn = arn("sns", "told");
  await ask("sns", new URLSearchParams({ Action: "CreateTopic", Version, Name: "told" }));
  const mail = { TopicArn, Protocol: "email", Endpoint: "ops@example.com" };
  await ask("sns", new URLSearchParams({ Action: "Subscribe", Version, ...mail }));
  const letIn = policy({ Action: "sqs:SendMessage", Resource: arn("sqs", "dead"), Principal, ...fromRule });
  const { QueueUrl } = await call(caller, "sqs", "AmazonSQS.CreateQueue", {
    QueueName: "dead",
    Attributes: { Policy: letIn },
  });
  const DeadLetterConfig = { Arn: arn("sqs", "dead") };
  await call(caller, "events", "AWSEvents.PutRule", { Name: "told", EventPattern: '{"source":["acme"]}' });
  const Targets = [
    { Id: "function", Arn: arn("lambda", "function:told"), DeadLetterConfig },
    { Id: "topic", Arn: TopicArn, DeadLetterConfig, InputPath: "$.detail" },
  ];
  await call(caller, "events", "AWSEvents.PutTargets", { Rule: "told", Targets });
  const put = (number: number) =>
    call(caller, "events", "AWSEvents.PutEvents", {
      Entries: [{ Source: "acme", DetailType: "It", Detail: JSON.stringify({ number }) }],
    });
  const read = async <T>(what: string) =>
    (await (await fetch(`${aws.endpoint}/local-aws/${what}`)).json()) as T[];
  const until = async (happened: () => Promise<boolean>) => {
    const deadline = Date.now() + 20_000;
    while (!(await happened()) && Date.now() < deadline) await new Promise((wake) => setTimeout(wake, 100));
  };

  await put(1);
  const codes: string[] = [];
  await until(async () => {
    const { Messages = [] } = await call(caller, "sqs", "AmazonSQS.ReceiveMessage", {
      QueueUrl,
      WaitTimeSeconds: 0,
      MessageAttributeNames: ["All"],
    });
    for (const { MessageAttributes: told } of Messages as {
      MessageAttributes: Record<string, { StringValue: string }>;
    }[])
      codes.push(`${told.TARGET_ARN?.StringValue.split(":")[2]} ${told.ERROR_CODE?.StringValue}`);
    return codes.length === 2;
  });
  expect(codes.sort()).toEqual(["lambda NO_PERMISSIONS", "sns NO_PERMISSIONS"]);

  await lambda.send(
    new AddPermissionCommand({
      FunctionName: "told",
      StatementId: "rule",
      Action: "lambda:InvokeFunction",
      Principal: Principal.Service,
      SourceArn: arn("events", "rule/told"),
    }),
  );
  const AttributeValue = policy({ Action: "sns:Publish", Resource: TopicArn, Principal, ...fromRule });
  const attribute = { Action: "SetTopicAttributes", TopicArn, AttributeName: "Policy", AttributeValue };
  await ask("sns", new URLSearchParams({ Version, ...attribute }));
  await put(2);
  await until(async () => (await read("posts")).length + (await read("mail")).length === 2);
  expect((await read<Post>("posts")).map(({ body }) => body)).toEqual([{ text: "got 2" }]);
  expect((await read<Mail>("mail")).map(({ text }) => text)).toEqual(['{"number":2}']);
});
