import { AppautoscalingPolicy } from "@cdktf/provider-aws/lib/appautoscaling-policy";
import { AppautoscalingTarget } from "@cdktf/provider-aws/lib/appautoscaling-target";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { CodedeployApp } from "@cdktf/provider-aws/lib/codedeploy-app";
import { CodedeployDeploymentGroup } from "@cdktf/provider-aws/lib/codedeploy-deployment-group";
import { EcsService } from "@cdktf/provider-aws/lib/ecs-service";
import { EcsTaskDefinition } from "@cdktf/provider-aws/lib/ecs-task-definition";
import { LbListenerRule } from "@cdktf/provider-aws/lib/lb-listener-rule";
import { LbTargetGroup } from "@cdktf/provider-aws/lib/lb-target-group";
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { VpcSecurityGroupEgressRule } from "@cdktf/provider-aws/lib/vpc-security-group-egress-rule";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import { Construct } from "constructs";
import type { ServiceRelease, ServiceSettings } from "../settings";
import { repositoryName } from "../shared/names";
import { Role } from "./iam";
import type { IKey } from "./key";
import type { LoadBalancer } from "./load-balancer";
import { LogGroup } from "./logs";
import { physicalName } from "./naming";
import type { Network } from "./network";

/** Answers every path with 200 until the first release brings the service's own image. */
const PLACEHOLDER_IMAGE = "public.ecr.aws/docker/library/node:22-alpine";
const placeholderCommand = (port: number) => [
  "node",
  "-e",
  `const s=require("http").createServer((q,r)=>r.end("Waiting for the first release")).listen(${port});process.on("SIGTERM",()=>s.close())`,
];

/** CodeDeploy's predefined configurations for ECS. */
const DEPLOYMENT_CONFIGS: Record<ServiceRelease, string> = {
  "all-at-once": "CodeDeployDefault.ECSAllAtOnce",
  "canary-10-percent-5-minutes": "CodeDeployDefault.ECSCanary10Percent5Minutes",
  "canary-10-percent-15-minutes": "CodeDeployDefault.ECSCanary10Percent15Minutes",
  "linear-10-percent-every-1-minute": "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
  "linear-10-percent-every-3-minutes": "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
};

export interface FargateServiceProps {
  readonly project: string;
  /** Begins the name of all that the service holds. */
  readonly prefix: string;
  readonly name: string;
  readonly service: ServiceSettings;
  readonly release: ServiceRelease;
  /** Place among the listener rules: 1 is asked first. */
  readonly priority: number;
  readonly account: string;
  readonly region: string;
  readonly buildAccount: string;
  readonly buildRegion: string;
  readonly network: Network;
  readonly loadBalancer: LoadBalancer;
  readonly clusterName: string;
  readonly clusterArn: string;
  readonly key: IKey;
  readonly logRetentionDays: number;
  readonly boundary: string;
  /** ARN of the topic that alarms go to. */
  readonly alarmTopicArn: string;
}

/** A container behind the load balancer's production and test listeners, released blue/green by CodeDeploy. */
export class FargateService extends Construct {
  readonly url: string;
  private readonly props: FargateServiceProps;
  private readonly fullName: string;

  constructor(scope: Construct, id: string, props: FargateServiceProps) {
    super(scope, id);
    this.props = props;
    this.fullName = `${props.prefix}-${props.name}`;
    this.url = props.loadBalancer.url + props.service.paths[0]!.replace(/\*$/, "");

    const tasks = this.openNetwork();
    const blue = this.targetGroup("blue");
    const green = this.targetGroup("green");
    const rules = [
      this.listenerRule("production", props.loadBalancer.productionListenerArn, blue),
      this.listenerRule("test", props.loadBalancer.testListenerArn, blue),
    ];
    const service = this.runTasks(this.defineTask(), tasks, blue, rules);
    this.scale(service);
    this.alarm(blue, green);
    this.releaseBlueGreen(service, blue, green);
  }

  private openNetwork(): SecurityGroup {
    const { network, loadBalancer, name, service } = this.props;
    const tasks = new SecurityGroup(this, "tasks", {
      name: this.fullName,
      description: `Tasks of ${name}`,
      vpcId: network.vpcId,
      tags: { Name: this.fullName },
    });
    new VpcSecurityGroupIngressRule(this, "from-load-balancer", {
      securityGroupId: tasks.id,
      description: "From the load balancer",
      ipProtocol: "tcp",
      fromPort: service.port,
      toPort: service.port,
      referencedSecurityGroupId: loadBalancer.securityGroupId,
    });
    new VpcSecurityGroupEgressRule(this, "to-https", {
      securityGroupId: tasks.id,
      description: "HTTPS: images, logs, AWS and other services",
      ipProtocol: "tcp",
      fromPort: 443,
      toPort: 443,
      cidrIpv4: "0.0.0.0/0",
    });
    loadBalancer.connectTo(name, tasks, service.port);
    return tasks;
  }

