import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { INSTALL as ACTION } from "../../../shared/names";
import type { Question } from "../../../tools/local-aws";
import { inputsOf } from "../../../tools/rehearse/reuse";
import { exampleSettings, ROOT } from "../../support/settings";
import { synthesizePipeline } from "../../support/synth";
import { resourcesOf } from "../../support/synthesized";

const spec = (commands: readonly string[]) =>
  JSON.stringify({
    version: 0.2,
    phases: { install: { "runtime-versions": { nodejs: 22 } }, build: { commands } },
    artifacts: { files: ["**/*"] },
  });
const INSTALL = spec(ACTION.commands);
const stages = [
  { name: "Install", actions: [{ name: "install" }] },
  { name: "Build", actions: [{ name: "lint" }, { name: "image-web" }] },
  { name: "Update", actions: [{ name: "update" }] },
  { name: "Plan", actions: [{ name: "plan-prod" }] },
];
const SCRIPTS = {
  toolchain: "node tools/run.mjs tools/pipeline/toolchain.ts",
  bundle: "node tools/pipeline/bundle.mjs",
  lint: "biome check .",
};
const FILES = {
  "package.json": JSON.stringify({ name: "slipway", scripts: SCRIPTS }),
  "package-lock.json": JSON.stringify({ packages: { "": { name: "slipway" }, "node_modules/zod": {} } }),
  "tools/run.mjs": "",
  "tools/bundle.mjs": "",
  "tools/functions.mjs": "",
  "tools/pipeline/toolchain.ts": "",
  "tools/pipeline/bundle.mjs": "",
  "tools/pipeline/plan.ts": "",
  "app/index.ts": "",
};

/** What an action of this name depends on. */
function inputs(name: string, files: Readonly<Record<string, string>> = FILES, buildspec = INSTALL) {
  const action = stages.flatMap(({ actions }) => actions).find((one) => one.name === name);
  const contents = Object.entries(files).map(([path, text]) => [path, new TextEncoder().encode(text)]);
  return inputsOf({
    pipeline: { stages },
    action,
    buildspec,
    files: async () => Object.fromEntries(contents),
  } as unknown as Question);
}

test.each(["lint", "image-web"])("%s depends on the whole tree", async (name) => {
  expect(await inputs(name)).toBe("all");
});

test.each(["update", "plan-prod"])("%s always runs", async (name) => {
  expect(await inputs(name)).toBeUndefined();
});

test("nothing is reused of a pipeline that does not update itself", async () => {
  const pipeline = { stages: stages.slice(0, 2) };
  const question = { pipeline, action: stages[0]!.actions[0], buildspec: INSTALL } as unknown as Question;
  expect(await inputsOf(question)).toBeUndefined();
});

test("install depends on what npm and the scripts read, and on nothing else of the tree", async () => {
  expect(await inputs("install")).toEqual([
    "package.json",
    "package-lock.json",
    "tools/run.mjs",
    "tools/bundle.mjs",
    "tools/functions.mjs",
    "tools/pipeline/toolchain.ts",
    "tools/pipeline/bundle.mjs",
  ]);
});

const packageJson = (changes: object) => ({
  ...FILES,
  "package.json": JSON.stringify({ name: "slipway", scripts: SCRIPTS, ...changes }),
});
const locked = (entry: object) => ({
  ...FILES,
  "package-lock.json": JSON.stringify({ packages: { "packages/own": entry } }),
});

test.each<[string, Record<string, string>, string?]>([
  ["it does something else, too", FILES, spec([...ACTION.commands, "make"])],
  ["its buildspec lies in the source", FILES, "buildspec.yml"],
  ["npm runs a script of the project's", packageJson({ scripts: { ...SCRIPTS, postinstall: "node x.js" } })],
  [
    "the toolchain's script is another one",
    packageJson({ scripts: { ...SCRIPTS, toolchain: "make tools" } }),
  ],
  [
    "the script that bundles is another one",
    packageJson({ scripts: { ...SCRIPTS, bundle: "make bundles" } }),
  ],
  ["the project has workspaces", packageJson({ workspaces: ["packages/*"] })],
  ["a package lies in the project", locked({ link: true })],
  ["a package is a file of the project", locked({ resolved: "file:own.tgz" })],
  ["package.json cannot be read", { ...FILES, "package.json": "{" }],
])("install depends on the whole tree where %s", async (...given) => {
  const [, files, buildspec] = given;
  expect(await inputs("install", files, buildspec)).toBe("all");
});

test("what install reads is known of this project's own", async () => {
  const { scripts } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  expect(scripts).toMatchObject({ toolchain: SCRIPTS.toolchain, bundle: SCRIPTS.bundle });
  const stack = synthesizePipeline(await exampleSettings());
  const install = resourcesOf(stack).find(
    ({ type, properties }) => type === "aws_codebuild_project" && /-install$/.test(String(properties.name)),
  );
  const { buildspec } = install!.properties.source as { buildspec: string };
  expect(await inputs("install", FILES, buildspec)).not.toBe("all");
});

test("the toolchain's script reads no file of the project that install is not said to depend on", async () => {
  const folder = mkdtempSync(join(tmpdir(), "slipway-toolchain-"));
  try {
    const meta = join(folder, "meta.json");
    const options = [
      "--bundle",
      "--platform=node",
      "--format=esm",
      "--packages=external",
      "--log-level=error",
    ];
    await execa(
      join(ROOT, "node_modules/.bin/esbuild"),
      [
        "tools/pipeline/toolchain.ts",
        ...options,
        `--metafile=${meta}`,
        `--outfile=${join(folder, "out.mjs")}`,
      ],
      { cwd: ROOT },
    );
    const read = Object.keys(JSON.parse(readFileSync(meta, "utf8")).inputs);
    expect(read).toContain("tools/pipeline/toolchain.ts");
    const files = Object.fromEntries(read.map((path) => [path, ""]));
    const found = await inputs("install", { ...FILES, ...files });
    expect(found).toEqual(expect.arrayContaining(read));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
