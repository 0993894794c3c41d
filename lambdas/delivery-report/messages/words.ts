import {
  type ActionReport,
  type RunReport,
  type StageReport,
  type StepStatus,
  successorOf,
} from "../../../shared/run-report";
import { shortened, visible } from "../../../shared/visible";

/** Of a text that is not ours, the most that is told of it in a line. */
const MOST = 200;

/** A text that a commit, a log or a test brought, on one line of which every character is seen. */
export const foreign = (text: string, most = MOST): string =>
  shortened(visible(text.trimEnd()), most) || "(empty)";

/** A name of the project, a pipeline, a stage, an action or an environment: what it may not have is no part of one. */
export const named = (name: string): string => name.replace(/[^\w. -]/g, "?");

/** As people say it: "4 s", "3 min 50 s", "5 h 10 min", "3 days 4 h". */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < HOUR) return inTwo(whole, 60, "min", 1, "s");
  const minutes = Math.round(whole / 60) * 60;
  if (minutes < DAY) return inTwo(minutes, HOUR, "h", 60, "min");
  const hours = Math.round(whole / HOUR) * HOUR;
  return inTwo(hours, DAY, hours < 2 * DAY ? "day" : "days", HOUR, "h");
}
const HOUR = 3600;
const DAY = 24 * HOUR;

