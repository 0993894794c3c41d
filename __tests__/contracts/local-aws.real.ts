import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import * as codebuildSdk from "@aws-sdk/client-codebuild";
import * as codedeploySdk from "@aws-sdk/client-codedeploy";
import * as codepipelineSdk from "@aws-sdk/client-codepipeline";
import * as lambdaSdk from "@aws-sdk/client-lambda";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { zipSync } from "fflate";
import { handInSource, type LocalAws, startLocalAws } from "../../tools/local-aws";
import { ask } from "../../tools/local-aws/functions/client";
import { autoscalingTags } from "../../tools/local-aws/services/autoscaling-tags";
import { codebuild as codebuildService } from "../../tools/local-aws/services/codebuild";
import { codeconnections } from "../../tools/local-aws/services/codeconnections";
import { codedeploy as codedeployService } from "../../tools/local-aws/services/codedeploy";
import { codepipeline as codepipelineService } from "../../tools/local-aws/services/codepipeline";
import type { Service } from "../../tools/local-aws/services/service";
import { EmulatedTime } from "../../tools/local-aws/time";
import { AwsCli } from "../support/aws-cli";
import { motoServer } from "../support/moto";
import {
  enumerationsOf,
  modelledErrors,
  oddInputs,
  operationModel,
  problemsOf,
  problemsOfSample,
} from "../support/sdk-models";

jest.setTimeout(90_000);

const BUILD = "111111111111";
const region = "eu-west-1";
const BUCKET = "contract-artifacts";
const ROLE = `arn:aws:iam::${BUILD}:role/contract`;
/** An id, a name and a text that fits wherever one is asked for, and that nothing has. */
const NOTHING = "00000000-0000-4000-8000-000000000000";
const local = { accessKeyId: "local", secretAccessKey: "local" };

/** An answer as it came over the wire. */
interface Answer {
  readonly operation: string;
  readonly status: number;
  readonly body: string;
}

/** A client whose answers are kept. */
interface Watched {
  readonly package: string;
  readonly sdk: object;
  readonly answers: Answer[];
}

let aws: LocalAws;
let folder: string;
let s3: S3Client;
let codepipeline: codepipelineSdk.CodePipelineClient;
let codebuild: codebuildSdk.CodeBuildClient;
let codedeploy: codedeploySdk.CodeDeployClient;
let lambda: lambdaSdk.LambdaClient;
const pipelines: Watched = { package: "@aws-sdk/client-codepipeline", sdk: codepipelineSdk, answers: [] };
const builds: Watched = { package: "@aws-sdk/client-codebuild", sdk: codebuildSdk, answers: [] };
const deployments: Watched = { package: "@aws-sdk/client-codedeploy", sdk: codedeploySdk, answers: [] };
const functions: Watched = { package: "@aws-sdk/client-lambda", sdk: lambdaSdk, answers: [] };

const endpoint = () => "";
const buildService = codebuildService({ endpoint });
/** What Local AWS answers itself, and the SDK has a package for. */
const SERVICES: readonly (readonly [string, Service, Watched])[] = [
  ["CodePipeline", codepipelineService({ endpoint, builds: buildService }), pipelines],
  ["CodeBuild", buildService, builds],
  ["CodeDeploy", codedeployService({ endpoint, time: new EmulatedTime() }), deployments],
];

/** Operations that AWS has for its own agents: no SDK knows them. */
const UNPUBLISHED = ["BatchPutCodeCoverages", "BatchPutTestCases", "CreateReport", "UpdateReport"];
const publishedOf = ({ operations }: Service) =>
  Object.keys(operations).filter((operation) => !UNPUBLISHED.includes(operation));

const caller = (accessRegion = region) => ({
  endpoint: aws.endpoint,
  region: accessRegion,
  accessKey: "local",
});
const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function until<T>(look: () => Promise<T | undefined | false>): Promise<T> {
  for (;;) {
    const found = await look();
    if (found) return found;
    await pause(20);
  }
}

/** A call of JSON over HTTP. */
async function callJson(api: string, service: string, operation: string, input: unknown, where = region) {
  const response = await ask(caller(where), service, "/", {
    method: "POST",
    headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": `${api}.${operation}` },
    body: JSON.stringify(input),
  });
  return { operation, status: response.status, body: await response.text() };
}

interface HttpResponse {
  readonly statusCode: number;
  body: Readable;
}

/** Keeps each answer of a client as it came, before the client reads it. */
function watch(client: { middlewareStack: { add: unknown } }, answers: Answer[]): void {
  type Next = (args: unknown) => Promise<{ response: unknown }>;
  const keep = (next: Next, context: { commandName?: string }) => async (args: unknown) => {
    const result = await next(args);
    const response = result.response as HttpResponse;
    const chunks: Buffer[] = [];
    for await (const chunk of response.body) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks);
    response.body = Readable.from([body]);
    const operation = (context.commandName ?? "").replace(/Command$/, "");
    answers.push({ operation, status: response.statusCode, body: body.toString() });
    return result;
  };
  const add = client.middlewareStack.add as (middleware: typeof keep, options: object) => void;
  add(keep, { step: "deserialize", priority: "low" });
}

/** What of the answers is not as the SDK's model has it. */
function unfit({ sdk, package: name, answers }: Watched): string[] {
  const enumerations = enumerationsOf(name, sdk);
  return answers.flatMap(({ operation, status, body }) => {
    const content: unknown = body ? JSON.parse(body) : {};
    if (status < 300)
      return problemsOf(operationModel(sdk, operation).output, content, operation, enumerations);
    const { __type: code = "" } = content as { __type?: string };
    return modelledErrors(name, operation).includes(code)
      ? []
      : [`${operation} has no error ${code}: ${body}`];
  });
}

