import { randomBytes, randomUUID } from "node:crypto";
import type {
  ActionDeclaration,
  Pipeline,
  RetryMode,
  StageDeclaration,
} from "../services/pipeline-structure";
import { type Checked, checkConditions } from "./conditions";
import { resolveConfiguration, UnresolvedVariable } from "./variables";

/** What time is for an execution; tests have their own. */
export interface Clock {
  /** Seconds since 1970. */
  now(): number;
  /** @returns what calls it off */
  after(milliseconds: number, run: () => void): () => void;
}

/** An artifact in S3, and the commit that it was made of, where that is known. */
export interface Artifact {
  readonly name: string;
  readonly bucket: string;
  readonly key: string;
  readonly commit?: string;
}

/** What a source's action found. */
export interface Revision {
  readonly id: string;
  readonly summary?: string;
  readonly url?: string;
  readonly created: number;
}

/** Where an action's own service shows it. */
export interface External {
  readonly id: string;
  readonly url: string;
}

/** What an action is to do. */
export interface ActionJob {
  readonly pipeline: Pipeline;
  readonly action: ActionDeclaration;
  /** Its variables have their values. */
  readonly configuration: Readonly<Record<string, string>>;
  readonly inputs: readonly Artifact[];
  readonly outputs: readonly Artifact[];
  /** The commit that a source's action is to fetch. @default - the branch's last one */
  readonly commit?: string;
  tell(external: External): void;
}

export interface ActionResult {
  readonly variables?: Readonly<Record<string, string>>;
  readonly revision?: Revision;
}

/**
 * Does an action. An aborted signal means that nobody waits for it any more: it ends what it runs.
 *
 * @throws ActionFailure
 */
export type Perform = (job: ActionJob, signal: AbortSignal) => Promise<ActionResult>;

/** Why an action failed, as AWS says it. */
export class ActionFailure extends Error {
  constructor(
    readonly code: "JobFailed" | "ConfigurationError" | "PermissionError" | "RevisionUnavailable",
    message: string,
  ) {
    super(message);
  }
}

/** One run of an action. */
export interface ActionRun {
  readonly id: string;
  readonly execution: Execution;
  readonly stage: string;
  readonly action: ActionDeclaration;
  readonly startTime: number;
  readonly inputs: readonly Artifact[];
  readonly outputs: readonly Artifact[];
  status: "InProgress" | "Abandoned" | "Succeeded" | "Failed";
  lastUpdateTime: number;
  configuration?: Readonly<Record<string, string>>;
  variables?: Readonly<Record<string, string>>;
  revision?: Revision;
  external?: External;
  error?: { readonly code: string; readonly message: string };
  /** What the person who decided said. */
  summary?: string;
  updatedBy?: string;
  /** Of an approval: who knows it may decide. */
  token?: string;
}

type Ending = "Stopped" | "Cancelled" | "Superseded";
export type StageStatus = "InProgress" | "Stopping" | "Succeeded" | "Failed" | "Skipped" | Ending;
export type ExecutionStatus = "InProgress" | "Stopping" | "Succeeded" | "Failed" | Ending;

/** How an execution fares in one stage. */
export interface StageRun {
  readonly execution: Execution;
  status: StageStatus;
  beforeEntry?: Checked;
  onSuccess?: Checked;
  onFailure?: Checked;
  automaticRetries: number;
  manualRetries: number;
  lastRetry?: "AutomatedStageRetry" | "ManualStageRetry";
}

/** What becomes of an execution, or of one of its stages, as AWS's events have it. */
export type ExecutionChange =
  | "STARTED"
  | "RESUMED"
  | "SUCCEEDED"
  | "FAILED"
  | "STOPPING"
  | "STOPPED"
  | "CANCELED"
  | "SUPERSEDED";
export type ActionChange = "STARTED" | "SUCCEEDED" | "FAILED" | "ABANDONED";

/** Hears how executions go. */
export interface Listener {
  pipeline(execution: Execution, change: ExecutionChange): void;
  stage(execution: Execution, stage: string, change: ExecutionChange): void;
  action(run: ActionRun, change: ActionChange): void;
}

