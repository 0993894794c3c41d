import { createHash } from "node:crypto";
import type { z } from "zod";
import { type AwsRequest, isFields } from "../aws-request";
import type { QuirkAnswer } from "../quirks";
import { commentEvent, hookEvents } from "./events";
import { changedHook, type Delivery, Hooks, newHook } from "./hooks";
import { type Change, type Comment, type PullRequest, Repository } from "./repository";
import {
  commentShape,
  commitShape,
  gitCommitShape,
  idOf,
  pullShape,
  repositoryShape,
  timeOf,
  userOf,
} from "./shapes";

/** The longest description of a status that GitHub takes, in characters. */
const LONGEST_DESCRIPTION = 140;
const LONGEST_COMMENT = 65_536;

/** What GitHub keeps of one repository. */
interface Kept {
  readonly repository: Repository;
  readonly hooks: Hooks;
  /** Of commits, the newest first. */
  readonly statuses: Map<string, object[]>;
}

interface Call extends Kept {
  readonly request: AwsRequest;
  /** Parts of the path. */
  readonly parts: readonly string[];
  /** Login of whom the token belongs to. */
  readonly login: string;
}

type Route = readonly [method: string, path: RegExp, run: (call: Call) => QuirkAnswer | Promise<QuirkAnswer>];

const REPOSITORY = /^\/repos\/([\w.-]+\/[\w.-]+)(\/.*)?$/;
/** As `/statuses/<commit>`, below the repository. */
const STATUSES = /^\/statuses\/([\w.-]+)$/;

/**
 * Stands in for GitHub's REST API: repositories with branches, pull requests, comments, statuses and hooks, in GitHub's
 * documented shapes. Whoever comes with a token, whatever it is, finds every repository that he asks for.
 */
export class GitHub {
  /** What hooks were told, the oldest first. */
  readonly deliveries: Delivery[] = [];
  private readonly all = new Map<string, Kept>();
  private readonly work = new Set<Promise<unknown>>();
  private number = 0;

  /** @param api address of the API */
  constructor(private readonly api: () => string) {}

  /** Changes a repository, and tells its hooks. @returns ids of the deliveries, after all hooks have answered */
  async change(
    name: string,
    make: (repository: Repository) => readonly Change[],
  ): Promise<{ readonly changes: readonly Change[]; readonly deliveries: readonly string[] }> {
    const { repository, hooks } = this.keptOf(name);
    const changes = make(repository);
    const events = changes.flatMap((change) => hookEvents(this.api(), repository, change));
    return { changes, deliveries: await hooks.tell(events) };
  }

  /** Somebody's comment on a pull request. @returns ids of the deliveries */
  comment(name: string, number: number, author: string, body: string): Promise<string[]> {
    const kept = this.keptOf(name);
    const pull = kept.repository.pull(number);
    return this.tellComment(kept, pull, kept.repository.comment(number, author, body), "created");
  }

  /** Delivers again what was delivered. @returns undefined where there is none of that id, or its hook is gone */
  async redeliver(guid: string): Promise<string | undefined> {
    const delivery = this.deliveries.find((one) => one.guid === guid);
    return delivery && this.keptOf(delivery.repository).hooks.redeliver(delivery);
  }

  /** @param path below the API */
  async answer(request: AwsRequest, path: string): Promise<QuirkAnswer> {
    const { method, headers } = request;
    const [, token = ""] = /^(?:Bearer|token)\s+(\S+)$/i.exec(headers.authorization ?? "") ?? [];
    const [, name, rest = ""] = REPOSITORY.exec(path) ?? [];
    const isStatus = method === "POST" && STATUSES.test(rest);
    if (!token && (isStatus || !name)) return refusal(401, "Requires authentication");
    // GitHub says no more to who may not see a repository.
    if (!token) return notFound();
    const login = `user-${createHash("sha256").update(token).digest("hex").slice(0, 7)}`;
    if (method === "GET" && path === "/user") return json(200, userOf(login));
    if (method === "POST" && path === "/graphql") return graphql(request, login);
    if (!name) return notFound();
    for (const [wanted, form, run] of this.routes) {
      const [whole, ...parts] = (method === wanted && form.exec(rest)) || [];
      if (whole === undefined) continue;
      return run({ ...this.keptOf(name), request, parts: parts.map(decodeURIComponent), login });
    }
    return notFound();
  }

