import { randomBytes } from "node:crypto";
import type { EmulatedTime } from "../time";
import { EVENTS, type EventName, type Platform } from "./app-spec";
import { DeploymentFailure, type ErrorCode, type Reach } from "./target";
import type { Shift } from "./traffic";

export type DeploymentStatus = "Created" | "InProgress" | "Ready" | "Succeeded" | "Failed" | "Stopped";
export type RollbackEvent = "DEPLOYMENT_FAILURE" | "DEPLOYMENT_STOP_ON_ALARM" | "DEPLOYMENT_STOP_ON_REQUEST";

export interface DeploymentProps {
  readonly platform: Platform;
  /** Names or ARNs of functions, by the event that they decide. */
  readonly hooks: ReadonlyMap<string, string>;
  readonly shifts: readonly Shift[];
  /** Names of the alarms that stop it. */
  readonly alarms: readonly string[];
  /** Whether it goes on where alarms cannot be read. */
  readonly ignoreAlarmFailure: boolean;
  /** What brings the old version back. */
  readonly rollbackOn: ReadonlySet<RollbackEvent>;
  /** For which somebody has to say "continue" before traffic moves. @default - nobody has to */
  readonly readyMinutes?: number;
  /** For which the old version is kept once all traffic has moved. */
  readonly terminationMinutes: number;
  /** Waits for nothing, and takes a deployment's changes back. @default false */
  readonly reverts?: boolean;
  readonly time: EmulatedTime;
  /** Called once, when it has to do with AWS for the first time. */
  readonly open: (id: string) => Promise<Reach>;
}

export interface LifecycleEvent {
  readonly name: EventName;
  status: "Pending" | "InProgress" | "Succeeded" | "Failed" | "Skipped";
  startTime?: number;
  endTime?: number;
  /** The function that decided it, and what is known of how. */
  diagnostics?: { readonly scriptName: string; readonly message: string };
}

/** For which a hook's function may leave CodeDeploy without an answer. */
const HOOK_SECONDS = 3600;
/** Between two looks at the alarms. */
const ALARM_SECONDS = 5;

const HOOK_FAILED =
  "The deployment failed because one or more of the lifecycle event validation functions failed.";
const HOOK_SILENT =
  "The deployment timed out while waiting for a status callback. CodeDeploy expects a status callback within one hour after a deployment hook is invoked.";

/** Why it was ended from outside, and whether the old version is to come back. */
class Stop extends DeploymentFailure {
  constructor(
    code: ErrorCode,
    message: string,
    readonly rollback: boolean,
  ) {
    super(code, message);
  }
}

/** One deployment, from its beginning to its end. What follows it is its engine's. */
export class Deployment {
  readonly id = `d-${newId()}`;
  readonly createTime: number;
  readonly events: readonly LifecycleEvent[];
  status: DeploymentStatus = "Created";
  startTime?: number;
  completeTime?: number;
  error?: { readonly code: ErrorCode; readonly message: string };
  /** Whether the old version is only waiting to be ended. */
  terminating = false;
  /** There once it has begun. */
  reach?: Reach;
  private readonly ending = new AbortController();
  /** What it asked of functions, by execution id. */
  private readonly hooks = new Map<string, { decide?: (status: "Succeeded" | "Failed") => void }>();
  private continues?: { readonly type: WaitType; readonly go: () => void };

  constructor(readonly props: DeploymentProps) {
    this.createTime = props.time.now();
    this.events = EVENTS[props.platform].map((name) => ({ name, status: "Pending" }));
  }

  get over(): boolean {
    return this.completeTime !== undefined;
  }

