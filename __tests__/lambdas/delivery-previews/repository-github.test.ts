import fc from "fast-check";
import { createRepository } from "../../../lambdas/delivery-previews/repository";
import { tries } from "../../support/effort";
import { anyText } from "../../support/text";

const TOKEN = `ghp_${"madeUpToken".repeat(4)}`;
const API = "https://api.github.test";
const REPOSITORY = "/repos/acme/hello";
const MARKER = "<!-- slipway:preview hello -->";
const US = 7;
const SHA = "c0ffee".padEnd(40, "0");

type Reply = { status?: number; body?: unknown; headers?: Record<string, string> };
interface Asked {
  readonly method: string;
  /** Below the API, with its query. */
  readonly path: string;
  readonly body?: unknown;
  readonly init: RequestInit;
}

/** A GitHub that answers by "METHOD path" without its query, or else that there is none. */
class FakeGitHub {
  readonly asked: Asked[] = [];
  constructor(readonly replies: Record<string, Reply | ((asked: Asked) => Reply)>) {}

  readonly repository = (token: string | undefined = TOKEN) =>
    createRepository(
      { project: "hello", provider: "github-token", repository: "acme/hello", githubApi: API },
      {
        codecommit: { send: () => Promise.reject(new Error("GitHub is asked")) } as never,
        fetch: this.fetch,
      },
      token,
    );

  writes = () => this.asked.filter(({ method, path }) => method !== "GET" && path !== "/graphql");

  private readonly fetch = (async (url: string, init: RequestInit) => {
    if (!url.startsWith(`${API}/`)) throw new Error(`${url} is not GitHub's`);
    const body = init.body ? JSON.parse(String(init.body)) : undefined;
    const asked: Asked = { method: init.method ?? "", path: url.slice(API.length), body, init };
    this.asked.push(asked);
    const found = this.replies[`${asked.method} ${asked.path.split("?")[0]}`] ?? { status: 404, body: {} };
    const { status = 200, body: content, headers } = typeof found === "function" ? found(asked) : found;
    const text = status === 204 ? null : JSON.stringify(content);
    return new Response(text, { status, headers });
  }) as typeof fetch;
}

const visible = {
  [`GET ${REPOSITORY}/branches`]: { body: [] },
  [`GET ${REPOSITORY}/pulls`]: { body: [] },
};
const head = (ref: string, id: number | null = 1) => ({ ref, repo: id === null ? null : { id } });
const pull = (number: number, from: string, more: object = {}) => ({
  number,
  state: "open",
  head: head(from),
  base: head("main"),
  ...more,
});
const paged =
  (items: readonly unknown[]) =>
  ({ path }: Asked): Reply => {
    const query = new URLSearchParams(path.split("?")[1]);
    const [page, size] = [Number(query.get("page")), Number(query.get("per_page"))];
    const more = items.length > page * size;
    const next = `<https://evil.example/?page=${page + 1}>; rel="next", <${API}/x>; rel="last"`;
    return { body: items.slice((page - 1) * size, page * size), headers: more ? { link: next } : {} };
  };

