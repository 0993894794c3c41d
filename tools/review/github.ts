import { Octokit, RequestError } from "octokit";
import { UserError } from "../project";
import { COMMENT_LIMIT } from "./comment";

/** What `post` may need of it beside the body: the marker, and the note about an older commit. */
export const MARKER_ROOM = 320;

/** What GitHub takes as the description of a commit status. */
const DESCRIPTION_LENGTH = 140;

/** GitHub is slow at times, but not so slow. */
const ANSWER_MILLISECONDS = 15_000;

const RETRIES = 2;
const LONGEST_WAIT_SECONDS = 60;

/** How often it starts again where others change the comment meanwhile; each time, somebody got further. */
const ROUNDS = 10;

const SHA = /^[0-9a-f]{40}$/;
const MARKER = /^<!-- slipway-review project=(\S+) commit=([0-9a-f]{40}) sequence=(\d{1,15}) -->$/;
const PREVIOUS = "\n\n<!-- slipway-review previous -->\n";

/**
 * The comment by which somebody who may write to the repository lets a commit of a fork be planned. In the form that
 * CodeBuild starts such a build for (user guide, "Pull request comment approval").
 */
export const approvalOf = (commit: string): string => `/codebuild_run(${commit})`;

export interface PullRequest {
  /** owner/name */
  readonly repository: string;
  readonly number: number;
  /** The commit that was reviewed: 40 hexadecimal digits. */
  readonly commit: string;
}

export interface Verdict {
  readonly state: "success" | "failure" | "error" | "pending";
  /** Cut to the 140 characters that GitHub takes. */
  readonly description: string;
  /** Left out unless it is https. */
  readonly targetUrl?: string;
}

export interface PostingProps {
  readonly token: string;
  /** Whose review it is: several projects may review one repository. */
  readonly project: string;
  /** @default "https://api.github.com" */
  readonly api?: string;
}

export type Outcome = "created" | "updated" | "unchanged" | "superseded";

/** A comment's text, taken apart. */
interface Review {
  readonly commit: string;
  /** Orders the reviews of one commit. */
  readonly sequence: number;
  readonly text: string;
  /** The review of the commit before, collapsed. */
  readonly previous: string;
}

interface Comment {
  readonly id: number;
  readonly nodeId: string;
  readonly body: string;
  readonly review: Review;
}

/** What is asked of GitHub: for its refusal to name it. */
interface Errand {
  /** "The plan review cannot be posted on acme/hello#7" */
  readonly failure: string;
  /** The permission of a fine-grained token. */
  readonly permission: string;
  /** "pull request acme/hello#7" */
  readonly subject: string;
}

/**
 * The plan review on a pull request: one comment, which is updated in place, and a commit status.
 *
 * Builds of several commits may post at the same time, and GitHub has no "write this if nobody wrote
 * meanwhile": a slow build of an older commit can overwrite the review of the head in the very moment after it
 * looked. So each looks again after it has written, at all that the comment ever said (GitHub keeps that), and
 * puts the head's review back on top if there is one. Whoever writes last thereby sees what all others wrote:
 * in the end the comment is the head's, whatever the order.
 */
export class ReviewComment {
  private readonly github: Octokit;
  private readonly token: string;
  private readonly project: string;

  /** @throws UserError where the token cannot be one or the project's name does not fit the marker */
  constructor({ token, project, api = "https://api.github.com" }: PostingProps) {
    this.token = token.trim();
    this.project = project;
    // One with a line break in it would be quoted in an error about headers, in pieces.
    if (!/^[\x21-\x7e]+$/.test(this.token)) {
      throw new UserError(
        "There is no GitHub token to post the plan review with. Store one with npm run connect.",
      );
    }
    demand(/^\w[\w.-]{0,63}$/.test(project), "a project's name", project);
    this.github = new Octokit({
      auth: this.token,
      baseUrl: api.replace(/\/+$/, ""),
      userAgent: "slipway",
      log: SILENT,
      request: { fetch: fetchWhole, log: SILENT },
      retry: { retries: RETRIES, doNotRetry: [400, 401, 403, 404, 410, 422, 429, 451] },
      throttle: { onRateLimit: retryLimited, onSecondaryRateLimit: retryLimited },
    });
  }

