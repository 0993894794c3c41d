import { matchesBranch } from "../../shared/previews";
import { approvalOf, type PullRequest, type ReviewComment } from "./github";

/**
 * Why a pull request's code is not run; undefined where it is. One from a fork, whoever made it, waits for the word of
 * somebody who may write to the repository, for the very commit. Anybody's comment may have started the build.
 *
 * @param into branches that are deployed, or patterns of them
 */
export async function refusalOf(
  comment: ReviewComment,
  pullRequest: PullRequest,
  into: readonly string[],
): Promise<string | undefined> {
  const { repository, number, commit } = pullRequest;
  const { open, baseRef, headCommit, headRepository, fork } = await comment.pullRequest(repository, number);
  if (!open) return `Pull request ${number} is closed: nothing is planned.`;
  if (!into.some((branch) => matchesBranch(branch, baseRef)))
    return `Pull request ${number} is into a branch that no pipeline deploys: nothing is planned.`;
  if (headCommit !== commit)
    return `Pull request ${number} is at ${headCommit} by now: that is planned instead.`;
  if (!fork || (await comment.isApproved(pullRequest))) return undefined;
  const word = approvalOf(commit);
  await comment.setStatus(pullRequest, {
    state: "pending",
    description: "From a fork: somebody who may write here comments /codebuild_run(<commit>) first",
  });
  return `Pull request ${number} comes from ${headRepository ?? "a fork that is gone"}: its code is run only when somebody who may write to ${repository} has read it and commented:
${word}`;
}
