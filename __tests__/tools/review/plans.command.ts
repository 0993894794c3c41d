import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { temporaryProject } from "../../support/project";
import { exampleText } from "../../support/settings";
import { runTool } from "../../support/tools";

/** Plans settings, as a pull request's build does. */
async function plan(settings: string | undefined, ...args: string[]) {
  const cwd = temporaryProject(settings);
  if (settings === undefined) rmSync(join(cwd, "terraform.tfvars"));
  const env = { PATH: process.env.PATH, HOME: cwd };
  return { ...(await runTool("tools/review/plans.ts", args, { cwd, env })), cwd };
}

test.each([
  ["are wrong", exampleText().replace("memory      = 512", "memory      = 513"), "memory = 513"],
  ["are no settings", "project = {", "terraform.tfvars"],
  ["are not there", undefined, "terraform.tfvars"],
])("settings that %s are handed over as why nothing is planned, in their own words", async (_, settings, words) => {
  const { exitCode, stderr, cwd } = await plan(settings, "plans");
  expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
  const said = readFileSync(join(cwd, "plans/synth.txt"), "utf8");
  expect(said).toContain(words);
  expect(said).not.toMatch(/\n\s+at /);
});

test("wants a folder, and leaves nothing without", async () => {
  const { exitCode, stderr, cwd } = await plan(exampleText());
  expect({ exitCode, stderr }).toEqual({ exitCode: 1, stderr: expect.stringContaining("Name a folder") });
  expect(existsSync(join(cwd, "plans"))).toBe(false);
});