  /** @throws UserError where GitHub does not tell */
  async pullRequest(repository: string, number: number) {
    demandPullRequest(repository, number);
    const subject = `pull request ${repository}#${number}`;
    const errand = {
      subject,
      failure: `GitHub does not show the ${subject}`,
      permission: "pull-requests: read",
    };
    const { head, base, state } = await this.ask(errand, () => this.pull(repository, number));
    return {
      open: state === "open",
      headCommit: head.sha,
      headRepository: head.repo?.full_name,
      baseRef: base.ref,
      // A fork may be gone by now; the pull request's own repository cannot.
      fork: head.repo?.full_name !== base.repo.full_name,
    };
  }

  /** The open pull requests whose head a commit is. @throws UserError where GitHub does not tell */
  async pullRequestsAt(repository: string, commit: string): Promise<number[]> {
    demandRepository(repository);
    demand(SHA.test(commit), "a commit's full SHA", commit);
    const errand = {
      subject: `commit ${short(commit)} in ${repository}`,
      failure: `GitHub does not tell the pull requests of ${short(commit)} in ${repository}`,
      permission: "pull-requests: read",
    };
    const { data } = await this.ask(errand, () =>
      this.github.rest.repos.listPullRequestsAssociatedWithCommit({
        ...ownerAndName(repository),
        commit_sha: commit,
      }),
    );
    return data
      .filter(({ state, head }) => state === "open" && head.sha === commit)
      .map((pull) => pull.number);
  }

  /**
   * Whether somebody who may write to the repository has given their word for the pull request's commit: a comment
   * that is `approvalOf` it, and nothing else.
   *
   * @throws UserError where GitHub does not tell
   */
  async isApproved(pullRequest: PullRequest): Promise<boolean> {
    const { repository, number, commit } = demandReviewed(pullRequest);
    const errand = {
      subject: `pull request ${repository}#${number}`,
      failure: `GitHub does not tell who approved ${repository}#${number}`,
      permission: "pull-requests: read (and metadata: read)",
    };
    return this.ask(errand, async () => {
      const comments = await this.commentsOn(repository, number);
      const given = comments.filter(({ body }) => body?.trim() === approvalOf(commit));
      for (const login of new Set(given.flatMap(({ user }) => user?.login ?? [])))
        if (await this.mayWrite(repository, login)) return true;
      return false;
    });
  }

  private async mayWrite(repository: string, username: string): Promise<boolean> {
    try {
      const which = { ...ownerAndName(repository), username };
      const { data } = await this.github.rest.repos.getCollaboratorPermissionLevel(which);
      // A maintainer's is told as "write".
      return data.permission === "admin" || data.permission === "write";
    } catch (error) {
      if (isStatus(error, 404)) return false;
      throw error;
    }
  }

  /**
   * Makes `body` the review of the pull request's commit. A commit that is not the pull request's head any more
   * is superseded: nothing changes, unless there is no review at all.
   *
   * @throws UserError where the body leaves less than MARKER_ROOM, or GitHub does not take it
   */
  async post(pullRequest: PullRequest, body: string): Promise<Outcome> {
    const { repository, number, commit } = demandReviewed(pullRequest);
    if (body.length > COMMENT_LIMIT - MARKER_ROOM) {
      throw new UserError(
        `The plan review is too long for a comment: ${body.length} characters, of at most ${COMMENT_LIMIT - MARKER_ROOM}.`,
      );
    }
    const subject = `pull request ${repository}#${number}`;
    const failure = `The plan review cannot be posted on ${repository}#${number}`;
    return this.ask({ subject, failure, permission: "issues: write (and pull-requests: read)" }, async () => {
      const account = await this.account();
      for (let round = 0; round < ROUNDS; round++) {
        const { comments, head } = await this.look(pullRequest, account);
        const standing = comments[0];
        if (standing && head !== commit) return "superseded";
        const text = cleaned(head === commit ? body : `${ofAnOlderCommit(commit, head)}\n\n${body}`);
        const same = standing?.review.commit === commit && standing.review.text === text;
        if (same && comments.length === 1) return "unchanged";

        const written = this.composed(commit, text, standing?.review);
        if (standing) {
          if (!(await this.update(repository, standing.id, written))) continue;
        } else {
          const where = { ...ownerAndName(repository), issue_number: number };
          await this.github.rest.issues.createComment({ ...where, body: written });
        }
        const settled = await this.settle(pullRequest, account, written);
        if (settled && settled.commit !== commit) return "superseded";
        return standing ? "updated" : "created";
      }
      throw new UserError(`${failure}: it is changed all the time. Start the build again.`);
    });
  }

