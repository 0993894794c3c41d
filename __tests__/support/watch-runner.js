const { readdirSync, statSync } = require("node:fs");
const { join } = require("node:path");
const { CallbackTestRunner } = require("jest-runner");
const { Worker } = require("jest-worker");

/** The most that may be on the heap of a worker after a file of tests, in bytes: then another takes its place. */
const MOST_KEPT = 600_000_000;

/** Processes that run tests, until the watch ends; and what they hold for good. */
let workers;
let held;
let runs = 0;

/**
 * Runs the files of tests of a watch. Jest's own runner ends its processes after each run, and the next ones load all packages
 * again, which takes longer than a small file of tests. These stay, with their packages. The project's own modules are loaded
 * anew for each file, as ever.
 */
class WatchRunner extends CallbackTestRunner {
  async runTests(tests, watcher, onStart, onResult, onFailure) {
    const { maxWorkers } = this._globalConfig;
    const holds = heldByWorkers(tests[0].context.config);
    if (workers && held !== holds) await end();
    held = holds;
    workers ??= start(maxWorkers);
    const run = ++runs;
    const waiting = tests.values();
    const isInterrupted = new Promise((resolve) => {
      watcher.on("change", ({ interrupted }) => interrupted && resolve());
    });
    const inTurn = async () => {
      for (const test of waiting) {
        if (watcher.isInterrupted()) return;
        await onStart(test);
        await this.run(run, test).then(
          (result) => onResult(test, result),
          (error) => onFailure(test, error),
        );
      }
    };
    const all = Promise.all(Array.from({ length: maxWorkers }, inTurn));
    await Promise.race([all, isInterrupted]);
    // What was interrupted would still run.
    if (watcher.isInterrupted()) await end();
  }

  run(run, { path, context }) {
    const { changedFiles, sourcesRelatedToTestsInChangedFiles: related } = this._context;
    return workers.runTest({
      run,
      path,
      config: context.config,
      globalConfig: this._globalConfig,
      modules: context.moduleMap.toJSON(),
      changedFiles: changedFiles && [...changedFiles],
      related: related && [...related],
    });
  }
}

function start(numWorkers) {
  const started = new Worker(join(__dirname, "watch-worker.js"), {
    exposedMethods: ["runTest"],
    numWorkers,
    // One file of tests goes to the process that has run most.
    workerSchedulingPolicy: "in-order",
    idleMemoryLimit: MOST_KEPT,
    forkOptions: { serialization: "json", stdio: "pipe" },
  });
  started.getStdout().pipe(process.stdout);
  started.getStderr().pipe(process.stderr);
  return started;
}

async function end() {
  const ended = workers;
  workers = undefined;
  await ended.end();
}

/** The state of what a worker loads once: the installed packages, and these files that make the realm of the tests. */
function heldByWorkers({ rootDir }) {
  const own = readdirSync(__dirname).filter((name) => name.endsWith(".js"));
  const files = [
    join(rootDir, "node_modules/.package-lock.json"),
    ...own.map((name) => join(__dirname, name)),
  ];
  return files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs).join(" ");
}

module.exports = WatchRunner;
