import { AwsError } from "../aws-request";
import type { Pipeline, RetryMode } from "../services/pipeline-structure";
import {
  type ActionRun,
  type Clock,
  type Decision,
  Execution,
  type ExecutionProps,
  type Gates,
  type Perform,
  type Rollback,
  type StageRun,
} from "./execution";

export interface EngineProps {
  readonly region: string;
  readonly perform: Perform;
  /** @default - this machine's */
  readonly clock?: Clock;
  /** @default - nobody hears of executions */
  readonly listener?: ExecutionProps["listener"];
  /** @default - nobody is told of approvals */
  readonly announce?: ExecutionProps["announce"];
}

export type StartInput = Pick<ExecutionProps, "trigger" | "variables" | "commits" | "token">;

/** A transition that was opened, or closed, by hand. */
export interface Transition {
  readonly by: string;
  /** In seconds since 1970. */
  readonly at: number;
  /** Why it is closed. @default - it is open */
  readonly reason?: string;
}

interface Waiting {
  readonly execution: Execution;
  /** Whether it comes by the transition from the stage before. */
  readonly crosses: boolean;
  readonly admit: (entered: boolean) => void;
}

/** A stage, which holds one execution at a time. */
interface Gate {
  occupant?: Execution;
  transition?: Transition;
  waiting: Waiting[];
  latest?: StageRun;
}

/** Longer than a timer can wait, which would run at once instead. */
const LONGEST_TIMER = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now() / 1000,
  after(milliseconds, run) {
    const timer = setTimeout(run, Math.min(milliseconds, LONGEST_TIMER)).unref();
    return () => clearTimeout(timer);
  },
};

/** The executions of one pipeline. */
export class Engine implements Gates {
  readonly executions: Execution[] = [];
  private readonly gates = new Map<string, Gate>();
  private readonly clock: Clock;
  private ended = false;

  constructor(
    private pipeline: Pipeline,
    private readonly props: EngineProps,
  ) {
    this.clock = props.clock ?? systemClock;
  }

  /** The pipeline has another version: executions of the one before do not come to their end. */
  update(pipeline: Pipeline): void {
    this.pipeline = pipeline;
    for (const execution of this.executions) if (execution.running) execution.cancel();
  }

  /** @throws AwsError where the pipeline has no such variable or source, or a variable has no value */
  begin(input: Partial<StartInput> & Pick<StartInput, "trigger">): Execution {
    const { token, trigger, commits = {} } = input;
    const again = token && this.executions.find((execution) => execution.props.token === token);
    if (again) return again;
    // What still runs while all is ended may ask for more.
    if (this.ended)
      throw new AwsError("ConflictException", `The pipeline ${this.pipeline.name} has been ended`);
    const { pipeline } = this;
    const sources = pipeline.stages[0]?.actions.map(({ name }) => name) ?? [];
    const stray = Object.keys(commits).find((action) => !sources.includes(action));
    if (stray) throw invalid(`The pipeline ${pipeline.name} has no source action '${stray}'`);
    return this.launch({ trigger, token, commits, variables: this.variables(input.variables ?? {}) });
  }

  private launch(input: StartInput & Pick<ExecutionProps, "rollback">): Execution {
    const { pipeline, clock } = this;
    const execution = new Execution({ ...this.props, ...input, pipeline, gates: this, clock });
    this.executions.push(execution);
    execution.start();
    return execution;
  }

  /**
   * Runs a stage again as an execution before had it.
   *
   * @param by ARN of who asks for it
   * @throws AwsError where it cannot be
   */
  rollBackTo(stage: string, id: string, by: string): Execution {
    const { pipeline } = this;
    const index = pipeline.stages.findIndex(({ name }) => name === stage);
    if (index < 0) throw noStage(pipeline, stage);
    const target = this.find(id);
    if (!target) {
      throw new AwsError(
        "PipelineExecutionNotFoundException",
        `Pipeline '${pipeline.name}' has no execution '${id}'`,
      );
    }
    if (target.props.pipeline !== pipeline) {
      throw new AwsError(
        "PipelineExecutionOutdatedException",
        `The pipeline '${pipeline.name}' has changed since its execution ${id} was started`,
      );
    }
    const gate = this.gate(stage);
    const reasons: readonly (readonly [unknown, string])[] = [
      [this.ended, "the pipeline has been ended"],
      [index === 0, "a source stage cannot be rolled back"],
      [pipeline.executionMode === "PARALLEL", "a pipeline of mode PARALLEL has no rollback"],
      [target.props.rollback, `${id} is a rollback itself`],
      [target.stages.get(stage)?.status !== "Succeeded", `${id} did not succeed in the stage`],
      [gate.occupant, `${gate.occupant?.id} is running in the stage`],
    ];
    const [, reason] = reasons.find(([holds]) => holds) ?? [];
    if (reason) {
      throw new AwsError(
        "UnableToRollbackStageException",
        `Stage '${stage}' of '${pipeline.name}' cannot be rolled back to ${id}: ${reason}`,
      );
    }
    return this.launchRollback({ stage, target }, { triggerType: "ManualRollback", triggerDetail: by });
  }