  /** Fulfilled when nothing is under way any more. */
  async stop(): Promise<void> {
    await Promise.all(this.work);
  }

  private readonly routes: readonly Route[] = [
    [
      "GET",
      /^$/,
      ({ repository }) =>
        json(200, {
          ...repositoryShape(this.api(), repository.name, repository.id),
          permissions: { admin: true, maintain: true, push: true, triage: true, pull: true },
        }),
    ],
    [
      "GET",
      /^\/branches$/,
      ({ repository, request }) =>
        this.page(
          request,
          [...repository.branches]
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
            .map((branch) => this.branch(...branch)),
        ),
    ],
    [
      "GET",
      /^\/branches\/([^/]+)$/,
      ({ repository, parts: [name = ""] }) => {
        const commit = repository.branches.get(name);
        return commit ? json(200, this.branch(name, commit)) : refusal(404, "Branch not found");
      },
    ],
    [
      "GET",
      /^\/git\/ref\/heads\/(.+)$/,
      ({ repository, parts: [name = ""] }) => {
        if (repository.commits.size === 0) return refusal(409, "Git Repository is empty.");
        const sha = repository.branches.get(name);
        return sha ? json(200, { ref: `refs/heads/${name}`, object: { type: "commit", sha } }) : notFound();
      },
    ],
    [
      "GET",
      /^\/git\/commits\/([0-9a-f]{40})$/,
      ({ repository, parts: [id = ""] }) => {
        const commit = repository.commits.get(id);
        return commit ? json(200, gitCommitShape(commit)) : notFound();
      },
    ],
    [
      "GET",
      /^\/commits\/([0-9a-f]{7,40})$/,
      ({ repository, parts: [id = ""] }) => {
        const commit = repository.commits.get(id);
        return commit
          ? json(200, commitShape(this.api(), repository.name, commit))
          : refusal(422, `No commit found for SHA: ${id}`);
      },
    ],
    [
      "GET",
      /^\/commits\/([0-9a-f]{40})\/pulls$/,
      ({ repository, request, parts: [id] }) =>
        this.page(
          request,
          [...repository.pulls.values()]
            .filter(({ head }) => head === id)
            .map((pull) => pullShape(this.api(), repository, pull)),
        ),
    ],
    [
      "GET",
      /^\/commits\/([\w.-]+)\/statuses$/,
      ({ request, statuses, parts: [id = ""] }) => this.page(request, statuses.get(id) ?? []),
    ],
    ["POST", STATUSES, (call) => this.setStatus(call)],
    ["GET", /^\/pulls$/, (call) => this.pulls(call)],
    [
      "GET",
      /^\/pulls\/(\d+)$/,
      ({ repository, parts: [number] }) => {
        const pull = repository.pulls.get(Number(number));
        return pull ? json(200, pullShape(this.api(), repository, pull)) : notFound();
      },
    ],
    [
      "GET",
      /^\/issues\/(\d+)\/comments$/,
      ({ repository, request, parts: [number] }) => {
        const pull = repository.pulls.get(Number(number));
        if (!pull) return notFound();
        const shown = pull.comments.map((one) => commentShape(this.api(), repository.name, pull.number, one));
        return this.page(request, shown);
      },
    ],
    ["POST", /^\/issues\/(\d+)\/comments$/, (call) => this.addComment(call)],
    ["GET", /^\/issues\/comments\/(\d+)$/, (call) => this.aboutComment(call)],
    ["PATCH", /^\/issues\/comments\/(\d+)$/, (call) => this.aboutComment(call)],
    ["DELETE", /^\/issues\/comments\/(\d+)$/, (call) => this.aboutComment(call)],
    ["GET", /^\/hooks$/, ({ request, hooks }) => this.page(request, hooks.all())],
    ["POST", /^\/hooks$/, (call) => this.addHook(call)],
    ["GET", /^\/hooks\/(\d+)$/, ({ hooks, parts: [id] }) => found(hooks.find(Number(id)))],
    [
      "PATCH",
      /^\/hooks\/(\d+)$/,
      ({ request, hooks, parts: [id] }) =>
        given(request, changedHook, "Hook", (change) => found(hooks.update(Number(id), change))),
    ],
    [
      "DELETE",
      /^\/hooks\/(\d+)$/,
      ({ hooks, parts: [id] }) => (hooks.delete(Number(id)) ? { status: 204 } : notFound()),
    ],
    [
      "POST",
      /^\/hooks\/(\d+)\/pings$/,
      ({ hooks, repository, login, parts: [id] }) => {
        if (!hooks.find(Number(id))) return notFound();
        this.begin(this.ping(hooks, Number(id), repository, login));
        return { status: 204 };
      },
    ],
  ];

