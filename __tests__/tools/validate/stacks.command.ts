import { spawn } from "node:child_process";
import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  writeFileSync,
} from "node:fs";
import os from "node:os";
import { basename, dirname, join } from "node:path";
import { setTimeout } from "node:timers/promises";
import type { Diagnostic } from "../../../tools/validate/diagnostics";
import { validateStacks } from "../../../tools/validate/stacks";
import { ROOT } from "../../support/settings";

const AWS = "registry.terraform.io/hashicorp/aws";
const UNKNOWN = `\${var.unknown}`;
const ENVIRONMENT = { ...process.env };

/** Where temporary folders are made, and so where all of them must be gone. */
let temporary: string;
/** Of the Terraform that does as it is told. */
let fake: string;

beforeEach(() => {
  const folder = realpathSync(mkdtempSync(join(os.tmpdir(), "slipway-test-")));
  [temporary, fake] = [join(folder, "tmp"), join(folder, "fake")];
  mkdirSync(temporary);
  mkdirSync(fake);
  write("terraform", terraform());
  write("provider", provider('echo "1|5|unix|$TMPDIR/plugin1|grpc|"'));
  jest.spyOn(os, "tmpdir").mockReturnValue(temporary);
  process.env.TERRAFORM_BINARY_NAME = join(fake, "terraform");
  process.env.SLIPWAY_PROVIDER_MIRROR = join(folder, "no-mirror");
});
afterEach(() => {
  expect(providers().filter(isAlive)).toEqual([]);
  expect(readdirSync(temporary)).toEqual([]);
  jest.restoreAllMocks();
  process.env = { ...ENVIRONMENT };
});

test("one init and one validate are enough for all stacks, with one provider for both", async () => {
  expect(await validateStacks([stack("dev"), stack("prod")])).toEqual([
    { stack: "dev", isValid: true, words: [] },
    { stack: "prod", isValid: true, words: [] },
  ]);
  expect(asked()).toEqual(["all: init", `all: validate with ${AWS}`]);
  expect(providers()).toHaveLength(1);
});

test("tells the modules nothing of their variables, which are not known in a stack alone either", async () => {
  await validateStacks([
    stack("dev", { variable: { account: { default: "1" }, region: { default: "eu-west-1" } } }),
    stack("prod"),
  ]);
  expect(JSON.parse(readFileSync(join(fake, "main.tf.json"), "utf8"))).toEqual({
    variable: { unknown: { type: "any" } },
    module: {
      dev: { source: "./stacks/dev", account: UNKNOWN, region: UNKNOWN },
      prod: { source: "./stacks/prod" },
    },
  });
});

test("names the stack of an error, by its file or by its module, and looks at the others again", async () => {
  finds("all", [at("dev", "Unsupported argument"), of("prod", "invalid CIDR"), of("prod", "wrong")]);
  const verdicts = await validateStacks([stack("dev"), stack("access-dev"), stack("prod")]);
  expect(verdicts).toEqual([
    {
      stack: "dev",
      isValid: false,
      words: ["Error: Unsupported argument\n\n  on cdk.tf.json line 7:"],
    },
    { stack: "access-dev", isValid: true, words: [] },
    {
      stack: "prod",
      isValid: false,
      words: ["Error: invalid CIDR\n\n  with aws_vpc.network:", "Error: wrong\n\n  with aws_vpc.network:"],
    },
  ]);
  expect(asked().filter((command) => command.includes("validate"))).toHaveLength(2);
});

test("finds in the second look what the error of another stack hid", async () => {
  finds("all", [at("dev", "Missing value")]);
  finds("all", [at("prod", "Unsupported argument")]);
  const verdicts = await validateStacks([stack("dev"), stack("prod"), stack("delivery")]);
  expect(verdicts.map(({ stack, isValid }) => [stack, isValid])).toEqual([
    ["dev", false],
    ["prod", false],
    ["delivery", true],
  ]);
});