  /** @throws UserError where GitHub does not take it */
  async setStatus(pullRequest: PullRequest, verdict: Verdict): Promise<void> {
    const { repository, commit } = demandReviewed(pullRequest);
    const subject = `commit ${short(commit)} in ${repository}`;
    const failure = `The commit status cannot be set on ${repository}@${short(commit)}`;
    await this.ask({ subject, failure, permission: "statuses: write" }, () =>
      this.github.rest.repos.createCommitStatus({
        ...ownerAndName(repository),
        sha: commit,
        state: verdict.state,
        context: `slipway/plan-review (${this.project})`,
        description: shortened(verdict.description, DESCRIPTION_LENGTH),
        ...(isHttps(verdict.targetUrl) && { target_url: verdict.targetUrl }),
      }),
    );
  }

  /** Leaves one comment, the oldest, with the head's review if anybody has posted one, and returns what it says. */
  private async settle(pullRequest: PullRequest, account: number, written: string) {
    const { repository, commit } = pullRequest;
    for (let round = 0; round < ROUNDS; round++) {
      const { comments, head } = await this.look(pullRequest, account);
      const [standing, ...duplicates] = comments;
      if (!standing) return undefined;
      // Nobody came between: the usual case, in which nobody needs the history.
      if (standing.body === written && head === commit && duplicates.length === 0) return standing.review;

      const bodies = [...comments.map(({ body }) => body), ...(await this.history(comments))];
      const best = latestOf(head, bodies, this.project) ?? standing.body;
      if (best === standing.body && duplicates.length === 0) return standing.review;
      if (best !== standing.body && !(await this.update(repository, standing.id, best))) continue;
      // Only now, when what they say has its place.
      for (const { id } of duplicates) await this.remove(repository, id);
    }
    throw new UserError(
      `The plan review on ${repository}#${pullRequest.number} is changed all the time. Start the build again.`,
    );
  }

  /** Our comments, oldest first, and the head. */
  private async look({ repository, number }: PullRequest, account: number) {
    const found = await this.commentsOn(repository, number);
    const comments: Comment[] = [];
    for (const { id, node_id: nodeId, user, body = "" } of found) {
      // Anybody can write our marker, but not in our name.
      const review = user?.id === account ? parsed(body, this.project) : undefined;
      if (review) comments.push({ id, nodeId, body, review });
    }
    comments.sort((a, b) => a.id - b.id);
    // After the comments: so the head is at least as new as what they say.
    const { head } = await this.pull(repository, number);
    return { comments, head: head.sha };
  }

  private commentsOn(repository: string, number: number) {
    return this.github.paginate(this.github.rest.issues.listComments, {
      ...ownerAndName(repository),
      issue_number: number,
      per_page: 100,
    });
  }

  private async pull(repository: string, number: number) {
    const { data } = await this.github.rest.pulls.get({ ...ownerAndName(repository), pull_number: number });
    return data;
  }

  /** The token's own account. The REST API does not tell an app's token, GraphQL tells each. */
  private async account(): Promise<number> {
    const { viewer } = await this.github.graphql<{ viewer: { databaseId: number } }>(
      "query { viewer { databaseId } }",
    );
    return viewer.databaseId;
  }

  /** What the comments have said before. "diff" is a misnomer: it is the whole text. Newest first. */
  private async history(comments: readonly Comment[]): Promise<string[]> {
    const { nodes } = await this.github.graphql<{
      nodes: ({ userContentEdits: { nodes: { diff: string | null }[] } | null } | null)[];
    }>(
      `query ($ids: [ID!]!) {
        nodes(ids: $ids) { ... on IssueComment { userContentEdits(first: 100) { nodes { diff } } } }
      }`,
      // More than a hundred it does not take, and so many duplicates nobody makes.
      { ids: comments.slice(0, 100).map(({ nodeId }) => nodeId) },
    );
    return nodes.flatMap((node) => node?.userContentEdits?.nodes.map(({ diff }) => diff ?? "") ?? []);
  }

  /** @returns false where the comment is gone, for example as another build's duplicate */
  private async update(repository: string, id: number, body: string): Promise<boolean> {
    const which = { ...ownerAndName(repository), comment_id: id };
    return this.unlessGone(which, () => this.github.rest.issues.updateComment({ ...which, body }));
  }