const calledOf = ({ answers }: Watched) => [...new Set(answers.map(({ operation }) => operation))].sort();

beforeAll(async () => {
  aws = await startLocalAws({ account: BUILD, motoServer: await motoServer(), minuteMilliseconds: 100 });
  folder = mkdtempSync(join(tmpdir(), "slipway-contract-"));
  const config = { endpoint: aws.endpoint, region, credentials: local };
  s3 = new S3Client({ ...config, forcePathStyle: true });
  codepipeline = new codepipelineSdk.CodePipelineClient(config);
  codebuild = new codebuildSdk.CodeBuildClient(config);
  codedeploy = new codedeploySdk.CodeDeployClient(config);
  lambda = new lambdaSdk.LambdaClient(config);
  watch(codepipeline, pipelines.answers);
  watch(codebuild, builds.answers);
  watch(codedeploy, deployments.answers);
  watch(lambda, functions.answers);

  await s3.send(
    new CreateBucketCommand({ Bucket: BUCKET, CreateBucketConfiguration: { LocationConstraint: region } }),
  );
  // moto wants to see the role of a function.
  const body = new URLSearchParams({
    Action: "CreateRole",
    Version: "2010-05-08",
    RoleName: "contract",
    AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}',
  });
  expect((await ask(caller(), "iam", "/", { method: "POST", body })).ok).toBe(true);
  writeFileSync(join(folder, "hello.txt"), "hello");
  await handInSource({
    s3,
    repository: "acme/app",
    branch: "main",
    folder,
    commit: "c0ffee",
    message: "Say it",
  });
  await createProject("make", { type: "CODEPIPELINE", buildspec: spec("test -e hello.txt") });
  await createProject("alone", { type: "NO_SOURCE", buildspec: spec("echo hello") });
  await createProject("slow", { type: "NO_SOURCE", buildspec: spec("sleep 60") });
  await codepipeline.send(
    new codepipelineSdk.CreatePipelineCommand({ pipeline: pipeline("app"), tags: [TAG] }),
  );
  await createFunction("hello", GREETING);
});

afterAll(async () => {
  for (const client of [s3, codepipeline, codebuild, codedeploy, lambda]) client.destroy();
  await aws.stop();
  rmSync(folder, { recursive: true });
});

const TAG = { key: "team", value: "web" };
const CAPITAL_TAG = { Key: "team", Value: "web" };
const spec = (...commands: string[]) =>
  JSON.stringify({
    version: "0.2",
    env: { "exported-variables": ["TAG"] },
    phases: { build: { commands: ["TAG=v1", ...commands] } },
  });

const UNIT = '<testsuite><testcase name="divides"><failure message="by zero"/></testcase></testsuite>';
const CLOVER =
  '<coverage><project><file name="a.ts"><line num="1" count="1" type="stmt"/></file></project></coverage>';
/** Of a build that makes reports. */
const TESTED = JSON.stringify({
  version: "0.2",
  phases: { build: { commands: [`echo '${UNIT}' > unit.xml`, `echo '${CLOVER}' > clover.xml`] } },
  reports: {
    unit: { files: ["unit.xml"] },
    coverage: { files: ["clover.xml"], "file-format": "CLOVERXML" },
  },
});

const createProject = (name: string, source: codebuildSdk.ProjectSource, more: object = {}) =>
  codebuild.send(
    new codebuildSdk.CreateProjectCommand({
      name,
      source,
      artifacts: { type: source.type === "CODEPIPELINE" ? "CODEPIPELINE" : "NO_ARTIFACTS" },
      environment: { type: "LINUX_CONTAINER", image: "standard", computeType: "BUILD_GENERAL1_SMALL" },
      serviceRole: ROLE,
      tags: [TAG],
      ...more,
    }),
  );

/** Sources, a build and an approval. */
const pipeline = (name: string): codepipelineSdk.PipelineDeclaration => {
  const type = (category: codepipelineSdk.ActionCategory, provider: string) => ({
    category,
    owner: "AWS" as const,
    provider,
    version: "1",
  });
  return {
    name,
    roleArn: ROLE,
    pipelineType: "V2",
    executionMode: "QUEUED",
    artifactStore: { type: "S3", location: BUCKET },
    variables: [{ name: "WHO", defaultValue: "me" }],
    stages: [
      {
        name: "Source",
        actions: [
          {
            name: "Fetch",
            actionTypeId: type("Source", "CodeStarSourceConnection"),
            configuration: { ConnectionArn: "arn:c", FullRepositoryId: "acme/app", BranchName: "main" },
            outputArtifacts: [{ name: "Code" }],
          },
        ],
      },
      {
        name: "Build",
        beforeEntry: {
          conditions: [
            {
              result: "FAIL",
              rules: [
                {
                  name: "Anyone",
                  ruleTypeId: { category: "Rule", owner: "AWS", provider: "VariableCheck", version: "1" },
                  configuration: { Variable: "#{variables.WHO}", Value: "me", Operator: "EQ" },
                },
              ],
            },
          ],
        },
        actions: [
          {
            name: "Make",
            namespace: "Made",
            actionTypeId: type("Build", "CodeBuild"),
            inputArtifacts: [{ name: "Code" }],
            configuration: { ProjectName: "make" },
          },
          {
            name: "Approve",
            runOrder: 2,
            actionTypeId: type("Approval", "Manual"),
            configuration: { CustomData: "#{Made.TAG}" },
          },
        ],
      },
    ],
  };
};

const GREETING = 'exports.handler = async (event) => ({ hello: event.who ?? "world" });';

