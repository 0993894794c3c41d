import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { App, TerraformStack } from "cdktf";
import { previewEnvironment, readSettings, type Settings } from "../../settings";
import { createStacks, type StacksProps } from "../../stacks";
import { EXAMPLE_STACKS, exampleSettings, exampleText } from "../support/settings";
import { functionBundles, normalize, synthesize } from "../support/synth";
import { resourcesOf, type SynthesizedStack } from "../support/synthesized";

/** The app of stacks, and the folder that it is synthesized into. */
function appOf(settings: Settings, props: Pick<StacksProps, "requested" | "preview">) {
  const outdir = mkdtempSync(join(tmpdir(), "slipway-synth-"));
  const app = new App({ outdir });
  createStacks(app, {
    settings,
    functionBundles: functionBundles(settings),
    local: false,
    only: "all but bootstrap",
    ...props,
  });
  return { app, outdir };
}

async function dependencies(requested?: readonly string[], changes: Partial<Settings> = {}) {
  const { app, outdir } = appOf({ ...(await exampleSettings()), ...changes }, { requested });
  // What a stack holds is not asked for, which is most of a synth.
  for (const stack of app.node.findAll().filter(TerraformStack.isStack))
    stack.synthesizer = { synthesize: ({ manifest }) => void manifest.forStack(stack) };
  app.synth();
  const manifest = JSON.parse(readFileSync(join(outdir, "manifest.json"), "utf8"));
  return Object.fromEntries(
    Object.entries<{ dependencies: string[] }>(manifest.stacks).map(([name, stack]) => [
      name,
      stack.dependencies,
    ]),
  );
}

describe("the order of the stacks", () => {
  test("holds for every command that is not a deploy", async () => {
    expect(await dependencies()).toMatchObject({
      dev: ["access-dev"],
      prod: ["access-prod"],
      "pipeline-main": ["delivery"],
      "pipeline-preview-main_dev": ["delivery"],
    });
  });

  test("has the template after the pipeline whose connection it uses", async () => {
    const source = { provider: "connection", repository: "acme/hello", host: "GitHub" } as const;
    expect((await dependencies(undefined, { source }))["pipeline-preview-main_dev"]).toEqual(
      expect.arrayContaining(["delivery", "pipeline-main"]),
    );
  });

  test("holds among the stacks that a deploy asks for, and asks for no other", async () => {
    expect(await dependencies(["pipeline-*", "dev"])).toMatchObject({ dev: [], "pipeline-main": [] });
    expect(await dependencies(["*"])).toMatchObject({ dev: ["access-dev"], "pipeline-main": ["delivery"] });
  });
});

test("a preview is its environment's stack alone: all else is not its pipeline's to make", async () => {
  const settings = await exampleSettings();
  const preview = previewEnvironment(settings, "dev", "login-3f9a2c");
  const { app, outdir } = appOf(settings, { preview });
  app.synth();
  expect(readdirSync(join(outdir, "stacks"))).toEqual(["pv-dev-login-3f9a2c"]);
});

/** The stacks of the example. */
let stacks: Record<string, SynthesizedStack>;
beforeAll(async () => {
  stacks = synthesize(await exampleSettings());
});

test("the example settings make these stacks", () => {
  expect(Object.keys(stacks).sort()).toEqual(EXAMPLE_STACKS);
});

test.each(EXAMPLE_STACKS)("%s is what it was", (name) => {
  expect(normalize(stacks[name]!)).toMatchSnapshot();
});

describe("each stack", () => {
  test("declares every setting, so that Terraform warns of none, and refuses others than it was made with", async () => {
    const settings = await exampleSettings();
    for (const stack of Object.values(stacks)) {
      const variables = stack.variable as Record<
        string,
        { default: unknown; validation: { condition: string; error_message: string }[] }
      >;
      expect(Object.keys(variables)).toEqual(expect.arrayContaining(Object.keys(settings.given)));
      expect(variables.environments!.default).toEqual(settings.given.environments);
      expect(variables.environments!.validation[0]!.error_message).toContain("run cdktf synth again");
    }
  });

  test("works in its own account alone, and keeps its state in the bucket under its own name", () => {
    for (const [name, stack] of Object.entries(stacks)) {
      const [provider] = (stack.provider as { aws: { allowed_account_ids: string[] }[] }).aws;
      const account = /^(access-)?dev$/.test(name)
        ? "222222222222"
        : /^(access-)?prod$/.test(name)
          ? "333333333333"
          : "111111111111";
      expect([name, provider!.allowed_account_ids]).toEqual([name, [account]]);
      expect((stack.terraform as { backend: unknown }).backend).toMatchObject({
        s3: {
          bucket: "hello-state-111111111111-eu-west-1",
          key: `${name}.tfstate`,
          encrypt: true,
          use_lockfile: true,
        },
      });
    }
  });

  test("is free of what only Local AWS needs, unless it goes there", async () => {
    expect(JSON.stringify(stacks)).not.toMatch(/path_style/);
    expect(JSON.stringify(synthesize(await exampleSettings(), { local: true, only: "bootstrap" }))).toMatch(
      /path_style/,
    );
  });
});