  private async remove(repository: string, id: number): Promise<boolean> {
    const which = { ...ownerAndName(repository), comment_id: id };
    return this.unlessGone(which, () => this.github.rest.issues.deleteComment(which));
  }

  private async unlessGone(
    which: { owner: string; repo: string; comment_id: number },
    write: () => Promise<unknown>,
  ): Promise<boolean> {
    try {
      await write();
      return true;
    } catch (error) {
      if (!isStatus(error, 404)) throw error;
      // 404 is also what a token hears that may read but not write.
      const readable = await this.github.rest.issues.getComment(which).then(
        () => true,
        (reason) => {
          if (isStatus(reason, 404)) return false;
          throw reason;
        },
      );
      if (readable) throw error;
      return false;
    }
  }

  private composed(commit: string, text: string, standing: Review | undefined): string {
    // The clock orders one build's reviews; that it goes on from what stands makes up for a wrong clock.
    const sequence = Math.max(Date.now(), (standing?.sequence ?? 0) + 1);
    const review = `<!-- slipway-review project=${this.project} commit=${commit} sequence=${sequence} -->\n${text}`;
    const previous = standing?.commit === commit ? standing.previous : collapsed(standing);
    return review.length + previous.length <= COMMENT_LIMIT ? review + previous : review;
  }

  /** @throws UserError which says what failed, why, and what to do, and never the token */
  private async ask<T>(errand: Errand, request: () => Promise<T>): Promise<T> {
    try {
      return await request();
    } catch (error) {
      if (error instanceof UserError) throw error;
      // GraphQL refuses with status 200, and octokit then with another error, which has the response, too.
      if (!(error instanceof Error && (error instanceof RequestError || "response" in error))) throw error;
      const says = oneLine(error.message.replaceAll(this.token, "(the token)"));
      const why = error instanceof RequestError ? refusal(error, errand, says) : `GitHub says: ${says}`;
      throw new UserError(`${errand.failure}: ${why}`);
    }
  }
}

/** Octokit writes to the console unless it is given where else. */
const nothing = () => {};
const SILENT = { debug: nothing, info: nothing, warn: nothing, error: nothing };

/** An answer of which a part is missing must not pass for one without comments: so it is read to its end here. */
async function fetchWhole(url: string, options: RequestInit): Promise<Response> {
  const response = await fetch(url, { ...options, signal: AbortSignal.timeout(ANSWER_MILLISECONDS) });
  const body = await response.text();
  const json = /\bjson\b/.test(response.headers.get("content-type") ?? "");
  if (response.ok && body && !json) throw new Error("what answered is not GitHub's API");
  return new Response(body || null, response);
}

function retryLimited(seconds: number, _request: unknown, _octokit: unknown, retries: number): boolean {
  return retries < RETRIES && seconds <= LONGEST_WAIT_SECONDS;
}

function demand(valid: boolean, what: string, value: unknown): void {
  if (!valid)
    throw new UserError(`This is not ${what}: ${shortened(JSON.stringify(value) ?? "nothing", 60)}`);
}

function demandRepository(repository: string): void {
  // ".." would lead to another address of the API.
  const named = /^[\w.-]+\/[\w.-]+$/.test(repository) && !/(^|\/)\.{1,2}(\/|$)/.test(repository);
  demand(named, "a GitHub repository (owner/name)", repository);
}

function demandPullRequest(repository: string, number: number): void {
  demandRepository(repository);
  demand(Number.isSafeInteger(number) && number > 0, "a pull request's number", number);
}

function demandReviewed(pullRequest: PullRequest): PullRequest {
  demandPullRequest(pullRequest.repository, pullRequest.number);
  demand(SHA.test(pullRequest.commit), "a commit's full SHA", pullRequest.commit);
  return pullRequest;
}

function ownerAndName(repository: string) {
  const [owner = "", repo = ""] = repository.split("/");
  return { owner, repo };
}

/** The text as GitHub keeps it, and without what would pass for our own lines. */
function cleaned(text: string): string {
  return text.replaceAll("\r\n", "\n").trimEnd().replaceAll("<!-- slipway-review", "<!-- slipway_review");
}

function parsed(body: string, project: string): Review | undefined {
  // Who edits it on the website saves it with CRLF.
  const [first = "", ...lines] = body.replaceAll("\r\n", "\n").split("\n");
  const [, owner, commit = "", sequence] = MARKER.exec(first) ?? [];
  if (owner !== project) return undefined;
  const rest = lines.join("\n");
  const end = rest.indexOf(PREVIOUS);
  const [text, previous] = end < 0 ? [rest, ""] : [rest.slice(0, end), rest.slice(end)];
  return { commit, sequence: Number(sequence), text: text.trimEnd(), previous: previous.trimEnd() };
}

