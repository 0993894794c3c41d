import { Bed, BUILD } from "./upstream";

let bed: Bed;
beforeEach(async () => {
  bed = await new Bed().start();
  bed.upstream = ({ headers }, response, body) => {
    const target = String(headers["x-amz-target"] ?? "");
    if (target.endsWith("PutLogEvents")) logged += body.toString();
    if (target || !body.includes("AssumeRole")) return response.end("{}");
    const given =
      "<AccessKeyId>ASIABUILD</AccessKeyId><SecretAccessKey>key-of-build</SecretAccessKey><SessionToken>token-of-build</SessionToken>";
    const user = `<AssumedRoleUser><Arn>arn:aws:sts::${BUILD}:assumed-role/build/b</Arn></AssumedRoleUser>`;
    response.setHeader("content-type", "text/xml");
    return response.end(
      `<AssumeRoleResponse><AssumeRoleResult><Credentials>${given}</Credentials>${user}</AssumeRoleResult></AssumeRoleResponse>`,
    );
  };
  logged = "";
});
afterEach(() => bed.stop());

let logged: string;
const call = async (operation: string, input: unknown) =>
  (await bed.call(`CodeBuild_20161006.${operation}`, input)).content;
const groupArn = (name: string) => `arn:aws:codebuild:eu-west-1:${BUILD}:report-group/${name}`;
const createGroup = (name: string, type = "TEST") =>
  call("CreateReportGroup", { name, type, exportConfig: { exportConfigType: "NO_EXPORT" } });

interface Build extends Record<string, unknown> {
  readonly id: string;
  readonly arn: string;
  readonly buildStatus: string;
  readonly reportArns: string[];
  readonly phases: { readonly phaseType: string; readonly contexts?: { readonly message: string }[] }[];
}

interface Phases {
  readonly build: readonly string[];
  readonly install?: readonly string[];
}

interface Changes {
  /** The project's. @default "web" */
  readonly name?: string;
  readonly artifacts?: object;
}

