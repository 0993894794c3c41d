import { EcsService } from "@cdktf/provider-aws/lib/ecs-service";
import type { EcsTaskDefinition } from "@cdktf/provider-aws/lib/ecs-task-definition";
import { LbListenerRule } from "@cdktf/provider-aws/lib/lb-listener-rule";
import { LbTargetGroup } from "@cdktf/provider-aws/lib/lb-target-group";
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { VpcSecurityGroupEgressRule } from "@cdktf/provider-aws/lib/vpc-security-group-egress-rule";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import { Construct } from "constructs";
import type { ServiceRelease, ServiceSettings } from "../settings";
import { serviceChecks } from "../shared/checks";
import type { DeploymentGroup, ServiceRelease as ReleaseFacts } from "../shared/releases";
import { releaseByCodeDeploy } from "./code-deploy";
import type { Chart } from "./dashboard";
import { alarm, draw, scale } from "./fargate-metrics";
import { definePlaceholder, shapeTask, TASKS } from "./fargate-task";
import type { IKey } from "./key";
import { type LoadBalancer, TEST_PORT } from "./load-balancer";
import type { LogGroup } from "./logs";
import { physicalName } from "./naming";
import type { Network } from "./network";
import { ReleaseCheck } from "./release-check";

/** CodeDeploy's predefined configurations for ECS. */
const DEPLOYMENT_CONFIGS: Record<ServiceRelease, string> = {
  "all-at-once": "CodeDeployDefault.ECSAllAtOnce",
  "canary-10-percent-5-minutes": "CodeDeployDefault.ECSCanary10Percent5Minutes",
  "canary-10-percent-15-minutes": "CodeDeployDefault.ECSCanary10Percent15Minutes",
  "linear-10-percent-every-1-minute": "CodeDeployDefault.ECSLinear10PercentEvery1Minutes",
  "linear-10-percent-every-3-minutes": "CodeDeployDefault.ECSLinear10PercentEvery3Minutes",
};

export interface FargateServiceProps {
  /** Begins the name of all that the service holds. */
  readonly prefix: string;
  readonly name: string;
  /** Name of the repository, in the build account, of its images. */
  readonly repository: string;
  readonly service: ServiceSettings;
  readonly release: ServiceRelease;
  /** For which the old version's tasks are kept once all traffic has moved, and alarms still bring it back. */
  readonly bakeMinutes: number;
  /** Place among the listener rules: the least is asked first. */
  readonly priority: number;
  readonly account: string;
  readonly region: string;
  readonly buildAccount: string;
  readonly buildRegion: string;
  readonly network: Network;
  readonly loadBalancer: LoadBalancer;
  readonly clusterName: string;
  readonly clusterArn: string;
  /** Where the cluster writes what is done in shells. @default - nowhere: no service of it has exec */
  readonly shellLogs?: LogGroup;
  readonly key: IKey;
  readonly logRetentionDays: number;
  readonly boundary: string;
  /** ARN of the topic that alarms go to. */
  readonly alarmTopicArn: string;
  /** Folder with the functions' archives. */
  readonly bundles: string;
}

/** A container behind the load balancer's production and test listeners, released blue/green by CodeDeploy. */
export class FargateService extends Construct {
  readonly url: string;
  /** What a release of it needs to know. */
  readonly release: ReleaseFacts;
  /** Its row of the dashboard. */
  readonly charts: readonly Chart[];
  private readonly props: FargateServiceProps;
  private readonly fullName: string;

  constructor(scope: Construct, id: string, props: FargateServiceProps) {
    super(scope, id);
    this.props = props;
    this.fullName = `${props.prefix}-${props.name}`;
    const [host] = props.service.hosts;
    this.url = props.loadBalancer.urlOf(host) + props.service.paths[0]!.replace(/\*.*$/, "");

    const tasks = this.openNetwork();
    const blue = this.targetGroup("blue");
    const green = this.targetGroup("green");
    const rules = [
      this.listenerRule("production", props.loadBalancer.productionListenerArn, blue, green),
      this.listenerRule("test", props.loadBalancer.testListenerArn, blue, green),
    ];
    const shape = shapeTask(this, props);
    const service = this.runTasks(definePlaceholder(this, shape, props.service), tasks, blue, rules);
    const watched = { ...props, fullName: this.fullName, groups: [blue, green] };
    scale(this, watched, service);
    const alarms = alarm(this, watched, props.alarmTopicArn);
    const group = this.releaseBlueGreen(service, blue, green, alarms);
    this.charts = draw(watched);
    const { container, ...others } = shape;
    this.release = {
      ...group,
      service: props.name,
      taskDefinition: { ...others, ...TASKS, containerDefinitions: [container] },
      container: props.name,
      port: props.service.port,
      subnets: props.network.privateSubnetIds,
      securityGroups: [tasks.id],
    };
  }

  private openNetwork(): SecurityGroup {
    const { network, loadBalancer, name } = this.props;
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
      // All: while a release changes the port, the old version's tasks still answer on theirs.
      fromPort: 1,
      toPort: 65535,
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
    loadBalancer.connectTo(name, tasks);
    return tasks;
  }

