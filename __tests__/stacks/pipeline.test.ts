import { readFileSync } from "node:fs";
import { join } from "node:path";
import minimatch from "minimatch";
import { Bucket } from "../../modules/bucket";
import { Key } from "../../modules/key";
import { Pipeline, type PipelineProps } from "../../modules/pipeline";
import { Source } from "../../modules/source";
import type { Approval, Execution, PipelineSettings, Settings } from "../../settings";
import { artifactPrefix, PLAN_VARIABLES } from "../../shared/names";
import { previewPipelineName } from "../../shared/previews";
import { only, synthesizeConstruct } from "../support/construct";
import { exampleSettings, ROOT } from "../support/settings";
import { synthesizePipeline, synthesizeTemplate } from "../support/synth";
import { all, resourcesOf, type SynthesizedStack, statements } from "../support/synthesized";

interface Action {
  readonly name: string;
  readonly category: string;
  readonly run_order: number;
  readonly namespace?: string;
  readonly input_artifacts?: readonly string[];
  readonly output_artifacts?: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
}

async function pipelineStack(
  deploy: readonly (readonly string[])[],
  approvals: Readonly<Record<string, Approval>> = {},
  changes: Partial<PipelineSettings> = {},
) {
  const settings = await exampleSettings();
  const environments = Object.fromEntries(
    Object.entries(settings.environments).map(([name, environment]) => [
      name,
      { ...environment, approval: approvals[name] ?? environment.approval },
    ]),
  );
  const main = { ...settings.pipelines.main!, deploy, ...changes };
  return synthesizePipeline({ ...settings, environments, pipelines: { main } });
}

const stagesOf = (stack: Awaited<ReturnType<typeof pipelineStack>>) =>
  (only(stack, "aws_codepipeline").stage as { name: string; action: Action[] }[]).map(({ name, action }) => ({
    name,
    actions: action,
  }));
const diagram = (stack: Awaited<ReturnType<typeof pipelineStack>>) =>
  stagesOf(stack).map(({ name, actions }) => `${name}: ${actions.map((action) => action.name).join(", ")}`);

test("plans, asks and deploys wave after wave", async () => {
  expect(diagram(await pipelineStack([["dev"], ["prod"]]))).toEqual([
    "Source: Source",
    "Install: install",
    "Build: lint, test, scan, synth, image-web",
    "Update: update",
    "Plan-1: plan-dev",
    "Deploy-1: apply-dev",
    "Release-1: release-dev",
    "Verify-1: verify-dev",
    "Plan-2: plan-prod",
    "Approve-2: approve-prod",
    "Deploy-2: apply-prod",
    "Release-2: release-prod",
    "Verify-2: verify-prod",
  ]);
});

test("plans a wave's environments side by side, asks for those that want it, and deploys them side by side", async () => {
  const stack = await pipelineStack([["dev", "prod"]]);
  expect(diagram(stack)).toEqual([
    "Source: Source",
    "Install: install",
    "Build: lint, test, scan, synth, image-web",
    "Update: update",
    "Plan: plan-dev, plan-prod",
    "Approve: approve-prod",
    "Deploy: apply-dev, apply-prod",
    "Release: release-dev, release-prod",
    "Verify: verify-dev, verify-prod",
  ]);
  for (const { actions } of stagesOf(stack))
    for (const { run_order = 1 } of actions) expect(run_order).toBe(1);
});

test("asks nobody where approval is never", async () => {
  expect(diagram(await pipelineStack([["dev"], ["prod"]], { prod: "never" })).join()).not.toContain(
    "Approve",
  );
});

test("asks where approval is risky only if the plan is, each environment by itself", async () => {
  const stack = await pipelineStack([["dev", "prod"]], { dev: "risky", prod: "risky" });
  expect(diagram(stack)).toEqual(
    expect.arrayContaining(["Approve-dev: approve-dev", "Approve-prod: approve-prod"]),
  );
  const stages = only(stack, "aws_codepipeline").stage as { name: string; before_entry?: object }[];
  expect(stages.find(({ name }) => name === "Approve-prod")!.before_entry).toEqual({
    condition: {
      result: "SKIP",
      rule: [
        {
          name: "only-if",
          rule_type_id: { category: "Rule", owner: "AWS", provider: "VariableCheck", version: "1" },
          configuration: { Variable: "#{plan-prod.PLAN_IS_RISKY}", Value: "yes", Operator: "EQ" },
        },
      ],
    },
  });
  expect(stages.filter(({ before_entry }) => before_entry)).toHaveLength(2);
  expect(diagram(await pipelineStack([["dev", "prod"]], { dev: "risky" }))).toEqual(
    expect.arrayContaining(["Approve: approve-prod", "Approve-dev: approve-dev"]),
  );
});

test("lets a newer execution take the place of those that wait, unless they are to queue", async () => {
  const mode = async (execution: Execution) =>
    only(await pipelineStack([["dev"]], {}, { execution }), "aws_codepipeline").execution_mode;
  expect(await mode("superseded")).toBe("SUPERSEDED");
  expect(await mode("queued")).toBe("QUEUED");
});

