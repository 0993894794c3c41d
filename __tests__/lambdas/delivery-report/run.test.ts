import { zipSync } from "fflate";
import type { ApprovalReport, RunReport } from "../../../shared/run-report";
import { ARTIFACTS, type FakeExecution, FakeWorld, pipelineEvent, STAGES, TASK } from "./fake-world";

const COMMIT = "a".repeat(40);
const SHA256 = "5".repeat(64);
const ALL = Object.values(STAGES).flat();

const VARIABLES: Readonly<Record<string, Record<string, string>>> = {
  Source: {
    CommitId: COMMIT,
    CommitMessage: "Greet people by name\n\nAnd say goodbye.",
    BranchName: "main",
    CommitterDate: "2026-11-20T10:00:00Z",
  },
  "plan-dev": {
    PLAN_SUMMARY: "2 to add, 0 to change, 1 to destroy",
    PLAN_RISKS: "delete,access",
    PLAN_COST: "about +$43.80 a month",
    PLAN_SHA256: SHA256,
    PLAN_BUILD: "hostile",
  },
};

/** A run that has come through these actions, a minute each. */
function come(world: FakeWorld, names: readonly string[], id = "run-1"): FakeExecution {
  const execution = world.begin(id, COMMIT);
  for (const name of names) pass(world, execution, name);
  return execution;
}

function pass(
  world: FakeWorld,
  execution: FakeExecution,
  name: string,
  status: "Succeeded" | "Failed" = "Succeeded",
) {
  world.act(execution, name);
  world.seconds(60);
  world.end(execution, name, status, {
    outputVariables: VARIABLES[name],
    ...(status === "Failed" && {
      executionResult: {
        errorDetails: { code: "JobFailed", message: "Build terminated with state: FAILED" },
      },
    }),
  });
}

const buildOf = (name: string, id = "run-1") => `hello-main-${name}:${id}-1`;

/** What the mail of a run's end was made of. */
async function told(world: FakeWorld, execution: FakeExecution, status: string): Promise<RunReport> {
  world.finish(execution, status);
  const before = world.mails.length;
  expect(await world.hear(pipelineEvent(execution.id, status.toUpperCase()))).toBe(true);
  expect(world.mails.length).toBe(before + 1);
  return JSON.parse(world.mails.at(-1)!.text);
}

const stage = ({ stages }: RunReport, name: string) => stages.find((one) => one.name === name)!;
const action = (run: RunReport, name: string) =>
  run.stages.flatMap(({ actions }) => actions).find((one) => one.name === name)!;

