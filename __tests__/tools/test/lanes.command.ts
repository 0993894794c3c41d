import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { ROOT } from "../../support/settings";
import { lives, until } from "../local-aws/until";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "slipway-lanes-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

interface Step {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly results?: string;
}

/** A step that runs a shell's script in the folder: most of a short program of Node's is its start. */
const step = (name: string, script: string): Step => ({
  name,
  command: "/bin/sh",
  args: ["-c", `wait_for() { until [ -e "$1" ]; do sleep 0.01; done; }; ${script}`],
});

/** A step that runs some JavaScript in the folder. */
const nodeStep = (name: string, script: string): Step => ({
  name,
  command: process.execPath,
  args: ["-e", `const fs = require("fs"); ${script}`],
});

/** A step as jest is: it leaves its results, and its exit code. */
function jestStep(name: string, results: object | undefined, status = 0): Step {
  const file = join(folder, `${name}.json`);
  const write = results ? `printf %s '${JSON.stringify(results)}' > '${file}'; ` : "";
  return { ...step(name, `${write}exit ${status}`), results: file };
}

const passed = (numPassedTests: number) => ({ numPassedTests, numFailedTests: 0, testResults: [] });

/** @param out what is written to, as JavaScript */
function start(lanes: readonly (readonly Step[])[], out = "process.stdout") {
  const module = JSON.stringify(pathToFileURL(join(ROOT, "tools/test/lanes.mjs")).href);
  const options = `{ cwd: ${JSON.stringify(folder)}, out: ${out} }`;
  const script = `import { runLanes } from ${module};
    process.exit(await runLanes(${JSON.stringify(lanes)}, ${options}));`;
  return node(["--input-type=module", "-e", script], folder);
}

function node(args: readonly string[], cwd: string) {
  // Where CI is set, nobody watches.
  const child = spawn(process.execPath, args, { cwd, env: { ...process.env, CI: undefined } });
  const ended = Promise.all([text(child.stdout), text(child.stderr), once(child, "close")]);
  return {
    kill: (signal: NodeJS.Signals) => child.kill(signal),
    ended: ended.then(([stdout, stderr, [exitCode]]) => ({
      exitCode,
      stdout: stdout.replace(/\n$/, ""),
      stderr: stderr.replace(/\n$/, ""),
    })),
  };
}

const touch = (file: string) => `fs.writeFileSync("${file}", "");`;

test("lanes run beside each other, and the steps of a lane one after the other", async () => {
  const { exitCode, stdout } = await start([
    [step("a1", "touch a1; wait_for b1"), step("a2", "[ -e b1 ] || exit 1; touch a2")],
    [step("b1", "[ -e a2 ] && exit 1; wait_for a1; touch b1")],
  ]).ended;
  expect([exitCode, stdout]).toEqual([0, expect.stringMatching(/✓ a1 .*\n✓ a2 .*\n✓ b1 /)]);
});

test("a step that fails hides no other: the run goes on, and fails", async () => {
  const { exitCode, stdout } = await start([
    [step("one", "echo is wrong >&2; exit 3"), jestStep("two", passed(2))],
    [jestStep("three", passed(3))],
  ]).ended;
  expect(exitCode).toBe(1);
  expect(stdout).toMatch(/> one \(.*\): FAILED, exit code 3, .*\nis wrong\n/);
  expect(stdout).toMatch(
    /✗ one .*: exit code 3\n✓ two .*, 2 passed, 0 failed\n✓ three .*, 3 passed, 0 failed\n/,
  );
  expect(stdout.endsWith("\n\n5 passed, 0 failed")).toBe(true);
});

test("what a step prints is one block, whatever is printed beside it", async () => {
  const speak = (name: string, other: string) =>
    step(
      name,
      `for count in 0 1 2; do echo ${name} says $count; touch ${name}$count; wait_for ${other}$count; done`,
    );
  const { stdout } = await start([[speak("a", "b")], [speak("b", "a")]]).ended;
  for (const name of ["a", "b"])
    expect(stdout).toContain([0, 1, 2].map((count) => `${name} says ${count}`).join("\n"));
});

test("all that failed is named once more at the end", async () => {
  const results = {
    numPassedTests: 4,
    numFailedTests: 1,
    numPendingTests: 2,
    testResults: [
      {
        name: "queue.test.ts",
        status: "failed",
        assertionResults: [
          { status: "passed", fullName: "a queue is empty" },
          { status: "failed", fullName: "a queue keeps order" },
        ],
      },
      { name: "broken.test.ts", status: "failed", assertionResults: [] },
      { name: "good.test.ts", status: "passed", assertionResults: [] },
    ],
  };
  const { exitCode, stdout } = await start([[jestStep("unit", results, 1)], [jestStep("real", passed(1))]])
    .ended;
  expect(exitCode).toBe(1);
  expect(stdout.split("Failed:\n")[1]).toBe(
    "  queue.test.ts: a queue keeps order\n  broken.test.ts: did not run\n\n5 passed, 1 failed, 2 skipped",
  );
});

