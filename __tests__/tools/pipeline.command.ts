import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { temporaryProject } from "../support/project";
import { ROOT } from "../support/settings";

/** A project in which dev is synthesized, and prod is not. */
function project(): string {
  const cwd = temporaryProject();
  mkdirSync(join(cwd, "cdktf.out/stacks/dev"), { recursive: true });
  mkdirSync(join(cwd, "plan"));
  writeFileSync(join(cwd, "plan/plan.tfplan"), "another plan");
  return cwd;
}

const command = (name: string, args: string[], env: Record<string, string> = {}) =>
  execa(process.execPath, [join(ROOT, "tools/run.mjs"), `tools/pipeline/${name}.ts`, ...args], {
    cwd: project(),
    reject: false,
    extendEnv: false,
    env: { PATH: process.env.PATH, ...env },
  });

describe.each(["plan", "apply"])("npm run %s", (name) => {
  test.each<[string[], RegExp]>([
    [[], /^Name an environment and/],
    [["dev"], /^Name an environment and/],
    [["dev", "plan", "more"], /^Name an environment and/],
    [["test", "plan"], /no environment "test" in terraform\.tfvars: it has dev, prod\./],
    [["__proto__", "plan"], /no environment "__proto__"/],
    [["prod", "plan"], /stack prod is not in cdktf\.out\/stacks: synthesize it first/],
  ])("fails with words for people when it is given %j", async (args, message) => {
    const { exitCode, stdout, stderr } = await command(name, args);
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
  const { exitCode, stderr } = await command("apply", ["dev", "plan"], env);
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringMatching(message) });
});

test("npm run apply fails when there is no plan", async () => {
  const { stderr } = await command("apply", ["dev", "elsewhere"], { PLAN_SHA256: "0".repeat(64) });
  expect(stderr).toMatch(/There is no plan: .*elsewhere\/plan\.tfplan/);
});
