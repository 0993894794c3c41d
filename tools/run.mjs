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
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { bundleCommand, compiledBundle, installed, root } from "./bundle.mjs";

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

const isPlain = process.env.SLIPWAY_PLAIN_SYNTH === "1";
if (isPlain && entry === join(root, "main.ts")) process.setSourceMapsEnabled(true);
const hasLines = process.sourceMapsEnabled;
const bundle = await bundleCommand(file, { hasLines, isPlain });
if (hasLines) createRequire(import.meta.url)(bundle);
else {
  const compiled = compiledBundle(bundle);
  process.once("exit", compiled.keep);
  compiled.run();
}