test("names and ids of what holds data stay as they are", () => {
  const stateful = [
    "aws_s3_bucket",
    "aws_kms_alias",
    "aws_ecr_repository",
    "aws_secretsmanager_secret",
    "aws_sns_topic",
  ];
  const frozen = Object.entries(stacks).flatMap(([stack, content]) =>
    resourcesOf(content)
      .filter(({ type }) => stateful.includes(type))
      .map(({ type, id, properties }) => `${stack} ${type}.${id} ${properties.bucket ?? properties.name}`),
  );
  expect(frozen.sort()).toMatchSnapshot();
});

describe("one pipeline an environment, instead of one that promotes through all", () => {
  const settings = (pipelines: string) => {
    const file = join(mkdtempSync(join(tmpdir(), "slipway-settings-")), "terraform.tfvars");
    const text = exampleText()
      .replace(/git = \{[^}]*\}/, 'git = { provider = "connection", repository = "acme/hello" }')
      .replace(
        "environments = {",
        'environments = {\n  staging = { account = "444444444444", cidr = "10.30.0.0/16" }',
      )
      .replace(/\npipelines = \{[\s\S]*?\n\}\n/, `\npipelines = ${pipelines}\n`)
      .replace(/\npreviews = \{[\s\S]*?\n\}\n/, "\n");
    writeFileSync(file, text);
    return readSettings(file);
  };
  let one: Record<string, SynthesizedStack>;
  let three: Record<string, SynthesizedStack>;
  beforeAll(async () => {
    one = synthesize(
      await settings('{ main = { branch = "main", deploy = [["dev"], ["staging"], ["prod"]] } }'),
    );
    three = synthesize(
      await settings(`{
        develop = { branch = "develop", deploy = [["dev"]] }
        release = { branch = "release/*", deploy = [["staging"]] }
        main    = { branch = "main", deploy = [["prod"]] }
      }`),
    );
  });
  const resources = (stack: SynthesizedStack | undefined) =>
    resourcesOf(stack!).map((resource) => JSON.stringify(resource));

  test("changes terraform.tfvars alone, and no resource of an environment", () => {
    for (const environment of ["dev", "staging", "prod"]) {
      expect(resources(three[environment])).toEqual(resources(one[environment]));
      // Whom the way in is for is told there, by name.
      const access = (all: Record<string, SynthesizedStack>) =>
        resources(all[`access-${environment}`]).filter((text) => !text.includes('"type":"aws_iam_role",'));
      expect(access(three)).toEqual(access(one));
    }
    expect(Object.keys(three).filter((name) => name.startsWith("pipeline-"))).toEqual([
      "pipeline-develop",
      "pipeline-main",
      "pipeline-release",
    ]);
  });

  test("reaches from each pipeline its own environment, and gives nothing a name that another has", () => {
    const names = new Map<string, string>();
    for (const [stack, environment] of [
      ["pipeline-develop", "dev"],
      ["pipeline-release", "staging"],
      ["pipeline-main", "prod"],
    ] as const) {
      const all = resourcesOf(three[stack]!);
      const assumed = all
        .flatMap(
          ({ properties }) => JSON.stringify(properties).match(/role\/hello-\w+-(plan|deploy)\b/g) ?? [],
        )
        .map((found) => found.slice("role/hello-".length).replace(/-(plan|deploy)$/, ""));
      expect(new Set(assumed)).toEqual(new Set([environment]));
      for (const { type, properties } of all) {
        if (typeof properties.name !== "string" || type === "aws_iam_role_policy") continue;
        const key = `${type} ${properties.name}`;
        expect([key, names.get(key)]).toEqual([key, undefined]);
        names.set(key, stack);
      }
    }
  });
});
