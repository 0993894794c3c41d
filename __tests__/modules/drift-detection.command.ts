import { execFile } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { Bucket } from "../../modules/bucket";
import { DriftDetection } from "../../modules/drift-detection";
import { Key } from "../../modules/key";
import type { Settings } from "../../settings";
import { only, synthesizeConstruct } from "../support/construct";
import { exampleSettings } from "../support/settings";
import { resourcesOf, type SynthesizedStack, statements } from "../support/synthesized";

const place = { account: "111111111111", region: "eu-west-1" };

const detectionOf = (settings: Settings, schedule?: string): SynthesizedStack =>
  synthesizeConstruct((scope) => {
    const key = new Key(scope, "key", { ...place, alias: "alias/hello", description: "A key" });
    const bucket = (name: string) => new Bucket(scope, name, { name: `hello-${name}`, key });
    const [artifacts, reports] = [bucket("artifacts"), bucket("reports")];
    new DriftDetection(scope, "drift", { settings, artifacts, reports, key, schedule });
  });

let settings: Settings;
let stack: SynthesizedStack;
beforeAll(async () => {
  settings = await exampleSettings();
  stack = detectionOf(settings);
});

interface Project {
  readonly name: string;
  readonly source: { readonly type: string; readonly buildspec: string };
  readonly artifacts: { readonly type: string };
}
const project = () => only(stack, "aws_codebuild_project") as unknown as Project;
const buildspec = () =>
  JSON.parse(project().source.buildspec) as {
    env: { variables: Record<string, string>; "exported-variables": string[] };
    phases: { build: { commands: string[] } };
  };

/** What a role is granted, by the beginning of the actions. */
function grantsOf(role: string): [string[], string[]][] {
  const all = resourcesOf(stack);
  const { id } = all.find(({ type, properties }) => type === "aws_iam_role" && properties.name === role)!;
  const policy = all.find(
    ({ type, properties }) => type === "aws_iam_role_policy" && String(properties.role).includes(`.${id}.`),
  )!;
  return statements(policy.properties).map(({ Action, Resource }) => [
    [Action].flat() as string[],
    [Resource].flat() as string[],
  ]);
}

test("is a build without a source, of the name that others know it by", () => {
  expect(project()).toMatchObject({
    name: "hello-delivery-drift",
    source: { type: "NO_SOURCE" },
    artifacts: { type: "NO_ARTIFACTS" },
  });
  expect(buildspec().env).toEqual({
    variables: {
      PROJECT: "hello",
      REPORT_BUCKET: "hello-reports",
      DEPLOYED_BY: '{"dev":["hello-main"],"prod":["hello-main"]}',
    },
    "exported-variables": ["DRIFT_RESULT"],
  });
});

test("is started each night, or when somebody says, by a role that starts nothing else", () => {
  const rule = (of: SynthesizedStack) => only(of, "aws_cloudwatch_event_rule");
  expect(rule(stack)).toMatchObject({
    name: "hello-delivery-drift",
    schedule_expression: "cron(0 4 * * ? *)",
  });
  expect(rule(detectionOf(settings, "rate(6 hours)"))).toMatchObject({
    schedule_expression: "rate(6 hours)",
  });
  const arn = `\${aws_codebuild_project.${Object.keys(stack.resource.aws_codebuild_project!)[0]}.arn}`;
  expect(only(stack, "aws_cloudwatch_event_target")).toMatchObject({ arn });
  expect(grantsOf("hello-delivery-drift-start")).toEqual([[["codebuild:StartBuild"], [arn]]]);
});

test("fails when its role may do more than read what was released, plan, and leave a report", () => {
  const own = grantsOf("hello-delivery-drift").filter(([[first]]) => !/^(logs|kms):/.test(first!));
  expect(own).toEqual([
    [["codepipeline:ListActionExecutions"], ["arn:aws:codepipeline:eu-west-1:111111111111:hello-main"]],
    [["s3:GetBucketAcl", "s3:GetBucketLocation"], ["arn:aws:s3:::hello-artifacts"]],
    [["s3:GetObject", "s3:GetObjectVersion"], ["arn:aws:s3:::hello-artifacts/hello-main/Build/*"]],
    [["s3:GetBucketAcl", "s3:GetBucketLocation"], ["arn:aws:s3:::hello-reports"]],
    [["s3:PutObject"], ["arn:aws:s3:::hello-reports/drift/*"]],
    [["s3:ListBucket"], ["arn:aws:s3:::hello-state-111111111111-eu-west-1"]],
    [
      ["s3:GetObject"],
      ["dev", "prod"].map((name) => `arn:aws:s3:::hello-state-111111111111-eu-west-1/${name}.tfstate`),
    ],
    [
      ["sts:AssumeRole"],
      ["arn:aws:iam::222222222222:role/hello-dev-plan", "arn:aws:iam::333333333333:role/hello-prod-plan"],
    ],
  ]);
});

