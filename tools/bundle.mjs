import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Script } from "node:vm";

/** The project's folder. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
/** Folder of all bundles. */
export const output = join(root, ".slipway/build");
/** What npm says of the packages that are installed. */
export const installed = join(root, "node_modules/.package-lock.json");

/** What bundles depend on beside their sources: how they are made. */
const SCRIPTS = ["tools/run.mjs", "tools/bundle.mjs", "tools/functions.mjs"];

/** Packages that find files of their own beside themselves; `performance` is none, and only asked for by what has no such global. */
const EXTERNAL = ["esbuild", "playwright-core", "performance"];

/** Another one, whose file is put beside the bundles: so these need no packages. */
const PARSER = { file: /[\\/]@cdktf[\\/]hcl2json[\\/]lib[\\/]bridge\.js$/, finds: "main.wasm.gz" };

const stamp = (path) => {
  const { mtimeMs, size } = statSync(path);
  return `${mtimeMs}:${size}`;
};
const sum = (path) => createHash("sha256").update(readFileSync(path)).digest("hex");

/** Writes a file so that who reads it meanwhile, such as the same command started twice, finds all of it or what was before. */
export function writeWhole(path, content) {
  const draft = `${path}.${process.pid}.draft`;
  writeFileSync(draft, content);
  renameSync(draft, path);
}

/**
 * Whether a bundle is of what its inputs are now. Their times tell at once; where these differ, as in a pipeline's artifact, it
 * is what is in them that counts.
 */
function isCurrent(outfile, stampFile) {
  try {
    const inputs = JSON.parse(readFileSync(stampFile, "utf8"));
    let isTouched = false;
    for (const [path, input] of Object.entries(inputs)) {
      const file = join(root, path);
      const now = stamp(file);
      if (now === input.stamp) continue;
      if (sum(file) !== input.sum) return false;
      input.stamp = now;
      isTouched = true;
    }
    if (!existsSync(outfile)) return false;
    if (isTouched) writeWhole(stampFile, JSON.stringify(inputs));
    return true;
  } catch {
    // Never built, or a source file has gone.
    return false;
  }
}

/** Bundles an entry unless its bundle is of what its inputs are now. */
export async function bundle(entry, outfile, options, finish = () => {}) {
  const stampFile = `${outfile}.inputs.json`;
  if (isCurrent(outfile, stampFile)) return;
  const { build } = await import("esbuild").catch(() => {
    console.error(
      `${relative(root, entry)} is not bundled as it is now, and the packages that it takes are not here: run npm ci, then this again.`,
    );
    process.exit(1);
  });
  const began = Date.now();
  const { metafile, outputFiles } = await build({
    entryPoints: [entry],
    outfile,
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node20",
    metafile: true,
    logLevel: "error",
    ...options,
    write: false,
  }).catch(() => process.exit(1));
  mkdirSync(dirname(outfile), { recursive: true });
  for (const { path, contents } of outputFiles) writeWhole(path, contents);
  await finish();
  const own = Object.keys(metafile.inputs).filter((path) => !/(^|\/)node_modules\//.test(path));
  const inputs = [relative(root, installed), ...SCRIPTS, ...own];
  // Of a file that was saved meanwhile, nobody knows which state is in the bundle.
  if (inputs.some((path) => statSync(join(root, path)).mtimeMs >= began))
    return rmSync(stampFile, { force: true });
  // By paths in the project, which may lie elsewhere the next time.
  const input = (path) => ({ stamp: stamp(join(root, path)), sum: sum(join(root, path)) });
  writeWhole(stampFile, JSON.stringify(Object.fromEntries(inputs.map((path) => [path, input(path)]))));
}

/** Has the parser of settings find its file beside the bundle. */
const findsBeside = {
  name: "finds-beside",
  setup({ onLoad }) {
    onLoad({ filter: PARSER.file }, ({ path }) => {
      const text = readFileSync(path, "utf8");
      const contents = text.replace(`"..", "${PARSER.finds}"`, `"${PARSER.finds}"`);
      if (contents === text) throw new Error(`it does not look for ${PARSER.finds} where it did`);
      mkdirSync(output, { recursive: true });
      writeWhole(join(output, PARSER.finds), readFileSync(resolve(dirname(path), "..", PARSER.finds)));
      return { contents };
    });
  },
};

/**
 * Bundles a command of the project with its packages; with main.ts go the functions. @returns the bundle's file
 *
 * @param file such as "tools/scan/index.ts"
 * @param hasLines whether errors are to tell lines of the source
 */
export async function bundleCommand(file, { hasLines = false, isPlain = false } = {}) {
  const entry = resolve(root, file);
  const isApp = entry === join(root, "main.ts");
  const name = isApp ? "main" : file.replace(/\.ts$/, "").replace(/\W+/g, "-");
  const outfile = join(output, `${name}${isApp && isPlain ? ".plain" : ""}${hasLines ? ".lines" : ""}.cjs`);
  await bundle(entry, outfile, {
    format: "cjs",
    external: EXTERNAL,
    plugins: [findsBeside],
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
  return outfile;
}

/**
 * A bundle, compiled from what V8 made of it in an earlier run. V8 itself asks only for its own version and the code's
 * length: here, both files' content is what was written together.
 *
 * @returns `run`, which runs it anew each time, and `keep`, to be called when it holds all functions that were called
 */
export function compiledBundle(outfile) {
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
  let isKept = cachedData !== undefined && !script.cachedDataRejected;
  return {
    run() {
      const module = { exports: {} };
      script.runInThisContext()(module.exports, createRequire(outfile), module, outfile, dirname(outfile));
    },
    keep() {
      if (isKept) return;
      isKept = true;
      try {
        const data = script.createCachedData();
        writeWhole(compiled, Buffer.concat([digestOf(data), data]));
      } catch {
        // It is compiled again the next time.
      }
    },
  };
}