describe("a run that succeeded", () => {
  test("is told with its commit, its stages in their order, and where to read on", async () => {
    const world = new FakeWorld();
    const run = await told(world, come(world, ALL), "Succeeded");
    expect(run).toMatchObject({
      project: "hello",
      pipeline: "main",
      execution: "run-1",
      status: "succeeded",
      started: "2026-11-20T12:00:00.000Z",
      ended: "2026-11-20T12:09:00.000Z",
      commit: {
        id: COMMIT,
        branch: "main",
        message: "Greet people by name",
        author: "Ada Example",
        when: "2026-11-20T11:00:00.000Z",
        url: `https://github.com/acme/hello/commit/${COMMIT}`,
      },
    });
    expect(run.reason).toBeUndefined();
    expect(run.stages.map(({ name, status, seconds }) => [name, status, seconds])).toEqual(
      Object.entries(STAGES).map(([name, actions]) => [name, "succeeded", 60 * actions.length]),
    );
    expect(run.links.console).toBe(
      "https://eu-west-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/hello-main/executions/run-1/timeline?region=eu-west-1",
    );
    expect(run.links.page).toMatch(
      /^https:\/\/pages\.example\.com\/runs\/main\/run-1\.html\?expires=\d{10}&signature=[0-9a-f]{64}$/,
    );
    expect(action(run, "test").logUrl).toBe(
      "https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/111111111111/projects/hello-main-test/build/hello-main-test%3Arun-1-1/log?region=eu-west-1",
    );
  });

  test("tells the plan, its risks and its cost, and leads to the log of the build that planned", async () => {
    const world = new FakeWorld();
    const run = await told(world, come(world, ALL), "Succeeded");
    expect(run.plans).toEqual([
      {
        environment: "dev",
        summary: "2 to add, 0 to change, 1 to destroy",
        risks: ["delete", "access"],
        cost: "about +$43.80 a month",
        reviewUrl: expect.stringContaining(
          "/projects/hello-main-plan-dev/build/hello-main-plan-dev%3Arun-1-1/log",
        ),
      },
    ]);
  });

  test("is measured against the runs before it: medians, coverage, and all that has changed since", async () => {
    const world = new FakeWorld();
    const coverage = (covered: number) => ({
      reports: [{ codeCoverageSummary: { linesCovered: covered, linesMissed: 100 - covered } }],
    });
    for (const [index, covered] of [70, 80].entries()) {
      const execution = come(world, ALL, `run-${index + 1}`);
      world.builds[buildOf("test", execution.id)] = coverage(covered);
      Object.assign(execution, { commit: String(index + 1).repeat(40) });
      const source = execution.actions[0]!;
      source.output!.outputVariables = { ...VARIABLES.Source, CommitId: execution.commit };
      await told(world, execution, "Succeeded");
    }
    const execution = come(world, ALL, "run-3");
    world.builds[buildOf("test", "run-3")] = coverage(75);
    const run = await told(world, execution, "Succeeded");
    expect(run.coverage).toEqual({ lines: 75, linesBefore: 80 });
    expect(stage(run, "Build").medianSeconds).toBe(120);
    expect(run.commit.compareUrl).toBe(`https://github.com/acme/hello/compare/${"2".repeat(40)}...${COMMIT}`);
    expect(world.json("state/main/runs.json").map((one: RunReport) => one.execution)).toEqual([
      "run-3",
      "run-2",
      "run-1",
    ]);
  });

  test("tells its stage as skipped where that was passed over", async () => {
    const world = new FakeWorld();
    const run = await told(
      world,
      come(
        world,
        ALL.filter((name) => name !== "approve-dev"),
      ),
      "Succeeded",
    );
    expect(stage(run, "Approve")).toEqual({
      name: "Approve",
      status: "skipped",
      actions: [{ name: "approve-dev", status: "skipped" }],
    });
  });
});

