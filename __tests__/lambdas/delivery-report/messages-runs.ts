import type {
  ActionReport,
  ApprovalReport,
  CommitReport,
  DriftReport,
  PlanReport,
  RunReport,
  StageReport,
  StepStatus,
} from "../../../shared/run-report";

// Runs of one project with two environments, side by side with what went wrong in them.

const START = Date.parse("2026-11-21T08:00:00.000Z");
const CONSOLE = "https://eu-central-1.console.aws.amazon.com";

/** Seconds after the start, as a moment. */
export const at = (seconds: number): string => new Date(START + 1000 * seconds).toISOString();

export const commit: CommitReport = {
  id: "c0ffee1d5b2a4f0e9a7c3d1b8e6f4a2c0d9b7e51",
  branch: "main",
  message: "Accept orders without a customer's number",
  author: "Ana Gómez",
  when: "2026-11-21T07:41:00.000Z",
  url: "https://github.com/acme/hello/commit/c0ffee1d5b2a4f0e9a7c3d1b8e6f4a2c0d9b7e51",
  compareUrl: "https://github.com/acme/hello/compare/5e11a9c...c0ffee1",
};

/** Name, begin and length of a stage, its median, and its actions' lengths where there are several. */
const STAGES: readonly [string, number, number, number, Readonly<Record<string, number>>][] = [
  ["Source", 0, 4, 4, { Source: 4 }],
  ["Install", 5, 63, 58, { install: 63 }],
  ["Build", 69, 250, 230, { lint: 41, test: 250, scan: 66, synth: 58, "image-web": 171 }],
  ["Update", 320, 22, 21, { update: 22 }],
  ["Plan-1", 343, 38, 40, { "plan-dev": 38 }],
  ["Deploy-1", 382, 96, 102, { "apply-dev": 96 }],
  ["Release-1", 479, 131, 128, { "release-dev": 131 }],
  ["Verify-1", 611, 31, 30, { "verify-dev": 31 }],
  ["Plan-2", 643, 44, 42, { "plan-prod": 44 }],
  ["Approve-2", 688, 5100, 3900, { "approve-prod": 5100 }],
  ["Deploy-2", 5789, 118, 110, { "apply-prod": 118 }],
  ["Release-2", 5908, 742, 750, { "release-prod": 742 }],
  ["Verify-2", 6651, 35, 34, { "verify-prod": 35 }],
];

const logUrl = (action: string) =>
  `${CONSOLE}/codesuite/codebuild/111111111111/projects/hello-main-${action}`;

/** All stages up to one in which an action ended so; those after it have not begun. */
export function stagesTo(name: string, status: StepStatus, failing: Record<string, Partial<ActionReport>>) {
  const last = STAGES.findIndex(([stage]) => stage === name);
  return STAGES.map(([stage, begin, seconds, medianSeconds, lengths], index): StageReport => {
    const came = index < last ? "succeeded" : index > last ? "not-started" : status;
    if (came === "not-started") return { name: stage, status: came, medianSeconds, actions: [] };
    const isOpen = came === "running" || came === "waiting";
    return {
      name: stage,
      status: came,
      started: at(begin),
      seconds: isOpen ? undefined : seconds,
      medianSeconds,
      actions: Object.entries(lengths).map(([action, length]) => ({
        name: action,
        status: "succeeded",
        started: at(begin + 1),
        seconds: length,
        logUrl: action.startsWith("approve") || action === "Source" ? undefined : logUrl(action),
        ...(index === last ? failing[action] : {}),
      })),
    };
  });
}

export const devPlan: PlanReport = {
  environment: "dev",
  summary: "0 to add, 2 to change, 0 to destroy",
  risks: [],
  cost: "about +$0.00 a month",
  reviewUrl: `${CONSOLE}/codesuite/codebuild/111111111111/projects/hello-main-plan-dev/build/1/log`,
};
export const prodPlan: PlanReport = {
  environment: "prod",
  summary: "2 to add, 3 to change, 1 to destroy",
  risks: ["delete", "access"],
  cost: "about +$43.80 a month; 2 resources not counted",
  reviewUrl: `${CONSOLE}/codesuite/codebuild/111111111111/projects/hello-main-plan-prod/build/2/log`,
};

const dev = {
  environment: "dev",
  outcome: "released",
  lines: ["web: web:41 is released, in the place of web:40", "hello: 17 is released, in the place of 16"],
} as const;
const prod = {
  environment: "prod",
  outcome: "released",
  lines: ["web: web:12 is released, in the place of web:11", "hello: 9 runs already"],
} as const;

const links = {
  console: `${CONSOLE}/codesuite/codepipeline/pipelines/hello-main/executions/7d1c5e0a-8f52-4b7e-9a53-1f6f0c2b9e44/timeline?region=eu-central-1`,
  page: "https://reports.example.com/runs/main/7d1c5e0a-8f52-4b7e-9a53-1f6f0c2b9e44.html?expires=1795852800&signature=5f1c0a9d7be24c3a",
};

