import { closeSync, mkdirSync, openSync, writeFileSync } from "node:fs";
import { availableParallelism, totalmem } from "node:os";
import { dirname, join } from "node:path";
import { inspect } from "node:util";
import { projectRoot, runCommand, UserError } from "../project";
import { benchmark as demo } from "./demo";
import { benchmark as functions } from "./functions";
import type { Benchmark } from "./measure";
import { readOptions } from "./options";
import { benchmark as plans } from "./plans";
import { benchmark as rehearsal } from "./rehearsal";
import { benchmark as review } from "./review";
import { benchmark as scale } from "./scale";
import { benchmark as synth } from "./synth";
import { failures, judge, type Result, table, toJson } from "./table";
import { benchmark as tests } from "./tests";
import { benchmark as validate } from "./validate";
import { benchmark as watch } from "./watch";

/** In the order in which they run. */
const BENCHMARKS: readonly Benchmark[] = [
  synth,
  scale,
  review,
  functions,
  tests,
  watch,
  validate,
  plans,
  demo,
  rehearsal,
];

/**
 * `npm run bench`: what this project promises of its speed, and what it is.
 *
 * @returns 0: all was measured; 1: a benchmark failed, or with `--check` a budget is passed
 */
runCommand(async () => {
  const root = projectRoot();
  const byDefault = join(root, ".slipway/bench.json");
  const { benchmarks, runs, json, isCheck } = readOptions(process.argv.slice(2), BENCHMARKS, byDefault);
  prepare(json);
  const results: Result[] = [];
  const failed: { benchmark: string; why: string }[] = [];
  for (const [index, { name, run }] of benchmarks.entries()) {
    const log = (line: string) =>
      process.stderr.write(`${name} (${index + 1} of ${benchmarks.length}): ${line}\n`);
    log("begins");
    try {
      const measured = (await run({ root, runs, log })).map((one) => ({ ...one, benchmark: name }));
      for (const one of measured) judge(one);
      results.push(...measured);
    } catch (error) {
      // What took minutes to measure is not lost by what comes after it.
      failed.push({ benchmark: name, why: error instanceof UserError ? error.message : inspect(error) });
      log("failed");
    }
  }
  if (results.length) console.log(table(results));
  const machine = {
    date: new Date().toISOString(),
    node: process.version,
    cores: availableParallelism(),
    memoryGigabytes: Math.round(totalmem() / 2 ** 30),
  };
  writeFileSync(json, toJson(machine, results, failed));
  for (const { benchmark, why } of failed)
    process.stderr.write(`\n${benchmark} could not be measured. ${why}\n`);
  const lookAt = (benchmark: string) =>
    BENCHMARKS.find(({ name }) => name === benchmark)?.lookAt ?? "docs/speed.md";
  const over = isCheck ? failures(results, lookAt) : [];
  if (over.length) process.stderr.write(`\n${over.join("\n")}\nAll samples: ${json}\n`);
  return failed.length || over.length ? 1 : 0;
});

/** Minutes are not measured for a file that cannot be written. */
function prepare(json: string): void {
  try {
    mkdirSync(dirname(json), { recursive: true });
    closeSync(openSync(json, "a"));
  } catch (error) {
    throw new UserError(
      `--json is ${JSON.stringify(json)}, which cannot be written: ${(error as Error).message}`,
    );
  }
}