test("looks at each stack alone where an error belongs to none", async () => {
  finds("all", [{ severity: "error", summary: "Cycle: module.dev.local.a, module.dev.local.b" }]);
  finds("dev", [{ severity: "error", summary: "Cycle: local.a, local.b" }]);
  const verdicts = await validateStacks([stack("dev"), stack("prod")]);
  expect(verdicts).toEqual([
    { stack: "dev", isValid: false, words: ["Error: Cycle: local.a, local.b"] },
    { stack: "prod", isValid: true, words: [] },
  ]);
});

test.each([
  ["imports", { import: [{ to: "aws_vpc.a", id: "vpc-1" }] }],
  ["gives out what is not kept", { output: { token: { value: "", ephemeral: true } } }],
  ["may give out a secret variable", { variable: { token: { sensitive: true } } }],
  ["may give out what it makes a secret", { output: { token: { value: `\${sensitive("a")}` } } }],
])("looks alone at a stack that %s: a module may or is not looked at so", async (_what, configuration) => {
  await validateStacks([stack("dev", configuration), stack("prod"), stack("delivery")]);
  expect(asked().filter((command) => command.includes("init"))).toEqual([
    "all: init",
    `dev: init with ${AWS}`,
  ]);
  expect(readFileSync(join(fake, "main.tf.json"), "utf8")).not.toContain("dev");
});

test("tells a valid stack's warnings, but not that a module's backend is ignored", async () => {
  finds("all", [
    { ...at("dev", "Backend configuration ignored"), severity: "warning" },
    { ...of("dev", "Argument is deprecated"), severity: "warning" },
  ]);
  expect(await validateStacks([stack("dev")])).toEqual([
    {
      stack: "dev",
      isValid: true,
      words: ["Warning: Argument is deprecated\n\n  with aws_vpc.network:"],
    },
  ]);
});

test("tells whole why Terraform cannot be initialized", async () => {
  const error = { severity: "error", summary: "Failed to query", detail: "The registry is away." };
  writeFileSync(
    join(fake, "init.fails"),
    `{"type": "init_output"}\n${JSON.stringify({ type: "diagnostic", diagnostic: error })}\n`,
  );
  await expect(validateStacks([stack("dev"), stack("prod")])).rejects.toThrow(
    "Terraform cannot be initialized:\nError: Failed to query\n\nThe registry is away.",
  );
});

test("names the stack at which init already stops", async () => {
  const diagnostics = [
    { severity: "error", summary: "Terraform encountered problems, described below." },
    at("dev", "Extraneous JSON object property"),
  ];
  const lines = diagnostics.map((diagnostic) => JSON.stringify({ type: "diagnostic", diagnostic }));
  writeFileSync(join(fake, "init.fails"), lines.join("\n"));
  const verdicts = await validateStacks([stack("dev"), stack("prod")]);
  expect(verdicts.map(({ stack, isValid }) => [stack, isValid])).toEqual([
    ["dev", false],
    ["prod", true],
  ]);
});

test.each([
  ["does not start", "exit 1"],
  ["says nothing that is understood", "echo hello"],
  ["can be reached by everybody on the machine", 'echo "1|5|tcp|127.0.0.1:1234|grpc|"'],
])("goes on without a provider that %s", async (_what, script) => {
  write("provider", provider(script));
  expect((await validateStacks([stack("dev")]))[0]).toEqual({ stack: "dev", isValid: true, words: [] });
  expect(asked()).toEqual(["all: init", "all: validate"]);
});

test("asks again, without the provider, where that has ended meanwhile", async () => {
  finds("all", [{ severity: "error", summary: "Failed to load plugin schemas" }]);
  writeFileSync(join(fake, "kill-provider"), "");
  expect((await validateStacks([stack("dev")]))[0]).toEqual({ stack: "dev", isValid: true, words: [] });
  expect(asked()).toEqual(["all: init", `all: validate with ${AWS}`, "all: init", "all: validate"]);
});

