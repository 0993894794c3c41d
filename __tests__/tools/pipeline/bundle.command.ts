import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { ON_SYNTHESIZED } from "../../../shared/names";
import { exampleText, ROOT } from "../../support/settings";

const bundle = (...scripts: string[]) =>
  execa(process.execPath, [join(ROOT, "tools/pipeline/bundle.mjs"), ...scripts], { reject: false });

describe("a tree as a pipeline's synth hands it on, without packages", () => {
  const tree = mkdtempSync(join(tmpdir(), "slipway-synthesized-"));
  beforeAll(async () => {
    expect(await bundle(...ON_SYNTHESIZED)).toMatchObject({ exitCode: 0, stdout: "", stderr: "" });
    const left = new Set(["node_modules", "cdktf.out", "__tests__"]);
    for (const name of readdirSync(ROOT).filter((one) => !one.startsWith(".") && !left.has(one)))
      cpSync(join(ROOT, name), join(tree, name), { recursive: true });
    for (const path of [".slipway/build", "node_modules/.package-lock.json"])
      cpSync(join(ROOT, path), join(tree, path), { recursive: true });
    writeFileSync(join(tree, "terraform.tfvars"), exampleText());
    mkdirSync(join(tree, "plan"));
  });
  afterAll(() => rmSync(tree, { recursive: true }));

  test.each([
    ["update", ["main"], "The stack delivery is not in cdktf.out/stacks"],
    ["plan", ["dev", "plan"], "The stack dev is not in cdktf.out/stacks"],
    ["apply", ["dev", "plan"], "The stack dev is not in cdktf.out/stacks"],
    ["release", ["dev"], "The stack dev is not in cdktf.out/stacks"],
    ["verify", ["dev"], "The stack dev is not in cdktf.out/stacks"],
    ["drift", ["nowhere"], 'no environment "nowhere"'],
    ["preview:teardown", ["nowhere"], "nowhere"],
  ])("npm run %s runs, and reads the settings", async (script, args, words) => {
    const { exitCode, stderr } = await execa("npm", ["run", "--silent", script, "--", ...args], {
      cwd: tree,
      reject: false,
    });
    expect(stderr).toContain(words);
    expect(stderr).not.toMatch(/Cannot find|is not bundled|\n\s+at /);
    expect(exitCode).toBe(1);
  });
});

test("bundles what a script runs after words of its own", async () => {
  const folder = mkdtempSync(join(tmpdir(), "slipway-bundle-"));
  const scripts = { tool: "rm -rf cache && LEVEL=debug node tools/run.mjs tools/tool.ts" };
  const files = {
    "package.json": JSON.stringify({ scripts }),
    "node_modules/.package-lock.json": "{}",
    "tools/tool.ts": 'console.log("hello");\n',
  };
  try {
    for (const path of [
      "tools/bundle.mjs",
      "tools/run.mjs",
      "tools/functions.mjs",
      "tools/pipeline/bundle.mjs",
    ])
      cpSync(join(ROOT, path), join(folder, path));
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(folder, path)), { recursive: true });
      writeFileSync(join(folder, path), text);
    }
    symlinkSync(join(ROOT, "node_modules/esbuild"), join(folder, "node_modules/esbuild"));
    const run = await execa(process.execPath, ["tools/pipeline/bundle.mjs", "tool"], {
      cwd: folder,
      reject: false,
    });
    expect(run).toMatchObject({ exitCode: 0, stderr: "" });
    expect(readdirSync(join(folder, ".slipway/build"))).toContain("tools-tool.cjs");
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.each([
  [["nothing", "plan", "lint"], /^Not nothing, lint, but scripts of package\.json that run a file/],
  [[], /^Name scripts of package\.json that run a file/],
])("says what it bundles where it is given %j", async (scripts, message) => {
  expect(await bundle(...scripts)).toMatchObject({
    exitCode: 1,
    stdout: "",
    stderr: expect.stringMatching(message),
  });
});
