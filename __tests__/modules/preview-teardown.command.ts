import { execFile } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { Bucket } from "../../modules/bucket";
import { Key } from "../../modules/key";
import { PreviewTeardown } from "../../modules/preview-teardown";
import type { Settings } from "../../settings";
import { only, synthesizeConstruct } from "../support/construct";
import { exampleSettings } from "../support/settings";
import { resourcesOf, type SynthesizedStack, statements } from "../support/synthesized";

const place = { account: "111111111111", region: "eu-west-1" };
const STATE = "arn:aws:s3:::hello-state-111111111111-eu-west-1";

const rule = {
  pattern: "feature/*",
  exclude: [],
  into: [],
  pipeline: "main",
  environment: "dev",
  ttlHours: 72,
  limit: 10,
};

let settings: Settings;
let stack: SynthesizedStack;
beforeAll(async () => {
  settings = { ...(await exampleSettings()), previews: [rule] };
  stack = teardownOf(settings);
});

const teardownOf = (of: Settings): SynthesizedStack =>
  synthesizeConstruct((scope) => {
    const key = new Key(scope, "key", { ...place, alias: "alias/hello", description: "A key" });
    const bucket = (name: string) => new Bucket(scope, name, { name: `hello-${name}`, key });
    new PreviewTeardown(scope, "teardown", { settings: of, artifacts: bucket("artifacts"), key });
  });

const project = () =>
  only(stack, "aws_codebuild_project") as { name: string; source: { type: string; buildspec: string } };
const buildspec = () =>
  JSON.parse(project().source.buildspec) as {
    env: { variables: Record<string, string> };
    phases: { build: { commands: string[] } };
  };

/** What its role is granted, but for its log and its key. */
function grantsOf(of: SynthesizedStack): [string[], string[]][] {
  const [policy] = resourcesOf(of).filter(({ type }) => type === "aws_iam_role_policy");
  return statements(policy!.properties)
    .map(({ Action, Resource }): [string[], string[]] => [
      [Action].flat() as string[],
      [Resource].flat() as string[],
    ])
    .filter(([[first]]) => !/^(logs|kms):/.test(first!));
}

test("is a build without a source, of the name that others know it by, that is told what to destroy", () => {
  expect(project()).toMatchObject({ name: "hello-delivery-teardown", source: { type: "NO_SOURCE" } });
  expect(buildspec().env.variables).toEqual({
    PROJECT: "hello",
    SLIPWAY_PREVIEW: "none",
    PIPELINE: "none",
  });
});

test("fails when its role reaches more than trees of ordinary pipelines, and what previews may leave", () => {
  expect(grantsOf(stack)).toEqual([
    [["codepipeline:ListActionExecutions"], ["arn:aws:codepipeline:eu-west-1:111111111111:hello-main"]],
    [["s3:GetBucketAcl", "s3:GetBucketLocation"], ["arn:aws:s3:::hello-artifacts"]],
    [["s3:GetObject", "s3:GetObjectVersion"], ["arn:aws:s3:::hello-artifacts/hello-main/Build/*"]],
    [["s3:ListBucket"], [STATE]],
    [
      ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
      [`${STATE}/pv-dev-*.tfstate`, `${STATE}/pv-dev-*.tfstate.tflock`],
    ],
    [["sts:AssumeRole"], ["arn:aws:iam::222222222222:role/hello-pv-dev-deploy"]],
    [
      ["ecr:BatchDeleteImage", "ecr:DescribeImages"],
      ["arn:aws:ecr:eu-west-1:111111111111:repository/hello/preview/web"],
    ],
  ]);
});

test("serves trials where there are no previews", () => {
  const { main } = settings.pipelines;
  const pipelines = { main: { ...main!, trial: { environment: "dev", regions: ["eu-west-1"] } } };
  const all = grantsOf(teardownOf({ ...settings, pipelines, previews: [] })).flatMap(
    ([, resources]) => resources,
  );
  expect(all).toEqual(
    expect.arrayContaining([
      "arn:aws:codepipeline:eu-west-1:111111111111:hello-main",
      `${STATE}/pv-dev-*.tfstate`,
      "arn:aws:iam::222222222222:role/hello-pv-dev-deploy",
    ]),
  );
});

const OWN = "hello-preview-main_dev_login-3f9a2c";

/** An action of a pipeline, as `aws codepipeline list-action-executions` writes it. */
const synth = (tree: string, status = "Succeeded", hour = 1, actionName = "synth") => ({
  actionName,
  status,
  startTime: `2026-11-21T0${hour}:00:00.000000+00:00`,
  output: {
    outputArtifacts: [{ name: "Build", s3location: { bucket: "hello-artifacts", key: `x/Build/${tree}` } }],
  },
});

interface Given {
  /** Actions of each pipeline that there is. */
  readonly pipelines: Readonly<Record<string, readonly object[]>>;
  readonly variables?: Readonly<Record<string, string>>;
  /** What `npm run preview:teardown` ends with. */
  readonly ends?: number;
}

