import {
  type ApprovalReport,
  type DriftReport,
  type PlanReport,
  type RunReport,
  successorOf,
} from "../../../shared/run-report";
import { visible } from "../../../shared/visible";
import {
  address,
  coverageText,
  duration,
  failuresOf,
  few,
  foreign,
  headline,
  isToldByAction,
  linksOf,
  listed,
  moment,
  named,
  outcome,
  plural,
  RELEASE_WORDS,
  riskText,
  secondsBetween,
  shortCommit,
  testsText,
} from "./words";

/** A mail as SNS sends it. */
export interface Mail {
  /** Printable ASCII on one line, at most 99 characters. */
  readonly subject: string;
  /** Plain text, at most 20,000 characters. */
  readonly text: string;
}

/** SNS takes "less than 100 characters". */
const SUBJECT = 99;
/** SNS takes 256 KB; nobody reads that much. */
const TEXT = 20_000;
/** What a phone shows in a line or two; of our own words. */
const WIDTH = 72;

const ERRORS = 25;
const FAILURES = 20;
const REVIEW = 80;
const RISKS = 20;

/** How a run ended, or where it is: first why, then what was in it, how long it took, and where to read on. */
export function runMail(run: RunReport): Mail {
  const { reason } = run;
  const successor = successorOf(run);
  return {
    subject: subject(`${titleOf(run)} ${headline(run)}`, run),
    text: text(
      wrapped(`${named(run.project)}: the pipeline ${named(run.pipeline)} ${headline(run)}.`),
      reason && !successor && !isToldByAction(run) ? [quoted(reason, 400)] : [],
      successor
        ? wrapped(`It had brought itself up to date. The same change is released by ${named(successor)}.`)
        : [],
      errorSections(run),
      commitSection(run),
      section("Plans", run.plans.flatMap(planLines)),
      section(
        "Releases",
        run.releases.flatMap(({ environment, outcome, lines }) => [
          `  ${named(environment)}: ${RELEASE_WORDS[outcome]}`,
          ...few(lines, ERRORS, (count) => `and ${plural(count, "line")} more`).map((line) => quoted(line)),
        ]),
      ),
      timeSection(run),
      testsSection(run),
      linkSection(run),
    ),
  };
}

/** Asks for an answer: the risks first, what exactly is approved, and what becomes of it where nobody answers. */
export function approvalMail({ run, environment, plan, sha256, expires, approvalUrl }: ApprovalReport): Mail {
  const to = named(environment);
  const review = address(plan.reviewUrl);
  return {
    subject: subject(`${titleOf(run)} asks: deploy ${to}?${risksInShort(plan)}`, run),
    text: text(
      wrapped(
        `${named(run.project)}: the pipeline ${named(run.pipeline)} waits for an answer before it deploys to ${to}.`,
      ),
      section("The plan", [
        ...planText(plan),
        ...(review ? ["  What it means in full:", `  ${review}`] : []),
      ]),
      section("How to answer", [
        "  Open this, read the plan, and approve or reject:",
        `  ${address(approvalUrl) ?? "the pipeline in the console"}`,
        "  Approved is the plan with this SHA-256, and no other:",
        `  ${named(sha256)}`,
        ...wrapped(
          `Nobody answers by ${moment(expires)}: the run ends there, nothing is deployed to ${to}.`,
          "  ",
        ),
      ]),
      commitSection(run),
      testsSection(run),
      linkSection(run),
    ),
  };
}

/** What differs from what was released, and what could not be compared. */
export function driftMail({ project, when, environments, failures }: DriftReport): Mail {
  const news = [
    environments.length &&
      `${namesOf(environments)} ${environments.length === 1 ? "differs" : "differ"} from what was released`,
    failures.length && `${namesOf(failures)} could not be compared`,
  ].filter(Boolean);
  const said = news.join("; ") || "nothing differs from what was released";
  return {
    subject: ascii(`${named(project)}: ${said}`),
    text: text(
      wrapped(`${named(project)}: ${said}. Compared on ${moment(when)}.`),
      ...failures.map(({ environment, reason }) =>
        section(`${named(environment)} could not be compared`, [quoted(reason, 400)]),
      ),
      ...environments.map(({ environment, summary, review, reviewUrl }) => {
        const url = address(reviewUrl);
        return section(`${named(environment)} differs`, [
          quoted(summary),
          ...few(review, REVIEW, (count) => `and ${plural(count, "line")} more`).map((line) => quoted(line)),
          ...(url ? ["  In full:", `  ${url}`] : []),
        ]);
      }),
      environments.length
        ? section("What to do", [
            ...wrapped(
              "The next deployment of an environment undoes what was changed there by hand. To keep it, write it into the code first.",
              "  ",
            ),
          ])
        : [],
    ),
  };
}

const namesOf = (all: readonly { readonly environment: string }[]) =>
  listed(all.map(({ environment }) => named(environment)));

const titleOf = ({ project, pipeline }: RunReport) => `${named(project)}/${named(pipeline)}`;

const risksInShort = ({ risks }: PlanReport) =>
  risks.length ? ` Risks: ${risks.map((risk) => foreign(risk, 20)).join(", ")}` : "";

