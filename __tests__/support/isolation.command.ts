import { spawnSync } from "node:child_process";
import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./settings";
import { unitProjectIn } from "./unit-project";

/** Runs files of tests one after the other in one process, as this project's are run. */
function runTests(files: Readonly<Record<string, string>>) {
  const folder = mkdtempSync(join(tmpdir(), "slipway-isolation-"));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  const project = {
    ...unitProjectIn(folder),
    testMatch: [join(folder, "*.test.ts")],
    modulePaths: [join(ROOT, "node_modules")],
  };
  const args = ["--config", JSON.stringify(project), "--runInBand", "--colors=false"];
  const { status, stderr } = spawnSync(
    process.execPath,
    [join(ROOT, "node_modules/jest/bin/jest.js"), ...args],
    // Whoever sets CI gets colours, which would stand between the words.
    {
      cwd: folder,
      encoding: "utf8",
      env: { ...process.env, CI: undefined, FORCE_COLOR: undefined, NO_COLOR: "1" },
    },
  );
  return { status, said: stderr };
}

/** Looks for what the other file leaves, and leaves it: whichever of the two is the second would find it. */
const MARKS = `
  import { marks } from "./state";
  const yaml = require("yaml");

  const found = () => ({
    ownModule: marks,
    global: "mark" in globalThis,
    builtIn: "mark" in Array.prototype || Math.max(1, 2) !== 2,
    clock: new Date().getFullYear() < 2000,
    variable: process.env.MARK,
    lostVariable: process.env.PATH === undefined,
    listeners: process.listenerCount("SIGINT") + process.listenerCount("mark"),
    process: "mark" in process,
    packages: [yaml.stringify({ a: 1 }), new yaml.Document({ a: 1 }).toJSON()],
    matcher: "toBeMarked" in expect,
  });

  test("finds nothing of another file", () => {
    expect(found()).toEqual({
      ownModule: [], global: false, builtIn: false, clock: false, variable: undefined, lostVariable: false,
      listeners: 0, process: false, packages: ["a: 1\\n", { a: 1 }], matcher: false,
    });
    marks.push("mark");
    Object.assign(globalThis, { mark: true });
    Object.assign(Array.prototype, { mark: true });
    Math.max = () => 3;
    jest.useFakeTimers({ now: new Date("1999-01-01") });
    process.env.MARK = "mark";
    delete process.env.PATH;
    process.on("SIGINT", () => {}).once("mark", () => {});
    Object.assign(process, { mark: true });
    jest.spyOn(yaml, "stringify").mockReturnValue("mark");
    yaml.Document.prototype.toJSON = () => "mark";
    expect.extend({ toBeMarked: () => ({ pass: true, message: () => "" }) });
  });
`;

test("a file of tests finds nothing that another left in modules, globals, the process or a package's functions", () => {
  const { status, said } = runTests({
    "state.ts": "export const marks: string[] = [];",
    "first.test.ts": MARKS,
    "second.test.ts": MARKS,
    "third.test.ts": MARKS,
  });
  expect(said).toContain("Tests:       3 passed, 3 total");
  expect(status).toBe(0);
});

test("a failure names the line of the source, in whichever file it is", () => {
  const { status, said } = runTests({
    "thrower.ts":
      "interface Erased {\n  a: string;\n}\n\nexport const fail = (_: Erased) => {\n  throw new Error('at line six');\n};",
    "first.test.ts": "test('passes', () => {});",
    "second.test.ts":
      "import { fail } from './thrower';\n\ntype Erased =\n  | 1\n  | 2;\n\ntest('throws', () => {\n  fail({ a: '' });\n});\n\ntest('expects', () => {\n  expect<Erased>(1).toBe(2);\n});",
  });
  expect(said).toMatch(/> 6 \| {3}throw new Error\('at line six'\)/);
  expect(said).toMatch(/at .*thrower\.ts:6:9/);
  expect(said).toMatch(/at .*second\.test\.ts:8:7/);
  expect(said).toMatch(/at .*second\.test\.ts:12:21/);
  expect(status).toBe(1);
});
