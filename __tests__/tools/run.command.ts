import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { ROOT } from "../support/settings";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

/** One for a test alone. */
function temporary(files?: Readonly<Record<string, string>>): string {
  const root = project(files);
  folders.push(root);
  return root;
}

const TOOL = `import { greet } from "greeting";
import { name } from "./name";

console.log(greet(name), process.argv.slice(2).join(" "));
if (process.argv[2] === "fail") throw new Error("so it is");
`;

/** A project of its own with one tool, which uses a package. */
function project(files: Readonly<Record<string, string>> = {}): string {
  const root = mkdtempSync(join(tmpdir(), "slipway-run-"));
  const all = {
    "node_modules/.package-lock.json": "{}",
    "node_modules/greeting/package.json": '{"name": "greeting", "type": "module", "exports": "./index.js"}',
    "node_modules/greeting/index.js": 'export const greet = (name) => "hello " + name;\n',
    "tools/tool.ts": TOOL,
    "tools/name.ts": 'export const name: string = "you";\n',
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  for (const script of ["run.mjs", "bundle.mjs", "functions.mjs"])
    cpSync(join(ROOT, "tools", script), join(root, "tools", script));
  symlinkSync(join(ROOT, "node_modules/esbuild"), join(root, "node_modules/esbuild"));
  return root;
}

function run(root: string, args: readonly string[] = [], env: Record<string, string> = {}) {
  return execa(process.execPath, ["tools/run.mjs", "tools/tool.ts", ...args], {
    cwd: root,
    env,
    reject: false,
  });
}

const bundles = (root: string) => readdirSync(join(root, ".slipway/build"));
/** What V8 made of the tool's bundle. */
const compiled = (root: string) =>
  join(root, ".slipway/build", bundles(root).find((name) => name.includes(`.cjs.${process.version}.`))!);

test("runs a tool with its arguments, and with its packages in one file", async () => {
  const root = temporary();
  expect((await run(root, ["a", "b"])).stdout).toBe("hello you a b");
  rmSync(join(root, "node_modules/greeting"), { recursive: true });
  rmSync(join(root, "node_modules/esbuild"));
  expect((await run(root)).stdout).toBe("hello you ");
});

describe("a tool that has run", () => {
  const root = project();
  beforeAll(() => run(root));
  afterAll(() => rmSync(root, { recursive: true }));

  test.each([
    ["broken", (data: Buffer) => data.fill(0, data.length >> 1)],
    ["cut off", (data: Buffer) => data.subarray(0, 100)],
    ["empty", () => Buffer.alloc(0)],
  ])("does not run compiled code that is %s, but makes it again", async (_, spoil) => {
    const spoilt = spoil(readFileSync(compiled(root)));
    writeFileSync(compiled(root), spoilt);
    expect(await run(root)).toMatchObject({ stdout: "hello you ", exitCode: 0 });
    const made = readFileSync(compiled(root));
    expect(made.equals(spoilt)).toBe(false);
    expect(made.length).toBeGreaterThan(500);
  });

  test("runs what the source is now, and not compiled code of another bundle, be it as long as this one", async () => {
    const old = readFileSync(compiled(root));
    writeFileSync(join(root, "tools/name.ts"), 'export const name: string = "two";\n');
    expect((await run(root)).stdout).toBe("hello two ");
    writeFileSync(compiled(root), old);
    expect((await run(root)).stdout).toBe("hello two ");
  });

  test("runs the packages that are installed now", async () => {
    writeFileSync(
      join(root, "node_modules/greeting/index.js"),
      'export const greet = (name) => "bye " + name;\n',
    );
    writeFileSync(join(root, "node_modules/.package-lock.json"), '{"lockfileVersion": 3}');
    expect((await run(root)).stdout).toBe("bye two ");
  });
});

describe("without packages, in another place and with other times, as a pipeline's artifact is", () => {
  let root: string;
  beforeEach(async () => {
    const made = project();
    await run(made);
    root = `${made}-unpacked`;
    renameSync(made, root);
    folders.push(root);
    for (const name of ["greeting", "esbuild"]) rmSync(join(root, "node_modules", name), { recursive: true });
    for (const path of [
      "tools/tool.ts",
      "tools/name.ts",
      "tools/bundle.mjs",
      "node_modules/.package-lock.json",
    ])
      utimesSync(join(root, path), 0, 0);
  });

  test("a tool that has run runs again", async () => {
    expect(await run(root, ["a"])).toMatchObject({ stdout: "hello you a", exitCode: 0 });
  });

  test.each([
    ["its source", "tools/name.ts", 'export const name: string = "two";\n'],
    ["the packages", "node_modules/.package-lock.json", '{"lockfileVersion": 3}'],
  ])("says what to do where %s changed", async (_, path, text) => {
    writeFileSync(join(root, path), text);
    expect(await run(root)).toMatchObject({
      stdout: "",
      stderr:
        "tools/tool.ts is not bundled as it is now, and the packages that it takes are not here: run npm ci, then this again.",
      exitCode: 1,
    });
  });
});

test("two that start at once in a new clone both run, and leave nothing half done", async () => {
  const root = temporary();
  const runs = await Promise.all(Array.from({ length: 4 }, () => run(root)));
  expect(runs.map(({ stdout, stderr }) => [stdout, stderr])).toEqual(runs.map(() => ["hello you ", ""]));
  expect(bundles(root).filter((name) => name.endsWith(".draft"))).toEqual([]);
});

test("a mistake names the line of the source, with source maps", async () => {
  const root = temporary();
  const { stderr, exitCode } = await run(root, ["fail"], { NODE_OPTIONS: "--enable-source-maps" });
  expect(stderr).toMatch(/Error: so it is\n\s+at .*tools\/tool\.ts:5:/);
  expect(exitCode).toBe(1);
});

test("fails when a tool imports what is not there", async () => {
  const { stderr, exitCode } = await run(temporary({ "tools/tool.ts": 'import "./gone";' }));
  expect(stderr).toContain('Could not resolve "./gone"');
  expect(exitCode).toBe(1);
});

test("fails when a package finds files beside itself, which it would not in a bundle", async () => {
  const own = "export const greet = () => import.meta.url;\n";
  const { stderr, exitCode } = await run(temporary({ "node_modules/greeting/index.js": own }));
  expect(stderr).toContain('"import.meta" is not available');
  expect(exitCode).toBe(1);
});

test("says so where the packages are not installed", async () => {
  const root = temporary();
  rmSync(join(root, "node_modules"), { recursive: true });
  expect(await run(root)).toMatchObject({ stderr: expect.stringContaining("run npm ci"), exitCode: 1 });
});