function subject(said: string, { commit }: RunReport): string {
  return ascii(`${said} - ${shortCommit(commit.id)} ${foreign(commit.message)}`);
}

/** Printable ASCII that fits. Letters lose their accents; of others a question mark is left. */
function ascii(text: string): string {
  const plain = visible(text)
    .normalize("NFKD")
    .replace(/\p{M}/gu, "")
    .replace(/[\u2018\u2019]/g, "'")
    .replace(/…/g, "...")
    .replace(/[^ -~]+/g, "?")
    // "=?utf-8?Q?…?=" would be read as other characters (RFC 2047).
    .replace(/=\?/g, "= ?");
  return (plain.length <= SUBJECT ? plain : `${plain.slice(0, SUBJECT - 3)}...`).trim();
}

/** Parts, with an empty line between them; what is too long is cut at the end of a line. */
function text(...parts: readonly (readonly string[])[]): string {
  const whole = `${parts
    .filter((part) => part.length)
    .map((part) => part.join("\n"))
    .join("\n\n")}\n`;
  if (whole.length <= TEXT) return whole;
  const note = "\n(The rest is left out: the report has it.)\n";
  return whole.slice(0, whole.lastIndexOf("\n", TEXT - note.length)) + note;
}

const section = (title: string, lines: readonly string[]) => (lines.length ? [title, ...lines] : []);

/** A line of somebody else: it begins as none of ours does, and it has no end but its own. */
const quoted = (line: string, most?: number) => `  | ${foreign(line, most)}`;

/** Our own words, in lines for a phone. */
function wrapped(words: string, indent = ""): string[] {
  const lines: string[] = [];
  for (const word of words.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= WIDTH) lines[lines.length - 1] += ` ${word}`;
    else lines.push(indent + word);
  }
  return lines;
}

/** The lines of the actions that failed, each action by itself. */
const errorSections = (run: RunReport): string[] =>
  few(
    failuresOf(run).map(({ stage, action: { name, summary, errors = [] } }) => [
      `${named(stage)}, ${named(name)}:`,
      ...(summary ? [quoted(summary, 400)] : []),
      ...errors.slice(-ERRORS).map((line) => quoted(line)),
    ]),
    4,
    (count) => [`${plural(count, "action")} more failed.`],
  )
    // An action of which nothing is known is in the headline.
    .filter((lines) => lines.length > 1 || lines[0]!.endsWith("."))
    .flatMap((lines, index) => (index ? ["", ...lines] : lines));

function commitSection({ commit }: RunReport): string[] {
  const { id, branch, message, author, when } = commit;
  return section("Commit", [
    `  ${shortCommit(id)}${when ? ` of ${moment(when)}` : ""}`,
    quoted(message),
    `  by:     ${author === undefined ? "(unknown)" : foreign(author, 60)}`,
    `  branch: ${foreign(branch, 60)}`,
  ]);
}

const planLines = ({ environment, risks, summary, cost }: PlanReport): string[] => [
  ...wrapped(
    `${named(environment)}: ${
      risks.length
        ? `risks ${risks
            .slice(0, RISKS)
            .map((risk) => foreign(risk, 20))
            .join(", ")}`
        : "no risks"
    }`,
    "  ",
  ),
  quoted(summary),
  ...(cost === undefined ? [] : [quoted(cost)]),
];

const planText = ({ risks, summary, cost }: PlanReport): string[] => [
  risks.length ? "  Risks:" : "  No risks.",
  ...risks.slice(0, RISKS).map((risk) => `  - ${riskText(risk)}`),
  quoted(summary),
  ...(cost === undefined ? [] : [quoted(cost)]),
];

function timeSection({ stages, started, ended }: RunReport): string[] {
  const all = secondsBetween(started, ended);
  const isBegun = ({ status }: { readonly status: string }) => status !== "not-started";
  const waiting = stages.filter((stage) => !isBegun(stage)).map(({ name }) => named(name));
  return section(all === undefined ? "Time" : `Time: ${duration(all)} in all`, [
    ...stages.filter(isBegun).flatMap((stage) => [
      `  ${named(stage.name)} ${outcome(stage)}`,
      // Where there is one, the stage's line is its line.
      ...(stage.actions.length > 1
        ? stage.actions.map((action) => `    ${named(action.name)} ${outcome(action)}`)
        : []),
    ]),
    ...(waiting.length ? wrapped(`Not begun: ${waiting.join(", ")}`, "  ") : []),
  ]);
}

function testsSection({ tests, coverage }: RunReport): string[] {
  return section("Tests", [
    ...(tests
      ? [
          `  ${testsText(tests)}`,
          ...tests.failures
            .slice(0, FAILURES)
            .flatMap(({ name, message }) => [
              quoted(name),
              ...(message === undefined ? [] : [`  |   ${foreign(message)}`]),
            ]),
        ]
      : []),
    ...(coverage ? [`  Coverage: ${coverageText(coverage)}`] : []),
  ]);
}

const linkSection = (run: RunReport): string[] =>
  section(
    "Links",
    linksOf(run).flatMap(({ name, url }) => [`  ${name}:`, `  ${url}`]),
  );
