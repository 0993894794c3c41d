import type { DriftReport } from "../../shared/run-report";
import { type PlannedEnvironment, reviewPlanned } from "../review/environments";
import type { Kind } from "../review/kind";
import { countsText } from "../review/layout";
import { plural } from "../review/phrase";
import { render } from "../review/render";
import type { Review } from "../review/review";

/** How an environment compares with the stack that was released to it. Nothing in it is secret. */
export type Comparison =
  | { readonly is: "as released" }
  | { readonly is: "drifted"; readonly summary: string; readonly reviewed: Review }
  | { readonly is: "failed"; readonly reason: string };

/** What would not happen if everything were as it was released. */
const CHANGES: ReadonlySet<Kind> = new Set([
  "create",
  "update",
  "delete",
  "replace",
  "forget",
  "replace-and-forget",
  "unknown",
]);

/**
 * Reads the plan of what was released: it would change nothing, if nobody else had changed anything. What releases and
 * autoscaling change, and what providers fill in by themselves, is no drift; nor are outputs, or documents of another form.
 */
export function compare(planned: PlannedEnvironment): Comparison {
  const reviewed = reviewPlanned([planned]);
  const [plan] = reviewed.plans;
  const [failed] = reviewed.failed;
  if (failed || !plan)
    return { is: "failed", reason: failed?.failure.trim() ?? "Terraform left no plan, and no word of why." };
  const outside = plan.drift.filter(({ resource }) => resource.kind !== "no-op").length;
  const changes = plan.resources.filter(({ kind }) => CHANGES.has(kind));
  if (outside + changes.length + plan.folded.tags === 0) return { is: "as released" };
  const summary = [
    outside && `${plural(outside, "resource")} changed outside of Terraform`,
    changes.length + plan.folded.tags && `to be as it was released: ${countsText(plan.counts)}`,
  ];
  return { is: "drifted", summary: summary.filter(Boolean).join("; "), reviewed };
}

/** A mail takes so much of a review, in bytes; what is left out is the harmless first. */
const REVIEW_BYTES = 20_000;
/** So many lines, where what must not be left out has more. */
const MOST_LINES = 500;
const LONGEST_REASON = 2_000;

/** Comparisons as they are told. */
export function reportOf(
  project: string,
  when: Date,
  comparisons: readonly (readonly [environment: string, comparison: Comparison])[],
): DriftReport {
  return {
    project,
    when: when.toISOString(),
    environments: comparisons.flatMap(([environment, one]) =>
      one.is === "drifted" ? [{ environment, summary: one.summary, review: linesOf(one.reviewed) }] : [],
    ),
    failures: comparisons.flatMap(([environment, one]) =>
      one.is === "failed" ? [{ environment, reason: one.reason.slice(0, LONGEST_REASON) }] : [],
    ),
  };
}

function linesOf(reviewed: Review): string[] {
  const whole = "in the log of the build that compared";
  const { text } = render(reviewed, { format: "text", limit: REVIEW_BYTES, whole });
  const lines = text.trimEnd().split("\n");
  return lines.length > MOST_LINES
    ? [...lines.slice(0, MOST_LINES), `… ${lines.length - MOST_LINES} more lines: the whole is ${whole}`]
    : lines;
}