describe("a run that failed", () => {
  test("tells why: the action, and its log's last lines without CodeBuild's and npm's own", async () => {
    const world = new FakeWorld();
    const execution = come(world, ["Source"]);
    pass(world, execution, "lint", "Failed");
    world.builds[buildOf("lint")] = {
      log: [
        "[Container] 2026/11/20 12:00:01 Running command npm run lint",
        "",
        "> hello@1.0.0 lint",
        "> biome check . && tsc --noEmit",
        "",
        "src/index.ts(3,1): error TS2304: Cannot find name 'frm'.",
        "> 3 | frm(name)",
        "\u001b[31m\tFound 1 error.\u001b[0m",
        "npm error code 1",
        "[Container] 2026/11/20 12:00:09 Phase complete: BUILD State: FAILED",
      ],
    };
    const run = await told(world, execution, "Failed");
    expect(run.reason).toBe("lint: Build terminated with state: FAILED");
    const lines = [
      "src/index.ts(3,1): error TS2304: Cannot find name 'frm'.",
      "> 3 | frm(name)",
      "  Found 1 error.",
    ];
    expect(action(run, "lint")).toMatchObject({
      status: "failed",
      summary: "Build terminated with state: FAILED",
      errors: lines,
      tail: lines,
    });
    expect(stage(run, "Build").status).toBe("failed");
    expect(stage(run, "Update")).toMatchObject({ status: "not-started" });
    expect(action(run, "test")).toEqual({ name: "test", status: "not-started" });
  });

  test("tells at most 25 lines of an error and 40 of a log, each shortened, with all characters to be seen", async () => {
    const world = new FakeWorld();
    const execution = come(world, ["Source"]);
    pass(world, execution, "test", "Failed");
    world.builds[buildOf("test")] = {
      log: [...Array.from({ length: 99 }, (_, index) => `line ${index}`), `\u202e${"x".repeat(1000)}`],
    };
    const { errors = [], tail = [] } = action(await told(world, execution, "Failed"), "test");
    expect(errors.length).toBe(25);
    expect(tail.length).toBe(40);
    expect(tail[0]).toBe("line 60");
    expect(errors.at(-1)).toMatch(/^\\u202ex{200,300}… \(\d+ more characters\)$/);
  });

  test("tells its tests, summed over all reports, with the names of at most 20 that failed", async () => {
    const world = new FakeWorld();
    const execution = come(world, ["Source"]);
    pass(world, execution, "test", "Failed");
    world.builds[buildOf("test")] = {
      reports: [
        { testSummary: { total: 130, statusCounts: { SUCCEEDED: 100, FAILED: 25, ERROR: 1, SKIPPED: 4 } } },
        { testSummary: { total: 7, statusCounts: { SUCCEEDED: 7, FAILED: 0 } } },
      ],
    };
    world.testCases[`${buildOf("test")}/0`] = Array.from({ length: 25 }, (_, index) => ({
      name: `greets ${index}`,
      status: "FAILED",
      message: "Expected: 1\nReceived: 2",
    }));
    const { tests } = await told(world, execution, "Failed");
    expect(tests).toMatchObject({ passed: 107, failed: 26, skipped: 4 });
    expect(tests?.failures.length).toBe(20);
    expect(tests?.failures[0]).toEqual({ name: "greets 0", message: "Expected: 1" });
  });

  test("before its commit is known is told without one, and no commit gets a status", async () => {
    const world = new FakeWorld();
    const execution = world.begin("run-1", COMMIT);
    pass(world, execution, "Source", "Failed");
    execution.actions[0]!.output!.outputVariables = undefined;
    const run = await told(world, execution, "Failed");
    expect(run.commit).toEqual({ id: "unknown", branch: "main", message: "" });
    expect(world.statuses).toEqual([]);
  });

  test("tells an action that was tried again by its last try", async () => {
    const world = new FakeWorld();
    const execution = come(world, ["Source"]);
    pass(world, execution, "lint", "Failed");
    pass(world, execution, "lint");
    pass(world, execution, "test", "Failed");
    const run = await told(world, execution, "Failed");
    expect(action(run, "lint").status).toBe("succeeded");
    expect(stage(run, "Build")).toMatchObject({ status: "failed", seconds: 180 });
  });
});

