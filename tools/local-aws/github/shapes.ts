import { createHash } from "node:crypto";
import type { Comment, Commit, PullRequest, Repository } from "./repository";

// What GitHub's REST API and its webhooks have in common: objects as they are documented, as far as somebody reads them.

export const NO_COMMIT = "0".repeat(40);

/** To the second. */
export const timeOf = (date: Date) => date.toISOString().replace(/\.\d+Z$/, "Z");

/** A number that always stands for the same text. */
export const idOf = (text: string) =>
  Number.parseInt(createHash("sha256").update(text).digest("hex").slice(0, 7), 16);

export const userOf = (login: string) => ({ login, id: idOf(login), type: "User", site_admin: false });

export function repositoryShape(api: string, name: string, id: number | string) {
  const [owner = "", short = ""] = name.split("/");
  return {
    id,
    name: short,
    full_name: name,
    private: true,
    owner: userOf(owner),
    html_url: `https://github.com/${name}`,
    fork: false,
    url: `${api}/repos/${name}`,
    hooks_url: `${api}/repos/${name}/hooks`,
    default_branch: "main",
  };
}

export function pullShape(api: string, repository: Repository, pull: PullRequest) {
  const { name } = repository;
  const { number, title, state, branch, into, fork, merged } = pull;
  const own = repositoryShape(api, name, repository.id);
  const other = fork ? { ...repositoryShape(api, fork, idOf(fork)), fork: true } : own;
  const [owner] = name.split("/");
  const ended = state === "closed" ? timeOf(pull.updated) : null;
  return {
    url: `${api}/repos/${name}/pulls/${number}`,
    id: number,
    html_url: `https://github.com/${name}/pull/${number}`,
    number,
    state,
    locked: false,
    title,
    user: userOf("somebody"),
    body: null,
    created_at: timeOf(pull.created),
    updated_at: timeOf(pull.updated),
    closed_at: ended,
    merged_at: merged ? timeOf(merged.at) : null,
    merge_commit_sha: merged?.commit ?? null,
    draft: false,
    head: {
      label: `${other.owner.login}:${branch}`,
      ref: branch,
      sha: pull.head,
      user: other.owner,
      repo: other,
    },
    base: { label: `${owner}:${into}`, ref: into, sha: pull.base, user: own.owner, repo: own },
    author_association: fork ? "CONTRIBUTOR" : "MEMBER",
    merged: Boolean(merged),
  };
}

export const commentShape = (api: string, repository: string, number: number, comment: Comment) => ({
  id: comment.id,
  node_id: `IC_${comment.id}`,
  url: `${api}/repos/${repository}/issues/comments/${comment.id}`,
  html_url: `https://github.com/${repository}/pull/${number}#issuecomment-${comment.id}`,
  issue_url: `${api}/repos/${repository}/issues/${number}`,
  body: comment.body,
  user: userOf(comment.author),
  created_at: timeOf(comment.created),
  updated_at: timeOf(comment.updated),
  author_association: "MEMBER",
});

/** As the API has it; a webhook has fewer levels. */
export const commitShape = (api: string, repository: string, { id, message, author, date }: Commit) => {
  const by = { name: author, email: `${author}@users.noreply.github.com`, date: timeOf(date) };
  return {
    sha: id,
    url: `${api}/repos/${repository}/commits/${id}`,
    html_url: `https://github.com/${repository}/commit/${id}`,
    commit: { author: by, committer: by, message },
    author: userOf(author),
    committer: userOf(author),
    parents: [],
  };
};

/** As Git keeps it. */
export const gitCommitShape = ({ id, message, author, date }: Commit) => {
  const by = { name: author, email: `${author}@users.noreply.github.com`, date: timeOf(date) };
  return { sha: id, author: by, committer: by, message, parents: [] };
};

export const pushedCommit = (repository: string, { id, message, author, date }: Commit) => {
  const by = { name: author, email: `${author}@users.noreply.github.com`, username: author };
  return {
    id,
    tree_id: id,
    distinct: true,
    message,
    timestamp: timeOf(date),
    url: `https://github.com/${repository}/commit/${id}`,
    author: by,
    committer: by,
    added: [],
    removed: [],
    modified: [],
  };
};