export const succeeded: RunReport = {
  project: "hello",
  pipeline: "main",
  execution: "7d1c5e0a-8f52-4b7e-9a53-1f6f0c2b9e44",
  status: "succeeded",
  started: at(0),
  ended: at(6686),
  commit,
  stages: all(),
  tests: { passed: 412, failed: 0, skipped: 3, failures: [] },
  coverage: { lines: 91.4, linesBefore: 91.1 },
  plans: [devPlan, prodPlan],
  releases: [dev, prod],
  links,
};

/** A run that ended in a stage. What it had not come to, it does not have. */
function ended(
  stage: string,
  status: "failed" | "stopped",
  failing: Record<string, Partial<ActionReport>>,
  changes: Partial<RunReport> = {},
): RunReport {
  const index = STAGES.findIndex(([name]) => name === stage);
  const [, begin, seconds] = STAGES[index]!;
  const reached = (name: string) => index >= STAGES.findIndex(([one]) => one === name);
  return {
    ...succeeded,
    status,
    ended: at(begin + seconds),
    stages: stagesTo(stage, status, failing),
    tests: reached("Build") ? succeeded.tests : undefined,
    coverage: reached("Update") ? succeeded.coverage : undefined,
    plans: [...(reached("Deploy-1") ? [devPlan] : []), ...(reached("Approve-2") ? [prodPlan] : [])],
    releases: reached("Verify-1") ? [dev] : [],
    ...reasonOf(failing),
    ...changes,
  };
}

/** As it is read: the first action that failed, and why. */
function reasonOf(failing: Record<string, Partial<ActionReport>>): Pick<RunReport, "reason"> {
  const [found] = Object.entries(failing).filter(([, { status }]) => status === "failed");
  return { reason: found && `${found[0]}: ${found[1].summary}` };
}

const failed = (summary: string, ...errors: string[]): Partial<ActionReport> => ({
  status: "failed",
  summary,
  errors,
  tail: errors,
});

const command = (text: string) => `Error while executing command: ${text}. Reason: exit status 1`;