test("is not there where no pipeline deploys anything", () => {
  const made = resourcesOf(detectionOf({ ...settings, pipelines: {} })).map(({ type }) => type);
  expect(made).not.toContain("aws_codebuild_project");
  expect(made).not.toContain("aws_cloudwatch_event_rule");
});

/** An action of an execution, as `aws codepipeline list-action-executions` writes it. */
const action = (
  execution: string,
  actionName: string,
  status = "Succeeded",
  hour = 1,
  built = execution,
) => ({
  pipelineExecutionId: execution,
  actionExecutionId: `${actionName} of ${execution}`,
  actionName,
  status,
  startTime: `2026-11-21T0${hour}:00:00.000000+00:00`,
  input: {
    inputArtifacts: actionName.startsWith("apply-")
      ? [
          { name: "Plan-dev", s3location: { bucket: "hello-artifacts", key: "hello-main/Plan-dev/plan" } },
          { name: "Build", s3location: { bucket: "hello-artifacts", key: `hello-main/Build/${built}` } },
        ]
      : [],
  },
});

interface Build {
  readonly exitCode: number;
  readonly said: string;
  /** What the build exports. */
  readonly result: string;
  /** What it put into the bucket. */
  readonly report?: {
    readonly environments: readonly { readonly environment: string }[];
    readonly failures: readonly { readonly environment: string; readonly reason: string }[];
  };
  /** Which environments were compared, with the tree of which execution. */
  readonly compared: readonly string[];
}

/**
 * Runs the build's commands, as CodeBuild does: in one shell. Its AWS lists these actions and has the trees of executions
 * that `trees` names; its npm finds drift in environments that `drifted` names, and breaks in "broken".
 */
async function runBuild({
  actions,
  later = actions,
  trees = [],
  drifted = [],
  pipelines = ["hello-main"],
  deployedBy = buildspec().env.variables.DEPLOYED_BY,
}: {
  readonly actions: readonly ReturnType<typeof action>[];
  /** What there is once something was compared. */
  readonly later?: readonly ReturnType<typeof action>[];
  /** Those that are deployed. All have the same actions. */
  readonly pipelines?: readonly string[];
  readonly deployedBy?: string;
  readonly trees?: readonly string[];
  readonly drifted?: readonly string[];
}): Promise<Build> {
  const folder = mkdtempSync(join(tmpdir(), "slipway-drift-"));
  const bin = join(folder, "bin");
  const work = join(folder, "work");
  for (const one of [bin, work]) mkdirSync(one);
  const program = (name: string, text: string) => writeFileSync(join(bin, name), text, { mode: 0o755 });
  program("aws", fakeAws(folder));
  program("unzip", FAKE_UNZIP);
  program("npm", fakeNpm(folder));
  for (const [kind, names] of Object.entries({ pipelines, trees, drifted }))
    for (const name of [".", ...names]) mkdirSync(join(folder, kind, name), { recursive: true });
  for (const [when, all] of Object.entries({ before: actions, later })) writePages(join(folder, when), all);
  const script = `${buildspec().phases.build.commands.join("\n")}\nprintf %s "$DRIFT_RESULT" > result`;
  const { exitCode, said } = await new Promise<{ exitCode: number; said: string }>((resolve) => {
    const env = {
      PATH: [bin, dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter),
      CODEBUILD_BUILD_ID: "hello-delivery-drift:0a1b2c3d",
      ...buildspec().env.variables,
      DEPLOYED_BY: deployedBy,
    };
    execFile("/bin/sh", ["-c", script], { cwd: work, env }, (error, stdout, stderr) =>
      resolve({ exitCode: error ? Number(error.code) : 0, said: stdout + stderr }),
    );
  });
  const read = (name: string) => {
    const file = join(folder, name);
    return existsSync(file) ? readFileSync(file, "utf8") : undefined;
  };
  return {
    exitCode,
    said,
    result: read("work/result") ?? "",
    report: JSON.parse(read("put.json") ?? "null") ?? undefined,
    compared: (read("compared") ?? "").split("\n").filter(Boolean),
  };
}

