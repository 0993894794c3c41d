import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { zipSync } from "fflate";
import { FakeS3 } from "../support/fake-s3";
import { type FakeChange, FakeTerraform } from "../support/fake-terraform";
import { temporaryProject } from "../support/project";
import { runTool, startTool } from "../support/tools";

/** A project in which dev is synthesized, and prod is not. */
function project(): string {
  const cwd = temporaryProject();
  mkdirSync(join(cwd, "cdktf.out/stacks/dev"), { recursive: true });
  mkdirSync(join(cwd, "plan"));
  writeFileSync(join(cwd, "plan/plan.tfplan"), "another plan");
  return cwd;
}

const toolOf = (name: string) => `tools/pipeline/${name}.ts`;
const within = (env: Record<string, string> = {}) => ({
  cwd: project(),
  env: { PATH: process.env.PATH, ...env },
});

describe.each(["plan", "apply"])("npm run %s", (name) => {
  test.each<[string[], RegExp]>([
    [[], /^Name an environment and/],
    [["dev"], /^Name an environment and/],
    [["dev", "plan", "more"], /^Name an environment and/],
    [["test", "plan"], /no environment "test" in terraform\.tfvars: it has dev, prod\./],
    [["__proto__", "plan"], /no environment "__proto__"/],
    [["none", "plan"], /^SLIPWAY_PREVIEW is "none": .* is not run itself\. Push to a branch/],
    [["pv-dev-login", "plan"], /no environment "pv-dev-login"/],
    [["pv-test-login-3f9a2c", "plan"], /no environment "pv-test-login-3f9a2c"/],
    [["pv-dev-login-3f9a2c", "plan"], /stack pv-dev-login-3f9a2c is not in cdktf\.out\/stacks/],
    [["prod", "plan"], /stack prod is not in cdktf\.out\/stacks: synthesize it first/],
  ])("fails with words for people when it is given %j", async (args, message) => {
    const { exitCode, stdout, stderr } = await runTool(toolOf(name), args, within());
    expect({ exitCode, stdout, stderr }).toEqual({
      exitCode: 1,
      stdout: "",
      stderr: expect.stringMatching(message),
    });
    expect(stderr).not.toMatch(/\n\s+at /);
  });
});

test.each<[string, Record<string, string>, RegExp]>([
  ["nobody says which was approved", {}, /PLAN_SHA256 is not set/],
  ["the hash is none", { PLAN_SHA256: "#{plan-dev.PLAN_SHA256}" }, /PLAN_SHA256 is not set/],
  ["it is another", { PLAN_SHA256: "0".repeat(64) }, /not the plan that was approved.*Nothing was applied/],
])("npm run apply fails when %s", async (_, env, message) => {
  const { exitCode, stderr } = await runTool(toolOf("apply"), ["dev", "plan"], within(env));
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(message) });
});

test("npm run apply fails when there is no plan", async () => {
  const approved = within({ PLAN_SHA256: "0".repeat(64) });
  const { stderr } = await startTool(toolOf("apply"), ["dev", "elsewhere"], approved).ended;
  expect(stderr).toMatch(/There is no plan: .*elsewhere\/plan\.tfplan/);
});

