import { once } from "node:events";
import { createServer, type OutgoingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** Who comments: the token's own account, and others. */
export const [US, SOMEBODY, OTHER_BOT] = [1, 2, 3];
export const REPOSITORY = "acme/hello";
export const NUMBER = 7;

export type Answer = [status: number, body?: unknown, headers?: OutgoingHttpHeaders];

interface Asked {
  readonly method: string;
  readonly url: string;
  readonly authorization?: string;
  readonly body: string;
}

interface Comment {
  readonly id: number;
  readonly user: number;
  body: string;
  /** Each text that it had, as GitHub keeps them; only an edited comment has any. */
  edits: string[];
}

/** As much of GitHub as a review needs: one pull request, its comments with their history, and statuses. */
export class FakeGitHub {
  comments: Comment[] = [];
  statuses: Record<string, unknown>[] = [];
  requests: string[] = [];
  /** Refuses a request, or does something before it. */
  before: (request: string, token: string) => Answer | undefined | Promise<Answer | undefined> = () =>
    undefined;
  pull: object = {};
  /** What GitHub calls the rights of an account, by its number. */
  permissions: Record<number, string> = { [US]: "admin" };
  private readonly server: Server;
  private ids = 100;

  constructor(public head: string) {
    this.server = createServer(async (request, response) => {
      const { method = "", url = "", headers: sent } = request;
      const { host, authorization } = sent;
      const asked = { method, url: `http://${host}${url}`, authorization, body: await text(request) };
      const [status, body, headers] = await this.answer(asked);
      response.writeHead(status, { "content-type": "application/json; charset=utf-8", ...headers });
      response.end(body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body));
    });
  }

  /** @returns its address */
  async start(): Promise<string> {
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  /** As new, of another head. */
  restart(head: string): void {
    Object.assign(this, { head, comments: [], statuses: [], requests: [], ids: 100 });
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  add(body: string, user = US): Comment {
    const comment = { id: this.ids++, user, body, edits: [] };
    this.comments.push(comment);
    return comment;
  }

  get writes(): string[] {
    return this.requests.filter((request) => /^(POST|PATCH|DELETE) \/repos/.test(request));
  }

  /** Answers what is asked by `fetch` from now on, without a connection: most of a request is its way. */
  answerFetch(): void {
    jest.spyOn(global, "fetch").mockImplementation(async (url, { method = "GET", headers, body } = {}) => {
      const { authorization } = headers as Record<string, string>;
      const asked = { method, url: String(url), authorization, body: String(body ?? "") };
      const [status, answer, more] = await this.answer(asked);
      const json = { "content-type": "application/json; charset=utf-8" };
      return new Response(answer === undefined ? null : JSON.stringify(answer), {
        status,
        headers: { ...json, ...more } as Record<string, string>,
      });
    });
  }

  private async answer({ method, url: address, authorization = "", body }: Asked): Promise<Answer> {
    const url = new URL(address);
    const query = url.pathname === "/graphql" ? ` ${JSON.parse(body).query}` : "";
    const what = `${method} ${url.pathname}${url.search}${query}`;
    this.requests.push(what);
    const refused = await this.before(what, authorization.replace(/^\w+ /, ""));
    return refused ?? this.route(method, url, body === "" ? {} : JSON.parse(body));
  }

  private route(method: string, url: URL, input: Record<string, unknown>): Answer {
    const issue = `/repos/${REPOSITORY}/issues`;
    const route = `${method} ${url.pathname}`;
    if (route === "POST /graphql") return this.graphql(input as never);
    if (route === `GET /repos/${REPOSITORY}/pulls/${NUMBER}`) {
      const repo = { full_name: REPOSITORY };
      return [
        200,
        { state: "open", head: { sha: this.head, repo }, base: { ref: "main", repo }, ...this.pull },
      ];
    }
    if (route === `GET /repos/${REPOSITORY}/commits/${this.head}/pulls`)
      return [200, [{ number: NUMBER, state: "open", head: { sha: this.head }, ...this.pull }]];
    const [, account] = /^GET \/repos\/acme\/hello\/collaborators\/user(\d)\/permission$/.exec(route) ?? [];
    if (account) return [200, { permission: this.permissions[Number(account)] ?? "read" }];
    if (route === `GET ${issue}/${NUMBER}/comments`) return this.list(url);
    if (route === `POST ${issue}/${NUMBER}/comments`) return [201, this.shown(this.add(String(input.body)))];
    const comment = this.comments.find(({ id }) => url.pathname === `${issue}/comments/${id}`);
    if (comment && method === "GET") return [200, this.shown(comment)];
    if (comment && method === "PATCH") {
      if (comment.edits.length === 0) comment.edits.push(comment.body);
      comment.body = String(input.body);
      comment.edits.unshift(comment.body);
      return [200, this.shown(comment)];
    }
    if (comment && method === "DELETE") {
      this.comments = this.comments.filter((other) => other !== comment);
      return [204];
    }
    if (route.startsWith(`POST /repos/${REPOSITORY}/statuses/`)) {
      this.statuses.push({ ...input, sha: url.pathname.slice(-40) });
      return [201, {}];
    }
    return [404, { message: "Not Found" }];
  }

  private graphql({ query, variables }: { query: string; variables?: { ids: string[] } }): Answer {
    if (/\bviewer\b/.test(query)) return [200, { data: { viewer: { databaseId: US } } }];
    const nodes = variables?.ids.map((id) => {
      const comment = this.comments.find((candidate) => `node-${candidate.id}` === id);
      return comment ? { userContentEdits: { nodes: comment.edits.map((diff) => ({ diff })) } } : null;
    });
    return [200, { data: { nodes } }];
  }

  private list(url: URL): Answer {
    const [size, page] = [
      Number(url.searchParams.get("per_page")),
      Number(url.searchParams.get("page") ?? 1),
    ];
    const next = new URL(url);
    next.searchParams.set("page", String(page + 1));
    const more = this.comments.length > size * page;
    const shown = this.comments.slice(size * (page - 1), size * page).map((comment) => this.shown(comment));
    return [200, shown, more ? { link: `<${next}>; rel="next"` } : {}];
  }

  private shown({ id, user, body }: Comment) {
    return {
      id,
      node_id: `node-${id}`,
      body,
      user: { id: user, login: `user${user}`, type: user === OTHER_BOT ? "Bot" : "User" },
    };
  }
}

/**
 * Lets nobody wait: Octokit waits between writes, and before it tries again.
 *
 * @returns the milliseconds that it would have waited, as it goes on
 */
export function withoutWaits(): number[] {
  const waits: number[] = [];
  jest.spyOn(global, "setTimeout").mockImplementation(((run: () => void, milliseconds = 0) => {
    waits.push(milliseconds);
    return setImmediate(run);
  }) as never);
  return waits;
}
