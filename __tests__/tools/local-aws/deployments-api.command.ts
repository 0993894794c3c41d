import { createHash } from "node:crypto";
import { Bed } from "./upstream";

let bed: Bed;
beforeEach(async () => {
  bed = await new Bed().start();
  await call("CreateApplication", { applicationName: "hello", computePlatform: "Lambda" });
  await call("CreateDeploymentGroup", {
    applicationName: "hello",
    deploymentGroupName: "live",
    serviceRoleArn: "arn:aws:iam::111111111111:role/codedeploy",
    autoRollbackConfiguration: { enabled: true, events: ["DEPLOYMENT_FAILURE"] },
  });
});
afterEach(() => bed.stop());

const call = (operation: string, input: object) => bed.call(`CodeDeploy_20141006.${operation}`, input);
const codeOf = async (operation: string, input: object) => (await call(operation, input)).content.__type;

const content = JSON.stringify({
  version: 0.0,
  Resources: [
    {
      hello: {
        Type: "AWS::Lambda::Function",
        Properties: { Name: "hello", Alias: "live", CurrentVersion: "1", TargetVersion: "2" },
      },
    },
  ],
});
const revision = { revisionType: "AppSpecContent", appSpecContent: { content } };
const request = { applicationName: "hello", deploymentGroupName: "live", revision };

