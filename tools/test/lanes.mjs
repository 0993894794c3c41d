import { spawn } from "node:child_process";
import { constants } from "node:os";
import { setTimeout as pause } from "node:timers/promises";
import { stripVTControlCharacters } from "node:util";
import { readResults } from "./results.mjs";

/**
 * One command of a run.
 *
 * @typedef {object} Step
 * @property {string} name as people choose it, and are told of it
 * @property {string} command path or name of a program
 * @property {readonly string[]} args
 * @property {string} [results] file of jest's results: a step that leaves none, or ran no test, has failed
 */

/**
 * How a step ended.
 *
 * @typedef {object} Outcome
 * @property {string} name
 * @property {number} seconds that it took
 * @property {string} [failure] why it has failed @default - it has not
 * @property {import("./results.mjs").Results} [results]
 */

/** How long what runs has to tidy up after it was asked to end, in milliseconds. */
const TIDYING_MILLISECONDS = 15_000;
/** How long what a step's process left behind has to end by itself, in milliseconds. */
const LEFT_MILLISECONDS = 1_000;

/**
 * Runs lanes beside each other: the steps of a lane one after the other, whatever fails. What a step prints is shown when
 * it has ended, so that nothing is mixed; where people watch, a line tells what runs.
 *
 * SIGINT, SIGTERM and SIGHUP end all that runs, with what it started; a second one does not wait for it to tidy up.
 *
 * @param {readonly (readonly Step[])[]} lanes
 * @param {{ cwd: string, out?: NodeJS.WriteStream }} options
 * @returns {Promise<number>} the exit code: 0 where each step succeeded
 */
export async function runLanes(lanes, { cwd, out = process.stdout }) {
  const screen = new Screen(out);
  const running = new Set();
  const outcomes = [];
  let stopped;
  let patience = LEFT_MILLISECONDS;

  const stop = async (signal) => {
    patience = stopped ? 0 : TIDYING_MILLISECONDS;
    if (!stopped) screen.print(`\n${signal}: ending what runs ...\n`);
    stopped ??= signal;
    for (const child of running) signalGroup(child, "SIGINT");
    await Promise.all([...running].map((child) => endGroup(child, patience)));
  };
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"].map((name) => [name, () => void stop(name)]);
  for (const [name, listener] of signals) process.on(name, listener);

  const runLane = async (steps) => {
    for (const step of steps) {
      if (stopped) return;
      outcomes.push(await runStep(step, { cwd, screen, running, patience: () => patience }));
    }
  };
  try {
    await Promise.all(lanes.map(runLane));
  } finally {
    for (const [name, listener] of signals) process.off(name, listener);
    screen.end();
  }

  const names = lanes.flat().map(({ name }) => name);
  out.write(`\n${summary(names, outcomes)}\n`);
  if (stopped) return 128 + constants.signals[stopped];
  return outcomes.length === names.length && outcomes.every(({ failure }) => !failure) ? 0 : 1;
}

/** @returns {Promise<Outcome>} */
async function runStep(step, { cwd, screen, running, patience }) {
  const { name, command, args } = step;
  const begun = Date.now();
  const child = spawn(command, args, {
    cwd,
    stdio: ["ignore", "pipe", "pipe"],
    // A group of its own, which is ended as a whole.
    detached: process.platform !== "win32",
    shell: process.platform === "win32",
  });
  running.add(child);
  screen.start(name);
  let output = "";
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding("utf8").on("data", (text) => {
      output += text;
      screen.heard(name, text);
    });
  const closed = new Promise((resolve) => child.once("close", resolve));
  const [status, signal] = await new Promise((resolve) => {
    child.once("error", ({ message }) => resolve([message]));
    child.once("exit", (...how) => resolve(how));
  });
  // What it left behind would take the processor from the next step, and keep its output open.
  await endGroup(child, patience());
  await Promise.race([closed, pause(LEFT_MILLISECONDS)]);
  running.delete(child);
  const seconds = (Date.now() - begun) / 1000;
  const results = step.results ? readResults(step.results) : undefined;
  const failure = failureOf({ status, signal, results, needsResults: step.results !== undefined });
  screen.finish(name, `${heading({ name, seconds, failure }, [command, ...args])}\n${output.trimEnd()}\n`);
  return { name, seconds, failure, results };
}

