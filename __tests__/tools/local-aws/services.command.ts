import { Bed, BUILD } from "./upstream";

let bed: Bed;
beforeEach(async () => {
  bed = await new Bed().start();
});
afterEach(() => bed.stop());

const role = `arn:aws:iam::${BUILD}:role/all`;

describe("CodeBuild", () => {
  const call = (operation: string, input: unknown) => bed.call(`CodeBuild_20161006.${operation}`, input);
  const project = {
    name: "build",
    serviceRole: role,
    source: { type: "CODEPIPELINE", buildspec: "version: 0.2" },
    artifacts: { type: "CODEPIPELINE" },
    environment: { type: "ARM_CONTAINER", image: "standard:3.0", computeType: "BUILD_GENERAL1_SMALL" },
  };

  test("a project keeps what it was given, and an update changes only what it names", async () => {
    const given = { timeoutInMinutes: 20, encryptionKey: "key", cache: { type: "S3", location: "b/c" } };
    await call("CreateProject", { ...project, ...given, concurrentBuildLimit: 2 });
    await call("UpdateProject", { name: "build", description: "new", concurrentBuildLimit: -1 });
    const { content } = await call("BatchGetProjects", { names: ["build", "none"] });
    expect(content).toMatchObject({
      projects: [
        {
          ...given,
          arn: `arn:aws:codebuild:eu-west-1:${BUILD}:project/build`,
          description: "new",
          queuedTimeoutInMinutes: 480,
          badge: { badgeEnabled: false },
          created: expect.any(Number),
        },
      ],
      projectsNotFound: ["none"],
    });
    expect((content.projects as object[])[0]).not.toHaveProperty("concurrentBuildLimit");
  });

  test.each<[string, object]>([
    ["a role of another account", { serviceRole: "arn:aws:iam::999999999999:role/all" }],
    ["artifacts that do not fit the source", { artifacts: { type: "NO_ARTIFACTS" } }],
    ["an unknown kind of environment", { environment: { ...project.environment, type: "TOASTER" } }],
  ])("%s is refused", async (_, changes) => {
    const { status, content } = await call("CreateProject", { ...project, ...changes });
    expect([status, content.__type]).toEqual([400, "InvalidInputException"]);
  });

  test("a report group is made, changed and deleted", async () => {
    const arn = `arn:aws:codebuild:eu-west-1:${BUILD}:report-group/tests`;
    const tags = [{ key: "a", value: "b" }];
    const exportConfig = { exportConfigType: "NO_EXPORT" };
    const { content } = await call("CreateReportGroup", { name: "tests", type: "TEST", exportConfig, tags });
    expect(content.reportGroup).toMatchObject({ arn, created: expect.any(Number), status: "ACTIVE" });
    await call("UpdateReportGroup", { arn, exportConfig: { exportConfigType: "S3" } });
    const found = await call("BatchGetReportGroups", { reportGroupArns: [arn] });
    expect(found.content.reportGroups).toMatchObject([{ exportConfig: { exportConfigType: "S3" }, tags }]);
    await call("DeleteReportGroup", { arn });
    expect((await call("ListReportGroups", {})).content).toEqual({ reportGroups: [] });
  });
});

