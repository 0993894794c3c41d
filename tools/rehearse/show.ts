import { setTimeout as pause } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { Listr, type ListrTask } from "listr2";
import { approvedBy, PLAN_ARTIFACT, planName } from "../../shared/names";
import { shortened, visible } from "../../shared/visible";
import type { Wrapper } from "../demo/world";
import { UserError } from "../project";
import { type ActionRun, type Execution, findAction, type Snapshot, type StageDeclared } from "./execution";
import type { Decision, Options } from "./options";
import { Watch } from "./watch";

/** How many lines of the log are shown of a build that failed. */
const LAST_LINES = 40;
/** Of a release, which tells how traffic moves. */
const LINES_OF_RELEASE = 6;
/** Of a review that nobody is asked about. */
const LINES_OF_REVIEW = 30;
/** A line on a screen. */
const LINE = 110;
const LOOK_MILLISECONDS = 300;
/** How often a build's log is read on, in milliseconds. */
const LOG_MILLISECONDS = 1000;

/** What of the options says how an execution goes. */
export interface Course extends Pick<Options, "decision" | "until"> {
  /** The runs that builds are from which were not run again, by the builds' ids. @default - all ran */
  readonly reused?: ReadonlyMap<string, number>;
  /** Waits until people have heard that they are asked: nobody answers before. @default - nobody is waited for */
  readonly told?: () => Promise<void>;
}

export interface Screen {
  readonly isTerminal: boolean;
  /** For Listr: where it writes to. */
  readonly listr: ConstructorParameters<typeof Listr>[1];
  print(text: string): void;
  /** @returns undefined where nobody answers */
  ask(question: string): Promise<boolean | undefined>;
}

export interface Shown {
  readonly snapshot: Snapshot;
  /** The ends of the logs of builds that failed, by stage and action. */
  readonly logs: ReadonlyMap<string, readonly string[]>;
  /** Whether it was stopped because it was to go no further. */
  readonly stopped: boolean;
}

/** Shows an execution as it runs, stage by stage, and answers its approvals. */
export class Show {
  private readonly watch: Watch;
  private readonly logs = new Map<string, readonly string[]>();
  private stopped = false;

  constructor(
    private readonly execution: Execution,
    private readonly course: Course,
    private readonly screen: Screen,
    /** How often the execution is looked at, in milliseconds. */
    every = LOOK_MILLISECONDS,
  ) {
    this.watch = new Watch(() => execution.read(), every);
  }

  /**
   * Shows it to its end, or to the end of the last stage that was asked for.
   *
   * @throws UserError where somebody has to decide, and nobody can be asked
   */
  async run(): Promise<Shown> {
    for (const stage of this.execution.stages) {
      const entered = await this.watch.until(({ stages, running }) => {
        if (stages[stage.name] !== undefined) return stages[stage.name];
        // It passes stages that it skips without a stop.
        return running ? undefined : "";
      });
      if (!entered) break;
      if (entered === "Skipped") this.screen.print(`${stage.name}: skipped, as its condition says`);
      else await this.runStage(stage);
      if (stage.name !== this.course.until) continue;
      await this.stop();
      break;
    }
    const snapshot = await this.watch.until((latest) => (latest.running ? undefined : latest));
    return { snapshot, logs: this.logs, stopped: this.stopped };
  }

  private async runStage(stage: StageDeclared): Promise<void> {
    // Where it may be tried again, it is not stopped before it is over.
    if (stage.name === this.course.until && !stage.retries) await this.stopAfter(stage);
    for (const { name, isApproval } of stage.actions) if (isApproval) await this.decide(stage.name, name);
    const tasks = new Listr(
      [
        {
          title: stage.name,
          task: (_, task) =>
            task.newListr(
              stage.actions.map(({ name }) => this.actionTask(stage, name)),
              { concurrent: true, exitOnError: false, rendererOptions: { collapseSubtasks: false } },
            ),
        } satisfies ListrTask,
      ],
      this.screen.listr,
    );
    await tasks.run();
    for (const [action, lines] of this.logs) {
      const [of, name] = action.split("/");
      if (of === stage.name)
        this.screen.print(
          `\nThe end of the log of ${name}:\n${lines.map((line) => `  ${line}`).join("\n")}\n`,
        );
    }
  }

  /** Before its last action ends, so that nothing after it is begun. */
  private async stopAfter(stage: StageDeclared): Promise<void> {
    await this.watch.until((snapshot) => {
      const begun = stage.actions.every(({ name }) => findAction(snapshot, stage.name, name));
      return begun || snapshot.stages[stage.name] !== "InProgress" || undefined;
    });
    await this.stop(false);
  }

  private actionTask(stage: StageDeclared, name: string): ListrTask {
    const isRelease = name.startsWith("release-");
    return {
      title: name,
      task: async (_, task: Wrapper) => {
        const log = this.follow(stage.name, name, task, isRelease || this.screen.isTerminal);
        const run = await this.watch.until((snapshot) => this.ended(stage, name, snapshot));
        const lines = await log.end(run);
        if (!run) return task.skip(`${name}: not begun`);
        if (run.tries > 1) task.title = `${name} (try ${run.tries})`;
        const from = this.course.reused?.get(run.build ?? "");
        if (from !== undefined) task.title = `${name} (reused: same inputs as in run ${from})`;
        if (run.status === "Succeeded") return;
        if (lines.length) this.logs.set(`${stage.name}/${name}`, lines);
        throw new Error(`${task.title}: ${visible(run.summary ?? run.status)}`);
      },
      rendererOptions: { outputBar: isRelease ? LINES_OF_RELEASE : 1, persistentOutput: isRelease },
    };
  }

