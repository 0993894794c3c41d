import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readStacks, reversed, select } from "../../../tools/deployer/stacks";

/** A synth's folder of stacks, each with the names of those that it stands on. */
function synthesized(stacks: Record<string, string[]>, separator = "/"): string {
  const folder = mkdtempSync(join(tmpdir(), "slipway-out-"));
  const manifest = Object.entries(stacks).map(([name, dependencies]) => [
    name,
    { name, workingDirectory: `stacks${separator}${name}`, dependencies, annotations: [] },
  ]);
  writeFileSync(join(folder, "manifest.json"), JSON.stringify({ stacks: Object.fromEntries(manifest) }));
  return folder;
}

const PROJECT = {
  "access-dev": [],
  "access-prod": [],
  dev: ["access-dev"],
  prod: ["access-prod"],
  delivery: [],
  "pipeline-main": ["delivery"],
  report: ["pipeline-main"],
};
const all = readStacks(synthesized(PROJECT));
const selected = (...patterns: string[]) =>
  Object.fromEntries(select(all, patterns).map(({ name, dependencies }) => [name, dependencies]));

test("reads each stack with its folder and the folders of all that it stands on", () => {
  const folder = synthesized({ base: [], above: ["base"] });
  expect(readStacks(folder)).toEqual([
    { name: "base", folder: join(folder, "stacks/base"), dependencies: [], foundations: [] },
    {
      name: "above",
      folder: join(folder, "stacks/above"),
      dependencies: ["base"],
      foundations: [join(folder, "stacks/base")],
    },
  ]);
});

test("reads what was synthesized on Windows", () => {
  const folder = synthesized({ base: [] }, "\\");
  expect(readStacks(folder)).toMatchObject([{ folder: join(folder, "stacks", "base") }]);
});

test("fails with what to do where nothing is synthesized", () => {
  expect(() => readStacks("/nowhere")).toThrow("Nothing is synthesized in /nowhere: npm run synth does it.");
});

test("means stacks by name and pattern, each once, and takes what else they stand on as there", () => {
  expect(selected("dev")).toEqual({ dev: [] });
  expect(selected("access-*", "access-dev", "dev")).toEqual({
    "access-dev": [],
    "access-prod": [],
    dev: ["access-dev"],
  });
  expect(selected("*")).toEqual(PROJECT);
  expect(selected("{dev,prod}")).toEqual({ dev: [], prod: [] });
});

test("keeps the order of two of which one stands on the other by way of one that is not meant", () => {
  expect(selected("report", "delivery")).toEqual({ delivery: [], report: ["delivery"] });
});

test("keeps what a stack stands on, meant or not: its state counts", () => {
  expect(select(all, ["dev"])[0]!.foundations).toEqual(
    all.filter(({ name }) => name === "access-dev").map(({ folder }) => folder),
  );
});

test("fails when patterns mean nothing, names them all, and what there is", () => {
  expect(() => select(all, ["dev", "staging", "pipe-*"])).toThrow(
    'No stack is called "staging", nor "pipe-*". There are: access-dev, access-prod, delivery, dev, pipeline-main, prod, report.',
  );
});

test.each(["!prod", "#prod", ""])("means nothing by %j, and least of all every other stack", (pattern) => {
  expect(() => select(all, [pattern])).toThrow(`No stack is called ${JSON.stringify(pattern)}.`);
});

test("turns the order around for a destroy", () => {
  const order = (stacks: typeof all) =>
    Object.fromEntries(stacks.map(({ name, dependencies }) => [name, dependencies]));
  expect(order(reversed(select(all, ["delivery", "pipeline-main", "report", "dev"])))).toEqual({
    dev: [],
    delivery: ["pipeline-main"],
    "pipeline-main": ["report"],
    report: [],
  });
  expect(order(reversed(reversed(all)))).toEqual(order(all));
});
