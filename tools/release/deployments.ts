import { createHash } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { DescribeAlarmsCommand } from "@aws-sdk/client-cloudwatch";
import { FilterLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  BatchGetDeploymentTargetsCommand,
  ContinueDeploymentCommand,
  CreateDeploymentCommand,
  type CreateDeploymentCommandInput,
  type DeploymentInfo,
  type DeploymentStatus,
  type DeploymentTarget,
  GetDeploymentCommand,
  type LifecycleEvent,
  ListDeploymentsCommand,
  ListDeploymentTargetsCommand,
  StopDeploymentCommand,
} from "@aws-sdk/client-codedeploy";
import { GetFunctionConfigurationCommand, InvokeCommand } from "@aws-sdk/client-lambda";
import { shortened, visible } from "../../shared/visible";
import { UserError } from "../project";
import { type Context, until, wordsOf } from "./context";
import type { Releasable } from "./releasable";

const RUNNING: readonly DeploymentStatus[] = ["Created", "Queued", "InProgress", "Baking", "Ready"];
const isRunning = ({ status }: DeploymentInfo) => RUNNING.includes(status!);

/** At five seconds each: another deployment is waited for an hour, a rollback half of one, a check function five minutes. */
const QUESTIONS = {
  otherDeployment: 720,
  rollback: 360,
  rollbackBegins: 6,
  stop: 12,
  logs: 3,
  checkWakes: 60,
} as const;

/** Of a hook's log. */
const LOG = { lines: 15, pages: 20, characters: 500 } as const;

const EVENT_WORDS: Readonly<Record<string, string>> = {
  InProgress: "begins",
  Succeeded: "succeeded",
  Failed: "failed",
  Skipped: "skipped",
};

/** CodeDeploy's codes, as far as a release meets them. */
const CODE_WORDS: Readonly<Record<string, string>> = {
  ALARM_ACTIVE: "an alarm went off",
  ECS_UPDATE_ERROR: "ECS did not do what CodeDeploy asked for",
  HEALTH_CONSTRAINTS: "the new version did not become healthy",
  HOOK_EXECUTION_FAILURE: "the check failed, or gave no answer",
  IAM_ROLE_MISSING: "CodeDeploy's role is not there",
  IAM_ROLE_PERMISSIONS: "CodeDeploy's role lacks a permission",
  INVALID_LAMBDA_CONFIGURATION: "Lambda refused the versions",
  MANUAL_STOP: "it was stopped",
  TIMEOUT: "it took too long",
};

export interface AlarmInAlarm {
  readonly name: string;
  readonly reason: string;
}

/** CodeDeploy's deployments of what is released: makes them, follows them to their end, says why they failed. */
export class Deployments {
  constructor(private readonly context: Context) {}

  /** Those of a group's alarms that are in ALARM. */
  async alarmsOf({ group }: Releasable): Promise<AlarmInAlarm[]> {
    if (!group.alarms.length) return [];
    const { MetricAlarms = [], CompositeAlarms = [] } = await this.context.clients.cloudwatch.send(
      new DescribeAlarmsCommand({
        AlarmNames: [...group.alarms],
        AlarmTypes: ["MetricAlarm", "CompositeAlarm"],
        StateValue: "ALARM",
      }),
    );
    return [...MetricAlarms, ...CompositeAlarms]
      .filter(({ StateValue }) => StateValue === "ALARM")
      .map(({ AlarmName = "", StateReason = "" }) => ({ name: AlarmName, reason: legible(StateReason) }));
  }

  /** Waits until no deployment of the group is on its way: CodeDeploy runs one at a time. */
  async waitUntilIdle({ name, group }: Releasable): Promise<void> {
    const { clients, tell, region } = this.context;
    let told: string | undefined;
    const limit = {
      questions: QUESTIONS.otherDeployment,
      what: "Another deployment of it did not end",
    };
    await until(this.context, limit, async () => {
      const { deployments: [other] = [] } = await clients.codedeploy.send(
        new ListDeploymentsCommand({
          applicationName: group.application,
          deploymentGroupName: group.group,
          includeOnlyStatuses: [...RUNNING],
        }),
      );
      if (other && other !== told)
        tell(
          `${name}: waits for the deployment ${other}, which is on its way. If all its traffic has moved and it only keeps the old tasks for a while, this ends it: aws deploy continue-deployment --deployment-id ${other} --deployment-wait-type TERMINATION_WAIT --region ${region}`,
        );
      told = other;
      return other ? undefined : true;
    });
  }