test("runs no more builds of a stage at once than are asked for; the others wait, and people are asked together", async () => {
  const orders = async (buildsAtOnce: number) => {
    const stack = await pipelineStack([["dev", "prod"]], { dev: "always" }, { buildsAtOnce });
    return Object.fromEntries(
      stagesOf(stack).map(({ name, actions }) => [name, actions.map((action) => action.run_order)]),
    );
  };
  expect(await orders(50)).toMatchObject({ Plan: [1, 1], Approve: [1, 1], Deploy: [1, 1] });
  const one = await orders(1);
  expect(one).toMatchObject({ Plan: [1, 2], Approve: [1, 1], Deploy: [1, 2] });
  expect(one.Build).toEqual(one.Build!.map((_, index) => index + 1));
});

test("tries what it deploys in several regions before the first wave, and tells of all of them after that", async () => {
  const trial = { environment: "dev", regions: ["eu-west-1", "us-east-1", "eu-central-1"] };
  const stages = async (buildsAtOnce: number) => {
    const stack = await pipelineStack([["dev"], ["prod"]], {}, { trial, buildsAtOnce });
    const [, , , update, tried, plan] = stagesOf(stack);
    expect([update!.name, tried!.name, plan!.name]).toEqual(["Update", "Trial", "Plan-1"]);
    return tried!.actions.map(({ name, run_order }) => [name, run_order]);
  };
  const tries = trial.regions.map((region) => `trial-${region}`);
  expect(await stages(50)).toEqual([...tries.map((name) => [name, 1]), ["trial-report", 2]]);
  expect(await stages(2)).toEqual([
    ...tries.map((name, index) => [name, index < 2 ? 1 : 2]),
    ["trial-report", 3],
  ]);
});

test("tells each release of as many images as settings may name services, in trials and previews as well", async () => {
  const settings = await exampleSettings();
  // One more is refused (settings/refused.ts).
  const names = Array.from({ length: 25 }, (_, index) => `service${String.fromCharCode(97 + index)}`);
  const all = <Service>({ web }: Readonly<Record<string, Service>>) =>
    Object.fromEntries(names.map((name) => [name, web!]));
  const environments = Object.fromEntries(
    Object.entries(settings.environments).map(([name, one]) => [
      name,
      { ...one, services: all(one.services) },
    ]),
  );
  const trial = { environment: "dev", regions: ["ap-southeast-2"] };
  const main = { ...settings.pipelines.main!, trial };
  const large = { ...settings, services: all(settings.services), environments, pipelines: { main } };
  for (const [stack, told] of [
    [synthesizePipeline(large), ["trial-ap-southeast-2", "release-dev", "release-prod"]],
    [synthesizeTemplate(large), ["release-pv-dev"]],
  ] as const) {
    const actions = stagesOf(stack).flatMap((stage) => stage.actions);
    for (const name of told) {
      const { configuration } = actions.find((action) => action.name === name)!;
      const variables = JSON.parse(configuration.EnvironmentVariables!) as { name: string; value: string }[];
      const { value } = variables.find((variable) => variable.name === "IMAGES")!;
      expect(value).toBe(names.map((service) => `#{image-${service}.IMAGE_URI}`).join(" "));
      expect(configuration.EnvironmentVariables!.length).toBeLessThanOrEqual(1000);
    }
  }
});

test("tries once more to fetch what it needs, because a network may fail, and nothing else", async () => {
  const stages = only(await pipelineStack([["dev"]]), "aws_codepipeline").stage as Record<string, unknown>[];
  expect(stages.filter(({ on_failure }) => on_failure)).toMatchObject([
    {
      name: "Install",
      on_failure: { result: "RETRY", retry_configuration: { retry_mode: "FAILED_ACTIONS" } },
    },
  ]);
});

test("applies the plan that was approved: its artifact, and the hash that its action told, and whether it is empty", async () => {
  const actions = stagesOf(await pipelineStack([["dev"], ["prod"]])).flatMap((stage) => stage.actions);
  const find = (name: string) => actions.find((action) => action.name === name)!;
  expect(find("plan-prod")).toMatchObject({
    namespace: "plan-prod",
    input_artifacts: ["Build"],
    output_artifacts: ["Plan_prod"],
  });
  expect(find("apply-prod").input_artifacts).toEqual(["Build", "Plan_prod"]);
  expect(find("apply-prod").configuration.PrimarySource).toBe("Build");
  expect(JSON.parse(find("apply-prod").configuration.EnvironmentVariables!)).toEqual([
    { name: "PLAN_SHA256", value: "#{plan-prod.PLAN_SHA256}", type: "PLAINTEXT" },
    { name: "PLAN_IS_EMPTY", value: "#{plan-prod.PLAN_IS_EMPTY}", type: "PLAINTEXT" },
  ]);
  const { configuration } = find("approve-prod");
  expect(configuration.CustomData).toContain("#{plan-prod.PLAN_SUMMARY}");
  expect(configuration.CustomData).toContain("#{plan-prod.PLAN_SHA256}");
  expect(configuration.ExternalEntityLink).toBe(
    "https://eu-west-1.console.aws.amazon.com/codesuite/codebuild/111111111111/projects/hello-main-plan-prod/build/#{plan-prod.PLAN_BUILD}/log?region=eu-west-1",
  );
  // What reports on runs tells of it, once.
  expect(configuration).not.toHaveProperty("NotificationArn");
});