const CHANGES: Readonly<Record<ExecutionStatus, ExecutionChange>> = {
  InProgress: "RESUMED",
  Stopping: "STOPPING",
  Succeeded: "SUCCEEDED",
  Failed: "FAILED",
  Stopped: "STOPPED",
  Cancelled: "CANCELED",
  Superseded: "SUPERSEDED",
};
const ACTION_CHANGES: Readonly<Record<ActionRun["status"], ActionChange>> = {
  InProgress: "STARTED",
  Succeeded: "SUCCEEDED",
  Failed: "FAILED",
  Abandoned: "ABANDONED",
};

/** What lets executions into the stages. */
export interface Gates {
  /**
   * @param crosses whether it comes from the stage before, by the transition between the two
   * @returns whether it is in; not if it is to end before
   */
  enter(stage: string, execution: Execution, crosses: boolean): Promise<boolean>;
  leave(stage: string, execution: Execution): void;
  /** Takes it out of the queue that it waits in, if it does. */
  withdraw(execution: Execution): void;
  /** The execution's run is the stage's latest one from now on. */
  show(stage: string, run: StageRun): void;
  /** Brings the stage back to what it was before this execution, where there was something. */
  rollBack(stage: string, failed: Execution): void;
}

/** What a rollback runs: one stage, with what another execution had. */
export interface Rollback {
  readonly stage: string;
  readonly target: Execution;
}

export interface ExecutionProps {
  readonly pipeline: Pipeline;
  readonly region: string;
  readonly trigger: { readonly triggerType: string; readonly triggerDetail?: string };
  readonly variables: Readonly<Record<string, string>>;
  /** Commits that source actions are to fetch, by the action's name. */
  readonly commits: Readonly<Record<string, string>>;
  /** Whoever starts twice with one token gets one execution. */
  readonly token?: string;
  /** @default - it runs all stages */
  readonly rollback?: Rollback;
  readonly gates: Gates;
  readonly perform: Perform;
  readonly clock: Clock;
  /** @default - nobody hears of it */
  readonly listener?: Listener;
  /**
   * Tells people of an approval that waits for them until then, in seconds since 1970.
   *
   * @throws ActionFailure
   * @default - nobody is told
   */
  readonly announce?: (run: ActionRun, expires: number) => Promise<void>;
}

export interface Decision {
  readonly status: "Approved" | "Rejected";
  readonly summary: string;
  readonly by: string;
}

interface Approval {
  decide(decision: Decision): void;
}

const DAY_MINUTES = 24 * 60;
/** How long an approval waits where its action says nothing. */
const APPROVAL_MINUTES = 7 * DAY_MINUTES;

/** One execution of a pipeline, always of the version that it was started on. */
export class Execution {
  readonly id: string = randomUUID();
  readonly startTime: number;
  status: ExecutionStatus = "InProgress";
  statusSummary?: string;
  lastUpdateTime: number;
  stopReason?: string;
  /** When it was started, or last retried. */
  resumeTime: number;
  /** How often that was. */
  attempt = 1;
  readonly actions: ActionRun[] = [];
  readonly stages = new Map<string, StageRun>();
  /** Fulfilled when nothing of it runs any more. A retry makes a new one. */
  done: Promise<void> = Promise.resolve();
  /** Whether that is so. What was abandoned may need a moment to end. */
  settled = false;
  private ending?: Ending;
  private abort = new AbortController();
  private readonly artifacts = new Map<string, Artifact>();
  private readonly namespaces: Map<string, Readonly<Record<string, string>>>;
  private readonly approvals = new Map<ActionRun, Approval>();

  constructor(readonly props: ExecutionProps) {
    this.startTime = this.lastUpdateTime = this.resumeTime = props.clock.now();
    this.namespaces = new Map([
      ["codepipeline", { PipelineExecutionId: this.id }],
      ["variables", props.variables],
    ]);
    const { target } = props.rollback ?? {};
    for (const [name, artifact] of target?.artifacts ?? []) this.artifacts.set(name, artifact);
    for (const [namespace, values] of target?.namespaces ?? [])
      if (namespace !== "codepipeline") this.namespaces.set(namespace, values);
  }

  /** The first stage that it runs. */
  private get first(): number {
    const { pipeline, rollback } = this.props;
    return rollback ? pipeline.stages.findIndex(({ name }) => name === rollback.stage) : 0;
  }

  get running(): boolean {
    return this.status === "InProgress" || this.status === "Stopping";
  }