  /**
   * Wakes the check function: Lambda takes the network from one that was idle for weeks, and the first call fails, which
   * would be a hook's.
   *
   * @throws UserError where it does not wake
   */
  async wakeCheck({ name, group: { check } }: Releasable): Promise<void> {
    const { clients, tell } = this.context;
    const stateOf = async () => {
      const { State } = await clients.lambda.send(
        new GetFunctionConfigurationCommand({ FunctionName: check }),
      );
      return State;
    };
    const state = await stateOf();
    if (state !== "Inactive" && state !== "Pending") return;
    tell(`${name}: wakes ${check}, which is ${state.toLowerCase()} in Lambda; that takes minutes at most.`);
    if (state === "Inactive") await this.call(check);
    const limit = {
      questions: QUESTIONS.checkWakes,
      what: `The check function ${check} did not become active`,
    };
    await until(this.context, limit, async () => ((await stateOf()) === "Active" ? true : undefined));
  }

  /** @returns its id */
  async create(
    { group }: Releasable,
    appSpec: object,
    settings: Pick<
      CreateDeploymentCommandInput,
      "autoRollbackConfiguration" | "deploymentConfigName" | "description" | "overrideAlarmConfiguration"
    >,
  ): Promise<string> {
    const content = JSON.stringify(appSpec);
    const { deploymentId } = await this.context.clients.codedeploy.send(
      new CreateDeploymentCommand({
        applicationName: group.application,
        deploymentGroupName: group.group,
        revision: {
          revisionType: "AppSpecContent",
          appSpecContent: { content, sha256: createHash("sha256").update(content).digest("hex") },
        },
        ...settings,
      }),
    );
    return deploymentId!;
  }

  /**
   * Tells what happens in a deployment, until it ends. CodeDeploy bounds each of its steps. Where the command is told to
   * end, a deployment of a new version is stopped, and CodeDeploy brings the old one back.
   *
   * @param options.isWayBack whether it brings an old version back: then it is done when all traffic has moved, and never
   *   stopped
   */
  async follow({ name }: Releasable, id: string, { isWayBack = false } = {}): Promise<DeploymentInfo> {
    const { tell, every, interrupted } = this.context;
    const told = new Told((line) => tell(`${name}: ${line}`));
    let questionsSinceStop: number | undefined;
    for (;;) {
      const info = await this.get(id);
      if (info.status !== "Created" && info.status !== "Queued") told.targets(await this.targets(id));
      if (!isRunning(info)) return info;
      if (isWayBack && (info.instanceTerminationWaitTimeStarted || interrupted.aborted)) return info;
      if (info.instanceTerminationWaitTimeStarted) told.keepsOld();
      if (questionsSinceStop !== undefined && ++questionsSinceStop >= QUESTIONS.stop) return info;
      if (interrupted.aborted && questionsSinceStop === undefined) {
        tell(
          `${name}: interrupted; the deployment ${id} is stopped, and CodeDeploy brings the old version back.`,
        );
        await this.stop(id);
        questionsSinceStop = 0;
      }
      // Interrupted, it asks at once.
      await sleep(every, undefined, {
        signal: questionsSinceStop === undefined ? interrupted : undefined,
      }).catch(() => {});
    }
  }

  /** Ends the time for which the old tasks are kept. A failure is told, for that time ends by itself. */
  async endWait({ name }: Releasable, id: string): Promise<void> {
    const { clients, tell } = this.context;
    try {
      await clients.codedeploy.send(
        new ContinueDeploymentCommand({ deploymentId: id, deploymentWaitType: "TERMINATION_WAIT" }),
      );
    } catch (error) {
      if ((error as Error).name === "DeploymentAlreadyCompletedException") return;
      tell(
        `${name}: CodeDeploy keeps the tasks that have no traffic for a while yet, and the next release waits for their end: ${wordsOf(error, this.context)}`,
      );
    }
  }

