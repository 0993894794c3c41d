import { readFileSync, statSync } from "node:fs";
import { ask } from "../functions/client";
import { type ArtifactSpec, PhaseFailure, type ReportSpec } from "./buildspec";
import { collectFiles } from "./files";
import type { BuildLog } from "./log";
import {
  type FileCoverage,
  FORMATS,
  type ReportFormat,
  type TestResult,
  type TestStatus,
  UnreadableReport,
} from "./report-formats";
import type { ServiceRole } from "./role";
import type { ZipEntry } from "./zip";

/** More cases than this are not kept, and those that failed count more. */
const MOST_TEST_CASES = 500;
/** Of names and messages, in characters. */
const LONGEST_TEXT = 10_000;
/** Of a report's files together: more would keep Local AWS busy for long. */
const MOST_BYTES = 16_000_000;

export interface ReporterProps {
  /** Name of the build's project. */
  readonly project: string;
  /** ARN of the build. */
  readonly build: string;
  readonly role: Pick<ServiceRole, "environment">;
  readonly log: Pick<BuildLog, "say" | "masked">;
  /** Hears of each report that was begun, by its ARN. */
  readonly begun: (report: string) => void;
}

/** What is told of a report, in the fields of the operations that it is told by. */
interface Findings {
  readonly operation: "BatchPutTestCases" | "BatchPutCodeCoverages";
  readonly content: object;
  readonly summary: object;
}

/**
 * Makes a build's reports, as CodeBuild's agent does: by operations that the build's role must be allowed, though nobody
 * else can call them.
 */
export class Reporter {
  constructor(private readonly props: ReporterProps) {}

  /**
   * @param folder the source's
   * @throws PhaseFailure where a report could not be made; the others are made all the same
   */
  async make(folder: string, reports: readonly ReportSpec[]): Promise<void> {
    const failures: string[] = [];
    for (const report of reports) {
      try {
        await this.makeOne(folder, report);
      } catch (error) {
        if (!(error instanceof ReportFailure)) throw error;
        failures.push(`${report.group}: [${error.message}]`);
      }
    }
    if (failures.length)
      throw new PhaseFailure("CLIENT_ERROR", `Error in UPLOAD_ARTIFACTS phase: [${failures.join(", ")}]`);
  }

  private async makeOne(folder: string, report: ReportSpec): Promise<void> {
    const { type } = FORMATS[report.format];
    const group = report.group.startsWith("arn:") ? report.group : await this.createGroup(report.group, type);
    const created = await this.call("creating report", "CreateReport", {
      resourceArn: group,
      executionId: this.props.build,
      type,
    });
    const { arn } = created.report as { arn: string };
    this.props.begun(arn);
    const own = { resourceArn: group, reportArn: arn };
    const update = (fields: object) => this.call("updating report", "UpdateReport", { ...own, ...fields });
    try {
      const files = reportFiles(folder, report.artifact);
      this.props.log.say(`Found ${files.length} report file(s) of ${report.format}`);
      const { operation, content, summary } = this.findings(files, report.format);
      await this.call("filling report", operation, { ...own, ...content });
      await update(summary);
    } catch (error) {
      await update({ status: "INCOMPLETE" });
      if (!(error instanceof UnreadableReport)) throw error;
      this.props.log.say(`Report ${arn} is INCOMPLETE: ${error.message}`);
    }
  }

  private findings(files: readonly ZipEntry[], format: ReportFormat): Findings {
    if (format === "JUNITXML") return this.tests(files);
    const { read } = FORMATS[format];
    const codeCoverages = files.flatMap((file) => readAll(file, read)).map(describeCoverage);
    const { filePath: _, ...codeCoverageSummary } = describeCoverage(totalOf(codeCoverages));
    return {
      operation: "BatchPutCodeCoverages",
      content: { codeCoverages },
      summary: { status: "SUCCEEDED", truncated: false, codeCoverageSummary },
    };
  }

  private tests(files: readonly ZipEntry[]): Findings {
    const results = files.flatMap((file) =>
      readAll(file, FORMATS.JUNITXML.read).map((result) => ({ ...result, path: file.path })),
    );
    const kept = shortened(results);
    const masked = (text: string) => this.props.log.masked(text).slice(0, LONGEST_TEXT);
    return {
      operation: "BatchPutTestCases",
      content: {
        testCases: kept.map(({ name, prefix, suite, status, path, nanoseconds, message }) => ({
          name: masked(name),
          prefix: masked(prefix),
          testSuiteName: masked(suite),
          testRawDataPath: path,
          status,
          durationInNanoSeconds: nanoseconds,
          message: message && masked(message),
        })),
      },
      summary: {
        status: results.some(isBad) ? "FAILED" : "SUCCEEDED",
        truncated: kept.length < results.length,
        testSummary: summaryOf(results),
      },
    };
  }

