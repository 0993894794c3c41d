import type { Answer } from "../../../shared/ask";
import type { Errand, GitHubApi } from "../../../shared/github-api";
import * as z from "../../../shared/zod";
import { isBranchName } from "./branch-name";
import { isMarked, marked, saysTheSame } from "./comments";
import type { Branch, PullRequest, Repository, Saying } from "./index";

const PAGE = 100;
/** More pages than any repository has that somebody works with. */
const MOST_PAGES = 200;

const reference = z.object({ ref: z.string(), object: z.object({ sha: z.string() }) });
const commit = z.object({ committer: z.object({ date: z.iso.datetime({ offset: true }) }) });
const branches = z.array(z.object({ name: z.string(), commit: z.object({ sha: z.string() }) }));
// The repository of a head is null where the fork is gone.
const side = z.object({ ref: z.string(), repo: z.nullable(z.object({ id: z.number() })) });
const pulls = z.array(z.object({ number: z.number(), state: z.string(), head: side, base: side }));
const comments = z.array(
  z.object({
    id: z.number(),
    body: z.nullish(z.string()),
    user: z.nullish(z.object({ id: z.number() })),
  }),
);
const viewer = z.object({ data: z.object({ viewer: z.object({ databaseId: z.number() }) }) });

interface Rights extends Errand {
  /** What answers whoever has them. */
  readonly proof: string;
}

const BRANCHES: Rights = {
  what: "read its branches",
  permissions: "Contents: read",
  proof: "branches?per_page=1",
};
const PULLS: Rights = {
  what: "read its pull requests",
  permissions: "Pull requests: read",
  proof: "pulls?per_page=1",
};
const COMMENTS: Rights = {
  ...PULLS,
  what: "comment on its pull requests",
  permissions: "Pull requests: read and write",
};

export class GitHubRepository implements Repository {
  /** The token's own account, which stays the same. */
  private account?: Promise<number>;

  constructor(
    private readonly github: GitHubApi,
    private readonly project: string,
  ) {}

  async branch(name: string): Promise<Branch | undefined> {
    if (!isBranchName(name)) return undefined;
    // Not "branches/<name>": that leads on to what a renamed branch is called now.
    const path = `git/ref/heads/${name.split("/").map(encodeURIComponent).join("/")}`;
    const answer = await this.github.ask(path);
    // A repository without any commit is a conflict.
    if (answer.status === 409) return undefined;
    if (await this.isMissing(answer, BRANCHES)) return undefined;
    const { ref, object } = this.read(answer, reference, BRANCHES);
    return ref === `refs/heads/${name}` ? { name, commit: object.sha } : undefined;
  }

  async branches(): Promise<Branch[]> {
    const all = await this.list("branches", {}, branches, BRANCHES);
    return all.map(({ name, commit }) => ({ name, commit: commit.sha }));
  }

  async committedAt(id: string): Promise<Date | undefined> {
    // Not "commits/<id>": that has all that was changed with it.
    const answer = await this.github.ask(`git/commits/${encodeURIComponent(id)}`);
    if (await this.isMissing(answer, BRANCHES)) return undefined;
    return new Date(this.read(answer, commit, BRANCHES).committer.date);
  }

  async pullRequestsFrom(branch: string): Promise<PullRequest[]> {
    const owner = this.github.repository.split("/")[0];
    // What GitHub takes for no head at all it answers with all pull requests.
    return (await this.open({ head: `${owner}:${branch}` })).filter((pull) => pull.branch === branch);
  }

  pullRequests(): Promise<PullRequest[]> {
    return this.open({});
  }

  async say(number: number, text: string, { onlyInPlace = false }: Saying = {}): Promise<void> {
    const body = marked(this.project, text);
    const own = await this.commentsOn(number);
    if (!own) return;
    const [standing, ...duplicates] = own;
    if (standing && !saysTheSame(standing.body, body))
      this.github.check(
        await this.github.ask(`issues/comments/${standing.id}`, { method: "PATCH", body: { body } }),
        COMMENTS,
      );
    if (!standing && !onlyInPlace)
      this.github.check(await this.github.ask(`issues/${number}/comments`, { body: { body } }), COMMENTS);
    for (const { id } of duplicates) {
      const answer = await this.github.ask(`issues/comments/${id}`, { method: "DELETE" });
      if (answer.status !== 404) this.github.check(answer, COMMENTS);
    }
  }

  /** Those that this token has marked, the oldest first; undefined where there is no such pull request. */
  private async commentsOn(number: number) {
    const path = `issues/${number}/comments`;
    const first = await this.github.ask(`${path}?per_page=${PAGE}&page=1`);
    if (first.status === 410 || (await this.isMissing(first, COMMENTS))) return undefined;
    const all = await this.list(path, {}, comments, COMMENTS, first);
    const found = all.filter(({ body }) => isMarked(this.project, body ?? ""));
    if (found.length === 0) return [];
    // Anybody can write our marker, but not in our name.
    const account = await this.ownAccount();
    return found
      .filter(({ user }) => user?.id === account)
      .map(({ id, body }) => ({ id, body: body ?? "" }))
      .toSorted((a, b) => a.id - b.id);
  }

  /** The REST API does not tell an app's token, GraphQL tells each. */
  private ownAccount(): Promise<number> {
    this.account ??= this.github
      .askAt("/graphql", { body: { query: "query { viewer { databaseId } }" } })
      .then((answer) => this.read(answer, viewer, COMMENTS).data.viewer.databaseId);
    this.account.catch(() => {
      this.account = undefined;
    });
    return this.account;
  }

  private async open(filter: Readonly<Record<string, string>>): Promise<PullRequest[]> {
    // New ones come last: none is missed because another was opened meanwhile.
    const query = { state: "open", sort: "created", direction: "asc", ...filter };
    const all = await this.list("pulls", query, pulls, PULLS);
    return all
      .filter(({ state, head, base }) => state === "open" && head.repo && head.repo.id === base.repo?.id)
      .map(({ number, head, base }) => ({ number, branch: head.ref, into: base.ref }));
  }

  /** @param first the answer of the first page, where it is known */
  private async list<T>(
    path: string,
    query: Readonly<Record<string, string>>,
    schema: z.ZodMiniType<T[]>,
    errand: Errand,
    first?: Answer,
  ): Promise<T[]> {
    const all: T[] = [];
    for (let page = 1; page <= MOST_PAGES; page++) {
      const parameters = new URLSearchParams({ ...query, per_page: String(PAGE), page: String(page) });
      const answer = (page === 1 && first) || (await this.github.ask(`${path}?${parameters}`));
      all.push(...this.read(answer, schema, errand));
      // Its address is not followed: it could lead the token elsewhere.
      if (!/;\s*rel="next"/.test(answer.headers.get("link") ?? "")) return all;
    }
    throw new Error(`GitHub has more than ${MOST_PAGES * PAGE} ${path} of ${this.github.repository}`);
  }

  /** Whether what was asked for is not there. "404" is also what a token hears that may not see it. */
  private async isMissing(answer: Answer, rights: Rights): Promise<boolean> {
    if (answer.status !== 404) return false;
    this.github.check(await this.github.ask(rights.proof), rights);
    return true;
  }

  private read<T>(answer: Answer, schema: z.ZodMiniType<T>, errand: Errand): T {
    this.github.check(answer, errand);
    const read = schema.safeParse(parsed(answer.text));
    if (read.success) return read.data;
    throw new Error(`GitHub answers what it does not document (${this.github.repository}: ${errand.what})`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