  /**
   * Waits until CodeDeploy has brought the old version back after a deployment that failed.
   *
   * @returns the rollback's own deployment; none where CodeDeploy made none
   */
  async rollbackOf(id: string): Promise<DeploymentInfo | undefined> {
    const { every } = this.context;
    const rollback = async () => (await this.get(id)).rollbackInfo?.rollbackDeploymentId;
    // It begins a moment after the failure.
    let found = await rollback();
    for (let question = 1; !found && question < QUESTIONS.rollbackBegins; question++) {
      await sleep(every);
      found = await rollback();
    }
    if (!found) return undefined;
    let info = await this.get(found);
    // Like any other, it may keep tasks for a while after all traffic has moved.
    const isOnItsWay = () => isRunning(info) && !info.instanceTerminationWaitTimeStarted;
    for (let question = 1; isOnItsWay() && question < QUESTIONS.rollback; question++) {
      await sleep(every);
      info = await this.get(found);
    }
    return info;
  }

  /** Why a deployment failed, in lines for people. */
  async reasonsOf(subject: Releasable, info: DeploymentInfo): Promise<string[]> {
    const { code = "", message = "" } = info.errorInformation ?? {};
    const hooks = (await this.attempt(() => this.targets(info.deploymentId!), []))
      .flatMap((target) => eventsOf(target))
      .filter(({ status, lifecycleEventName }) => status === "Failed" && isHook(lifecycleEventName));
    const reasons = [
      `Deployment ${info.deploymentId}: ${CODE_WORDS[code] ?? `it ${info.status === "Stopped" ? "was stopped" : "failed"}`}${code && ` (${code}: ${legible(message)})`}.`,
    ];
    if (code === "ALARM_ACTIVE")
      for (const { name, reason } of await this.attempt(() => this.alarmsOf(subject), []))
        reasons.push(`The alarm ${name} is on: ${reason}`);
    for (const { lifecycleEventName } of hooks) {
      const { check } = subject.group;
      const lines = await this.attempt(() => this.logOf(check, info.createTime), undefined);
      reasons.push(
        `The hook ${lifecycleEventName} failed: the function ${check} said no, or nothing.${lines ? ` The end of its log /aws/lambda/${check}:` : ""}`,
        ...(lines?.map((line) => `  ${line}`) ?? [`  Its log /aws/lambda/${check} cannot be read.`]),
      );
      if (lines && !lines.length) reasons.push("  (it wrote nothing)");
    }
    return reasons;
  }

  private async get(id: string): Promise<DeploymentInfo> {
    const { environment, region, clients } = this.context;
    try {
      const { deploymentInfo } = await clients.codedeploy.send(
        new GetDeploymentCommand({ deploymentId: id }),
      );
      return deploymentInfo!;
    } catch (error) {
      throw new UserError(
        `The deployment ${id} goes on, but can no longer be followed: ${wordsOf(error, this.context)}\nSee how it ends: aws deploy get-deployment --deployment-id ${id} --region ${region}, with access to ${environment}.`,
      );
    }
  }

  private async targets(id: string): Promise<DeploymentTarget[]> {
    const { codedeploy } = this.context.clients;
    try {
      const { targetIds = [] } = await codedeploy.send(
        new ListDeploymentTargetsCommand({ deploymentId: id }),
      );
      if (!targetIds.length) return [];
      const { deploymentTargets = [] } = await codedeploy.send(
        new BatchGetDeploymentTargetsCommand({ deploymentId: id, targetIds }),
      );
      return deploymentTargets;
    } catch (error) {
      // It says how far the deployment is, and there may be nothing to say yet.
      const { name } = error as Error;
      if (name === "DeploymentNotStartedException" || name === "DeploymentTargetDoesNotExistException")
        return [];
      throw error;
    }
  }

  /** Calls a function that is inactive, which wakes it and fails. */
  private async call(name: string): Promise<void> {
    try {
      await this.context.clients.lambda.send(
        new InvokeCommand({ FunctionName: name, InvocationType: "Event", Payload: "{}" }),
      );
    } catch (error) {
      if (!/^Resource(Conflict|NotReady)Exception$/.test((error as Error).name)) throw error;
    }
  }

