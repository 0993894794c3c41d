// `npm test`: everything that a change has to pass. Works on a fresh clone. `npm test -- --only NAME[,NAME]` runs some of it.
import { spawnSync } from "node:child_process";
import { mkdirSync, rmSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { ensureBrowser, ensureInstalled, root } from "./install.mjs";
import { runLanes } from "./test/lanes.mjs";

const results = join(root, ".slipway/tests");
const program = (name) => join(root, "node_modules/.bin", name);
const jest = (name, project, ...args) => ({
  name,
  command: program("jest"),
  args: [
    "--selectProjects",
    project,
    "--ci",
    "--json",
    `--outputFile=${join(results, `${name}.json`)}`,
    // What it prints goes through a pipe.
    ...(process.stdout.isTTY ? ["--colors"] : []),
    ...args,
  ],
  results: join(results, `${name}.json`),
});

/**
 * How many of the real tests' files run at once. Each has a Local AWS, Terraform and its provider, which want two gigabytes
 * at times, and waits half of its time.
 */
function filesAtOnce() {
  const gigabytes = totalmem() / 2 ** 30;
  return Math.max(1, Math.min(availableParallelism() + 1, Math.floor((gigabytes - 2) / 3)));
}

const DEMO = "/acceptance/demo\\.real\\.ts$";
/** The demo waits for most of its time: beside it runs what computes. */
const LANES = [
  [jest("demo", "real", "--runInBand", `--testPathPattern=${DEMO}`)],
  [
    { name: "biome", command: program("biome"), args: ["check", "."] },
    { name: "tsc", command: program("tsc"), args: ["--noEmit"] },
    jest("unit", "unit"),
    jest("command", "command"),
    jest("real", "real", `--maxWorkers=${filesAtOnce()}`, `--testPathIgnorePatterns=${DEMO}`),
  ],
];

/** Steps that need what the machine may lack. */
const PREPARED = ["demo", "real"];

const names = LANES.flat().map(({ name }) => name);
const chosen = readOnly() ?? names;
const lanes = LANES.map((lane) => lane.filter(({ name }) => chosen.includes(name))).filter(
  ({ length }) => length,
);

ensureInstalled();
ensureBrowser();
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });
if (chosen.some((name) => PREPARED.includes(name))) prepare();
process.exit(await runLanes(lanes, { cwd: root }));

/** @returns what --only names, or undefined without it */
function readOnly() {
  try {
    const { only } = parseArgs({ options: { only: { type: "string" } } }).values;
    const wanted = only?.split(",");
    const unknown = wanted?.filter((name) => !names.includes(name)) ?? [];
    if (unknown.length) throw new Error(`--only ${unknown.join(",")}: there is no such step.`);
    return wanted;
  } catch ({ message }) {
    console.error(`${message}\nnpm test -- [--only NAME[,NAME]], of: ${names.join(", ")}`);
    process.exit(1);
  }
}

/** Where that fails, the steps that need it tell more of it. */
function prepare() {
  spawnSync(process.execPath, [join(root, "tools/run.mjs"), "tools/test/prepare.ts"], {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
  });
}
