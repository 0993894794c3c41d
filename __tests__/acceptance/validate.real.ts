import { execFileSync } from "node:child_process";
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { execa } from "execa";
import { terraform, terraformEnvironment } from "../../tools/toolchain";
import { type Diagnostic, diagnosticsOfInit, isError } from "../../tools/validate/diagnostics";
import { mirroredPrograms, startProviders } from "../../tools/validate/providers";
import { validateStacks } from "../../tools/validate/stacks";
import { synthesize } from "../../tools/validate/synthesize";
import { EXAMPLE_STACKS, ROOT } from "../support/settings";

jest.setTimeout(10 * 60_000);

const AWS = "registry.terraform.io/hashicorp/aws";

let folder: string;
/** What Terraform was asked for, and with which providers. */
let log: string;
/** Terraform, which notes that. */
let noting: string;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "slipway-test-"));
  // Not by Terraform's name: its folder comes first on PATH, where the true one is looked for.
  [log, noting] = [join(folder, "asked"), join(folder, "noting")];
  const { path } = await terraform();
  writeFileSync(noting, `#!/bin/sh\necho "$1 $TF_REATTACH_PROVIDERS" >> '${log}'\nexec '${path}' "$@"\n`);
  chmodSync(noting, 0o755);
});
afterEach(() => {
  delete process.env.TERRAFORM_BINARY_NAME;
  rmSync(folder, { recursive: true, force: true });
});

const asked = (command: string) =>
  readFileSync(log, "utf8")
    .split("\n")
    .filter((line) => line.startsWith(`${command} `))
    .map((line) => JSON.parse(line.slice(command.length) || "{}") as Record<string, { Pid: number }>);

test("Terraform and the AWS provider find every stack valid, in one look, with one provider", () => {
  const output = execFileSync(process.execPath, ["tools/run.mjs", "tools/validate/index.ts"], {
    cwd: ROOT,
    encoding: "utf8",
    env: { ...process.env, TERRAFORM_BINARY_NAME: noting },
  });
  expect(output.trim().split("\n").sort()).toEqual(EXAMPLE_STACKS.map((name) => `${name}: valid`));
  expect(asked("init")).toHaveLength(1);
  expect(asked("validate")).toEqual([{ [AWS]: expect.anything() }]);
  expect(() => process.kill(asked("validate")[0]![AWS]!.Pid, 0)).toThrow("ESRCH");
});

test("what is wrong with a stack is found among all as in the stack alone, by validations beside each other", async () => {
  const stacks = await synthesize(join(ROOT, "terraform.tfvars.example"), folder);
  const ofProvider = changed(stacks, {
    dev: ({ resource }) => set(resource.aws_vpc, { cidr_block: "10.0.0.0/99" }),
    prod: ({ resource }) => set(resource.aws_lambda_function, { memory: 128 }),
    "pipeline-main": ({ resource }) => set(resource.aws_codepipeline, { pipeline_type: "V3" }),
    delivery: ({ resource }) => set(resource.aws_s3_bucket, { acl: "private" }),
    "access-dev": ({ resource }) => set(resource.aws_iam_role, { assume_role_policy: undefined }),
    "access-prod": () => {},
  });
  const ofTerraform = changed(stacks, {
    "access-dev": (stack) => Object.assign(stack, { resources: {} }),
    bootstrap: ({ resource }) => set(resource.aws_s3_bucket, { bucket: reference("aws_vpc.nowhere.id") }),
    "access-prod": (stack) =>
      Object.assign(stack, { locals: { a: reference("local.b"), b: reference("local.a") } }),
    "pipeline-preview-main_dev": (stack) =>
      Object.assign(stack, {
        variable: { ...stack.variable, password: { sensitive: true } },
        output: { password: { value: reference("var.password") } },
      }),
  });

  process.env.TERRAFORM_BINARY_NAME = noting;
  const [first, second] = await Promise.all([validateStacks(ofProvider), validateStacks(ofTerraform)]);
  delete process.env.TERRAFORM_BINARY_NAME;
  // Each look with the provider of its validation, which runs no more.
  const providers = new Set(asked("validate").map((attached) => attached[AWS]?.Pid));
  expect(providers.size).toBe(2);
  for (const pid of providers) expect(() => process.kill(pid!, 0)).toThrow("ESRCH");

  const titles = (verdicts: typeof first) =>
    Object.fromEntries(verdicts.map(({ stack, words }) => [stack, words.map(titleOf).sort()]));
  expect(titles(first)).toEqual({
    dev: [expect.stringContaining("invalid CIDR address: 10.0.0.0/99")],
    prod: ["Error: Extraneous JSON object property"],
    "pipeline-main": [expect.stringContaining('expected pipeline_type to be one of ["V1" "V2"], got V3')],
    delivery: ["Warning: Argument is deprecated"],
    "access-dev": ["Error: Missing required argument"],
    "access-prod": [],
  });
  expect(titles(second)).toEqual({
    "access-dev": ["Error: Extraneous JSON object property"],
    bootstrap: ["Error: Reference to undeclared resource"],
    "access-prod": ["Error: Cycle"],
    "pipeline-preview-main_dev": ["Error: Output refers to sensitive values"],
  });
  const alone = await oneByOne([...ofProvider, ...ofTerraform]);
  expect(
    [...first, ...second].map(({ isValid, words }) => ({ isValid, titles: words.map(titleOf).sort() })),
  ).toEqual(alone);
});

