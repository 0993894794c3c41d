import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { exampleText, ROOT } from "../../support/settings";
import { runTool, startTool, type ToolRun } from "../../support/tools";

jest.setTimeout(60_000);

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), "slipway-quick-"));
  folders.push(folder);
  return folder;
}

const both = (...args: string[]) =>
  execa(process.execPath, ["tools/run.mjs", "__tests__/tools/synth/both.ts", ...args], { cwd: ROOT });

/** The content of each file below a folder, by its path. */
function contents(folder: string): Record<string, string> {
  const files = (readdirSync(folder, { recursive: true }) as string[]).filter((path) =>
    statSync(join(folder, path)).isFile(),
  );
  return Object.fromEntries(files.map((path) => [path, readFileSync(join(folder, path), "utf8")]));
}

/** A section of the example, which has it: a kind of settings that replaces nothing would be the example once more. */
function without(section: string): RegExp {
  const pattern = new RegExp(`^${section} = \\{\\n[\\s\\S]*?^\\}\\n`, "m");
  if (!pattern.test(exampleText())) throw new Error(`The example has no ${section}`);
  return pattern;
}
const several = ["e2", "e10"];
const SETTINGS: Record<string, string> = {
  example: exampleText(),
  "a connection, patterns of branches, a trial, and previews": exampleText()
    .replace('provider   = "github-token"', 'provider   = "connection"')
    .replace(
      without("pipelines"),
      `pipelines = {
  main    = { branch = "main", paths = ["services/**"], deploy = [["dev"]], trial = { environment = "dev", regions = ["us-east-1"] } }
  release = { branch = "release/*", execution = "queued", builds_at_once = 2, deploy = [["prod"]] }
}
`,
    ),
  "CodeCommit, and nobody who hears of anything": exampleText()
    .replace('provider   = "github-token"', 'provider   = "codecommit"')
    .replace('repository = "acme/hello"', 'repository = "hello"')
    .replace(without("previews"), "")
    .replace(without("notifications"), ""),
  "domains, firewalls, secrets, checks and functions behind an API": exampleText()
    .replace(
      without("services"),
      `services = {
  web = { port = 8080, hosts = ["api.dev.example.com"], exec = true, variables = { A = "1e5", B = "-e1" },
          secrets = { DB = "secretsmanager:hello/db#password", KEY = "ssm:/hello/key" },
          checks = [{ path = "/a?b=1", contains = "\\"ok\\"" }] }
  api = { port = 8081, paths = ["/api/*"], min_count = 2, max_count = 2 }
}
`,
    )
    .replace(
      without("functions"),
      'functions = {\n  hello = { front = "http-api", access = "public", checks = [{ event = "{}" }] }\n}\n',
    )
    .replace(
      'cidr             = "10.10.0.0/16"',
      'domain = "dev.example.com"\n    firewall = true\n    services = { web = { hosts = ["api.dev.example.com"] } }',
    )
    .replace('nat              = "single"', 'nat              = "none"'),
  "environments with numbers, each with a pipeline of its own": exampleText()
    .replace(without("previews"), "")
    .replace(
      without("environments"),
      `environments = {\n${several.map((name, index) => `  ${name} = { account = "${222222222222 + index}", cidr = "10.${index}.0.0/16" }`).join("\n")}\n}\n`,
    )
    .replace(
      without("pipelines"),
      `pipelines = {\n${several.map((name) => `  ${name} = { branch = "${name}", deploy = [["${name}"]] }`).join("\n")}\n}\n`,
    ),
};

