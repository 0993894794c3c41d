import { type AwsRequest, isFields } from "./aws-request";
import { contentOf, GitHub, json } from "./github";
import { control } from "./github/control";
import type { Quirk, QuirkAnswer } from "./quirks";
import type { CodeCommit } from "./services/codecommit";

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
const REPOSITORY = "/local-aws/repository";
const DELIVERIES = "/local-aws/deliveries";
const GITHUB = /^\/local-aws\/github(\/.*)$/;
/** How many are kept: the newest. */
const MOST = 1000;

/** Where functions and builds find GitHub's API. */
export const githubUrl = (endpoint: string): string => `${endpoint}/local-aws/github`;

export interface PostsProps {
  readonly endpoint: () => string;
  readonly codecommit: CodeCommit;
  /** Whose the repositories of CodeCommit are. */
  readonly account: string;
}

/**
 * Stands in for GitHub's API and for a chat's webhook: remembers what is posted there, and tells it. What people do with a
 * repository is posted to `/local-aws/repository`, and what GitHub's hooks were told stands at `/local-aws/deliveries`.
 */
export function posts({ endpoint, codecommit, account }: PostsProps): Quirk {
  const all: Post[] = [];
  const github = new GitHub(() => githubUrl(endpoint()));
  const keep = (to: Post["to"], path: string, { headers, body }: AwsRequest, answer: QuirkAnswer) => {
    const authorized = Boolean(headers.authorization);
    const { status } = answer;
    const content = withoutSecret(contentOf(body));
    all.push({ when: new Date().toISOString(), to, path, body: content, authorized, status });
    all.splice(0, all.length - MOST);
    return answer;
  };
  return {
    reason: "moto is AWS alone: there is no GitHub, and no chat",
    // What is signed is a request to AWS: a bucket may have any name.
    concerns: ({ service, url }) => !service && url.pathname.startsWith(OWN),
    async answer(request) {
      const { method, url } = request;
      const [, path] = GITHUB.exec(url.pathname) ?? [];
      if (path) {
        const answer = await github.answer(request, path);
        return method === "POST" ? keep("github", path, request, answer) : answer;
      }
      if (url.pathname === CHAT && method === "POST") return keep("chat", "/", request, chat(request));
      if (url.pathname === POSTS && method === "GET") return json(200, all);
      if (url.pathname === REPOSITORY && method === "POST")
        return control({ github, codecommit, account }, request);
      if (url.pathname === DELIVERIES && method === "GET") return json(200, github.deliveries);
      return json(404, { message: `Local AWS answers nothing at ${method} ${url.pathname}` });
    },
    stop: () => github.stop(),
  };
}

/** By a hook's secret anybody could say that he is GitHub. */
function withoutSecret(content: unknown): unknown {
  if (!isFields(content) || !isFields(content.config) || !content.config.secret) return content;
  return { ...content, config: { ...content.config, secret: "********" } };
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
