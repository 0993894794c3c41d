import { stateKey } from "../../shared/names";
import {
  previewEnvironmentName,
  previewImageTag,
  previewPipelineName,
  previewRepositoryName,
  previewSlug,
  ruleOf,
  templatePipelineName,
  templateStackName,
} from "../../shared/previews";
import { examplesIn, readExample, textOf } from "./examples";

const text = textOf("docs/previews.md");
const examples = examplesIn(text);

/** Like what a branch's preview is made: pipeline, environment and hours. */
async function previewOf(example: string | undefined, branch: string, ...pullRequestsInto: string[]) {
  const { previews, pipelines } = await readExample(example!);
  const deployed = Object.values(pipelines).map((pipeline) => pipeline.branch);
  const rule = ruleOf(previews, deployed, { branch, pullRequestsInto });
  return rule && [rule.pipeline, rule.environment, rule.ttlHours];
}

test("the settings of all examples are accepted", async () => {
  expect(examples).toHaveLength(4);
  for (const example of examples) await expect(readExample(example)).resolves.toBeDefined();
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
  const slug = previewSlug("feature/login");
  expect([...slugs]).toEqual([slug.slice(-6)]);
  const environment = previewEnvironmentName("dev", slug);
  const project = { project: "hello" };
  for (const name of [
    environment,
    previewPipelineName(project, "main_dev", slug),
    templatePipelineName(project, "main_dev"),
    templateStackName("main_dev"),
    stateKey(environment),
    `${previewRepositoryName(project, "<service>")}:${previewImageTag(environment, "<commit>")}`,
  ])
    expect(text).toContain(`\`${name}\``);
});
