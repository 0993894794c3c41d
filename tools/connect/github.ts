import { UserError } from "../project";

const TOKEN = /^(gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|[0-9a-f]{40})$/;

/** GitHub is slow at times, but not so slow. */
const ANSWER_MILLISECONDS = 15_000;

export interface CheckOptions {
  /** Whether GitHub is asked; the token's form is looked at in any case. */
  readonly ask: boolean;
  /** @default "https://api.github.com" */
  readonly api?: string;
}

/** @throws UserError, without the token, where it cannot work */
export async function checkToken(
  token: string,
  repository: string,
  { ask, api = "https://api.github.com" }: CheckOptions,
): Promise<void> {
  if (!TOKEN.test(token)) {
    throw new UserError(
      "This is not a GitHub token: one begins with ghp_ or github_pat_. Make one at https://github.com/settings/tokens.",
    );
  }
  if (!ask) return;
  const response = await fetch(`${api}/repos/${repository}`, {
    headers: {
      authorization: `Bearer ${token}`,
      accept: "application/vnd.github+json",
      "user-agent": "slipway",
    },
    signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
  }).catch((error: Error) => {
    throw new UserError(
      `GitHub cannot be reached (${error.message}). With --no-check the token is taken unseen.`,
    );
  });
  if (response.status === 403 && response.headers.get("x-ratelimit-remaining") === "0") {
    throw new UserError(
      "GitHub has had too many requests with this token: try again in an hour, or use --no-check.",
    );
  }
  const why: Record<number, string> = {
    401: "GitHub does not know this token: it was mistyped, has expired or was revoked.",
    403: `GitHub does not let this token read ${repository}: it lacks the scope repo, or the organization's consent (SSO).`,
    404: `There is no ${repository} that this token may see: check the name in terraform.tfvars and the scope repo.`,
  };
  if (!response.ok)
    throw new UserError(
      why[response.status] ?? `GitHub answers ${response.status}: try again later, or use --no-check.`,
    );
}
