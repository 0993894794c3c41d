import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build, type Plugin } from "esbuild";
import { type Benchmark, inTurn, seconds } from "./measure";

/** What `cdktf init` writes into the cdktf.json of a TypeScript project, by its versions of today; ts-node needs this TypeScript. */
const INIT = { command: "npx ts-node main.ts", "ts-node": "10.9.2", typescript: "5.9.3" };

/** What the network has to do with it. */
const QUIET = { DISABLE_VERSION_CHECK: "1", CHECKPOINT_DISABLE: "1" };

/**
 * The synth of the example: by `cdktf synth`, against the same with the app's command that `cdktf init` writes; and
 * by itself, against one bundle of the same app that Node starts directly.
 */
export const benchmark: Benchmark = {
  name: "synth",
  lookAt: "docs/speed.md#the-synth",

  async run({ root, runs, log }) {
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
    try {
      copyFileSync(join(root, "terraform.tfvars.example"), join(folder, "terraform.tfvars"));
      copyFileSync(join(root, "cdktf.json"), join(folder, "cdktf.json"));
      const node = (args: readonly string[], env = {}) =>
        seconds(process.execPath, args, { cwd: folder, env });
      const ours = () => node([join(root, "tools/run.mjs"), "main.ts"]);
      log("makes the lean bundle");
      // Made with the functions that a synth makes.
      await ours();
      const lean = await leanBundle(root);
      log("a synth, and that bundle");
      const plain = await inTurn(runs, ours, () => node([lean], { SLIPWAY_PLAIN_SYNTH: "1" }));
      symlinkSync(await installed(root, log), join(folder, "node_modules"));
      log(`cdktf synth, and ${INIT.command}`);
      const cdktf = (app: string, env = {}) =>
        node([join(root, "node_modules/cdktf-cli/bundle/bin/cdktf.js"), "synth", "--app", app], {
          ...QUIET,
          ...env,
        });
      const shell = (path: string) => JSON.stringify(join(root, path));
      const init = await inTurn(
        // One of it takes longer than all others.
        Math.min(runs, 3),
        () => cdktf(`node ${shell("tools/run.mjs")} main.ts`),
        () =>
          cdktf(`npx ts-node ${shell("main.ts")}`, {
            SLIPWAY_PLAIN_SYNTH: "1",
            TS_NODE_COMPILER: join(folder, "node_modules/typescript"),
            TS_NODE_COMPILER_OPTIONS: JSON.stringify({ module: "commonjs", moduleResolution: "node10" }),
            TS_NODE_PROJECT: join(root, "tsconfig.json"),
          }),
      );
      return [
        {
          what: "synth",
          unit: "s",
          samples: plain.a,
          baseline: { what: "its lean bundle", samples: plain.b },
          budget: { ratio: 1.2 },
        },
        {
          what: "cdktf synth",
          unit: "s",
          samples: init.a,
          baseline: { what: `that of cdktf init's app, ${INIT.command}`, samples: init.b },
          budget: { ratio: 1 / 3 },
        },
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** The app as one file, without what cdktf does for nothing here: traces of constructs and tokens, and the archiver. */
async function leanBundle(root: string): Promise<string> {
  const outfile = join(root, ".slipway/bench/lean.cjs");
  const without: Plugin = {
    name: "without",
    setup({ onLoad, onResolve }) {
      onResolve({ filter: /^archiver$|\/stack-trace$/ }, ({ path }) => ({ path, namespace: "without" }));
      onLoad({ filter: /./, namespace: "without" }, () => ({
        contents: "exports.captureStackTrace = () => [];",
      }));
    },
  };
  await build({
    entryPoints: [join(root, "main.ts")],
    outfile,
    absWorkingDir: root,
    bundle: true,
    platform: "node",
    target: "node20",
    format: "cjs",
    external: ["@cdktf/hcl2json"],
    // The app finds its files beside main.ts.
    banner: { js: `process.argv[1] = ${JSON.stringify(join(root, "main.ts"))};` },
    plugins: [without],
  });
  return outfile;
}

/** ts-node in a folder of its own. @returns the folder of its packages */
async function installed(root: string, log: (line: string) => void): Promise<string> {
  const { command: _, ...versions } = INIT;
  const folder = join(root, ".slipway/bench/ts-node");
  const done = join(folder, `${Object.values(versions).join("-")}.installed`);
  if (!existsSync(done)) {
    log("installs ts-node");
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, "package.json"), JSON.stringify({ private: true, dependencies: versions }));
    await seconds("npm", ["install", "--no-audit", "--no-fund"], { cwd: folder });
    writeFileSync(done, "");
  }
  return join(folder, "node_modules");
}
