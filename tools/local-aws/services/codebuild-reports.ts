import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import { arnIn, inOrder, invalidInput, pageOf, sortOrder } from "./codebuild-project";
import { name, now, type Operation, type operationsOf, Store, smallTags } from "./service";

const exportConfig = z.looseObject({ exportConfigType: z.enum(["S3", "NO_EXPORT"]) });
const type = z.enum(["TEST", "CODE_COVERAGE"]);
const count = z.int().min(0);
const percentage = z.number().min(0).max(100);
const status = z.enum(["GENERATING", "SUCCEEDED", "FAILED", "INCOMPLETE", "DELETING"]);
const arns = z.array(name).min(1).max(100);
const page = z.looseObject({
  nextToken: z.string().optional(),
  maxResults: z.int().min(1).max(100).default(100),
});
const reportList = page.extend({
  sortOrder,
  filter: z.looseObject({ status: status.optional() }).optional(),
});

const testSummary = z.strictObject({
  total: count,
  statusCounts: z.record(z.string(), count),
  durationInNanoSeconds: count,
});
const coverageSummary = z.strictObject({
  lineCoveragePercentage: percentage,
  linesCovered: count,
  linesMissed: count,
  branchCoveragePercentage: percentage,
  branchesCovered: count,
  branchesMissed: count,
});
const testCase = z.strictObject({
  name: z.string(),
  prefix: z.string(),
  testSuiteName: z.string(),
  testRawDataPath: z.string(),
  status: z.enum(["SUCCEEDED", "FAILED", "ERROR", "SKIPPED", "UNKNOWN"]),
  durationInNanoSeconds: count,
  message: z.string().optional(),
});
const fileCoverage = coverageSummary.extend({ filePath: z.string() });

type ReportGroup = Record<string, unknown> & {
  name: string;
  arn: string;
  type: z.output<typeof type>;
  exportConfig: unknown;
};

interface Report {
  readonly arn: string;
  readonly type: z.output<typeof type>;
  readonly name: string;
  readonly reportGroupArn: string;
  readonly executionId: string;
  readonly created: number;
  readonly expired: number;
  readonly exportConfig: unknown;
  status: z.output<typeof status>;
  truncated: boolean;
  testSummary?: z.output<typeof testSummary>;
  codeCoverageSummary?: z.output<typeof coverageSummary>;
}

/** What a report holds. AWS tells it by operations of its own. */
interface Content {
  readonly testCases: z.output<typeof testCase>[];
  readonly coverages: (z.output<typeof fileCoverage> & { readonly id: string })[];
}

/** How long AWS keeps a report. */
const KEPT_SECONDS = 30 * 24 * 60 * 60;

