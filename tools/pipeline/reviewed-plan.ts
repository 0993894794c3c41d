import type { Stack } from "../deployer/stack";
import { UserError } from "../project";
import { PlanError, readPlan } from "../review/plan";
import { render } from "../review/render";
import { type Review, review } from "../review/review";

/** A stack's saved plan, and what it means. */
export interface ReviewedPlan {
  /** The saved plan. It holds secrets in clear text. */
  readonly file: string;
  readonly reviewed: Review;
  /** Whether Terraform says that there is nothing to apply. */
  readonly isEmpty: boolean;
  /** The whole review as text, without secrets. */
  readonly text: string;
}

/**
 * Plans a synthesized stack, and reads the plan.
 *
 * @param role role to plan with in the stack's account; the caller's own rights where it is not given
 * @throws UserError where the plan failed, also halfway, or the review does not understand it: nobody could approve it
 */
export async function planAndReview(stack: Stack, name: string, role?: string): Promise<ReviewedPlan> {
  const { file, json, failure } = await stack.plan(role);
  if (failure !== undefined || file === undefined || json === undefined)
    throw new UserError(`${name} cannot be planned.\n${failure ?? "Terraform left no plan."}`);
  try {
    const plan = readPlan(name, json);
    const reviewed = review([plan]);
    const { text } = render(reviewed, { format: "text", limit: 0, whole: "" });
    return { file, reviewed, isEmpty: plan.applyable === false, text };
  } catch (error) {
    if (!(error instanceof PlanError)) throw error;
    throw new UserError(`The plan of ${name} is not reviewed, and so not for approval: ${error.message}`);
  }
}