  /**
   * Runs it.
   *
   * @param ready called when it waits for somebody to say "continue"
   * @returns whether the old version is to come back
   */
  async run(ready: () => void = () => {}): Promise<boolean> {
    try {
      this.startTime = this.props.time.now();
      this.reach = await this.props.open(this.id);
      this.status = "InProgress";
      if (this.props.reverts) await this.takeBack(this.reach);
      else await this.goThrough(this.reach, ready);
      this.end("Succeeded");
      return false;
    } catch (error) {
      const failure = explain(error, this.props.platform);
      this.error = { code: failure.code, message: failure.message };
      this.end(failure instanceof Stop ? "Stopped" : "Failed");
      if (failure instanceof Stop) return failure.rollback;
      return !this.props.reverts && this.props.rollbackOn.has("DEPLOYMENT_FAILURE");
    }
  }

  /** Ends it soon. @param rollback whether the old version comes back. @default - as the group has it */
  stop(rollback = this.props.rollbackOn.has("DEPLOYMENT_STOP_ON_REQUEST")): void {
    this.ending.abort(new Stop("MANUAL_STOP", "The deployment was stopped on request.", rollback));
  }

  /** Ends it for good. */
  abandon(): void {
    this.ending.abort(new Stop("INTERNAL_ERROR", "Local AWS has ended.", false));
  }

  /** Ends a wait. @returns whether there was one */
  continue(type: WaitType): boolean {
    if (this.continues?.type !== type) return false;
    this.continues.go();
    return true;
  }

  /** Takes a function's answer. @returns what was wrong with it */
  decide(execution: string, status: "Succeeded" | "Failed"): "unknown" | "decided" | undefined {
    const hook = this.hooks.get(execution);
    if (!hook) return "unknown";
    if (!hook.decide || this.over) return "decided";
    hook.decide(status);
    hook.decide = undefined;
    return undefined;
  }

  private async goThrough(reach: Reach, ready: () => void): Promise<void> {
    await this.checkAlarms(reach);
    const watched = this.watchAlarms(reach);
    try {
      await reach.target.begin();
      for (const event of this.events) {
        await this.perform(event, reach);
        if (event.name === "AfterAllowTestTraffic") await this.waitUntilReady(ready);
      }
      await this.waitToTerminate();
      await reach.target.retire?.();
    } finally {
      this.ending.abort();
      await watched;
    }
  }

  private async takeBack({ target }: Reach): Promise<void> {
    await target.revert();
    const now = this.props.time.now();
    for (const event of this.events)
      Object.assign(event, { status: "Succeeded", startTime: now, endTime: now });
  }

  private async perform(event: LifecycleEvent, reach: Reach): Promise<void> {
    const { target } = reach;
    const { signal } = this.ending;
    signal.throwIfAborted();
    event.status = "InProgress";
    event.startTime = this.props.time.now();
    switch (event.name) {
      case "Install":
        await target.install?.(signal);
        break;
      case "AllowTestTraffic":
        await target.allowTestTraffic?.();
        break;
      case "AllowTraffic":
        for (const { afterMinutes, percent } of this.props.shifts) {
          if (afterMinutes) await this.props.time.sleep(afterMinutes * 60, signal);
          signal.throwIfAborted();
          await target.shift(percent);
        }
        break;
      default:
        await this.askFunction(event, reach);
    }
    // What came in the meantime ends it: nothing of it is waited for.
    signal.throwIfAborted();
    event.status = "Succeeded";
    event.endTime = this.props.time.now();
  }

  private async askFunction(event: LifecycleEvent, reach: Reach): Promise<void> {
    const fn = this.props.hooks.get(event.name);
    if (!fn) return;
    const execution = randomBytes(48).toString("base64url");
    const answered = new AbortController();
    const answer = new Promise<"Succeeded" | "Failed">((decide) => {
      this.hooks.set(execution, { decide });
    });
    const fail = (code: ErrorCode, message: string, detail = message): never => {
      event.diagnostics = { scriptName: fn, message: detail };
      throw new DeploymentFailure(code, message);
    };
    try {
      const input = { DeploymentId: this.id, LifecycleEventHookExecutionId: execution };
      await reach
        .invoke(fn, input)
        .catch((error: Error) => fail("HOOK_EXECUTION_FAILURE", HOOK_FAILED, error.message));
      const both = AbortSignal.any([this.ending.signal, answered.signal]);
      const silence = this.props.time.sleep(HOOK_SECONDS, both).then(() => "Silent" as const);
      const outcome = await Promise.race([answer, silence]);
      if (outcome === "Silent") fail("TIMEOUT", HOOK_SILENT);
      if (outcome === "Failed") fail("HOOK_EXECUTION_FAILURE", HOOK_FAILED);
    } finally {
      answered.abort();
      this.hooks.set(execution, {});
    }
  }

