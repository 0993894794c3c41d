import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { execa } from "execa";
import { rehearsedProject } from "../../support/rehearsed-project";
import { exampleText } from "../../support/settings";

jest.setTimeout(5 * 60_000);

let project: string;
let temporary: string;
let rehearsal: ChildProcess;
beforeAll(async () => {
  project = await rehearsedProject(exampleText());
  await execa("git", ["init", "--quiet"], { cwd: project });
});
beforeEach(() => {
  temporary = mkdtempSync(join(tmpdir(), "slipway-ended-"));
});
afterEach(() => {
  rehearsal.kill("SIGKILL");
  rmSync(temporary, { recursive: true, force: true });
});
afterAll(() => rmSync(project, { recursive: true, force: true }));

/** Starts one, whose temporary files go to a folder of its own. @returns what it says, as it comes */
function rehearse(...args: readonly string[]): () => string {
  rehearsal = spawn(process.execPath, ["tools/run.mjs", "tools/rehearse/index.ts", ...args], {
    cwd: project,
    env: { ...process.env, TMPDIR: temporary },
    stdio: ["ignore", "pipe", "pipe"],
  });
  let said = "";
  for (const stream of [rehearsal.stdout, rehearsal.stderr])
    stream!.setEncoding("utf8").on("data", (chunk: string) => {
      said += chunk;
    });
  return () => said;
}

/** Waits until it deploys, by processes of its own. @returns ids of all that run for it */
async function deploying(): Promise<number[]> {
  const said = rehearse("--approve");
  await until(() => /❯ bootstrap/.test(said()), said);
  for (;;) {
    const processes = await descendants(rehearsal.pid!);
    if (processes.some(({ command }) => /terraform.*apply/.test(command)))
      return processes.map(({ pid }) => pid);
    if (rehearsal.exitCode !== null) throw new Error(said());
    await pause(50);
  }
}

interface Process {
  readonly pid: number;
  readonly parent: number;
  readonly command: string;
}

async function running(): Promise<Process[]> {
  const { stdout } = await execa("ps", ["-eo", "pid=,ppid=,stat=,args="]);
  return stdout.split("\n").flatMap((line) => {
    const [, pid, parent, state, command = ""] = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.*)$/.exec(line) ?? [];
    // Where nobody reaps them, the dead stay in the list.
    return state?.startsWith("Z") ? [] : { pid: Number(pid), parent: Number(parent), command };
  });
}

/** All that a process has started, and what these have. */
async function descendants(root: number): Promise<Process[]> {
  const all = await running();
  const below = (pid: number): Process[] =>
    all.filter(({ parent }) => parent === pid).flatMap((one) => [one, ...below(one.pid)]);
  return below(root);
}

async function gone(processes: readonly number[]): Promise<void> {
  for (let tries = 0; tries < 600; tries++) {
    const left = (await running()).filter(({ pid }) => processes.includes(pid));
    if (!left.length) return;
    if (tries === 599) throw new Error(left.map(({ pid, command }) => `${pid} ${command}`).join("\n"));
    await pause(100);
  }
}

async function until(condition: () => boolean, said: () => string): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 1200) throw new Error(`It never came:\n${said()}`);
    await pause(100);
  }
}

const left = () => readdirSync(join(project, ".slipway/rehearsals"));

test("Ctrl-C leaves neither a process nor a folder", async () => {
  const processes = await deploying();
  rehearsal.kill("SIGINT");
  await once(rehearsal, "exit");
  expect(rehearsal.exitCode).toBe(1);
  await gone(processes);
  expect([left(), readdirSync(temporary)]).toEqual([[], []]);
});

test.each([
  "Terraform and the emulator",
  "Local AWS",
])("Ctrl-C ends it also while it is at %j", async (task) => {
  const said = rehearse("--approve");
  await until(() => said().includes(`❯ ${task}`), said);
  rehearsal.kill("SIGINT");
  await once(rehearsal, "exit");
  expect(rehearsal.exitCode).toBe(1);
  expect([left(), readdirSync(temporary)]).toEqual([[], []]);
});

test("kill -9 leaves no process, and what it leaves of files the next one removes", async () => {
  const processes = await deploying();
  const { pid } = rehearsal;
  rehearsal.kill("SIGKILL");
  await gone(processes);
  expect(left()).toContain(`${pid}`);
  mkdirSync(join(project, ".slipway/rehearsals/notes"));
  rehearse("--approve", "--pipeline", "none");
  await once(rehearsal, "exit");
  // What is not a rehearsal's stays.
  expect(left()).toEqual(["notes"]);
  expect(readdirSync(temporary)).toEqual([]);
});