  private launchRollback(rollback: Rollback, trigger: ExecutionProps["trigger"]): Execution {
    const { variables, commits } = rollback.target.props;
    return this.launch({ trigger, variables, commits, rollback });
  }

  find(id: string): Execution | undefined {
    return this.executions.find((execution) => execution.id === id);
  }

  /** @throws AwsError where it has ended, or is being stopped already */
  stop(id: string, abandon: boolean, reason?: string): void {
    const execution = this.find(id);
    if (!execution?.running) {
      throw new AwsError(
        "PipelineExecutionNotStoppableException",
        `The pipeline execution ${id} of ${this.pipeline.name} is not in progress`,
      );
    }
    if (execution.status === "Stopping" && !abandon) {
      throw new AwsError(
        "DuplicatedStopRequestException",
        `The pipeline execution ${id} of ${this.pipeline.name} is already being stopped`,
      );
    }
    execution.stop(abandon, reason);
  }

  /**
   * Answers an approval.
   *
   * @throws AwsError where there is none, or it was answered before
   */
  decide(stage: string, action: string, token: string, decision: Decision): void {
    const runs = this.executions.flatMap(({ actions }) => actions);
    const here = runs.filter((run) => run.stage === stage && run.action.name === action);
    const declared = this.pipeline.stages.find(({ name }) => name === stage);
    const isDeclared = declared?.actions.some(({ name }) => name === action);
    // One of a version before may still wait.
    if (!here.length && !declared) throw noStage(this.pipeline, stage);
    if (!here.length && !isDeclared)
      throw new AwsError("ActionNotFoundException", `Stage '${stage}' has no action '${action}'`);
    const run = here.find((one) => one.token === token);
    if (!run) {
      throw new AwsError(
        "InvalidApprovalTokenException",
        "The approval request already received a response or has expired.",
      );
    }
    if (!run.execution.decide(run, decision)) {
      throw new AwsError(
        "ApprovalAlreadyCompletedException",
        "The approval action has already been approved or rejected.",
      );
    }
  }

  /** @throws AwsError where there is nothing in the stage to try again */
  retry(stage: string, id: string, mode: RetryMode): void {
    const { execution, status } = this.lastRun(stage, id);
    const retryable = !this.ended && (status === "Failed" || status === "Stopped");
    if (!retryable || !execution.settled || execution.props.pipeline !== this.pipeline) {
      throw new AwsError(
        "StageNotRetryableException",
        `Stage '${stage}' cannot be retried. The pipeline structure or stage state might have changed while actions awaited retry, or the stage contains no failed actions.`,
      );
    }
    execution.retry(stage, mode);
  }

  /**
   * Lets an execution go on that failed by a stage's conditions.
   *
   * @throws AwsError where it did not, or something else came of them than a failure
   */
  override(stage: string, id: string, which: "beforeEntry" | "onSuccess"): void {
    const { execution, status, [which]: checked } = this.lastRun(stage, id);
    const overridable =
      !this.ended &&
      status === "Failed" &&
      checked &&
      checked.status !== "Succeeded" &&
      checked.result === "FAIL";
    if (
      !overridable ||
      !execution.settled ||
      execution.props.pipeline !== this.pipeline ||
      execution.props.rollback
    ) {
      throw new AwsError(
        "ConditionNotOverridableException",
        `Unable to override because the condition does not allow overrides: stage '${stage}' has not failed by it, or the pipeline has changed since`,
      );
    }
    execution.override(stage, which);
  }

  /**
   * How an execution fared in a stage.
   *
   * @throws AwsError where it was not the last one there
   */
  private lastRun(stage: string, id: string): StageRun {
    const { pipeline } = this;
    if (!pipeline.stages.some(({ name }) => name === stage)) throw noStage(pipeline, stage);
    // Executions side by side have each their own.
    const own = pipeline.executionMode === "PARALLEL" && this.find(id)?.stages.get(stage);
    const latest = own || this.latest(stage);
    if (latest?.execution.id === id) return latest;
    throw new AwsError(
      "NotLatestPipelineExecutionException",
      `The stage has failed in a later run of the pipeline and the pipelineExecutionId associated with the request is out of date: ${id}`,
    );
  }

  /** The execution that was last in a stage. */
  latest(stage: string): StageRun | undefined {
    return this.gates.get(stage)?.latest;
  }

  /** Executions that wait to enter a stage, in the order in which they may. */
  inbound(stage: string): Execution[] {
    return this.gates.get(stage)?.waiting.map(({ execution }) => execution) ?? [];
  }

