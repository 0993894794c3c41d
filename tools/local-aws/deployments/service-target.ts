import type { ECSClient, Service, TaskSet } from "@aws-sdk/client-ecs";
import type { ElasticLoadBalancingV2Client } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { EmulatedTime } from "../time";
import type { ServiceSpec } from "./app-spec";
import { type Pair, Routes } from "./routes";
import { DeploymentFailure, type Target } from "./target";

/** The part of a deployment group that is about its service. */
export interface ServiceSettings {
  readonly clusterName: string;
  readonly serviceName: string;
  /** Names of its two target groups. */
  readonly targetGroups: readonly string[];
  /** ARNs of the listeners that its users ask. */
  readonly productionListeners: readonly string[];
  /** ARNs of the listeners that show the new version before its users see it. */
  readonly testListeners: readonly string[];
}

export interface ServiceTargetProps extends ServiceSettings {
  readonly ecs: ECSClient;
  readonly elb: ElasticLoadBalancingV2Client;
  readonly spec: ServiceSpec;
  /** Of the deployment. */
  readonly id: string;
  readonly time: EmulatedTime;
}

/** For which new tasks may take to become healthy. */
const INSTALL_SECONDS = 3600;
/** Between two looks at them. */
const LOOK_SECONDS = 2;

interface Found {
  readonly service: Service;
  /** What it was before. */
  readonly old: TaskSet;
  readonly pair: Pair;
  /** Names of the target groups, by their ARNs. */
  readonly names: ReadonlyMap<string, string>;
  readonly production: Routes;
  readonly test: Routes;
}

/** A service, which goes from one task set to another. */
export class ServiceTarget implements Target {
  private found?: Found;
  /** Its new task set. */
  private created?: TaskSet;
  /** Of the traffic, that the new task set has. */
  private percent = 0;
  /** Task sets that are gone, by their ARNs. */
  private readonly ended = new Set<string>();

  constructor(private readonly props: ServiceTargetProps) {}

  get id(): string {
    return `${this.props.clusterName}:${this.props.serviceName}`;
  }

  async begin(): Promise<void> {
    const { clusterName, serviceName, targetGroups, productionListeners, testListeners, elb } = this.props;
    const service = await this.readService();
    const old = service.taskSets?.find(({ status }) => status === "PRIMARY");
    if (service.deploymentController?.type !== "CODE_DEPLOY" || !old) {
      throw new DeploymentFailure(
        "INVALID_ECS_SERVICE",
        `The deployment controller of the ECS service ${serviceName} in the cluster ${clusterName} must be CODE_DEPLOY.`,
      );
    }
    const { DescribeTargetGroupsCommand } = await import("@aws-sdk/client-elastic-load-balancing-v2");
    const { TargetGroups = [] } = await elb.send(
      new DescribeTargetGroupsCommand({ Names: [...targetGroups] }),
    );
    const names = new Map(
      TargetGroups.map(({ TargetGroupArn, TargetGroupName }) => [
        TargetGroupArn ?? "",
        TargetGroupName ?? "",
      ]),
    );
    const used = old.loadBalancers?.[0]?.targetGroupArn ?? "";
    const free = [...names.keys()].find((arn) => arn !== used);
    if (!names.has(used) || !free) {
      throw new DeploymentFailure(
        "ELASTIC_LOAD_BALANCING_INVALID",
        `The ECS service ${serviceName} is behind none of the deployment group's target groups (${targetGroups.join(", ")}).`,
      );
    }
    const pair = { blue: used, green: free };
    const production = await Routes.read(elb, productionListeners, pair);
    const test = await Routes.read(elb, testListeners, pair);
    if (!production.lead("blue")) {
      throw new DeploymentFailure(
        "ELASTIC_LOAD_BALANCING_INVALID",
        "The ELB could not be updated due to the following error: Primary taskset target group must be behind listener",
      );
    }
    this.found = { service, old, pair, names, production, test };
  }

  async install(signal: AbortSignal): Promise<void> {
    const { CreateTaskSetCommand } = await import("@aws-sdk/client-ecs");
    const { service, old, pair, production } = this.state;
    // What a deployment left that was stopped without a rollback would be behind the same target group, and may still
    // have a share of the traffic.
    const left = (service.taskSets ?? []).filter(({ taskSetArn }) => taskSetArn !== old.taskSetArn);
    if (left.length) await production.divide(0);
    for (const taskSet of left) await this.deleteTaskSet(taskSet);
    const { TaskDefinition, LoadBalancerInfo, PlatformVersion, ...spec } = this.props.spec;
    const vpc = spec.NetworkConfiguration?.AwsvpcConfiguration;
    const providers = spec.CapacityProviderStrategy?.map(({ CapacityProvider, Base, Weight }) => ({
      capacityProvider: CapacityProvider,
      base: Base,
      weight: Weight,
    }));
    const { taskSet } = await this.props.ecs.send(
      new CreateTaskSetCommand({
        ...this.service,
        externalId: this.props.id,
        taskDefinition: TaskDefinition,
        loadBalancers: [
          {
            targetGroupArn: pair.green,
            containerName: LoadBalancerInfo.ContainerName,
            containerPort: LoadBalancerInfo.ContainerPort,
          },
        ],
        platformVersion: PlatformVersion ?? old.platformVersion,
        networkConfiguration: vpc
          ? {
              awsvpcConfiguration: {
                subnets: vpc.Subnets,
                securityGroups: vpc.SecurityGroups,
                assignPublicIp: vpc.AssignPublicIp,
              },
            }
          : old.networkConfiguration,
        ...(providers ? { capacityProviderStrategy: providers } : { launchType: old.launchType }),
        serviceRegistries: old.serviceRegistries,
      }),
    );
    this.created = taskSet;
    await this.waitUntilHealthy(signal);
  }

