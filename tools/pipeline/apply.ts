import { createHash } from "node:crypto";
import { copyFileSync, existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { deployRoleArn, PLAN_ARTIFACT } from "../../shared/names";
import { Stack, wordsOf } from "../deployer/stack";
import { isStateOfPlan } from "../deployer/state";
import { runCommand, UserError } from "../project";
import { readEnvironment } from "./environment";

/**
 * `npm run apply -- ENVIRONMENT FOLDER`: applies the plan that `npm run plan` left in the folder, if it is the very one
 * whose hash PLAN_SHA256 names, and never another. Where PLAN_IS_EMPTY is yes and the state is the plan's still, nothing is
 * to be applied, and Terraform is not started.
 */
runCommand(async () => {
  const [name, folder, ...others] = process.argv.slice(2);
  if (!name || !folder || others.length)
    throw new UserError("Name an environment and the folder of its plan: npm run apply -- dev plan");
  const { settings, environment, folder: stack } = await readEnvironment(name);
  const plan = resolve(folder, PLAN_ARTIFACT.plan);
  checkApproved(plan, process.env.PLAN_SHA256);
  if (process.env.PLAN_IS_EMPTY === "yes" && (await isStateOfPlan(stack, plan))) {
    console.log(
      `Nothing to apply: the plan that was approved changes nothing, and ${name} is as it was then.`,
    );
    return 0;
  }
  // Terraform applies a plan with the providers that made it, and no others.
  const lock = join(folder, PLAN_ARTIFACT.providers);
  if (existsSync(lock)) copyFileSync(lock, join(stack, ".terraform.lock.hcl"));
  const result = await new Stack(stack).apply(plan, {
    role: deployRoleArn(settings, environment),
    onLine: (line) => console.log(line),
  });
  if (result.exitCode === 0) return 0;
  const words = wordsOf(result);
  if (/saved plan is stale/i.test(words))
    throw new UserError(
      `The plan is stale: ${name} has changed since it was made. Nothing was applied. Release a new change, so that it is planned and approved anew.`,
    );
  throw new UserError(`${name} was not applied, or not all of it.\n${words}`);
});

/** @throws UserError where the plan is not the one that was approved */
function checkApproved(file: string, approved: string | undefined): void {
  if (!/^[0-9a-f]{64}$/.test(approved ?? ""))
    throw new UserError(
      "PLAN_SHA256 is not set: it names the plan that was approved, and nothing else is applied.",
    );
  if (!existsSync(file)) throw new UserError(`There is no plan: ${file}`);
  const hash = createHash("sha256").update(readFileSync(file)).digest("hex");
  if (hash !== approved)
    throw new UserError(
      `This is not the plan that was approved: its SHA-256 is ${hash}, and ${approved} was approved. Nothing was applied.`,
    );
}