test("exports what the approval tells and the apply checks", async () => {
  const projects = resourcesOf(await pipelineStack([["prod"]])).filter(
    ({ type }) => type === "aws_codebuild_project",
  );
  const specOf = (name: string) =>
    JSON.parse(
      (
        projects.find(({ properties }) => properties.name === name)!.properties.source as {
          buildspec: string;
        }
      ).buildspec,
    );
  expect(specOf("hello-main-plan-prod")).toMatchObject({
    env: {
      "exported-variables": PLAN_VARIABLES,
    },
    phases: { build: { commands: ["npm run --silent plan -- prod plan", ". plan/variables.sh"] } },
    artifacts: { "base-directory": "plan" },
  });
  expect(specOf("hello-main-apply-prod").phases.build.commands).toEqual([
    'npm run --silent apply -- prod "$CODEBUILD_SRC_DIR_Plan_prod"',
  ]);
});

test("shows the tests' results and coverage as reports, in groups that only the tests write to", async () => {
  const stack = await pipelineStack([["dev"]]);
  const groups = resourcesOf(stack).filter(({ type }) => type === "aws_codebuild_report_group");
  expect(groups.map(({ properties }) => [properties.name, properties.type])).toEqual([
    ["hello-main-test-coverage", "CODE_COVERAGE"],
    ["hello-main-test-unit", "TEST"],
    ["hello-main-verify-dev-acceptance", "TEST"],
  ]);
  const [test] = resourcesOf(stack).filter(({ properties }) => properties.name === "hello-main-test");
  const { reports } = JSON.parse((test!.properties.source as { buildspec: string }).buildspec);
  expect(Object.values(reports)).toEqual([
    { files: ["unit.xml"], "base-directory": ".slipway/reports", "file-format": "JUNITXML" },
    { files: ["clover.xml"], "base-directory": ".slipway/reports", "file-format": "CLOVERXML" },
  ]);
  const writers = resourcesOf(stack).filter(
    ({ type, properties }) =>
      type === "aws_iam_role_policy" && String(properties.policy).includes("codebuild:BatchPutTestCases"),
  );
  expect(writers.map(({ id }) => id.split("_")[0])).toEqual(["test", "verify-dev"]);
});

test("runs commands that are scripts of this repository", async () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  const specs = resourcesOf(await pipelineStack([["dev"], ["prod"]]))
    .filter(({ type }) => type === "aws_codebuild_project")
    .map(({ properties }) => JSON.parse((properties.source as { buildspec: string }).buildspec));
  const commands = specs.flatMap(({ phases }) => phases.build.commands as string[]);
  // The source's own is AWS's; those of the stages are ours.
  const named = commands.flatMap(scriptsIn);
  const ours = [
    "toolchain",
    "lint",
    "test:report",
    "scan",
    "synth",
    "image",
    "bundle",
    "update",
    "plan",
    "apply",
    "release",
    "verify",
  ];
  expect(new Set(named)).toEqual(new Set(ours));
  for (const script of named) expect(scripts).toHaveProperty([script]);
});

/** What was synthesized, to where it is verified. */
const MOVED =
  'rm -rf .slipway/build && mv "$CODEBUILD_SRC_DIR_Build/.slipway/build" .slipway && mv "$CODEBUILD_SRC_DIR_Build/cdktf.out" .';

/** Scripts of package.json that a command runs. */
const scriptsIn = (command: string) =>
  [...command.matchAll(/npm run (?:--silent )?([\w:]+)/g)].map(([, script]) => script!);

function buildspecOf(stack: SynthesizedStack, action: string): Buildspec {
  const project = resourcesOf(stack).find(
    ({ type, properties }) => type === "aws_codebuild_project" && properties.name === `hello-main-${action}`,
  );
  return JSON.parse((project!.properties.source as { buildspec: string }).buildspec);
}

interface Buildspec {
  readonly phases: { readonly build: { readonly commands: readonly string[] } };
  readonly artifacts?: unknown;
  readonly cache?: unknown;
}

test("hands on no files of packages that no build reads", async () => {
  const { artifacts } = buildspecOf(await pipelineStack([["dev"]]), "install");
  const { "exclude-paths": without } = artifacts as { "exclude-paths": string[] };
  const isLeftOut = (path: string) => without.some((pattern) => minimatch(path, pattern, { dot: true }));
  const unread = [
    "node_modules/@cdktf/provider-aws/.jsii",
    "node_modules/@cdktf/node-pty-prebuilt-multiarch/prebuilds/win32-x64/abi120/build/Release/conpty.pdb",
    "node_modules/@cdktf/provider-generator/lib/get/__tests__/util.js",
    "node_modules/@aws-sdk/client-s3/dist-types/ts3.4/S3.d.ts",
  ];
  expect(unread.filter((path) => !isLeftOut(path))).toEqual([]);
  const read = [
    "__tests__/app/index.test.ts",
    "package.json",
    "node_modules/.bin/jest",
    "node_modules/.package-lock.json",
    "node_modules/@aws-sdk/client-s3/dist-types/S3.d.ts",
    "node_modules/@cdktf/node-pty-prebuilt-multiarch/prebuilds/linux-x64/abi120.node",
    "node_modules/@cdktf/provider-aws/lib/sns-topic/index.js",
    "node_modules/jsii/lib/index.js",
  ];
  expect(read.filter(isLeftOut)).toEqual([]);
});