/** What AWS lists to whoever asks for so many at once, which is as much as the build does: a file a page. */
function writePages(folder: string, actions: readonly object[]): void {
  const MOST = 2000;
  mkdirSync(folder);
  for (let from = 0; from === 0 || from < actions.length; from += MOST) {
    const to = from + MOST;
    const page = {
      actionExecutionDetails: actions.slice(from, to),
      ...(to < actions.length && { NextToken: String(to) }),
    };
    writeFileSync(join(folder, `${MOST}-${from}`), JSON.stringify(page));
  }
}

// Shells': most of a short program of Node's is its start.

const fakeAws = (folder: string) => `#!/bin/sh
if [ "$1" = codepipeline ]; then
  token=0
  while [ $# -gt 0 ]; do
    case $1 in --pipeline-name) pipeline=$2 ;; --max-items) most=$2 ;; --starting-token) token=$2 ;; esac
    shift
  done
  if [ ! -d '${folder}/pipelines'/"$pipeline" ]; then
    echo 'An error occurred (PipelineNotFoundException) when calling the ListActionExecutions operation' >&2
    exit 254
  fi
  when=before
  [ ! -f '${folder}/compared' ] || when=later
  exec cat '${folder}'/$when/$most-$token
fi
for one; do from=$to; to=$one; done
case $from in
s3:*) if [ ! -d '${folder}/trees'/"\${from##*/}" ]; then
    echo 'fatal error: An error occurred (403): Forbidden' >&2
    exit 1
  fi
  echo 'a tree' > "$to" ;;
*) exec cp "$from" '${folder}/put.json' ;;
esac
`;

/** "old" is a tree of before there was this. */
const FAKE_UNZIP = `#!/bin/sh
for tree; do :; done
case $tree in *old) exec mkdir -p "$tree" ;; *) exec mkdir -p "$tree/tools/drift" ;; esac
`;

const fakeNpm = (folder: string) => `#!/bin/sh
while [ "$1" != -- ]; do shift; done
shift
environments=
while [ "$1" != --report ]; do
  environments="$environments\${environments:+ }$1"
  shift
done
tree=\${PWD##*/}
echo "$environments: $tree" >> '${folder}/compared'
[ $tree != broken ] || exit 1
found=
for one in $environments; do
  [ ! -d '${folder}/drifted'/$one ] ||
    found="$found\${found:+,}{\\"environment\\":\\"$one\\",\\"summary\\":\\"1 resource changed\\",\\"review\\":[\\"It did.\\"]}"
done
mkdir -p "$2"
echo "{\\"environments\\":[$found],\\"failures\\":[]}" > "$2/drift.json"
[ -z "$found" ] || exit 2
`;