describe("CodeDeploy", () => {
  const call = (operation: string, input: unknown) => bed.call(`CodeDeploy_20141006.${operation}`, input);
  const group = {
    applicationName: "web",
    deploymentGroupName: "live",
    serviceRoleArn: role,
    deploymentConfigName: "CodeDeployDefault.ECSCanary10Percent5Minutes",
    deploymentStyle: { deploymentType: "BLUE_GREEN", deploymentOption: "WITH_TRAFFIC_CONTROL" },
    ecsServices: [{ clusterName: "c", serviceName: "s" }],
    loadBalancerInfo: { targetGroupPairInfoList: [{ targetGroups: [{ name: "blue" }, { name: "green" }] }] },
  };
  beforeEach(() => call("CreateApplication", { applicationName: "web", computePlatform: "ECS" }));

  test("an application and its group are kept; times are numbers", async () => {
    await call("CreateDeploymentGroup", group);
    expect((await call("GetApplication", { applicationName: "web" })).content.application).toMatchObject({
      computePlatform: "ECS",
      createTime: expect.any(Number),
    });
    const names = { applicationName: "web", currentDeploymentGroupName: "live" };
    await call("UpdateDeploymentGroup", { ...names, newDeploymentGroupName: "next" });
    const { content } = await call("GetDeploymentGroup", {
      applicationName: "web",
      deploymentGroupName: "next",
    });
    expect(content.deploymentGroupInfo).toMatchObject({
      ...group,
      deploymentGroupName: "next",
      computePlatform: "ECS",
      autoRollbackConfiguration: { enabled: false },
    });
  });

  test("tags go by the ARN of what there is", async () => {
    const ResourceArn = `arn:aws:codedeploy:eu-west-1:${BUILD}:application:web`;
    const Tags = [{ Key: "a", Value: "b" }];
    await call("TagResource", { ResourceArn, Tags });
    expect((await call("ListTagsForResource", { ResourceArn })).content).toEqual({ Tags });
    const { content } = await call("ListTagsForResource", { ResourceArn: `${ResourceArn}x` });
    expect(content.__type).toBe("ApplicationDoesNotExistException");
  });

  test("configurations: CodeDeploy's own are there; others are kept while a group uses them", async () => {
    const { content } = await call("GetDeploymentConfig", {
      deploymentConfigName: "CodeDeployDefault.LambdaLinear10PercentEvery1Minute",
    });
    expect(content.deploymentConfigInfo).toMatchObject({
      computePlatform: "Lambda",
      trafficRoutingConfig: { timeBasedLinear: { linearPercentage: 10, linearInterval: 1 } },
    });
    const slow = { deploymentConfigName: "slow" };
    const timeBasedCanary = { canaryPercentage: 5, canaryInterval: 20 };
    const trafficRoutingConfig = { type: "TimeBasedCanary", timeBasedCanary };
    await call("CreateDeploymentConfig", { ...slow, computePlatform: "ECS", trafficRoutingConfig });
    await call("CreateDeploymentGroup", { ...group, ...slow });
    const refused = await call("DeleteDeploymentConfig", slow);
    expect(refused.content.__type).toBe("DeploymentConfigInUseException");
  });

  test.each<[string, object, string]>([
    ["no role", { serviceRoleArn: undefined }, "RoleRequiredException"],
    ["a role that is none", { serviceRoleArn: "all" }, "InvalidRoleException"],
    ["an unknown application", { applicationName: "none" }, "ApplicationDoesNotExistException"],
    ["an unknown configuration", { deploymentConfigName: "none" }, "DeploymentConfigDoesNotExistException"],
    [
      "a configuration for functions",
      { deploymentConfigName: "CodeDeployDefault.LambdaAllAtOnce" },
      "InvalidDeploymentConfigNameException",
    ],
    ["one target group", { loadBalancerInfo: {} }, "InvalidTargetGroupPairException"],
  ])("a group with %s is refused", async (_, changes, code) => {
    expect((await call("CreateDeploymentGroup", { ...group, ...changes })).content.__type).toBe(code);
  });
});

describe.each([
  ["codeconnections", "com.amazonaws.codeconnections.CodeConnections_20231201"],
  ["codeconnections", "CodeConnections_20231201"],
  ["codestar-connections", "com.amazonaws.codestar.connections.CodeStar_connections_20191201"],
])("%s as %s", (service, target) => {
  const call = (operation: string, input: unknown) => bed.call(`${target}.${operation}`, input);

  test("a connection waits for its handshake, with its tags", async () => {
    const Tags = [{ Key: "a", Value: "b" }];
    const { content } = await call("CreateConnection", {
      ConnectionName: "github",
      ProviderType: "GitHub",
      Tags,
    });
    const { ConnectionArn } = content;
    expect(ConnectionArn).toMatch(new RegExp(`^arn:aws:${service}:eu-west-1:${BUILD}:connection/`));
    expect((await call("GetConnection", { ConnectionArn })).content.Connection).toMatchObject({
      ConnectionStatus: "PENDING",
      OwnerAccountId: BUILD,
    });
    expect((await call("ListTagsForResource", { ResourceArn: ConnectionArn })).content).toEqual({ Tags });
    await call("DeleteConnection", { ConnectionArn });
    expect((await call("GetConnection", { ConnectionArn })).content.__type).toBe("ResourceNotFoundException");
  });

  test("a host carries connections of its own kind", async () => {
    const ProviderType = "GitHubEnterpriseServer";
    const { content } = await call("CreateHost", {
      Name: "git",
      ProviderType,
      ProviderEndpoint: "https://a",
    });
    const { HostArn } = content;
    await call("CreateConnection", { ConnectionName: "ours", HostArn });
    await call("UpdateHost", { HostArn, ProviderEndpoint: "https://b" });
    expect((await call("GetHost", { HostArn })).content.ProviderEndpoint).toBe("https://b");
    const listed = await call("ListConnections", { HostArnFilter: HostArn });
    expect(listed.content.Connections).toMatchObject([{ ProviderType }]);
  });
});

test("Application Auto Scaling: tags of a target that moto registered", async () => {
  const call = (operation: string, input: unknown) => bed.call(`AnyScaleFrontendService.${operation}`, input);
  const ResourceARN = `arn:aws:application-autoscaling:eu-west-1:${BUILD}:scalable-target/1`;
  const target = { ServiceNamespace: "ecs", ResourceId: "service/c/s", ScalableDimension: "d" };
  bed.upstream = (_, response) => response.end(JSON.stringify({ ScalableTargetARN: ResourceARN }));
  expect((await call("ListTagsForResource", { ResourceARN })).content.__type).toBe(
    "ResourceNotFoundException",
  );
  await call("RegisterScalableTarget", { ...target, Tags: { a: "1" } });
  await call("TagResource", { ResourceARN, Tags: { b: "2" } });
  await call("UntagResource", { ResourceARN, TagKeys: ["a"] });
  expect((await call("ListTagsForResource", { ResourceARN })).content).toEqual({ Tags: { b: "2" } });
  await call("DeregisterScalableTarget", target);
  expect((await call("ListTagsForResource", { ResourceARN })).status).toBe(400);
});