test("bundles all that runs on what was synthesized, and hands on no packages", async () => {
  const stack = await pipelineStack([["dev"], ["prod"]]);
  const { phases, artifacts } = buildspecOf(stack, "synth");
  const bundled = phases.build.commands[1]!.split(" -- ")[1]!.split(" ");
  const actions = stagesOf(stack).flatMap((stage) => stage.actions);
  const given = actions.filter(({ input_artifacts = [] }) => input_artifacts.includes("Build"));
  expect(given).toHaveLength(9);
  const run = new Set(["drift", "preview:teardown"]);
  for (const { name } of given)
    for (const command of buildspecOf(stack, name).phases.build.commands)
      for (const script of scriptsIn(command)) run.add(script);
  expect(new Set(bundled)).toEqual(run);
  expect(artifacts).toEqual({
    files: ["**/*"],
    "exclude-paths": ["node_modules/*/**/*", "node_modules/.bin/**/*"],
    "enable-symlinks": "yes",
  });
});

test("gives each environment's actions roles of their own: the plan's reads, the apply's writes, neither another's", async () => {
  const stack = await pipelineStack([["dev"], ["prod"]]);
  const allowed = (project: string) =>
    resourcesOf(stack)
      .filter(({ type, id }) => type === "aws_iam_role_policy" && id.startsWith(project))
      .flatMap(({ properties }) => statements(properties))
      .flatMap(({ Action, Resource }) =>
        [Action].flat().flatMap((action) => [Resource].flat().map((resource) => `${action} ${resource}`)),
      )
      .filter((line) => /^sts:|-state-/.test(line));
  const state = "arn:aws:s3:::hello-state-111111111111-eu-west-1";
  expect(allowed("plan-dev_")).toEqual([
    `s3:ListBucket ${state}`,
    `s3:GetObject ${state}/dev.tfstate`,
    "sts:AssumeRole arn:aws:iam::222222222222:role/hello-dev-plan",
  ]);
  expect(allowed("apply-prod_")).toEqual([
    `s3:ListBucket ${state}`,
    ...["Get", "Put", "Delete"].flatMap((verb) => [
      `s3:${verb}Object ${state}/prod.tfstate`,
      `s3:${verb}Object ${state}/prod.tfstate.tflock`,
    ]),
    "sts:AssumeRole arn:aws:iam::333333333333:role/hello-prod-deploy",
  ]);
  const releases = [
    `s3:ListBucket ${state}`,
    `s3:GetObject ${state}/prod.tfstate`,
    "sts:AssumeRole arn:aws:iam::333333333333:role/hello-prod-release",
  ];
  expect(allowed("release-prod_")).toEqual(releases);
  // What does not pass is brought back.
  expect(allowed("verify-prod_")).toEqual([
    ...releases,
    "sts:AssumeRole arn:aws:iam::333333333333:role/hello-prod-verify",
  ]);
  for (const project of ["install_", "lint_", "test_", "synth_"]) expect(allowed(project)).toEqual([]);
});

test("keeps what the compiler knows of checked files where the compiler looks for it", async () => {
  const { tsBuildInfoFile } = JSON.parse(readFileSync(join(ROOT, "tsconfig.json"), "utf8")).compilerOptions;
  expect(buildspecOf(await pipelineStack([["dev"]]), "lint").cache).toEqual({ paths: [tsBuildInfoFile] });
});

