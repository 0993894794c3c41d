import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { UserError } from "../project";
import type { Benchmark, Measurement } from "./measure";

/** In seconds. */
const BUDGET = { value: 2 };

/** One file of each kind: of a function, which few tests reach; of the infrastructure; and of what both sides read. */
const FILES = [
  { file: "lambdas/delivery-report/index.ts", isReachedByFew: true },
  { file: "modules/alarm.ts", isReachedByFew: false },
  { file: "shared/visible.ts", isReachedByFew: false },
] as const;

/** From a file that was saved to the verdict of the first file of tests, and to that of all that it reaches, by `npm run test:watch`. */
export const benchmark: Benchmark = {
  name: "watch",
  lookAt: "docs/speed.md#the-tests",

  async run({ root, runs, log }) {
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
    try {
      const project = join(folder, "project");
      copyProject(root, project);
      const watch = new Watch(project);
      try {
        log("starting");
        await watch.nothing();
        const measurements: Measurement[] = [];
        for (const { file, isReachedByFew } of FILES) {
          const { first, last, suites } = await measure(watch, join(project, file), file, runs, log);
          measurements.push(
            { what: `change of ${file}, first verdict`, unit: "s", samples: first, budget: BUDGET },
            {
              what: `change of ${file}, ${suites} ${suites === 1 ? "file" : "files"} of tests`,
              unit: "s",
              samples: last,
              budget: isReachedByFew ? BUDGET : undefined,
            },
          );
        }
        return measurements;
      } finally {
        await watch.stop();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function measure(
  watch: Watch,
  path: string,
  file: string,
  runs: number,
  log: (line: string) => void,
): Promise<{ first: number[]; last: number[]; suites: number }> {
  const original = readFileSync(path);
  const first: number[] = [];
  const last: number[] = [];
  let suites = 0;
  // The first one finds the caches empty, and no process that runs tests.
  for (let run = 0; run <= runs; run++) {
    log(`${file}, ${run === 0 ? "warming up" : `run ${run} of ${runs}`}`);
    const started = performance.now();
    appendFileSync(path, `// Change ${run}.\n`);
    const verdicts = await watch.verdicts();
    suites = verdicts.suites;
    if (run > 0) {
      first.push((verdicts.first - started) / 1000);
      last.push((verdicts.last - started) / 1000);
    }
    writeFileSync(path, original);
    await watch.nothing();
  }
  return { first, last, suites };
}

/** The project as it lies there, committed: what is changed for the measurement is nobody's work. */
function copyProject(root: string, to: string): void {
  const git = (cwd: string, ...args: string[]) => {
    try {
      return execFileSync("git", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
    } catch (error) {
      throw new UserError(`What a watch sees is told by Git: ${(error as Error).message}`);
    }
  };
  const files = git(root, "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0");
  for (const file of files.filter((name) => name !== "" && existsSync(join(root, name)))) {
    mkdirSync(dirname(join(to, file)), { recursive: true });
    copyFileSync(join(root, file), join(to, file));
  }
  symlinkSync(join(root, "node_modules"), join(to, "node_modules"));
  git(to, "init", "--quiet");
  git(to, "add", ".");
  const author = [
    "-c",
    "user.name=bench",
    "-c",
    "user.email=bench@example.com",
    "-c",
    "commit.gpgsign=false",
  ];
  git(to, ...author, "commit", "--quiet", "--no-verify", "-m", "As it is");
}

/** Nobody waits so long for a verdict: it does not come. In milliseconds. */
const PATIENCE = 600_000;

/** Jest, as `npm run test:watch` starts it. */
class Watch {
  private readonly jest: ChildProcess;
  private readonly ended: Promise<unknown>;
  private printed = "";
  private heard = () => {};

  constructor(project: string) {
    const { scripts } = JSON.parse(readFileSync(join(project, "package.json"), "utf8"));
    const [command, ...args] = (scripts["test:watch"] as string).split(" ");
    this.jest = spawn(process.execPath, [join(project, "node_modules/.bin", command!), ...args], {
      cwd: project,
      // Its words are read.
      env: { ...process.env, FORCE_COLOR: "0" },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.ended = once(this.jest, "exit").then(() => this.heard());
    for (const stream of [this.jest.stdout!, this.jest.stderr!])
      stream.on("data", (chunk: Buffer) => {
        this.printed += chunk;
        this.heard();
      });
  }

  /** When the first file of tests had passed, and when the last one; and how many. @throws UserError where one did not */
  async verdicts(): Promise<{ first: number; last: number; suites: number }> {
    await this.until(/^(PASS|FAIL) /m);
    const first = performance.now();
    await this.until(/^Ran all test suites/m);
    const last = performance.now();
    const [, passed] = /^Test Suites: (\d+) passed, \1 total$/m.exec(this.printed) ?? [];
    if (passed === undefined) throw new UserError(`npm run test:watch did not pass:\n${tail(this.printed)}`);
    this.printed = "";
    return { first, last, suites: Number(passed) };
  }

  /** Waits until all is as it was committed, and so nothing is to be run. */
  async nothing(): Promise<void> {
    await this.until(/^No tests found/m);
    this.printed = "";
  }

  async stop(): Promise<void> {
    this.jest.kill("SIGTERM");
    await this.ended;
  }

  private async until(words: RegExp): Promise<void> {
    const late = setTimeout(() => this.heard(), PATIENCE);
    const deadline = performance.now() + PATIENCE;
    while (!words.test(this.printed)) {
      if (this.jest.exitCode !== null || performance.now() >= deadline)
        throw new UserError(`npm run test:watch gives no verdict:\n${tail(this.printed)}`);
      await new Promise<void>((resolve) => {
        this.heard = resolve;
      });
    }
    clearTimeout(late);
  }
}

const tail = (text: string) => text.slice(-4000).trim();