  private async stop(id: string): Promise<void> {
    try {
      await this.context.clients.codedeploy.send(
        new StopDeploymentCommand({ deploymentId: id, autoRollbackEnabled: true }),
      );
    } catch (error) {
      if ((error as Error).name !== "DeploymentAlreadyCompletedException") throw error;
    }
  }

  /** The last lines that a function wrote. What it wrote a moment ago may not be there yet. */
  private async logOf(name: string, since: Date | undefined): Promise<string[]> {
    for (let question = 1; ; question++) {
      const lines = await this.linesOf(`/aws/lambda/${name}`, since);
      if (lines.length || question >= QUESTIONS.logs) return lines;
      await sleep(this.context.every);
    }
  }

  private async linesOf(logGroupName: string, since: Date | undefined): Promise<string[]> {
    const lines: string[] = [];
    let nextToken: string | undefined;
    for (let page = 1; page <= LOG.pages; page++) {
      const { events = [], nextToken: next } = await this.context.clients.logs.send(
        new FilterLogEventsCommand({ logGroupName, startTime: since?.getTime(), nextToken }),
      );
      lines.push(...events.flatMap(({ message = "" }) => lineOfLog(message)));
      nextToken = next;
      if (!nextToken) break;
    }
    return lines.slice(-LOG.lines);
  }

  /** Asks for what only explains a failure: without it, the failure is told all the same. */
  private async attempt<T>(ask: () => Promise<T>, otherwise: T): Promise<T> {
    try {
      return await ask();
    } catch (error) {
      this.context.tell(wordsOf(error, this.context));
      return otherwise;
    }
  }
}

/** Tells each thing once, when it changes. */
class Told {
  private readonly events = new Map<string, string>();
  private weight = 0;
  private isKept = false;

  constructor(private readonly tell: (line: string) => void) {}

  targets(targets: readonly DeploymentTarget[]): void {
    for (const target of targets) {
      for (const { lifecycleEventName = "", status = "", diagnostics } of eventsOf(target)) {
        const words = EVENT_WORDS[status];
        if (!words || this.events.get(lifecycleEventName) === status) continue;
        this.events.set(lifecycleEventName, status);
        const why = status === "Failed" && diagnostics?.message ? `: ${legible(diagnostics.message)}` : "";
        this.tell(`${lifecycleEventName} ${words}${why}`);
      }
      const weight = weightOf(target);
      if (weight === undefined || weight === this.weight) continue;
      this.weight = weight;
      this.tell(`AllowTraffic ${weight} %`);
    }
  }

  keepsOld(): void {
    if (this.isKept) return;
    this.isKept = true;
    this.tell(
      "all traffic has moved; the old tasks are kept for a while, in which an alarm still brings them back",
    );
  }
}

const eventsOf = ({ ecsTarget, lambdaTarget }: DeploymentTarget): LifecycleEvent[] =>
  ecsTarget?.lifecycleEvents ?? lambdaTarget?.lifecycleEvents ?? [];

/** Percents of the traffic that the new version gets. */
function weightOf({ ecsTarget, lambdaTarget }: DeploymentTarget): number | undefined {
  const ofFunction = lambdaTarget?.lambdaFunctionInfo?.targetVersionWeight;
  // The reference has percents here, an alias has shares of 1. No release moves one percent, so that both can be told.
  if (ofFunction !== undefined) return ofFunction <= 1 ? Math.round(ofFunction * 100) : ofFunction;
  return ecsTarget?.taskSetsInfo?.find(({ taskSetLabel }) => taskSetLabel === "Green")?.trafficWeight;
}

/** Whether a lifecycle event is one that the check is asked in. */
const isHook = (event: string | undefined) => /^(Before|After)Allow/.test(event ?? "");

/** What somebody else wrote, on one line. */
const legible = (text: string) => visible(shortened(text.trim(), LOG.characters));

/** A line of a function's log as people read it: without Lambda's own, and of JSON the message. */
function lineOfLog(line: string): string[] {
  let content: unknown;
  try {
    content = JSON.parse(line);
  } catch {
    return /^(START|END|REPORT|INIT_START) /.test(line) ? [] : [legible(line)];
  }
  const { type, level, message } = (content ?? {}) as Record<string, unknown>;
  if (typeof type === "string" && type.startsWith("platform.")) return [];
  return [legible(typeof message === "string" ? `${level ?? ""} ${message}` : line)];
}