  async allowTestTraffic(): Promise<void> {
    await this.state.test.divide(100);
  }

  async shift(percent: number): Promise<void> {
    await this.state.production.divide(percent);
    this.percent = percent;
    if (percent === 100) await this.makePrimary(this.created);
  }

  async revert(): Promise<void> {
    // Nothing was begun, so there is nothing to take back.
    if (!this.found) return;
    const { production, test, old } = this.found;
    await production.divide(0);
    await test.divide(0);
    if (this.percent === 100) await this.makePrimary(old);
    this.percent = 0;
    if (this.created) await this.deleteTaskSet(this.created);
  }

  async retire(): Promise<void> {
    await this.deleteTaskSet(this.state.old);
  }

  describe(reverts: boolean) {
    const { service, old, pair } = this.found ?? {};
    const all = [
      { taskSet: old, label: reverts ? "Green" : "Blue", weight: 100 - this.percent, group: pair?.blue },
      { taskSet: this.created, label: reverts ? "Blue" : "Green", weight: this.percent, group: pair?.green },
    ];
    const desiredCount = service?.desiredCount ?? 0;
    const primary = this.percent === 100 ? this.created : old;
    return {
      targetArn: service?.serviceArn,
      taskSetsInfo: all.flatMap(({ taskSet, label, weight, group = "" }) => {
        if (!taskSet) return [];
        const ended = this.ended.has(taskSet.taskSetArn ?? "");
        return [
          {
            // As AWS spells it.
            identifer: taskSet.id,
            desiredCount: ended ? 0 : desiredCount,
            pendingCount: 0,
            runningCount: ended ? 0 : desiredCount,
            status: ended ? "DRAINING" : taskSet === primary ? "PRIMARY" : "ACTIVE",
            trafficWeight: weight,
            targetGroup: { name: this.found?.names.get(group) },
            taskSetLabel: label,
          },
        ];
      }),
    };
  }

  private get state(): Found {
    if (!this.found) throw new Error("The deployment has not begun");
    return this.found;
  }

  private get service() {
    return { cluster: this.props.clusterName, service: this.props.serviceName };
  }

  private async readService(): Promise<Service> {
    const { clusterName, serviceName, ecs } = this.props;
    const { DescribeServicesCommand } = await import("@aws-sdk/client-ecs");
    const command = new DescribeServicesCommand({ cluster: clusterName, services: [serviceName] });
    const { services: [service] = [] } = await ecs.send(command);
    if (service?.status === "ACTIVE") return service;
    throw new DeploymentFailure(
      "INVALID_ECS_SERVICE",
      `The ECS service ${serviceName} cannot be found in the cluster ${clusterName}.`,
    );
  }

  private async waitUntilHealthy(signal: AbortSignal): Promise<void> {
    const { time } = this.props;
    const deadline = time.seconds + INSTALL_SECONDS;
    for (;;) {
      // Of the service, as CodeDeploy's own policy has it: it may not ask for task sets or targets.
      const { taskSets = [] } = await this.readService();
      const created = taskSets.find(({ taskSetArn }) => taskSetArn === this.created?.taskSetArn);
      if (created?.stabilityStatus === "STEADY_STATE") return;
      if (time.seconds > deadline) {
        throw new DeploymentFailure(
          "TIMEOUT",
          "The deployment timed out while waiting for the replacement task set to become healthy. This time out period is 60 minutes.",
        );
      }
      await time.sleep(LOOK_SECONDS, signal);
    }
  }

  private async makePrimary(taskSet: TaskSet | undefined): Promise<void> {
    const { UpdateServicePrimaryTaskSetCommand } = await import("@aws-sdk/client-ecs");
    const command = { ...this.service, primaryTaskSet: taskSet?.taskSetArn };
    await this.props.ecs.send(new UpdateServicePrimaryTaskSetCommand(command));
  }

  private async deleteTaskSet({ taskSetArn = "" }: TaskSet): Promise<void> {
    const { DeleteTaskSetCommand } = await import("@aws-sdk/client-ecs");
    await this.props.ecs.send(
      new DeleteTaskSetCommand({ ...this.service, taskSet: taskSetArn, force: true }),
    );
    this.ended.add(taskSetArn);
  }
}
