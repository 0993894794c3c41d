import {
  type ApprovalReport,
  type DriftReport,
  type PlanReport,
  type RunReport,
  verdictOf,
} from "../../../shared/run-report";
import {
  address,
  coverageText,
  duration,
  failuresOf,
  few,
  foreign,
  headline,
  linksOf,
  moment,
  named,
  plural,
  RELEASE_WORDS,
  reasonOf,
  secondsBetween,
  shortCommit,
  testsText,
} from "./words";

/** The body of a webhook as Slack takes it, and others that take Slack's: a text alone, which all of them show. */
export interface ChatMessage {
  readonly text: string;
  /** Whoever follows a report's link to show what is behind it would read the report. */
  readonly unfurl_links: false;
  readonly unfurl_media: false;
}

const SYMBOLS: Readonly<Record<RunReport["status"], string>> = {
  running: "▸",
  waiting: "?",
  succeeded: "✓",
  failed: "✗",
  stopped: "■",
  superseded: "»",
};

const ERRORS = 6;
const REVIEW = 12;

/** How a run ended: the verdict, the lines that say why, and where to read on. */
export function runChat(run: RunReport): ChatMessage {
  const reason = reasonOf(run);
  const seconds = secondsBetween(run.started, run.ended);
  const errors = failuresOf(run).flatMap(({ action }) => action.errors ?? []);
  return message(
    `*${SYMBOLS[verdictOf(run)]} ${titleOf(run)} ${headline(run)}*${seconds === undefined ? "" : `, ${duration(seconds)}`}`,
    commitLine(run),
    ...(reason ? [`> ${code(reason)}`] : []),
    ...(errors.length ? [block(errors.slice(-ERRORS))] : []),
    ...(run.tests ? [`Tests: ${testsText(run.tests)}`] : []),
    ...(run.coverage ? [`Coverage: ${coverageText(run.coverage)}`] : []),
    ...run.releases.map(({ environment, outcome }) => `${named(environment)}: ${RELEASE_WORDS[outcome]}`),
    links(linksOf(run)),
  );
}

/** Asks for an answer. */
export function approvalChat({
  run,
  environment,
  plan,
  sha256,
  expires,
  approvalUrl,
}: ApprovalReport): ChatMessage {
  const to = named(environment);
  return message(
    `*? ${titleOf(run)} asks: deploy ${to}?*`,
    risks(plan),
    code(plan.summary),
    ...(plan.cost === undefined ? [] : [code(plan.cost)]),
    commitLine(run),
    `SHA-256 of the plan: ${code(sha256)}`,
    `Nobody answers by ${moment(expires)}: the run ends there, nothing is deployed to ${to}.`,
    links([
      { name: "Answer", url: address(approvalUrl) },
      { name: "Plan", url: address(plan.reviewUrl) },
      ...linksOf(run),
    ]),
  );
}

/** What differs from what was released. */
export function driftChat({ project, when, environments, failures }: DriftReport): ChatMessage {
  return message(
    `*! ${named(project)}: compared with what was released on ${moment(when)}*`,
    ...failures.map(
      ({ environment, reason }) => `${named(environment)} could not be compared: ${code(reason)}`,
    ),
    ...environments.flatMap(({ environment, summary, review, reviewUrl }) => [
      `${named(environment)} differs: ${code(summary)}`,
      ...(review.length ? [block(few(review, REVIEW, (count) => `and ${plural(count, "line")} more`))] : []),
      links([{ name: `Review of ${named(environment)}`, url: address(reviewUrl) }]),
    ]),
  );
}

const message = (...lines: readonly string[]): ChatMessage => ({
  text: lines.filter(Boolean).join("\n"),
  unfurl_links: false,
  unfurl_media: false,
});

const titleOf = ({ project, pipeline }: RunReport) => `${named(project)}/${named(pipeline)}`;

const commitLine = ({ commit: { id, message, author, branch } }: RunReport) =>
  `${code(shortCommit(id))} ${code(message)} by ${code(author ?? "(unknown)")} on ${code(branch)}`;

const risks = ({ risks }: PlanReport) =>
  risks.length
    ? `*Risks:* ${risks
        .slice(0, 20)
        .map((risk) => code(risk))
        .join(", ")}`
    : "No risks.";

/**
 * A text in which nothing is markup, a mention, a link or an emoji. Of the three characters that Slack wants escaped, "<"
 * begins all that is more than text; a backtick would end the code, and cannot be escaped.
 */
const code = (text: string) => `\`${escaped(foreign(text))}\``;

const block = (lines: readonly string[]) =>
  `\`\`\`\n${lines.map((line) => escaped(foreign(line))).join("\n")}\n\`\`\``;

const escaped = (text: string) =>
  text.replace(/`/g, "'").replace(/[&<>]/g, (found) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;" })[found]!);

const links = (all: readonly { readonly name: string; readonly url: string | undefined }[]) =>
  all
    .flatMap(({ name, url }) =>
      url ? [`<${escaped(url.replace(/[|`<>]/g, encodeURIComponent))}|${name}>`] : [],
    )
    .join(" · ");
