import { type Answer, ask, type Fetch, Refused } from "./ask";

export interface GitHubProps {
  readonly fetcher: Fetch;
  /** As `https://api.github.com`. */
  readonly api: string;
  /** `owner/name` */
  readonly repository: string;
  readonly token: string;
}

export interface Request {
  /** Sent as JSON. */
  readonly body?: object;
  /** @default "POST" with a body, else "GET" */
  readonly method?: string;
}

/** What a question is for, so that a refusal says what lacks. */
export interface Errand {
  /** As "set the statuses of its commits". */
  readonly what: string;
  /** Permissions of a fine-grained token, as "Contents and Commit statuses". */
  readonly permissions: string;
}

/**
 * One repository at GitHub, by fetch. Octokit, which the reviews post with, would make a function's bundle several times
 * as large.
 */
export class GitHubApi {
  constructor(private readonly props: GitHubProps) {}

  get repository(): string {
    return this.props.repository;
  }

  /** @param path below the repository; empty for itself. @throws Error */
  ask(path: string, request?: Request): Promise<Answer> {
    return this.askAt(`/repos/${this.props.repository}${path && `/${path}`}`, request);
  }

  /** @param path below the API itself, as "/graphql". @throws Error */
  askAt(path: string, { body, method }: Request = {}): Promise<Answer> {
    const { fetcher, api, token } = this.props;
    return ask(fetcher, "GitHub", `${api}${path}`, {
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
        "user-agent": "slipway",
      },
      body,
      method,
    });
  }

  /**
   * Lets pass what is a success alone.
   *
   * @throws Refused for what somebody has to mend, Error for what may be better later
   */
  check({ status, ok, headers, text }: Answer, { what, permissions }: Errand): void {
    if (ok) return;
    const { repository } = this.props;
    // Of too many requests GitHub says 403 as well (REST API, "Rate limits").
    const limited =
      status === 429 ||
      headers.get("x-ratelimit-remaining") === "0" ||
      headers.has("retry-after") ||
      (status === 403 && /\brate limit\b/i.test(text));
    if (limited) throw new Error(`GitHub has had too many requests (${status}): it is asked again later`);
    if (status >= 300 && status < 400)
      throw new Refused(
        `GitHub has ${repository} elsewhere now (${status}): it was renamed or moved. Give its new name in terraform.tfvars, and deploy`,
      );
    const why: Readonly<Record<number, string>> = {
      401: "it does not know the token: it has expired or was revoked",
      403: `the token may not ${what}: it lacks the scope repo (a fine-grained one the permissions ${permissions}), or the organization's consent (SSO)`,
      404: `there is no ${repository} that the token may see, or it lacks the scope repo`,
    };
    if (why[status])
      throw new Refused(
        `GitHub refuses ${repository} (${status}): ${why[status]}. Make a new token, and store it: npm run connect`,
      );
    throw new Error(`GitHub answers ${status} for ${repository}`);
  }
}