test("two beside each other have a folder and a provider each", async () => {
  await Promise.all([validateStacks([stack("dev")]), validateStacks([stack("prod")])]);
  expect(new Set(providers()).size).toBe(2);
});

test("Ctrl-C ends Terraform and the provider, and leaves nothing", async () => {
  writeFileSync(join(fake, "hangs"), "");
  const child = spawn(process.execPath, ["tools/run.mjs", "tools/validate/index.ts"], {
    cwd: ROOT,
    env: { ...process.env, TMPDIR: temporary },
    stdio: "ignore",
  });
  const ended = once(child, "exit");
  while (!asked().some((command) => command.includes("validate"))) await setTimeout(50);
  expect(providers().filter(isAlive)).toHaveLength(1);
  child.kill("SIGINT");
  expect(await ended).toEqual([130, null]);
});

/** A synthesized stack. */
function stack(name: string, configuration: object = {}): string {
  const folder = join(fake, "synthesized", name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "cdk.tf.json"), JSON.stringify(configuration));
  return folder;
}

/** What a validation, of "all" or of one stack alone, finds; what is said first is found first, and once. */
function finds(where: string, diagnostics: readonly Diagnostic[]): void {
  const turn = readdirSync(fake).filter((name) => name.startsWith(`${where}.found`)).length;
  writeFileSync(join(fake, `${where}.found.${turn}`), JSON.stringify({ diagnostics }));
}

const at = (stack: string, summary: string): Diagnostic => ({
  severity: "error",
  summary,
  range: { filename: `stacks/${stack}/cdk.tf.json`, start: { line: 7 } },
});

const of = (stack: string, summary: string): Diagnostic => ({
  severity: "error",
  summary,
  address: `module.${stack}.aws_vpc.network`,
});

/** What Terraform was asked for where, and with which providers. */
const asked = () =>
  lines("asked").map((line) => {
    const [folder = "", command, reattached] = line.split("\t");
    const where = dirname(folder) === temporary ? "all" : basename(folder);
    return `${where}: ${command}${reattached ? ` with ${Object.keys(JSON.parse(reattached))}` : ""}`;
  });

/** The process of each provider that was started. */
const providers = () => lines("providers").map(Number);

const lines = (name: string) =>
  existsSync(join(fake, name)) ? readFileSync(join(fake, name), "utf8").split("\n").filter(Boolean) : [];

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function write(name: string, script: string): void {
  writeFileSync(join(fake, name), `#!/bin/sh\n${script}\n`);
  chmodSync(join(fake, name), 0o755);
}

/** @param script what it says as it starts */
const provider = (script: string) => `echo $$ >> '${fake}/providers'\n${script}\nexec sleep 60`;

/** Installs a provider, and tells what it is told to find. */
const terraform = () => `fake='${fake}'
case $1 in version) echo '{"terraform_version": "1.11.4"}'; exit ;; esac
printf '%s\\t%s\\t%s\\n' "$PWD" "$1" "$TF_REATTACH_PROVIDERS" >> "$fake/asked"
if [ "$1" = init ]; then
  if [ -f main.tf.json ]; then cp main.tf.json "$fake"; fi
  if [ -f "$fake/init.fails" ]; then cat "$fake/init.fails"; rm "$fake/init.fails"; exit 1; fi
  installed=.terraform/providers/${AWS}/5.100.0/linux_amd64
  mkdir -p $installed
  cp "$fake/provider" $installed/terraform-provider-aws_v5.100.0_x5
  exit
fi
if [ -f "$fake/hangs" ]; then exec sleep 60; fi
if [ -f "$fake/kill-provider" ]; then rm "$fake/kill-provider"; kill -9 "$(tail -1 "$fake/providers")"; fi
case $(basename "$PWD") in slipway-validate-*) where=all ;; *) where=$(basename "$PWD") ;; esac
for found in "$fake/$where".found.*; do
  if [ -f "$found" ]; then cat "$found"; rm "$found"; exit 1; fi
done
echo '{"diagnostics": []}'`;
