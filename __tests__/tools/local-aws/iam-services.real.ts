import {
  BatchGetBuildsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  StartBuildCommand,
} from "@aws-sdk/client-codebuild";
import { CreateFunctionCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { zipSync } from "fflate";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { motoServer } from "../../../tools/toolchain";
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

test("a function runs only with a role that trusts Lambda", async () => {
  const lambda = new LambdaClient(config());
  const ZipFile = zipSync({ "index.js": Buffer.from("exports.handler = async () => 'hi';") });
  const call = async (name: string) => {
    const shape = { Runtime: "nodejs22.x", Handler: "index.handler", Code: { ZipFile } } as const;
    await lambda.send(new CreateFunctionCommand({ FunctionName: name, Role: roleArn(name), ...shape }));
    const { Payload } = await lambda.send(new InvokeCommand({ FunctionName: name }));
    return Buffer.from(Payload!).toString();
  };
  await role("fn-build", "codebuild.amazonaws.com");
  await expect(call("fn-build")).rejects.toThrow("cannot be assumed by Lambda");
  await role("fn-lambda", "lambda.amazonaws.com");
  expect(await call("fn-lambda")).toBe('"hi"');
});