function failureOf({ status, signal, results, needsResults }) {
  if (typeof status === "string") return `it did not start: ${status}`;
  if (signal) return `it was ended by ${signal}`;
  if (status !== 0) return `exit code ${status}`;
  if (!needsResults) return undefined;
  if (!results) return "it left no results";
  if (results.failed) return `${results.failed} failed, and it said that all was well`;
  return results.passed ? undefined : "it ran no test";
}

/** Waits until a step's process, and all that it started and that is of its group, has ended, and then ends it. */
async function endGroup(child, patienceMilliseconds) {
  for (const deadline = Date.now() + patienceMilliseconds; Date.now() < deadline; await pause(50))
    if (!signalGroup(child, 0)) return;
  signalGroup(child, "SIGKILL");
}

/** @returns whether anything of the group is left */
function signalGroup({ pid }, signal) {
  if (pid === undefined) return false;
  try {
    process.kill(process.platform === "win32" ? pid : -pid, signal);
    return true;
  } catch {
    return false;
  }
}

const heading = ({ name, seconds, failure }, [command, ...args]) =>
  `\n> ${name} (${[command.replace(/^.*[\\/]/, ""), ...args.filter((arg) => !arg.startsWith("--"))].join(" ")}): ${
    failure ? `FAILED, ${failure}` : "ok"
  }, ${told(seconds)}`;

const told = (seconds) =>
  seconds < 60 ? `${seconds.toFixed(1)} s` : `${Math.floor(seconds / 60)} min ${Math.round(seconds % 60)} s`;

/** How each step ended, the names of all tests that failed, and how many there were. */
function summary(names, outcomes) {
  const width = Math.max(...names.map(({ length }) => length));
  const steps = names.map((name) => {
    const outcome = outcomes.find((one) => one.name === name);
    if (!outcome) return `- ${name.padEnd(width)}  did not run`;
    const { seconds, failure, results } = outcome;
    const counts = results ? `, ${countsOf(results)}` : "";
    return `${failure ? "✗" : "✓"} ${name.padEnd(width)}  ${told(seconds)}${counts}${failure ? `: ${failure}` : ""}`;
  });
  const failures = outcomes.flatMap(({ results }) => results?.failures ?? []);
  const all = { passed: 0, failed: 0, skipped: 0 };
  for (const { results } of outcomes) for (const key of Object.keys(all)) all[key] += results?.[key] ?? 0;
  return [
    ...steps,
    ...(failures.length ? ["", "Failed:", ...failures.map((one) => `  ${one}`)] : []),
    "",
    countsOf(all),
  ].join("\n");
}

const countsOf = ({ passed, failed, skipped }) =>
  `${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`;

/** What people see: whole blocks, and where they watch, a last line of what runs. */
class Screen {
  constructor(out) {
    this.out = out;
    this.isWatched = Boolean(out.isTTY) && !process.env.CI;
    /** Since when each step runs, and its last line. */
    this.live = new Map();
    if (this.isWatched) {
      this.timer = setInterval(() => this.draw(), 1000);
    }
  }

  start(name) {
    this.live.set(name, { begun: Date.now(), line: "" });
    if (this.isWatched) this.draw();
    else this.print(`… ${name}\n`);
  }

  heard(name, text) {
    const line = stripVTControlCharacters(text).trimEnd().split("\n").at(-1).trim();
    if (line) this.live.get(name).line = line;
  }

  finish(name, block) {
    this.live.delete(name);
    this.print(block);
  }

  print(text) {
    this.clear();
    this.out.write(text);
    if (this.isWatched) this.draw();
  }

  end() {
    clearInterval(this.timer);
    this.clear();
  }

  clear() {
    if (this.isWatched) this.out.write("\r\x1b[2K");
  }

  draw() {
    const { columns = 80 } = this.out;
    const share = Math.floor(columns / Math.max(1, this.live.size)) - 3;
    const all = [...this.live].map(([name, { begun, line }]) =>
      `${name} ${Math.round((Date.now() - begun) / 1000)} s ${line}`.slice(0, share),
    );
    this.clear();
    this.out.write(all.join(" │ "));
  }
}
