import { AwsError, type Scope } from "../aws-request";
import { type DeploymentChange, deploymentEvent } from "../events/deployments";
import type { Publisher } from "../events/event";
import type { EmulatedTime } from "../time";
import type { Platform } from "./app-spec";
import { Deployment, type DeploymentProps } from "./deployment";

/** What deployments are of, and what clients are told of them and the engine does not look at. */
export interface Order {
  readonly scope: Scope;
  readonly platform: Platform;
  readonly application: string;
  readonly group: string;
  /** Which stays when the group is renamed. */
  readonly groupId: string;
  readonly description?: string;
  readonly configName: string;
  readonly creator: "user" | "codeDeployRollback";
  /** As it was given. */
  readonly revision: unknown;
  /** More of the group as it was then. */
  readonly settings: Readonly<Record<string, unknown>>;
}

/** Which deployment took back which. */
export interface RollbackInfo {
  readonly rollbackDeploymentId?: string;
  readonly rollbackTriggeringDeploymentId?: string;
  readonly rollbackMessage?: string;
}

export interface Ordered {
  readonly order: Order;
  readonly deployment: Deployment;
  /** The group's last revision before that was deployed. */
  readonly previousRevision?: unknown;
  rollback?: RollbackInfo;
}

const ENDINGS = { Succeeded: "SUCCESS", Failed: "FAILURE", Stopped: "STOP" } as const;

/** All deployments of Local AWS: one at a time in a group, and after one that failed another that takes it back. */
export class Deployments {
  private readonly all: Ordered[] = [];
  private readonly running = new Set<Promise<void>>();
  private ended = false;

  constructor(
    private readonly time: EmulatedTime,
    private readonly events?: Publisher,
  ) {}

  /**
   * Begins one.
   *
   * @throws AwsError where the group is busy
   */
  begin(order: Order, props: Omit<DeploymentProps, "time" | "platform">): Ordered {
    const active = this.all.find(
      ({ order: { groupId }, deployment }) => groupId === order.groupId && !deployment.over,
    );
    if (active) {
      throw new AwsError(
        "DeploymentLimitExceededException",
        `The Deployment Group '${order.group}' already has an active Deployment '${active.deployment.id}'`,
      );
    }
    if (this.ended) throw new AwsError("DeploymentLimitExceededException", "Local AWS ends");
    const ordered = this.put(order, new Deployment({ ...props, platform: order.platform, time: this.time }));
    this.run(ordered);
    return ordered;
  }

  /** @throws AwsError where it is none, or there is none */
  find({ account, region }: Scope, id: string): Ordered {
    if (!/^d-[A-Z0-9]{9}$/.test(id)) {
      throw new AwsError(
        "InvalidDeploymentIdException",
        `Specified DeploymentId is not in the valid format: ${id}`,
      );
    }
    const found = this.all.find(
      ({ order: { scope }, deployment }) =>
        deployment.id === id && scope.account === account && scope.region === region,
    );
    if (found) return found;
    throw new AwsError("DeploymentDoesNotExistException", `The deployment ${id} could not be found`);
  }

  /** Newest first. */
  in({ account, region }: Scope): Ordered[] {
    return this.all
      .filter(({ order: { scope } }) => scope.account === account && scope.region === region)
      .reverse();
  }

  /** Ends all that runs, and takes nothing back. */
  async stop(): Promise<void> {
    this.ended = true;
    for (const { deployment } of this.all) if (!deployment.over) deployment.abandon();
    await Promise.all(this.running);
  }

  private put(order: Order, deployment: Deployment): Ordered {
    const earlier = this.all.findLast(
      ({ order: { groupId }, deployment: { status } }) => groupId === order.groupId && status === "Succeeded",
    );
    const ordered = { order, deployment, previousRevision: earlier?.order.revision };
    this.all.push(ordered);
    return ordered;
  }

  private run(ordered: Ordered): void {
    const run = this.follow(ordered).finally(() => this.running.delete(run));
    this.running.add(run);
  }

  private async follow(ordered: Ordered): Promise<void> {
    const { deployment } = ordered;
    const tell = (change: DeploymentChange) =>
      this.events?.publish(ordered.order.scope, deploymentEvent(ordered.order, deployment.id, change));
    tell("START");
    const rollback = await deployment.run(() => tell("READY"));
    tell(ENDINGS[deployment.status as keyof typeof ENDINGS]);
    const { reach } = deployment;
    // Both in one step, so that nobody sees the group free between them.
    if (rollback && reach && !this.ended) this.takeBack(ordered);
    else reach?.close();
  }

  /** As on AWS by a deployment of its own, which asks no function. */
  private takeBack(failed: Ordered): void {
    const { order, deployment } = failed;
    const { reach, props } = deployment;
    const rollbackOrder: Order = {
      ...order,
      creator: "codeDeployRollback",
      description: undefined,
      configName: `CodeDeployDefault.${order.platform}AllAtOnce`,
      revision: failed.previousRevision ?? order.revision,
    };
    const rollback = new Deployment({
      ...props,
      reverts: true,
      alarms: [],
      open: async () => reach as NonNullable<typeof reach>,
    });
    const ordered = this.put(rollbackOrder, rollback);
    ordered.rollback = {
      rollbackTriggeringDeploymentId: deployment.id,
      rollbackMessage: `Deployment ${rollback.id} is triggered to roll back deployment ${deployment.id}.`,
    };
    failed.rollback = {
      rollbackDeploymentId: rollback.id,
      rollbackMessage: `Deployment ${deployment.id} terminated. Automatic rollback is triggered with a DeploymentId ${rollback.id}.`,
    };
    this.run(ordered);
  }
}
