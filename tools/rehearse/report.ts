import type { Settings } from "../../settings";
import { visible } from "../../shared/visible";
import type { Mail } from "../local-aws";
import type { ActionRun, Execution, Snapshot } from "./execution";

/** What a program reads of a rehearsal. */
export interface RehearsalRecord {
  readonly version: 1;
  /** Which one it is of those that `--watch` makes, from 1. */
  readonly run?: number;
  readonly pipeline: string;
  readonly commit: string;
  readonly succeeded: boolean;
  /** The stage after which it was to end. */
  readonly until?: string;
  /** As ISO writes it. */
  readonly started: string;
  /** Of deploying, too. */
  readonly seconds: number;
  /** Why the pipeline was not started. */
  readonly problem?: string;
  /** In their order: the first one, and what went on in its place because the pipeline had changed. */
  readonly executions: readonly ExecutionRecord[];
  /** Addresses by environment, and there by service or function. */
  readonly deployed: Readonly<Record<string, Readonly<Record<string, string>>>>;
  /** What was sent meanwhile, in its order. */
  readonly mails: readonly Pick<Mail, "to" | "subject" | "text" | "when">[];
}

export interface ExecutionRecord {
  readonly id: string;
  readonly status: string;
  readonly summary?: string;
  readonly stages: readonly StageRecord[];
}

export interface StageRecord {
  readonly name: string;
  /** "NotStarted" where it did not come to it. */
  readonly status: string;
  readonly actions: readonly ActionRecord[];
}

export interface ActionRecord {
  readonly name: string;
  readonly status: string;
  readonly tries: number;
  readonly seconds?: number;
  /** Why it failed, or what the person who decided said. */
  readonly summary?: string;
  /** The run that it is from, where it was not run again. */
  readonly reusedFrom?: number;
  /** The end of the log of one that failed. */
  readonly log?: readonly string[];
}

/**
 * @param logs the ends of logs, by stage and action
 * @param reused the runs that builds are from which were not run again, by the builds' ids
 */
export function recordExecution(
  execution: Pick<Execution, "id" | "stages">,
  { status, summary, stages, actions }: Snapshot,
  logs: ReadonlyMap<string, readonly string[]>,
  reused: ReadonlyMap<string, number> = new Map(),
): ExecutionRecord {
  return {
    id: execution.id,
    status,
    summary,
    stages: execution.stages.map((stage) => ({
      name: stage.name,
      status: stages[stage.name] ?? "NotStarted",
      actions: stage.actions.map(({ name }) => {
        const run = actions.find((one) => one.stage === stage.name && one.name === name);
        const record = recordAction(name, run, logs.get(`${stage.name}/${name}`));
        const reusedFrom = reused.get(run?.build ?? "");
        return reusedFrom === undefined ? record : { ...record, reusedFrom };
      }),
    })),
  };
}

function recordAction(name: string, run: ActionRun | undefined, log?: readonly string[]): ActionRecord {
  if (!run) return { name, status: "NotStarted", tries: 0 };
  const { status, tries, started, updated, summary } = run;
  const milliseconds = Number(updated) - Number(started);
  // Of those that succeeded it is what they made.
  const said = status === "Succeeded" ? undefined : summary;
  return { name, status, tries, seconds: Math.round(milliseconds / 100) / 10, summary: said, log };
}

/**
 * Whether an execution came through.
 *
 * @param until the stage after which it was to end
 */
export function succeeded({ status, stages }: ExecutionRecord, until: string | undefined): boolean {
  if (until === undefined) return status === "Succeeded";
  const last = stages.findIndex(({ name }) => name === until);
  return last >= 0 && stages.slice(0, last + 1).every((stage) => CAME_THROUGH.has(stage.status));
}
const CAME_THROUGH = new Set(["Succeeded", "Skipped"]);

/** Addresses of services and functions, of a stack's state in S3; none where nothing is deployed. */
export function addressesIn(state: string): Record<string, string> {
  const { outputs = {} } = JSON.parse(state) as { outputs?: Record<string, { value: unknown }> };
  return Object.fromEntries(
    Object.entries(outputs).flatMap(([output, { value }]): [string, string][] => {
      const [, kind, thing] = /^(service|function)_(.+)_url$/.exec(output) ?? [];
      return kind ? [[`${kind} ${thing}`, String(value)]] : [];
    }),
  );
}

/**
 * What people read at the end.
 *
 * @param withMails whether the mails' texts are told, and not only their subjects
 */
export function reportText(
  record: RehearsalRecord,
  { environments }: Pick<Settings, "environments">,
  withMails = false,
): string {
  const rows = record.executions.flatMap((execution, index) => [
    ...(index > 0
      ? [
          ["", "", "", ""],
          [`anew, because the pipeline had changed`, "", "", ""],
        ]
      : []),
    ...execution.stages.flatMap(rowsOf),
  ]);
  const all = [["stage", "action", "status", "time"], ...rows];
  // A line across all columns does not widen the first.
  const widths = [0, 1, 2].map((column) =>
    Math.max(...all.filter((row) => row[1] || row[2]).map((row) => row[column]!.length)),
  );
  const lines = all.map(([stage, action, status, time]) =>
    `${stage!.padEnd(widths[0]!)}  ${action!.padEnd(widths[1]!)}  ${status!.padEnd(widths[2]!)}  ${time!.padStart(8)}`.trimEnd(),
  );
  const deployed = Object.entries(record.deployed).flatMap(([name, addresses]) => [
    `${name} (${environments[name]?.account})`,
    ...Object.entries(addresses).map(([thing, address]) => `  ${thing}: ${visible(address)}`),
  ]);
  const mails = record.mails.flatMap(({ to, subject, text }) => [
    `  to ${visible(to)}: ${visible(subject)}`,
    ...(withMails
      ? text
          .trimEnd()
          .split("\n")
          .map((line) => `    ${visible(line)}`.trimEnd())
      : []),
  ]);
  return [
    ...lines,
    ...(deployed.length ? ["", "Deployed:", ...deployed] : []),
    ...(mails.length ? ["", "Mails:", ...mails] : []),
    "",
    verdict(record),
  ].join("\n");
}

function rowsOf({ name, status, actions }: StageRecord): string[][] {
  if (status === "NotStarted" || status === "Skipped") return [[name, "", WORDS[status]!, ""]];
  return actions.map((action, index) => {
    const tries = action.tries > 1 ? ` (${action.tries} tries)` : "";
    const seconds = action.seconds === undefined ? "" : duration(action.seconds);
    const from = action.reusedFrom === undefined ? "" : `, as in run ${action.reusedFrom}`;
    const status = `${WORDS[action.status] ?? action.status}${tries}${from}`;
    return [index ? "" : name, action.name, status, seconds];
  });
}

const WORDS: Readonly<Record<string, string>> = {
  NotStarted: "not begun",
  Skipped: "skipped",
  InProgress: "runs",
  Succeeded: "succeeded",
  Failed: "failed",
  Abandoned: "abandoned",
};

function verdict({ pipeline, succeeded: came, until, seconds, executions }: RehearsalRecord): string {
  const { status, summary } = executions.at(-1) ?? { status: "NotStarted" };
  const time = duration(seconds);
  if (came) return `The rehearsal of ${pipeline} succeeded${until ? `, up to ${until}` : ""}, in ${time}.`;
  const why = summary ? `: ${visible(summary)}` : "";
  return `The rehearsal of ${pipeline} did not succeed, in ${time}. The execution ended as ${status}${why}`;
}

/** As people say it. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}