interface Stack {
  readonly variable: Readonly<Record<string, object>>;
  readonly resource: Readonly<Record<string, Readonly<Record<string, object>>>>;
}

/** Changes the first resource of a type. */
const set = (resources: Stack["resource"][string] = {}, properties: object) =>
  Object.assign(Object.values(resources)[0]!, properties);

const reference = (to: string) => `\${${to}}`;

/** Copies of the stacks that are named, each changed. */
function changed(
  stacks: readonly string[],
  changes: Readonly<Record<string, (stack: Stack) => unknown>>,
): string[] {
  const to = mkdtempSync(join(folder, "changed-"));
  return Object.entries(changes).map(([name, change]) => {
    const copy = join(to, name);
    cpSync(stacks.find((stack) => basename(stack) === name)!, copy, { recursive: true });
    const file = join(copy, "cdk.tf.json");
    const stack = JSON.parse(readFileSync(file, "utf8")) as Stack;
    change(stack);
    writeFileSync(file, JSON.stringify(stack, undefined, 2));
    return copy;
  });
}

/**
 * What Terraform says of each stack where stacks share nothing. Of the first, as anybody asks it; of the others, with a
 * provider of the stack's own for all its provider blocks, where Terraform would start one for each.
 */
async function oneByOne(folders: readonly string[]) {
  const { path } = await terraform();
  const usual = await terraformEnvironment();
  const verdicts: { isValid: boolean; titles: string[] }[] = [];
  for (const [index, cwd] of folders.entries()) {
    const sockets = mkdtempSync(join(folder, "sockets-"));
    const providers = await startProviders(index ? mirroredPrograms() : new Map(), sockets);
    const env = { ...usual, ...providers.environment };
    const init = await execa(path, ["init", "-backend=false", "-json"], { cwd, env, reject: false });
    const found: Diagnostic[] = init.failed
      ? diagnosticsOfInit(init.stdout).filter(({ range }) => range)
      : JSON.parse((await execa(path, ["validate", "-json"], { cwd, env, reject: false })).stdout)
          .diagnostics;
    await providers.stop();
    verdicts.push({
      isValid: !found.some(isError),
      titles: found.map((one) => titleOf(`${isError(one) ? "Error" : "Warning"}: ${one.summary}`)).sort(),
    });
  }
  return verdicts;
}

/** A circle has no beginning: where it is told from differs. */
const titleOf = (words: string) => words.split("\n")[0]!.replace(/^(Error: Cycle).*/, "$1");
