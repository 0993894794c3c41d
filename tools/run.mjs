#!/usr/bin/env node
// Runs a TypeScript file of this project: `node tools/run.mjs FILE [ARG ...]`.
//
// esbuild bundles it once into .slipway/build; until a source file or the installed packages change, later
// runs load that bundle and not even esbuild. main.ts, which every `cdktf` command starts, is bundled
// together with its packages, because reading some hundred small files is most of what a synth waits for; and
// with it go the functions, each as the archive that Lambda takes.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { bundle, installed, output, root } from "./bundle.mjs";

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
  const { bundleFunctions } = await import("./functions.mjs");
  await bundleFunctions();
  createRequire(import.meta.url)(outfile);
} else {
  const name = file.replace(/\.ts$/, "").replace(/\W+/g, "-");
  const outfile = join(output, `${name}.mjs`);
  await bundle(entry, outfile, { format: "esm", packages: "external", sourcemap: "linked" });
  await import(pathToFileURL(outfile).href);
}