  private targetGroup(colour: "blue" | "green"): LbTargetGroup {
    const { network, service } = this.props;
    return new LbTargetGroup(this, colour, {
      name: physicalName("targetGroup", this.fullName, colour),
      targetType: "ip",
      port: service.port,
      protocol: "HTTP",
      vpcId: network.vpcId,
      deregistrationDelay: "30",
      healthCheck: {
        path: service.healthPath,
        matcher: "200-299",
        interval: 15,
        timeout: 5,
        healthyThreshold: 2,
        unhealthyThreshold: 3,
      },
    });
  }

  private listenerRule(name: string, listenerArn: string, target: LbTargetGroup): LbListenerRule {
    return new LbListenerRule(this, `${name}-rule`, {
      listenerArn,
      priority: this.props.priority,
      condition: [{ pathPattern: { values: [...this.props.service.paths] } }],
      action: [{ type: "forward", targetGroupArn: target.arn }],
      // CodeDeploy moves the traffic between the two target groups.
      lifecycle: { ignoreChanges: ["action"] },
    });
  }

  private defineTask(): EcsTaskDefinition {
    const { props, fullName } = this;
    const { service, region, account, boundary, key } = props;
    const logs = new LogGroup(this, "logs", {
      name: `/slipway/${props.prefix}/service/${props.name}`,
      key,
      retentionDays: props.logRetentionDays,
    });
    const execution = new Role(this, "execution-role", {
      name: physicalName("iamRole", fullName, "execution"),
      description: `Starts the tasks of ${props.name}: pulls the image, writes the log`,
      service: "ecs-tasks.amazonaws.com",
      sourceAccount: account,
      boundary,
    });
    logs.grantWrite(execution);
    execution.allow(
      {
        actions: ["ecr:GetAuthorizationToken"],
        resources: ["*"],
        reason: "The one action of ECR that has no resource.",
      },
      {
        actions: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
        resources: [
          `arn:aws:ecr:${props.buildRegion}:${props.buildAccount}:repository/${repositoryName(props, props.name)}`,
        ],
      },
    );
    const task = new Role(this, "task-role", {
      name: physicalName("iamRole", fullName, "task"),
      description: `What ${props.name} itself may do: nothing, until granted`,
      service: "ecs-tasks.amazonaws.com",
      sourceAccount: account,
      boundary,
    });
    return new EcsTaskDefinition(this, "task", {
      family: physicalName("ecsFamily", fullName),
      requiresCompatibilities: ["FARGATE"],
      networkMode: "awsvpc",
      cpu: String(service.cpu),
      memory: String(service.memory),
      runtimePlatform: { cpuArchitecture: "X86_64", operatingSystemFamily: "LINUX" },
      executionRoleArn: execution.arn,
      taskRoleArn: task.arn,
      containerDefinitions: JSON.stringify([
        {
          name: props.name,
          image: PLACEHOLDER_IMAGE,
          command: placeholderCommand(service.port),
          user: "node",
          essential: true,
          readonlyRootFilesystem: true,
          linuxParameters: { initProcessEnabled: true },
          portMappings: [{ containerPort: service.port, hostPort: service.port, protocol: "tcp" }],
          environment: Object.entries({ ...service.variables, PORT: String(service.port) })
            .sort(([a], [b]) => (a < b ? -1 : 1))
            .map(([name, value]) => ({ name, value })),
          logConfiguration: {
            logDriver: "awslogs",
            options: {
              "awslogs-group": logs.name,
              "awslogs-region": region,
              "awslogs-stream-prefix": props.name,
            },
          },
        },
      ]),
    });
  }

  private runTasks(
    task: EcsTaskDefinition,
    tasks: SecurityGroup,
    blue: LbTargetGroup,
    rules: LbListenerRule[],
  ): EcsService {
    const { name, clusterArn, network, service } = this.props;
    return new EcsService(this, "service", {
      name,
      cluster: clusterArn,
      taskDefinition: task.arn,
      desiredCount: service.minCount,
      launchType: "FARGATE",
      platformVersion: "LATEST",
      enableExecuteCommand: false,
      propagateTags: "SERVICE",
      healthCheckGracePeriodSeconds: 60,
      deploymentController: { type: "CODE_DEPLOY" },
      networkConfiguration: {
        subnets: network.privateSubnetIds,
        securityGroups: [tasks.id],
        assignPublicIp: false,
      },
      loadBalancer: [{ targetGroupArn: blue.arn, containerName: name, containerPort: service.port }],
      // Releases own the first two, autoscaling the last.
      lifecycle: { ignoreChanges: ["task_definition", "load_balancer", "desired_count"] },
      dependsOn: [...rules, ...network.wayOut],
    });
  }

