#!/usr/bin/env node
// Runs a TypeScript file of this project: `node tools/run.mjs FILE [ARG ...]`.
//
// esbuild bundles it once, with its packages, into .slipway/build; until a source file or the installed packages change,
// later runs load that bundle and not even esbuild: to read some hundred small files is most of what a command waits for.
// Nor is the bundle compiled again: what V8 made of it lies beside it. With main.ts, which every `cdktf` command starts,
// go the functions, each as the archive that Lambda takes.
//
// With `--enable-source-maps`, errors tell lines of the source. SLIPWAY_PLAIN_SYNTH=1 does so for main.ts, and has it run
// cdktf as it is published (see tools/synth/quick.ts).
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, resolve } from "node:path";
import { Script } from "node:vm";
import { bundle, installed, output, root, writeWhole } from "./bundle.mjs";

/** Packages that find files of their own beside themselves. */
const EXTERNAL = ["@cdktf/hcl2json", "esbuild", "playwright-core"];

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

const isApp = entry === join(root, "main.ts");
const isPlain = process.env.SLIPWAY_PLAIN_SYNTH === "1";
if (isApp && isPlain) process.setSourceMapsEnabled(true);
const hasLines = process.sourceMapsEnabled;

const name = isApp ? "main" : file.replace(/\.ts$/, "").replace(/\W+/g, "-");
const outfile = join(output, `${name}${isApp && isPlain ? ".plain" : ""}${hasLines ? ".lines" : ""}.cjs`);
await bundle(entry, outfile, {
  format: "cjs",
  external: EXTERNAL,
  // Of a package's two builds, that of ES modules: esbuild leaves out of it what is not used.
  mainFields: ["module", "main"],
  supported: { "dynamic-import": false },
  logOverride: { "empty-import-meta": "error" },
  ...(hasLines && { sourcemap: "linked", sourcesContent: false }),
  ...(isApp && !isPlain && { alias: { archiver: join(root, "tools/synth/archiver.cjs") } }),
});
if (isApp) {
  const { bundleFunctions } = await import("./functions.mjs");
  await bundleFunctions();
}
const load = createRequire(import.meta.url);
if (hasLines) load(outfile);
else runCompiled(outfile);

/**
 * Runs a bundle from what V8 made of it in an earlier run. V8 itself asks only for its own version and the code's length:
 * here, both files' content is what was written together.
 */
function runCompiled(outfile) {
  const code = readFileSync(outfile);
  const compiled = `${outfile}.${process.version}.${process.arch}`;
  const digestOf = (data) => createHash("sha256").update(code).update(data).digest();
  const read = () => {
    try {
      const kept = readFileSync(compiled);
      const data = kept.subarray(32);
      return digestOf(data).equals(kept.subarray(0, 32)) ? data : undefined;
    } catch {
      return undefined;
    }
  };
  const cachedData = read();
  const script = new Script(`(function (exports, require, module, __filename, __dirname) {${code}\n})`, {
    filename: outfile,
    cachedData,
  });
  if (!cachedData || script.cachedDataRejected)
    // At the end, when it holds all functions that were called.
    process.once("exit", () => {
      try {
        const data = script.createCachedData();
        writeWhole(compiled, Buffer.concat([digestOf(data), data]));
      } catch {
        // It is compiled again the next time.
      }
    });
  const module = { exports: {} };
  script.runInThisContext()(module.exports, createRequire(outfile), module, outfile, dirname(outfile));
}
