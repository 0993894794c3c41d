import { randomBytes } from "node:crypto";

export interface Commit {
  readonly id: string;
  readonly message: string;
  readonly author: string;
  readonly date: Date;
}

export interface Comment {
  readonly id: number;
  /** Who wrote it, however the host calls that. */
  readonly author: string;
  body: string;
  readonly created: Date;
  updated: Date;
}

export interface PullRequest {
  readonly number: number;
  readonly title: string;
  /** Of the head. */
  readonly branch: string;
  readonly into: string;
  /** The repository that the head is in, where it is another. */
  readonly fork?: string;
  /** Commits. */
  head: string;
  base: string;
  state: "open" | "closed";
  merged?: { readonly commit: string; readonly at: Date };
  readonly created: Date;
  updated: Date;
  readonly comments: Comment[];
}

/** What a change of the repository is for those who are told. */
export type Change =
  | { readonly kind: "branch"; readonly branch: string; readonly before?: string; readonly after?: string }
  | {
      readonly kind: "pull-request";
      readonly action: "opened" | "synchronize" | "closed" | "reopened";
      readonly pull: PullRequest;
      /** The head before, where it has changed. */
      readonly before?: string;
    };

/** Why something cannot be done, for whoever asked for it. */
export class Impossible extends Error {}

export interface PushProps {
  readonly branch: string;
  /** @default - one that is made up */
  readonly commit?: string;
  readonly message?: string;
  readonly author?: string;
}

export interface OpenProps {
  readonly branch: string;
  readonly into: string;
  readonly title?: string;
  /** The repository that the branch is in. @default - this one */
  readonly fork?: string;
  /** Of a fork's branch. @default - one that is made up */
  readonly commit?: string;
}

export interface RepositoryHost {
  /** A number that no pull request and no comment had before. */
  readonly next: () => number;
  /** Whether pull requests end with their branches, and may be opened again, as at GitHub. */
  readonly likeGitHub: boolean;
}

/** Branches and pull requests, and no files: Local AWS knows a repository as far as its events go. */
export class Repository {
  readonly created = new Date();
  readonly branches = new Map<string, string>();
  readonly commits = new Map<string, Commit>();
  readonly pulls = new Map<number, PullRequest>();

  constructor(
    readonly name: string,
    readonly id: number | string,
    private readonly host: RepositoryHost,
  ) {}

  push({ branch, commit = newCommit(), message = "", author = "somebody" }: PushProps): Change[] {
    const before = this.branches.get(branch);
    this.branches.set(branch, commit);
    if (!this.commits.has(commit))
      this.commits.set(commit, { id: commit, message, author, date: new Date() });
    const changes: Change[] = [{ kind: "branch", branch, before, after: commit }];
    for (const pull of this.openPulls()) {
      if (pull.into === branch) pull.base = commit;
      if (pull.branch !== branch || pull.fork) continue;
      changes.push({ kind: "pull-request", action: "synchronize", pull, before: pull.head });
      Object.assign(pull, { head: commit, updated: new Date() });
    }
    return changes;
  }

  /** @throws Impossible */
  delete(branch: string): Change[] {
    const before = this.headOf(branch);
    this.branches.delete(branch);
    const ended = this.host.likeGitHub
      ? this.openPulls().filter((pull) => (pull.branch === branch && !pull.fork) || pull.into === branch)
      : [];
    return [
      { kind: "branch", branch, before },
      ...ended.flatMap(({ number }) => this.change(number, "open", "closed")),
    ];
  }

  /** @throws Impossible */
  open({ branch, into, title = branch, fork, commit = newCommit() }: OpenProps): Change[] {
    const head = fork ? commit : this.headOf(branch);
    const same = this.openPulls().find(
      (pull) => pull.branch === branch && pull.into === into && pull.fork === fork,
    );
    if (same) throw new Impossible(`${same.number} is open already, from ${branch} into ${into}`);
    const now = new Date();
    const number = this.host.next();
    const pull: PullRequest = {
      number,
      title,
      branch,
      into,
      fork,
      head,
      base: this.headOf(into),
      state: "open",
      created: now,
      updated: now,
      comments: [],
    };
    this.pulls.set(number, pull);
    return [{ kind: "pull-request", action: "opened", pull }];
  }

  /** @throws Impossible */
  close(number: number): Change[] {
    return this.change(number, "open", "closed");
  }

  /** @throws Impossible */
  reopen(number: number): Change[] {
    const pull = this.pull(number);
    if (pull.merged || !this.host.likeGitHub) throw new Impossible(`${number} cannot be opened again`);
    if (!pull.fork) pull.head = this.headOf(pull.branch);
    return this.change(number, "closed", "open");
  }

  /** @throws Impossible */
  merge(number: number): Change[] {
    const pull = this.pull(number);
    if (pull.state !== "open") throw new Impossible(`${number} is closed`);
    const commit = newCommit();
    pull.merged = { commit, at: new Date() };
    const closed = this.change(number, "open", "closed");
    return [...this.push({ branch: pull.into, commit, message: `Merge ${pull.branch}` }), ...closed];
  }

  comment(number: number, author: string, body: string): Comment {
    const now = new Date();
    const comment = { id: this.host.next(), author, body, created: now, updated: now };
    this.pull(number).comments.push(comment);
    return comment;
  }

  /** @throws Impossible */
  pull(number: number): PullRequest {
    const pull = this.pulls.get(number);
    if (!pull) throw new Impossible(`There is no pull request ${number} in ${this.name}`);
    return pull;
  }

  /** @throws Impossible */
  headOf(branch: string): string {
    const commit = this.branches.get(branch);
    if (!commit) throw new Impossible(`There is no branch ${branch} in ${this.name}`);
    return commit;
  }

  private openPulls(): PullRequest[] {
    return [...this.pulls.values()].filter(({ state }) => state === "open");
  }

  private change(number: number, from: PullRequest["state"], to: PullRequest["state"]): Change[] {
    const pull = this.pull(number);
    if (pull.state !== from) throw new Impossible(`${number} is ${pull.state}`);
    Object.assign(pull, { state: to, updated: new Date() });
    return [{ kind: "pull-request", action: to === "open" ? "reopened" : "closed", pull }];
  }
}

const newCommit = () => randomBytes(20).toString("hex");