  private scale(service: EcsService): void {
    const { clusterName, name } = this.props;
    const { minCount, maxCount } = this.props.service;
    const target = new AppautoscalingTarget(this, "scaling", {
      serviceNamespace: "ecs",
      scalableDimension: "ecs:service:DesiredCount",
      resourceId: `service/${clusterName}/${name}`,
      minCapacity: minCount,
      maxCapacity: maxCount,
      dependsOn: [service],
    });
    new AppautoscalingPolicy(this, "scaling-cpu", {
      name: `${this.fullName}-cpu`,
      policyType: "TargetTrackingScaling",
      serviceNamespace: target.serviceNamespace,
      scalableDimension: target.scalableDimension,
      resourceId: target.resourceId,
      targetTrackingScalingPolicyConfiguration: {
        targetValue: 60,
        scaleInCooldown: 300,
        scaleOutCooldown: 60,
        predefinedMetricSpecification: { predefinedMetricType: "ECSServiceAverageCPUUtilization" },
      },
    });
  }

  private alarm(...groups: LbTargetGroup[]): void {
    const { loadBalancer, alarmTopicArn } = this.props;
    for (const group of groups) {
      new CloudwatchMetricAlarm(this, `${group.node.id}-errors`, {
        alarmName: `${this.fullName}-${group.node.id}-errors`,
        alarmDescription: "The service answered with 5xx more than 5 times in a minute, twice in a row.",
        namespace: "AWS/ApplicationELB",
        metricName: "HTTPCode_Target_5XX_Count",
        dimensions: { LoadBalancer: loadBalancer.arnSuffix, TargetGroup: group.arnSuffix },
        statistic: "Sum",
        period: 60,
        evaluationPeriods: 2,
        threshold: 5,
        comparisonOperator: "GreaterThanThreshold",
        treatMissingData: "notBreaching",
        alarmActions: [alarmTopicArn],
        okActions: [alarmTopicArn],
      });
    }
  }

  private releaseBlueGreen(service: EcsService, blue: LbTargetGroup, green: LbTargetGroup): void {
    const { clusterName, clusterArn, loadBalancer, release, account, region, boundary } = this.props;
    const role = new Role(this, "release-role", {
      name: physicalName("iamRole", this.fullName, "release"),
      description: `CodeDeploy's releases of ${this.props.name}`,
      service: "codedeploy.amazonaws.com",
      sourceAccount: account,
      boundary,
    });
    const passable = ["execution", "task"].map(
      (kind) => `arn:aws:iam::${account}:role/${physicalName("iamRole", this.fullName, kind)}`,
    );
    role.allow(
      {
        actions: [
          "ecs:CreateTaskSet",
          "ecs:DeleteTaskSet",
          "ecs:DescribeServices",
          "ecs:UpdateServicePrimaryTaskSet",
        ],
        resources: [
          `arn:aws:ecs:${region}:${account}:service/${clusterName}/${this.props.name}`,
          `arn:aws:ecs:${region}:${account}:task-set/${clusterName}/${this.props.name}/*`,
          clusterArn,
        ],
      },
      {
        actions: [
          "elasticloadbalancing:DescribeListeners",
          "elasticloadbalancing:DescribeRules",
          "elasticloadbalancing:DescribeTargetGroups",
          "cloudwatch:DescribeAlarms",
        ],
        resources: ["*"],
        reason: "Describing has no resource.",
      },
      {
        actions: ["elasticloadbalancing:ModifyListener", "elasticloadbalancing:ModifyRule"],
        resources: [
          loadBalancer.productionListenerArn,
          loadBalancer.testListenerArn,
          `arn:aws:elasticloadbalancing:${region}:${account}:listener-rule/${loadBalancer.arnSuffix}/*`,
        ],
      },
      {
        actions: ["iam:PassRole"],
        resources: passable,
        conditions: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
      },
    );
    const app = new CodedeployApp(this, "release-app", {
      name: physicalName("codeDeploy", this.fullName),
      computePlatform: "ECS",
    });
    new CodedeployDeploymentGroup(this, "release", {
      appName: app.name,
      deploymentGroupName: this.props.name,
      deploymentConfigName: DEPLOYMENT_CONFIGS[release],
      serviceRoleArn: role.arn,
      deploymentStyle: { deploymentType: "BLUE_GREEN", deploymentOption: "WITH_TRAFFIC_CONTROL" },
      ecsService: { clusterName, serviceName: service.name },
      blueGreenDeploymentConfig: {
        deploymentReadyOption: { actionOnTimeout: "CONTINUE_DEPLOYMENT" },
        terminateBlueInstancesOnDeploymentSuccess: { action: "TERMINATE", terminationWaitTimeInMinutes: 5 },
      },
      loadBalancerInfo: {
        targetGroupPairInfo: {
          prodTrafficRoute: { listenerArns: [loadBalancer.productionListenerArn] },
          testTrafficRoute: { listenerArns: [loadBalancer.testListenerArn] },
          targetGroup: [{ name: blue.name }, { name: green.name }],
        },
      },
      autoRollbackConfiguration: {
        enabled: true,
        events: ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"],
      },
      alarmConfiguration: {
        enabled: true,
        alarms: [`${this.fullName}-blue-errors`, `${this.fullName}-green-errors`],
      },
      dependsOn: role.ready,
    });
  }
}