test("reads and writes its own artifacts, and no other pipeline's: what that deploys is in them", async () => {
  const stack = await pipelineStack([["dev"], ["prod"]]);
  const objects = resourcesOf(stack)
    .filter(({ type }) => type === "aws_iam_role_policy")
    .flatMap(({ properties }) => statements(properties))
    .flatMap(({ Resource }) => [Resource].flat() as string[])
    .filter((resource) => /:hello-artifacts-[^/]*\//.test(resource));
  const bucket = "arn:aws:s3:::hello-artifacts-111111111111-eu-west-1";
  expect(new Set(objects)).toEqual(
    new Set([
      `${bucket}/hello-main/*`,
      `${bucket}/cache/hello-main-install/*`,
      `${bucket}/cache/hello-main-lint/*`,
    ]),
  );
});

describe("the update", () => {
  const two = async () => {
    const settings = await exampleSettings();
    const pipeline = settings.pipelines.main!;
    const both = {
      ...settings,
      pipelines: { develop: { ...pipeline, name: "develop", branch: "develop" }, main: pipeline },
    };
    return { develop: synthesizePipeline(both, "develop"), main: synthesizePipeline(both) };
  };
  const rights = (stack: SynthesizedStack) =>
    resourcesOf(stack)
      .filter(({ type, id }) => type === "aws_iam_role_policy" && id.startsWith("update_"))
      .flatMap(({ properties }) => statements(properties));

  test("is told its execution, its revision, and the revision that the pipeline was started anew for", async () => {
    const stack = await pipelineStack([["dev"]]);
    expect(only(stack, "aws_codepipeline").variable).toEqual([
      { name: "UPDATED_FOR", default_value: "nothing" },
    ]);
    const [update] = stagesOf(stack).find(({ name }) => name === "Update")!.actions;
    expect(update!.input_artifacts).toEqual(["Build"]);
    expect(JSON.parse(update!.configuration.EnvironmentVariables!)).toEqual([
      { name: "EXECUTION_ID", value: "#{codepipeline.PipelineExecutionId}", type: "PLAINTEXT" },
      { name: "REVISION", value: "#{Source.CommitId}", type: "PLAINTEXT" },
      { name: "UPDATED_FOR", value: "#{variables.UPDATED_FOR}", type: "PLAINTEXT" },
    ]);
  });

  test("reaches what all pipelines share in the first pipeline alone, and no other pipeline", async () => {
    const { develop, main } = await two();
    expect(JSON.stringify(rights(develop!))).toContain("/delivery.tfstate");
    expect(JSON.stringify(rights(develop!))).toContain("project/hello-delivery-*");
    expect(JSON.stringify(rights(main!))).not.toContain("delivery.tfstate");
    expect(JSON.stringify(rights(main!))).not.toContain("hello-delivery-*");
    expect(JSON.stringify(rights(develop!))).not.toContain("hello-main");
    expect(JSON.stringify(rights(main!))).not.toContain("hello-develop");
  });

  test("may destroy neither images, keys, buckets nor the pipeline", async () => {
    const { develop } = await two();
    const actions = rights(develop!)
      .filter(({ Effect }) => Effect === "Allow")
      .flatMap(({ Action }) => Action as string | string[]);
    for (const never of [
      "codepipeline:DeletePipeline",
      "ecr:BatchDeleteImage",
      "ecr:DeleteRepository",
      "kms:ScheduleKeyDeletion",
      "s3:DeleteBucket",
    ])
      expect(actions).not.toContain(never);
  });
});

describe("the source", () => {
  const stackWith = async (source: Settings["source"]) =>
    synthesizePipeline({ ...(await exampleSettings()), source });

  test("in CodeCommit starts the pipeline by an event of that branch, and is not polled", async () => {
    const stack = await stackWith({ provider: "codecommit", repository: "hello" });
    expect(stagesOf(stack)[0]!.actions[0]!.configuration).toMatchObject({ PollForSourceChanges: "false" });
    expect(JSON.parse(only(stack, "aws_cloudwatch_event_rule").event_pattern as string)).toEqual({
      source: ["aws.codecommit"],
      "detail-type": ["CodeCommit Repository State Change"],
      resources: ["arn:aws:codecommit:eu-west-1:111111111111:hello"],
      detail: {
        event: ["referenceCreated", "referenceUpdated"],
        referenceType: ["branch"],
        referenceName: ["main"],
      },
    });
    const arn = expect.stringMatching(/^\$\{aws_codepipeline\..*\.arn\}$/);
    expect(only(stack, "aws_cloudwatch_event_target")).toMatchObject({ arn });
    const [role] = resourcesOf(stack).filter(
      ({ type, properties }) =>
        type === "aws_iam_role_policy" && String(properties.policy).includes("StartPipelineExecution"),
    );
    expect(statements(role!.properties)).toEqual([
      { Effect: "Allow", Action: "codepipeline:StartPipelineExecution", Resource: arn },
    ]);
  });

  test("on GitHub leaves it to the project's webhook to start the pipeline, or is polled", async () => {
    const polled = async (polling: boolean) => {
      const stack = await stackWith({ provider: "github-token", repository: "acme/hello", polling });
      expect(stack.resource.aws_codebuild_webhook).toBeUndefined();
      return stagesOf(stack)[0]!.actions[0]!.configuration.PollForSourceChanges;
    };
    expect([await polled(false), await polled(true)]).toEqual(["false", "true"]);
  });

  test.each<Settings["source"]>([
    { provider: "connection", repository: "acme/hello", host: "GitHub" },
    { provider: "codecommit", repository: "hello" },
  ])("may be every branch that fits a pattern: $provider", async (source) => {
    const settings = await exampleSettings();
    const main = { ...settings.pipelines.main!, branch: "release/*" };
    const stack = synthesizePipeline({ ...settings, source, pipelines: { main } });
    if (source.provider === "connection") {
      expect(JSON.stringify(only(stack, "aws_codepipeline").trigger)).toContain('{"includes":["release/*"]}');
      return;
    }
    const { detail } = JSON.parse(only(stack, "aws_cloudwatch_event_rule").event_pattern as string);
    expect(detail.referenceName).toEqual([{ wildcard: "release/*" }]);
    // Which of them it was, only the event tells.
    expect(only(stack, "aws_cloudwatch_event_target").input_transformer).toEqual({
      input_paths: { revision: "$.detail.commitId" },
      input_template:
        '{"sourceRevisions":[{"actionName":"Source","revisionType":"COMMIT_ID","revisionValue":"<revision>"}]}',
    });
  });

  test("behind a connection starts the pipeline only for what touches its paths, where it has some", async () => {
    const settings = await exampleSettings();
    const source = { provider: "connection", repository: "acme/hello", host: "GitHub" } as const;
    const main = { ...settings.pipelines.main!, paths: ["services/**"] };
    const stack = synthesizePipeline({ ...settings, source, pipelines: { main } });
    expect(JSON.stringify(only(stack, "aws_codepipeline").trigger)).toContain(
      '"file_paths":{"includes":["services/**"]}',
    );
  });

  test("behind a connection says in an output what somebody has to do once", async () => {
    const stack = await stackWith({ provider: "connection", repository: "acme/hello", host: "GitHub" });
    const { connection_arn } = stack.output as Record<string, { description: string }>;
    expect(only(stack, "aws_codepipeline").trigger).toEqual([
      {
        provider_type: "CodeStarSourceConnection",
        git_configuration: { source_action_name: "Source", push: [{ branches: { includes: ["main"] } }] },
      },
    ]);
    expect(connection_arn!.description).toMatch(/handshake.*Update pending connection/);
    expect(stack.resource.aws_cloudwatch_event_rule).toBeUndefined();
  });
});

describe("fails at synth", () => {
  const settingsKey = {
    alias: "alias/k",
    description: "A key",
    account: "111111111111",
    region: "eu-west-1",
  };
  const topic = { arn: "arn:aws:sns:eu-west-1:111111111111:t", grantPublish: () => {} };
  const build = (stages: PipelineProps["stages"]) =>
    synthesizeConstruct((scope) => {
      const key = new Key(scope, "key", settingsKey);
      const artifacts = new Bucket(scope, "artifacts", { name: "artifacts", key });
      const source = new Source(scope, "source", {
        project: "hello",
        pipeline: "p",
        account: "111111111111",
        region: "eu-west-1",
        branch: "main",
        source: { provider: "codecommit", repository: "hello" },
      });
      new Pipeline(scope, "pipeline", { name: "p", account: "111111111111", source, stages, artifacts, key });
    });
  const approval = (name: string, message = "ok?") => ({ name, message, link: "https://example.com", topic });

  test.each<[string, PipelineProps["stages"], RegExp]>([
    [
      "when two stages share a name",
      [
        { name: "Ask", steps: [approval("a")] },
        { name: "Ask", steps: [approval("b")] },
      ],
      /two stages are named Ask/,
    ],
    [
      "when two actions share a name, also in two stages",
      [
        { name: "One", steps: [approval("a")] },
        { name: "Two", steps: [approval("a")] },
      ],
      /two actions are named a/,
    ],
    [
      "when an approval's message is longer than CodePipeline takes",
      [{ name: "Ask", steps: [approval("a", "x".repeat(1001))] }],
      /action a: CustomData has more than 1000 characters/,
    ],
    [
      "when there are more stages than CodePipeline takes",
      Array.from({ length: 50 }, (_, index) => ({ name: `S${index}`, steps: [approval(`a${index}`)] })),
      /51 stages, of at most 50/,
    ],
  ])("%s", (_, stages, message) => {
    expect(() => build(stages)).toThrow(message);
  });
});

describe("a release", () => {
  const action = async (deploy: string[][], name: string) =>
    (
      resourcesOf(await pipelineStack(deploy)).find(({ type }) => type === "aws_codepipeline")!.properties
        .stage as { action: Record<string, never>[] }[]
    )
      .flatMap((stage) => stage.action)
      .find((one) => one.name === name)!;

  test("gets the image that was built of the commit, by its digest", async () => {
    const { configuration } = await action([["dev"]], "release-dev");
    expect(
      JSON.parse((configuration as unknown as { EnvironmentVariables: string }).EnvironmentVariables),
    ).toEqual([
      { name: "IMAGES", value: "#{image-web.IMAGE_URI}", type: "PLAINTEXT" },
      { name: "COMMIT", value: "#{Source.CommitId}", type: "PLAINTEXT" },
    ]);
  });

  test("leaves what it did to the action that verifies it, which hands it back where it does not pass", async () => {
    expect((await action([["dev"]], "release-dev")).output_artifacts).toEqual(["Release_dev"]);
    expect((await action([["dev"]], "verify-dev")).input_artifacts).toEqual([
      "Install",
      "Build",
      "Release_dev",
    ]);
    const { phases } = buildspecOf(await pipelineStack([["dev"]]), "verify-dev");
    expect(phases.build.commands).toEqual([
      MOVED,
      'npm run --silent release -- dev --stands "$CODEBUILD_SRC_DIR_Release_dev"',
      'npm run --silent verify -- dev || { npm run --silent release -- dev --back "$CODEBUILD_SRC_DIR_Release_dev"; exit 1; }',
    ]);
  });

  test("has the time that its steps take, to and fro", async () => {
    const stack = await pipelineStack([["dev"], ["prod"]]);
    const minutes = (environment: string) =>
      resourcesOf(stack).find(({ properties }) => properties.name === `hello-main-release-${environment}`)!
        .properties.build_timeout;
    // All at once, and five minutes of the old tasks; then ten steps of a minute, or a canary of five and those five.
    expect([minutes("dev"), minutes("prod")]).toEqual([130, 140]);
  });
});

describe("the template of previews", () => {
  const template = async (changes: Partial<Settings> = {}) =>
    synthesizeTemplate({ ...(await exampleSettings()), ...changes });
  const actions = (stack: SynthesizedStack) => stagesOf(stack).flatMap((stage) => stage.actions);
  const variablesOf = ({ configuration }: Action) =>
    JSON.parse(configuration.EnvironmentVariables ?? "[]") as { name: string; value: string }[];
  const commandsOf = (stack: SynthesizedStack, project: string) => {
    const found = all(stack, "aws_codebuild_project").find(({ name }) => name === project)!;
    return JSON.parse((found.source as { buildspec: string }).buildspec);
  };
  const policies = (stack: SynthesizedStack) =>
    all(stack, "aws_iam_role_policy").flatMap((policy) => statements(policy));
  const resources = (stack: SynthesizedStack) =>
    policies(stack).flatMap(({ Resource }) => [Resource].flat() as string[]);

  test("does for one environment what the pipeline does, and does not bring itself up to date", async () => {
    expect(diagram(await template())).toEqual([
      "Source: Source",
      "Install: install",
      "Build: lint, test, scan, synth, image-web",
      "Plan: plan-pv-dev",
      "Deploy: apply-pv-dev",
      "Release: release-pv-dev",
      "Verify: verify-pv-dev",
    ]);
  });

  test("asks somebody where the environment that it is like does", async () => {
    const { environments } = await exampleSettings();
    const stack = await template({
      environments: { ...environments, dev: { ...environments.dev!, approval: "always" } },
    });
    expect(diagram(stack)).toContain("Approve: approve-pv-dev");
    const approve = actions(stack).find(({ name }) => name === "approve-pv-dev")!;
    expect(approve.configuration.CustomData).toMatch(
      /^hello-preview-main_dev: #\{variables\.SLIPWAY_PREVIEW\}\. /,
    );
  });

  test("is told by a variable which preview it works on, and tells each build that must know", async () => {
    const stack = await template();
    expect(only(stack, "aws_codepipeline").variable).toEqual([
      { name: "SLIPWAY_PREVIEW", default_value: "none" },
    ]);
    const told = actions(stack)
      .filter((action) =>
        variablesOf(action).some(
          ({ name, value }) => name === "SLIPWAY_PREVIEW" && value === "#{variables.SLIPWAY_PREVIEW}",
        ),
      )
      .map(({ name }) => name);
    const knowing = ["plan", "apply", "release", "verify"].map((verb) => `${verb}-pv-dev`);
    expect(told).toEqual(["synth", "image-web", ...knowing]);
  });

  test("names the preview to its commands as one quoted word, and no environment", async () => {
    const stack = await template();
    const [plan, apply, release, verify] = ["plan", "apply", "release", "verify"].map(
      (verb) => commandsOf(stack, `hello-preview-main_dev-${verb}-pv-dev`).phases.build.commands as string[],
    );
    expect(plan![0]).toBe('npm run --silent plan -- "$SLIPWAY_PREVIEW" plan');
    expect(apply).toEqual(['npm run --silent apply -- "$SLIPWAY_PREVIEW" "$CODEBUILD_SRC_DIR_Plan_pv_dev"']);
    expect(release![0]).toBe('npm run --silent release -- "$SLIPWAY_PREVIEW" release');
    expect(verify).toEqual([
      MOVED,
      'npm run --silent release -- "$SLIPWAY_PREVIEW" --stands "$CODEBUILD_SRC_DIR_Release_pv_dev"',
      'npm run --silent verify -- "$SLIPWAY_PREVIEW" || { npm run --silent release -- "$SLIPWAY_PREVIEW" --back "$CODEBUILD_SRC_DIR_Release_pv_dev"; exit 1; }',
    ]);
  });

  test("tells where a preview is reached", async () => {
    const { env, phases } = commandsOf(await template(), "hello-preview-main_dev-release-pv-dev");
    expect(env["exported-variables"]).toEqual(["PREVIEW_ADDRESSES"]);
    expect(phases.build.commands.at(-1)).toBe(". release/addresses.sh");
  });

  test("leaves artifacts in the previews' bucket alone, and does not reach what is noted of previews there", async () => {
    const stack = await template();
    const bucket = "hello-previews-111111111111-eu-west-1";
    expect(only(stack, "aws_codepipeline").artifact_store).toMatchObject([{ location: bucket }]);
    const objects = resources(stack).filter(
      (one) => /^arn:aws:s3:::[^/]*\/./.test(one) && !/-state-/.test(one),
    );
    expect(new Set(objects)).toEqual(
      new Set([
        // CodePipeline cuts each pipeline's name off there.
        `arn:aws:s3:::${bucket}/hello-preview-main_d*`,
        `arn:aws:s3:::${bucket}/cache/hello-preview-main_dev-install/*`,
        `arn:aws:s3:::${bucket}/cache/hello-preview-main_dev-lint/*`,
      ]),
    );
  });

  test("reaches the artifacts of every pipeline that is made like it, however short the names", async () => {
    const { pipelines, environments, previews } = await exampleSettings();
    const stack = await template({
      project: "ab",
      pipelines: { m: { ...pipelines.main!, name: "m" } },
      environments: { d: { ...environments.dev!, name: "d" } },
      previews: previews.map((rule) => ({ ...rule, pipeline: "m", environment: "d" })),
    });
    const pattern = "arn:aws:s3:::ab-previews-111111111111-eu-west-1/ab-preview-m_d*";
    expect(resources(stack)).toContain(pattern);
    expect(artifactPrefix(previewPipelineName({ project: "ab" }, "m_d", "x-3f9a2c"))).toBe(
      "ab-preview-m_d_x-3f9/",
    );
  });

  test("reaches the state and the roles of that environment's previews, and of nothing else", async () => {
    const reached = resources(await template());
    const state = "arn:aws:s3:::hello-state-111111111111-eu-west-1/pv-dev-*-??????.tfstate";
    expect(new Set(reached.filter((one) => /-state-[^/]*\//.test(one)))).toEqual(
      new Set([state, `${state}.tflock`]),
    );
    expect(new Set(reached.filter((one) => one.includes(":role/")))).toEqual(
      new Set(
        ["plan", "deploy", "release", "verify"].map(
          (role) => `arn:aws:iam::222222222222:role/hello-pv-dev-${role}`,
        ),
      ),
    );
  });

  test("warns where previews share an account with something else", async () => {
    const warning = async (account: string) => {
      const { environments } = await exampleSettings();
      const dev = { ...environments.dev!, account };
      const { output } = await template({ environments: { ...environments, dev } });
      return (output as Record<string, { value: string }>).warning_previews?.value;
    };
    expect(await warning("222222222222")).toBeUndefined();
    expect(await warning("333333333333")).toContain("in one account with prod:");
    expect(await warning("111111111111")).toContain("in one account with the pipelines themselves:");
  });

  test("pushes images of previews, and no others", async () => {
    const repositories = resources(await template()).filter((one) => one.includes(":ecr:"));
    expect(repositories).toEqual(["arn:aws:ecr:eu-west-1:111111111111:repository/hello/preview/web"]);
  });

  test.each<Settings["source"]>([
    { provider: "github-token", repository: "acme/hello", polling: false },
    { provider: "github-token", repository: "acme/hello", polling: true },
    { provider: "connection", repository: "acme/hello", host: "GitHub" },
    { provider: "codecommit", repository: "hello" },
  ])("is started by no push, and finds no branch if it is started: %j", async (source) => {
    const stack = await template({ source });
    const { configuration } = stagesOf(stack)[0]!.actions[0]!;
    expect(configuration.Branch ?? configuration.BranchName).toBe("slipway-preview-template");
    expect(configuration.PollForSourceChanges ?? configuration.DetectChanges).toBe("false");
    for (const type of ["aws_cloudwatch_event_rule", "aws_cloudwatch_event_target"])
      expect(all(stack, type)).toEqual([]);
  });

  test("behind a connection has the pipeline's, which somebody made, and a trigger for what is made like it", async () => {
    const stack = await template({
      source: { provider: "connection", repository: "acme/hello", host: "GitHub" },
    });
    expect(all(stack, "aws_codestarconnections_connection")).toEqual([]);
    const [[connection]] = Object.values(stack.data as Record<string, Record<string, object>>)
      .filter((one) => Object.values(one).some((data) => "name" in data && data.name === "hello-main"))
      .map((one) => Object.values(one)) as [[object]];
    expect(connection).toMatchObject({ name: "hello-main" });
    expect(only(stack, "aws_codepipeline").trigger).toMatchObject([
      {
        git_configuration: {
          push: [{ branches: { includes: ["slipway-preview-template"] } }],
        },
      },
    ]);
    expect(stack.output).not.toHaveProperty("connection_arn");
  });

  test("keeps what CodePipeline is told of the pipeline that it is like", async () => {
    const { pipelines } = await exampleSettings();
    const main = { ...pipelines.main!, execution: "queued" as const, buildsAtOnce: 1 };
    const stack = await template({ pipelines: { main } });
    expect(only(stack, "aws_codepipeline")).toMatchObject({
      name: "hello-preview-main_dev",
      execution_mode: "QUEUED",
    });
    const build = stagesOf(stack).find(({ name }) => name === "Build")!;
    expect(build.actions.map(({ run_order }) => run_order)).toEqual([1, 2, 3, 4, 5]);
  });

  test("tags what it has as previews', and names nothing as the pipeline does", async () => {
    const stack = await template();
    expect((stack.provider as { aws: object[] }).aws).toMatchObject([
      { default_tags: [{ tags: { "slipway:project": "hello", "slipway:preview": "main_dev" } }] },
    ]);
    for (const type of ["aws_codebuild_project", "aws_iam_role", "aws_codebuild_report_group"])
      for (const { name } of all(stack, type)) expect(name).toMatch(/^hello-preview-main_dev(-|$)/);
  });
});