describe("its build", () => {
  test("compares each environment with what was last applied to it, once for all of one execution", async () => {
    const actions = [
      action("first", "synth", "Succeeded", 1),
      action("first", "apply-dev", "Succeeded", 2),
      action("first", "apply-prod", "Succeeded", 3),
    ];
    const build = await runBuild({ actions, trees: ["first"] });
    expect(build).toMatchObject({ exitCode: 0, result: "none", compared: ["dev prod: first"] });
    expect(build.report).toBeUndefined();
  });

  test("compares with an older execution where a newer one has not come so far, or has failed there", async () => {
    const actions = [
      action("first", "synth", "Succeeded", 1),
      action("second", "apply-prod", "Failed", 7),
      action("second", "apply-dev", "Succeeded", 6),
      action("second", "synth", "Succeeded", 5),
      action("first", "apply-dev", "Succeeded", 2),
      action("first", "apply-prod", "Succeeded", 3),
    ];
    const { compared } = await runBuild({ actions, trees: ["first", "second"] });
    expect(compared).toEqual(["dev: second", "prod: first"]);
  });

  test("puts a report of what drifted into the bucket, and exports where", async () => {
    const actions = [action("first", "synth"), action("first", "apply-dev"), action("first", "apply-prod")];
    const { exitCode, result, report } = await runBuild({ actions, trees: ["first"], drifted: ["prod"] });
    expect({ exitCode, result, report }).toEqual({
      exitCode: 0,
      result: "drift/0a1b2c3d.json",
      report: {
        project: "hello",
        when: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
        environments: [{ environment: "prod", summary: "1 resource changed", review: ["It did."] }],
        failures: [],
      },
    });
  });

  test("says that nothing was released yet, and passes", async () => {
    const build = await runBuild({
      actions: [action("first", "synth"), action("first", "apply-dev", "Failed")],
    });
    expect(build).toMatchObject({ exitCode: 0, result: "none", compared: [] });
    expect(build.said).toContain("Nothing was released to dev yet");
  });

  test("leaves alone what is being deployed, and what was released before there was this", async () => {
    const actions = [
      action("old", "synth"),
      action("old", "apply-dev"),
      action("old", "apply-prod"),
      action("next", "apply-prod", "InProgress", 5),
    ];
    const build = await runBuild({ actions, trees: ["old"] });
    expect(build).toMatchObject({ exitCode: 0, result: "none", compared: [] });
    expect(build.said).toContain("What was released to dev is older than this");
    expect(build.said).toContain("prod is being deployed");
  });

  test("tells of one that cannot be compared, and compares the others", async () => {
    const actions = [
      action("gone", "synth"),
      action("gone", "apply-dev"),
      action("first", "synth"),
      action("first", "apply-prod"),
    ];
    const { exitCode, result, report, compared } = await runBuild({
      actions,
      trees: ["first"],
      drifted: ["prod"],
    });
    expect({ exitCode, result, compared }).toEqual({
      exitCode: 0,
      result: "drift/0a1b2c3d.json",
      compared: ["prod: first"],
    });
    expect(report!.environments.map(({ environment }) => environment)).toEqual(["prod"]);
    expect(report!.failures).toEqual([
      { environment: "dev", reason: expect.stringMatching(/execution gone cannot be fetched.*403.*90 days/) },
    ]);
  });

  test("tells where the comparison itself broke: that is never as released", async () => {
    const actions = [
      action("broken", "synth"),
      action("broken", "apply-dev"),
      action("broken", "apply-prod"),
    ];
    const { report } = await runBuild({ actions, trees: ["broken"] });
    expect(report!.failures).toEqual(
      ["dev", "prod"].map((environment) => ({
        environment,
        reason: expect.stringContaining("it ended with 1 and left no report"),
      })),
    );
  });

  test("compares with what was brought back, where somebody has rolled an environment back", async () => {
    const actions = [
      action("rollback", "apply-dev", "Succeeded", 4, "first"),
      action("second", "apply-dev", "Succeeded", 3),
      action("first", "apply-dev", "Succeeded", 2),
    ];
    const { exitCode, compared, report } = await runBuild({ actions, trees: ["first", "second"] });
    expect({ exitCode, compared, report }).toEqual({
      exitCode: 0,
      compared: ["dev: first"],
      report: undefined,
    });
  });

  test("finds an environment's last apply however many actions there were since", async () => {
    const since = Array.from({ length: 4500 }, (_, count) => action(`${count}`, "lint", "Succeeded", 5));
    const actions = [...since, action("first", "apply-prod")];
    const { compared } = await runBuild({ actions, trees: ["first"] });
    expect(compared).toEqual(["prod: first"]);
  });

  test("tells no drift of what was deployed while it was compared", async () => {
    const actions = [action("first", "apply-dev"), action("first", "apply-prod")];
    const { exitCode, said, report } = await runBuild({
      actions,
      later: [action("second", "apply-dev", "InProgress", 5), ...actions],
      trees: ["first"],
      drifted: ["dev", "prod"],
    });
    expect(exitCode).toBe(0);
    expect(report!.environments.map(({ environment }) => environment)).toEqual(["prod"]);
    expect(said).toContain("dev was deployed meanwhile");
  });

  test("compares what one pipeline deployed where another one that may is not there yet", async () => {
    const { exitCode, compared, report } = await runBuild({
      actions: [action("first", "apply-prod")],
      trees: ["first"],
      deployedBy: '{"prod":["hello-next","hello-main"],"dev":["hello-next"]}',
    });
    expect({ exitCode, compared, report }).toEqual({
      exitCode: 0,
      compared: ["prod: first"],
      report: undefined,
    });
  });
});
