import { type Fetch, Refused } from "../../shared/ask";
import { GitHubApi } from "../../shared/github-api";
import * as z from "../../shared/zod";

/** What GitHub takes as a status of a commit. */
export interface Status {
  readonly state: "pending" | "success" | "failure" | "error";
  readonly description: string;
  readonly context: string;
  readonly target_url?: string;
}

const commit = z.object({
  commit: z.object({
    author: z.nullish(z.object({ name: z.optional(z.string()), date: z.optional(z.string()) })),
  }),
});

const PERMISSIONS = "Contents and Commit statuses";

/** GitHub, as far as reports need it: two requests. */
export class GitHub {
  private readonly api: GitHubApi;

  constructor(
    fetcher: Fetch,
    api: string,
    private readonly repository: string,
    token: string,
  ) {
    this.api = new GitHubApi({ fetcher, api, repository, token });
  }

  /** Who wrote a commit, and when. @throws Error, Refused */
  async author(sha: string): Promise<{ readonly name?: string; readonly date?: string }> {
    const text = await this.ask(`commits/${sha}`, "read its commits");
    return commit.safeParse(parsed(text)).data?.commit.author ?? {};
  }

  /** Sets the status of a commit. @throws Error, Refused */
  async setStatus(sha: string, { state, description, context, target_url }: Status): Promise<void> {
    const status = { state, description, context, target_url };
    await this.ask(`statuses/${sha}`, "set the statuses of its commits", status);
  }

  private async ask(path: string, what: string, body?: object): Promise<string> {
    const answer = await this.api.ask(path, { body });
    if (answer.status === 422)
      throw new Refused(`GitHub does not take it for ${this.repository} (422): it does not know the commit.`);
    this.api.check(answer, { what, permissions: PERMISSIONS });
    return answer.text;
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
