import { type AwsRequest, isFields } from "./aws-request";
import type { Quirk, QuirkAnswer } from "./quirks";

/** What somebody has posted, to GitHub or to a chat. */
export interface Post {
  /** As `2026-01-24T22:03:07.000Z`. */
  readonly when: string;
  readonly to: "github" | "chat";
  /** As the service itself has it: `/repos/acme/shop/statuses/c0ffee`; of the chat `/`. */
  readonly path: string;
  /** An object, or the text where it is not JSON. */
  readonly body: unknown;
  /** Whether it came with a token, whatever that is. */
  readonly authorized: boolean;
  /** Of the answer, as 201. */
  readonly status: number;
}

/** Below it is all that Local AWS answers itself, and nothing of AWS. */
const OWN = "/local-aws/";
const CHAT = "/local-aws/chat";
const POSTS = "/local-aws/posts";
const GITHUB = /^\/local-aws\/github(\/.*)$/;
const STATUS = /^\/repos\/([\w.-]+)\/([\w.-]+)\/statuses\/([\w.-]+)$/;
/** How many are kept: the newest. */
const MOST = 1000;
/** The longest description of a status that GitHub takes, in characters. */
const LONGEST_DESCRIPTION = 140;

/** Where functions and builds find GitHub's API. */
export const githubUrl = (endpoint: string): string => `${endpoint}/local-aws/github`;

/** Stands in for GitHub's API and for a chat's webhook: remembers what is posted there, and tells it. */
export function posts(endpoint: () => string): Quirk {
  const all: Post[] = [];
  const keep = (to: Post["to"], path: string, { headers, body }: AwsRequest, answer: QuirkAnswer) => {
    const authorized = Boolean(headers.authorization);
    const { status } = answer;
    all.push({ when: new Date().toISOString(), to, path, body: contentOf(body), authorized, status });
    all.splice(0, all.length - MOST);
    return answer;
  };
  return {
    reason: "moto is AWS alone: there is no GitHub, and no chat",
    // What is signed is a request to AWS: a bucket may have any name.
    concerns: ({ service, url }) => !service && url.pathname.startsWith(OWN),
    answer(request) {
      const { method, url } = request;
      const [, path] = GITHUB.exec(url.pathname) ?? [];
      if (path) {
        const answer = github(request, path, githubUrl(endpoint()));
        return method === "POST" ? keep("github", path, request, answer) : answer;
      }
      if (url.pathname === CHAT && method === "POST") return keep("chat", "/", request, chat(request));
      if (url.pathname === POSTS && method === "GET") return json(200, all);
      return json(404, { message: `Local AWS answers nothing at ${method} ${url.pathname}` });
    },
  };
}

function github({ method, headers, body }: AwsRequest, path: string, url: string): QuirkAnswer {
  const [, owner, repository, sha] = STATUS.exec(path) ?? [];
  // There is no repository: GitHub says no more to who may not see one.
  if (method !== "POST" || !sha) return refusal(404, "Not Found");
  if (!headers.authorization) return refusal(401, "Requires authentication");
  const content = contentOf(body);
  if (!isFields(content)) return refusal(400, "Problems parsing JSON");
  const { state, description = null, target_url = null, context = "default" } = content;
  if (!/^(error|failure|pending|success)$/.test(String(state)))
    return refusal(422, "Validation Failed", "State is not included in the list");
  if (String(description ?? "").length > LONGEST_DESCRIPTION)
    return refusal(
      422,
      "Validation Failed",
      `description is too long (maximum is ${LONGEST_DESCRIPTION} characters)`,
    );
  const now = new Date();
  const time = now.toISOString().replace(/\.\d+Z$/, "Z");
  return json(201, {
    url: `${url}/repos/${owner}/${repository}/statuses/${sha}`,
    id: now.getTime(),
    state,
    description,
    target_url,
    context,
    created_at: time,
    updated_at: time,
  });
}

function refusal(status: number, message: string, error?: string): QuirkAnswer {
  const errors = error && [{ resource: "Status", code: "custom", message: error }];
  return json(status, {
    message,
    ...(errors && { errors }),
    documentation_url: "https://docs.github.com/rest",
    status: String(status),
  });
}

/** As an incoming webhook of Slack's. */
function chat({ body }: AwsRequest): QuirkAnswer {
  const content = contentOf(body);
  const isMessage =
    isFields(content) &&
    ((typeof content.text === "string" && content.text !== "") ||
      (Array.isArray(content.blocks) && content.blocks.length > 0));
  const headers = { "content-type": "text/html" };
  return { status: isMessage ? 200 : 400, headers, body: Buffer.from(isMessage ? "ok" : "invalid_payload") };
}

function contentOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return body.toString();
  }
}

function json(status: number, content: unknown): QuirkAnswer {
  const headers = { "content-type": "application/json; charset=utf-8" };
  return { status, headers, body: Buffer.from(JSON.stringify(content, undefined, 2)) };
}