function inTwo(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeName}${rest ? ` ${rest} ${smallName}` : ""}`;
}

/** "21 Nov 2026, 17:53 UTC"; what is no moment, as it is. */
export function moment(iso: string): string {
  const date = new Date(iso);
  if (Number.isNaN(date.getTime())) return foreign(iso, 40);
  const [, day, month, year, time] = /^\w+, (\d+) (\w+) (\d+) (\d+:\d+)/.exec(date.toUTCString()) ?? [];
  return `${Number(day)} ${month} ${year}, ${time} UTC`;
}

/** Seconds from one moment to another; none where one is missing. */
export function secondsBetween(from: string | undefined, to: string | undefined): number | undefined {
  const seconds = from && to ? (Date.parse(to) - Date.parse(from)) / 1000 : Number.NaN;
  return seconds >= 0 ? seconds : undefined;
}

export const plural = (count: number, one: string): string => `${count} ${one}${count === 1 ? "" : "s"}`;

/** "dev", "dev and prod", "dev, test and prod". */
export const listed = (names: readonly string[]): string =>
  names.length < 2 ? names.join("") : `${names.slice(0, -1).join(", ")} and ${names.at(-1)}`;

/** "81.3 %" */
export const percent = (share: number): string => `${Math.round(share * 10) / 10} %`;

/** The address of a page; none where it is not one that may be followed. */
export function address(url: string | undefined): string | undefined {
  if (url === undefined || url.length > 2000 || !URL.canParse(url)) return undefined;
  const { protocol, username, password, href } = new URL(url);
  // "https://github.com@elsewhere" reads as another host than it leads to.
  return (protocol === "https:" || protocol === "http:") && !username && !password ? href : undefined;
}

/** Links of a run, the page first. */
export function linksOf({ links, commit }: RunReport): { readonly name: string; readonly url: string }[] {
  return [
    { name: "Report", url: address(links.page) },
    { name: "Console", url: address(links.console) },
    { name: "Commit", url: address(commit.url) },
    { name: "Changes since the last success", url: address(commit.compareUrl) },
  ].flatMap(({ name, url }) => (url ? [{ name, url }] : []));
}

export const shortCommit = (id: string): string => foreign(id).slice(0, 7);

export interface Failure {
  readonly stage: string;
  readonly action: ActionReport;
}

/** The actions that failed, in their order. */
export const failuresOf = ({ stages }: RunReport): Failure[] =>
  stages.flatMap(({ name, actions }) =>
    actions.filter(({ status }) => status === "failed").map((action) => ({ stage: name, action })),
  );

/** Whether a person, and no machine, takes its time. */
export const isApproval = ({ name }: Pick<ActionReport, "name">): boolean => name.startsWith("approve-");

/** What became of a run, in few words after its name: "failed in Build (lint, test)". */
export function headline(run: RunReport): string {
  const { status, stages, releases } = run;
  const at = stages.find((stage) => stage.status === status);
  const inStage = at ? ` in ${named(at.name)}` : "";
  switch (status) {
    case "running":
      return `is${inStage || " on its way"}`;
    case "waiting":
      return `waits for an answer${inStage}`;
    case "superseded":
      return "was superseded by a newer commit";
    case "stopped":
      return successorOf(run) ? "goes on anew, because the pipeline had changed" : `was stopped${inStage}`;
    case "succeeded": {
      const to = environments(releases.filter(({ outcome }) => outcome === "released"));
      const isIdle = releases.length > 0 && releases.every(({ outcome }) => outcome === "unchanged");
      const said = to ? `released to ${to}` : `succeeded${isIdle ? ", with nothing new to release" : ""}`;
      return said + wentBack(run);
    }
    case "failed":
      return failed(run);
  }
}

function failed(run: RunReport): string {
  const failures = failuresOf(run);
  if (failures.length && failures.every(({ action }) => isApproval(action)))
    return `was not approved for ${listed(failures.map(({ action }) => named(action.name.replace("approve-", ""))))}`;
  const [first] = failures;
  const same = failures.filter(({ stage }) => stage === first?.stage);
  // The actions of most stages have the stage's own name.
  const actions = same
    .map(({ action }) => named(action.name))
    .filter((name) => name.toLowerCase() !== first?.stage.toLowerCase());
  const where = first ? ` in ${named(first.stage)}${actions.length ? ` (${actions.join(", ")})` : ""}` : "";
  return `failed${where}${wentBack(run)}`;
}

function wentBack({ releases }: RunReport): string {
  const back = environments(releases.filter(({ outcome }) => outcome === "brought-back"));
  return back && `; ${back} went back to the version before`;
}

const environments = (of: readonly { readonly environment: string }[]) =>
  listed(of.map(({ environment }) => named(environment)));

/** Whether a run's reason stands already with the action that it is of. */
export const isToldByAction = (run: RunReport): boolean =>
  failuresOf(run).some(({ action: { summary } }) => summary && (run.reason ?? summary).endsWith(summary));

/** Why a run did not succeed, on one line; none where its headline says all. */
export function reasonOf(run: RunReport): string | undefined {
  if (run.status === "succeeded" || successorOf(run)) return undefined;
  const [first] = failuresOf(run);
  // Of a build that failed, CodePipeline knows the command alone.
  if (run.tests?.failed && first && !isApproval(first.action))
    return `${plural(run.tests.failed, "test")} failed`;
  // Which action it was, the headline has said.
  const said = first?.action.summary ?? run.reason;
  return said?.trim() ? foreign(said, 400) : undefined;
}

const TOOK: Readonly<Record<StepStatus, string>> = {
  "not-started": "not begun",
  running: "runs",
  waiting: "waits for an answer",
  succeeded: "",
  failed: "failed after",
  stopped: "stopped after",
  skipped: "skipped",
};

/** How a stage or an action came out: "4 min 10 s, usually 3 min 50 s", "failed after 2 s", "skipped". */
export function outcome({
  status,
  seconds,
  medianSeconds,
}: Pick<StageReport, "status" | "seconds" | "medianSeconds">): string {
  const word = TOOK[status];
  if (seconds === undefined || status === "skipped" || status === "not-started")
    return word.replace(" after", "") || status;
  const usually = medianSeconds === undefined ? "" : `, usually ${duration(medianSeconds)}`;
  const after = status === "running" || status === "waiting" ? `${word} for` : word;
  return `${after} ${duration(seconds)}${usually}`.trim();
}

/** "118 passed, 2 failed, 1 skipped" */
export const testsText = ({ passed, failed, skipped }: NonNullable<RunReport["tests"]>): string =>
  `${passed} passed, ${failed} failed, ${skipped} skipped`;

/** "81.3 % of lines, 0.4 points less than before" */
export function coverageText({ lines, linesBefore }: NonNullable<RunReport["coverage"]>): string {
  if (linesBefore === undefined) return `${percent(lines)} of lines`;
  const points = Math.round((lines - linesBefore) * 10) / 10;
  const change = points
    ? `${Math.abs(points)} point${Math.abs(points) === 1 ? "" : "s"} ${points > 0 ? "more than" : "less than"} before`
    : "as before";
  return `${percent(lines)} of lines, ${change}`;
}

/** What each risk of a review means. */
const RISKS: Readonly<Record<string, string>> = {
  delete: "something is destroyed",
  replace: "something is destroyed and made anew",
  forget: "something stays, and Terraform no longer knows of it",
  access: "somebody may do more than before",
  network: "something can be reached from more places than before",
  release: "the apply itself moves traffic, or reaches the version that serves",
  drift: "something was changed by hand",
  check: "a check fails",
  deferred: "a part of it is put off to a later plan",
  errored: "Terraform failed on its way",
  unknown: "an action that the review does not know",
};

/** "delete: something is destroyed" */
export const riskText = (risk: string): string =>
  Object.hasOwn(RISKS, risk) ? `${risk}: ${RISKS[risk]}` : foreign(risk, 40);

export const RELEASE_WORDS = {
  released: "released",
  unchanged: "nothing new to release",
  failed: "the release failed",
  "brought-back": "went back to the version before",
} as const;

/** What is beyond the first few is counted. */
export function few<T>(all: readonly T[], most: number, rest: (count: number) => T): T[] {
  return all.length <= most ? [...all] : [...all.slice(0, most), rest(all.length - most)];
}