/** CodeBuild's report groups, and the reports that builds put there. */
export function reportOperations(define: ReturnType<typeof operationsOf>): Record<string, Operation> {
  const groups = new Store<ReportGroup>();
  const reports = new Store<Report>();
  const contents = new Map<string, Content>();
  const findGroup = (scope: Scope, arn: string) => {
    const found = groups.in(scope).get(arn);
    if (!found) throw new AwsError("ResourceNotFoundException", `Report group not found: ${arn}`);
    return found;
  };
  const reportsOf = (scope: Scope, group: string) =>
    [...reports.in(scope).values()].filter(({ reportGroupArn }) => reportGroupArn === group);
  const remove = (scope: Scope, report: string) => {
    reports.in(scope).delete(report);
    contents.delete(report);
  };
  const listed = (all: readonly Report[], { filter, sortOrder: order, ...paging }: ReportList) => {
    const asked = all.filter((one) => !filter?.status || one.status === filter.status);
    const { items, nextToken } = pageOf(inOrder(asked, order), paging);
    return { reports: items.map(({ arn }) => arn), nextToken };
  };

  return {
    CreateReportGroup: define(
      z.looseObject({
        name: z.string().min(2).max(128),
        type,
        exportConfig,
        tags: smallTags.default([]),
      }),
      (input, scope) => {
        const arn = arnIn(scope, "report-group", input.name);
        if (groups.in(scope).has(arn))
          throw new AwsError("ResourceAlreadyExistsException", `Report group already exists: ${arn}`);
        const reportGroup = { ...input, arn, created: now(), lastModified: now(), status: "ACTIVE" };
        groups.in(scope).set(arn, reportGroup);
        return { reportGroup };
      },
    ),
    BatchGetReportGroups: define(z.looseObject({ reportGroupArns: arns }), ({ reportGroupArns }, scope) => ({
      reportGroups: reportGroupArns.flatMap((arn) => groups.in(scope).get(arn) ?? []),
      reportGroupsNotFound: reportGroupArns.filter((arn) => !groups.in(scope).has(arn)),
    })),
    UpdateReportGroup: define(
      z.looseObject({ arn: name, exportConfig: exportConfig.optional(), tags: smallTags.optional() }),
      ({ arn, exportConfig, tags }, scope) => {
        const before = findGroup(scope, arn);
        const reportGroup = {
          ...before,
          exportConfig: exportConfig ?? before.exportConfig,
          tags: tags ?? before.tags,
          lastModified: now(),
        };
        groups.in(scope).set(arn, reportGroup);
        return { reportGroup };
      },
    ),
    DeleteReportGroup: define(
      z.looseObject({ arn: name, deleteReports: z.boolean().default(false) }),
      ({ arn, deleteReports }, scope) => {
        const own = reportsOf(scope, arn);
        if (own.length && !deleteReports)
          throw invalidInput(
            `Report group ${arn} has ${own.length} report(s): delete them, or set deleteReports`,
          );
        for (const report of own) remove(scope, report.arn);
        groups.in(scope).delete(arn);
        return {};
      },
    ),
    ListReportGroups: define(z.looseObject({}), (_, scope) => ({
      reportGroups: [...groups.in(scope).keys()].sort(),
    })),
    BatchGetReports: define(z.looseObject({ reportArns: arns }), ({ reportArns }, scope) => ({
      reports: reportArns.flatMap((arn) => reports.in(scope).get(arn) ?? []),
      reportsNotFound: reportArns.filter((arn) => !reports.in(scope).has(arn)),
    })),
    ListReports: define(reportList, (input, scope) => listed([...reports.in(scope).values()], input)),
    ListReportsForReportGroup: define(reportList.extend({ reportGroupArn: name }), (input, scope) => {
      const { reportGroupArn, ...rest } = input;
      findGroup(scope, reportGroupArn);
      return listed(reportsOf(scope, reportGroupArn), rest);
    }),
    // As AWS does: one that is not there counts as deleted.
    DeleteReport: define(z.looseObject({ arn: name }), ({ arn }, scope) => {
      remove(scope, arn);
      return {};
    }),
    DescribeTestCases: define(
      page.extend({
        reportArn: name,
        filter: z.looseObject({ status: z.string().optional(), keyword: z.string().optional() }).optional(),
      }),
      ({ reportArn, filter, ...paging }, scope) => {
        const report = reports.in(scope).get(reportArn);
        if (!report) throw new AwsError("ResourceNotFoundException", `Report not found: ${reportArn}`);
        const { status: wanted, keyword = "" } = filter ?? {};
        const asked = (contents.get(reportArn)?.testCases ?? []).filter(
          (one) =>
            (!wanted || one.status === wanted) &&
            (one.name.includes(keyword) || one.prefix.includes(keyword)),
        );
        const { items, nextToken } = pageOf(asked, paging);
        return { testCases: items.map((one) => ({ ...one, reportArn, expired: report.expired })), nextToken };
      },
    ),
    DescribeCodeCoverages: define(
      page.extend({
        reportArn: name,
        sortOrder,
        sortBy: z.enum(["LINE_COVERAGE_PERCENTAGE", "FILE_PATH"]).default("FILE_PATH"),
        minLineCoveragePercentage: percentage.default(0),
        maxLineCoveragePercentage: percentage.default(100),
      }),
      ({ reportArn, sortBy, sortOrder: order, ...input }, scope) => {
        const report = reports.in(scope).get(reportArn);
        if (!report) throw invalidInput(`Report not found: ${reportArn}`);
        const { minLineCoveragePercentage: least, maxLineCoveragePercentage: most } = input;
        const asked = (contents.get(reportArn)?.coverages ?? []).filter(
          ({ lineCoveragePercentage: share }) => share >= least && share <= most,
        );
        const sorted = asked.sort(
          sortBy === "FILE_PATH"
            ? (a, b) => (a.filePath < b.filePath ? -1 : 1)
            : (a, b) => a.lineCoveragePercentage - b.lineCoveragePercentage,
        );
        const { items, nextToken } = pageOf(order === "DESCENDING" ? sorted.reverse() : sorted, input);
        const expired = report.expired;
        return { codeCoverages: items.map((one) => ({ ...one, reportARN: reportArn, expired })), nextToken };
      },
    ),
    ...buildOperations(define, { findGroup, reports, contents }),
  };
}

