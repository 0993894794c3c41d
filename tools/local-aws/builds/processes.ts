import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** How long processes may take to end by themselves when they are told to, in milliseconds. */
const END_MILLISECONDS = 2000;

/** How often we look whether the killed are dead. Where nobody reaps them they never are. */
const DEATH_TRIES = 30;

/**
 * Between us and a build's processes: it leads their group, so that a kill reaches them all, also those that a
 * command left behind. When we end, however we do, its channel closes; then it kills them and itself, and removes
 * their folder.
 */
const KEEPER = `
const { spawn } = require("node:child_process");
const { rmSync } = require("node:fs");
const [folder] = process.argv.slice(1);
const open = new Set();
let ending = false;
const send = (message, sent = () => {}) => process.connected ? process.send(message, sent) : sent();
const leave = () => {
  try { rmSync(folder, { recursive: true, force: true }); } catch {}
  process.kill(-process.pid, "SIGKILL");
};
const end = () => {
  if (ending) return;
  ending = true;
  if (!open.size) return leave();
  process.kill(-process.pid, "SIGTERM");
  setTimeout(leave, ${END_MILLISECONDS});
};
for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"]) process.on(signal, () => {});
process.on("disconnect", end);
process.on("message", ({ id, end: last, args, cwd, env }) => {
  if (last) return end();
  if (ending) return;
  // One stream for both, so that lines stay in their order.
  const child = spawn("/bin/sh", ["-c", 'exec "$0" "$@" 2>&1', ...args], { cwd, env, stdio: ["ignore", "pipe", "ignore"] });
  open.add(child);
  let told = false, sending = 0, exit, quiet, atLast;
  const tell = (code) => {
    if (!told) send({ id, code });
    told = true;
    clearTimeout(quiet);
    clearTimeout(atLast);
  };
  // What a command left running in the background may hold its output open, and even go on printing.
  const tellWhenQuiet = () => {
    clearTimeout(quiet);
    if (exit !== undefined && !told && !sending) quiet = setTimeout(tell, 200, exit);
  };
  child.stdout.setEncoding("utf8").on("data", (output) => {
    child.stdout.pause();
    sending++;
    clearTimeout(quiet);
    send({ id, output }, () => {
      sending--;
      child.stdout.resume();
      tellWhenQuiet();
    });
  });
  child.on("error", (error) => { send({ id, output: error.message + "\\n" }); tell(127); });
  child.on("exit", (code) => {
    exit = code ?? 1;
    atLast = setTimeout(tell, 5000, exit);
    tellWhenQuiet();
  });
  child.on("close", (code) => {
    tell(code ?? 1);
    open.delete(child);
    if (ending && !open.size) leave();
  });
});
`;

interface Running {
  readonly onOutput: (text: string) => void;
  readonly resolve: (code: number) => void;
  readonly reject: (error: Error) => void;
}

/** A folder of a build's own, and the processes that run for it. Neither survives `end`, nor our own end. */
export class BuildProcesses {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "slipway-build-")));
  private readonly keeper: ChildProcess;
  private readonly running = new Map<number, Running>();
  private started = 0;
  private readonly ended: Promise<unknown>;

  constructor() {
    this.keeper = spawn(process.execPath, ["-e", KEEPER, this.folder], {
      detached: true,
      stdio: ["ignore", "ignore", "ignore", "ipc"],
      // Not ours: it may hold secrets, and the commands could read it.
      env: { PATH: process.env.PATH },
      cwd: "/",
    });
    // One that could not be started has ended, too.
    this.ended = once(this.keeper, "exit")
      .catch(() => {})
      .then(() => this.clean());
    this.keeper.on("error", () => {});
    this.keeper.on("message", (message: { id: number; output?: string; code?: number }) => {
      const running = this.running.get(message.id);
      if (message.output !== undefined) running?.onOutput(message.output);
      if (message.code === undefined) return;
      running?.resolve(message.code);
      // What is left of it in the background still prints.
      if (running) this.running.set(message.id, { ...running, resolve() {}, reject() {} });
    });
  }

  /** @returns the exit code */
  run(
    args: readonly string[],
    options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
    onOutput: (text: string) => void,
  ): Promise<number> {
    const id = this.started++;
    return new Promise((resolve, reject) => {
      this.running.set(id, { onOutput, resolve, reject });
      if (this.keeper.connected)
        this.keeper.send({ id, args, ...options }, (error) => error && reject(error));
      else reject(new Error("the build's processes have ended"));
    });
  }

  /** Kills all that runs, first politely, and removes the folder. */
  async end(): Promise<void> {
    if (this.keeper.connected) this.keeper.send({ end: true }, () => {});
    await this.ended;
    // We may have been writing into it ourselves while it was removed.
    this.removeFolder();
  }

  private async clean(): Promise<void> {
    await this.killGroup();
    this.removeFolder();
    for (const { reject } of this.running.values()) reject(new Error("the build's processes have ended"));
    this.running.clear();
  }

  /** What was killed with the keeper may die after it; and the keeper may have been killed alone. */
  private async killGroup(): Promise<void> {
    const { pid } = this.keeper;
    for (let tries = 0; pid && tries < DEATH_TRIES; tries++) {
      try {
        process.kill(-pid, "SIGKILL");
      } catch {
        return;
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  private removeFolder(): void {
    rmSync(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
