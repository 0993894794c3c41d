import type { ECSClient, LoadBalancer, Service, TaskDefinition, TaskSet } from "@aws-sdk/client-ecs";
import type { Scope } from "../aws-request";
import { ask } from "../functions/client";
import type { LocalImages } from "../images/image";
import type { PrivateNetwork } from "./network";
import { subnetRanges } from "./subnets";
import { drain, Task } from "./task";

export interface ServicesProps {
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key that belongs to an account. */
  readonly keyOf: (account: string) => string;
  readonly network: PrivateNetwork;
  readonly images: LocalImages;
  /** How many requests a target has to answer yet. */
  readonly inFlight: (group: string, id: string, port: number) => number;
  /** Whether a load balancer has found a target well. @default - all are */
  readonly isHealthy?: (group: string, id: string, port: number) => boolean;
  /** Hears that a task runs, and that it has stopped. @default - nobody does */
  readonly changed?: (name: ServiceName, task: Task) => void;
  /** Gets a line for a task that cannot be started. @default - nobody */
  readonly log?: (line: string) => void;
  /** What passes before a task is started again that ended, for the first time. @default 500 */
  readonly restartMilliseconds?: number;
}

/** A service as a request names it. */
export interface ServiceName {
  readonly scope: Scope;
  /** Name, without its ARN. */
  readonly cluster: string;
  readonly service: string;
}

/** What a service or a task set runs. */
interface Plan {
  readonly definition: string;
  readonly count: number;
  readonly balancers: readonly LoadBalancer[];
  readonly subnets: readonly string[];
}

const RESTART_MILLISECONDS = 500;
const LONGEST_RESTART_MILLISECONDS = 30_000;
/** One that lived as long has started well. */
const WELL_MILLISECONDS = 30_000;
/** Range of tasks that have no subnet of their own: the default VPC's. */
const DEFAULT_RANGE = "172.31.0.0/16";
/** How many tasks that ended are still told of, for each service or task set. */
const KEPT = 5;

/** The tasks of a service, or of one of its task sets: as many as it wants, started again when they end. */
class Group {
  readonly tasks = new Set<Task>();
  readonly stopped: Task[] = [];
  private plan?: Plan & { readonly task: TaskDefinition; readonly range: string };
  private failures = 0;
  private timer?: NodeJS.Timeout;
  private told = "";

  constructor(
    readonly name: ServiceName,
    private readonly props: ServicesProps,
  ) {}

  get wanted(): number {
    return this.plan?.count ?? 0;
  }

  get running(): number {
    return [...this.tasks].filter(({ status }) => status === "RUNNING").length;
  }

  /** Whether all that is wanted runs, and all its load balancers find it well. */
  get isSteady(): boolean {
    const { isHealthy = () => true } = this.props;
    const isWell = ({ address }: Task) =>
      (this.plan?.balancers ?? []).every(
        ({ targetGroupArn, containerPort }) =>
          !targetGroupArn || !containerPort || isHealthy(targetGroupArn, address, containerPort),
      );
    return this.running === this.wanted && [...this.tasks].every(isWell);
  }

  update(plan: Plan, task: TaskDefinition, range: string): void {
    const before = this.plan?.definition;
    this.plan = { ...plan, task, range };
    if (before !== undefined && before !== plan.definition) {
      const old = [...this.tasks];
      this.failures = 0;
      for (let count = 0; count < plan.count; count++) this.start();
      for (const one of old) void this.stop(one, "Scaling activity initiated by a deployment");
    }
    this.fill();
  }

  async end(): Promise<void> {
    clearTimeout(this.timer);
    this.plan = undefined;
    await Promise.all([...this.tasks].map((task) => this.stop(task, "Service was deleted")));
  }

  private fill(): void {
    const missing = this.wanted - this.tasks.size;
    for (let count = 0; count < missing; count++) this.start();
    const surplus = [...this.tasks].slice(0, Math.max(-missing, 0));
    for (const task of surplus) void this.stop(task, "Scaling activity initiated by a smaller desired count");
  }