type ReportList = z.output<typeof reportList>;

interface Kept {
  findGroup(scope: Scope, arn: string): ReportGroup;
  readonly reports: Store<Report>;
  /** By the report's ARN. */
  readonly contents: Map<string, Content>;
}

/** The group that a role is asked to be allowed an operation on, and a report of it. */
const ownReport = z.strictObject({ resourceArn: name, reportArn: name });

/** What builds alone call, each by its service role. AWS has these operations, and publishes none. */
function buildOperations(
  define: ReturnType<typeof operationsOf>,
  { findGroup, reports, contents }: Kept,
): Record<string, Operation> {
  /** Who may write to a group may not write to the reports of another. */
  const find = (scope: Scope, { resourceArn, reportArn }: z.output<typeof ownReport>) => {
    const report = reports.in(scope).get(reportArn);
    const content = contents.get(reportArn);
    if (report?.reportGroupArn === resourceArn && content) return { report, content };
    throw new AwsError("ResourceNotFoundException", `Report group ${resourceArn} has no report ${reportArn}`);
  };
  return {
    CreateReport: define(
      z.strictObject({ resourceArn: name, executionId: name, type }),
      ({ resourceArn, executionId, type: asked }, scope) => {
        const group = findGroup(scope, resourceArn);
        if (group.type !== asked)
          throw invalidInput(`Report group ${resourceArn} is of type ${group.type}, and not ${asked}`);
        const created = now();
        const report: Report = {
          arn: arnIn(scope, "report", `${group.name}:${randomUUID()}`),
          type: group.type,
          name: group.name,
          reportGroupArn: resourceArn,
          executionId,
          created,
          expired: created + KEPT_SECONDS,
          exportConfig: group.exportConfig,
          status: "GENERATING",
          truncated: false,
        };
        reports.in(scope).set(report.arn, report);
        contents.set(report.arn, { testCases: [], coverages: [] });
        return { report };
      },
    ),
    BatchPutTestCases: define(ownReport.extend({ testCases: z.array(testCase) }), (input, scope) => {
      find(scope, input).content.testCases.push(...input.testCases);
      return {};
    }),
    BatchPutCodeCoverages: define(
      ownReport.extend({ codeCoverages: z.array(fileCoverage) }),
      ({ codeCoverages, ...own }, scope) => {
        const { content } = find(scope, own);
        for (const one of codeCoverages) content.coverages.push({ ...one, id: randomUUID() });
        return {};
      },
    ),
    UpdateReport: define(
      ownReport.extend({
        status,
        truncated: z.boolean().optional(),
        testSummary: testSummary.optional(),
        codeCoverageSummary: coverageSummary.optional(),
      }),
      ({ resourceArn, reportArn, ...changes }, scope) => {
        const { report } = find(scope, { resourceArn, reportArn });
        return { report: Object.assign(report, changes) };
      },
    ),
  };
}
