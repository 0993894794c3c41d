import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { ROOT } from "./settings";

export interface ToolOptions {
  readonly cwd: string;
  /** All that it finds there: nothing of the test's own. @default - nothing */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** What it reads on its standard input. @default - nothing */
  readonly input?: string;
  /** Whether stdout and stderr are given with the line break at their end. @default false */
  readonly isExact?: boolean;
}

export interface ToolRun {
  /** None where a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a command of the project, such as "tools/scan/index.ts": its own code from the first line on, in a process with this
 * environment, folder and output, until nothing keeps that alive any more. It is the bundle that users run, but the process,
 * and what that has compiled of it, are those of the file's last run: to start is most of what commands take. That a command
 * starts as users start it, a test shows by `startTool`, as whatever signals a process.
 */
export async function runTool(file: string, args: readonly string[], options: ToolOptions): Promise<ToolRun> {
  const host = idle.pop() ?? new Host();
  const run = await host.run(file, args, options);
  if (host.isAlive) idle.push(host);
  return run;
}

/** Starts a command of the project as its users do, by `tools/run.mjs` in a process of its own. */
export function startTool(file: string, args: readonly string[], options: ToolOptions) {
  const { cwd, env = {}, input } = options;
  const child = spawn(process.execPath, [join(ROOT, "tools/run.mjs"), file, ...args], { cwd, env });
  child.stdin.end(input);
  started.add(child);
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return {
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    ended: ended.then(([stdout, stderr, [code]]) => runOf(code ?? undefined, stdout, stderr, options)),
  };
}

function runOf(exitCode: number | undefined, stdout: string, stderr: string, options: ToolOptions): ToolRun {
  const told = (output: string) => (options.isExact ? output : output.replace(/\n$/, ""));
  return { exitCode, stdout: told(stdout), stderr: told(stderr) };
}

const started = new Set<ChildProcess>();
const hosts = new Set<Host>();
const idle: Host[] = [];
afterAll(async () => {
  // Of a test that failed before its command ended.
  for (const child of started) child.kill("SIGKILL");
  for (const host of hosts) await host.stop();
});

class Host {
  private readonly child: ChildProcess;
  // Files, for that a run's output ends where the run does: what it starts writes there, too.
  private readonly stdout: string;
  private readonly stderr: string;
  isAlive = true;

  constructor() {
    hosts.add(this);
    const folder = mkdtempSync(join(tmpdir(), "slipway-output-"));
    this.stdout = join(folder, "stdout");
    this.stderr = join(folder, "stderr");
    const files = [this.stdout, this.stderr].map((file) => openSync(file, "a"));
    this.child = spawn(process.execPath, [join(__dirname, "tools-host.mjs"), ROOT], {
      stdio: ["ignore", ...files, "ipc"],
      env: { PATH: process.env.PATH },
    });
    for (const file of files) closeSync(file);
    this.child.once("exit", () => {
      this.isAlive = false;
    });
  }

  run(file: string, args: readonly string[], options: ToolOptions): Promise<ToolRun> {
    const { child } = this;
    const { cwd, env = {}, input } = options;
    return new Promise((resolve, reject) => {
      const end = (exitCode: number) => {
        child.removeAllListeners("message").off("exit", died).off("error", reject);
        resolve(runOf(exitCode, take(this.stdout), take(this.stderr), options));
      };
      const died = (code: number | null, signal: string | null) =>
        code === null ? reject(new Error(`${file} was ended by ${signal}`)) : end(code);
      child
        .once("error", reject)
        .once("exit", died)
        .once("message", ({ exitCode }: { exitCode: number }) => end(exitCode));
      child.send({ file, args, cwd, env, input });
    });
  }

  async stop(): Promise<void> {
    if (this.isAlive && this.child.kill("SIGKILL")) await once(this.child, "exit");
  }
}

/** What was written; nothing is left of it. */
function take(file: string): string {
  const output = readFileSync(file, "utf8");
  truncateSync(file);
  return output;
}
