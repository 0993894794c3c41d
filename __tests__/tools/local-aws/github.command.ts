import { createHmac } from "node:crypto";
import { createServer, type IncomingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { createRepository, type Repository } from "../../../lambdas/delivery-previews/repository";
import { Bed } from "./upstream";

const TOKEN = "github_pat_made_up";
const SECRET = "made-up-secret-of-the-hook";
const COMMIT = "c0ffee".padEnd(40, "0");

let bed: Bed;
beforeEach(async () => {
  bed = await new Bed().start();
});
afterEach(() => bed.stop());

/** Asks the stand-in for GitHub. */
async function api(method: string, path: string, body?: object, token = TOKEN) {
  const response = await fetch(`${bed.endpoint}/local-aws/github${path}`, {
    method,
    headers: { authorization: `Bearer ${token}` },
    body: body && JSON.stringify(body),
  });
  const said = await response.text();
  return {
    status: response.status,
    link: response.headers.get("link"),
    content: said ? JSON.parse(said) : undefined,
  };
}

/** Does what somebody does with the repository. */
async function act(what: object) {
  const response = await fetch(`${bed.endpoint}/local-aws/repository`, {
    method: "POST",
    body: JSON.stringify({ repository: "acme/hello", ...what }),
  });
  const content = await response.json();
  return { status: response.status, ...content };
}

const delivered = async () => (await fetch(`${bed.endpoint}/local-aws/deliveries`)).json();

/** What the functions see of it. */
const seen = (token = TOKEN): Repository =>
  createRepository(
    {
      project: "hello",
      provider: "github-token",
      repository: "acme/hello",
      githubApi: `${bed.endpoint}/local-aws/github`,
    },
    { codecommit: { send: () => Promise.reject(new Error("GitHub is asked")) } as never, fetch },
    token,
  );

describe("the functions find in it", () => {
  test("a branch from its push to its deletion, whatever it is called", async () => {
    for (const branch of ["feature/login", "100%", "größe #1"]) {
      if (branch !== "größe #1") expect(await seen().branch(branch)).toBeUndefined();
      const pushed = await act({ do: "push", branch, commit: COMMIT });
      expect(pushed).toMatchObject({ status: 200, changes: [{ branch, commit: COMMIT }] });
    }
    expect(await seen().branch("feature/login")).toEqual({ name: "feature/login", commit: COMMIT });
    expect(await seen().branch("100%")).toEqual({ name: "100%", commit: COMMIT });
    await act({ do: "delete", branch: "feature/login" });
    expect(await seen().branch("feature/login")).toBeUndefined();
    expect((await seen().branches()).map(({ name }) => name)).toEqual(["100%", "größe #1"]);
  });

  test("since when a commit is there", async () => {
    await act({ do: "push", branch: "main", commit: COMMIT });
    const committed = await seen().committedAt(COMMIT);
    expect(Math.abs(Date.now() - Number(committed))).toBeLessThan(60_000);
    expect(await seen().committedAt("0".repeat(40))).toBeUndefined();
  });

  test("all branches, which it tells in pages", async () => {
    for (let number = 0; number < 101; number++) await act({ do: "push", branch: `b${number}` });
    expect(await seen().branches()).toHaveLength(101);
    const { content, link } = await api("GET", "/repos/acme/hello/branches?per_page=100");
    expect(content).toHaveLength(100);
    expect(link).toMatch(/<http:\/\/127[^>]+page=2>; rel="next"/);
  });

  test("pull requests while they are open, and none of forks", async () => {
    await act({ do: "push", branch: "main" });
    await act({ do: "push", branch: "feature/login" });
    const [opened] = (await act({ do: "open", branch: "feature/login", into: "main" })).changes;
    await act({ do: "open", branch: "feature/login", into: "main", fork: "mallory/hello" });
    const pull = { number: opened.number, branch: "feature/login", into: "main" };
    expect(await seen().pullRequests()).toEqual([pull]);
    expect(await seen().pullRequestsFrom("feature/login")).toEqual([pull]);
    expect(await seen().pullRequestsFrom("main")).toEqual([]);
    await act({ do: "close", number: opened.number });
    expect(await seen().pullRequests()).toEqual([]);
    await act({ do: "reopen", number: opened.number });
    expect(await seen().pullRequests()).toEqual([pull]);
    await act({ do: "delete", branch: "feature/login" });
    expect(await seen().pullRequests()).toEqual([]);
  });

  test("their own comment, and leave alone that of others", async () => {
    await act({ do: "push", branch: "main" });
    await act({ do: "push", branch: "feature" });
    const { number } = (await act({ do: "open", branch: "feature", into: "main" })).changes[0];
    const path = `/repos/acme/hello/issues/${number}/comments`;
    await api("POST", path, { body: "<!-- slipway:preview hello -->\nFree money" }, "token-of-mallory");
    await seen().say(number, "On its way");
    await seen().say(number, "Ready");
    const bodies = (await api("GET", path)).content.map(({ body }: { body: string }) => body);
    expect(bodies).toEqual([
      "<!-- slipway:preview hello -->\nFree money",
      "<!-- slipway:preview hello -->\nReady",
    ]);
  });
});

test("knows who a token belongs to, and tells nobody else of a repository", async () => {
  const [one, same, other] = await Promise.all([
    api("GET", "/user"),
    api("GET", "/user"),
    api("GET", "/user", undefined, "another"),
  ]);
  expect(one.content).toEqual(same.content);
  expect(one.content.id).not.toBe(other.content.id);
  const viewer = await api("POST", "/graphql", { query: "query { viewer { databaseId } }" });
  expect(viewer.content.data.viewer.databaseId).toBe(one.content.id);
  expect((await api("GET", "/repos/acme/hello")).content).toMatchObject({
    full_name: "acme/hello",
    permissions: { admin: true },
  });
  const anonymous = await fetch(`${bed.endpoint}/local-aws/github/repos/acme/hello`);
  expect(anonymous.status).toBe(404);
});

test("keeps the statuses of a commit, the newest first", async () => {
  for (const state of ["pending", "success"])
    await api("POST", `/repos/acme/hello/statuses/${COMMIT}`, { state, context: "slipway" });
  const { content } = await api("GET", `/repos/acme/hello/commits/${COMMIT}/statuses`);
  expect(content.map(({ state }: { state: string }) => state)).toEqual(["success", "pending"]);
});

describe("hooks", () => {
  let server: Server;
  let told: { headers: IncomingHttpHeaders; body: string }[];
  let status: number;
  beforeEach(async () => {
    told = [];
    status = 202;
    server = createServer(async (request, response) => {
      told.push({ headers: request.headers, body: await text(request) });
      response.writeHead(status).end("thanks");
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  });
  afterEach(() => {
    server.closeAllConnections();
    server.close();
  });

  const url = () => `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
  const config = () => ({ url: url(), content_type: "json", secret: SECRET, insecure_ssl: "0" });
  const events = ["push", "create", "delete", "pull_request", "issue_comment"];
  const until = async (done: () => boolean) => {
    const deadline = Date.now() + 5000;
    while (!done() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  /** Made, and past its ping. */
  const hook = async () => {
    const made = await api("POST", "/repos/acme/hello/hooks", {
      name: "web",
      active: true,
      events,
      config: config(),
    });
    await until(() => told.length > 0);
    return made;
  };
  const names = () => told.map(({ headers }) => headers["x-github-event"]);

  test("are made, listed, changed and taken away, and show no secret", async () => {
    const made = await hook();
    expect(made).toMatchObject({ status: 201, content: { events, active: true, config: { url: url() } } });
    expect(names()).toEqual(["ping"]);
    const path = `/repos/acme/hello/hooks/${made.content.id}`;
    const changed = await api("PATCH", path, { events: ["push"], active: false });
    expect(changed.content).toMatchObject({ id: made.content.id, events: ["push"], active: false });
    const listed = await api("GET", "/repos/acme/hello/hooks");
    expect(listed.content).toEqual([changed.content]);
    const posts = await (await fetch(`${bed.endpoint}/local-aws/posts`)).text();
    expect(JSON.stringify([made, changed, listed]) + posts).not.toContain(SECRET);
    expect((await api("DELETE", path)).status).toBe(204);
    expect((await api("GET", path)).status).toBe(404);
  });

  test.each<[string, object, number]>([
    ["twice", {}, 422],
    ["without an address", { config: {} }, 422],
    ["for an address that is none", { config: { url: "ftp://x" } }, 422],
    ["for nothing", { events: [] }, 422],
  ])("are not made %s", async (_, change, expected) => {
    await hook();
    const again = await api("POST", "/repos/acme/hello/hooks", { events, config: config(), ...change });
    expect(again).toMatchObject({ status: expected, content: { message: "Validation Failed" } });
  });

  test("lose their secret where it is not given again with the rest of the configuration", async () => {
    const { content } = await hook();
    const { secret: _, ...rest } = config();
    await api("PATCH", `/repos/acme/hello/hooks/${content.id}`, { config: rest });
    await act({ do: "push", branch: "main" });
    expect(told.at(-1)?.headers).not.toHaveProperty("x-hub-signature-256");
  });

  test("are told of a push, signed over the very bytes", async () => {
    await hook();
    told = [];
    const { deliveries } = await act({
      do: "push",
      branch: "feature/login",
      commit: COMMIT,
      message: "Größe",
    });
    expect(names().toSorted()).toEqual(["create", "push"]);
    for (const { headers, body } of told) {
      const sum = createHmac("sha256", SECRET).update(body).digest("hex");
      expect(headers["x-hub-signature-256"]).toBe(`sha256=${sum}`);
      expect(headers["content-type"]).toBe("application/json");
      expect(deliveries).toContain(headers["x-github-delivery"]);
    }
    const push = told.find(({ headers }) => headers["x-github-event"] === "push");
    expect(JSON.parse(push?.body ?? "")).toMatchObject({
      ref: "refs/heads/feature/login",
      before: "0".repeat(40),
      after: COMMIT,
      created: true,
      deleted: false,
      head_commit: { id: COMMIT, message: "Größe" },
      repository: { full_name: "acme/hello" },
    });
  });

  test("are told of a pull request's life", async () => {
    await act({ do: "push", branch: "main" });
    await act({ do: "push", branch: "feature" });
    await hook();
    told = [];
    const { number } = (await act({ do: "open", branch: "feature", into: "main" })).changes[0];
    await act({ do: "push", branch: "feature", commit: COMMIT });
    await act({ do: "merge", number });
    await act({ do: "delete", branch: "feature" });
    const all = told.map(({ headers, body }) => [headers["x-github-event"], JSON.parse(body)]);
    expect(
      all
        .filter(([name]) => name === "pull_request")
        .map(([, { action, pull_request }]) => [action, pull_request.merged]),
    ).toEqual([
      ["opened", false],
      ["synchronize", false],
      ["closed", true],
    ]);
    const [, opened] = all[0] ?? [];
    expect(opened).toMatchObject({
      number,
      pull_request: {
        head: { ref: "feature", repo: { full_name: "acme/hello" } },
        base: { ref: "main", repo: { full_name: "acme/hello" } },
      },
    });
    expect(all.at(-2)?.[0] === "delete" || all.at(-1)?.[0] === "delete").toBe(true);
    expect(all.find(([name, { ref }]) => name === "push" && ref === "refs/heads/main")).toBeDefined();
  });

  test("are told of a fork's pull request whose it is", async () => {
    await act({ do: "push", branch: "main" });
    await hook();
    told = [];
    await act({ do: "open", branch: "main", into: "main", fork: "mallory/hello" });
    expect(JSON.parse(told[0]?.body ?? "").pull_request.head.repo).toMatchObject({
      full_name: "mallory/hello",
      fork: true,
    });
  });

  test("end a pull request with its branch", async () => {
    await act({ do: "push", branch: "main" });
    await act({ do: "push", branch: "feature" });
    await act({ do: "open", branch: "feature", into: "main" });
    await hook();
    told = [];
    await act({ do: "delete", branch: "feature" });
    expect(names().toSorted()).toEqual(["delete", "pull_request", "push"]);
  });

  test("are told of comments, those by the API too", async () => {
    await act({ do: "push", branch: "main" });
    await act({ do: "push", branch: "feature" });
    const { number } = (await act({ do: "open", branch: "feature", into: "main" })).changes[0];
    await hook();
    told = [];
    await act({ do: "comment", number, body: "/codebuild_run(x)" });
    await api("POST", `/repos/acme/hello/issues/${number}/comments`, { body: "Ready" });
    await until(() => told.length === 2);
    expect(told.map(({ body }) => JSON.parse(body))).toMatchObject([
      { action: "created", issue: { number, pull_request: {} }, comment: { body: "/codebuild_run(x)" } },
      { action: "created", comment: { body: "Ready" } },
    ]);
  });

  test("leave on the record what they were told and what they answered, and are told again under the same id", async () => {
    await hook();
    status = 500;
    const { deliveries } = await act({ do: "push", branch: "main" });
    expect(await act({ do: "redeliver", delivery: deliveries[0] })).toMatchObject({
      deliveries: [deliveries[0]],
    });
    const records = (await delivered()).filter(({ guid }: { guid: string }) => guid === deliveries[0]);
    expect(records).toMatchObject([
      { redelivery: false, status: 500, said: "thanks", repository: "acme/hello" },
      { redelivery: true, status: 500 },
    ]);
    expect(JSON.stringify(records)).not.toContain(SECRET);
  });

  test("do not lead out of this machine", async () => {
    await api("POST", "/repos/acme/hello/hooks", { config: { url: "https://example.com/hook" } });
    await act({ do: "push", branch: "main" });
    expect((await delivered()).at(-1)).toMatchObject({ status: 0, said: "Local AWS calls no other machine" });
  });
});

test.each<[string, object, number, RegExp]>([
  ["is no deed", { do: "explode" }, 400, /do/],
  ["is no commit", { do: "push", branch: "main", commit: "HEAD" }, 400, /40 hexadecimal/],
  ["is no repository at GitHub", { do: "push", branch: "main", repository: "hello" }, 409, /owner\/name/],
  ["is not there", { do: "delete", branch: "gone" }, 409, /no branch gone/],
  ["was never opened", { do: "merge", number: 7 }, 409, /no pull request 7/],
  ["was never delivered", { do: "redeliver", delivery: "x" }, 409, /no delivery x/],
])("refuses what %s, and says why", async (_, what, status, message) => {
  expect(await act(what)).toMatchObject({ status, message: expect.stringMatching(message) });
});
