import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Settings } from "../../settings";
import { planRoleArn } from "../../shared/names";
import { inParallel } from "../../shared/parallel";
import { synthesize } from "../cdktf";
import { plansAtOnce } from "../deployer/capacity";
import { Initialization } from "../deployer/initialization";
import { Stack, wordsOf } from "../deployer/stack";
import { type Plan, PlanError, readPlan } from "./plan";
import { type FailedPlan, type Review, review } from "./review";

/** What came of planning an environment: a plan, a failure, or both where Terraform failed on its way. */
export interface PlannedEnvironment {
  readonly name: string;
  /** As `terraform show -json` writes it. It holds secrets in clear text. */
  readonly plan?: string;
  /** Terraform's own words. */
  readonly failure?: string;
}

/** What stands for all environments where the stacks cannot even be synthesized. */
export const SYNTH = "synth";

/**
 * Plans every environment, side by side: with the role that only reads, and without a lock, so that nobody who
 * deploys has to wait. Never throws for what stands in the configuration: that is a failure, and told.
 *
 * @param log gets a line for each step
 */
export async function planEnvironments(
  settings: Settings,
  log: (line: string) => void,
): Promise<PlannedEnvironment[]> {
  // Only its owner may look into it, and it goes: plans hold secrets.
  const folder = mkdtempSync(join(tmpdir(), "slipway-plans-"));
  try {
    log("Synthesizes the stacks");
    const synth = await synthesize({ output: folder, onLine: () => {} });
    if (synth.exitCode !== 0) return [{ name: SYNTH, failure: wordsOf(synth) }];
    const initialization = new Initialization();
    const stacks = Object.values(settings.environments).map((environment) => ({
      environment,
      stack: new Stack(join(folder, "stacks", environment.name), { initialization }),
    }));
    return await inParallel(stacks, plansAtOnce(), async ({ environment, stack }) => {
      const { json: plan, failure } = await stack.plan(planRoleArn(settings, environment));
      log(`${environment.name}: ${failure ? "cannot be planned" : "planned"}`);
      return { name: environment.name, plan, failure };
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** A plan that cannot be understood is told like one that could not be made: never as no changes. */
export function reviewPlanned(planned: readonly PlannedEnvironment[]): Review {
  const plans: Plan[] = [];
  const failed: FailedPlan[] = [];
  for (const { name, plan, failure } of planned) {
    if (failure !== undefined) failed.push({ name, failure });
    if (plan === undefined) continue;
    try {
      plans.push(readPlan(name, plan));
    } catch (error) {
      if (!(error instanceof PlanError)) throw error;
      failed.push({ name, failure: `The plan is not reviewed: ${error.message}` });
    }
  }
  return review(plans, failed);
}
