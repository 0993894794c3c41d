import type { Settings } from "../../settings";
import { UserError } from "../project";
import { COMMENT_LIMIT } from "./comment";
import { type PlannedEnvironment, reviewPlanned } from "./environments";
import { MARKER_ROOM, type PullRequest, type ReviewComment, type Verdict } from "./github";
import { verdict } from "./layout";
import { plainText } from "./phrase";
import { render } from "./render";
import type { Review, Risk } from "./review";

/** What fails a review where nobody says: all that keeps it from being relied on. */
export const FAIL_ON: readonly Risk[] = ["check", "errored", "unknown"];

export interface PullRequestReviewProps {
  readonly comment: ReviewComment;
  readonly pullRequest: PullRequest;
  readonly failOn: ReadonlySet<Risk>;
  /** Address of the build's log, for the comment to link to. @default - none */
  readonly log?: string;
  /** What is told of the review's making, above it. @default - nothing */
  readonly remark?: string;
  readonly plan: () => Promise<readonly PlannedEnvironment[]>;
}

/** The repository on GitHub whose pull requests are reviewed. @throws UserError where there is none */
export function reviewedRepository({ source }: Settings): string {
  const onGitHub =
    source.provider === "github-token" || (source.provider === "connection" && source.host === "GitHub");
  if (onGitHub) return source.repository;
  const where = source.provider === "connection" ? source.host : "CodeCommit";
  throw new UserError(
    `Reviews are posted on GitHub's pull requests, and "git" in terraform.tfvars names a repository on ${where}. npm run review reads plans anywhere.`,
  );
}

/**
 * Plans, and makes the review that pull request's comment and its commit's status.
 *
 * @returns the review in whole, as text, and whether anything of `failOn` is in it
 * @throws UserError where GitHub takes not both; each is tried in any case
 */
export async function reviewPullRequest(
  props: PullRequestReviewProps,
): Promise<{ readonly text: string; readonly failed: boolean }> {
  const { comment, pullRequest, failOn, log } = props;
  const setStatus = (status: Verdict) => comment.setStatus(pullRequest, { ...status, targetUrl: log });
  await setStatus({ state: "pending", description: "Every environment is being planned" });
  let reviewed: Review;
  try {
    reviewed = reviewPlanned(await props.plan());
  } catch (error) {
    // Nobody shall wait for it.
    await setStatus({ state: "error", description: "The review has failed: see its log" });
    throw error;
  }
  const failed = reviewed.risks.some((risk) => failOn.has(risk));
  const results = await Promise.allSettled([
    comment.post(pullRequest, commentOn(reviewed, props)),
    setStatus({
      state: reviewed.failed.length ? "error" : failed ? "failure" : "success",
      description: plainText(verdict(reviewed)),
    }),
  ]);
  const refused = results.flatMap((result) => (result.status === "rejected" ? [result.reason] : []));
  const unexpected = refused.find((reason) => !(reason instanceof UserError));
  if (unexpected) throw unexpected;
  if (refused.length) throw new UserError(refused.map((reason) => reason.message).join("\n"));
  return { text: render(reviewed, { format: "text", limit: 0, whole: "" }).text, failed };
}

function commentOn(reviewed: Review, { pullRequest, log, remark }: PullRequestReviewProps): string {
  const link = log && `[the build's log](${encodeURI(log)})`;
  const about = [`Plans of ${pullRequest.commit}`, remark, link && `more in ${link}`].filter(Boolean);
  const opening = `<sub>${about.join("; ")}</sub>\n\n`;
  const whole = link || "in what npm run review:pr printed";
  const limit = COMMENT_LIMIT - MARKER_ROOM - Buffer.byteLength(opening);
  const { text, over } = render(reviewed, { format: "markdown", limit, whole });
  if (!over) return opening + text;
  const verdictLines = text.slice(0, text.indexOf("\n\n") + 2);
  return `${opening}${verdictLines}**What it destroys, and where it widens access, is more than a comment can name.** The whole: ${whole}.\n`;
}
