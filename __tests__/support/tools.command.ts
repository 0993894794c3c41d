import { mkdtempSync, realpathSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { runTool, startTool, type ToolOptions, type ToolRun } from "./tools";

const PROBE = "__tests__/support/tools-probe.ts";
const folder = () => realpathSync(mkdtempSync(join(tmpdir(), "slipway-tools-")));

/** A command by a process that has run others, and by one of its own. */
const WAYS: [string, (args: readonly string[], options: ToolOptions) => Promise<ToolRun>][] = [
  ["a process that has run others", (args, options) => runTool(PROBE, args, options)],
  ["a process of its own", (args, options) => startTool(PROBE, args, options).ended],
];

describe.each(WAYS)("a command in %s", (_, run) => {
  beforeAll(() => run(["wait", "before"], { cwd: folder(), env: { GIVEN: "before" }, input: "before" }));

  test("finds its own arguments, folder, variables and input, and nothing of the last one's", async () => {
    const cwd = folder();
    const { exitCode, stdout, stderr } = await run(["tell", "a b"], {
      cwd,
      env: { HOME: cwd },
      input: "given",
    });
    expect([exitCode, stderr]).toEqual([3, ""]);
    const [told, ...more] = stdout.split("\n");
    expect(JSON.parse(told!)).toEqual({
      args: ["a b"],
      cwd,
      env: { HOME: cwd },
      input: "given",
      runs: 1,
      listeners: 1,
    });
    expect(more).toEqual(["its end"]);
  });

  test("is at its end when nothing is left to be done, and what it started has been heard", async () => {
    const { stdout } = await run(["wait"], { cwd: folder() });
    expect(stdout).toMatch(/^\{.*\}\nwaited\nits end$/);
    const child = await run(["child"], { cwd: folder() });
    expect([child.stdout.split("\n")[0], child.stderr]).toEqual(["of a child", "beside"]);
  });

  test("tells a mistake by its message and its code", async () => {
    const failed = await run(["fail"], { cwd: folder(), isExact: true });
    expect(failed).toEqual({ exitCode: 1, stdout: "its end\n", stderr: "It cannot be done.\n" });
  });

  test("may end all at once, or by what nobody awaits, and the next one runs", async () => {
    expect(await run(["leave"], { cwd: folder() })).toMatchObject({ exitCode: 7, stdout: "its end" });
    const broken = await run(["throw"], { cwd: folder() });
    expect(broken).toMatchObject({ exitCode: 1, stderr: expect.stringContaining("nobody waits for this") });
    expect(await run(["tell"], { cwd: folder() })).toMatchObject({ exitCode: 3 });
  });
});