  start(): void {
    this.props.listener?.pipeline(this, "STARTED");
    this.done = this.walk(this.first, "ALL_ACTIONS");
  }

  /** Goes on from a stage that it did not come through. */
  retry(stage: string, mode: RetryMode): void {
    const index = this.props.pipeline.stages.findIndex(({ name }) => name === stage);
    const run = this.stages.get(stage);
    if (run) {
      run.manualRetries++;
      run.lastRetry = "ManualStageRetry";
    }
    this.resume();
    this.done = this.walk(index, mode);
  }

  /** Goes on where a stage's conditions did not let it: into the stage, or on to the one after it. */
  override(stage: string, which: "beforeEntry" | "onSuccess"): void {
    const index = this.props.pipeline.stages.findIndex(({ name }) => name === stage);
    const run = this.stages.get(stage)!;
    run[which] = { ...run[which]!, status: "Overridden" };
    this.resume();
    if (which === "beforeEntry") {
      this.done = this.walk(index, "ALL_ACTIONS");
      return;
    }
    run.status = "Succeeded";
    this.props.listener?.stage(this, stage, "SUCCEEDED");
    this.done = this.walk(index + 1, "ALL_ACTIONS", true);
  }

  private resume(): void {
    this.ending = undefined;
    this.statusSummary = undefined;
    this.stopReason = undefined;
    this.abort = new AbortController();
    this.attempt++;
    this.update("InProgress");
    this.resumeTime = this.lastUpdateTime;
  }

  /** @param abandon whether the actions that run are not waited for, but ended */
  stop(abandon: boolean, reason?: string): void {
    this.stopReason = reason ?? this.stopReason;
    this.update(abandon ? "Stopped" : "Stopping");
    this.end("Stopped");
    for (const [stage, run] of this.stages) {
      if (run.status !== "InProgress" && run.status !== "Stopping") continue;
      run.status = abandon ? "Stopped" : "Stopping";
      if (!abandon) this.props.listener?.stage(this, stage, "STOPPING");
    }
    if (!abandon) return;
    for (const run of this.actions) if (run.status === "InProgress") this.settle(run, "Abandoned");
    this.abort.abort();
  }

  /** Its pipeline was changed: what runs comes to its end, and nothing after it is begun. */
  cancel(): void {
    this.end("Cancelled");
  }

  /** A newer one has taken its place. */
  supersede(): void {
    this.end("Superseded");
  }

  /** @returns whether the approval still waited for it */
  decide(run: ActionRun, decision: Decision): boolean {
    const approval = this.approvals.get(run);
    approval?.decide(decision);
    return approval !== undefined;
  }

  private end(ending: Ending): void {
    this.ending ??= ending;
    this.props.gates.withdraw(this);
  }

  private update(status: ExecutionStatus): void {
    this.status = status;
    this.lastUpdateTime = this.props.clock.now();
    this.props.listener?.pipeline(this, CHANGES[status]);
  }

  /** @param crosses whether it comes to the first of the stages from the one before */
  private async walk(first: number, mode: RetryMode, crosses = false): Promise<void> {
    this.settled = false;
    const status = await this.walkStages(first, mode, crosses);
    if (status === "Cancelled") this.statusSummary = "The pipeline was updated while the execution ran";
    else if (status !== "Failed") this.statusSummary = undefined;
    if (this.status !== status) this.update(status);
    this.settled = true;
  }

  /** @param mode what of the first stage is to run; all of the others is */
  private async walkStages(first: number, mode: RetryMode, crosses: boolean): Promise<ExecutionStatus> {
    const { gates, pipeline, rollback } = this.props;
    for (const [index, stage] of pipeline.stages.entries()) {
      if (index < first || (rollback && index > first)) continue;
      const entered = !this.ending && (await gates.enter(stage.name, this, crosses || index > first));
      if (!entered) return this.ending ?? "Stopped";
      const status = await this.runStage(stage, index === first ? mode : "ALL_ACTIONS");
      // Before anything else may enter. What a rollback itself fails at is not rolled back.
      if (status === "Failed" && !rollback && this.rollsBack(stage)) gates.rollBack(stage.name, this);
      gates.leave(stage.name, this);
      if (status === "Failed") return "Failed";
      if (status !== "Succeeded" && status !== "Skipped") return this.ending ?? "Stopped";
    }
    return this.ending === "Stopped" ? "Stopped" : "Succeeded";
  }