async function createFunction(FunctionName: string, code: string, Variables?: Record<string, string>) {
  await lambda.send(
    new lambdaSdk.CreateFunctionCommand({
      FunctionName,
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      Role: ROLE,
      Code: { ZipFile: zipSync({ "index.js": Buffer.from(code) }) },
      Timeout: 30,
      Publish: true,
      Environment: { Variables },
    }),
  );
  await lambda.send(new lambdaSdk.CreateAliasCommand({ FunctionName, Name: "live", FunctionVersion: "1" }));
}

/** Leads a function's alias from its first version to its second. */
const appSpec = (Name: string, hook?: string) =>
  JSON.stringify({
    version: 0.0,
    Resources: [
      {
        fn: {
          Type: "AWS::Lambda::Function",
          Properties: { Name, Alias: "live", CurrentVersion: "1", TargetVersion: "2" },
        },
      },
    ],
    Hooks: hook ? [{ BeforeAllowTraffic: hook }] : [],
  });

/** Another version of a function. */
async function publish(FunctionName: string, code: string): Promise<void> {
  const ZipFile = zipSync({ "index.js": Buffer.from(`${code} // Another`) });
  await lambda.send(new lambdaSdk.UpdateFunctionCodeCommand({ FunctionName, ZipFile, Publish: true }));
}

/** Token of the approval that waits. */
const approvalToken = (name: string) =>
  until(async () => {
    const { stageStates = [] } = await codepipeline.send(
      new codepipelineSdk.GetPipelineStateCommand({ name }),
    );
    return stageStates[1]?.actionStates?.find(({ actionName }) => actionName === "Approve")?.latestExecution
      ?.token;
  });

/** Waits until an execution of a pipeline has come to a status. */
const execution = (pipelineName: string, wanted: string) =>
  until(async () => {
    const { pipelineExecutionSummaries = [] } = await codepipeline.send(
      new codepipelineSdk.ListPipelineExecutionsCommand({ pipelineName }),
    );
    return pipelineExecutionSummaries.find(({ status }) => status === wanted)?.pipelineExecutionId;
  });