  /** @returns the last run, null where there will be none, undefined while it is not over */
  private ended(stage: StageDeclared, name: string, snapshot: Snapshot): ActionRun | null | undefined {
    const run = findAction(snapshot, stage.name, name);
    const isOver = snapshot.stages[stage.name] !== "InProgress" && snapshot.stages[stage.name] !== "Stopping";
    if (isOver) return run ?? null;
    if (!run || run.status === "InProgress") return undefined;
    // It may be tried again.
    return run.status === "Succeeded" || !stage.retries ? run : undefined;
  }

  /** Follows the log of an action's build, of each of its runs. */
  private follow(stage: string, name: string, task: Wrapper, show: boolean) {
    let build: string | undefined;
    let log: ReturnType<Execution["logOf"]> | undefined;
    let lines: string[] = [];
    const over = new AbortController();
    const read = async (current: string | undefined) => {
      if (current !== build) {
        build = current;
        log = current === undefined ? undefined : this.execution.logOf(current);
        lines = [];
      }
      // Hostile: a build prints what it likes.
      const more = (await log?.next())?.map((line) => shortened(visible(plain(line)), 1000)) ?? [];
      lines = [...lines, ...more.filter((line) => !isRoutine(line))].slice(-LAST_LINES);
      if (!show) return;
      for (const line of more) {
        if (line.trim() && !isRoutine(line)) task.output = line.slice(0, LINE);
      }
    };
    const following = (async () => {
      while (!over.signal.aborted) {
        const run = await this.watch.until((snapshot) => findAction(snapshot, stage, name) ?? null);
        if (run?.build) await read(run.build);
        await pause(LOG_MILLISECONDS, undefined, over).catch(() => {});
      }
    })();
    // Whoever ends it is told.
    following.catch(() => {});
    return {
      async end(run: ActionRun | null): Promise<readonly string[]> {
        over.abort();
        await following;
        await read(run?.build);
        return lines;
      },
    };
  }

  private async decide(stage: string, name: string): Promise<void> {
    const { execution, screen } = this;
    const key = `${stage}/${name}`;
    const found = await this.watch.until((snapshot) => {
      const waiting = snapshot.stages[stage] === "InProgress" || snapshot.stages[stage] === "Stopping";
      if (!waiting) return null;
      const token = snapshot.tokens[key];
      return token ? { token, snapshot } : undefined;
    });
    if (!found) return;
    const { token, snapshot } = found;
    screen.print(`\n${await this.whatIsAsked(stage, name, snapshot)}\n`);
    await this.course.told?.();
    const decision = this.course.decision ?? (await this.askDecision(name));
    screen.print(`${name}: ${decision === "Approved" ? "approved" : "rejected"}`);
    await execution.decide(stage, name, token, decision);
  }

  private async askDecision(name: string): Promise<Decision> {
    const { screen } = this;
    if (!screen.isTerminal) throw nobodyToAsk(name);
    const yes = await screen.ask(`${name}: approve this plan?`);
    if (yes === undefined) throw new UserError("Stopped.");
    return yes ? "Approved" : "Rejected";
  }

  /** The message of the approval, and the review of the plan that it is about. */
  private async whatIsAsked(stage: string, name: string, snapshot: Snapshot): Promise<string> {
    const environment = approvedBy(name);
    const plan = environment && snapshot.actions.find((run) => run.name === planName(environment));
    const text = plan && (await this.execution.artifactFile(plan, PLAN_ARTIFACT.reviewText));
    const message = findAction(snapshot, stage, name)?.configuration.CustomData ?? "";
    const review = (text ?? "")
      .trimEnd()
      .split("\n")
      .map((line) => visible(plain(line)));
    const most = this.course.decision ? LINES_OF_REVIEW : review.length;
    const more = review.length > most ? [`… (${review.length - most} more lines)`] : [];
    return [visible(message), ...review.slice(0, most), ...more].join("\n").trimEnd();
  }

  /** @param abandon whether what runs is ended */
  private async stop(abandon = true): Promise<void> {
    this.stopped = true;
    await this.execution
      .stop(`The rehearsal ends after ${this.course.until}`, abandon)
      .catch((error: Error) => {
        // It has ended by itself.
        if (error.name !== "PipelineExecutionNotStoppableException") throw error;
      });
  }
}

/** Why a rehearsal without a terminal cannot go on. */
export const nobodyToAsk = (approvals: string) =>
  new UserError(
    `There is no terminal to ask for ${approvals}. Say how approvals are answered, --approve or --reject, or end before: --until STAGE.`,
  );

/** Whether a line of a log is CodeBuild's own, and tells neither a command nor a failure. */
const isRoutine = (line: string) =>
  /^\[Container\] \S+ \S+ (?!Running command|Command did not exit|Phase context status code: \S)/.test(line);

/** Without colours, and with tabs as blanks. */
const plain = (text: string) => stripVTControlCharacters(text).replaceAll("\t", "  ").replace(/\r$/, "");