  private async runStage(stage: StageDeclaration, mode: RetryMode): Promise<StageStatus> {
    const before = this.stages.get(stage.name);
    const run: StageRun = before ?? {
      execution: this,
      status: "InProgress",
      automaticRetries: 0,
      manualRetries: 0,
    };
    run.status = "InProgress";
    run.onSuccess = run.onFailure = undefined;
    this.stages.set(stage.name, run);
    this.props.gates.show(stage.name, run);
    this.props.listener?.stage(this, stage.name, before ? "RESUMED" : "STARTED");
    run.status = await this.stageOutcome(stage, run, mode);
    this.lastUpdateTime = this.props.clock.now();
    // Of a stage that is skipped, AWS documents no event.
    if (run.status !== "Skipped") this.props.listener?.stage(this, stage.name, CHANGES[run.status]);
    return run.status;
  }

  private async stageOutcome(stage: StageDeclaration, run: StageRun, mode: RetryMode): Promise<StageStatus> {
    const { beforeEntry, onFailure, onSuccess } = stage;
    if (this.ending) return this.ending;
    if (beforeEntry && run.beforeEntry?.status !== "Overridden") {
      run.beforeEntry = checkConditions(beforeEntry.conditions, this.namespaces);
      if (run.beforeEntry.status !== "Succeeded")
        return run.beforeEntry.result === "SKIP" ? "Skipped" : this.failStage(stage, "entry");
    }
    let outcome = await this.runActions(stage, mode);
    if (outcome === "Failed" && onFailure?.result === "RETRY") {
      run.automaticRetries++;
      run.lastRetry = "AutomatedStageRetry";
      this.statusSummary = undefined;
      this.props.listener?.stage(this, stage.name, "RESUMED");
      outcome = await this.runActions(stage, onFailure.retryConfiguration?.retryMode ?? "FAILED_ACTIONS");
    }
    if (outcome === "Failed" && onFailure?.conditions)
      run.onFailure = checkConditions(onFailure.conditions, this.namespaces);
    if (outcome !== "Succeeded") return outcome;
    if (onSuccess) {
      run.onSuccess = checkConditions(onSuccess.conditions, this.namespaces);
      if (run.onSuccess.status !== "Succeeded") return this.failStage(stage, "success");
    }
    return "Succeeded";
  }

  /** Of a stage that has failed. One that was not entered has changed nothing. */
  private rollsBack({ name, onFailure }: StageDeclaration): boolean {
    const run = this.stages.get(name);
    if (run?.beforeEntry && !["Succeeded", "Overridden"].includes(run.beforeEntry.status)) return false;
    if (run?.onSuccess) return run.onSuccess.result === "ROLLBACK";
    return onFailure?.result === "ROLLBACK" || run?.onFailure?.result === "ROLLBACK";
  }

  private failStage({ name }: StageDeclaration, conditions: string): "Failed" {
    this.statusSummary = `The ${conditions} conditions of stage ${name} do not hold`;
    return "Failed";
  }

  private async runActions(stage: StageDeclaration, mode: RetryMode): Promise<StageStatus> {
    const latest = (action: string) =>
      this.actions.findLast((run) => run.stage === stage.name && run.action.name === action);
    const todo = stage.actions.filter(
      ({ name }) => mode === "ALL_ACTIONS" || latest(name)?.status !== "Succeeded",
    );
    const orders = [...new Set(todo.map(({ runOrder = 1 }) => runOrder))].sort((a, b) => a - b);
    for (const order of orders) {
      if (this.ending) return this.ending;
      const together = todo.filter(({ runOrder = 1 }) => runOrder === order);
      const runs = await Promise.all(together.map((action) => this.runAction(stage.name, action)));
      const failed = runs.find(({ status }) => status !== "Succeeded");
      if (!failed) continue;
      this.statusSummary = this.ending ? undefined : `${failed.action.name}: ${failed.error?.message}`;
      return this.ending ?? "Failed";
    }
    return "Succeeded";
  }