/** Runs a build that makes reports, to its end. */
async function run(reports: object, { build, install = [] }: Phases, changes: Changes = {}): Promise<Build> {
  const { name = "web" } = changes;
  const buildspec = JSON.stringify({
    version: 0.2,
    phases: { install: { commands: install }, build: { commands: build } },
    reports,
  });
  await call("CreateProject", {
    name,
    serviceRole: `arn:aws:iam::${BUILD}:role/build`,
    source: { type: "NO_SOURCE", buildspec },
    artifacts: { type: "NO_ARTIFACTS" },
    environment: { type: "LINUX_CONTAINER", image: "standard:7.0", computeType: "BUILD_GENERAL1_SMALL" },
    ...changes,
  });
  const { build: started } = await call("StartBuild", { projectName: name });
  for (;;) {
    const { builds } = await call("BatchGetBuilds", { ids: [(started as Build).id] });
    const [found] = builds as Build[];
    if (found?.buildComplete) return found;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** A command that writes a file. */
const write = (file: string, text: string) =>
  `mkdir -p "$(dirname ${file})" && printf %s '${text}' > ${file}`;
const junit = (cases: string) => `<testsuites><testsuite name="sums">${cases}</testsuite></testsuites>`;
const PASSED = '<testcase classname="sums" name="adds" time="0.5"/>';
const FAILED = '<testcase classname="sums" name="divides" time="1"><failure>by zero</failure></testcase>';
const reportsOf = async ({ reportArns }: Build) =>
  (await call("BatchGetReports", { reportArns })).reports as Record<string, unknown>[];
const uploadOf = ({ phases }: Build) =>
  phases.find(({ phaseType }) => phaseType === "UPLOAD_ARTIFACTS")?.contexts?.[0]?.message;
const tests = { unit: { files: ["*.xml"], "base-directory": "out" } };

test("the results of tests that failed are told, of a build that failed by them", async () => {
  const build = await run(tests, { build: [write("out/unit.xml", junit(PASSED + FAILED)), "false"] });
  expect([build.buildStatus, uploadOf(build)]).toEqual(["FAILED", ""]);
  const [reportArn = ""] = build.reportArns;
  expect(reportArn).toMatch(
    new RegExp(`^arn:aws:codebuild:eu-west-1:${BUILD}:report/web-unit:[0-9a-f-]{36}$`),
  );
  const [report] = await reportsOf(build);
  expect(report).toEqual({
    arn: reportArn,
    type: "TEST",
    name: "web-unit",
    reportGroupArn: groupArn("web-unit"),
    executionId: build.arn,
    status: "FAILED",
    created: expect.any(Number),
    expired: expect.any(Number),
    exportConfig: { exportConfigType: "NO_EXPORT" },
    truncated: false,
    testSummary: {
      total: 2,
      statusCounts: { SUCCEEDED: 1, FAILED: 1, ERROR: 0, SKIPPED: 0, UNKNOWN: 0 },
      durationInNanoSeconds: 1_500_000_000,
    },
  });
  const { testCases } = await call("DescribeTestCases", { reportArn });
  expect(testCases).toEqual([
    {
      reportArn,
      testRawDataPath: "unit.xml",
      prefix: "sums",
      name: "adds",
      status: "SUCCEEDED",
      durationInNanoSeconds: 500_000_000,
      testSuiteName: "sums",
      expired: report?.expired,
    },
    expect.objectContaining({ name: "divides", status: "FAILED", message: "by zero" }),
  ]);
  const only = async (filter: object) =>
    ((await call("DescribeTestCases", { reportArn, filter })).testCases as { name: string }[]).map(
      ({ name }) => name,
    );
  expect([await only({ status: "FAILED" }), await only({ keyword: "add" })]).toEqual([["divides"], ["adds"]]);
});

test("test cases come page by page", async () => {
  const build = await run(tests, { build: [write("out/unit.xml", junit(PASSED + FAILED))] });
  const [reportArn] = build.reportArns;
  const first = await call("DescribeTestCases", { reportArn, maxResults: 1 });
  const second = await call("DescribeTestCases", { reportArn, maxResults: 1, nextToken: first.nextToken });
  expect([first.testCases, second]).toEqual([
    [expect.objectContaining({ name: "adds" })],
    { testCases: [expect.objectContaining({ name: "divides" })] },
  ]);
});

test("of more than 500 cases those that failed are kept", async () => {
  const build = await run(tests, { build: [write("out/unit.xml", junit(PASSED.repeat(600) + FAILED))] });
  const [report] = await reportsOf(build);
  expect(report).toMatchObject({ truncated: true, testSummary: { total: 601 } });
  const { testCases } = await call("DescribeTestCases", { reportArn: report?.arn });
  expect(testCases).toMatchObject([{ name: "divides" }, ...Array(99).fill({ name: "adds" })]);
});

test("coverage is told of each file and of all, and can be sorted and narrowed down", async () => {
  const file = (path: string, ...counts: number[]) =>
    `<file path="${path}">${counts.map((count, index) => `<line num="${index}" count="${count}"/>`).join("")}</file>`;
  const xml = `<coverage><project>${file("b.ts", 1, 1)}${file("a.ts", 1, 0)}</project></coverage>`;
  await createGroup("covered", "CODE_COVERAGE");
  const reports = { [groupArn("covered")]: { files: ["clover.xml"], "file-format": "CloverXml" } };
  const build = await run(reports, { build: [write("clover.xml", xml)] });
  const [report] = await reportsOf(build);
  const branches = { branchCoveragePercentage: 100, branchesCovered: 0, branchesMissed: 0 };
  expect([build.buildStatus, report]).toMatchObject([
    "SUCCEEDED",
    {
      type: "CODE_COVERAGE",
      name: "covered",
      status: "SUCCEEDED",
      codeCoverageSummary: { lineCoveragePercentage: 75, linesCovered: 3, linesMissed: 1, ...branches },
    },
  ]);
  const reportArn = report?.arn;
  const files = async (input: object) =>
    (await call("DescribeCodeCoverages", { reportArn, ...input })).codeCoverages as { filePath: string }[];
  expect(await files({})).toMatchObject([
    { reportARN: reportArn, filePath: "a.ts", lineCoveragePercentage: 50, linesCovered: 1, linesMissed: 1 },
    { filePath: "b.ts", lineCoveragePercentage: 100 },
  ]);
  const best = { sortBy: "LINE_COVERAGE_PERCENTAGE", sortOrder: "DESCENDING" };
  expect((await files(best)).map(({ filePath }) => filePath)).toEqual(["b.ts", "a.ts"]);
  expect(await files({ maxLineCoveragePercentage: 60 })).toMatchObject([{ filePath: "a.ts" }]);
});

test("a group's reports are listed by what became of them, and deleted", async () => {
  await createGroup("shared");
  const reports = { [groupArn("shared")]: { files: ["unit.xml"] } };
  const good = await run(reports, { build: [write("unit.xml", junit(PASSED))] });
  const bad = await run(reports, { build: [write("unit.xml", junit(FAILED))] }, { name: "app" });
  const group = { reportGroupArn: groupArn("shared") };
  const [first, second] = [good.reportArns[0], bad.reportArns[0]];
  expect((await call("ListReportsForReportGroup", group)).reports).toEqual([second, first]);
  const failed = { filter: { status: "FAILED" } };
  expect((await call("ListReportsForReportGroup", { ...group, ...failed })).reports).toEqual([second]);
  expect(await call("DeleteReportGroup", { arn: group.reportGroupArn })).toMatchObject({
    __type: "InvalidInputException",
    message: expect.stringContaining("2 report(s)"),
  });
  await call("DeleteReport", { arn: first });
  expect(await call("BatchGetReports", { reportArns: [first, second] })).toMatchObject({
    reports: [{ arn: second }],
    reportsNotFound: [first],
  });
  await call("DeleteReportGroup", { arn: group.reportGroupArn, deleteReports: true });
  expect(await call("ListReports", {})).toEqual({ reports: [] });
});

test("an artifact that is missing keeps no report away", async () => {
  const artifacts = { type: "S3", location: "artifacts" };
  const build = await run(tests, { build: [write("out/unit.xml", junit(FAILED)), "false"] }, { artifacts });
  expect(await reportsOf(build)).toMatchObject([{ status: "FAILED" }]);
});

test("a build that does not come to its artifacts makes no report", async () => {
  const build = await run(tests, { install: [write("out/unit.xml", junit(PASSED)), "false"], build: [] });
  expect([build.buildStatus, build.reportArns]).toEqual(["FAILED", []]);
});

describe("a report that cannot be made", () => {
  test.each<[string, object, string]>([
    ["whose files are not there", tests, "unit: [report files not found in build]"],
    [
      "whose group is not there",
      { [groupArn("none")]: { files: ["*"] } },
      `${groupArn("none")}: [error creating report: ResourceNotFoundException: Report group not found: ${groupArn("none")}]`,
    ],
    [
      "whose group is for something else",
      { [groupArn("covered")]: { files: ["*"] } },
      `${groupArn("covered")}: [error creating report: InvalidInputException: Report group ${groupArn("covered")} is of type CODE_COVERAGE, and not TEST]`,
    ],
  ])("fails the build, but keeps no other report away: one %s", async (_, reports, message) => {
    await createGroup("covered", "CODE_COVERAGE");
    const other = { other: { files: ["other.xml"] } };
    const build = await run({ ...reports, ...other }, { build: [write("other.xml", junit(PASSED))] });
    expect([build.buildStatus, uploadOf(build)]).toEqual([
      "FAILED",
      `Error in UPLOAD_ARTIFACTS phase: [${message}]`,
    ]);
    const made = await reportsOf(build);
    expect(made.at(-1)).toMatchObject({ name: "web-other", status: "SUCCEEDED" });
    expect(made.slice(0, -1).map(({ status }) => status)).toEqual(reports === tests ? ["INCOMPLETE"] : []);
  });

  test("is incomplete where a file of it is broken, and the log says where", async () => {
    const build = await run(tests, {
      build: [write("out/unit.xml", junit(PASSED)), write("out/cut.xml", "<testsuites><testsuite")],
    });
    const [report] = await reportsOf(build);
    expect([build.buildStatus, report?.status, report?.testSummary]).toEqual([
      "SUCCEEDED",
      "INCOMPLETE",
      undefined,
    ]);
    expect(logged).toMatch(/Report \S+ is INCOMPLETE: \W+cut.xml\W+: line 1 is no XML/);
  });

  test("is incomplete where it is too large to be read", async () => {
    const build = await run(tests, { build: ["mkdir out", "head -c 20000000 /dev/zero > out/unit.xml"] });
    expect(await reportsOf(build)).toMatchObject([{ status: "INCOMPLETE" }]);
    expect(logged).toContain("20000000 bytes, more than the 16000000 that are read");
  });
});

test("secrets do not show in what a test says", async () => {
  const told = junit('<testcase name="leaks"><failure>it was token-of-build</failure></testcase>');
  const build = await run(tests, { build: [write("out/unit.xml", told)] });
  const { testCases } = await call("DescribeTestCases", { reportArn: build.reportArns[0] });
  expect(testCases).toMatchObject([{ message: "it was ***" }]);
});

test("nobody writes to a group's reports by the rights on another group", async () => {
  await createGroup("own");
  const build = await run(tests, { build: [write("out/unit.xml", junit(FAILED))] });
  const stolen = { resourceArn: groupArn("own"), reportArn: build.reportArns[0] };
  expect(await call("UpdateReport", { ...stolen, status: "SUCCEEDED" })).toMatchObject({
    __type: "ResourceNotFoundException",
  });
  expect(await reportsOf(build)).toMatchObject([{ status: "FAILED" }]);
});

test("formats that are not read are named in the log, and make no report", async () => {
  const reports = { unit: { files: ["*.json"], "file-format": "CUCUMBERJSON" } };
  const build = await run(reports, { build: ["true"] });
  expect([build.buildStatus, build.reportArns]).toEqual(["SUCCEEDED", []]);
  expect(logged).toContain("Local AWS makes no reports of CUCUMBERJSON");
});
