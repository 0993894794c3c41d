const { default: HasteMap } = require("jest-haste-map");
const { default: Resolver } = require("jest-resolve");
const { default: TestRunner } = require("jest-runner");
const { default: Runtime } = require("jest-runtime");

const NEVER_INTERRUPTED = { isInterrupted: () => false };

const id = process.env.JEST_WORKER_ID;
/** Of the run at hand, by project. */
const resolvers = new Map();
let currentRun;

// A worker that hangs or has something open must not outlive the watch.
process.on("disconnect", () => process.exit());

/** Runs one file of tests as jest does in its own process, which is this one. */
exports.runTest = ({ run, path, config, globalConfig, modules, changedFiles, related }) =>
  new Promise((resolve, reject) => {
    if (run !== currentRun) {
      // Files have come and gone since.
      Resolver.clearDefaultResolverCache();
      resolvers.clear();
      currentRun = run;
    }
    if (!resolvers.has(config.id)) {
      const moduleMap = HasteMap.getStatic(config).getModuleMapFromJSON(modules);
      resolvers.set(config.id, Runtime.createResolver(config, moduleMap));
    }
    const runner = new TestRunner(globalConfig, {
      changedFiles: changedFiles && new Set(changedFiles),
      sourcesRelatedToTestsInChangedFiles: related && new Set(related),
    });
    runner.on("test-file-success", ([, result]) => resolve(result));
    runner.on("test-file-failure", ([, error]) => reject(error));
    const test = { path, context: { config, resolver: resolvers.get(config.id) } };
    runner.runTests([test], NEVER_INTERRUPTED, { serial: true }).catch(reject);
    // The runner takes it for the only one.
    process.env.JEST_WORKER_ID = id;
  });