  private keptOf(name: string): Kept {
    const key = name.toLowerCase();
    const known = this.all.get(key);
    if (known) return known;
    const next = () => ++this.number;
    const kept = {
      repository: new Repository(name, idOf(key), { next, likeGitHub: true }),
      hooks: new Hooks(name, this.api(), next, this.deliveries),
      statuses: new Map(),
    };
    this.all.set(key, kept);
    return kept;
  }

  private readonly branch = (name: string, sha: string) => ({ name, commit: { sha }, protected: false });

  private pulls({ repository, request }: Call): QuirkAnswer {
    const query = request.url.searchParams;
    const [state, head, base] = [query.get("state") ?? "open", query.get("head"), query.get("base")];
    const shown = [...repository.pulls.values()]
      .filter((pull) => state === "all" || pull.state === state)
      .filter(({ into }) => !base || into === base)
      .map((pull) => pullShape(this.api(), repository, pull))
      .filter((pull) => !head?.includes(":") || pull.head.label === head);
    return this.page(request, query.get("direction") === "asc" ? shown : shown.toReversed());
  }

  private setStatus({ request, repository, statuses, login, parts: [sha = ""] }: Call): QuirkAnswer {
    const content = contentOf(request.body);
    if (!isFields(content)) return refusal(400, "Problems parsing JSON");
    const { state, description = null, target_url = null, context = "default" } = content;
    const invalid = (message: string) => refusal(422, "Validation Failed", "Status", message);
    if (!/^(error|failure|pending|success)$/.test(String(state)))
      return invalid("State is not included in the list");
    if (String(description ?? "").length > LONGEST_DESCRIPTION)
      return invalid(`description is too long (maximum is ${LONGEST_DESCRIPTION} characters)`);
    const time = timeOf(new Date());
    const status = {
      url: `${this.api()}/repos/${repository.name}/statuses/${sha}`,
      id: ++this.number,
      state,
      description,
      target_url,
      context,
      creator: userOf(login),
      created_at: time,
      updated_at: time,
    };
    statuses.set(sha, [status, ...(statuses.get(sha) ?? [])]);
    return json(201, status);
  }

  private addComment(call: Call): QuirkAnswer {
    const { repository, request, login, parts } = call;
    const pull = repository.pulls.get(Number(parts[0]));
    if (!pull) return notFound();
    return withBody(request, (body) => {
      const comment = repository.comment(pull.number, login, body);
      this.begin(this.tellComment(call, pull, comment, "created"));
      return json(201, commentShape(this.api(), repository.name, pull.number, comment));
    });
  }

  private aboutComment(call: Call): QuirkAnswer {
    const { repository, request, parts } = call;
    const is = ({ id }: Comment) => id === Number(parts[0]);
    const pull = [...repository.pulls.values()].find(({ comments }) => comments.some(is));
    const comment = pull?.comments.find(is);
    if (!pull || !comment) return notFound();
    const shown = () => json(200, commentShape(this.api(), repository.name, pull.number, comment));
    switch (request.method) {
      case "DELETE":
        pull.comments.splice(pull.comments.indexOf(comment), 1);
        this.begin(this.tellComment(call, pull, comment, "deleted"));
        return { status: 204 };
      case "PATCH":
        return withBody(request, (body) => {
          Object.assign(comment, { body, updated: new Date() });
          this.begin(this.tellComment(call, pull, comment, "edited"));
          return shown();
        });
      default:
        return shown();
    }
  }

