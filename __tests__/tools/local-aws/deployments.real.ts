import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  PutMetricAlarmCommand,
  SetAlarmStateCommand,
} from "@aws-sdk/client-cloudwatch";
import {
  CodeDeployClient,
  ContinueDeploymentCommand,
  CreateApplicationCommand,
  CreateDeploymentCommand,
  CreateDeploymentConfigCommand,
  CreateDeploymentGroupCommand,
  type CreateDeploymentGroupCommandInput,
  GetDeploymentCommand,
  GetDeploymentTargetCommand,
  ListDeploymentsCommand,
  ListDeploymentTargetsCommand,
  PutLifecycleEventHookExecutionStatusCommand,
  StopDeploymentCommand,
} from "@aws-sdk/client-codedeploy";
import {
  CreateSecurityGroupCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  EC2Client,
} from "@aws-sdk/client-ec2";
import {
  CreateClusterCommand,
  CreateServiceCommand,
  DeleteServiceCommand,
  DescribeServicesCommand,
  ECSClient,
  RegisterTaskDefinitionCommand,
  UpdateServiceCommand,
} from "@aws-sdk/client-ecs";
import {
  type Action,
  CreateListenerCommand,
  CreateLoadBalancerCommand,
  CreateRuleCommand,
  CreateTargetGroupCommand,
  DescribeRulesCommand,
  ElasticLoadBalancingV2Client,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import {
  CreateAliasCommand,
  CreateFunctionCommand,
  GetAliasCommand,
  InvokeCommand,
  LambdaClient,
  UpdateFunctionCodeCommand,
} from "@aws-sdk/client-lambda";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { zipSync } from "fflate";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import { ask } from "../../../tools/local-aws/functions/client";
import { LocalClients, region } from "../../support/local-aws";
import { motoServer } from "../../support/moto";

jest.setTimeout(3 * 60_000);

const BUILD = "111111111111";
const MINUTE = 300;
/** Often enough to see each step of a deployment, which takes a minute. */
const LOOK_MILLISECONDS = 50;
const SERVICE_ROLE = `arn:aws:iam::${BUILD}:role/codedeploy`;

let aws: LocalAws;
let clients: LocalClients;
let lambda: LambdaClient;
let codedeploy: CodeDeployClient;
let cloudwatch: CloudWatchClient;
let ecs: ECSClient;
let elb: ElasticLoadBalancingV2Client;
const log: string[] = [];
beforeAll(async () => {
  aws = await startLocalAws({
    account: BUILD,
    motoServer: await motoServer(),
    minuteMilliseconds: MINUTE,
    log: (line) => log.push(line),
  });
  clients = new LocalClients(aws.endpoint);
  lambda = clients.of(LambdaClient);
  codedeploy = clients.of(CodeDeployClient);
  cloudwatch = clients.of(CloudWatchClient);
  ecs = clients.of(ECSClient);
  elb = clients.of(ElasticLoadBalancingV2Client);
});
afterAll(async () => {
  clients.destroy();
  await aws.stop();
});

async function until(condition: () => Promise<boolean>): Promise<void> {
  while (!(await condition())) await pause(LOOK_MILLISECONDS);
}

const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

async function deploymentOf(deploymentId: string) {
  const { deploymentInfo } = await codedeploy.send(new GetDeploymentCommand({ deploymentId }));
  return deploymentInfo!;
}

async function ended(deploymentId: string) {
  for (;;) {
    const info = await deploymentOf(deploymentId);
    if (["Succeeded", "Failed", "Stopped"].includes(info.status ?? "")) return info;
    await pause(LOOK_MILLISECONDS);
  }
}

async function targetOf(deploymentId: string) {
  const { targetIds: [targetId] = [] } = await codedeploy.send(
    new ListDeploymentTargetsCommand({ deploymentId }),
  );
  const command = new GetDeploymentTargetCommand({ deploymentId, targetId });
  const { deploymentTarget } = await codedeploy.send(command);
  return deploymentTarget!;
}

async function stateOf(alarm: string) {
  const { MetricAlarms: [found] = [] } = await cloudwatch.send(
    new DescribeAlarmsCommand({ AlarmNames: [alarm] }),
  );
  return found?.StateValue;
}

const setState = (AlarmName: string, StateValue: "OK" | "ALARM") =>
  cloudwatch.send(new SetAlarmStateCommand({ AlarmName, StateValue, StateReason: "By hand" }));

async function createGroup(
  applicationName: string,
  computePlatform: "Lambda" | "ECS",
  group: Partial<CreateDeploymentGroupCommandInput>,
) {
  await codedeploy.send(new CreateApplicationCommand({ applicationName, computePlatform }));
  await codedeploy.send(
    new CreateDeploymentGroupCommand({
      applicationName,
      deploymentGroupName: "live",
      serviceRoleArn: SERVICE_ROLE,
      deploymentStyle: { deploymentType: "BLUE_GREEN", deploymentOption: "WITH_TRAFFIC_CONTROL" },
      autoRollbackConfiguration: {
        enabled: true,
        events: ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"],
      },
      alarmConfiguration: { enabled: true, alarms: [{ name: `${applicationName}-errors` }] },
      ...group,
    }),
  );
}

async function deploy(applicationName: string, spec: object, deploymentConfigName?: string) {
  const content = JSON.stringify({ version: 0.0, ...spec });
  const { deploymentId = "" } = await codedeploy.send(
    new CreateDeploymentCommand({
      applicationName,
      deploymentGroupName: "live",
      deploymentConfigName,
      revision: { revisionType: "AppSpecContent", appSpecContent: { content } },
    }),
  );
  return deploymentId;
}

describe("a function", () => {
  /** Says it is its version, which the code cannot know before it is one. */
  const good = "exports.handler = async () => process.env.AWS_LAMBDA_FUNCTION_VERSION;";
  const bad = "exports.handler = async () => { throw new Error('broken'); };";
  const checks = `const { CodeDeployClient, PutLifecycleEventHookExecutionStatusCommand } =
      require("@aws-sdk/client-codedeploy");
    exports.handler = async ({ DeploymentId, LifecycleEventHookExecutionId, ...more }) => {
      if (Object.keys(more).length) throw new Error("more than two fields");
      const input = { deploymentId: DeploymentId, lifecycleEventHookExecutionId: LifecycleEventHookExecutionId };
      const status = process.env.STATUS;
      await new CodeDeployClient().send(new PutLifecycleEventHookExecutionStatusCommand({ ...input, status }));
    };`;
  const zip = (code: string) => zipSync({ "index.js": Buffer.from(code) });

  async function create(FunctionName: string, code: string, Variables?: Record<string, string>) {
    await lambda.send(
      new CreateFunctionCommand({
        FunctionName,
        Runtime: "nodejs22.x",
        Handler: "index.handler",
        Role: `arn:aws:iam::${BUILD}:role/functions`,
        Code: { ZipFile: zip(code) },
        Timeout: 30,
        Publish: true,
        Environment: { Variables },
      }),
    );
    await lambda.send(new CreateAliasCommand({ FunctionName, Name: "live", FunctionVersion: "1" }));
  }

  async function publish(FunctionName: string, code: string): Promise<string> {
    const update = { FunctionName, ZipFile: zip(`${code} // ${Math.random()}`), Publish: true };
    const { Version = "" } = await lambda.send(new UpdateFunctionCodeCommand(update));
    return Version;
  }

  const aliasOf = async (FunctionName: string) => {
    const alias = await lambda.send(new GetAliasCommand({ FunctionName, Name: "live" }));
    return [alias.FunctionVersion, alias.RoutingConfig?.AdditionalVersionWeights ?? {}] as const;
  };

  async function invoke(FunctionName: string): Promise<string> {
    const { Payload, FunctionError, ExecutedVersion } = await lambda.send(
      new InvokeCommand({ FunctionName, Qualifier: "live" }),
    );
    if (FunctionError) return `error of ${ExecutedVersion}`;
    return JSON.parse(Payload?.transformToString() ?? "") as string;
  }

  const from = (Name: string, CurrentVersion: string, TargetVersion: string, Hooks: object[] = []) => ({
    Resources: [
      {
        fn: {
          Type: "AWS::Lambda::Function",
          Properties: { Name, Alias: "live", CurrentVersion, TargetVersion },
        },
      },
    ],
    Hooks,
  });
  const both = (fn: string) => [{ BeforeAllowTraffic: fn }, { AfterAllowTraffic: fn }];

  let silent: { readonly deploymentId: string; readonly begun: number };
  beforeAll(async () => {
    for (const RoleName of ["functions", "codedeploy"]) {
      const body = new URLSearchParams({
        Action: "CreateRole",
        Version: "2010-05-08",
        RoleName,
        AssumeRolePolicyDocument: '{"Version":"2012-10-17","Statement":[]}',
      });
      const caller = { endpoint: aws.endpoint, region, accessKey: "local" };
      expect((await ask(caller, "iam", "/", { method: "POST", body })).ok).toBe(true);
    }
    await create("check-good", checks, { STATUS: "Succeeded" });
    await create("check-bad", checks, { STATUS: "Failed" });
    await create("check-silent", "exports.handler = async () => {};");
    await codedeploy.send(
      new CreateDeploymentConfigCommand({
        deploymentConfigName: "half-for-an-hour",
        computePlatform: "Lambda",
        trafficRoutingConfig: {
          type: "TimeBasedCanary",
          timeBasedCanary: { canaryPercentage: 50, canaryInterval: 60 },
        },
      }),
    );

    // It waits for an hour, while the others are tried.
    await createReleased("silent");
    const version = await publish("silent", good);
    const begun = Date.now();
    const deploymentId = await deploy("silent", from("silent", "1", version, both("check-silent")));
    await expect(deploy("silent", from("silent", "1", version))).rejects.toMatchObject({
      name: "DeploymentLimitExceededException",
    });
    const lost = { deploymentId, lifecycleEventHookExecutionId: "lost", status: "Succeeded" as const };
    await expect(
      codedeploy.send(new PutLifecycleEventHookExecutionStatusCommand(lost)),
    ).rejects.toMatchObject({ name: "InvalidLifecycleEventHookExecutionIdException" });
    silent = { deploymentId, begun };
  });

  async function createReleased(name: string) {
    await create(name, good);
    const metric = (Id: string, MetricName: string) => ({
      Id,
      ReturnData: false,
      MetricStat: {
        Metric: {
          Namespace: "AWS/Lambda",
          MetricName,
          Dimensions: [
            { Name: "FunctionName", Value: name },
            { Name: "Resource", Value: `${name}:live` },
          ],
        },
        Period: 60,
        Stat: "Sum",
      },
    });
    await cloudwatch.send(
      new PutMetricAlarmCommand({
        AlarmName: `${name}-errors`,
        ComparisonOperator: "GreaterThanThreshold",
        Threshold: 1,
        EvaluationPeriods: 1,
        TreatMissingData: "notBreaching",
        Metrics: [
          metric("errors", "Errors"),
          metric("calls", "Invocations"),
          { Id: "share", Expression: "100 * errors / calls", Label: "share", ReturnData: true },
        ],
      }),
    );
    await createGroup(name, "Lambda", {
      deploymentConfigName: "CodeDeployDefault.LambdaCanary10Percent5Minutes",
    });
  }

  test("that is good reaches all traffic, a tenth of it before", async () => {
    await createReleased("good");
    const version = await publish("good", good);
    const deploymentId = await deploy("good", from("good", "1", version, both("check-good")));
    const seen: string[] = [];
    while (!(await deploymentOf(deploymentId)).completeTime) {
      const alias = JSON.stringify(await aliasOf("good"));
      if (seen.at(-1) !== alias) seen.push(alias);
      await pause(LOOK_MILLISECONDS);
    }
    expect(await deploymentOf(deploymentId)).toMatchObject({ status: "Succeeded", creator: "user" });
    expect(seen).toEqual(['["1",{}]', '["1",{"2":0.1}]', '["2",{}]'].slice(0, seen.length));
    expect(seen).toContain('["1",{"2":0.1}]');
    expect(await aliasOf("good")).toEqual(["2", {}]);
    expect(await invoke("good")).toBe("2");
    const { lambdaTarget } = await targetOf(deploymentId);
    expect(lambdaTarget?.lambdaFunctionInfo).toEqual({
      functionName: "good",
      functionAlias: "live",
      currentVersion: "1",
      targetVersion: "2",
      targetVersionWeight: 1,
    });
    expect(lambdaTarget?.lifecycleEvents).toEqual(
      ["BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"].map((lifecycleEventName) => ({
        lifecycleEventName,
        status: "Succeeded",
        startTime: expect.any(Date),
        endTime: expect.any(Date),
      })),
    );
    const { deployments } = await codedeploy.send(
      new ListDeploymentsCommand({
        applicationName: "good",
        deploymentGroupName: "live",
        includeOnlyStatuses: ["Succeeded"],
      }),
    );
    expect(deployments).toEqual([deploymentId]);
  });

  test("whose check fails gets no request through the alias", async () => {
    await createReleased("refused");
    const version = await publish("refused", good);
    const deploymentId = await deploy("refused", from("refused", "1", version, both("check-bad")));
    const answers = new Set<string>();
    while (!(await deploymentOf(deploymentId)).completeTime) answers.add(await invoke("refused"));
    const info = await deploymentOf(deploymentId);
    expect(info).toMatchObject({ status: "Failed", errorInformation: { code: "HOOK_EXECUTION_FAILURE" } });
    expect(await ended(info.rollbackInfo?.rollbackDeploymentId ?? "")).toMatchObject({
      status: "Succeeded",
      creator: "codeDeployRollback",
      rollbackInfo: { rollbackTriggeringDeploymentId: deploymentId },
    });
    for (let count = 0; count < 5; count++) answers.add(await invoke("refused"));
    expect([...answers]).toEqual(["1"]);
    expect(await aliasOf("refused")).toEqual(["1", {}]);
  });

  test("that raises the alarm halfway is brought back, and the old version serves all", async () => {
    await createReleased("broken");
    const version = await publish("broken", bad);
    const spec = from("broken", "1", version, both("check-good"));
    const deploymentId = await deploy("broken", spec, "half-for-an-hour");
    const answers = new Set<string>();
    while (!(await deploymentOf(deploymentId)).completeTime) answers.add(await invoke("broken"));
    const info = await deploymentOf(deploymentId);
    expect(answers).toEqual(new Set(["1", "error of 2"]));
    expect(info).toMatchObject({
      status: "Stopped",
      errorInformation: {
        code: "ALARM_ACTIVE",
        message: expect.stringContaining("Activated alarms: <broken-errors>"),
      },
    });
    await ended(info.rollbackInfo?.rollbackDeploymentId ?? "");
    expect(await aliasOf("broken")).toEqual(["1", {}]);
    const after = new Set<string>();
    for (let count = 0; count < 10; count++) after.add(await invoke("broken"));
    expect([...after]).toEqual(["1"]);
    // Nobody calls it any more, and no data is no error.
    await until(async () => (await stateOf("broken-errors")) === "OK");
  });

  test("is brought back when its deployment is stopped and that is asked for", async () => {
    await createReleased("stopped");
    const version = await publish("stopped", good);
    const deploymentId = await deploy("stopped", from("stopped", "1", version), "half-for-an-hour");
    await until(async () => "2" in (await aliasOf("stopped"))[1]);
    const stop = new StopDeploymentCommand({ deploymentId, autoRollbackEnabled: true });
    expect(await codedeploy.send(stop)).toMatchObject({ status: "Pending" });
    const { status, rollbackInfo } = await ended(deploymentId);
    expect(status).toBe("Stopped");
    await ended(rollbackInfo?.rollbackDeploymentId ?? "");
    expect(await aliasOf("stopped")).toEqual(["1", {}]);
    await expect(codedeploy.send(stop)).rejects.toMatchObject({
      name: "DeploymentAlreadyCompletedException",
    });
  });

  test("whose alias is at another version than the AppSpec says is left alone", async () => {
    await createReleased("moved");
    const version = await publish("moved", good);
    const next = await publish("moved", good);
    const info = await ended(await deploy("moved", from("moved", version, next)));
    expect(info).toMatchObject({
      status: "Failed",
      errorInformation: { code: "INVALID_LAMBDA_CONFIGURATION" },
    });
    expect(await aliasOf("moved")).toEqual(["1", {}]);
  });

  test("may have its AppSpec in S3", async () => {
    await createReleased("stored");
    await clients.createBucket("proof-specs");
    const spec = { version: 0.0, ...from("stored", "1", await publish("stored", good)) };
    const object = { Bucket: "proof-specs", Key: "appspec.json", Body: JSON.stringify(spec) };
    await clients.of(S3Client).send(new PutObjectCommand(object));
    const { deploymentId = "" } = await codedeploy.send(
      new CreateDeploymentCommand({
        applicationName: "stored",
        deploymentGroupName: "live",
        deploymentConfigName: "CodeDeployDefault.LambdaAllAtOnce",
        revision: {
          revisionType: "S3",
          s3Location: { bucket: "proof-specs", key: "appspec.json", bundleType: "JSON" },
        },
      }),
    );
    expect(await ended(deploymentId)).toMatchObject({ status: "Succeeded" });
    expect(await aliasOf("stored")).toEqual(["2", {}]);
  });

  test("has an alarm that keeps what a person sets while nothing new is measured", async () => {
    await createReleased("quiet");
    await setState("quiet-errors", "ALARM");
    await invoke("good");
    await pause(3 * MINUTE);
    expect(await stateOf("quiet-errors")).toBe("ALARM");
  });

  test("whose check never answers fails after an hour", async () => {
    const { deploymentId, begun } = silent;
    expect(await ended(deploymentId)).toMatchObject({
      status: "Failed",
      errorInformation: { code: "TIMEOUT" },
    });
    expect(Date.now() - begun).toBeGreaterThanOrEqual(60 * MINUTE);
    expect(await aliasOf("silent")).toEqual(["1", {}]);
  });
});

describe("a service", () => {
  const CLUSTER = "proof";
  let production: string;
  let testing: string;
  const groups: Record<string, string> = {};
  let network: { subnets: string[]; securityGroups: string[] };

  /** Answers on its port, as the service does before its first release. */
  async function register(says: string): Promise<string> {
    const { taskDefinition } = await ecs.send(
      new RegisterTaskDefinitionCommand({
        family: "shop",
        networkMode: "awsvpc",
        requiresCompatibilities: ["FARGATE"],
        cpu: "256",
        memory: "512",
        containerDefinitions: [
          {
            name: "shop",
            image: "public.ecr.aws/docker/library/node:22-alpine",
            command: ["node", "-e", `require("http").createServer((q,r)=>r.end("${says}")).listen(8080)`],
            portMappings: [{ containerPort: 8080 }],
          },
        ],
      }),
    );
    return taskDefinition?.taskDefinitionArn ?? "";
  }

  beforeAll(async () => {
    const ec2 = clients.of(EC2Client);
    const { Vpc } = await ec2.send(new CreateVpcCommand({ CidrBlock: "10.0.0.0/16" }));
    const subnet = async (CidrBlock: string, zone: string) => {
      const input = { VpcId: Vpc?.VpcId, CidrBlock, AvailabilityZone: `${region}${zone}` };
      return (await ec2.send(new CreateSubnetCommand(input))).Subnet?.SubnetId ?? "";
    };
    const subnets = [await subnet("10.0.0.0/24", "a"), await subnet("10.0.1.0/24", "b")];
    const { GroupId = "" } = await ec2.send(
      new CreateSecurityGroupCommand({ GroupName: "shop", Description: "shop", VpcId: Vpc?.VpcId }),
    );
    network = { subnets, securityGroups: [GroupId] };
    const { LoadBalancers: [balancer] = [] } = await elb.send(
      new CreateLoadBalancerCommand({ Name: "shop", Subnets: subnets }),
    );
    for (const Name of ["blue", "green"]) {
      const { TargetGroups: [group] = [] } = await elb.send(
        new CreateTargetGroupCommand({
          Name,
          Protocol: "HTTP",
          Port: 80,
          VpcId: Vpc?.VpcId,
          TargetType: "ip",
          HealthCheckIntervalSeconds: 5,
          HealthyThresholdCount: 2,
        }),
      );
      groups[Name] = group?.TargetGroupArn ?? "";
    }
    const listen = async (Port: number) => {
      const { Listeners: [listener] = [] } = await elb.send(
        new CreateListenerCommand({
          LoadBalancerArn: balancer?.LoadBalancerArn,
          Port,
          Protocol: "HTTP",
          DefaultActions: [{ Type: "fixed-response", FixedResponseConfig: { StatusCode: "404" } }],
        }),
      );
      for (const [Priority, Values, TargetGroupArn] of [
        [1, ["/other"], groups.other],
        [2, ["/*"], groups.blue],
      ] as const) {
        const action: Action = TargetGroupArn
          ? { Type: "forward", TargetGroupArn }
          : { Type: "fixed-response", FixedResponseConfig: { StatusCode: "200" } };
        await elb.send(
          new CreateRuleCommand({
            ListenerArn: listener?.ListenerArn,
            Priority,
            Conditions: [{ Field: "path-pattern", Values: [...Values] }],
            Actions: [action],
          }),
        );
      }
      return listener?.ListenerArn ?? "";
    };
    production = await listen(80);
    testing = await listen(8080);
    await ecs.send(new CreateClusterCommand({ clusterName: CLUSTER }));
    const { service } = await ecs.send(
      new CreateServiceCommand({
        cluster: CLUSTER,
        serviceName: "shop",
        taskDefinition: await register("one"),
        desiredCount: 1,
        launchType: "FARGATE",
        networkConfiguration: { awsvpcConfiguration: network },
        deploymentController: { type: "CODE_DEPLOY" },
        loadBalancers: [{ targetGroupArn: groups.blue, containerName: "shop", containerPort: 8080 }],
      }),
    );
    expect(service?.taskSets).toMatchObject([{ status: "PRIMARY" }]);
    await cloudwatch.send(
      new PutMetricAlarmCommand({
        AlarmName: "shop-errors",
        Namespace: "Proof",
        MetricName: "errors",
        Statistic: "Sum",
        Period: 60,
        EvaluationPeriods: 1,
        Threshold: 1,
        ComparisonOperator: "GreaterThanThreshold",
      }),
    );
    await createGroup("shop", "ECS", {
      deploymentConfigName: "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
      ecsServices: [{ clusterName: CLUSTER, serviceName: "shop" }],
      loadBalancerInfo: {
        targetGroupPairInfoList: [
          {
            targetGroups: [{ name: "blue" }, { name: "green" }],
            prodTrafficRoute: { listenerArns: [production] },
            testTrafficRoute: { listenerArns: [testing] },
          },
        ],
      },
      blueGreenDeploymentConfiguration: {
        terminateBlueInstancesOnDeploymentSuccess: { action: "TERMINATE", terminationWaitTimeInMinutes: 5 },
        deploymentReadyOption: { actionOnTimeout: "CONTINUE_DEPLOYMENT" },
      },
    });
  });
  afterAll(() => ecs.send(new DeleteServiceCommand({ cluster: CLUSTER, service: "shop", force: true })));

  /** Weights of blue and green in the rule of a listener, and what its other rules do. */
  async function weightsOf(listener: string) {
    const { Rules = [] } = await elb.send(new DescribeRulesCommand({ ListenerArn: listener }));
    const types = Rules.map(({ Actions: [action] = [] }) => action?.Type);
    expect(types).toEqual(["fixed-response", "forward", "fixed-response"]);
    const [action] = Rules.find(({ Priority }) => Priority === "2")?.Actions ?? [];
    const forwards = action?.ForwardConfig?.TargetGroups ?? [
      { TargetGroupArn: action?.TargetGroupArn, Weight: 100 },
    ];
    const weight = (arn?: string) =>
      forwards.find(({ TargetGroupArn }) => TargetGroupArn === arn)?.Weight ?? 0;
    return [weight(groups.blue), weight(groups.green)] as const;
  }

  async function taskSets() {
    const command = new DescribeServicesCommand({ cluster: CLUSTER, services: ["shop"] });
    const { services: [service] = [] } = await ecs.send(command);
    return (service?.taskSets ?? []).map(({ status, externalId, taskDefinition }) => ({
      status,
      externalId: externalId || undefined,
      taskDefinition,
    }));
  }

  const to = (TaskDefinition: string) => ({
    Resources: [
      {
        TargetService: {
          Type: "AWS::ECS::Service",
          Properties: {
            TaskDefinition,
            LoadBalancerInfo: { ContainerName: "shop", ContainerPort: 8080 },
            PlatformVersion: "LATEST",
            NetworkConfiguration: {
              AwsvpcConfiguration: {
                Subnets: network.subnets,
                SecurityGroups: network.securityGroups,
                AssignPublicIp: "DISABLED",
              },
            },
          },
        },
      },
    ],
  });

  let released: { deploymentId: string; definition: string };

  test("moves to a new task set, a tenth of its traffic a minute, and the old one ends", async () => {
    const before = await taskSets();
    const definition = await register("two");
    const deploymentId = await deploy("shop", to(definition));
    const seen: (readonly [number, number])[] = [];
    let tested: readonly [number, number] | undefined;
    while (!(await deploymentOf(deploymentId)).instanceTerminationWaitTimeStarted) {
      const weights = await weightsOf(production);
      if (weights[1] > 0) tested ??= await weightsOf(testing);
      if (seen.at(-1)?.[1] !== weights[1]) seen.push(weights);
      const { completeTime, errorInformation } = await deploymentOf(deploymentId);
      expect([completeTime, errorInformation]).toEqual([undefined, undefined]);
      await pause(LOOK_MILLISECONDS);
    }
    seen.push(await weightsOf(production));
    const greens = seen.map(([, green]) => green);
    expect(new Set(seen.map(([blue, green]) => blue + green))).toEqual(new Set([100]));
    expect(greens).toEqual([...greens].sort((a, b) => a - b));
    expect([greens[0], greens.at(-1)]).toEqual([0, 100]);
    expect(new Set(greens).size).toBeGreaterThan(5);
    expect(tested).toEqual([0, 100]);
    const current = { status: "PRIMARY", externalId: deploymentId, taskDefinition: definition };
    expect(await taskSets()).toEqual([{ ...before[0], status: "ACTIVE" }, current]);
    await codedeploy.send(
      new ContinueDeploymentCommand({ deploymentId, deploymentWaitType: "TERMINATION_WAIT" }),
    );
    expect(await ended(deploymentId)).toMatchObject({ status: "Succeeded" });
    expect(await taskSets()).toEqual([current]);
    const { ecsTarget } = await targetOf(deploymentId);
    expect(ecsTarget).toMatchObject({ targetId: `${CLUSTER}:shop`, status: "Succeeded" });
    expect(ecsTarget?.lifecycleEvents?.map(({ status }) => status)).toEqual(Array(8).fill("Succeeded"));
    expect(ecsTarget?.taskSetsInfo).toMatchObject([
      { taskSetLabel: "Blue", status: "DRAINING", trafficWeight: 0, targetGroup: { name: "blue" } },
      { taskSetLabel: "Green", status: "PRIMARY", trafficWeight: 100, targetGroup: { name: "green" } },
    ]);
    released = { deploymentId, definition };
  });

  test("goes back when an alarm goes off halfway, and nothing of the new version is left", async () => {
    const deploymentId = await deploy("shop", to(await register("three")));
    await until(async () => (await weightsOf(production))[0] >= 30);
    await setState("shop-errors", "ALARM");
    const { status, errorInformation, rollbackInfo } = await ended(deploymentId);
    expect([status, errorInformation?.code]).toEqual(["Stopped", "ALARM_ACTIVE"]);
    const rollback = await ended(rollbackInfo?.rollbackDeploymentId ?? "");
    expect(rollback).toMatchObject({ status: "Succeeded", creator: "codeDeployRollback" });
    expect(await weightsOf(production)).toEqual([0, 100]);
    expect(await weightsOf(testing)).toEqual([0, 100]);
    expect(await taskSets()).toEqual([
      { status: "PRIMARY", externalId: released.deploymentId, taskDefinition: released.definition },
    ]);
    const { ecsTarget } = await targetOf(deploymentId);
    expect(ecsTarget?.lifecycleEvents?.slice(-2).map(({ status }) => status)).toEqual(["Failed", "Skipped"]);
    await setState("shop-errors", "OK");
  });

  test("stays as it is when it is stopped, and the next deployment clears up", async () => {
    const first = await deploy("shop", to(await register("four")));
    await until(async () => (await weightsOf(production))[0] >= 20);
    await codedeploy.send(new StopDeploymentCommand({ deploymentId: first }));
    expect(await ended(first)).toMatchObject({
      status: "Stopped",
      errorInformation: { code: "MANUAL_STOP" },
    });
    expect((await weightsOf(production))[0]).toBeGreaterThanOrEqual(20);
    const definition = await register("five");
    const second = await deploy("shop", to(definition), "CodeDeployDefault.ECSAllAtOnce");
    expect(await ended(second)).toMatchObject({ status: "Succeeded" });
    expect(await weightsOf(production)).toEqual([100, 0]);
    expect(await taskSets()).toEqual([{ status: "PRIMARY", externalId: second, taskDefinition: definition }]);
  });

  test("may be scaled in the middle of a shift: both versions follow, and the shift goes on", async () => {
    const definition = await register("scaled");
    const deploymentId = await deploy("shop", to(definition));
    // Which of the target groups is the new one changes with each release.
    while ((await weightsOf(production)).includes(100)) await pause(LOOK_MILLISECONDS);
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service: "shop", desiredCount: 2 }));
    while (!(await deploymentOf(deploymentId)).instanceTerminationWaitTimeStarted) {
      const { completeTime, errorInformation } = await deploymentOf(deploymentId);
      expect([completeTime, errorInformation]).toEqual([undefined, undefined]);
      await pause(LOOK_MILLISECONDS);
    }
    const { services: [service] = [] } = await ecs.send(
      new DescribeServicesCommand({ cluster: CLUSTER, services: ["shop"] }),
    );
    expect(service?.taskSets?.map(({ computedDesiredCount }) => computedDesiredCount)).toEqual([2, 2]);
    await codedeploy.send(
      new ContinueDeploymentCommand({ deploymentId, deploymentWaitType: "TERMINATION_WAIT" }),
    );
    expect(await ended(deploymentId)).toMatchObject({ status: "Succeeded" });
    await ecs.send(new UpdateServiceCommand({ cluster: CLUSTER, service: "shop", desiredCount: 1 }));
    released = { deploymentId, definition };
  });

  test("fails where its production listener does not lead to it", async () => {
    await createGroup("lost", "ECS", {
      alarmConfiguration: { enabled: false },
      ecsServices: [{ clusterName: CLUSTER, serviceName: "shop" }],
      loadBalancerInfo: {
        targetGroupPairInfoList: [
          { targetGroups: [{ name: "blue" }, { name: "green" }], prodTrafficRoute: { listenerArns: [] } },
        ],
      },
    });
    expect(await ended(await deploy("lost", to(released.definition)))).toMatchObject({
      status: "Failed",
      errorInformation: { message: expect.stringContaining("Primary taskset target group must be behind") },
    });
    expect(await taskSets()).toHaveLength(1);
  });
});

test("nothing went wrong behind the scenes", () => {
  expect(log).toEqual([]);
});
