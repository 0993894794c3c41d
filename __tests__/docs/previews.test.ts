import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSettings, type Settings } from "../../settings";
import { previewSlug, ruleOf } from "../../shared/previews";
import { ROOT } from "../support/settings";

/** What an example leaves out. */
const REST: Readonly<Record<string, string>> = {
  project: '"hello"',
  region: '"eu-west-1"',
  account: '"111111111111"',
  git: '{ provider = "github-token", repository = "acme/hello" }',
  functions: "{ hello = {} }",
  environments: '{ dev = { account = "222222222222" }, prod = { account = "333333333333" } }',
  pipelines: '{ main = { branch = "main", deploy = [["dev"], ["prod"]] } }',
};

const text = readFileSync(join(ROOT, "docs/previews.md"), "utf8");
const examples = [...text.matchAll(/^```hcl\n(.*?)^```$/gms)].map(([, example = ""]) => example);

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), "slipway-previews-guide-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

function read(example: string): Promise<Settings> {
  const rest = Object.entries(REST).filter(([key]) => !new RegExp(`^${key}\\s*=`, "m").test(example));
  const file = join(folder, "terraform.tfvars");
  writeFileSync(file, [...rest.map(([key, value]) => `${key} = ${value}`), example].join("\n"));
  return readSettings(file);
}

/** Like what a branch's preview is made: pipeline, environment and hours. */
async function previewOf(example: string | undefined, branch: string, ...pullRequestsInto: string[]) {
  const { previews, pipelines } = await read(example!);
  const deployed = Object.values(pipelines).map((pipeline) => pipeline.branch);
  const rule = ruleOf(previews, deployed, { branch, pullRequestsInto });
  return rule && [rule.pipeline, rule.environment, rule.ttlHours];
}

test("the settings of all examples are accepted", async () => {
  expect(examples).toHaveLength(4);
  for (const example of examples) await expect(read(example)).resolves.toBeDefined();
});

const containing = (words: string) => examples.find((example) => example.includes(words));

test("the rules of the beginning mean what is said of them", async () => {
  const rules = examples[0];
  expect(await previewOf(rules, "feature/login", "main")).toEqual(["main", "dev", 72]);
  expect(await previewOf(rules, "fix/login", "main")).toEqual(["main", "dev", 24]);
  expect(await previewOf(rules, "fix/login", "other")).toBeUndefined();
  expect(await previewOf(rules, "feature/docs-login")).toBeUndefined();
});

test("with GitFlow, features and hotfixes have previews, and what is deployed has none", async () => {
  const gitFlow = containing('"release/*"');
  expect(await previewOf(gitFlow, "feature/login")).toEqual(["develop", "dev", 48]);
  expect(await previewOf(gitFlow, "hotfix/login")).toEqual(["main", "dev", 168]);
  for (const branch of ["develop", "release/1.2", "main", "other"])
    expect(await previewOf(gitFlow, branch)).toBeUndefined();
});

test("with a trunk, pull requests have previews, but those of documents", async () => {
  const trunk = containing('exclude = ["docs/*"]');
  expect(await previewOf(trunk, "login", "main")).toEqual(["main", "dev", 24]);
  expect(await previewOf(trunk, "login")).toBeUndefined();
  expect(await previewOf(trunk, "docs/login", "main")).toBeUndefined();
});

test("the names that the guide tells of a branch are those that it has", () => {
  const slugs = new Set(text.match(/(?<=login-)[0-9a-f]{6}/g));
  expect([...slugs]).toEqual([previewSlug("feature/login").slice(-6)]);
});