describe("answers that the SDK gets have the form of the SDK's model", () => {
  test("CodePipeline's", async () => {
    const sdk = codepipelineSdk;
    const pipelineName = "app";
    const named = { name: pipelineName };
    const send: typeof codepipeline.send = codepipeline.send.bind(codepipeline);
    // The first execution began when the pipeline was made.
    const decide = async (status: "Approved" | "Rejected") => {
      const token = await approvalToken(pipelineName);
      const place = { pipelineName, stageName: "Build", actionName: "Approve", token };
      await send(new sdk.PutApprovalResultCommand({ ...place, result: { status, summary: "Seen" } }));
    };
    await decide("Rejected");
    const pipelineExecutionId = await execution(pipelineName, "Failed");
    const failed = { pipelineName, pipelineExecutionId };
    await send(
      new sdk.RetryStageExecutionCommand({ ...failed, stageName: "Build", retryMode: "FAILED_ACTIONS" }),
    );
    await decide("Approved");
    await execution(pipelineName, "Succeeded");
    await send(new sdk.GetPipelineExecutionCommand(failed));
    await send(new sdk.ListActionExecutionsCommand({ pipelineName }));
    await send(new sdk.GetPipelineStateCommand(named));
    const variables = [{ name: "WHO", value: "me" }];
    const next = await send(new sdk.StartPipelineExecutionCommand({ ...named, variables }));
    await approvalToken(pipelineName);
    const transition = { pipelineName, stageName: "Build", transitionType: "Inbound" as const };
    await send(new sdk.DisableStageTransitionCommand({ ...transition, reason: "Seen" }));
    await send(new sdk.StartPipelineExecutionCommand(named));
    await until(async () => {
      const { stageStates = [] } = await send(new sdk.GetPipelineStateCommand(named));
      return stageStates[1]?.inboundExecution;
    });
    const stopped = { pipelineName, pipelineExecutionId: next.pipelineExecutionId };
    await send(new sdk.StopPipelineExecutionCommand({ ...stopped, abandon: true, reason: "Seen" }));
    await execution(pipelineName, "Stopped");
    await send(new sdk.EnableStageTransitionCommand(transition));
    await decide("Rejected");
    await execution(pipelineName, "Failed");
    const target = { targetPipelineExecutionId: pipelineExecutionId };
    const back = await send(new sdk.RollbackStageCommand({ pipelineName, stageName: "Build", ...target }));
    await decide("Approved");
    await until(async () => {
      const { pipelineExecution } = await send(
        new sdk.GetPipelineExecutionCommand({ pipelineName, ...back }),
      );
      return pipelineExecution?.status === "Succeeded";
    });
    const condition = { stageName: "Build", conditionType: "ON_SUCCESS" as const };
    await expect(
      send(new sdk.OverrideStageConditionCommand({ pipelineName, ...back, ...condition })),
    ).rejects.toThrow("Unable to override");
    await send(new sdk.GetPipelineStateCommand(named));
    await send(new sdk.ListPipelineExecutionsCommand({ pipelineName }));

    const { metadata } = await send(new sdk.GetPipelineCommand(named));
    const resourceArn = metadata?.pipelineArn;
    await send(new sdk.TagResourceCommand({ resourceArn, tags: [TAG] }));
    await send(new sdk.ListTagsForResourceCommand({ resourceArn }));
    await send(new sdk.UntagResourceCommand({ resourceArn, tagKeys: [TAG.key] }));
    await send(
      new sdk.PutWebhookCommand({
        webhook: {
          name: "hook",
          targetPipeline: pipelineName,
          targetAction: "Fetch",
          filters: [{ jsonPath: "$.ref", matchEquals: "refs/heads/main" }],
          authentication: "GITHUB_HMAC",
          authenticationConfiguration: { SecretToken: "secret" },
        },
        tags: [TAG],
      }),
    );
    await send(new sdk.RegisterWebhookWithThirdPartyCommand({ webhookName: "hook" }));
    await send(new sdk.ListWebhooksCommand({}));
    await send(new sdk.DeregisterWebhookWithThirdPartyCommand({ webhookName: "hook" }));
    await send(new sdk.DeleteWebhookCommand({ name: "hook" }));
    await send(new sdk.CreatePipelineCommand({ pipeline: pipeline("other") }));
    await send(new sdk.UpdatePipelineCommand({ pipeline: pipeline("other") }));
    await send(new sdk.ListPipelinesCommand({}));
    await send(new sdk.DeletePipelineCommand({ name: "other" }));
    expect(unfit(pipelines)).toEqual([]);
  });

  test("CodeBuild's", async () => {
    const sdk = codebuildSdk;
    const send: typeof codebuild.send = codebuild.send.bind(codebuild);
    const github = {
      type: "GITHUB",
      location: "https://github.com/acme/app.git",
      buildspec: "b.yml",
    } as const;
    await createProject("hooked", github, {
      badgeEnabled: true,
      cache: { type: "NO_CACHE" },
      logsConfig: { cloudWatchLogs: { status: "ENABLED", groupName: "builds" } },
      concurrentBuildLimit: 2,
    });
    const filterGroups = [[{ type: "EVENT" as const, pattern: "PUSH" }]];
    await send(new sdk.CreateWebhookCommand({ projectName: "hooked", filterGroups }));
    await send(new sdk.UpdateWebhookCommand({ projectName: "hooked", rotateSecret: true }));
    const { projects: [hooked] = [] } = await send(
      new sdk.BatchGetProjectsCommand({ names: ["hooked", "none"] }),
    );
    await send(
      new sdk.UpdateProjectVisibilityCommand({ projectArn: hooked?.arn, projectVisibility: "PUBLIC_READ" }),
    );
    await send(new sdk.UpdateProjectCommand({ name: "hooked", concurrentBuildLimit: -1 }));
    await send(new sdk.DeleteWebhookCommand({ projectName: "hooked" }));
    await send(new sdk.ListProjectsCommand({}));
    await send(new sdk.DeleteProjectCommand({ name: "hooked" }));

    const variables = [{ name: "A", value: "b" }];
    const { build } = await send(
      new sdk.StartBuildCommand({ projectName: "alone", environmentVariablesOverride: variables }),
    );
    const ids = [build?.id ?? ""];
    await until(async () => {
      const { builds: [found] = [] } = await send(new sdk.BatchGetBuildsCommand({ ids: [...ids, "none:1"] }));
      return found?.buildComplete;
    });
    const slow = await send(new sdk.StartBuildCommand({ projectName: "slow" }));
    await send(new sdk.StopBuildCommand({ id: slow.build?.id }));
    await send(new sdk.ListBuildsCommand({}));
    await send(new sdk.ListBuildsForProjectCommand({ projectName: "alone" }));

    const exportConfig = { exportConfigType: "NO_EXPORT" as const };
    const { reportGroup } = await send(
      new sdk.CreateReportGroupCommand({ name: "tests", type: "TEST", exportConfig }),
    );
    const { arn = "" } = reportGroup ?? {};
    await send(new sdk.BatchGetReportGroupsCommand({ reportGroupArns: [arn, `${arn}-none`] }));
    await send(new sdk.UpdateReportGroupCommand({ arn, tags: [TAG] }));
    await send(new sdk.ListReportGroupsCommand({}));
    await createProject("tested", { type: "NO_SOURCE", buildspec: TESTED });
    const tested = await send(new sdk.StartBuildCommand({ projectName: "tested" }));
    const reportArns = await until(async () => {
      const ids = [tested.build?.id ?? ""];
      const { builds: [found] = [] } = await send(new sdk.BatchGetBuildsCommand({ ids }));
      return found?.buildComplete && found.reportArns;
    });
    await send(new sdk.BatchGetReportsCommand({ reportArns: [...reportArns, `${arn}-none`] }));
    const [tests = "", coverage = ""] = reportArns;
    const { testCases } = await send(new sdk.DescribeTestCasesCommand({ reportArn: tests }));
    const { codeCoverages } = await send(new sdk.DescribeCodeCoveragesCommand({ reportArn: coverage }));
    expect([testCases, codeCoverages]).toMatchObject([[{ message: "by zero" }], [{ filePath: "a.ts" }]]);
    await send(new sdk.ListReportsCommand({}));
    await send(
      new sdk.ListReportsForReportGroupCommand({ reportGroupArn: arn.replace(/tests$/, "tested-unit") }),
    );
    await send(new sdk.DeleteReportCommand({ arn: tests }));
    await send(new sdk.DeleteReportGroupCommand({ arn }));
    expect(unfit(builds)).toEqual([]);
  });

  test("CodeDeploy's", async () => {
    const sdk = codedeploySdk;
    const send: typeof codedeploy.send = codedeploy.send.bind(codedeploy);
    // A hook that says what it was given, and leaves the answer to the test.
    const heard = join(folder, "heard.json");
    await createFunction(
      "check",
      "exports.handler = async (event) => require('fs').writeFileSync(process.env.FILE, JSON.stringify(event));",
      { FILE: heard },
    );
    await publish("hello", GREETING);
    const applicationName = "hello";
    const group = { applicationName, deploymentGroupName: "live" };
    await send(
      new sdk.CreateApplicationCommand({ applicationName, computePlatform: "Lambda", tags: [CAPITAL_TAG] }),
    );
    await send(new sdk.CreateApplicationCommand({ applicationName: "old" }));
    await send(new sdk.UpdateApplicationCommand({ applicationName: "old", newApplicationName: "older" }));
    await send(new sdk.DeleteApplicationCommand({ applicationName: "older" }));
    await send(new sdk.GetApplicationCommand({ applicationName }));
    await send(new sdk.BatchGetApplicationsCommand({ applicationNames: [applicationName] }));
    await send(new sdk.ListApplicationsCommand({}));
    const deploymentConfigName = "half";
    await send(
      new sdk.CreateDeploymentConfigCommand({
        deploymentConfigName,
        computePlatform: "Lambda",
        trafficRoutingConfig: {
          type: "TimeBasedCanary",
          timeBasedCanary: { canaryPercentage: 50, canaryInterval: 600 },
        },
      }),
    );
    for (const name of [deploymentConfigName, "CodeDeployDefault.OneAtATime"])
      await send(new sdk.GetDeploymentConfigCommand({ deploymentConfigName: name }));
    await send(new sdk.ListDeploymentConfigsCommand({}));
    await send(
      new sdk.CreateDeploymentGroupCommand({
        ...group,
        serviceRoleArn: ROLE,
        deploymentStyle: { deploymentType: "BLUE_GREEN", deploymentOption: "WITH_TRAFFIC_CONTROL" },
        autoRollbackConfiguration: { enabled: true, events: ["DEPLOYMENT_FAILURE"] },
        alarmConfiguration: { enabled: true, alarms: [{ name: "none" }], ignorePollAlarmFailure: true },
        tags: [CAPITAL_TAG],
      }),
    );
    await send(
      new sdk.CreateDeploymentGroupCommand({ ...group, deploymentGroupName: "old", serviceRoleArn: ROLE }),
    );
    await send(
      new sdk.UpdateDeploymentGroupCommand({
        applicationName,
        currentDeploymentGroupName: "old",
        newDeploymentGroupName: "older",
      }),
    );
    await send(new sdk.DeleteDeploymentGroupCommand({ ...group, deploymentGroupName: "older" }));
    await send(new sdk.ListDeploymentGroupsCommand({ applicationName }));

    const content = appSpec("hello", "check");
    const revision = { revisionType: "AppSpecContent" as const, appSpecContent: { content } };
    await send(new sdk.RegisterApplicationRevisionCommand({ applicationName, revision }));
    await send(new sdk.GetApplicationRevisionCommand({ applicationName, revision }));
    const describeAll = async (deploymentId: string) => {
      const deploymentIds = [deploymentId];
      const { deploymentInfo } = await send(new sdk.GetDeploymentCommand({ deploymentId }));
      await send(new sdk.BatchGetDeploymentsCommand({ deploymentIds }));
      await send(new sdk.ListDeploymentsCommand(group));
      const { targetIds = [] } = await send(new sdk.ListDeploymentTargetsCommand({ deploymentId }));
      await send(new sdk.BatchGetDeploymentTargetsCommand({ deploymentId, targetIds }));
      for (const targetId of targetIds)
        await send(new sdk.GetDeploymentTargetCommand({ deploymentId, targetId }));
      return deploymentInfo?.status ?? "";
    };
    const ends = (deploymentId: string) =>
      until(async () => {
        const { deploymentInfo } = await send(new sdk.GetDeploymentCommand({ deploymentId }));
        return deploymentInfo?.completeTime;
      });
    /** Deploys, and answers for the hook. */
    const deploy = async (status: "Succeeded" | "Failed", config?: string) => {
      rmSync(heard, { force: true });
      const { deploymentId = "" } = await send(
        new sdk.CreateDeploymentCommand({ ...group, revision, deploymentConfigName: config }),
      );
      const event = await until(async () => {
        try {
          return JSON.parse(readFileSync(heard, "utf8")) as Record<string, string>;
        } catch {
          return undefined;
        }
      });
      await describeAll(deploymentId);
      await send(
        new sdk.PutLifecycleEventHookExecutionStatusCommand({
          deploymentId,
          lifecycleEventHookExecutionId: event.LifecycleEventHookExecutionId,
          status,
        }),
      );
      return deploymentId;
    };
    /** What brings the old version back is a deployment of its own, and there is one at a time. */
    const rolledBack = async (deploymentId: string) => {
      const rollback = await until(async () => {
        const { deploymentInfo } = await send(new sdk.GetDeploymentCommand({ deploymentId }));
        return deploymentInfo?.rollbackInfo?.rollbackDeploymentId;
      });
      await ends(rollback);
    };
    const failed = await deploy("Failed");
    await ends(failed);
    await rolledBack(failed);
    expect(await describeAll(failed)).toBe("Failed");
    const stopped = await deploy("Succeeded", deploymentConfigName);
    await expect(send(new sdk.ContinueDeploymentCommand({ deploymentId: stopped }))).rejects.toThrow(
      "does not wait",
    );
    await send(new sdk.StopDeploymentCommand({ deploymentId: stopped, autoRollbackEnabled: true }));
    await ends(stopped);
    expect(await describeAll(stopped)).toBe("Stopped");
    await rolledBack(stopped);
    const good = await deploy("Succeeded");
    await ends(good);
    expect(await describeAll(good)).toBe("Succeeded");

    await send(new sdk.GetDeploymentGroupCommand(group));
    await send(new sdk.BatchGetDeploymentGroupsCommand({ applicationName, deploymentGroupNames: ["live"] }));
    await send(new sdk.DeleteDeploymentConfigCommand({ deploymentConfigName }));
    const ResourceArn = `arn:aws:codedeploy:${region}:${BUILD}:application:${applicationName}`;
    await send(new sdk.TagResourceCommand({ ResourceArn, Tags: [CAPITAL_TAG] }));
    await send(new sdk.ListTagsForResourceCommand({ ResourceArn }));
    await send(new sdk.UntagResourceCommand({ ResourceArn, TagKeys: [CAPITAL_TAG.Key] }));
    expect(unfit(deployments)).toEqual([]);
  });

  test.each(SERVICES)("%s's, of all operations that Local AWS has", (_, service, watched) => {
    expect(calledOf(watched)).toEqual(expect.arrayContaining(publishedOf(service)));
  });

  test("Lambda's, of what Local AWS answers itself", async () => {
    const sdk = lambdaSdk;
    const send: typeof lambda.send = lambda.send.bind(lambda);
    const FunctionName = "hello";
    const alias = { FunctionName, Qualifier: "live" };
    const invoked = await send(
      new sdk.InvokeCommand({ ...alias, Payload: Buffer.from('{"who":"me"}'), LogType: "Tail" }),
    );
    expect(invoked).toMatchObject({ StatusCode: 200, ExecutedVersion: expect.stringMatching(/^\d+$/) });
    expect(invoked.LogResult).toEqual(expect.any(String));
    expect(JSON.parse(invoked.Payload?.transformToString() ?? "")).toEqual({ hello: "me" });
    const Cors = { AllowOrigins: ["*"], MaxAge: 60 };
    const { FunctionUrl = "" } = await send(
      new sdk.CreateFunctionUrlConfigCommand({ ...alias, AuthType: "NONE", Cors }),
    );
    expect(await (await fetch(FunctionUrl)).json()).toEqual({ hello: "world" });
    await send(new sdk.GetFunctionUrlConfigCommand(alias));
    await send(new sdk.UpdateFunctionUrlConfigCommand({ ...alias, AuthType: "AWS_IAM" }));
    await send(new sdk.ListFunctionUrlConfigsCommand({ FunctionName }));
    await send(new sdk.DeleteFunctionUrlConfigCommand(alias));
    const none = { FunctionName: "none" };
    for (const command of [
      new sdk.GetFunctionUrlConfigCommand(alias),
      new sdk.CreateFunctionUrlConfigCommand({ ...none, AuthType: "NONE" }),
      new sdk.InvokeCommand(none),
      new sdk.InvokeCommand({ ...alias, Payload: Buffer.from("{") }),
    ])
      await expect(send(command as lambdaSdk.InvokeCommand)).rejects.toMatchObject({
        $metadata: { httpStatusCode: expect.any(Number) },
      });
    const own = functions.answers.filter(({ operation }) => /UrlConfig|^Invoke$/.test(operation));
    expect(new Set(own.map(({ operation }) => operation)).size).toBe(6);
    // What a function answers is its own, and no form of Lambda's.
    const told = own.filter(({ operation, status }) => operation !== "Invoke" || status !== 200);
    expect(unfit({ ...functions, answers: told })).toEqual([]);
  });
});

