import { existsSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
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

/** Writes a file so that who reads it meanwhile, such as the same command started twice, finds all of it or what was before. */
export function writeWhole(path, content) {
  const draft = `${path}.${process.pid}.draft`;
  writeFileSync(draft, content);
  renameSync(draft, path);
}

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
  const own = Object.keys(metafile.inputs).filter((path) => !path.startsWith("node_modules/"));
  const inputs = [installed, ...SCRIPTS, ...own.map((path) => join(root, path))];
  // Of a file that was saved meanwhile, nobody knows which state is in the bundle.
  if (inputs.some((path) => statSync(path).mtimeMs >= began)) return rmSync(stampFile, { force: true });
  writeWhole(stampFile, JSON.stringify(Object.fromEntries(inputs.map((path) => [path, stamp(path)]))));
}
