import { z } from "zod";
import { UserError } from "../project";

const TOKEN = /^(gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_[A-Za-z0-9_]{20,255}|[0-9a-f]{40})$/;

/** GitHub is slow at times, but not so slow. */
const ANSWER_MILLISECONDS = 15_000;

/** A repository may have 20 of an event: more are on no page. */
const MOST_HOOKS = 100;

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
  const { status, ok } = await request(token, "GET", `${api}/repos/${repository}`);
  const why: Record<number, string> = {
    403: `GitHub does not let this token read ${repository}: it lacks the scope repo, or the organization's consent (SSO).`,
    404: `There is no ${repository} that this token may see: check the name in terraform.tfvars and the scope repo.`,
  };
  if (!ok)
    throw new UserError(why[status] ?? `GitHub answers ${status}: try again later, or use --no-check.`);
}

/** What GitHub is to tell, and where. */
export interface Hook {
  readonly url: string;
  readonly secret: string;
  /** As GitHub's API names them. */
  readonly events: readonly string[];
}

/** GitHub does not let this token do it. */
export class NotAllowed extends Error {
  override readonly name = "NotAllowed";
}

const hooks = z.array(
  z.object({ id: z.int(), config: z.object({ url: z.string().optional() }).default({}) }),
);

/**
 * Makes a webhook of a repository, or repairs the one that there is: all of it is set anew.
 *
 * @param isOurs by its address, whether a webhook is one that this one takes the place of
 * @throws NotAllowed
 * @throws UserError, without the token and the secret, where GitHub does not take it
 */
export async function connectHook(
  token: string,
  repository: string,
  { url, secret, events }: Hook,
  isOurs: (url: string) => boolean,
  api = "https://api.github.com",
): Promise<"made" | "repaired"> {
  const address = `${api}/repos/${repository}/hooks`;
  const { data: known } = hooks.safeParse(await ask("GET", `${address}?per_page=${MOST_HOOKS}`));
  if (!known) throw new UserError(`What answers at ${api} for the webhooks of ${repository} is not GitHub.`);
  const at = (test: (url: string) => boolean) => known.find(({ config }) => test(config.url ?? ""));
  const own = at((other) => other === url) ?? at(isOurs);
  const config = { url, content_type: "json", secret, insecure_ssl: "0" };
  const hook = { active: true, events, config };
  if (own) await ask("PATCH", `${address}/${own.id}`, hook);
  else await ask("POST", address, { name: "web", ...hook });
  return own ? "repaired" : "made";

  async function ask(method: string, where: string, body?: object): Promise<unknown> {
    const { status, ok, text } = await request(token, method, where, body);
    if (status === 403 || status === 404) throw new NotAllowed(`GitHub answers ${status}`);
    if (ok) return parsed(text);
    const said = text.replaceAll(secret, "(hidden)").replace(/\s+/g, " ").slice(0, 300);
    throw new UserError(`GitHub does not take the webhook of ${repository} (${status}): ${said}`);
  }
}

/** What an answer holds; nothing where it is no JSON, as a proxy's page is. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** @throws UserError, without the token, where GitHub cannot be reached, knows no such token, or has had enough */
async function request(
  token: string,
  method: string,
  url: string,
  body?: object,
): Promise<{ readonly status: number; readonly ok: boolean; readonly text: string }> {
  try {
    const response = await fetch(url, {
      method,
      headers: {
        authorization: `Bearer ${token}`,
        accept: "application/vnd.github+json",
        "x-github-api-version": "2022-11-28",
        "user-agent": "slipway",
        ...(body && { "content-type": "application/json" }),
      },
      body: body && JSON.stringify(body),
      // It would take the token along.
      redirect: "manual",
      signal: AbortSignal.timeout(ANSWER_MILLISECONDS),
    });
    const { status, ok, headers } = response;
    if (status === 401)
      throw new UserError("GitHub does not know this token: it was mistyped, has expired or was revoked.");
    // Of too many writes at once it tells by the other header (REST API, "Rate limits").
    const isLimited = headers.get("x-ratelimit-remaining") === "0" || headers.has("retry-after");
    if (status === 429 || (status === 403 && isLimited))
      throw new UserError(
        "GitHub has had too many requests with this token: try again in an hour, or use --no-check.",
      );
    if (status >= 300 && status < 400)
      throw new UserError(
        `GitHub has the repository by another name by now (${status}): correct "repository" in terraform.tfvars.`,
      );
    return { status, ok, text: await response.text() };
  } catch (error) {
    if (error instanceof UserError) throw error;
    throw new UserError(
      `GitHub cannot be reached (${(error as Error).message}). With --no-check the token is taken unseen.`,
    );
  }
}