describe.each(SERVICES)("what %s says of calls that cannot be done", (_, service, watched) => {
  test.each(publishedOf(service))("%s", async (operation) => {
    const model = operationModel(watched.sdk, operation);
    const answers: Answer[] = [];
    for (const input of oddInputs(model.input, NOTHING))
      answers.push(await callJson(service.api, service.api, operation, input, "eu-west-2"));
    expect(unfit({ ...watched, answers })).toEqual([]);
  });
});

const isCliThere = AwsCli.isThere();
const describeCli = isCliThere ? describe : describe.skip;
const leftOut = isCliThere ? "" : " (left out: there is no aws on PATH)";

let awsCli: AwsCli;
const cli = (...args: string[]) => awsCli.run(...args);
if (isCliThere) {
  beforeAll(async () => {
    awsCli = await AwsCli.start(cliEnvironment());
  });
  afterAll(() => awsCli.stop());
}

/** None of the machine's settings and profiles counts. */
function cliEnvironment() {
  const inherited = Object.entries(process.env).filter(([name]) => !name.startsWith("AWS_"));
  return {
    ...Object.fromEntries(inherited),
    AWS_ENDPOINT_URL: aws.endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_REGION: region,
    AWS_DEFAULT_REGION: region,
    AWS_CONFIG_FILE: join(folder, "no-config"),
    AWS_SHARED_CREDENTIALS_FILE: join(folder, "no-credentials"),
    AWS_PAGER: "",
  };
}