  private targetGroup(colour: "blue" | "green"): LbTargetGroup {
    const { network, service } = this.props;
    return new LbTargetGroup(this, colour, {
      name: physicalName("targetGroup", this.fullName, colour),
      targetType: "ip",
      // Each task is registered with its own. Were this one the container's, to change it would be to replace the group.
      port: 80,
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

  private listenerRule(
    name: string,
    listenerArn: string,
    target: LbTargetGroup,
    other: LbTargetGroup,
  ): LbListenerRule {
    const { paths, hosts } = this.props.service;
    return new LbListenerRule(this, `${name}-rule`, {
      listenerArn,
      priority: this.props.priority,
      condition: [
        ...(hosts.length ? [{ hostHeader: { values: [...hosts] } }] : []),
        { pathPattern: { values: [...paths] } },
      ],
      action: [{ type: "forward", targetGroupArn: target.arn }],
      // CodeDeploy moves the traffic between the two target groups.
      lifecycle: { ignoreChanges: ["action"] },
      // A release leaves it in the rule: it cannot be deleted before.
      dependsOn: [other],
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
      enableExecuteCommand: service.exec,
      propagateTags: "SERVICE",
      healthCheckGracePeriodSeconds: 60,
      deploymentController: { type: "CODE_DEPLOY" },
      networkConfiguration: {
        subnets: network.privateSubnetIds,
        securityGroups: [tasks.id],
        assignPublicIp: false,
      },
      loadBalancer: [{ targetGroupArn: blue.arn, containerName: name, containerPort: service.port }],
      // It would not go while tasks run, and they run as long as it is there.
      forceDelete: true,
      // Releases own all but the last, which is autoscaling's: ECS lets nobody else change them.
      lifecycle: {
        ignoreChanges: [
          "task_definition",
          "load_balancer",
          "network_configuration",
          "platform_version",
          "desired_count",
        ],
      },
      dependsOn: [...rules, ...network.wayOut],
    });
  }

  private releaseBlueGreen(
    service: EcsService,
    blue: LbTargetGroup,
    green: LbTargetGroup,
    alarms: readonly string[],
  ): DeploymentGroup {
    const { clusterName, clusterArn, loadBalancer, release, account, region, boundary } = this.props;
    const application = physicalName("codeDeploy", this.fullName);
    const group = this.props.name;
    const passable = ["execution", "task"].map(
      (kind) => `arn:aws:iam::${account}:role/${physicalName("iamRole", this.fullName, kind)}`,
    );
    return releaseByCodeDeploy(this, {
      releases: this.fullName,
      application,
      group,
      computePlatform: "ECS",
      config: DEPLOYMENT_CONFIGS[release],
      settings: {
        ecsService: { clusterName, serviceName: service.name },
        blueGreenDeploymentConfig: {
          deploymentReadyOption: { actionOnTimeout: "CONTINUE_DEPLOYMENT" },
          terminateBlueInstancesOnDeploymentSuccess: {
            action: "TERMINATE",
            terminationWaitTimeInMinutes: this.props.bakeMinutes,
          },
        },
        loadBalancerInfo: {
          targetGroupPairInfo: {
            prodTrafficRoute: { listenerArns: [loadBalancer.productionListenerArn] },
            testTrafficRoute: { listenerArns: [loadBalancer.testListenerArn] },
            targetGroup: [{ name: blue.name }, { name: green.name }],
          },
        },
      },
      rights: [
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
      ],
      check: this.checkReleases(application, group),
      alarms,
      account,
      boundary,
    });
  }

  /** It is in the VPC: from outside, nobody reaches the listener that shows new versions. */
  private checkReleases(application: string, group: string): ReleaseCheck {
    const { props, fullName } = this;
    const { name, network, loadBalancer } = props;
    const releases = `${fullName}-svc`;
    const security = new SecurityGroup(this, "check-group", {
      name: `${releases}-check`,
      description: `Checks releases of ${name}`,
      vpcId: network.vpcId,
      tags: { Name: `${releases}-check` },
    });
    const open = (to: string, port: number, description: string, where: object) =>
      new VpcSecurityGroupEgressRule(this, `check-to-${to}`, {
        securityGroupId: security.id,
        description,
        ipProtocol: "tcp",
        fromPort: port,
        toPort: port,
        ...where,
      });
    const balancer = { referencedSecurityGroupId: loadBalancer.securityGroupId };
    open("test", TEST_PORT, "New versions, at the load balancer", balancer);
    open("production", loadBalancer.productionPort, "What users reach, at the load balancer", balancer);
    open("aws", 443, "HTTPS: AWS", { cidrIpv4: "0.0.0.0/0" });
    return new ReleaseCheck(this, "check", {
      ...props,
      releases,
      application,
      group,
      target: {
        kind: "service",
        url: this.url,
        loadBalancer: loadBalancer.arnSuffix,
        testPort: TEST_PORT,
      },
      checks: serviceChecks(props.service),
      vpc: { subnetIds: network.privateSubnetIds, securityGroupIds: [security.id] },
    });
  }
}
