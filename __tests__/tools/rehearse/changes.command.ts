import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { execa } from "execa";
import { Changes } from "../../../tools/rehearse/changes";

const EVERY = 40;

let project: string;
let changes: Changes;
let ending: AbortController;
beforeEach(async () => {
  project = mkdtempSync(join(tmpdir(), "slipway-changes-"));
  await execa("git", ["init", "--quiet"], { cwd: project });
  write("index.ts", "one");
  write(".gitignore", "*.log\nterraform.tfvars\n");
  await execa("git", ["add", "--all"], { cwd: project });
  ending = new AbortController();
  changes = new Changes({ project, besides: [join(project, "terraform.tfvars")], every: EVERY });
  await changes.mark();
});
afterEach(() => {
  ending.abort();
  rmSync(project, { recursive: true });
});

function write(name: string, text: string): void {
  mkdirSync(join(project, name, ".."), { recursive: true });
  writeFileSync(join(project, name), text);
}

/** Whether a change is told within a while. */
async function isTold(): Promise<boolean> {
  const told = changes.next(ending.signal).then(() => !ending.signal.aborted);
  return Promise.race([told, pause(2500, false, { ref: false })]);
}

test.each([
  ["a file that Git has", () => write("index.ts", "two, now")],
  ["a new one", () => write("sub/new.ts", "new")],
  ["one that is gone", () => rmSync(join(project, "index.ts"))],
  ["the settings, which Git ignores", () => write("terraform.tfvars", "x = 1")],
])("tells of %s", async (_, change) => {
  change();
  expect(await isTold()).toBe(true);
});

test("tells of no file that Git ignores, and of none that was known", async () => {
  write("noise.log", "x");
  const told = changes.next(ending.signal).then(() => "told");
  expect(await Promise.race([told, pause(10 * EVERY, "nothing")])).toBe("nothing");
});

test("tells of what changed before it was asked", async () => {
  write("index.ts", "while a rehearsal ran");
  await pause(2 * EVERY);
  expect(await isTold()).toBe(true);
});

test("waits until files have come to rest", async () => {
  let told = false;
  const telling = changes.next(ending.signal).then(() => {
    told = true;
  });
  for (let step = 0; step < 15; step++) {
    write("index.ts", `written in pieces${"x".repeat(step)}`);
    await pause(EVERY / 4);
    if (step > 0 && told) throw new Error("It was told while it was written.");
  }
  await telling;
});

test("ends when nobody waits any more", async () => {
  const waiting = changes.next(ending.signal);
  ending.abort();
  await expect(waiting).resolves.toBeUndefined();
});