describe("a branch", () => {
  const ref = (name: string): Reply => ({
    body: { ref: `refs/heads/${name}`, object: { type: "commit", sha: SHA } },
  });

  test("is told with its commit, by a request that carries the token and follows nowhere", async () => {
    const github = new FakeGitHub({
      [`GET ${REPOSITORY}/git/ref/heads/feature/login`]: ref("feature/login"),
    });
    expect(await github.repository().branch("feature/login")).toEqual({ name: "feature/login", commit: SHA });
    expect(github.asked[0]?.init).toMatchObject({
      redirect: "manual",
      headers: { authorization: `Bearer ${TOKEN}` },
    });
  });

  test.each([
    ["feature/100%", "feature/100%25"],
    ["a#b&c=d;e", "a%23b%26c%3Dd%3Be"],
    ["-rf", "-rf"],
    ["größe", "gr%C3%B6%C3%9Fe"],
    ["$(id)`id`", "%24(id)%60id%60"],
  ])("called %j is asked for as %s", async (name, path) => {
    const github = new FakeGitHub({ [`GET ${REPOSITORY}/git/ref/heads/${path}`]: ref(name) });
    expect(await github.repository().branch(name)).toEqual({ name, commit: SHA });
  });

  test.each([
    "",
    "..",
    "../../../../user",
    "a/../b",
    ".git",
    "a//b",
    "a b",
    "a?b",
    "a\\b",
    "a.lock",
    "x\u0000",
    "\uD800",
  ])("that Git takes for no name is none, and nobody is asked: %j", async (name) => {
    const github = new FakeGitHub({});
    expect(await github.repository().branch(name)).toBeUndefined();
    expect(github.asked).toEqual([]);
  });

  test("leads the token to no other address of the API, whatever it is called", async () => {
    await fc.assert(
      fc.asyncProperty(fc.oneof(anyText(), fc.stringMatching(/^[a-z./%#?@-]{1,12}$/)), async (name) => {
        const github = new FakeGitHub(visible);
        await github.repository().branch(name);
        const [first] = github.asked;
        if (first)
          expect(new URL(API + first.path).pathname).toMatch(/^\/repos\/acme\/hello\/git\/ref\/heads\/./);
        if (first) expect(new URL(API + first.path).search).toBe("");
      }),
      { numRuns: tries(300) },
    );
  });

  test("is not there where GitHub says so of it alone", async () => {
    expect(await new FakeGitHub(visible).repository().branch("gone")).toBeUndefined();
  });

  test("is not taken for gone where the token may not see branches", async () => {
    await expect(new FakeGitHub({}).repository().branch("main")).rejects.toThrow(
      /there is no acme\/hello that the token may see.*npm run connect/,
    );
  });

  test("is not there in a repository without a commit", async () => {
    const github = new FakeGitHub({ [`GET ${REPOSITORY}/git/ref/heads/main`]: { status: 409, body: {} } });
    expect(await github.repository().branch("main")).toBeUndefined();
  });
});

test("all branches are told, page by page, and a page's link is not followed elsewhere", async () => {
  const all = Array.from({ length: 250 }, (_, number) => ({ name: `b${number}`, commit: { sha: SHA } }));
  const github = new FakeGitHub({ [`GET ${REPOSITORY}/branches`]: paged(all) });
  const told = await github.repository().branches();
  expect(told.map(({ name }) => name)).toEqual(all.map(({ name }) => name));
  expect(github.asked.map(({ path }) => path)).toEqual(
    [1, 2, 3].map((page) => `${REPOSITORY}/branches?per_page=100&page=${page}`),
  );
});

test("a commit is as old as its committer says, or is not there", async () => {
  const commit = { author: { date: "2026-01-01T10:00:00Z" }, committer: { date: "2026-01-02T10:00:00Z" } };
  const github = new FakeGitHub({ ...visible, [`GET ${REPOSITORY}/git/commits/${SHA}`]: { body: commit } });
  expect(await github.repository().committedAt(SHA)).toEqual(new Date("2026-01-02T10:00:00Z"));
  expect(await github.repository().committedAt("0".repeat(40))).toBeUndefined();
});

describe("pull requests", () => {
  test("are those that are open and come from the repository itself", async () => {
    const fork = pull(2, "feature/login", { head: head("feature/login", 99) });
    const deletedFork = pull(3, "feature/login", { head: head("feature/login", null) });
    const closed = pull(4, "old", { state: "closed" });
    const github = new FakeGitHub({
      [`GET ${REPOSITORY}/pulls`]: { body: [pull(1, "feature/login"), fork, deletedFork, closed] },
    });
    expect(await github.repository().pullRequests()).toEqual([
      { number: 1, branch: "feature/login", into: "main" },
    ]);
  });

  test("from a branch are asked for by it, and others that GitHub answers with are left out", async () => {
    const github = new FakeGitHub({
      [`GET ${REPOSITORY}/pulls`]: { body: [pull(1, "a&state=closed"), pull(2, "other")] },
    });
    expect(await github.repository().pullRequestsFrom("a&state=closed")).toEqual([
      { number: 1, branch: "a&state=closed", into: "main" },
    ]);
    const query = new URLSearchParams(github.asked[0]?.path.split("?")[1]);
    expect([query.get("head"), query.getAll("state")]).toEqual(["acme:a&state=closed", ["open"]]);
  });
});

describe("what cannot be known is never guessed", () => {
  test.each<[string, Reply, RegExp, string]>([
    ["the token is wrong", { status: 401, body: {} }, /does not know the token.*npm run connect/, "Refused"],
    ["the token may not", { status: 403, body: {} }, /Pull requests: read.*npm run connect/, "Refused"],
    [
      "it is renamed",
      { status: 301, body: {}, headers: { location: "https://x.test" } },
      /renamed/,
      "Refused",
    ],
    ["there were too many requests", { status: 429, body: {} }, /asked again later/, "Error"],
    [
      "the hour's requests are used up",
      { status: 403, body: {}, headers: { "x-ratelimit-remaining": "0" } },
      /asked again later/,
      "Error",
    ],
    [
      "it was asked too fast",
      { status: 403, body: {}, headers: { "retry-after": "60" } },
      /asked again later/,
      "Error",
    ],
    [
      "GitHub says so in words alone",
      { status: 403, body: { message: "You have exceeded a secondary rate limit." } },
      /asked again later/,
      "Error",
    ],
    ["GitHub is down", { status: 502, body: {} }, /answers 502/, "Error"],
    ["it is no list", { body: { message: "hello" } }, /does not document/, "Error"],
  ])("because %s", async (_, reply, message, name) => {
    const github = new FakeGitHub({ [`GET ${REPOSITORY}/pulls`]: reply });
    const failure: Error = await github
      .repository()
      .pullRequests()
      .then(fail, (error) => error);
    expect([failure.name, failure.message]).toEqual([name, expect.stringMatching(message)]);
    expect(failure.message).not.toContain(TOKEN);
  });

  test("because there is no token", () => {
    expect(() => new FakeGitHub({}).repository("")).toThrow(/npm run connect/);
  });

  test("because a list has no end", async () => {
    const endless = { body: [], headers: { link: '<x>; rel="next"' } };
    const github = new FakeGitHub({ [`GET ${REPOSITORY}/branches`]: endless });
    await expect(github.repository().branches()).rejects.toThrow("more than 20000 branches");
  });
});

describe("the comment on previews", () => {
  const COMMENTS = `${REPOSITORY}/issues/5/comments`;
  const comment = (id: number, body: string, user = US) => ({ id, body, user: { id: user } });
  const withComments = (...all: object[]) =>
    new FakeGitHub({
      ...visible,
      [`GET ${COMMENTS}`]: paged(all),
      [`POST ${COMMENTS}`]: { status: 201, body: {} },
      "POST /graphql": { body: { data: { viewer: { databaseId: US } } } },
      ...Object.fromEntries(
        all.flatMap((one) => {
          const path = `${REPOSITORY}/issues/comments/${(one as { id: number }).id}`;
          return [
            [`PATCH ${path}`, { body: {} }],
            [`DELETE ${path}`, { status: 204 }],
          ];
        }),
      ),
    });
  const written = (github: FakeGitHub) =>
    github.writes().map(({ method, path, body }) => [method, path.replace(REPOSITORY, ""), body]);

  test("is made where there is none", async () => {
    const github = withComments(comment(1, "LGTM"), comment(2, `> ${MARKER}\nquoted`));
    await github.repository().say(5, "Ready");
    expect(written(github)).toEqual([["POST", "/issues/5/comments", { body: `${MARKER}\nReady` }]]);
  });

  test("is changed in place, though it is on a later page", async () => {
    const chat = Array.from({ length: 120 }, (_, id) => comment(id + 1, "LGTM"));
    const github = withComments(...chat, comment(500, `${MARKER}\nOn its way`));
    await github.repository().say(5, "Ready");
    expect(written(github)).toEqual([["PATCH", "/issues/comments/500", { body: `${MARKER}\nReady` }]]);
  });

  test("stays as it is where it says so already", async () => {
    const github = withComments(comment(1, `${MARKER}\r\nReady\n`));
    await github.repository().say(5, "Ready");
    expect(written(github)).toEqual([]);
  });

  test("is not somebody else's with the same marker", async () => {
    const github = withComments(comment(1, `${MARKER}\nReady`, 666));
    await github.repository().say(5, "Ready");
    expect(written(github)).toEqual([["POST", "/issues/5/comments", { body: `${MARKER}\nReady` }]]);
  });

  test("is not that of another project which previews the repository with the same token", async () => {
    const github = withComments(comment(1, "<!-- slipway:preview hello-two -->\nReady"));
    await github.repository().say(5, "Ready");
    expect(written(github)).toEqual([["POST", "/issues/5/comments", { body: `${MARKER}\nReady` }]]);
  });

  test("is one: what was written twice goes", async () => {
    const github = withComments(comment(9, `${MARKER}\nReady`), comment(3, `${MARKER}\nOn its way`));
    await github.repository().say(5, "Ready");
    expect(written(github)).toEqual([
      ["PATCH", "/issues/comments/3", { body: `${MARKER}\nReady` }],
      ["DELETE", "/issues/comments/9", undefined],
    ]);
  });

  test("is not made where it is only to be changed", async () => {
    const github = withComments(comment(1, "LGTM"));
    await github.repository().say(5, "Gone", { onlyInPlace: true });
    expect(written(github)).toEqual([]);
    const standing = withComments(comment(1, `${MARKER}\nReady`));
    await standing.repository().say(5, "Gone", { onlyInPlace: true });
    expect(written(standing)).toHaveLength(1);
  });

  test("is not missed where there is no such pull request", async () => {
    const github = new FakeGitHub(visible);
    await github.repository().say(5, "Ready");
    expect(written(github)).toEqual([]);
  });

  test("tells what the token lacks where it may not comment", async () => {
    const github = withComments();
    github.replies[`POST ${COMMENTS}`] = { status: 403, body: {} };
    await expect(github.repository().say(5, "Ready")).rejects.toThrow(
      /may not comment on its pull requests.*Pull requests: read and write/,
    );
  });
});

const fail = () => {
  throw new Error("This was to fail");
};