/**
 * Runs the build's commands, as CodeBuild does: in one shell. Its bucket has every tree but "gone", and there are previews
 * in every tree but "old".
 */
async function runBuild({ pipelines, variables = {}, ends = 0 }: Given) {
  const folder = mkdtempSync(join(tmpdir(), "slipway-teardown-"));
  const [bin, work] = [join(folder, "bin"), join(folder, "work")];
  for (const made of [bin, work]) mkdirSync(made);
  const program = (name: string, script: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`);
    chmodSync(join(bin, name), 0o755);
  };
  for (const [pipeline, actionExecutionDetails] of Object.entries(pipelines))
    writeFileSync(join(folder, `${pipeline}.json`), JSON.stringify({ actionExecutionDetails }));
  program(
    "aws",
    `echo "$*" >> '${folder}/aws.log'
if [ "$1" = codepipeline ]; then
  cat '${folder}'/"$4".json 2> /dev/null || { echo "PipelineNotFoundException" >&2; exit 254; }
else
  case "$4" in */gone) echo "404 Not Found" >&2; exit 1 ;; esac
  basename "$4" > "$5"
fi`,
  );
  program(
    "unzip",
    `mkdir -p "$4"; [ "$(cat "$2")" = old ] || mkdir -p "$4/tools/previews"; cp "$2" "$4/tree"`,
  );
  program("npm", `echo "$(cat tree): $*" > '${folder}/npm.log'; exit ${ends}`);
  const env = {
    PATH: [bin, dirname(process.execPath), "/usr/bin", "/bin"].join(delimiter),
    ...buildspec().env.variables,
    SLIPWAY_PREVIEW: "pv-dev-login-3f9a2c",
    PIPELINE: "hello-main",
    ...variables,
  };
  const { exitCode, said } = await new Promise<{ exitCode: number; said: string }>((resolve) => {
    execFile(
      "/bin/sh",
      ["-c", buildspec().phases.build.commands.join("\n")],
      { cwd: work, env },
      (error, stdout, stderr) => resolve({ exitCode: error ? Number(error.code) : 0, said: stdout + stderr }),
    );
  });
  const read = (name: string) =>
    existsSync(join(folder, name)) ? readFileSync(join(folder, name), "utf8").trim() : undefined;
  return { exitCode, said, asked: read("aws.log"), ran: read("npm.log") };
}

const torn = (tree: string) => `${tree}: run --silent preview:teardown -- pv-dev-login-3f9a2c`;

describe("its build", () => {
  test("tears down with what the ordinary pipeline has synthesized last", async () => {
    const build = await runBuild({
      pipelines: {
        "hello-main": [
          synth("failed", "Failed", 5),
          synth("plan", "Succeeded", 4, "plan-dev"),
          synth("first", "Succeeded", 1),
          synth("second", "Succeeded", 2),
        ],
        [OWN]: [synth("own", "Succeeded", 6)],
      },
    });
    expect(build).toMatchObject({ exitCode: 0, ran: torn("second") });
  });

  test.each<[string, Given["pipelines"], RegExp]>([
    ["is not there", {}, /PipelineNotFound/],
    ["has synthesized nothing", { "hello-main": [] }, /it has synthesized nothing yet/],
    ["keeps its tree no more", { "hello-main": [synth("gone")] }, /404 Not Found/],
    ["has a tree older than previews", { "hello-main": [synth("old")] }, /is older than previews/],
  ])("fails where the ordinary pipeline %s: the branch's own tree gets no right to destroy", async (_, ordinary, why) => {
    const { exitCode, said, ran } = await runBuild({ pipelines: { ...ordinary, [OWN]: [synth("own")] } });
    expect({ exitCode, ran }).toEqual({ exitCode: 1, ran: undefined });
    expect(said).toMatch(why);
    expect(said).toMatch(/Run hello-main once/);
  });

  test("fails where something is left", async () => {
    const build = await runBuild({ pipelines: { "hello-main": [synth("first")] }, ends: 3 });
    expect(build).toMatchObject({ exitCode: 3, ran: torn("first") });
  });

  test.each<Record<string, string>>([
    { SLIPWAY_PREVIEW: "none" },
    { SLIPWAY_PREVIEW: "dev" },
    { SLIPWAY_PREVIEW: "pv-dev-a b" },
    { SLIPWAY_PREVIEW: "pv-dev-login\n3f9a2c" },
    { SLIPWAY_PREVIEW: `pv-dev-${"a".repeat(100)}` },
    { PIPELINE: "" },
    { PIPELINE: "other-main" },
    { PIPELINE: "hello-main/../../x" },
    { PIPELINE: OWN },
  ])("asks nobody anything where it is told %j", async (variables) => {
    const pipelines = { "hello-main": [synth("first")], [OWN]: [synth("own")] };
    const { exitCode, said, asked, ran } = await runBuild({ pipelines, variables });
    expect({ exitCode, asked, ran }).toEqual({ exitCode: 1, asked: undefined, ran: undefined });
    expect(said).toContain(`${Object.keys(variables)[0]} is ${JSON.stringify(Object.values(variables)[0])}`);
  });
});