describe("a release", () => {
  const record = (services: object, functions: object = {}) => ({ environment: "dev", services, functions });
  const WEB = {
    before: "arn:aws:ecs:eu-west-1:222222222222:task-definition/hello-dev-web:41",
    after: "arn:aws:ecs:eu-west-1:222222222222:task-definition/hello-dev-web:42",
    deployment: "d-1",
  };
  const leave = (world: FakeWorld, execution: FakeExecution, content: object) => {
    world.objects.set(`${ARTIFACTS}/hello-main/Release/1`, {
      body: zipSync({
        "releases.json": Buffer.from(JSON.stringify(content)),
        "web/appspec.json": new Uint8Array(9),
      }),
    });
    world.end(execution, "release-dev", "Succeeded", {
      outputArtifacts: [
        { name: "Release_dev", s3location: { bucket: ARTIFACTS, key: "hello-main/Release/1" } },
      ],
    });
  };
  const upTo = (name: string) => ALL.slice(0, ALL.indexOf(name) + 1);
  const outcome = (world: FakeWorld) => world.json("state/main/runs.json")[0].environments.dev?.outcome;

  test("is told by what it left: released, and verified", async () => {
    const world = new FakeWorld();
    const execution = come(world, upTo("release-dev"));
    leave(
      world,
      execution,
      record(
        { web: { ...WEB, done: "released" } },
        { jobs: { before: "7", after: "7", done: "runs already" } },
      ),
    );
    pass(world, execution, "verify-dev");
    const { releases } = await told(world, execution, "Succeeded");
    expect(releases).toEqual([
      {
        environment: "dev",
        outcome: "released",
        lines: [
          "web: hello-dev-web:42 is released, in the place of hello-dev-web:41",
          "jobs: 7 runs already",
        ],
      },
    ]);
    expect(outcome(world)).toBe("verified");
  });

  test("of nothing new is told as unchanged", async () => {
    const world = new FakeWorld();
    const execution = come(world, upTo("release-dev"));
    leave(world, execution, record({ web: { ...WEB, done: "runs already" } }));
    pass(world, execution, "verify-dev");
    expect((await told(world, execution, "Succeeded")).releases[0]?.outcome).toBe("unchanged");
  });

  test("that CodeDeploy took back is told by the record in its log, however long", async () => {
    const world = new FakeWorld();
    const execution = come(world, upTo("apply-dev"));
    pass(world, execution, "release-dev", "Failed");
    world.builds[buildOf("release-dev")] = {
      log: [
        "web: the release failed.",
        "What this release leaves is in release/releases.json.",
        JSON.stringify(
          record({ web: { ...WEB, done: "failed" } }, { [`${"x".repeat(500)}`]: { done: "waiting" } }),
        ),
        "dev is not released: web failed, as told above.",
      ],
    };
    const [release] = (await told(world, execution, "Failed")).releases;
    expect(release).toMatchObject({ environment: "dev", outcome: "brought-back" });
    expect(release?.lines[0]).toBe("web: hello-dev-web:42 failed; its users have hello-dev-web:41");
    expect(outcome(world)).toBe("brought-back");
  });

  test.each([
    ["is brought back where the way back said so", ["dev is as it was before the release."], "brought-back"],
    [
      "has failed where it did not",
      ["Not all of dev is as it was before the release, as told above."],
      "failed",
    ],
  ])("that is not verified %s", async (_, log, expected) => {
    const world = new FakeWorld();
    const execution = come(world, upTo("release-dev"));
    leave(world, execution, record({ web: { ...WEB, done: "released" } }));
    pass(world, execution, "verify-dev", "Failed");
    world.builds[buildOf("verify-dev")] = { log };
    const run = await told(world, execution, "Failed");
    expect(run.releases[0]?.outcome).toBe(expected);
    expect(outcome(world)).toBe(expected);
  });

  test("that was brought back stays so, where Verify is retried and the version before passes", async () => {
    const world = new FakeWorld();
    const execution = come(world, upTo("release-dev"));
    leave(world, execution, record({ web: { ...WEB, done: "released" } }));
    pass(world, execution, "verify-dev", "Failed");
    world.builds[buildOf("verify-dev")] = { log: ["dev is as it was before the release."] };
    pass(world, execution, "verify-dev");
    world.builds["hello-main-verify-dev:run-1-2"] = { log: ["Tests: 7 passed, 7 total"] };
    const run = await told(world, execution, "Succeeded");
    expect(run.releases).toEqual([
      {
        environment: "dev",
        outcome: "brought-back",
        lines: ["web: hello-dev-web:42 was taken back; its users have hello-dev-web:41"],
      },
    ]);
    expect(outcome(world)).toBe("brought-back");
    expect(action(run, "verify-dev").status).toBe("succeeded");
    expect(world.mails).toMatchObject([{ kind: "failure" }]);
    expect(world.statuses).toMatchObject([{ state: "failure" }]);
    // The next run compares itself with none that users do not have.
    expect(world.json("state/main/runs.json")[0].status).toBe("failed");
  });

  test("that is retried after Verify had failed, and not been brought back, is verified", async () => {
    const world = new FakeWorld();
    const execution = come(world, upTo("release-dev"));
    leave(world, execution, record({ web: { ...WEB, done: "released" } }));
    pass(world, execution, "verify-dev", "Failed");
    world.builds[buildOf("verify-dev")] = { log: ["The build was stopped."] };
    pass(world, execution, "verify-dev");
    expect((await told(world, execution, "Succeeded")).releases[0]?.outcome).toBe("released");
    expect(outcome(world)).toBe("verified");
  });

  test("whose artifact is gone, or no archive, is told without its lines", async () => {
    const world = new FakeWorld();
    const execution = come(world, upTo("release-dev"));
    leave(world, execution, {});
    world.objects.set(`${ARTIFACTS}/hello-main/Release/1`, { body: "no archive" });
    pass(world, execution, "verify-dev");
    expect((await told(world, execution, "Succeeded")).releases).toEqual([
      { environment: "dev", outcome: "released", lines: [] },
    ]);
  });
});

