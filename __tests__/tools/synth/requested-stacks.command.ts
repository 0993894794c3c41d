import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { requestedStacks } from "../../../shared/requested-stacks";

let folder: string;
let command: ChildProcess | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "slipway-requested-"));
});
afterEach(() => {
  command?.kill();
  rmSync(folder, { recursive: true });
});

/** Starts `cdktf ARGS`, which starts the app by a shell. @returns the app's process id */
async function appOf(...args: string[]): Promise<number> {
  const cdktf = join(folder, "cdktf");
  // Its shell has a name that looks like the end of one, and what follows it.
  const shell = `exec -a 'sh) S 1' sh -c 'echo $$; read line'`;
  writeFileSync(
    cdktf,
    `require("child_process").spawn("bash", ["-c", ${JSON.stringify(shell)}], { stdio: "inherit" });`,
  );
  command = spawn(process.execPath, [cdktf, ...args], { stdio: ["pipe", "pipe", "inherit"] });
  const [line] = await once(command.stdout!, "data");
  return Number(line);
}

test("a deploy's stacks are known to the app below it", async () => {
  expect(requestedStacks(await appOf("deploy", "pipeline-*", "dev", "--auto-approve"))).toEqual([
    "pipeline-*",
    "dev",
  ]);
});

test("below a synth, no stacks are asked for", async () => {
  expect(requestedStacks(await appOf("synth"))).toBeUndefined();
});

test("of a process that is not there, nothing is known", () => {
  expect(requestedStacks(2 ** 22 + 1)).toBeUndefined();
});
