import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, realpathSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Writable } from "node:stream";
import { setTimeout as wait } from "node:timers/promises";

/** How long processes may take to end by themselves when they are told to, in milliseconds. */
const END_MILLISECONDS = 2000;

/** How often we look whether the killed are dead. Where nobody reaps them they never are. */
const DEATH_TRIES = 30;

/** How long the output of a command may be silent after its end while something still holds it open, in milliseconds. */
const QUIET_MILLISECONDS = 200;
/** For how long such output is waited for at most. */
const LAST_MILLISECONDS = 5000;

/**
 * Knows the folders of all builds of ours, which begin with a slash, and the groups of their processes; a hyphen says what
 * is gone. When we end, however we do, its input closes; then it kills the groups and removes the folders. A shell, since
 * that starts in a fiftieth of the time that Node takes.
 */
const KEEPER = `
trap "" TERM INT HUP
while IFS= read -r line; do
  case $line in
    -*) for one do shift; [ "-$one" = "$line" ] || set -- "$@" "$one"; done ;;
    *) set -- "$@" "$line" ;;
  esac
done
reach() { case $2 in /*) false ;; *) kill -s "$1" -- "-$2" ;; esac; }
for one do reach TERM "$one"; done
tries=${END_MILLISECONDS / 100}
for one do
  while [ $tries -gt 0 ] && reach 0 "$one"; do sleep 0.1; tries=$((tries - 1)); done
done
for one do reach KILL "$one"; done
# What was killed may just have been writing.
for one do case $one in /*) rm -rf "$one" || { sleep 0.1; rm -rf "$one"; } ;; esac; done
`;

/**
 * Leads the group of a command, so that a kill reaches all that the command starts and leaves behind. The keeper hears of
 * the group before the command runs. One stream for both outputs, so that lines stay in their order.
 */
const LEADER = `echo $$ >&3; exec "$0" "$@" 2>&1 3>&-`;

const ENDED = "the build's processes have ended";

/** What ends our processes when we end. */
class Keeper {
  /** Hear where it ends before us, or cannot be started. */
  readonly users = new Set<() => void>();
  readonly input: Writable;
  private static current?: Keeper;

  /** One for all builds: to start a process takes us longer the larger we are. */
  static get(): Keeper {
    Keeper.current ??= new Keeper();
    return Keeper.current;
  }

  private constructor() {
    const child = spawn("/bin/sh", ["-c", KEEPER], {
      detached: true,
      stdio: ["pipe", "ignore", "ignore"],
      // Not ours: it may hold secrets, and the commands could read it.
      env: { PATH: process.env.PATH },
      cwd: "/",
    });
    this.input = child.stdin.on("error", () => {});
    const gone = () => {
      Keeper.current = undefined;
      for (const tell of this.users) tell();
    };
    child.once("exit", gone).once("error", gone);
    // It waits for our end, not we for its.
    child.unref();
    (child.stdin as Socket).unref();
  }

  /** @param what a folder or a group */
  add(what: string): void {
    this.input.write(`${what}\n`);
  }

  remove(what: string): void {
    this.input.write(`-${what}\n`);
  }
}

interface Command {
  readonly child: ChildProcess;
  /** Whether all has come that it printed, and what it left behind. */
  closed: boolean;
  readonly reject: (error: Error) => void;
}

/** A folder of a build's own, and the processes that run for it. Neither survives `end`, nor our own end. */
export class BuildProcesses {
  readonly folder = realpathSync(mkdtempSync(join(tmpdir(), "slipway-build-")));
  private readonly keeper = Keeper.get();
  /** Those of which something may be left, by their group. */
  private readonly commands = new Map<number, Command>();
  private readonly onGone = () => {
    this.fail();
    void this.end();
  };
  private ending?: Promise<void>;

  constructor() {
    this.keeper.add(this.folder);
    this.keeper.users.add(this.onGone);
  }

