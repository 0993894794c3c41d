#!/usr/bin/env node
// Runs a TypeScript file of this project: `node tools/run.mjs FILE [ARG ...]`.
//
// esbuild bundles it once into .slipway/build; until a source file or the installed packages change, later
// runs load that bundle and not even esbuild. main.ts, which every `cdktf` command starts, is bundled
// together with its packages, because reading some hundred small files is most of what a synth waits for; and
// with it go the functions, each as the archive that Lambda takes.
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
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

/** Each folder of lambdas/ as <name>.zip; the same source gives the same bytes. */
async function bundleFunctions() {
  const folder = join(output, "functions");
  for (const { name } of readdirSync(join(root, "lambdas"), { withFileTypes: true }).filter((e) =>
    e.isDirectory(),
  )) {
    const code = join(folder, `${name}.js`);
    const entry = join(root, "lambdas", name, "index.ts");
    await bundle(entry, code, { format: "cjs", minifySyntax: true, target: "node22" }, async () => {
      const { zipSync } = await import("fflate");
      const epoch = new Date(1980, 0, 1);
      const archive = zipSync({ "index.js": [readFileSync(code), { mtime: epoch }] });
      writeFileSync(join(folder, `${name}.zip`), archive);
    });
  }
}

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