describeCli(`answers that the AWS CLI has a sample of are like it${leftOut}`, () => {
  /** Calls an operation, and compares its answer with the CLI's sample of it. */
  async function check(api: string, service: string, command: string, operation: string, input: object) {
    const { status, body } = await callJson(api, service, operation, input);
    const content = body ? (JSON.parse(body) as Record<string, unknown>) : {};
    expect([operation, status, content]).toEqual([operation, 200, expect.anything()]);
    const name = operation.replace(/(?<=.)[A-Z]/g, "-$&").toLowerCase();
    const given = ["--cli-input-json", JSON.stringify(input)];
    const sample = await cli(command, name, ...given, "--generate-cli-skeleton", "output");
    expect(problemsOfSample(sample, content, operation)).toEqual([]);
    return content;
  }

  test.each([
    ["codeconnections", "CodeConnections_20231201"],
    ["codestar-connections", "CodeStar_connections_20191201"],
  ] as const)("those of %s, of all operations that Local AWS has", async (name, api) => {
    const called: string[] = [];
    const call = (operation: string, input: object) => {
      called.push(operation);
      return check(api, name, name, operation, input);
    };
    const host = {
      Name: "git",
      ProviderType: "GitLabSelfManaged",
      ProviderEndpoint: "https://git.example.com",
    };
    const { HostArn } = await call("CreateHost", { ...host, Tags: [CAPITAL_TAG] });
    const { ConnectionArn } = await call("CreateConnection", { ConnectionName: "git", HostArn });
    const vpc = { VpcId: "vpc-0123abcd", SubnetIds: ["subnet-0123abcd"], SecurityGroupIds: ["sg-0123abcd"] };
    const tagged = { ResourceArn: ConnectionArn };
    await Promise.all([
      call("UpdateHost", { HostArn, VpcConfiguration: vpc }),
      call("GetConnection", { ConnectionArn }),
      call("ListConnections", {}),
      call("TagResource", { ...tagged, Tags: [CAPITAL_TAG] }),
      call("ListTagsForResource", tagged),
      call("UntagResource", { ...tagged, TagKeys: [CAPITAL_TAG.Key] }),
    ]);
    // The CLI's own check refuses its sample of a host. But it leaves out what it does not know.
    const read = async (operation: string, input: object) => {
      called.push(operation);
      return JSON.parse((await callJson(api, name, operation, input)).body) as unknown;
    };
    const [hostShown, hosts] = await Promise.all([
      cli(name, "get-host", "--host-arn", HostArn as string),
      cli(name, "list-hosts"),
    ]);
    const shown = { ...host, VpcConfiguration: vpc, Status: "PENDING" };
    expect(hostShown).toEqual(shown);
    expect(await read("GetHost", { HostArn })).toEqual(shown);
    expect(hosts).toEqual({ Hosts: [{ ...shown, HostArn }] });
    expect(await read("ListHosts", {})).toEqual(hosts);
    expect(await cli(name, "list-connections")).toEqual({
      Connections: [
        {
          ConnectionName: "git",
          ConnectionArn,
          ProviderType: "GitLabSelfManaged",
          OwnerAccountId: BUILD,
          ConnectionStatus: "PENDING",
          HostArn,
        },
      ],
    });
    await Promise.all([call("DeleteConnection", { ConnectionArn }), call("DeleteHost", { HostArn })]);
    expect(called.sort()).toEqual(Object.keys(codeconnections(name, api).operations).sort());
  });

  test("those of Application Auto Scaling's tags", async () => {
    const target = {
      ServiceNamespace: "lambda",
      ResourceId: "function:hello:live",
      ScalableDimension: "lambda:function:ProvisionedConcurrency",
    };
    const service = "application-autoscaling";
    const api = "AnyScaleFrontendService";
    const called: string[] = [];
    const call = (operation: string, input: object) => {
      called.push(operation);
      return check(api, service, service, operation, input);
    };
    const registered = await callJson(api, service, "RegisterScalableTarget", {
      ...target,
      MinCapacity: 1,
      MaxCapacity: 2,
    });
    const { ScalableTargetARN: ResourceARN } = JSON.parse(registered.body) as { ScalableTargetARN: string };
    await call("TagResource", { ResourceARN, Tags: { team: "web" } });
    expect(await call("ListTagsForResource", { ResourceARN })).toEqual({ Tags: { team: "web" } });
    await call("UntagResource", { ResourceARN, TagKeys: ["team"] });
    expect(called.sort()).toEqual(Object.keys(autoscalingTags().operations).sort());
  });
});