  /** @returns the exit code */
  run(
    args: readonly string[],
    options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
    onOutput: (text: string) => void,
  ): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.ending) throw new Error(ENDED);
      const child = spawn("/bin/sh", ["-c", LEADER, ...args], {
        ...options,
        detached: true,
        stdio: ["ignore", "pipe", "ignore", this.keeper.input],
      });
      exitOf(child, onOutput).then(resolve);
      if (!child.pid) return;
      const command = { child, closed: false, reject };
      this.commands.set(child.pid, command);
      child.once("close", () => {
        command.closed = true;
        this.forgetTheDead();
      });
    });
  }

  /**
   * Kills all that runs, first politely, and removes the folder.
   *
   * @param save takes out of the folder what is to stay, when nothing runs any more. @default - nothing stays
   */
  async end(save = () => {}): Promise<void> {
    this.ending ??= this.kill(save);
    await this.ending;
    // We may have been writing into it ourselves while it was removed.
    await this.removeFolder();
  }

  private async kill(save: () => void): Promise<void> {
    const closing = [...this.commands.values()]
      .filter(({ closed }) => !closed)
      .map(({ child }) => new Promise((resolve) => child.once("close", resolve)));
    if (closing.length) {
      this.signal("SIGTERM");
      const late = new AbortController();
      const waiting = wait(END_MILLISECONDS, undefined, late).catch(() => {});
      await Promise.race([Promise.all(closing), waiting]);
      late.abort();
    }
    // What is killed dies a little later.
    for (let tries = 0; this.signal("SIGKILL") && tries < DEATH_TRIES; tries++) await wait(10);
    this.fail();
    for (const group of this.commands.keys()) this.keeper.remove(String(group));
    this.commands.clear();
    save();
    await this.removeFolder();
    this.keeper.remove(this.folder);
    this.keeper.users.delete(this.onGone);
  }

  private fail(): void {
    for (const { reject } of this.commands.values()) reject(new Error(ENDED));
  }

  /** @returns whether it reached any */
  private signal(signal: NodeJS.Signals): boolean {
    return [...this.commands.keys()].map((group) => reach(group, signal)).some(Boolean);
  }

  /** A group's number may become another's when nothing of the group is left. */
  private forgetTheDead(): void {
    for (const [group, { closed }] of this.commands) {
      if (!closed || reach(group, 0)) continue;
      this.commands.delete(group);
      this.keeper.remove(String(group));
    }
  }

  /** While others are answered: it may hold packages. */
  private removeFolder(): Promise<void> {
    return rm(this.folder, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** @returns whether the group is there */
function reach(group: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(-group, signal);
  } catch {
    return false;
  }
}

/** Waits for a command's exit code, and for its output. */
function exitOf(child: ChildProcess, onOutput: (text: string) => void): Promise<number> {
  return new Promise((resolve) => {
    let told = false;
    let heard = false;
    let last: NodeJS.Timeout | undefined;
    let quiet: NodeJS.Timeout | undefined;
    const tell = (code: number) => {
      told = true;
      clearTimeout(last);
      clearTimeout(quiet);
      resolve(code);
    };
    const tellWhenQuiet = (code: number) => {
      if (told) return;
      heard = false;
      // What came while we were busy is read between the two.
      const look = () => setImmediate(() => (heard ? tellWhenQuiet(code) : tell(code)));
      quiet = setTimeout(look, QUIET_MILLISECONDS);
    };
    child.stdout?.setEncoding("utf8").on("data", (output: string) => {
      heard = true;
      onOutput(output);
    });
    child.once("error", (error) => {
      onOutput(`${error.message}\n`);
      tell(127);
    });
    // What a command left running in the background may hold its output open, and even go on printing.
    child.once("exit", (code) => {
      last = setTimeout(tell, LAST_MILLISECONDS, code ?? 1);
      tellWhenQuiet(code ?? 1);
    });
    child.once("close", (code) => tell(code ?? 1));
  });
}
