import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

/** The project's folder. */
export const root = resolve(dirname(fileURLToPath(import.meta.url)), "..");
/** Folder of all bundles. */
export const output = join(root, ".slipway/build");
/** What npm says of the packages that are installed. */
export const installed = join(root, "node_modules/.package-lock.json");

/** What bundles depend on beside their sources: how they are made. */
const SCRIPTS = ["run.mjs", "bundle.mjs", "functions.mjs"].map((name) => join(root, "tools", name));

const stamp = (path) => {
  const { mtimeMs, size } = statSync(path);
  return `${mtimeMs}:${size}`;
};

/** Bundles an entry unless its bundle is newer than all that went into it. */
export async function bundle(entry, outfile, options, finish = () => {}) {
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
  const inputs = [installed, ...SCRIPTS, ...own.map((path) => join(root, path))];
  writeFileSync(stampFile, JSON.stringify(Object.fromEntries(inputs.map((path) => [path, stamp(path)]))));
}