  private async waitUntilReady(ready: () => void): Promise<void> {
    const { readyMinutes } = this.props;
    if (readyMinutes === undefined) return;
    this.status = "Ready";
    ready();
    if (!(await this.pause(readyMinutes, "READY_WAIT"))) {
      const message = `The deployment timed out while waiting for a notification to continue. This time out period is ${readyMinutes} minutes.`;
      throw new Stop("TIMEOUT", message, this.props.rollbackOn.has("DEPLOYMENT_FAILURE"));
    }
    this.status = "InProgress";
  }

  private async waitToTerminate(): Promise<void> {
    this.terminating = true;
    await this.pause(this.props.terminationMinutes, "TERMINATION_WAIT");
  }

  /** @returns whether somebody said "continue" */
  private async pause(minutes: number, type: WaitType): Promise<boolean> {
    const woken = new AbortController();
    this.continues = { type, go: () => woken.abort() };
    try {
      await this.props.time.sleep(minutes * 60, AbortSignal.any([this.ending.signal, woken.signal]));
      return false;
    } catch {
      this.ending.signal.throwIfAborted();
      return true;
    } finally {
      this.continues = undefined;
    }
  }

  /** Looks at the alarms until it ends, or one of them ends it. */
  private async watchAlarms(reach: Reach): Promise<void> {
    const { signal } = this.ending;
    if (!this.props.alarms.length) return;
    while (!signal.aborted) {
      await this.props.time.sleep(ALARM_SECONDS, signal).catch(() => {});
      if (!signal.aborted) await this.checkAlarms(reach).catch((reason) => this.ending.abort(reason));
    }
  }

  private async checkAlarms(reach: Reach): Promise<void> {
    const { alarms, ignoreAlarmFailure, rollbackOn } = this.props;
    if (!alarms.length) return;
    const rollback = rollbackOn.has("DEPLOYMENT_STOP_ON_ALARM");
    const active = await reach.activeAlarms(alarms).catch((error: Error) => {
      if (ignoreAlarmFailure) return [];
      throw new Stop(
        "ALARM_ACTIVE",
        `The status of the alarms could not be retrieved: ${error.message}`,
        rollback,
      );
    });
    if (!active.length) return;
    const names = active.map((name) => `<${name}>`).join(" ");
    const message = `One or more alarms have been activated according to the Amazon CloudWatch metrics you selected, and the affected deployments have been stopped. Activated alarms: ${names}`;
    throw new Stop("ALARM_ACTIVE", message, rollback);
  }

  private end(status: "Succeeded" | "Failed" | "Stopped"): void {
    const now = this.props.time.now();
    for (const event of this.events) {
      if (event.status === "InProgress") Object.assign(event, { status: "Failed", endTime: now });
      if (event.status === "Pending") event.status = "Skipped";
    }
    this.terminating = false;
    this.status = status;
    this.completeTime = now;
  }
}

export type WaitType = "READY_WAIT" | "TERMINATION_WAIT";

/** Says what a failure is to CodeDeploy. */
function explain(error: unknown, platform: Platform): DeploymentFailure {
  if (error instanceof DeploymentFailure) return error;
  const { name, message } = error as Error;
  if (/AccessDenied|Unauthorized/.test(name)) return new DeploymentFailure("IAM_ROLE_PERMISSIONS", message);
  return new DeploymentFailure(platform === "ECS" ? "ECS_UPDATE_ERROR" : "INTERNAL_ERROR", message);
}

/** Nine letters and digits. */
function newId(): string {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
  return [...randomBytes(9)].map((byte) => letters[byte % letters.length]).join("");
}
