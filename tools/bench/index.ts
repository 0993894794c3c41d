import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, copyFileSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { projectRoot, runCommand, UserError } from "../project";
import { syntheticPlan } from "./plan";

const root = projectRoot();

interface Measurement {
  readonly what: string;
  readonly value: number;
  readonly unit: "s" | "×" | "MB";
  readonly budget: number;
}

/** Seconds that a command takes. @throws UserError where it fails: a failure is quick, and no figure */
function seconds(command: string, args: readonly string[], cwd: string): number {
  const started = performance.now();
  const { status, stderr } = spawnSync(command, args, {
    cwd,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (status !== 0) throw new UserError(`${command} ${args.join(" ")} failed:\n${stderr}`);
  return (performance.now() - started) / 1000;
}

const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!;

/**
 * Synth as cdktf runs it, against the bundle that it makes by itself: in turn, because the machine's speed drifts
 * and only the ratio means something elsewhere.
 */
function synth(runs: number): Measurement[] {
  const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
  copyFileSync(join(root, "terraform.tfvars.example"), join(folder, "terraform.tfvars"));
  const fromSource = () => seconds(process.execPath, [join(root, "tools/run.mjs"), "main.ts"], folder);
  // The bundle finds the project by the path of main.ts, as its first argument.
  const plain = () =>
    seconds(
      process.execPath,
      [
        "-e",
        `process.argv[1]=${JSON.stringify(join(root, "main.ts"))};require(${JSON.stringify(join(root, ".slipway/build/main.cjs"))})`,
      ],
      folder,
    );
  fromSource();
  plain();
  const pairs = Array.from({ length: runs }, () => [fromSource(), plain()] as const);
  return [
    { what: "synth from source", value: median(pairs.map(([a]) => a)), unit: "s", budget: 2 },
    {
      what: "synth from source / its bundle",
      value: median(pairs.map(([a, b]) => a / b)),
      unit: "×",
      budget: 1.5,
    },
  ];
}

/** How many changes a review must bear. */
const CHANGES = 10_000;

/** The review of a great plan: its time, and the most memory that it took. */
function review(runs: number): Measurement[] {
  const file = join(mkdtempSync(join(tmpdir(), "slipway-bench-")), "plan.json");
  writeFileSync(file, syntheticPlan(CHANGES));
  // Told by the review's own process as it ends: the system's figures are of all its children.
  const report = `process.on("exit",()=>process.stderr.write("\\nRSS "+process.resourceUsage().maxRSS))`;
  const run = () => {
    const started = performance.now();
    const { status, stderr } = spawnSync(
      process.execPath,
      [join(root, "tools/run.mjs"), "tools/review/index.ts", file],
      {
        cwd: root,
        encoding: "utf8",
        maxBuffer: 64 * 1024 * 1024,
        env: { ...process.env, NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(report)}` },
      },
    );
    if (status !== 0) throw new UserError(`The review failed:\n${stderr}`);
    return {
      time: (performance.now() - started) / 1000,
      megabytes: Number(/RSS (\d+)$/.exec(stderr)?.[1]) / 1024,
    };
  };
  run();
  const all = Array.from({ length: runs }, run);
  const what = `review of ${CHANGES.toLocaleString("en")} changes`;
  return [
    { what, value: median(all.map(({ time }) => time)), unit: "s", budget: 2 },
    {
      what: `${what}, memory`,
      value: median(all.map(({ megabytes }) => megabytes)),
      unit: "MB",
      budget: 300,
    },
  ];
}

/**
 * A rehearsal of this project as it is committed, with its own packages, tests and two environments; and the next one,
 * after a change of the service, when all is warm.
 */
async function rehearsals(): Promise<Measurement[]> {
  const folder = join(mkdtempSync(join(tmpdir(), "slipway-bench-")), "project");
  seconds("git", ["clone", "--quiet", root, folder], root);
  seconds("npm", ["ci", "--no-audit", "--no-fund"], folder);
  const child = spawn("npm", ["run", "--silent", "rehearse", "--", "--watch", "--approve", "--json", "-"], {
    cwd: folder,
    stdio: ["ignore", "pipe", "ignore"],
  });
  const times: number[] = [];
  try {
    for await (const line of createInterface(child.stdout)) {
      const { succeeded, seconds: took } = JSON.parse(line) as { succeeded: boolean; seconds: number };
      if (!succeeded)
        throw new UserError(`The rehearsal failed. Run it in a clone: npm run rehearse -- --approve`);
      times.push(took);
      if (times.length === 2) break;
      appendFileSync(join(folder, "app/index.ts"), "// Changed.\n");
    }
  } finally {
    const ended = once(child, "exit");
    child.kill("SIGINT");
    await ended;
    rmSync(folder, { recursive: true, force: true });
  }
  const [cold = Number.NaN, warm = Number.NaN] = times;
  return [
    { what: "rehearsal, all of it new", value: cold, unit: "s", budget: 600 },
    { what: "rehearsal, warm", value: warm, unit: "s", budget: 180 },
  ];
}

/** `npm run bench [-- --demo] [--rehearsal]`: what this project promises of its speed, and what it is. */
runCommand(async () => {
  const { values } = parseArgs({
    options: {
      demo: { type: "boolean", default: false },
      rehearsal: { type: "boolean", default: false },
      runs: { type: "string", default: "7" },
    },
  });
  const runs = Number(values.runs);
  const measurements = [...synth(runs), ...review(runs)];
  measurements.push({
    what: "npm run test:unit",
    value: seconds("npm", ["run", "test:unit"], root),
    unit: "s",
    budget: 30,
  });
  if (values.demo) {
    const value = seconds(process.execPath, [join(root, "tools/demo.mjs"), "--destroy"], root);
    measurements.push({ what: "npm run demo -- --destroy", value, unit: "s", budget: 480 });
  }
  if (values.rehearsal) measurements.push(...(await rehearsals()));
  for (const { what, value, unit, budget } of measurements) {
    const verdict = value <= budget ? "" : "  over its budget";
    console.log(`${what.padEnd(32)} ${value.toFixed(2).padStart(8)} ${unit}  (budget ${budget})${verdict}`);
  }
  return measurements.some(({ value, budget }) => value > budget) ? 1 : 0;
});