/** The description of a deployment that has ended. */
async function ended(deploymentId: unknown) {
  for (;;) {
    const { deploymentInfo } = (await call("GetDeployment", { deploymentId })).content;
    const info = deploymentInfo as Record<string, unknown>;
    if (info.completeTime) return info;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test.each([
  ["an unknown application", { applicationName: "x" }, "ApplicationDoesNotExistException"],
  ["an unknown group", { deploymentGroupName: "x" }, "DeploymentGroupDoesNotExistException"],
  ["no revision", { revision: undefined }, "RevisionRequiredException"],
  [
    "a type of revision without its content",
    { revision: { revisionType: "S3" } },
    "RevisionRequiredException",
  ],
  ["a revision of GitHub", { revision: { revisionType: "GitHub" } }, "InvalidRevisionException"],
  [
    "an AppSpec that is not valid",
    { revision: { ...revision, appSpecContent: { content: "x" } } },
    "InvalidRevisionException",
  ],
  [
    "another hash than the AppSpec's",
    { revision: { ...revision, appSpecContent: { content, sha256: "0" } } },
    "InvalidRevisionException",
  ],
  [
    "a configuration of another platform",
    { deploymentConfigName: "CodeDeployDefault.ECSAllAtOnce" },
    "InvalidDeploymentConfigNameException",
  ],
  [
    "an unknown event of rollbacks",
    { autoRollbackConfiguration: { events: ["x"] } },
    "InvalidAutoRollbackConfigException",
  ],
])("a deployment with %s is refused", async (_, changes, code) => {
  expect(await codeOf("CreateDeployment", { ...request, ...changes })).toBe(code);
  expect((await call("ListDeployments", {})).content).toEqual({ deployments: [] });
});

test("servers are not deployed to, and that is said", async () => {
  await call("CreateApplication", { applicationName: "old" });
  await call("CreateDeploymentGroup", {
    applicationName: "old",
    deploymentGroupName: "live",
    serviceRoleArn: "arn:aws:iam::111111111111:role/codedeploy",
  });
  const { content: answer } = await call("CreateDeployment", { ...request, applicationName: "old" });
  expect(answer).toMatchObject({
    __type: "UnsupportedActionForDeploymentTypeException",
    message: expect.stringContaining("Lambda and ECS alone"),
  });
});

test("a deployment whose role cannot be assumed fails, and is told as AWS tells it", async () => {
  bed.upstream = (_, response) => {
    response.writeHead(403, { "content-type": "text/xml" });
    response.end(
      "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message></Error></ErrorResponse>",
    );
  };
  const sha256 = createHash("sha256").update(content).digest("hex");
  const string = { revisionType: "String", string: { content, sha256 } };
  const { deploymentId } = (
    await call("CreateDeployment", { ...request, revision: string, description: "a" })
  ).content;
  expect(deploymentId).toMatch(/^d-[A-Z0-9]{9}$/);
  const info = await ended(deploymentId);
  expect(info).toEqual({
    applicationName: "hello",
    deploymentGroupName: "live",
    deploymentConfigName: "CodeDeployDefault.LambdaAllAtOnce",
    deploymentId,
    revision: string,
    status: "Failed",
    errorInformation: { code: "IAM_ROLE_PERMISSIONS", message: expect.stringContaining("role/codedeploy") },
    createTime: expect.any(Number),
    startTime: expect.any(Number),
    completeTime: expect.any(Number),
    description: "a",
    creator: "user",
    ignoreApplicationStopFailures: false,
    updateOutdatedInstancesOnly: false,
    instanceTerminationWaitTimeStarted: false,
    fileExistsBehavior: "DISALLOW",
    deploymentStatusMessages: [],
    computePlatform: "Lambda",
    deploymentStyle: { deploymentType: "IN_PLACE", deploymentOption: "WITHOUT_TRAFFIC_CONTROL" },
    autoRollbackConfiguration: { enabled: true, events: ["DEPLOYMENT_FAILURE"] },
  });
  const { content: group } = await call("GetDeploymentGroup", request);
  expect(group.deploymentGroupInfo).toMatchObject({
    lastAttemptedDeployment: { deploymentId, status: "Failed", endTime: info.completeTime },
  });
  expect((await call("BatchGetDeployments", { deploymentIds: [deploymentId] })).content).toEqual({
    deploymentsInfo: [info],
  });
  expect(await codeOf("StopDeployment", { deploymentId })).toBe("DeploymentAlreadyCompletedException");
  expect(await codeOf("ContinueDeployment", { deploymentId })).toBe("DeploymentAlreadyCompletedException");
  const execution = { deploymentId, lifecycleEventHookExecutionId: "x" };
  expect(await codeOf("PutLifecycleEventHookExecutionStatus", { ...execution, status: "Skipped" })).toBe(
    "InvalidLifecycleEventHookExecutionStatusException",
  );
  expect(await codeOf("PutLifecycleEventHookExecutionStatus", { ...execution, status: "Failed" })).toBe(
    "InvalidLifecycleEventHookExecutionIdException",
  );
  expect(await codeOf("GetDeploymentTarget", { deploymentId, targetId: "x" })).toBe(
    "DeploymentTargetDoesNotExistException",
  );
});

test("deployments are listed by application, group, status and time", async () => {
  const { deploymentId } = (await call("CreateDeployment", request)).content;
  const info = await ended(deploymentId);
  const list = async (filter: object) => (await call("ListDeployments", filter)).content.deployments;
  const here = { applicationName: "hello" };
  expect(await list({ ...here, deploymentGroupName: "live" })).toEqual([deploymentId]);
  expect(await list({ ...here, includeOnlyStatuses: ["Failed"] })).toEqual([deploymentId]);
  expect(await list({ ...here, includeOnlyStatuses: ["Succeeded"] })).toEqual([]);
  expect(await list({ createTimeRange: { start: Number(info.createTime) + 1 } })).toEqual([]);
  expect(await codeOf("ListDeployments", { deploymentGroupName: "live" })).toBe(
    "ApplicationNameRequiredException",
  );
  expect(await codeOf("ListDeployments", { applicationName: "x" })).toBe("ApplicationDoesNotExistException");
});

test("a revision that was registered is found again, and no other", async () => {
  const input = { applicationName: "hello", revision };
  expect(await codeOf("GetApplicationRevision", input)).toBe("RevisionDoesNotExistException");
  await call("RegisterApplicationRevision", { ...input, description: "first" });
  expect((await call("GetApplicationRevision", input)).content).toMatchObject({
    ...input,
    revisionInfo: { description: "first", registerTime: expect.any(Number) },
  });
});
