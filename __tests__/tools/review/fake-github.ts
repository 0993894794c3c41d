import { once } from "node:events";
import { createServer, type IncomingMessage, type OutgoingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";

/** Who comments: the token's own account, and others. */
export const [US, SOMEBODY, OTHER_BOT] = [1, 2, 3];
export const REPOSITORY = "acme/hello";
export const NUMBER = 7;

export type Answer = [status: number, body?: unknown, headers?: OutgoingHttpHeaders];

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
      const [status, body, headers] = await this.answer(request);
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

  async answer(request: IncomingMessage): Promise<Answer> {
    const body = await text(request);
    const query = request.url === "/graphql" ? ` ${JSON.parse(body).query}` : "";
    const what = `${request.method} ${request.url}${query}`;
    const token = request.headers.authorization?.replace(/^\w+ /, "") ?? "";
    this.requests.push(what);
    return (await this.before(what, token)) ?? this.route(what, body === "" ? {} : JSON.parse(body), request);
  }

  private route(what: string, input: Record<string, unknown>, request: IncomingMessage): Answer {
    const issue = `/repos/${REPOSITORY}/issues`;
    const url = new URL(request.url ?? "", `http://${request.headers.host}`);
    const route = `${request.method} ${url.pathname}`;
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
    if (comment && request.method === "GET") return [200, this.shown(comment)];
    if (comment && request.method === "PATCH") {
      if (comment.edits.length === 0) comment.edits.push(comment.body);
      comment.body = String(input.body);
      comment.edits.unshift(comment.body);
      return [200, this.shown(comment)];
    }
    if (comment && request.method === "DELETE") {
      this.comments = this.comments.filter((other) => other !== comment);
      return [204];
    }
    if (what.startsWith(`POST /repos/${REPOSITORY}/statuses/`)) {
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