  private async runAction(stage: string, action: ActionDeclaration): Promise<ActionRun> {
    const { clock, perform, pipeline } = this.props;
    const inputs = (action.inputArtifacts ?? []).flatMap(({ name }) => this.artifacts.get(name) ?? []);
    // What is built goes by the commit of what it was built from.
    const commit = inputs[0]?.commit;
    const startTime = clock.now();
    const run: ActionRun = {
      id: randomUUID(),
      execution: this,
      stage,
      action,
      startTime,
      lastUpdateTime: startTime,
      inputs,
      outputs: (action.outputArtifacts ?? []).map(({ name }) => ({ ...this.place(name), commit })),
      status: "InProgress",
    };
    this.actions.push(run);
    this.props.listener?.action(run, "STARTED");
    try {
      const missing = action.inputArtifacts?.find(({ name }) => !this.artifacts.has(name));
      if (missing) {
        throw new ActionFailure(
          "ConfigurationError",
          `The input artifact ${missing.name} is not there: the action that gives it did not run`,
        );
      }
      const configuration = this.resolve(action);
      run.configuration = configuration;
      const { signal } = this.abort;
      const result =
        action.actionTypeId.category === "Approval"
          ? await this.ask(run, signal)
          : await perform(
              {
                pipeline,
                action,
                configuration,
                inputs,
                outputs: run.outputs,
                commit: this.props.commits[action.name],
                tell: (external) => {
                  run.external = external;
                },
              },
              signal,
            );
      if (run.status === "InProgress") this.keep(run, result);
    } catch (error) {
      if (run.status !== "InProgress") return run;
      run.error = {
        code: error instanceof ActionFailure ? error.code : "JobFailed",
        message: error instanceof Error ? error.message : String(error),
      };
      this.settle(run, "Failed");
    }
    return run;
  }

  private keep(run: ActionRun, { variables, revision }: ActionResult): void {
    run.variables = variables;
    run.revision = revision;
    for (const artifact of run.outputs)
      this.artifacts.set(artifact.name, { ...artifact, commit: revision?.id ?? artifact.commit });
    if (run.action.namespace) this.namespaces.set(run.action.namespace, variables ?? {});
    this.settle(run, "Succeeded");
  }

  private settle(run: ActionRun, status: ActionRun["status"]): void {
    run.status = status;
    run.lastUpdateTime = this.lastUpdateTime = this.props.clock.now();
    this.props.listener?.action(run, ACTION_CHANGES[status]);
  }

  private resolve({ name, configuration = {} }: ActionDeclaration): Record<string, string> {
    try {
      return resolveConfiguration(configuration, this.namespaces);
    } catch (error) {
      if (!(error instanceof UnresolvedVariable)) throw error;
      // What is in brackets is ours: AWS does not say which variable.
      throw new ActionFailure(
        "ConfigurationError",
        `An action in this pipeline failed because one or more variables could not be resolved: Action name=${name}. This can result when a variable is referenced that does not exist. Validate the pipeline's action configuration. (${error.message})`,
      );
    }
  }

  /** A place of its own in the artifact store, as AWS makes it up. */
  private place(name: string): Artifact {
    const { pipeline, region } = this.props;
    const store = pipeline.artifactStore ?? pipeline.artifactStores?.[region];
    const random = randomBytes(16)
      .toString("base64")
      .replace(/[^A-Za-z0-9]/g, "")
      .slice(0, 7);
    return {
      name,
      bucket: store?.location ?? "",
      key: `${pipeline.name.slice(0, 20)}/${name.slice(0, 10)}/${random}`,
    };
  }

  /** Waits for a person. */
  private async ask(run: ActionRun, signal: AbortSignal): Promise<ActionResult> {
    const minutes = run.action.timeoutInMinutes ?? APPROVAL_MINUTES;
    run.token = randomUUID();
    let callOff = () => {};
    try {
      const decided = new Promise<Decision>((decide, fail) => {
        this.approvals.set(run, { decide });
        signal.addEventListener("abort", () => fail(new Error("abandoned")));
        callOff = this.props.clock.after(minutes * 60_000, () =>
          fail(new ActionFailure("JobFailed", `Nobody has decided within ${minutes} minutes`)),
        );
      });
      const announced = this.props.announce?.(run, run.startTime + minutes * 60);
      const [{ status, summary, by }] = await Promise.all([decided, announced]);
      run.updatedBy = by;
      run.summary = summary;
      if (status === "Rejected") throw new ActionFailure("JobFailed", `Rejected by ${by}: ${summary}`);
      return {};
    } finally {
      callOff();
      this.approvals.delete(run);
    }
  }
}
