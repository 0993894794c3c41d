import { type EnvironmentOutcome, type RunReport, type RunSummary, verdictOf } from "../../shared/run-report";

/** So many runs of a pipeline are remembered. */
const REMEMBERED = 100;

/** Of so many runs a stage's usual time is told. */
const MEASURED = 10;

export type Outcomes = RunSummary["environments"];

/** What later runs, and the overview, know of a run. */
export function summaryOf(run: RunReport, environments: Outcomes): RunSummary {
  const { pipeline, execution, started, ended, coverage } = run;
  const { id, branch, message, author, when, url } = run.commit;
  return {
    pipeline,
    execution,
    status: verdictOf(run),
    started,
    ...(ended && { ended }),
    commit: { id, branch, message, ...(author && { author }), ...(when && { when }), ...(url && { url }) },
    stageSeconds: Object.fromEntries(
      run.stages.flatMap(({ name, status, seconds }) =>
        status === "succeeded" && seconds !== undefined ? [[name, seconds]] : [],
      ),
    ),
    ...(coverage && { lines: coverage.lines }),
    environments,
  };
}

/** The runs of a pipeline, newest first, with what is known of one now. */
export function withSummary(runs: readonly RunSummary[], summary: RunSummary): readonly RunSummary[] {
  const known = runs.find(({ execution }) => execution === summary.execution);
  // Who read it while it ran may be slower than who read its end; and one that failed may go on, and end again.
  if (known?.ended && (!summary.ended || summary.ended < known.ended)) return runs;
  return [...runs.filter((run) => run !== known), summary]
    .sort((a, b) => (a.started < b.started ? 1 : -1))
    .slice(0, REMEMBERED);
}

/** What earlier runs tell of one. */
export interface History {
  /** Seconds that each stage usually takes. */
  readonly medians: Readonly<Record<string, number>>;
  /** Share of lines that was covered. */
  readonly lines?: number;
  /** The commit that last succeeded on the branch. */
  readonly commit?: string;
}

/**
 * What the runs that began before one tell of it.
 *
 * @param started when that one began
 */
export function historyOf(runs: readonly RunSummary[], started: string, branch: string): History {
  const before = runs.filter((run) => run.started < started);
  const succeeded = before.filter(({ status }) => status === "succeeded");
  const stages = new Set(before.flatMap(({ stageSeconds }) => Object.keys(stageSeconds)));
  return {
    medians: Object.fromEntries(
      [...stages].map((stage) => [
        stage,
        median(before.flatMap(({ stageSeconds }) => stageSeconds[stage] ?? []).slice(0, MEASURED)),
      ]),
    ),
    lines: succeeded.find(({ lines }) => lines !== undefined)?.lines,
    commit: succeeded.find(({ commit }) => commit.branch === branch)?.commit.id,
  };
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** How an environment came out of a run; undefined where the run has not come to it, or is at it. */
export function environmentOutcome(steps: {
  readonly apply?: Step;
  readonly release?: Step;
  readonly verify?: Step;
  readonly isBroughtBack: boolean;
}): { readonly outcome: EnvironmentOutcome; readonly when: string } | undefined {
  const last = steps.verify ?? steps.release ?? steps.apply;
  if (!last || last.status === "InProgress") return undefined;
  const when = last.updated.toISOString();
  // Whatever Verify found since: that was the version before.
  if (steps.isBroughtBack) return { outcome: "brought-back", when };
  if (last === steps.verify && last.status === "Succeeded") return { outcome: "verified", when };
  // One that was stopped in between has neither failed nor been tested.
  return last.status === "Failed" ? { outcome: "failed", when } : undefined;
}

interface Step {
  readonly status: "InProgress" | "Succeeded" | "Failed" | "Abandoned";
  readonly updated: Date;
}
