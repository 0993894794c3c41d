import type { Change, Comment, PullRequest, Repository } from "./repository";
import { commentShape, NO_COMMIT, pullShape, pushedCommit, repositoryShape, userOf } from "./shapes";

/** A webhook event before it is delivered. */
export interface HookEvent {
  readonly name: string;
  readonly payload: Readonly<Record<string, unknown>>;
}

/** What GitHub tells hooks of a change ("Webhook events and payloads"). */
export function hookEvents(api: string, repository: Repository, change: Change): HookEvent[] {
  const common = {
    repository: repositoryShape(api, repository.name, repository.id),
    sender: userOf("somebody"),
  };
  if (change.kind === "pull-request") {
    const { action, pull, before } = change;
    const payload = {
      action,
      number: pull.number,
      pull_request: pullShape(api, repository, pull),
      ...(action === "synchronize" && { before, after: pull.head }),
      ...common,
    };
    return [{ name: "pull_request", payload }];
  }
  const { branch, before, after } = change;
  const push = { name: "push", payload: { ...pushOf(repository, branch, before, after), ...common } };
  const reference = { ref: branch, ref_type: "branch", pusher_type: "user", ...common };
  if (!before)
    return [{ name: "create", payload: { ...reference, master_branch: "main", description: null } }, push];
  return after ? [push] : [{ name: "delete", payload: reference }, push];
}

function pushOf(repository: Repository, branch: string, before = NO_COMMIT, after = NO_COMMIT) {
  const commit = repository.commits.get(after);
  const head = commit ? pushedCommit(repository.name, commit) : null;
  return {
    ref: `refs/heads/${branch}`,
    before,
    after,
    pusher: { name: "somebody", email: "somebody@users.noreply.github.com" },
    created: before === NO_COMMIT,
    deleted: after === NO_COMMIT,
    forced: false,
    base_ref: null,
    compare: `https://github.com/${repository.name}/compare/${before.slice(0, 12)}...${after.slice(0, 12)}`,
    commits: head ? [head] : [],
    head_commit: head,
  };
}

/** What GitHub tells hooks of a comment on a pull request: as of one on an issue. */
export function commentEvent(
  api: string,
  repository: Repository,
  pull: PullRequest,
  comment: Comment,
  action: "created" | "edited" | "deleted",
): HookEvent {
  const { name, id } = repository;
  const { number, title, state } = pull;
  const html_url = `https://github.com/${name}/pull/${number}`;
  return {
    name: "issue_comment",
    payload: {
      action,
      issue: {
        url: `${api}/repos/${name}/issues/${number}`,
        html_url,
        number,
        title,
        state,
        user: userOf("somebody"),
        pull_request: { url: `${api}/repos/${name}/pulls/${number}`, html_url },
      },
      comment: commentShape(api, name, number, comment),
      repository: repositoryShape(api, name, id),
      sender: userOf(comment.author),
    },
  };
}