describe("the quick synth", () => {
  test("gives the same bytes as cdktf's, of each stack, for every kind of settings", async () => {
    const folder = temporary();
    const files = Object.values(SETTINGS).map((text, index) => {
      const file = join(folder, `${index}.tfvars`);
      writeFileSync(file, text);
      return file;
    });
    await both("stacks", folder, ...files);
    const plain = contents(join(folder, "plain"));
    expect(Object.keys(plain).filter((path) => path.endsWith("/cdk.tf.json")).length).toBeGreaterThan(50);
    expect(contents(join(folder, "quick"))).toEqual(plain);
  });

  test("makes the same of values of every kind, and finds the same mistakes", async () => {
    const { plain, quick } = JSON.parse((await both("values", temporary())).stdout);
    expect(Object.keys(plain).length).toBeGreaterThan(80);
    expect(quick).toEqual(plain);
  });

  // Of 60 layers there are 2^60 ways.
  test("finds what a stack stands on through layers of stacks, and a circle of them", async () => {
    const { stdout, stderr, exitCode } = await execa(
      process.execPath,
      ["tools/run.mjs", "__tests__/tools/synth/both.ts", "chain", temporary()],
      { cwd: ROOT, reject: false, timeout: 20_000 },
    );
    expect(JSON.parse(stdout)).toEqual([true, false]);
    expect(stderr).toContain("it would cause a circular dependency");
    expect(exitCode).toBe(1);
  });
});

/** A project whose main.ts makes a token in its line 6, which is a mistake of the kind that a synth finds. */
function faulty(): string {
  const root = temporary();
  mkdirSync(join(root, "tools"));
  for (const file of ["run.mjs", "bundle.mjs", "functions.mjs", "synth"])
    cpSync(join(ROOT, "tools", file), join(root, "tools", file), { recursive: true });
  mkdirSync(join(root, "lambdas"));
  symlinkSync(join(ROOT, "node_modules"), join(root, "node_modules"));
  writeFileSync(
    join(root, "main.ts"),
    `import { App, Lazy, TerraformOutput, TerraformStack } from "cdktf";
import { quickenSynth } from "./tools/synth/quick";
if (process.env.SLIPWAY_PLAIN_SYNTH !== "1") quickenSynth();
const app = new App();
const stack = new TerraformStack(app, "stack");
const value = Lazy.stringValue({ produce: () => { throw new Error("of another scope"); } });
new TerraformOutput(stack, "out", { value });
app.synth();
`,
  );
  return root;
}

const synthesize = async (root: string, env: Record<string, string>) =>
  (await execa(process.execPath, ["tools/run.mjs", "main.ts"], { cwd: root, env, reject: false })).stderr;

test("a token's mistake names the line that made it, when asked by SLIPWAY_PLAIN_SYNTH", async () => {
  const root = faulty();
  expect(await synthesize(root, { SLIPWAY_PLAIN_SYNTH: "1" })).toMatch(
    /Resolution error: of another scope\.[\s\S]*Object creation stack:[\s\S]*\bmain\.ts:6:/,
  );
  const quick = await synthesize(root, {});
  expect(quick).toContain("Resolution error: of another scope.");
  expect(quick).not.toContain("Object creation stack");
});

test("a failed synth says how to be told the line, and a mistake in the settings does not", async () => {
  const folder = temporary();
  const run = () => runTool("main.ts", [], { cwd: folder });
  writeFileSync(join(folder, "terraform.tfvars"), exampleText());
  // A file where cdktf makes a folder.
  writeFileSync(join(folder, "cdktf.out"), "");
  expect((await run()).stderr).toContain("SLIPWAY_PLAIN_SYNTH=1");
  writeFileSync(join(folder, "terraform.tfvars"), exampleText().replace('"hello"', '"No Name"'));
  const { stderr, exitCode } = await run();
  expect(stderr).not.toContain("SLIPWAY_PLAIN_SYNTH");
  expect(exitCode).toBe(1);
  expect(existsSync(join(folder, "cdktf.out/manifest.json"))).toBe(false);
});

test("SLIPWAY_PLAIN_SYNTH gives the same bytes of the example", async () => {
  const folder = temporary();
  writeFileSync(join(folder, "terraform.tfvars"), exampleText());
  const outcome = async (run: Promise<ToolRun>) => {
    expect(await run).toMatchObject({ exitCode: 0 });
    const made = contents(join(folder, "cdktf.out"));
    rmSync(join(folder, "cdktf.out"), { recursive: true });
    return made;
  };
  const env = { SLIPWAY_PLAIN_SYNTH: "1" };
  const plain = await outcome(startTool("main.ts", [], { cwd: folder, env }).ended);
  expect(await outcome(runTool("main.ts", [], { cwd: folder }))).toEqual(plain);
});