  private start(): void {
    const { plan, props, name } = this;
    if (!plan) return;
    const { scope, cluster } = name;
    const task = new Task({
      scope,
      cluster,
      definition: plan.task,
      range: plan.range,
      endpoint: props.endpoint(),
      accessKey: props.keyOf(scope.account),
      network: props.network,
      images: props.images,
      balance: (one, register) => this.balance(one, register, plan.balancers),
      changed: (one) => props.changed?.(name, one),
    });
    this.tasks.add(task);
    void task.ended.then(() => this.ended(task));
  }

  private async stop(task: Task, reason: string): Promise<void> {
    // No longer counted: another may take its place at once.
    this.tasks.delete(task);
    await task.end(reason);
  }

  private ended(task: Task): void {
    this.stopped.unshift(task);
    this.stopped.splice(KEPT);
    // It was to end.
    if (!this.tasks.delete(task) || !this.plan) return;
    this.tell(task);
    const well = Date.now() - task.startedAt > WELL_MILLISECONDS;
    this.failures = well ? 0 : this.failures + 1;
    const first = this.props.restartMilliseconds ?? RESTART_MILLISECONDS;
    const pause = Math.min(first * 2 ** this.failures, LONGEST_RESTART_MILLISECONDS);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.fill(), pause).unref();
  }

  /** Says why a task has ended, but the same thing once only. */
  private tell({ stoppedReason, exitCodes }: Task): void {
    const codes = [...exitCodes].map(([container, code]) => `${container} with exit code ${code}`).join(", ");
    const line = `A task of ${this.name.cluster}/${this.name.service} has ended: ${stoppedReason}${codes && ` (${codes})`}`;
    if (line !== this.told) this.props.log?.(line);
    this.told = line;
  }

  private async balance(task: Task, register: boolean, balancers: readonly LoadBalancer[]): Promise<void> {
    const { props, name } = this;
    const { account, region } = name.scope;
    const caller = { endpoint: props.endpoint(), region, accessKey: props.keyOf(account) };
    for (const { targetGroupArn, containerPort } of balancers) {
      if (!targetGroupArn || !containerPort) continue;
      const body = new URLSearchParams({
        Action: register ? "RegisterTargets" : "DeregisterTargets",
        Version: "2015-12-01",
        TargetGroupArn: targetGroupArn,
        "Targets.member.1.Id": task.address,
        "Targets.member.1.Port": String(containerPort),
      });
      const inFlight = () => props.inFlight(targetGroupArn, task.address, containerPort);
      const response = await ask(caller, "elasticloadbalancing", "/", { method: "POST", body });
      if (register && !response.ok) throw new Error(`${targetGroupArn}: ${await response.text()}`);
      if (!register) await drain(inFlight);
    }
  }
}

/** Runs the tasks that services want. moto keeps what they want, and is asked for it after each change. */
export class Services {
  private readonly groups = new Map<string, Group>();
  private readonly work = new Map<string, Promise<void>>();
  private readonly clients = new Map<string, ECSClient>();
  private stopped = false;

  constructor(private readonly props: ServicesProps) {}

  /** Takes over what moto keeps of a service now. Never fails: what goes wrong is logged. */
  refresh(name: ServiceName): Promise<void> {
    const key = keyOf(name);
    const done = (this.work.get(key) ?? Promise.resolve())
      .then(() => this.read(name))
      .catch((error: Error) => this.props.log?.(`Service ${name.cluster}/${name.service}: ${error.message}`));
    this.work.set(key, done);
    return done;
  }

  /** How many tasks of a service, or of a task set, are wanted and run, and whether they are as they should be. */
  countsOf(
    arn: string,
  ): { readonly wanted: number; readonly running: number; readonly isSteady: boolean } | undefined {
    const group = this.groups.get(arn);
    return group && { wanted: group.wanted, running: group.running, isSteady: group.isSteady };
  }

  tasksOf(name: ServiceName): Task[] {
    const own = [...this.groups.values()].filter((group) => keyOf(group.name) === keyOf(name));
    return own.flatMap(({ tasks, stopped }) => [...tasks, ...stopped]);
  }

