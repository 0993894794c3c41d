import { type CloudWatchLogsClient, GetLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  BatchGetBuildsCommand,
  BatchGetReportsCommand,
  type Build,
  type CodeBuildClient,
  DescribeTestCasesCommand,
  type Report,
} from "@aws-sdk/client-codebuild";
import { inParallel } from "../../shared/parallel";
import type { TestsReport } from "../../shared/run-report";
import { shortened } from "../../shared/visible";
import type { Redaction } from "./redact";

export interface BuildClients {
  readonly codebuild: Pick<CodeBuildClient, "send">;
  readonly logs: Pick<CloudWatchLogsClient, "send">;
}

/** What one request describes at most. */
const DESCRIBED_AT_ONCE = 100;
/** CloudWatch takes 25 such requests a second from an account. */
const LOGS_AT_ONCE = 4;
/** So much of a log's end is read: what is left of it without noise may be less. */
const LINES_READ = 400;
/** A page of a log may be empty, though there is more. */
const PAGES_READ = 4;
const LONGEST_LINE = 300;
const LONGEST_NAME = 200;

const TAIL = 40;
const ERRORS = 25;
const FAILURES = 20;

/** The end of a build's log, without credentials and noise. */
export interface Log {
  readonly tail: readonly string[];
  /** Where it failed, the lines that say why. */
  readonly errors: readonly string[];
  /** All that was read of it, however long. */
  readonly lines: readonly string[];
}

/** Builds by their id. */
export async function readBuilds(
  { codebuild }: BuildClients,
  ids: readonly string[],
): Promise<Map<string, Build>> {
  const builds = new Map<string, Build>();
  for (let first = 0; first < ids.length; first += DESCRIBED_AT_ONCE) {
    const command = new BatchGetBuildsCommand({ ids: ids.slice(first, first + DESCRIBED_AT_ONCE) });
    for (const build of (await codebuild.send(command)).builds ?? []) builds.set(build.id ?? "", build);
  }
  return builds;
}

/** The logs of builds, by the build's id. */
export async function readLogs(
  clients: BuildClients,
  builds: ReadonlyMap<string, Build>,
  redaction: Redaction,
): Promise<Map<string, Log>> {
  const logs = await inParallel([...builds], LOGS_AT_ONCE, async ([id, { logs }]) => {
    const text = await readEnd(clients, logs?.groupName, logs?.streamName);
    const lines = redaction.lines(text).filter((line) => !NOISE.test(line));
    const last = (count: number) => lines.slice(-count).map((line) => shortened(line, LONGEST_LINE));
    return [id, { lines, tail: last(TAIL), errors: last(ERRORS) }] as const;
  });
  return new Map(logs);
}

/** What CodeBuild says of its own, what npm says of the scripts that it runs, and blank lines. */
const NOISE =
  /^(?:\[Container\] .*|> (?!\d+ [|│])\S.*|npm (?:error|ERR!) (?:code|path|workspace|location|command|Lifecycle script|errno|A complete log|[\w/.:-]*_logs\/).*|npm notice.*|npm warn.*|\s*)$/;

/** The end of a stream; nothing of one that is not there: a build that has not begun has none. */
async function readEnd({ logs }: BuildClients, group = "", stream = ""): Promise<string> {
  if (!group || !stream) return "";
  let [text, count] = ["", 0];
  let nextToken: string | undefined;
  try {
    for (let page = 0; page < PAGES_READ && count < LINES_READ; page++) {
      const { events = [], nextBackwardToken } = await logs.send(
        new GetLogEventsCommand({
          logGroupName: group,
          logStreamName: stream,
          startFromHead: false,
          limit: LINES_READ,
          nextToken,
        }),
      );
      // One event may be several lines, or one with its line break.
      text = events.map(({ message = "" }) => `${message.replace(/\r?\n$/, "")}\n`).join("") + text;
      count += events.length;
      if (!nextBackwardToken || nextBackwardToken === nextToken) break;
      nextToken = nextBackwardToken;
    }
  } catch (error) {
    if ((error as Error).name !== "ResourceNotFoundException") throw error;
  }
  return text;
}

/** What the reports of builds say of tests and of coverage. */
export async function readTests(
  { codebuild }: BuildClients,
  builds: Iterable<Build>,
  redaction: Redaction,
): Promise<{ readonly tests?: TestsReport; readonly lines?: number }> {
  const arns = [...builds].flatMap(({ reportArns = [] }) => reportArns);
  const reports: Report[] = [];
  for (let first = 0; first < arns.length; first += DESCRIBED_AT_ONCE) {
    const command = new BatchGetReportsCommand({ reportArns: arns.slice(first, first + DESCRIBED_AT_ONCE) });
    reports.push(...((await codebuild.send(command)).reports ?? []));
  }
  return { tests: await testsOf(codebuild, reports, redaction), lines: linesOf(reports) };
}

async function testsOf(
  codebuild: BuildClients["codebuild"],
  reports: readonly Report[],
  redaction: Redaction,
): Promise<TestsReport | undefined> {
  const summed = reports.filter(({ testSummary }) => testSummary);
  if (!summed.length) return undefined;
  const count = (...statuses: readonly string[]) =>
    summed
      .flatMap(({ testSummary }) => statuses.map((status) => testSummary?.statusCounts?.[status] ?? 0))
      .reduce((sum, one) => sum + one, 0);
  const failures: TestsReport["failures"][number][] = [];
  for (const { arn: reportArn, testSummary } of summed) {
    for (const status of NOT_PASSED) {
      if (!testSummary?.statusCounts?.[status] || failures.length >= FAILURES) continue;
      const command = new DescribeTestCasesCommand({ reportArn, filter: { status }, maxResults: FAILURES });
      for (const { name = "", message } of (await codebuild.send(command)).testCases ?? [])
        failures.push({
          name: redaction.line(name, LONGEST_NAME),
          ...(message?.trim() && { message: redaction.line(message, LONGEST_LINE) }),
        });
    }
  }
  return {
    passed: count("SUCCEEDED"),
    failed: count(...NOT_PASSED),
    skipped: count("SKIPPED"),
    failures: failures.slice(0, FAILURES),
  };
}

const NOT_PASSED = ["FAILED", "ERROR"];

/** Share of lines that are covered, over all reports; 0 to 100. */
function linesOf(reports: readonly Report[]): number | undefined {
  let [covered, all] = [0, 0];
  for (const { codeCoverageSummary: summary } of reports) {
    covered += summary?.linesCovered ?? 0;
    all += (summary?.linesCovered ?? 0) + (summary?.linesMissed ?? 0);
  }
  return all ? Math.round((10_000 * covered) / all) / 100 : undefined;
}
