const { sep } = require("node:path");
const { default: Runtime } = require("jest-runtime");
const { lend, load } = require("./shared-environment");

const PACKAGES = `${sep}node_modules${sep}`;

/** Parts of jest that keep something of the one file that they are loaded for. */
const ONCE_A_FILE = /[\\/]node_modules[\\/](jest-circus|source-map-support)[\\/]/;

/** Loads packages for all test files that this process runs, as jest loads modules for one. */
let packages;
/** What was loaded: packages of tests, and those that jest has loaded for itself. */
const loaded = { tests: new Map(), jest: new Map() };

/** Jest's loader of modules: the project's own are loaded for each test file, but packages, those of jest among them, once. */
class SharedPackages extends Runtime {
  constructor(config, environment, resolver, transformer, cacheFS, coverage, path, globalConfig) {
    super(config, environment, resolver, transformer, cacheFS, coverage, path, globalConfig);
    packages ??= new Runtime(
      config,
      environment,
      resolver,
      transformer,
      new Map(),
      coverage,
      path,
      globalConfig,
    );
  }

  requireModule(from, name, options, isRequireActual) {
    const isCore = name && this._resolver.isCoreModule(name);
    const path = isCore ? name : this._resolveCjsModule(from, name);
    if (isCore || !path.includes(PACKAGES) || ONCE_A_FILE.test(path))
      return super.requireModule(from, name, options, isRequireActual);
    const isOfJest = options?.isInternalModule ?? false;
    const known = isOfJest ? loaded.jest : loaded.tests;
    if (!known.has(path))
      known.set(
        path,
        load(() => packages.requireModule(path, undefined, options), isOfJest),
      );
    if (!isOfJest) lend(known.get(path));
    return known.get(path);
  }
}

module.exports = { __esModule: true, default: SharedPackages };
