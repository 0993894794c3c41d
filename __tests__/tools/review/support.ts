import { readPlan } from "../../../tools/review/plan";
import { type Rendered, render } from "../../../tools/review/render";
import { type PlanReview, type Review, review } from "../../../tools/review/review";

type Values = Record<string, unknown> | null;

/** A resource's change, as `terraform show -json` writes it. */
export function change(
  type: string,
  before: Values,
  after: Values,
  more: { name?: string; change?: object; [key: string]: unknown } = {},
) {
  const { name = "it", change: inner = {}, ...rest } = more;
  const actions = before === null ? ["create"] : after === null ? ["delete"] : ["update"];
  const side = { before_sensitive: before ? {} : false, after_sensitive: after ? {} : false };
  return {
    address: `${type}.${name}`,
    mode: "managed",
    type,
    name,
    ...rest,
    change: { actions, before, after, after_unknown: {}, ...side, ...inner },
  };
}

/** A plan of such changes. */
export const planText = (resource_changes: unknown[], more: object = {}) =>
  JSON.stringify({ format_version: "1.2", resource_changes, ...more });

export const reviewOf = (resource_changes: unknown[], more: object = {}): Review =>
  review([readPlan("dev", planText(resource_changes, more))]);

export const planReviewOf = (resource_changes: unknown[], more: object = {}): PlanReview =>
  reviewOf(resource_changes, more).plans[0]!;

export const shown = (reviewed: Review, format: "markdown" | "text" = "text", limit = 0): Rendered =>
  render(reviewed, { format, limit, whole: "elsewhere" });

export const markdownOf = (resource_changes: unknown[], more: object = {}) =>
  shown(reviewOf(resource_changes, more), "markdown").text;

export const textOf = (resource_changes: unknown[], more: object = {}) =>
  shown(reviewOf(resource_changes, more)).text;
