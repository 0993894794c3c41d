// `npm test`: everything that a change has to pass. Works on a fresh clone.
import { spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { ensureBrowser, ensureInstalled, root } from "./install.mjs";

ensureInstalled();
ensureBrowser();

const results = join(root, ".slipway/tests");
rmSync(results, { recursive: true, force: true });
mkdirSync(results, { recursive: true });
const jest = (project, ...args) => [
  "jest",
  "--selectProjects",
  project,
  "--json",
  `--outputFile=${join(results, `${project}.json`)}`,
  ...args,
];
const steps = [
  ["biome", "check", "."],
  ["tsc", "--noEmit"],
  jest("unit", "--ci"),
  jest("command", "--ci"),
  // One after the other: each has a Local AWS and Terraform of its own, and they are not small.
  jest("real", "--ci", "--runInBand"),
];

let failed = 0;
for (const [command, ...args] of steps) {
  console.log(`\n> ${[command, ...args.filter((arg) => !arg.startsWith("--"))].join(" ")}`);
  const { status } = spawnSync(join(root, "node_modules/.bin", command), args, {
    cwd: root,
    stdio: ["ignore", "inherit", "inherit"],
    shell: process.platform === "win32",
  });
  if (status !== 0) failed += 1;
}

const counts = { passed: 0, failed: 0 };
for (const project of ["unit", "command", "real"]) {
  try {
    const { numPassedTests, numFailedTests } = JSON.parse(
      readFileSync(join(results, `${project}.json`), "utf8"),
    );
    counts.passed += numPassedTests;
    counts.failed += numFailedTests;
  } catch {
    // It did not come to its end: told above, and by the exit code.
  }
}
console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
process.exit(failed || !counts.passed ? 1 : 0);