  /** The last run of an action, of whatever execution. */
  latestAction(stage: string, action: string): ActionRun | undefined {
    const runs = this.executions.flatMap(({ actions }) => actions);
    const here = runs.filter((run) => run.stage === stage && run.action.name === action);
    return here.reduce<ActionRun | undefined>(
      (last, run) => (last && last.startTime > run.startTime ? last : run),
      undefined,
    );
  }

  /** Ends all that runs, for good. Fulfilled when nothing of it is left. */
  async end(): Promise<void> {
    this.ended = true;
    for (const execution of this.executions) if (execution.running) execution.stop(true);
    await Promise.all(this.executions.map(({ done }) => done));
  }

  enter(stage: string, execution: Execution, crosses: boolean): Promise<boolean> {
    const gate = this.gate(stage);
    return new Promise((admit) => {
      const waiting = { execution, crosses, admit };
      // What goes wrong is put right before anything else is tried.
      if (execution.props.rollback) gate.waiting.unshift(waiting);
      else gate.waiting.push(waiting);
      this.admit(gate);
      const { executionMode } = execution.props.pipeline;
      if (executionMode !== "QUEUED" && executionMode !== "PARALLEL") this.supersede(gate);
    });
  }

  leave(stage: string, execution: Execution): void {
    const gate = this.gate(stage);
    if (gate.occupant !== execution) return;
    gate.occupant = undefined;
    this.admit(gate);
  }

  /** Lets in who waits, as many as may. */
  private admit(gate: Gate): void {
    const closed = gate.transition?.reason !== undefined;
    for (const one of [...gate.waiting]) {
      const parallel = one.execution.props.pipeline.executionMode === "PARALLEL";
      if ((closed && one.crosses) || (gate.occupant && !parallel)) continue;
      if (!parallel) gate.occupant = one.execution;
      gate.waiting = gate.waiting.filter((other) => other !== one);
      one.admit(true);
    }
  }

  /**
   * Opens or closes the way into a stage from the one before.
   *
   * @param reason why it is closed. @default - it is opened
   * @throws AwsError where there is no such stage
   */
  changeTransition(stage: string, side: "Inbound" | "Outbound", by: string, reason?: string): void {
    const { stages } = this.pipeline;
    const index = stages.findIndex(({ name }) => name === stage);
    if (index < 0) throw noStage(this.pipeline, stage);
    const into = stages[side === "Inbound" ? index : index + 1];
    // After the last stage comes nothing.
    if (!into) return;
    const gate = this.gate(into.name);
    gate.transition = { by, at: this.clock.now(), reason };
    this.admit(gate);
  }

  /** What was last done to the way into a stage; undefined where nobody has touched it. */
  transition(stage: string): Transition | undefined {
    return this.gates.get(stage)?.transition;
  }

  rollBack(stage: string, failed: Execution): void {
    const { pipeline } = this;
    const target = this.executions.findLast(
      ({ props, stages }) =>
        props.pipeline === pipeline && !props.rollback && stages.get(stage)?.status === "Succeeded",
    );
    if (!target || this.ended || failed.props.pipeline !== pipeline) return;
    const triggerDetail = JSON.stringify({ FailedPipelineExecutionId: failed.id });
    this.launchRollback({ stage, target }, { triggerType: "AutomatedRollback", triggerDetail });
  }

  withdraw(execution: Execution): void {
    for (const gate of this.gates.values()) {
      const own = gate.waiting.filter((one) => one.execution === execution);
      gate.waiting = gate.waiting.filter((one) => one.execution !== execution);
      for (const { admit } of own) admit(false);
    }
  }

  show(stage: string, run: StageRun): void {
    this.gate(stage).latest = run;
  }

  /** Of those that wait, the newest stays. */
  private supersede(gate: Gate): void {
    const age = ({ execution }: Waiting) => this.executions.indexOf(execution);
    const ordinary = gate.waiting.filter(({ execution }) => !execution.props.rollback);
    const newest = Math.max(...ordinary.map(age));
    for (const one of ordinary.filter((waiting) => age(waiting) < newest)) one.execution.supersede();
  }

  private gate(stage: string): Gate {
    const found = this.gates.get(stage) ?? { waiting: [] };
    this.gates.set(stage, found);
    return found;
  }

  private variables(given: Readonly<Record<string, string>>): Record<string, string> {
    const declared = this.pipeline.variables ?? [];
    const stray = Object.keys(given).find((key) => !declared.some(({ name }) => name === key));
    if (stray) throw invalid(`The pipeline ${this.pipeline.name} has no variable '${stray}'`);
    const values: Record<string, string> = {};
    for (const { name, defaultValue } of declared) {
      const value = given[name] ?? defaultValue;
      if (value === undefined)
        throw invalid(`The variable '${name}' of ${this.pipeline.name} has no default value: give one`);
      values[name] = value;
    }
    return values;
  }
}

const invalid = (message: string) => new AwsError("ValidationException", message);

const noStage = ({ name }: Pipeline, stage: string) =>
  new AwsError("StageNotFoundException", `Pipeline '${name}' has no stage '${stage}'`);
