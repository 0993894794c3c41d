import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { unzipSync } from "fflate";
import { ROOT } from "../support/settings";

const folders: string[] = [];
afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true });
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "slipway-functions-"));
  folders.push(folder);
  return folder;
}

const FUNCTION = `import { greet } from "greeting";

export class Sorry extends Error {}
export async function handler() {
  const greeting = greet("you");
  if (greeting) throw new Sorry(greeting);
}
`;

/** A project of its own with one function, which uses one of two packages, and nothing to synthesize. */
function project(files: Readonly<Record<string, string>> = {}): string {
  const root = temporary();
  const all = {
    "main.ts": "",
    "node_modules/.package-lock.json": "{}",
    "lambdas/greet/index.ts": FUNCTION,
    "node_modules/greeting/package.json": '{"name": "greeting", "main": "lib/index.js"}',
    "node_modules/greeting/lib/index.js": "exports.greet = (name) => {\n  return 'hello ' + name;\n};\n",
    "node_modules/unused/index.js": "exports.unused = true;",
    ...files,
  };
  for (const [path, text] of Object.entries(all)) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  mkdirSync(join(root, "tools"));
  for (const script of ["run.mjs", "bundle.mjs", "functions.mjs"])
    cpSync(join(ROOT, "tools", script), join(root, "tools", script));
  for (const tool of ["esbuild", "fflate"])
    symlinkSync(join(ROOT, "node_modules", tool), join(root, "node_modules", tool));
  return root;
}

async function archiveOf(root: string): Promise<Buffer> {
  await execa(process.execPath, ["tools/run.mjs", "main.ts"], { cwd: root });
  return readFileSync(join(root, ".slipway/build/functions/greet.zip"));
}

function textsOf(archive: Uint8Array): Record<string, string> {
  const files = Object.entries(unzipSync(archive));
  return Object.fromEntries(files.map(([name, bytes]) => [name, new TextDecoder().decode(bytes)]));
}

test("gives the same bytes for the same source, wherever it lies", async () => {
  const [one, other] = [project(), project()];
  expect((await archiveOf(one)).equals(await archiveOf(other))).toBe(true);
});

test("gives other bytes when the source changes", async () => {
  const root = project();
  const before = await archiveOf(root);
  writeFileSync(join(root, "lambdas/greet/index.ts"), FUNCTION.replace("you", "everybody"));
  expect((await archiveOf(root)).equals(before)).toBe(false);
});

test("puts a map of the source beside the code, with what is used and without paths of a machine", async () => {
  const root = project();
  const { "index.js": code, "index.js.map": map, ...others } = textsOf(await archiveOf(root));
  expect(others).toEqual({});
  expect(code).toMatch(/^\/\/# sourceMappingURL=index\.js\.map$/m);
  const { sources, sourcesContent } = JSON.parse(map!);
  expect(sources.toSorted()).toEqual(["lambdas/greet/index.ts", "node_modules/greeting/lib/index.js"]);
  expect(sourcesContent).toBeUndefined();
  expect(code! + map).not.toContain(root);
});

test("lets a failure name its class and the line of the source, when it runs with source maps", async () => {
  const folder = temporary();
  for (const [name, text] of Object.entries(textsOf(await archiveOf(project()))))
    writeFileSync(join(folder, name), text);
  const print = `require("./index.js").handler().catch((it) => console.log(it.constructor.name, it.stack))`;
  const { stdout } = await execa(process.execPath, ["--enable-source-maps", "-e", print], { cwd: folder });
  expect(stdout).toMatch(/^Sorry /);
  expect(stdout).toContain(join(folder, "lambdas/greet/index.ts:6:"));
});

test("maps a package by its file alone, so that the map stays small", async () => {
  const line = "exports.greet = (name) => 'hello ' + name;\n";
  const large = { "node_modules/greeting/lib/index.js": line.repeat(2000) };
  const map = textsOf(await archiveOf(project(large)))["index.js.map"]!;
  expect(map.length).toBeLessThan(2000);
});

test("fails when a function imports what is not there", async () => {
  const root = project({ "lambdas/greet/index.ts": 'import "./gone";' });
  await expect(archiveOf(root)).rejects.toThrow(/Could not resolve "\.\/gone"/);
});
