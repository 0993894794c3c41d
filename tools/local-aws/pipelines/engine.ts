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

interface Waiting {
  readonly execution: Execution;
  readonly admit: (entered: boolean) => void;
}

/** A stage, which holds one execution at a time. */
interface Gate {
  occupant?: Execution;
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
    const { pipeline, clock } = this;
    const sources = pipeline.stages[0]?.actions.map(({ name }) => name) ?? [];
    const stray = Object.keys(commits).find((action) => !sources.includes(action));
    if (stray) throw invalid(`The pipeline ${pipeline.name} has no source action '${stray}'`);
    const execution = new Execution({
      pipeline,
      trigger,
      token,
      commits,
      variables: this.variables(input.variables ?? {}),
      ...this.props,
      gates: this,
      clock,
    });
    this.executions.push(execution);
    execution.start();
    return execution;
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
    const { pipeline } = this;
    if (!pipeline.stages.some(({ name }) => name === stage)) throw noStage(pipeline, stage);
    const latest = this.latest(stage);
    if (latest?.execution.id !== id) {
      throw new AwsError(
        "NotLatestPipelineExecutionException",
        `The stage has failed in a later run of the pipeline and the pipelineExecutionId associated with the request is out of date: ${id}`,
      );
    }
    const { execution, status } = latest;
    const retryable = !this.ended && (status === "Failed" || status === "Stopped");
    if (!retryable || !execution.settled || execution.props.pipeline !== pipeline) {
      throw new AwsError(
        "StageNotRetryableException",
        `Stage '${stage}' cannot be retried. The pipeline structure or stage state might have changed while actions awaited retry, or the stage contains no failed actions.`,
      );
    }
    execution.retry(stage, mode);
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

  enter(stage: string, execution: Execution): Promise<boolean> {
    const gate = this.gate(stage);
    const mode = execution.props.pipeline.executionMode;
    if (mode === "PARALLEL") return Promise.resolve(true);
    if (!gate.occupant) {
      gate.occupant = execution;
      return Promise.resolve(true);
    }
    return new Promise((admit) => {
      gate.waiting.push({ execution, admit });
      if (mode !== "QUEUED") this.supersede(gate);
    });
  }

  leave(stage: string, execution: Execution): void {
    const gate = this.gate(stage);
    if (gate.occupant !== execution) return;
    const next = gate.waiting.shift();
    gate.occupant = next?.execution;
    next?.admit(true);
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
    const newest = Math.max(...gate.waiting.map(age));
    for (const one of gate.waiting.filter((waiting) => age(waiting) < newest)) one.execution.supersede();
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