describeCli(`the AWS CLI${leftOut}`, () => {
  const text = expect.any(String);

  test("shows, starts, approves, stops and retries what a pipeline does", async () => {
    const name = "by-cli";
    const pipelineName = ["--pipeline-name", name];
    const definition = join(folder, "pipeline.json");
    writeFileSync(definition, JSON.stringify(pipeline(name)));
    await cli("codepipeline", "create-pipeline", "--pipeline", `file://${definition}`);
    const decide = async (status: string) => {
      const place = [...pipelineName, "--stage-name", "Build", "--action-name", "Approve"];
      const result = ["--result", `summary=Seen,status=${status}`, "--token", await approvalToken(name)];
      return cli("codepipeline", "put-approval-result", ...place, ...result);
    };
    const [listed, shown, state] = await Promise.all([
      cli("codepipeline", "list-pipelines"),
      cli("codepipeline", "get-pipeline", "--name", name),
      approvalToken(name).then(() => cli("codepipeline", "get-pipeline-state", "--name", name)),
    ]);
    const summary = { name, version: 1, pipelineType: "V2", executionMode: "QUEUED" };
    expect(listed).toEqual({
      pipelines: expect.arrayContaining([
        expect.objectContaining({ ...summary, created: expect.anything() }),
      ]),
    });
    expect(shown).toEqual({
      pipeline: { ...pipeline(name), version: 1 },
      metadata: {
        pipelineArn: `arn:aws:codepipeline:${region}:${BUILD}:${name}`,
        created: expect.anything(),
        updated: expect.anything(),
      },
    });
    expect(state).toMatchObject({
      pipelineName: name,
      stageStates: [
        { stageName: "Source", latestExecution: { status: "Succeeded" } },
        {
          stageName: "Build",
          beforeEntryConditionState: { latestExecution: { status: "Succeeded" } },
          actionStates: [
            { actionName: "Make", latestExecution: { status: "Succeeded", externalExecutionId: text } },
            { actionName: "Approve", latestExecution: { status: "InProgress", token: text } },
          ],
        },
      ],
    });
    expect(await decide("Rejected")).toEqual({ approvedAt: expect.anything() });
    const id = ["--pipeline-execution-id", await execution(name, "Failed")];
    const again = [...pipelineName, ...id, "--stage-name", "Build", "--retry-mode", "FAILED_ACTIONS"];
    expect(await cli("codepipeline", "retry-stage-execution", ...again)).toEqual({
      pipelineExecutionId: id[1],
    });
    await decide("Approved");
    await execution(name, "Succeeded");
    expect(await cli("codepipeline", "list-action-executions", ...pipelineName)).toEqual({
      actionExecutionDetails: expect.arrayContaining([
        expect.objectContaining({
          pipelineExecutionId: id[1],
          actionName: "Make",
          status: "Succeeded",
          output: expect.objectContaining({ outputVariables: expect.objectContaining({ TAG: "v1" }) }),
        }),
      ]),
    });
    const started = await cli("codepipeline", "start-pipeline-execution", "--name", name);
    const { pipelineExecutionId = "" } = started as { pipelineExecutionId?: string };
    const stop = [...pipelineName, "--pipeline-execution-id", pipelineExecutionId, "--abandon"];
    expect(await cli("codepipeline", "stop-pipeline-execution", ...stop)).toEqual({ pipelineExecutionId });
  });

  test("starts a build, and shows how it went", async () => {
    const started = await cli("codebuild", "start-build", "--project-name", "alone");
    const { id = "" } = (started as { build: codebuildSdk.Build }).build;
    expect(id).toMatch(/^alone:/);
    await until(async () => {
      const { builds: [build] = [] } = await codebuild.send(
        new codebuildSdk.BatchGetBuildsCommand({ ids: [id] }),
      );
      return build?.buildComplete;
    });
    expect(await cli("codebuild", "batch-get-builds", "--ids", id)).toMatchObject({
      builds: [
        {
          id,
          buildStatus: "SUCCEEDED",
          logs: { groupName: "/aws/codebuild/alone", streamName: text },
          phases: expect.arrayContaining([
            expect.objectContaining({ phaseType: "BUILD", phaseStatus: "SUCCEEDED" }),
          ]),
        },
      ],
      buildsNotFound: [],
    });
  });

  test("deploys a function, waits for it, and invokes it by its alias", async () => {
    await createFunction("by-cli", GREETING);
    await publish("by-cli", GREETING);
    const application = ["--application-name", "by-cli"];
    const group = [...application, "--deployment-group-name", "live"];
    await cli("deploy", "create-application", ...application, "--compute-platform", "Lambda");
    const style = "deploymentType=BLUE_GREEN,deploymentOption=WITH_TRAFFIC_CONTROL";
    const made = [...group, "--service-role-arn", ROLE, "--deployment-style", style];
    expect(await cli("deploy", "create-deployment-group", ...made)).toEqual({ deploymentGroupId: text });
    const revision = { revisionType: "AppSpecContent", appSpecContent: { content: appSpec("by-cli") } };
    const created = await cli(
      "deploy",
      "create-deployment",
      ...group,
      "--revision",
      JSON.stringify(revision),
    );
    const { deploymentId = "" } = created as { deploymentId?: string };
    const id = ["--deployment-id", deploymentId];
    expect(await cli("deploy", "wait", "deployment-successful", ...id)).toEqual({});
    expect(await cli("deploy", "get-deployment", ...id)).toMatchObject({
      deploymentInfo: {
        applicationName: "by-cli",
        deploymentGroupName: "live",
        deploymentConfigName: "CodeDeployDefault.LambdaAllAtOnce",
        deploymentId,
        status: "Succeeded",
        computePlatform: "Lambda",
      },
    });
    const answer = join(folder, "answer.json");
    const event = join(folder, "event.json");
    writeFileSync(event, '{"who":"cli"}');
    const payload = ["--payload", `fileb://${event}`];
    const invoke = ["lambda", "invoke", "--function-name", "by-cli:live", ...payload, answer];
    expect(await cli(...invoke)).toEqual({ StatusCode: 200, ExecutedVersion: "2" });
    expect(JSON.parse(readFileSync(answer, "utf8"))).toEqual({ hello: "cli" });
  });

  test("makes an HTTP API, and gets the address where it answers", async () => {
    const api = (await cli("apigatewayv2", "create-api", "--name", "by-cli", "--protocol-type", "HTTP")) as {
      ApiId: string;
      ApiEndpoint: string;
    };
    const id = ["--api-id", api.ApiId];
    const uri = `arn:aws:lambda:${region}:${BUILD}:function:hello:live`;
    const proxy = [
      "--integration-type",
      "AWS_PROXY",
      "--payload-format-version",
      "2.0",
      "--integration-uri",
      uri,
    ];
    const integration = await cli("apigatewayv2", "create-integration", ...id, ...proxy);
    const { IntegrationId = "" } = integration as { IntegrationId?: string };
    const route = ["--route-key", "$default", "--target", `integrations/${IntegrationId}`];
    await Promise.all([
      cli("apigatewayv2", "create-route", ...id, ...route),
      cli("apigatewayv2", "create-stage", ...id, "--stage-name", "$default", "--auto-deploy"),
    ]);
    expect(await cli("apigatewayv2", "get-api", ...id)).toMatchObject({
      ApiId: api.ApiId,
      Name: "by-cli",
      ProtocolType: "HTTP",
      ApiEndpoint: api.ApiEndpoint,
    });
    expect(await (await fetch(`${api.ApiEndpoint}/hello`)).json()).toEqual({ hello: "world" });
  });

  test("ends with the error's name where something is not there", async () => {
    await expect(cli("codepipeline", "get-pipeline", "--name", "none")).rejects.toThrow(
      "An error occurred (PipelineNotFoundException) when calling the GetPipeline operation",
    );
  });
});
