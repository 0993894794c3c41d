import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import * as codebuildSdk from "@aws-sdk/client-codebuild";
import * as codedeploySdk from "@aws-sdk/client-codedeploy";
import * as codepipelineSdk from "@aws-sdk/client-codepipeline";
import * as lambdaSdk from "@aws-sdk/client-lambda";
import { codebuild as codebuildService } from "../../tools/local-aws/services/codebuild";
import { codedeploy as codedeployService } from "../../tools/local-aws/services/codedeploy";
import { codepipeline as codepipelineService } from "../../tools/local-aws/services/codepipeline";
import type { Service } from "../../tools/local-aws/services/service";
import { EmulatedTime } from "../../tools/local-aws/time";
import { region } from "../support/local-aws";
import { enumerationsOf, modelledErrors, oddInputs, operationModel, problemsOf } from "../support/sdk-models";
import {
  type Answer,
  appSpec,
  BUILD,
  CAPITAL_TAG,
  ContractWorld,
  GREETING,
  pipeline,
  ROLE,
  TAG,
  until,
} from "./world";

jest.setTimeout(90_000);

/** An id, a name and a text that fits wherever one is asked for, and that nothing has. */
const NOTHING = "00000000-0000-4000-8000-000000000000";

/** A client whose answers are kept. */
interface Watched {
  readonly package: string;
  readonly sdk: object;
  readonly answers: Answer[];
}

let world: ContractWorld;
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
  world = await ContractWorld.start();
  watch(world.codepipeline, pipelines.answers);
  watch(world.codebuild, builds.answers);
  watch(world.codedeploy, deployments.answers);
  watch(world.lambda, functions.answers);
  await world.fill();
});
afterAll(() => world.stop());

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

describe("answers that the SDK gets have the form of the SDK's model", () => {
  test("CodePipeline's", async () => {
    const sdk = codepipelineSdk;
    const pipelineName = "app";
    const named = { name: pipelineName };
    const { codepipeline } = world;
    const send: typeof codepipeline.send = codepipeline.send.bind(codepipeline);
    // The first execution began when the pipeline was made.
    const decide = async (status: "Approved" | "Rejected") => {
      const token = await world.approvalToken(pipelineName);
      const place = { pipelineName, stageName: "Build", actionName: "Approve", token };
      await send(new sdk.PutApprovalResultCommand({ ...place, result: { status, summary: "Seen" } }));
    };
    await decide("Rejected");
    const pipelineExecutionId = await world.execution(pipelineName, "Failed");
    const failed = { pipelineName, pipelineExecutionId };
    await send(
      new sdk.RetryStageExecutionCommand({ ...failed, stageName: "Build", retryMode: "FAILED_ACTIONS" }),
    );
    await decide("Approved");
    await world.execution(pipelineName, "Succeeded");
    await send(new sdk.GetPipelineExecutionCommand(failed));
    await send(new sdk.ListActionExecutionsCommand({ pipelineName }));
    await send(new sdk.GetPipelineStateCommand(named));
    const variables = [{ name: "WHO", value: "me" }];
    const next = await send(new sdk.StartPipelineExecutionCommand({ ...named, variables }));
    await world.approvalToken(pipelineName);
    const transition = { pipelineName, stageName: "Build", transitionType: "Inbound" as const };
    await send(new sdk.DisableStageTransitionCommand({ ...transition, reason: "Seen" }));
    await send(new sdk.StartPipelineExecutionCommand(named));
    await until(async () => {
      const { stageStates = [] } = await send(new sdk.GetPipelineStateCommand(named));
      return stageStates[1]?.inboundExecution;
    });
    const stopped = { pipelineName, pipelineExecutionId: next.pipelineExecutionId };
    await send(new sdk.StopPipelineExecutionCommand({ ...stopped, abandon: true, reason: "Seen" }));
    await world.execution(pipelineName, "Stopped");
    await send(new sdk.EnableStageTransitionCommand(transition));
    await decide("Rejected");
    await world.execution(pipelineName, "Failed");
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
    const { codebuild } = world;
    const send: typeof codebuild.send = codebuild.send.bind(codebuild);
    const github = {
      type: "GITHUB",
      location: "https://github.com/acme/app.git",
      buildspec: "b.yml",
    } as const;
    await world.createProject("hooked", github, {
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
    await world.createProject("tested", { type: "NO_SOURCE", buildspec: TESTED });
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
    const { codedeploy } = world;
    const send: typeof codedeploy.send = codedeploy.send.bind(codedeploy);
    // A hook that says what it was given, and leaves the answer to the test.
    const heard = join(world.folder, "heard.json");
    await world.createFunction(
      "check",
      "exports.handler = async (event) => require('fs').writeFileSync(process.env.FILE, JSON.stringify(event));",
      { FILE: heard },
    );
    await world.publish("hello", GREETING);
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
    const { lambda } = world;
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
      answers.push(await world.callJson(service.api, service.api, operation, input, "eu-west-2"));
    expect(unfit({ ...watched, answers })).toEqual([]);
  });
});
