import { spawn } from "node:child_process";
import { basename } from "node:path";
import { UserError } from "../project";

/** What was measured of one thing: a sample a run. */
export interface Measurement {
  /** Such as "cdktf synth", "bundle of delivery-report". */
  readonly what: string;
  readonly unit: "s" | "ms" | "MB" | "KB" | "×";
  readonly samples: readonly number[];
  /** What it is compared with, run in turn with it: sample i belongs to sample i. @default - nothing */
  readonly baseline?: { readonly what: string; readonly samples: readonly number[] };
  /** The most that is allowed: of the median ratio to the baseline, or of the median itself. @default - it is only told */
  readonly budget?: { readonly ratio: number } | { readonly value: number };
  /** Why it may be over what is usual, such as a bundle that must be larger. @default - none */
  readonly reason?: string;
}

export interface Benchmark {
  /** Chosen with `--only NAME`. */
  readonly name: string;
  /** Takes minutes: runs only where it is asked for by `--only` or by `--NAME`. @default false */
  readonly isSlow?: boolean;
  /** Where to look first when it is over its budget. @default - docs/speed.md */
  readonly lookAt?: string;
  run(options: {
    /** The project's folder. */
    readonly root: string;
    /** How many samples are wanted. */
    readonly runs: number;
    /** Tells what it does now, on stderr. */
    readonly log: (line: string) => void;
  }): Promise<readonly Measurement[]>;
}

/** How a process is started. */
export interface ProcessOptions {
  readonly cwd: string;
  /** What is set beside the caller's own; undefined takes away. @default - nothing */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

/**
 * Runs two commands in turn, `runs` times after one warm-up each: a machine's speed drifts, and only what ran at the
 * same time can be compared. Each returns its figure.
 *
 * @throws UserError where one fails: a failure is quick, and no figure
 */
export async function inTurn(
  runs: number,
  a: () => Promise<number> | number,
  b: () => Promise<number> | number,
): Promise<{ a: number[]; b: number[] }> {
  const figures: { a: number[]; b: number[] } = { a: [], b: [] };
  await a();
  await b();
  for (let run = 0; run < runs; run++) {
    // Each is the first one as often, so that neither gains by what the other has left.
    if (run % 2 === 1) figures.b.push(await b());
    figures.a.push(await a());
    if (run % 2 === 0) figures.b.push(await b());
  }
  return figures;
}

/** Seconds that a process takes. @throws UserError with the end of what it printed */
export async function seconds(
  command: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<number> {
  return (await run(command, args, options)).seconds;
}

/**
 * Seconds and peak memory in MB of a Node process (told by the process itself as it ends).
 *
 * @param command Node, such as process.execPath
 * @throws UserError with the end of what it printed
 */
export async function processFigures(
  command: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<{ seconds: number; megabytes: number }> {
  // What the process starts itself inherits this, and is not asked.
  const report = `if(process.ppid===${process.pid}){const{writeSync}=await import("node:fs");process.on("exit",()=>writeSync(3,process.resourceUsage().maxRSS+"\\n"))}`;
  const preload = `--import=data:text/javascript,${encodeURIComponent(report)}`;
  const given = options.env?.NODE_OPTIONS ?? process.env.NODE_OPTIONS ?? "";
  const { seconds, told } = await run(command, args, {
    ...options,
    env: { ...options.env, NODE_OPTIONS: `${given} ${preload}`.trim() },
  });
  const megabytes = Number(told.trimEnd().split("\n").at(-1) || Number.NaN) / 1024;
  if (!Number.isFinite(megabytes)) throw new UserError(`${shown(command, args)} did not tell its memory.`);
  return { seconds, megabytes };
}

/** So much of what a failed process printed is told, in characters. */
const TOLD = 4_000;

const shown = (command: string, args: readonly string[]) => {
  const line = [basename(command), ...args].join(" ");
  return line.length > 200 ? `${line.slice(0, 200)} …` : line;
};

/** Runs a process to its end; `told` is what it wrote to its file descriptor 3. */
function run(
  command: string,
  args: readonly string[],
  { cwd, env }: ProcessOptions,
): Promise<{ seconds: number; told: string }> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    const child = spawn(command, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "pipe", "pipe"],
    });
    let printed = "";
    let told = "";
    let took = Number.NaN;
    const keep = (chunk: Buffer) => {
      printed = (printed + chunk).slice(-TOLD);
    };
    child.stdout!.on("data", keep);
    child.stderr!.on("data", keep);
    child.stdio[3]!.on("data", (chunk: Buffer) => {
      told += chunk;
    });
    child.on("error", (error) =>
      reject(new UserError(`${shown(command, args)} cannot be started: ${error.message}`)),
    );
    child.on("exit", () => {
      took = (performance.now() - started) / 1000;
    });
    child.on("close", (status, signal) => {
      if (status === 0) return resolve({ seconds: took, told });
      const how = signal ? `was ended by ${signal}` : `failed with exit code ${status}`;
      reject(new UserError(`${shown(command, args)} ${how}:\n${printed.trim()}`));
    });
  });
}