/** All kinds of news of a run, by what a golden file is named. */
export const runs: Readonly<Record<string, RunReport>> = {
  success: succeeded,
  "success-unchanged": {
    ...succeeded,
    coverage: { lines: 91.4, linesBefore: 91.4 },
    plans: [],
    releases: [{ environment: "dev", outcome: "unchanged", lines: [] }],
  },
  "failed-source": ended("Source", "failed", {
    Source: failed("Could not access the GitHub repository: acme/hello. The access token might be invalid."),
  }),
  "failed-install": ended("Install", "failed", {
    install: failed(command("npm ci"), "npm error code E404", "npm error 404 Not Found - left-pad@9.9.9"),
  }),
  "failed-lint": ended(
    "Build",
    "failed",
    {
      lint: failed(
        command("npm run lint"),
        "app/orders.ts(14,9): error TS2345: Argument of type 'string | undefined' is not assignable to parameter of type 'string'.",
      ),
    },
    { coverage: undefined },
  ),
  "failed-test": ended(
    "Build",
    "failed",
    {
      test: failed(
        command("npm run test:report"),
        "FAIL app/orders.test.ts",
        "  ● takes an order without a customer's number",
        "    Expected: 201",
        "    Received: 400",
        "Tests: 2 failed, 3 skipped, 410 passed, 415 total",
      ),
    },
    {
      tests: {
        passed: 410,
        failed: 2,
        skipped: 3,
        failures: [
          {
            name: "orders takes an order without a customer's number",
            message: "Expected: 201 Received: 400",
          },
          { name: "orders says what is missing" },
        ],
      },
      coverage: { lines: 88.9, linesBefore: 91.1 },
    },
  ),
  "failed-scan-and-synth": ended(
    "Build",
    "failed",
    {
      scan: failed(
        command("npm run scan"),
        "package-lock.json: left-pad 1.0.0 has a high fault: GHSA-aaaa-bbbb-cccc",
      ),
      synth: failed(command("npm run synth"), 'terraform.tfvars:12: environments.prod.region is "mars-1".'),
    },
    { coverage: undefined },
  ),
  "failed-image": ended("Build", "failed", {
    "image-web": failed(
      command("npm run image -- web"),
      "ERROR: failed to solve: node:99: not found",
      "web: the image could not be built.",
    ),
  }),
  "failed-update": ended("Update", "failed", {
    update: failed(
      command("npm run update -- main"),
      "pipeline-main was not brought up to date, or not all of it.",
    ),
  }),
  "failed-plan": ended("Plan-2", "failed", {
    "plan-prod": failed(
      command("npm run plan -- prod plan"),
      "Error: Unsupported argument",
      "  on cdk.tf.json line 812",
    ),
  }),
  rejected: ended("Approve-2", "failed", {
    "approve-prod": { status: "failed", summary: "Rejected by ana: not on a Friday" },
  }),
  "timed-out": ended("Approve-2", "failed", {
    "approve-prod": { status: "failed", summary: "Nobody answered in 7 days" },
  }),
  "failed-deploy": ended("Deploy-2", "failed", {
    "apply-prod": failed(
      command("npm run apply -- prod plan"),
      "The plan is stale: prod was changed after it was made. Nothing was changed.",
    ),
  }),
  "failed-release": ended(
    "Release-2",
    "failed",
    {
      "release-prod": failed(
        command("npm run release -- prod"),
        "web: The hook AfterAllowTestTraffic failed: GET /health answered 500.",
        "Its users have web:11, as before.",
      ),
    },
    {
      releases: [
        dev,
        {
          environment: "prod",
          outcome: "failed",
          lines: ["web: web:12 failed; its users have web:11"],
        },
      ],
    },
  ),
  "rolled-back": ended(
    "Verify-2",
    "failed",
    {
      "verify-prod": failed(
        command("npm run verify -- prod"),
        "● web › POST /orders answers 201",
        "prod is as it was before the release.",
      ),
    },
    {
      releases: [
        dev,
        {
          environment: "prod",
          outcome: "brought-back",
          lines: ["web: web:12 was taken back; its users have web:11"],
        },
      ],
    },
  ),
  // Verify was retried, on what it had brought back.
  "succeeded-on-the-version-before": {
    ...succeeded,
    releases: [
      dev,
      {
        environment: "prod",
        outcome: "brought-back",
        lines: ["web: web:12 was taken back; its users have web:11"],
      },
    ],
  },
  stopped: ended(
    "Deploy-1",
    "stopped",
    { "apply-dev": { status: "stopped" } },
    { reason: "Stopped by ana: wrong branch" },
  ),
  superseded: {
    ...ended("Approve-2", "stopped", { "approve-prod": { status: "stopped" } }),
    status: "superseded",
  },
  "restarted-by-self-update": ended(
    "Update",
    "stopped",
    { update: { status: "succeeded" } },
    { reason: "The pipeline has changed: 0b6e2c1f-2f0e-4ad1-9f53-ffb4a1f2d001 goes on in its place" },
  ),
  running: {
    ...succeeded,
    status: "running",
    ended: undefined,
    stages: open("Build", "running"),
    releases: [],
    plans: [],
  },
  "of-a-commit-that-little-is-known-of": {
    ...succeeded,
    status: "failed",
    reason: "The pipeline's role may not start it",
    commit: { id: commit.id, branch: "main", message: "" },
    stages: [],
    tests: undefined,
    coverage: undefined,
    plans: [],
    releases: [],
    links: { console: links.console },
  },
};

/** All stages as they are where all succeeded. */
function all(): StageReport[] {
  return stagesTo("Verify-2", "succeeded", {}).map((stage) => ({
    ...stage,
    actions: stage.actions.map((action) =>
      action.name === "test" ? { ...action, tail: ["Tests: 3 skipped, 412 passed, 415 total"] } : action,
    ),
  }));
}

/** All stages up to one that has not ended. */
function open(stage: string, status: "running" | "waiting"): StageReport[] {
  return stagesTo(stage, status, {
    test: { status, seconds: undefined },
    "approve-prod": { status, seconds: undefined },
  });
}

export const approval: ApprovalReport = {
  run: {
    ...succeeded,
    status: "waiting",
    ended: undefined,
    stages: open("Approve-2", "waiting"),
    releases: [dev],
  },
  environment: "prod",
  plan: prodPlan,
  sha256: "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
  expires: at(7 * 24 * 3600),
  approvalUrl: `${CONSOLE}/codesuite/codepipeline/pipelines/hello-main/view?region=eu-central-1`,
};

export const drift: DriftReport = {
  project: "hello",
  when: at(-3600),
  environments: [
    {
      environment: "prod",
      summary: "0 to add, 2 to change, 0 to destroy. Risks: drift.",
      review: [
        "Drifted (2)",
        "  aws_security_group.load-balancer_group_2D104A5E was changed outside of Terraform; it opens tcp 22 from 0.0.0.0/0",
        "  aws_lambda_function.function-hello_function_7E81B260 was changed outside of Terraform",
        "      - timeout = 10",
        "      + timeout = 99",
      ],
      reviewUrl: `${CONSOLE}/codesuite/codebuild/111111111111/projects/hello-delivery-drift/build/3/log`,
    },
  ],
  failures: [{ environment: "dev", reason: "The role hello-dev-plan may not be taken on (AccessDenied)." }],
};
