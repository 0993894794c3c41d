import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkNames, readStacks } from "../../../tools/rehearse/stacks";

const action = (name: string, provider = "CodeBuild") => ({ name, provider, category: "Build" });
const PIPELINE = {
  resource: {
    aws_codepipeline: {
      pipeline: {
        stage: [
          { name: "Source", action: [action("Source", "GitHub")] },
          { name: "Build", action: [action("lint"), action("test")] },
          { name: "Approve", action: [action("approve-prod", "Manual")] },
        ],
      },
    },
  },
};

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** A folder of synthesized stacks, of their files' texts. */
function synthesized(stacks: Readonly<Record<string, Readonly<Record<string, string>>>>): string {
  const folder = mkdtempSync(join(tmpdir(), "slipway-stacks-"));
  folders.push(folder);
  for (const [stack, files] of Object.entries(stacks))
    for (const [file, text] of Object.entries(files)) {
      const path = join(folder, "stacks", stack, file);
      mkdirSync(join(path, ".."), { recursive: true });
      writeFileSync(path, text);
    }
  return folder;
}

const sumOf = (files: Readonly<Record<string, string>>) =>
  readStacks([synthesized({ delivery: files })]).sums.get("delivery");

test("a stack of the same content is the same wherever it was synthesized", () => {
  const files = { "cdk.tf.json": "{}", "assets/clean-up/1/archive.zip": "code" };
  expect(sumOf(files)).toBe(sumOf(files));
});

test.each([
  ["definition", { "cdk.tf.json": "{ }", "assets/1/archive.zip": "code" }],
  ["function's code", { "cdk.tf.json": "{}", "assets/1/archive.zip": "Code" }],
  ["asset that goes by another name", { "cdk.tf.json": "{}", "assets/2/archive.zip": "code" }],
  ["asset more", { "cdk.tf.json": "{}", "assets/1/archive.zip": "code", "assets/2/archive.zip": "" }],
])("another %s is another stack", (_, files) => {
  expect(sumOf(files)).not.toBe(sumOf({ "cdk.tf.json": "{}", "assets/1/archive.zip": "code" }));
});

test("stacks are found wherever they were synthesized to", () => {
  const folder = synthesized({ delivery: { "cdk.tf.json": "{}" } });
  const other = synthesized({ bootstrap: { "cdk.tf.json": "{}" } });
  expect([...readStacks([folder, other]).sums.keys()].sort()).toEqual(["bootstrap", "delivery"]);
});

describe("names", () => {
  const names = () =>
    readStacks([synthesized({ "pipeline-main": { "cdk.tf.json": JSON.stringify(PIPELINE) } })]).names("main");

  test("that the pipeline has are taken", () => {
    expect(() =>
      checkNames({ until: "Build", faults: { kill: "lint" } }, "hello-main", names()),
    ).not.toThrow();
  });

  test("of stages that it has not are refused, with those that it has", () => {
    expect(() => checkNames({ until: "Bild", faults: {} }, "hello-main", names())).toThrow(
      "--until Bild: hello-main has no such stage. It has Source, Build, Approve.",
    );
  });

  test.each([
    "approve-prod",
    "Source",
    "compile",
  ])("of what has no build are not to be killed: %s", (kill) => {
    expect(() => checkNames({ faults: { kill } }, "hello-main", names())).toThrow(
      `--fault kill=${kill}: hello-main has no such action with a build. It has lint, test.`,
    );
  });
});
