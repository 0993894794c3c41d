import * as z from "zod";
import { type Answer, ask, type Fetch, Refused } from "./post";

/** What GitHub takes as a status of a commit. */
export interface Status {
  readonly state: "pending" | "success" | "failure" | "error";
  readonly description: string;
  readonly context: string;
  readonly target_url?: string;
}

const commit = z.object({
  commit: z.object({
    author: z.object({ name: z.string().optional(), date: z.string().optional() }).nullish(),
  }),
});

/**
 * GitHub, as far as reports need it: two requests by fetch. Octokit, which the reviews post with, would make the
 * function's bundle several times as large.
 */
export class GitHub {
  constructor(
    private readonly fetcher: Fetch,
    private readonly api: string,
    private readonly repository: string,
    private readonly token: string,
  ) {}

  /** Who wrote a commit, and when. @throws Error, Refused */
  async author(sha: string): Promise<{ readonly name?: string; readonly date?: string }> {
    const answer = await this.ask(`commits/${sha}`);
    this.check(answer, "read its commits");
    return commit.safeParse(parsed(answer.text)).data?.commit.author ?? {};
  }

  /** Sets the status of a commit. @throws Error, Refused */
  async setStatus(sha: string, { state, description, context, target_url }: Status): Promise<void> {
    const answer = await this.ask(`statuses/${sha}`, { state, description, context, target_url });
    this.check(answer, "set the statuses of its commits");
  }

  private ask(path: string, body?: object): Promise<Answer> {
    return ask(this.fetcher, "GitHub", `${this.api}/repos/${this.repository}/${path}`, {
      headers: {
        authorization: `Bearer ${this.token}`,
        accept: "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
        "user-agent": "slipway",
      },
      body,
    });
  }

  private check({ status, ok, headers }: Answer, what: string): void {
    if (ok) return;
    const { repository } = this;
    // Of too many requests GitHub says 403 as well (REST API, "Rate limits").
    if (status === 429 || headers.get("x-ratelimit-remaining") === "0" || headers.has("retry-after"))
      throw new Error(`GitHub has had too many requests (${status}): it is asked again later`);
    const why: Readonly<Record<number, string>> = {
      401: "it does not know the token: it has expired or was revoked",
      403: `the token may not ${what}: it lacks the scope repo (a fine-grained one the permissions Contents and Commit statuses), or the organization's consent (SSO)`,
      404: `there is no ${repository} that the token may see, or it lacks the scope repo`,
      422: "it does not know the commit",
    };
    if (status === 422) throw new Refused(`GitHub does not take it for ${repository} (422): ${why[422]}.`);
    if (why[status])
      throw new Refused(
        `GitHub refuses ${repository} (${status}): ${why[status]}. Make a new token, and store it: npm run connect`,
      );
    throw new Error(`GitHub answers ${status} for ${repository}`);
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