  /** @returns the ARN of a group of the project's own, which may be there already */
  private async createGroup(name: string, type: string): Promise<string> {
    const { project, build } = this.props;
    const full = `${project}-${name}`;
    const input = { name: full, type, exportConfig: { exportConfigType: "NO_EXPORT" } };
    await this.call("creating report group", "CreateReportGroup", input, "ResourceAlreadyExistsException");
    return `${build.split(":build/")[0]}:report-group/${full}`;
  }

  /** @param accepted an error that is none here */
  private async call(what: string, operation: string, input: object, accepted?: string) {
    const { AWS_ENDPOINT_URL, AWS_REGION, AWS_ACCESS_KEY_ID } = this.props.role.environment;
    const caller = {
      endpoint: AWS_ENDPOINT_URL ?? "",
      region: AWS_REGION ?? "",
      accessKey: AWS_ACCESS_KEY_ID ?? "",
    };
    const response = await ask(caller, "codebuild", "/", {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": `CodeBuild_20161006.${operation}`,
      },
      body: JSON.stringify(input),
    });
    const answer = (await response.json()) as Record<string, unknown>;
    const { __type: code, message, Message } = answer;
    if (!response.ok && code !== accepted)
      throw new ReportFailure(`error ${what}: ${code}: ${message ?? Message}`);
    return answer;
  }
}

/** Why there is no report, or an incomplete one, in CodeBuild's words. */
class ReportFailure extends Error {}

function reportFiles(folder: string, artifact: ArtifactSpec): ZipEntry[] {
  let files: ZipEntry[];
  try {
    files = collectFiles(folder, artifact);
  } catch (error) {
    if (!(error instanceof PhaseFailure)) throw error;
    throw new ReportFailure("report files not found in build");
  }
  const bytes = files.reduce((sum, { file }) => sum + statSync(file).size, 0);
  if (bytes > MOST_BYTES)
    throw new UnreadableReport(`its files have ${bytes} bytes, more than the ${MOST_BYTES} that are read`);
  return files;
}

function readAll<T>({ path, file }: ZipEntry, read: (content: string) => T[]): T[] {
  try {
    return read(readFileSync(file, "utf8"));
  } catch (error) {
    if (!(error instanceof UnreadableReport)) throw error;
    throw new UnreadableReport(`${JSON.stringify(path)}: ${error.message}`);
  }
}

const isBad = ({ status }: TestResult) => status === "FAILED" || status === "ERROR";

function shortened<T extends TestResult>(results: readonly T[]): readonly T[] {
  if (results.length <= MOST_TEST_CASES) return results;
  const others = results.filter((result) => !isBad(result));
  return [...results.filter(isBad), ...others].slice(0, MOST_TEST_CASES);
}

function summaryOf(results: readonly TestResult[]) {
  const statusCounts: Record<TestStatus, number> = {
    SUCCEEDED: 0,
    FAILED: 0,
    ERROR: 0,
    SKIPPED: 0,
    UNKNOWN: 0,
  };
  for (const { status } of results) statusCounts[status]++;
  const durationInNanoSeconds = results.reduce((sum, { nanoseconds }) => sum + nanoseconds, 0);
  return { total: results.length, statusCounts, durationInNanoSeconds };
}

type Counts = Omit<FileCoverage, "file">;

function totalOf(files: readonly Counts[]): FileCoverage {
  const sum = (count: keyof Counts) => files.reduce((total, one) => total + one[count], 0);
  return {
    file: "",
    linesCovered: sum("linesCovered"),
    linesMissed: sum("linesMissed"),
    branchesCovered: sum("branchesCovered"),
    branchesMissed: sum("branchesMissed"),
  };
}

/** As CodeBuild tells it. */
function describeCoverage({ file, ...counts }: FileCoverage) {
  const { linesCovered, linesMissed, branchesCovered, branchesMissed } = counts;
  // Of nothing, nothing is missed.
  const share = (covered: number, missed: number) =>
    covered + missed ? (100 * covered) / (covered + missed) : 100;
  return {
    filePath: file,
    lineCoveragePercentage: share(linesCovered, linesMissed),
    branchCoveragePercentage: share(branchesCovered, branchesMissed),
    ...counts,
  };
}