test.each([
  ["leaves no results", undefined, "it left no results"],
  ["ran no test", passed(0), "it ran no test"],
  ["has failures", { ...passed(1), numFailedTests: 2 }, "2 failed, and it said that all was well"],
])("fails when a step says that all is well, and %s", async (_, results, why) => {
  const { exitCode, stdout } = await start([[jestStep("unit", results)], [jestStep("real", passed(1))]])
    .ended;
  expect([exitCode, stdout]).toEqual([1, expect.stringMatching(new RegExp(`✗ unit .*: ${why}\n`))]);
});

test("fails when a step is killed, and the other lane goes on to its end", async () => {
  const killed = step("killed", "wait_for goes-on; kill -KILL $$");
  const goesOn = step("goes-on", "touch goes-on; sleep 0.3; echo to its end");
  const { exitCode, stdout } = await start([[killed], [goesOn]]).ended;
  expect(exitCode).toBe(1);
  expect(stdout).toContain("to its end");
  expect(stdout).toMatch(/✗ killed .*: it was ended by SIGKILL\n✓ goes-on /);
});

test("fails when a step's program is not there", async () => {
  const missing = { name: "missing", command: join(folder, "nothing"), args: [] };
  const { exitCode, stdout } = await start([[missing, step("next", "")]]).ended;
  expect([exitCode, stdout]).toEqual([
    1,
    expect.stringMatching(/✗ missing .*: it did not start: .*ENOENT\n✓ next /),
  ]);
});

/** Starts a process that stays, and notes its id, whole once it is there. */
const STAYS = (note: string) => `
  const child = require("child_process").spawn("sleep", ["300"], { stdio: "inherit" });
  fs.writeFileSync("${note}.part", String(child.pid)); fs.renameSync("${note}.part", "${note}");`;
const noted = (note: string) => Number(readFileSync(join(folder, note), "utf8"));

test("a process that a step leaves behind is ended, and holds nothing up", async () => {
  const { exitCode } = await start([
    [nodeStep("leaves", `${STAYS("left")} child.unref();`), step("next", "")],
  ]).ended;
  expect(exitCode).toBe(0);
  await until(() => !lives(noted("left")));
});

test.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const)("%s ends both lanes with what they started, and starts nothing more", async (signal, code) => {
  const running = start([
    [nodeStep("a", STAYS("a")), step("later", "touch later")],
    [
      nodeStep(
        "b",
        `process.on("SIGINT", () => { ${touch("tidied")} process.exit(); }); setInterval(() => {}, 1000); ${STAYS("b")}`,
      ),
    ],
  ]);
  await until(() => ["a", "b"].every((note) => existsSync(join(folder, note))));
  running.kill(signal);
  const { exitCode, stdout } = await running.ended;
  expect(exitCode).toBe(code);
  expect(stdout).toMatch(/✗ a .*\n- later +did not run\n/);
  expect(["tidied", "later"].map((file) => existsSync(join(folder, file)))).toEqual([true, false]);
  await until(() => !lives(noted("a")) && !lives(noted("b")));
});

test("a second Ctrl-C does not wait for what takes long to tidy up", async () => {
  const stubborn = nodeStep(
    "stubborn",
    `process.on("SIGINT", () => { ${touch("asked")} }); setInterval(() => {}, 1000); ${touch("ready")}`,
  );
  const running = start([[stubborn]]);
  await until(() => existsSync(join(folder, "ready")));
  running.kill("SIGINT");
  await until(() => existsSync(join(folder, "asked")));
  const asked = Date.now();
  running.kill("SIGINT");
  expect((await running.ended).exitCode).toBe(130);
  expect(Date.now() - asked).toBeLessThan(10_000);
});

test("people who watch see a line of what runs, which is gone where a block comes", async () => {
  writeFileSync(join(folder, "hello"), "");
  const terminal = `{ isTTY: true, columns: 60, write: (text) => process.stdout.write(JSON.stringify(text) + "\\n") }`;
  const slow = step("slow", "echo half way; sleep 1.5");
  const { stdout } = await start([[slow], [step("quick", "echo done")]], terminal).ended;
  const written = stdout.split("\n").map((text) => JSON.parse(text) as string);
  expect(written).toContainEqual(expect.stringMatching(/^slow \d s half way$/));
  const block = written.findIndex((text) => text.startsWith("\n> quick "));
  expect(written[block - 1]).toBe("\r\x1b[2K");
});

test("npm test names its steps to who asks for another", async () => {
  const { exitCode, stderr } = await node(["tools/test.mjs", "--only", "unit,reel"], ROOT).ended;
  expect(exitCode).toBe(1);
  expect(stderr).toBe(
    "--only reel: there is no such step.\nnpm test -- [--only NAME[,NAME]], of: demo, biome, tsc, unit, command, real",
  );
});