describe("an approval", () => {
  test("is asked for with the plan, its hash, when it ends and where it is answered", async () => {
    const world = new FakeWorld();
    const execution = come(world, ALL.slice(0, ALL.indexOf("approve-dev")));
    world.act(execution, "approve-dev");
    expect(await world.hear(pipelineEvent("run-1", "STARTED"))).toBe(true);
    const [mail] = world.mails;
    expect(mail).toMatchObject({ kind: "approval", pipeline: "main" });
    const approval: ApprovalReport = JSON.parse(mail!.text);
    expect(approval).toMatchObject({
      environment: "dev",
      plan: { environment: "dev", risks: ["delete", "access"] },
      sha256: SHA256,
      expires: "2026-11-27T12:05:00.000Z",
      approvalUrl:
        "https://eu-west-1.console.aws.amazon.com/codesuite/codepipeline/pipelines/hello-main/view?region=eu-west-1#/Approve/approve-dev/approve/token-1",
      run: { status: "waiting" },
    });
    expect(stage(approval.run, "Approve").status).toBe("waiting");
    expect(world.posts.length).toBe(1);
    expect(world.page("runs/main/run-1.html")).toContain('"waiting"');
  });

  test("that was answered before its event came is not asked for", async () => {
    const world = new FakeWorld();
    come(world, ALL.slice(0, ALL.indexOf("approve-dev") + 1));
    expect(await world.hear(pipelineEvent("run-1", "STARTED"))).toBe(true);
    expect(world.mails).toEqual([]);
  });
});

describe("a commit", () => {
  const reported = async (
    task: Partial<typeof TASK>,
    variables: Record<string, string>,
    summary?: string,
  ) => {
    const world = new FakeWorld();
    world.task = { ...TASK, ...task };
    const execution = world.begin("run-1", COMMIT);
    world.act(execution, "Source");
    world.end(execution, "Source", "Succeeded", { outputVariables: variables });
    if (summary !== undefined)
      world.onGetPipelineExecution = () =>
        ({
          pipelineExecution: {
            status: "Failed",
            artifactRevisions: [{ name: "Source", revisionId: COMMIT, revisionSummary: summary }],
          },
        }) as never;
    return (await told(world, execution, "Failed")).commit;
  };

  test("behind a connection is told by the connection's variables, and leads to its host", async () => {
    expect(
      await reported(
        { provider: "connection", tokenSecret: undefined },
        {
          CommitId: COMMIT,
          CommitMessage: "Greet",
          BranchName: "release/1",
          AuthorDisplayName: "Grace Example",
          AuthorDate: "2026-11-20T09:00:00Z",
          ProviderType: "Bitbucket",
        },
      ),
    ).toEqual({
      id: COMMIT,
      branch: "release/1",
      message: "Greet",
      author: "Grace Example",
      when: "2026-11-20T09:00:00.000Z",
      url: `https://bitbucket.org/acme/hello/commits/${COMMIT}`,
    });
  });

  test("of CodeCommit leads to the console; its date may be in Git's form", async () => {
    expect(
      await reported(
        { provider: "codecommit", repository: "hello", tokenSecret: undefined },
        { CommitId: COMMIT, CommitMessage: "Greet", BranchName: "main", AuthorDate: "1795168800 +0100" },
      ),
    ).toMatchObject({
      when: new Date(1795168800000).toISOString(),
      url: `https://eu-west-1.console.aws.amazon.com/codesuite/codecommit/repositories/hello/commit/${COMMIT}?region=eu-west-1`,
    });
  });

  test("whose message is told in JSON is told by what that holds", async () => {
    expect(
      await reported(
        { provider: "connection", tokenSecret: undefined },
        {},
        '{"ProviderType":"GitHub","CommitMessage":"Greet\\n\\nmore"}',
      ),
    ).toMatchObject({ id: COMMIT, message: "Greet" });
  });

  test("whose id is none becomes part of no address", async () => {
    expect(await reported({}, { CommitId: "../../evil?x=", CommitMessage: "Greet" }, "Greet")).toMatchObject({
      id: COMMIT,
      url: `https://github.com/acme/hello/commit/${COMMIT}`,
    });
  });
});