function collapsed(review: Review | undefined): string {
  if (!review) return "";
  const summary = `<summary>Review of ${short(review.commit)}</summary>`;
  return `${PREVIOUS}<details>${summary}\n\n${review.text}\n\n</details>`;
}

/** The body that is the latest review of the commit; of equals, the first. */
function latestOf(commit: string, bodies: readonly string[], project: string): string | undefined {
  let [latest, sequence]: [string | undefined, number] = [undefined, -1];
  for (const body of bodies) {
    const review = parsed(body, project);
    if (review?.commit === commit && review.sequence > sequence) [latest, sequence] = [body, review.sequence];
  }
  return latest;
}

function ofAnOlderCommit(commit: string, head: string): string {
  return `_This is the review of an older commit, ${short(commit)}: the pull request is at ${short(head)} by now._`;
}

function short(commit: string): string {
  return commit.slice(0, 7);
}

function shortened(text: string, length: number): string {
  const characters = [...text];
  return characters.length <= length ? text : `${characters.slice(0, length - 1).join("")}…`;
}

function isHttps(url: string | undefined): boolean {
  return url !== undefined && URL.canParse(url) && new URL(url).protocol === "https:";
}

function isStatus(error: unknown, status: number): boolean {
  return error instanceof RequestError && error.status === status;
}

/** `says` is the error's message, fit to be shown. */
function refusal(error: RequestError, { permission, subject }: Errand, says: string): string {
  if (!error.response) return `GitHub cannot be reached (${says}). Start the build again later.`;
  const { status } = error;
  const headers = error.response.headers as Record<string, string | undefined>;
  if (status === 401) {
    return "GitHub does not know this token: it was mistyped, has expired or was revoked. Store another with npm run connect.";
  }
  if (isRateLimit(error, headers)) {
    return `GitHub has had too many requests with this token. Start the build again ${limitedUntil(headers)}.`;
  }
  if (status === 403 && headers["x-github-sso"] !== undefined) {
    return "the organization has not given its consent to this token. Authorize it (Configure SSO) in the token's settings on GitHub.";
  }
  if (status === 403) {
    return `this token may not do it. It needs ${needed(headers, permission)}: see its settings on GitHub. GitHub says: ${says}`;
  }
  if (status === 404) {
    return `there is no ${subject} that this token may see and write to. Check the name; the token needs ${needed(headers, permission)}.`;
  }
  if (status === 422 && /no commit found/i.test(error.message)) {
    return `there is no ${subject}. Was it pushed, or has a forced push removed it?`;
  }
  if (status >= 500)
    return `GitHub answers ${status}. Start the build again later; see https://www.githubstatus.com.`;
  return `GitHub answers ${status}. GitHub says: ${says}`;
}

/** What the token would need. GitHub tells in headers; a classic token is the one that has scopes. */
function needed(headers: Record<string, string | undefined>, permission: string): string {
  const scopes = headers["x-oauth-scopes"];
  if (scopes !== undefined) {
    const accepted = headers["x-accepted-oauth-scopes"] || "repo";
    return `the scope repo (GitHub accepts: ${accepted}; it has: ${scopes || "none"})`;
  }
  const accepted = headers["x-accepted-github-permissions"];
  const hint = accepted ? ` (GitHub accepts: ${accepted})` : "";
  return `the permission ${permission}${hint}, or the scope repo if it is a classic token`;
}

function isRateLimit(
  { status, message }: RequestError,
  headers: Record<string, string | undefined>,
): boolean {
  if (status === 429) return true;
  const exhausted = headers["x-ratelimit-remaining"] === "0" || headers["retry-after"] !== undefined;
  return status === 403 && (exhausted || /rate limit/i.test(message));
}

function limitedUntil(headers: Record<string, string | undefined>): string {
  const seconds = Number(headers["retry-after"]);
  if (seconds > 0) return `in ${seconds} seconds`;
  const reset = Number(headers["x-ratelimit-reset"]);
  return reset > 0 && reset < 1e11 ? `after ${new Date(reset * 1000).toISOString()}` : "in an hour";
}

function oneLine(text: string): string {
  return shortened(text.replace(/\s+/g, " ").trim(), 300);
}