  /** @param id a task's ARN, or the end of it */
  task(scope: Scope, id: string): { readonly task: Task; readonly service: string } | undefined {
    for (const { name, tasks, stopped } of this.groups.values()) {
      if (name.scope.account !== scope.account || name.scope.region !== scope.region) continue;
      const task = [...tasks, ...stopped].find(({ arn }) => arn.split("/").at(-1) === id.split("/").at(-1));
      if (task) return { task, service: name.service };
    }
    return undefined;
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.work.values());
    await Promise.all([...this.groups.values()].map((group) => group.end()));
    for (const client of this.clients.values()) client.destroy();
  }

  private async read(name: ServiceName): Promise<void> {
    if (this.stopped) return;
    const { DescribeServicesCommand, DescribeTaskDefinitionCommand } = await import("@aws-sdk/client-ecs");
    const client = await this.clientIn(name.scope);
    const asked = { cluster: name.cluster, services: [name.service] };
    const found = await client.send(new DescribeServicesCommand(asked)).catch((error: Error) => {
      // It went with its cluster.
      if (error.name === "ClusterNotFoundException") return undefined;
      throw error;
    });
    const plans = plansOf(found?.services?.[0]);
    const gone = [...this.groups].filter(
      ([arn, group]) => keyOf(group.name) === keyOf(name) && !plans.has(arn),
    );
    for (const [arn, group] of gone) {
      void group.end();
      this.groups.delete(arn);
    }
    for (const [arn, plan] of plans) {
      const command = new DescribeTaskDefinitionCommand({ taskDefinition: plan.definition });
      const { taskDefinition } = await client.send(command);
      const { account, region } = name.scope;
      const caller = { endpoint: this.props.endpoint(), region, accessKey: this.props.keyOf(account) };
      const ranges = await subnetRanges(caller, plan.subnets);
      const group = this.groups.get(arn) ?? new Group(name, this.props);
      this.groups.set(arn, group);
      if (taskDefinition) group.update(plan, taskDefinition, [...ranges.values()][0] ?? DEFAULT_RANGE);
    }
  }

  private async clientIn({ account, region }: Scope): Promise<ECSClient> {
    const key = `${account}/${region}`;
    const found = this.clients.get(key);
    if (found) return found;
    const { ECSClient } = await import("@aws-sdk/client-ecs");
    const credentials = { accessKeyId: this.props.keyOf(account), secretAccessKey: "local" };
    const client = new ECSClient({ endpoint: this.props.endpoint(), region, credentials });
    this.clients.set(key, client);
    return client;
  }
}

const keyOf = ({ scope, cluster, service }: ServiceName) =>
  `${scope.account}/${scope.region}/${cluster}/${service}`;

/** What a service runs, by the ARN of the task set or, for tasks that are the service's own, of the service. */
function plansOf(service: Service | undefined): Map<string, Plan> {
  const plans = new Map<string, Plan>();
  if (service?.status !== "ACTIVE") return plans;
  const { serviceArn = "", desiredCount = 0, taskSets = [], taskDefinition = "" } = service;
  const subnetsOf = ({ networkConfiguration }: Service | TaskSet) =>
    networkConfiguration?.awsvpcConfiguration?.subnets ?? [];
  // All others' are those of their task sets.
  if ((service.deploymentController?.type ?? "ECS") === "ECS") {
    const balancers = service.loadBalancers ?? [];
    plans.set(serviceArn, {
      definition: taskDefinition,
      count: desiredCount,
      balancers,
      subnets: subnetsOf(service),
    });
  }
  for (const set of taskSets) {
    plans.set(set.taskSetArn ?? "", {
      definition: set.taskDefinition ?? taskDefinition,
      count: Math.ceil((desiredCount * (set.scale?.value ?? 100)) / 100),
      balancers: set.loadBalancers ?? [],
      subnets: subnetsOf(set).length ? subnetsOf(set) : subnetsOf(service),
    });
  }
  return plans;
}
