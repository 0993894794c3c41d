import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { type AddressInfo, createServer } from "node:net";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import type { ContainerDefinition, TaskDefinition } from "@aws-sdk/client-ecs";
import type { Scope } from "../aws-request";
import { machineEnvironment } from "../builds/environment";
import { BuildProcesses } from "../builds/processes";
import { assumeServiceRole, type ServiceRole } from "../builds/role";
import { logStream } from "../functions/log";
import type { LocalImages } from "../images/image";
import { ContainerLog } from "./log";
import type { Ports, PrivateNetwork } from "./network";
import { pathWithNode, programOf } from "./program";

export interface TaskProps {
  readonly scope: Scope;
  readonly cluster: string;
  readonly definition: TaskDefinition;
  /** Range of its subnet. */
  readonly range: string;
  /** Address of Local AWS itself. */
  readonly endpoint: string;
  /** Key of the task's account, for what the execution role does where there is none. */
  readonly accessKey: string;
  readonly network: PrivateNetwork;
  readonly images: LocalImages;
  /** Puts it into its target groups, or takes it out. */
  readonly balance: (task: Task, register: boolean) => Promise<void>;
  /** Hears that it runs, and that it has stopped. @default - nobody does */
  readonly changed?: (task: Task) => void;
}

/** Until the requests that a task still has are answered, at most, in milliseconds. */
const DRAIN_MILLISECONDS = 5000;

/** The containers of one task: processes of this machine, of which nothing survives `end`, nor our own end. */
export class Task {
  readonly arn: string;
  readonly address: string;
  readonly startedAt = Date.now();
  status: "PENDING" | "RUNNING" | "STOPPED" = "PENDING";
  stoppedReason = "";
  stoppedAt?: number;
  readonly exitCodes = new Map<string, number>();
  /** Fulfilled when nothing of it is left. */
  readonly ended: Promise<void>;
  private readonly processes = new BuildProcesses();
  private readonly logs: ContainerLog[] = [];
  /** Whether it may be in a target group. */
  private balanced = false;
  private tellEnd!: (reason: string) => void;
  private readonly wanted: Promise<string>;

  constructor(readonly props: TaskProps) {
    const { scope, cluster, network, range } = props;
    const id = randomUUID().replaceAll("-", "");
    this.arn = `arn:aws:ecs:${scope.region}:${scope.account}:task/${cluster}/${id}`;
    this.address = network.take(range);
    this.wanted = new Promise((resolve) => {
      this.tellEnd = resolve;
    });
    this.ended = this.live();
  }

  /** Takes it out of its target groups, and ends it when its requests are answered. */
  end(reason: string): Promise<void> {
    this.tellEnd(reason);
    return this.ended;
  }

  private async live(): Promise<void> {
    const { network, balance } = this.props;
    const started = this.start().catch((error: Error) => this.tellEnd(reasonOf(error)));
    this.stoppedReason = await this.wanted;
    // It may just be about to start a container, or to be given requests.
    await started;
    if (this.balanced) await balance(this, false).catch(() => {});
    await this.processes.end();
    await Promise.all(this.logs.map((log) => log.close()));
    network.leave(join(this.processes.folder, "network"));
    network.release(this.address);
    this.status = "STOPPED";
    this.stoppedAt = Date.now();
    this.props.changed?.(this);
  }

  private async start(): Promise<void> {
    const { definition, network, images, balance } = this.props;
    const { folder } = this.processes;
    const home = join(folder, "home");
    for (const needed of [home, join(folder, "tmp")]) mkdirSync(needed);
    const containers = definition.containerDefinitions ?? [];
    const programs = containers.map((container) => programOf(container, images, home));
    const execution = await this.become(definition.executionRoleArn);
    const own = await this.become(definition.taskRoleArn);
    const ports = await freePorts(containers);
    const option = network.join(join(folder, "network"), ports);
    network.route(this.address, ports);

    for (const [index, container] of containers.entries()) {
      const { args, cwd, environment } = programs[index]!;
      const given = {
        ...pairs(container.environment),
        ...(await this.secretsOf(container, execution)),
      };
      const port = given.PORT === undefined ? undefined : ports[Number(given.PORT)];
      const machine = machineEnvironment(process.env);
      const { region } = this.props.scope;
      const env = {
        ...machine,
        PATH: pathWithNode(machine.PATH),
        TMPDIR: join(folder, "tmp"),
        ...environment,
        AWS_REGION: region,
        AWS_DEFAULT_REGION: region,
        AWS_ENDPOINT_URL: this.props.endpoint,
        AWS_EXECUTION_ENV: "AWS_ECS_FARGATE",
        ...own?.environment,
        ...given,
        // A program that is not Node's finds its port here alone.
        ...(port !== undefined && { PORT: String(port) }),
        NODE_OPTIONS: [given.NODE_OPTIONS ?? environment.NODE_OPTIONS, option].filter(Boolean).join(" "),
      };
      this.run(container, args, { cwd, env }, execution);
    }
    this.status = "RUNNING";
    this.props.changed?.(this);
    this.balanced = true;
    await balance(this, true);
  }

