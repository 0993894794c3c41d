const { statSync } = require("node:fs");
const { relative } = require("node:path");
const { default: TestSequencer } = require("@jest/test-sequencer");
const { DependencyResolver } = require("jest-resolve-dependencies");
const { buildSnapshotResolver } = require("jest-snapshot");

/** What an editor, a formatter or Git writes within so many milliseconds was saved at once. */
const AT_ONCE = 1_000;

/**
 * The order of the files of tests in a watch: those that failed, then those nearest to what was saved last, quick ones first, so
 * that the first verdict on it comes soon. The rest are in jest's own order, which keeps all processes busy to the end.
 */
class WatchSequencer extends TestSequencer {
  async sort(tests) {
    const sorted = super.sort(tests);
    const nearest = await nearestToSaved(sorted);
    const rank = (test) => (this.hasFailed(test) ? 0 : nearest.has(test.path) ? 1 : 2);
    const duration = (test) => (rank(test) === 2 ? 0 : (test.duration ?? 0));
    return sorted.sort((a, b) => rank(a) - rank(b) || duration(a) - duration(b));
  }
}

/** Paths of the tests whose path mirrors that of a saved file; where there is none, of those with the fewest imports in between. */
async function nearestToSaved(tests) {
  if (!tests.length) return new Set();
  const { config } = tests[0].context;
  const paths = new Set(tests.map(({ path }) => path));
  const importers = await importersOfAll(tests);
  const saved = lastSaved([...importers.keys()]);

  const subject = (path) =>
    relative(config.rootDir, path)
      .replace(/^__tests__[\\/]/, "")
      .replace(/([\\/]index)?(\.test)?\.\w+$/, "");
  const subjects = new Set(saved.map(subject));
  const mirrors = [...paths].filter((path) => subjects.has(subject(path)));
  if (mirrors.length) return new Set(mirrors);

  // All these files are here because a test imports them: one is found.
  let layer = new Set(saved);
  while (![...layer].some((file) => paths.has(file)))
    layer = new Set([...layer].flatMap((file) => importers.get(file)));
  return layer;
}

/** Whatever the tests import, by whatever way, and they themselves; each with the files that import it. */
async function importersOfAll(tests) {
  const { config, hasteFS, resolver } = tests[0].context;
  const dependencies = new DependencyResolver(resolver, hasteFS, await buildSnapshotResolver(config));
  const importers = new Map(tests.map(({ path }) => [path, []]));
  for (const file of importers.keys())
    for (const imported of dependencies.resolve(file).filter((path) => hasteFS.exists(path))) {
      if (!importers.has(imported)) importers.set(imported, []);
      importers.get(imported).push(file);
    }
  return importers;
}

function lastSaved(files) {
  const times = files.map((file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0);
  const last = Math.max(...times);
  return files.filter((_, index) => times[index] > last - AT_ONCE);
}

module.exports = WatchSequencer;
