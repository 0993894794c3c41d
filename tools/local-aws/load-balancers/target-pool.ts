import { get } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import type { TargetGroup } from "@aws-sdk/client-elastic-load-balancing-v2";
import type { PrivateNetwork } from "../containers/network";
import { isGood } from "./rules";

/** Checks come no rarer than this, whatever a group says: nobody waits half a minute for a process of this machine. */
const LONGEST_INTERVAL_MILLISECONDS = 500;

export interface Health {
  readonly state: "initial" | "healthy" | "unhealthy";
  readonly reason?: string;
  readonly description?: string;
}

export interface TargetPoolProps {
  readonly network: PrivateNetwork;
  /** Gets how many targets are healthy and how many are not, after each check. */
  readonly onChecked?: (healthy: number, unhealthy: number) => void;
}

/** Of a target whose first checks are still to come. */
export const INITIAL: Health = {
  state: "initial",
  reason: "Elb.InitialHealthChecking",
  description: "Initial health checks in progress",
};

/** One target, and what its health checks have found. */
export class Target {
  health = INITIAL;
  /** How many requests it has not answered yet. */
  inFlight = 0;
  private good = 0;
  private bad = 0;

  constructor(
    readonly id: string,
    readonly port: number,
  ) {}

  /** @param failure what is wrong with it */
  take(failure: Health | undefined, healthyThreshold: number, unhealthyThreshold: number): void {
    this.good = failure ? 0 : this.good + 1;
    this.bad = failure ? this.bad + 1 : 0;
    // For one that was just registered, one good answer is enough.
    const needed = this.health.state === "initial" ? 1 : healthyThreshold;
    if (failure && this.bad >= unhealthyThreshold) this.health = failure;
    else if (!failure && this.good >= needed) this.health = { state: "healthy" };
  }
}

/** The targets of one group: their health, and whose turn it is. */
export class TargetPool {
  private group: TargetGroup = {};
  private targets: Target[] = [];
  private turn = 0;

  constructor(private readonly props: TargetPoolProps) {}

  /** Takes over what the group is now; targets that stay keep their health. */
  update(group: TargetGroup, targets: readonly { readonly id: string; readonly port: number }[]): void {
    this.group = group;
    const before = this.targets;
    this.targets = targets.map(({ id, port }) => this.find(id, port) ?? new Target(id, port));
    for (const target of this.targets) if (!before.includes(target)) void this.watch(target);
  }

  find(id: string, port: number): Target | undefined {
    return this.targets.find((target) => target.id === id && target.port === port);
  }

  /** The next target whose turn it is. Where none is healthy, all are asked, as on AWS. */
  next(): Target | undefined {
    const healthy = this.targets.filter(({ health }) => health.state === "healthy");
    const able = healthy.length ? healthy : this.targets;
    return able[this.turn++ % able.length];
  }

  stop(): void {
    this.targets = [];
  }

  /** Checks a target for as long as it belongs to the group. */
  private async watch(target: Target): Promise<void> {
    while (this.targets.includes(target)) {
      const failure = await this.ask(target);
      const {
        HealthCheckIntervalSeconds = 30,
        HealthyThresholdCount = 5,
        UnhealthyThresholdCount = 2,
      } = this.group;
      target.take(failure, HealthyThresholdCount, UnhealthyThresholdCount);
      const count = (state: Health["state"]) =>
        this.targets.filter(({ health }) => health.state === state).length;
      this.props.onChecked?.(count("healthy"), count("unhealthy"));
      const interval = Math.min(HealthCheckIntervalSeconds * 1000, LONGEST_INTERVAL_MILLISECONDS);
      await wait(interval, undefined, { ref: false });
    }
  }

  /** @returns what is wrong with a target */
  private ask(target: Target): Promise<Health | undefined> {
    const { HealthCheckPath = "/", HealthCheckPort, HealthCheckTimeoutSeconds = 5, Matcher } = this.group;
    const own = /^\d+$/.test(HealthCheckPort ?? "") && HealthCheckPort !== String(this.group.Port);
    const { host, port } = this.props.network.resolve(target.id, own ? Number(HealthCheckPort) : target.port);
    const unhealthy = (reason: string, description: string): Health => ({
      state: "unhealthy",
      reason,
      description,
    });
    return new Promise((resolve) => {
      const timeout = AbortSignal.timeout(HealthCheckTimeoutSeconds * 1000);
      const headers = { "user-agent": "ELB-HealthChecker/2.0" };
      const request = get({ host, port, path: HealthCheckPath, headers, agent: false, signal: timeout });
      request.once("response", (response) => {
        response.resume().on("error", () => {});
        const { statusCode = 0 } = response;
        const good = isGood(Matcher?.HttpCode ?? "200", statusCode);
        const description = `Health checks failed with these codes: [${statusCode}]`;
        resolve(good ? undefined : unhealthy("Target.ResponseCodeMismatch", description));
      });
      request.on("error", () =>
        resolve(
          timeout.aborted
            ? unhealthy("Target.Timeout", "Request timed out")
            : unhealthy("Target.FailedHealthChecks", "Health checks failed"),
        ),
      );
    });
  }
}