  private addHook({ request, repository, hooks, login }: Call): QuirkAnswer {
    return given(request, newHook, "Hook", (wanted) => {
      const hook = hooks.create(wanted);
      if (!hook) return refusal(422, "Validation Failed", "Hook", "Hook already exists on this repository");
      this.begin(this.ping(hooks, hook.id, repository, login));
      return json(201, hook);
    });
  }

  private ping(hooks: Hooks, id: number, { name, id: number }: Repository, login: string) {
    return hooks.ping(id, { repository: repositoryShape(this.api(), name, number), sender: userOf(login) });
  }

  private tellComment(
    { repository, hooks }: Kept,
    pull: PullRequest,
    comment: Comment,
    action: "created" | "edited" | "deleted",
  ): Promise<string[]> {
    return hooks.tell([commentEvent(this.api(), repository, pull, comment, action)]);
  }

  /** GitHub calls hooks after it has answered. */
  private begin(work: Promise<unknown>): void {
    const done = work.catch(() => {}).finally(() => this.work.delete(done));
    this.work.add(done);
  }

  private page({ url }: AwsRequest, all: readonly object[]): QuirkAnswer {
    const number = (name: string, fallback: number) => Number(url.searchParams.get(name)) || fallback;
    const [size, page] = [Math.min(number("per_page", 30), 100), number("page", 1)];
    const last = Math.max(1, Math.ceil(all.length / size));
    const address = (to: number) => {
      const there = new URL(url.pathname + url.search, this.api());
      there.searchParams.set("page", String(to));
      return there.href;
    };
    const links = [
      ...(page > 1 ? [`<${address(page - 1)}>; rel="prev"`] : []),
      ...(page < last ? [`<${address(page + 1)}>; rel="next"`, `<${address(last)}>; rel="last"`] : []),
    ];
    const answer = json(200, all.slice((page - 1) * size, page * size));
    return links.length ? { ...answer, headers: { ...answer.headers, link: links.join(", ") } } : answer;
  }
}

/** Whose the token is, and nothing else. */
function graphql({ body }: AwsRequest, login: string): QuirkAnswer {
  const content = contentOf(body);
  const query = isFields(content) ? String(content.query) : "";
  if (/\bviewer\b/.test(query)) return json(200, { data: { viewer: { databaseId: idOf(login), login } } });
  return json(200, { data: null, errors: [{ message: "Local AWS knows no more than the viewer" }] });
}

function withBody({ body }: AwsRequest, run: (text: string) => QuirkAnswer): QuirkAnswer {
  const content = contentOf(body);
  if (!isFields(content)) return refusal(400, "Problems parsing JSON");
  if (typeof content.body !== "string" || content.body.trim() === "")
    return refusal(422, "Validation Failed", "IssueComment", "body can't be blank");
  if (content.body.length > LONGEST_COMMENT)
    return refusal(
      422,
      "Validation Failed",
      "IssueComment",
      `body is too long (maximum is ${LONGEST_COMMENT} characters)`,
    );
  return run(content.body);
}

function given<S extends z.ZodType>(
  { body }: AwsRequest,
  schema: S,
  resource: string,
  run: (input: z.output<S>) => QuirkAnswer,
): QuirkAnswer {
  const content = contentOf(body);
  if (!isFields(content)) return refusal(400, "Problems parsing JSON");
  const read = schema.safeParse(content);
  if (read.success) return run(read.data);
  const [issue] = read.error.issues;
  return refusal(422, "Validation Failed", resource, `${issue?.path.join(".")}: ${issue?.message}`);
}

const found = (content: object | undefined): QuirkAnswer => (content ? json(200, content) : notFound());
const notFound = () => refusal(404, "Not Found");

function refusal(status: number, message: string, resource?: string, error?: string): QuirkAnswer {
  const errors = error && [{ resource, code: "custom", message: error }];
  return json(status, {
    message,
    ...(errors && { errors }),
    documentation_url: "https://docs.github.com/rest",
    status: String(status),
  });
}

/** The JSON of a body, or its text where it is none. */
export function contentOf(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString());
  } catch {
    return body.toString();
  }
}

export function json(status: number, content: unknown): QuirkAnswer {
  const headers = { "content-type": "application/json; charset=utf-8" };
  return { status, headers, body: Buffer.from(JSON.stringify(content, undefined, 2)) };
}
