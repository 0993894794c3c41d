#!/usr/bin/env node
// Runs a TypeScript file of this project: `node tools/run.mjs FILE [ARG ...]`.
//
// esbuild bundles it once into .slipway/build; until a source file or the installed packages change, later
// runs load that bundle and not even esbuild. main.ts, which every `cdktf` command starts, is bundled
// together with its packages, because reading some hundred small files is most of what a synth waits for; and
// with it go the functions, each as the archive that Lambda takes.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
const output = join(root, ".slipway/build");
const installed = join(root, "node_modules/.package-lock.json");

const stamp = (path) => {
  const { mtimeMs, size } = statSync(path);
  return `${mtimeMs}:${size}`;
};

/** Bundles an entry unless its bundle is newer than all that went into it. */
async function bundle(entry, outfile, options, finish = () => {}) {
  const stampFile = `${outfile}.inputs.json`;
  try {
    const inputs = JSON.parse(readFileSync(stampFile, "utf8"));
    if (Object.entries(inputs).every(([path, was]) => stamp(path) === was) && existsSync(outfile)) return;
  } catch {
    // Never built, or a source file has gone.
  }
  const { build } = await import("esbuild");
  mkdirSync(dirname(outfile), { recursive: true });
  const { metafile } = await build({
    entryPoints: [entry],
    outfile,
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node20",
    metafile: true,
    logLevel: "error",
    ...options,
  }).catch(() => process.exit(1));
  await finish();
  const own = Object.keys(metafile.inputs).filter((path) => !path.startsWith("node_modules/"));
  const inputs = [installed, fileURLToPath(import.meta.url), ...own.map((path) => join(root, path))];
  writeFileSync(stampFile, JSON.stringify(Object.fromEntries(inputs.map((path) => [path, stamp(path)]))));
}

/**
 * Each folder of lambdas/ as <name>.zip; the same source gives the same bytes. The SDK is in it, what of it is used:
 * Lambda's runtime has one too, but in a version that nobody chose or tested.
 */
async function bundleFunctions() {
  const folder = join(output, "functions");
  for (const { name } of readdirSync(join(root, "lambdas"), { withFileTypes: true }).filter((e) =>
    e.isDirectory(),
  )) {
    const code = join(folder, name, "index.js");
    const entry = join(root, "lambdas", name, "index.ts");
    const options = {
      format: "cjs",
      target: "node22",
      minify: true,
      // Logs name errors and functions.
      keepNames: true,
      sourcemap: "linked",
      sourcesContent: false,
      plugins: [coarsePackages],
    };
    await bundle(entry, code, options, async () => {
      const { zipSync } = await import("fflate");
      const map = JSON.parse(readFileSync(`${code}.map`, "utf8"));
      map.sources = map.sources.map((source) => inProject(resolve(dirname(code), source)));
      const files = {
        "index.js": readFileSync(code),
        "index.js.map": Buffer.from(JSON.stringify(map)),
      };
      writeFileSync(join(folder, `${name}.zip`), zipSync(files, { mtime: new Date(1980, 0, 1) }));
    });
  }
}

/**
 * Maps each file of a package as one line, its first. Line by line, the map of the SDK is larger than the SDK itself, and
 * a function reads its map before it starts.
 */
const coarsePackages = {
  name: "coarse-packages",
  setup({ onLoad }) {
    onLoad({ filter: /[\\/]node_modules[\\/].*\.[cm]?js$/ }, ({ path }) => {
      const map = JSON.stringify({ version: 3, sources: [basename(path)], mappings: "AAAA" });
      const address = `data:application/json;base64,${Buffer.from(map).toString("base64")}`;
      return { contents: `${readFileSync(path, "utf8")}\n//# sourceMappingURL=${address}`, loader: "js" };
    });
  },
};

/** Where a file is in any copy of the project, wherever its packages are kept. */
const inProject = (path) =>
  relative(root, path)
    .split(sep)
    .join("/")
    .replace(/^.*?(?=node_modules\/)/, "");

const [file, ...args] = process.argv.slice(2);
if (!file) {
  console.error("Name the file to run: node tools/run.mjs FILE [ARG ...]");
  process.exit(2);
}
if (!existsSync(installed)) {
  console.error("The project's packages are not installed: run npm ci, then this again.");
  process.exit(1);
}
const entry = resolve(root, file);
process.argv = [process.argv[0], entry, ...args];
// The AWS SDK tells everybody about the next Node; package.json says which we support.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED ??= "true";

if (entry === join(root, "main.ts")) {
  const outfile = join(output, "main.cjs");
  await bundle(entry, outfile, { format: "cjs", external: ["@cdktf/hcl2json"] });
  await bundleFunctions();
  createRequire(import.meta.url)(outfile);
} else {
  const name = file.replace(/\.ts$/, "").replace(/\W+/g, "-");
  const outfile = join(output, `${name}.mjs`);
  await bundle(entry, outfile, { format: "esm", packages: "external", sourcemap: "linked" });
  await import(pathToFileURL(outfile).href);
}