  private run(
    container: ContainerDefinition,
    args: readonly string[],
    options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
    execution: ServiceRole | undefined,
  ): void {
    const { name = "" } = container;
    const log = this.openLog(container, execution);
    if (log) this.logs.push(log);
    this.processes
      .run(args, options, (text) => log?.print(text))
      .then(
        (code) => {
          this.exitCodes.set(name, code);
          if (container.essential !== false) this.tellEnd("Essential container in task exited");
        },
        () => {},
      );
  }

  private openLog({ name, logConfiguration }: ContainerDefinition, execution: ServiceRole | undefined) {
    const { options = {}, logDriver } = logConfiguration ?? {};
    const { "awslogs-group": group, "awslogs-stream-prefix": prefix, "awslogs-region": region } = options;
    if (logDriver !== "awslogs" || !group) return undefined;
    const { scope, endpoint, accessKey } = this.props;
    const caller = {
      endpoint,
      region: region ?? scope.region,
      accessKey: execution?.environment.AWS_ACCESS_KEY_ID ?? accessKey,
    };
    return new ContainerLog(logStream(caller, group, `${prefix}/${name}/${this.arn.split("/").at(-1)}`));
  }

  private async secretsOf({ secrets = [] }: ContainerDefinition, execution: ServiceRole | undefined) {
    const values: Record<string, string> = {};
    for (const { name = "", valueFrom = "" } of secrets) {
      if (!execution) throw new Error(`secret ${name} needs an execution role`);
      const isSecret = valueFrom.startsWith("arn:aws:secretsmanager:");
      values[name] = await (isSecret ? execution.readSecret(valueFrom) : execution.readParameter(valueFrom));
    }
    return values;
  }

  private async become(roleArn: string | undefined): Promise<ServiceRole | undefined> {
    if (!roleArn) return undefined;
    const { endpoint, scope } = this.props;
    const session = this.arn.split("/").at(-1) ?? "";
    const as = { service: "ecs-tasks.amazonaws.com", source: this.arn };
    return assumeServiceRole({ endpoint, region: scope.region, roleArn, session, ...as });
  }
}

/** Waits until a target has no more requests to answer, but not for long. */
export async function drain(inFlight: () => number): Promise<void> {
  const deadline = Date.now() + DRAIN_MILLISECONDS;
  while (inFlight() > 0 && Date.now() < deadline) await wait(50);
}

function reasonOf(error: Error): string {
  return /^CannotPull/.test(error.message)
    ? error.message
    : `ResourceInitializationError: the task could not be started: ${error.message}`;
}

const pairs = (list: ContainerDefinition["environment"] = []) =>
  Object.fromEntries(list.map(({ name = "", value = "" }) => [name, value]));

/** A free port of this machine for each that the containers listen on. */
async function freePorts(containers: readonly ContainerDefinition[]): Promise<Ports> {
  const wanted = containers.flatMap(({ portMappings = [] }) =>
    portMappings.map((one) => one.containerPort ?? 0),
  );
  const ports: Record<number, number> = {};
  const probes = await Promise.all(
    wanted.map(async (port) => {
      const probe = createServer().listen(0, "127.0.0.1");
      await once(probe, "listening");
      ports[port] = (probe.address() as AddressInfo).port;
      return probe;
    }),
  );
  for (const probe of probes) probe.close();
  return ports;
}
