import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { processFigures, seconds } from "../../../tools/bench/measure";
import { UserError } from "../../../tools/project";
import { ROOT } from "../../support/settings";

const cwd = tmpdir();
const node = (...args: string[]) => [process.execPath, args, { cwd }] as const;

describe("npm run bench", () => {
  const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
  afterAll(() => rmSync(folder, { recursive: true }));

  test.each([
    ["a benchmark that is not there", ["--only", "speed"], /^There is no benchmark "speed"/],
    ["a number that is none", ["--runs", "ten"], /^--runs is "ten"; it is a whole number/],
    ["a file that cannot be written", ["--json", folder], /^--json is .* cannot be written: EISDIR/],
  ])("fails with words for people, before anything runs, when it is given %s", async (_, args, message) => {
    const { exitCode, stdout, stderr } = await execa(
      process.execPath,
      [join(ROOT, "tools/run.mjs"), "tools/bench/index.ts", ...args],
      { cwd: ROOT, reject: false },
    );
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringMatching(message),
    });
    expect(stderr).not.toMatch(/\n\s+at |begins/);
  });
});

describe("what a process takes", () => {
  test("is what it took", async () => {
    const took = await seconds(...node("-e", "setTimeout(() => {}, 300)"));
    expect(took).toBeGreaterThan(0.3);
  });

  test("is no figure where it fails: it is told with the end of what it printed", async () => {
    const failing = `console.log("x".repeat(100000)); console.error("No such stack."); process.exitCode = 3`;
    const error = await seconds(...node("-e", failing)).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(UserError);
    expect((error as Error).message).toMatch(/^node -e .* failed with exit code 3:\nx+\nNo such stack\.$/);
    expect((error as Error).message.length).toBeLessThan(5000);
  });

  test("is no figure where it is killed, or not there", async () => {
    const killed = seconds(...node("-e", `process.kill(process.pid, "SIGKILL")`));
    await expect(killed).rejects.toThrow(/was ended by SIGKILL/);
    await expect(seconds("slipway-no-such-command", [], { cwd })).rejects.toThrow(
      /cannot be started: .*ENOENT/,
    );
  });

  test("is its own memory, without that of what it starts", async () => {
    // Linux counts what a process was before it became Node's: a copy of this one, which may hold some hundred megabytes.
    // A byte of each page is enough for all of it to be there.
    const fill =
      "const held = Buffer.alloc(800 << 20); for (let at = 0; at < held.length; at += 4096) held[at] = 1;";
    const starts = `require("node:child_process").execFileSync(process.execPath, ["-e", ${JSON.stringify(fill)}])`;
    const large = await processFigures(...node("-e", fill));
    const parent = await processFigures(...node("-e", starts));
    expect(large.megabytes).toBeGreaterThan(800);
    expect(parent.megabytes).toBeLessThan(700);
    expect(parent.megabytes).toBeGreaterThan(10);
  });

  test("leaves a process its own options", async () => {
    const env = { NODE_OPTIONS: "--no-warnings --title=measured" };
    const check = `if (process.title !== "measured") throw new Error(process.title)`;
    await expect(processFigures(process.execPath, ["-e", check], { cwd, env })).resolves.toBeDefined();
  });
});