describe("npm run apply", () => {
  const STATE = { serial: 7, lineage: "of dev" };
  let s3: FakeS3;
  let endpoint: string;
  beforeEach(async () => {
    s3 = new FakeS3();
    endpoint = await s3.start();
    s3.putState("dev", STATE.serial, STATE.lineage);
  });
  afterEach(() => s3.stop());

  /** A saved plan, as far as it is looked into. */
  const planOf = (state: object) =>
    Buffer.from(zipSync({ tfplan: Buffer.from("p"), tfstate: Buffer.from(JSON.stringify(state)) }));

  /** @returns what it printed, and what Terraform was asked to do */
  async function apply(plan: Buffer, isEmpty: string) {
    const cwd = project();
    const backend = { s3: { bucket: "state", region: "eu-west-1", key: "dev" } };
    writeFileSync(join(cwd, "cdktf.out/stacks/dev/cdk.tf.json"), JSON.stringify({ terraform: { backend } }));
    writeFileSync(join(cwd, "plan/plan.tfplan"), plan);
    const terraform = new FakeTerraform(join(cwd, "fake"));
    const env = {
      PATH: `${terraform.bin}${delimiter}${process.env.PATH}`,
      AWS_ENDPOINT_URL: endpoint,
      AWS_ACCESS_KEY_ID: "local",
      AWS_SECRET_ACCESS_KEY: "local",
      PLAN_SHA256: createHash("sha256").update(plan).digest("hex"),
      PLAN_IS_EMPTY: isEmpty,
    };
    const { exitCode, stdout, stderr } = await runTool(toolOf("apply"), ["dev", "plan"], { cwd, env });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    return { stdout, asked: terraform.asked };
  }

  test("starts no Terraform for a plan that changes nothing of what is as it was then", async () => {
    expect(await apply(planOf(STATE), "yes")).toEqual({
      stdout: expect.stringMatching(/^Nothing to apply: .* and dev is as it was then\.$/),
      asked: [],
    });
  });

  test.each<[string, Buffer, string]>([
    ["changes something", planOf(STATE), "no"],
    ["nobody knows to change nothing", planOf(STATE), "#{plan-dev.PLAN_IS_EMPTY}"],
    ["was made before another deploy", planOf({ ...STATE, serial: 6 }), "yes"],
    ["is of another state", planOf({ ...STATE, lineage: "of prod" }), "yes"],
    ["is of no state yet", planOf({ serial: 0, lineage: "" }), "yes"],
    ["cannot be looked into", Buffer.from("encrypted"), "yes"],
  ])("leaves a plan to Terraform that %s", async (_, plan, isEmpty) => {
    expect((await apply(plan, isEmpty)).asked).toEqual(["dev: init", "dev: apply"]);
  });
});

test.each<[string, readonly FakeChange[], "yes" | "no"]>([
  ["changes nothing", [], "yes"],
  ["changes something", [{ address: "aws_sqs_queue.jobs", actions: ["update"] }], "no"],
])("npm run plan tells whether a plan is empty: one that %s", async (_, changes, isEmpty) => {
  const cwd = project();
  const terraform = new FakeTerraform(join(cwd, "fake"));
  terraform.plans("dev", changes);
  const env = { PATH: `${terraform.bin}${delimiter}${process.env.PATH}`, HOME: cwd };
  expect((await runTool(toolOf("plan"), ["dev", "out"], { cwd, env })).exitCode).toBe(0);
  expect(readFileSync(join(cwd, "out/variables.sh"), "utf8")).toContain(
    `export PLAN_IS_EMPTY='${isEmpty}'\n`,
  );
});

test("npm run plan plans a preview with the role of the previews of its environment", async () => {
  const cwd = project();
  const name = "pv-dev-login-3f9a2c";
  mkdirSync(join(cwd, "cdktf.out/stacks", name), { recursive: true });
  const terraform = new FakeTerraform(join(cwd, "fake"));
  const said = join(cwd, "said");
  mkdirSync(join(cwd, "bin"));
  writeFileSync(
    join(cwd, "bin/terraform"),
    `#!/bin/sh\necho "$@" >> '${said}'\nexec '${terraform.bin}/terraform' "$@"\n`,
    { mode: 0o755 },
  );
  const env = { PATH: `${join(cwd, "bin")}${delimiter}${process.env.PATH}`, HOME: cwd };
  const { exitCode, stderr } = await startTool(toolOf("plan"), [name, "out"], { cwd, env }).ended;
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  expect(terraform.asked).toEqual([`${name}: init`, `${name}: plan`]);
  expect(readFileSync(said, "utf8")).toContain(
    "-var=provider_role_arn=arn:aws:iam::222222222222:role/hello-pv-dev-plan\n",
  );
});

test.each([
  "dev",
  "pv-test-login-3f9a2c",
  "pv-dev-login; id",
])("a synth fails with words for people when SLIPWAY_PREVIEW is %j", async (name) => {
  const preview = within({ SLIPWAY_PREVIEW: name });
  const { exitCode, stdout, stderr } = await startTool("main.ts", [], preview).ended;
  expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
  expect(stderr).toMatch(/^SLIPWAY_PREVIEW has a problem:/);
  expect(stderr).toContain(`${JSON.stringify(name)} names no preview.`);
  expect(stderr).not.toMatch(/\n\s+at /);
});
