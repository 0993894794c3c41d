import fc from "fast-check";
import { MARKER_ROOM, type PostingProps, ReviewComment } from "../../../tools/review/github";
import {
  type Answer,
  FakeGitHub,
  NUMBER,
  OTHER_BOT,
  REPOSITORY,
  SOMEBODY,
  withoutWaits,
} from "./fake-github";

const TOKEN = `ghp_${"a".repeat(36)}`;
const [OLDER, OLD, NEW] = ["0", "a", "b"].map((digit) => digit.repeat(40)) as [string, string, string];

let github: FakeGitHub;
let api: string;
let waits: number[];
let printed: jest.SpyInstance[];

beforeEach(async () => {
  github = new FakeGitHub(NEW);
  api = await github.start();
  waits = withoutWaits();
  const channels = ["debug", "info", "log", "warn", "error"] as const;
  printed = channels.map((channel) => jest.spyOn(console, channel).mockImplementation(() => {}));
});
afterEach(() => {
  github.stop();
  for (const channel of printed) expect(channel).not.toHaveBeenCalled();
  jest.restoreAllMocks();
});

const reviewer = (props: Partial<PostingProps> = {}) =>
  new ReviewComment({ token: TOKEN, project: "hello", api, ...props });
const of = (commit: string) => ({ repository: REPOSITORY, number: NUMBER, commit });
const marker = (commit: string, sequence = 1, project = "hello") =>
  `<!-- slipway-review project=${project} commit=${commit} sequence=${sequence} -->\n`;
const bodies = () => github.comments.map(({ body }) => body.replace(/sequence=\d+/, "sequence=n"));
const withMarker = (commit: string, body: string) => marker(commit).replace("=1 ", "=n ") + body;
const refusal = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error("taken"),
    (reason) => reason,
  );

describe("the comment", () => {
  test("is created below a hidden marker, once", async () => {
    expect(await reviewer().post(of(NEW), "2 to add")).toBe("created");
    expect(bodies()).toEqual([withMarker(NEW, "2 to add")]);
  });

  test("is left alone where it says the same", async () => {
    await reviewer().post(of(NEW), "2 to add\r\n");
    expect(await reviewer().post(of(NEW), "2 to add\n\n")).toBe("unchanged");
    expect(github.writes).toHaveLength(1);
  });

  test("is updated in place for another commit, with the review before collapsed below, and only that", async () => {
    github.head = OLDER;
    await reviewer().post(of(OLDER), "1 to add");
    github.head = OLD;
    await reviewer().post(of(OLD), "2 to add");
    github.head = NEW;
    expect(await reviewer().post(of(NEW), "3 to add")).toBe("updated");
    const before = "<details><summary>Review of aaaaaaa</summary>\n\n2 to add\n\n</details>";
    expect(bodies()).toEqual([withMarker(NEW, `3 to add\n\n<!-- slipway-review previous -->\n${before}`)]);
  });

  test("of the same commit replaces its text and keeps what is collapsed below", async () => {
    github.add(`${marker(OLD)}1 to add`);
    await reviewer().post(of(NEW), "pending");
    expect(await reviewer().post(of(NEW), "2 to add")).toBe("updated");
    const before = "<details><summary>Review of aaaaaaa</summary>\n\n1 to add\n\n</details>";
    expect(bodies()).toEqual([withMarker(NEW, `2 to add\n\n<!-- slipway-review previous -->\n${before}`)]);
    expect(await reviewer().post(of(NEW), "2 to add")).toBe("unchanged");
  });

  test("does without the review before where both are too long", async () => {
    github.add(marker(OLD) + "a".repeat(40_000));
    await reviewer().post(of(NEW), "b".repeat(40_000));
    expect(bodies()).toEqual([withMarker(NEW, "b".repeat(40_000))]);
  });

  test("keeps its own lines apart from a review which contains them", async () => {
    const hostile = "text\n\n<!-- slipway-review previous -->\nmore";
    github.head = OLD;
    await reviewer().post(of(OLD), hostile);
    github.head = NEW;
    await reviewer().post(of(NEW), "now");
    expect(bodies()[0]?.match(/<!-- slipway-review previous/g)).toHaveLength(1);
    expect(bodies()[0]).toContain("more\n\n</details>");
  });

  test("is found by the marker in its first line, in our name and for our project alone", async () => {
    const others = [
      github.add(`${marker(NEW)}pasted`, SOMEBODY),
      github.add(`${marker(NEW)}pasted`, OTHER_BOT),
      github.add(`See:\n${marker(NEW)}quoted by us`),
      github.add(`${marker(NEW, 1, "hello-two")}of another project`),
    ].map((comment) => ({ ...comment }));
    expect(await reviewer().post(of(NEW), "ours")).toBe("created");
    expect(github.comments.slice(0, -1)).toEqual(others);
    expect(bodies().at(-1)).toBe(withMarker(NEW, "ours"));
  });

  test("is found after a hundred others, and after it was edited on the website", async () => {
    for (let index = 0; index < 100; index++) github.add("LGTM", SOMEBODY);
    const ours = github.add(`${marker(OLD)}1 to add`.replaceAll("\n", "\r\n"));
    expect(await reviewer().post(of(NEW), "2 to add")).toBe("updated");
    expect(ours.body).toContain("2 to add");
  });

  test("stays the oldest one of several, and the others go", async () => {
    const oldest = github.add(`${marker(OLD)}1 to add`);
    github.add("LGTM", SOMEBODY);
    github.add(`${marker(NEW)}pending`);
    github.add(`${marker(OLDER)}nothing to do`);
    expect(await reviewer().post(of(NEW), "2 to add")).toBe("updated");
    expect(github.comments).toEqual([oldest, expect.objectContaining({ user: SOMEBODY })]);
    expect(oldest.body).toContain("2 to add");
  });

  test("is created anew where somebody deletes it meanwhile", async () => {
    github.add(`${marker(OLD)}1 to add`);
    github.before = (request) => {
      if (request.startsWith("PATCH")) github.comments = [];
      return undefined;
    };
    expect(await reviewer().post(of(NEW), "2 to add")).toBe("created");
    expect(bodies()).toEqual([withMarker(NEW, "2 to add")]);
  });

  test("has room for the longest marker and note, and refuses what is longer", async () => {
    const project = "p".repeat(64);
    const longest = "x".repeat(65_536 - MARKER_ROOM);
    expect(await reviewer({ project }).post(of(OLD), longest)).toBe("created");
    expect(github.comments[0]?.body.length).toBeLessThanOrEqual(65_536);
    const { name, message } = await refusal(reviewer().post(of(NEW), `${longest}x`));
    expect({ name, message }).toEqual({
      name: "UserError",
      message: expect.stringMatching(/too long.*65217/),
    });
  });
});

describe("a review that is not of the head", () => {
  test("changes nothing", async () => {
    const head = { ...github.add(`${marker(NEW)}of the head`) };
    expect(await reviewer().post(of(OLD), "late")).toBe("superseded");
    expect(github.comments).toEqual([head]);
    expect(github.writes).toEqual([]);
  });

  test("is posted where there is none yet, and says what it is", async () => {
    expect(await reviewer().post(of(OLD), "late")).toBe("created");
    expect(bodies()[0]).toMatch(/older commit, aaaaaaa: the pull request is at bbbbbbb by now\._\n\nlate$/);
  });
});

describe("two builds at the same time", () => {
  beforeEach(() => github.answerFetch());

  type Poster = "old" | "new";
  type Outcomes = Partial<Record<Poster, string>>;
  const tokens: Record<Poster, string> = { old: `ghp_${"o".repeat(36)}`, new: `ghp_${"n".repeat(36)}` };

  /**
   * Lets one request through at a time, of the build that `turn` names. The new commit is pushed right before the
   * first turn of its build, which posts as often as `texts` says.
   */
  async function interleaved(turn: (step: number) => Poster, comments: string[], texts: string[]) {
    github.restart(OLD);
    for (const body of comments) github.add(body);
    const held = new Map<string, () => void>();
    let changed = () => {};
    github.before = (request, token) =>
      // Whose token it is, is the same at any time.
      request.includes("viewer")
        ? undefined
        : new Promise((resolve) => {
            held.set(token, () => resolve(undefined));
            changed();
          });

    const running = new Set<Poster>();
    const outcomes: Outcomes = {};
    async function build(poster: Poster, commit: string, texts: string[]): Promise<void> {
      running.add(poster);
      const review = reviewer({ token: tokens[poster] });
      for (const text of texts) outcomes[poster] = await review.post(of(commit), text).catch(String);
      running.delete(poster);
      changed();
    }
    /** Until its next request, or its end. */
    async function waiting(poster: Poster): Promise<void> {
      while (running.has(poster) && !held.has(tokens[poster])) {
        await new Promise<void>((resolve) => {
          changed = resolve;
        });
      }
    }

    void build("old", OLD, ["old"]);
    let begun = false;
    for (let step = 0; running.size > 0 || !begun; step++) {
      const wanted = turn(step);
      const next = running.has(wanted) || (wanted === "new" && !begun);
      const poster = next ? wanted : wanted === "old" ? "new" : "old";
      if (poster === "new" && !begun) {
        begun = true;
        github.head = NEW;
        void build("new", NEW, texts);
      }
      await waiting(poster);
      const release = held.get(tokens[poster]);
      held.delete(tokens[poster]);
      release?.();
      // What it makes of the answer comes before anybody else's turn.
      await waiting(poster);
    }
    return outcomes;
  }
  function expectNewer(outcomes: Outcomes, text: string) {
    expect(outcomes.old).toMatch(/^(created|updated|superseded)$/);
    expect(outcomes.new).toMatch(/^(created|updated)$/);
    expect(github.comments).toHaveLength(1);
    expect(bodies()[0]?.startsWith(withMarker(NEW, text))).toBe(true);
  }

  const states: [string, string[]][] = [
    ["no comment", []],
    ["an older comment", [`${marker(OLDER)}older`]],
    ["two comments", [`${marker(OLDER)}older`, `${marker(OLD)}older`]],
  ];

  test.each(
    states.slice(0, 2),
  )("leave the newer commit's review, with %s before, wherever they interrupt each other", async (_, comments) => {
    // The old one is interrupted after `first` requests, and the new one after `second`.
    for (let first = 0; first <= 5; first++) {
      for (let second = 1; second <= 7; second++) {
        const turn = (step: number) => (step >= first && step < first + second ? "new" : "old");
        expectNewer(await interleaved(turn, comments, ["new"]), "new");
      }
    }
  });

  test("leave the newer commit's review in any order", async () => {
    const order = fc.array(fc.constantFrom<Poster>("old", "new"), { minLength: 20, maxLength: 40 });
    const property = fc.asyncProperty(order, fc.constantFrom(...states), async (posters, [, comments]) => {
      const turn = (step: number) => posters[step] ?? "old";
      // As a build does: first that it has begun, then what came of it.
      expectNewer(await interleaved(turn, comments, ["begun", "new"]), "new");
    });
    await fc.assert(property, { numRuns: Number(process.env.REVIEW_ORDERS ?? 20) });
  });
});

describe("the commit status", () => {
  test("is set for the project, shortened by characters", async () => {
    const description = "😀".repeat(141);
    await reviewer().setStatus(of(NEW), {
      state: "success",
      description,
      targetUrl: "https://example.com/build/1",
    });
    await reviewer().setStatus(of(OLD), {
      state: "pending",
      description: "…",
      targetUrl: "http://example.com",
    });
    expect(github.statuses).toEqual([
      {
        sha: NEW,
        state: "success",
        context: "slipway/plan-review (hello)",
        description: `${"😀".repeat(139)}…`,
        target_url: "https://example.com/build/1",
      },
      { sha: OLD, state: "pending", context: "slipway/plan-review (hello)", description: "…" },
    ]);
  });

  test("is set where the comment may not be written", async () => {
    github.before = (request) => (/comments/.test(request) ? [403, { message: "no" }] : undefined);
    const review = reviewer();
    expect((await refusal(review.post(of(NEW), "text"))).name).toBe("UserError");
    await review.setStatus(of(NEW), { state: "failure", description: "1 to destroy" });
    expect(github.statuses).toMatchObject([{ sha: NEW, state: "failure" }]);
  });
});

test("tells a pull request's head, and whether it comes from a fork, even from one that is gone", async () => {
  const told = { open: true, headCommit: NEW, headRepository: REPOSITORY, baseRef: "main", fork: false };
  expect(await reviewer().pullRequest(REPOSITORY, NUMBER)).toEqual(told);
  github.pull = { head: { sha: NEW, repo: { full_name: "mallory/hello" } } };
  const fork = { ...told, headRepository: "mallory/hello", fork: true };
  expect(await reviewer().pullRequest(REPOSITORY, NUMBER)).toEqual(fork);
  github.pull = { head: { sha: NEW, repo: null } };
  expect(await reviewer().pullRequest(REPOSITORY, NUMBER)).toEqual({ ...fork, headRepository: undefined });
});

describe("a refusal says what failed, why and what to do, and not the token", () => {
  const resource = { message: `Resource not accessible by ${TOKEN}\n${"x".repeat(240)} ${TOKEN}` };
  const cases: [string, Answer, RegExp][] = [
    ["an unknown token", [401, { message: "Bad credentials" }], /does not know this token.*npm run connect/],
    [
      "a fine-grained token",
      [403, resource, { "x-accepted-github-permissions": "issues=write; pull_requests=write" }],
      /needs the permission issues: write \(and pull-requests: read\) \(GitHub accepts: issues=write; pull_requests=write\).*\(the token\)/,
    ],
    [
      "a classic token",
      [403, resource, { "x-oauth-scopes": "read:org", "x-accepted-oauth-scopes": "repo" }],
      /needs the scope repo \(GitHub accepts: repo; it has: read:org\)/,
    ],
    ["an organization", [403, resource, { "x-github-sso": "required; url=https://x" }], /Configure SSO/],
    [
      "the rate limit",
      [
        403,
        { message: "API rate limit exceeded" },
        { "x-ratelimit-remaining": "0", "x-ratelimit-reset": "4102444800" },
      ],
      /too many requests.*after 2100-01-01T00:00:00/,
    ],
    [
      "the secondary rate limit",
      [429, { message: "You have exceeded a secondary rate limit" }, { "retry-after": "600" }],
      /too many requests.*in 600 seconds/,
    ],
    ["nothing there", [404, { message: "Not Found" }], /no pull request acme\/hello#7 .*issues: write/],
    ["an outage", [502, "<html>", { "content-type": "text/html" }], /answers 502.*githubstatus/],
    [
      "what is not GitHub",
      [200, "<html>", { "content-type": "text/html" }],
      /cannot be reached .*not GitHub's API/,
    ],
    ["a text it does not take", [422, { message: "Validation Failed" }], /answers 422.*Validation Failed/],
  ];

  test.each(cases)("from %s", async (_, answer, message) => {
    github.before = () => answer;
    const error = await refusal(reviewer().post(of(NEW), "text"));
    expect(error.name).toBe("UserError");
    expect(error.message).toMatch(/^The plan review cannot be posted on acme\/hello#7: /);
    expect(error.message).toMatch(message);
    expect(`${error.message}${error.stack}${JSON.stringify(error)}`).not.toContain(TOKEN.slice(0, 8));
  });

  test("where the token may read the comment but not write it", async () => {
    github.add(`${marker(OLD)}1 to add`);
    github.before = (request) => (request.startsWith("PATCH") ? [404, { message: "Not Found" }] : undefined);
    expect((await refusal(reviewer().post(of(NEW), "text"))).message).toMatch(/may see and write to/);
  });

  test("where GraphQL refuses", async () => {
    github.before = (request) =>
      request.includes("graphql") ? [200, { errors: [{ message: "Something\nwent wrong" }] }] : undefined;
    const { name, message } = await refusal(reviewer().post(of(NEW), "text"));
    expect({ name, message }).toMatchObject({
      name: "UserError",
      message: /GitHub says: .*Something went wrong$/,
    });
  });

  test("where the commit is unknown", async () => {
    github.before = () => [422, { message: `No commit found for SHA: ${NEW}` }];
    const status = { state: "success", description: "" } as const;
    expect((await refusal(reviewer().setStatus(of(NEW), status))).message).toMatch(
      /^The commit status cannot be set on acme\/hello@bbbbbbb: there is no commit bbbbbbb in acme\/hello/,
    );
  });

  test("where the status may not be set, or the pull request not be read", async () => {
    github.before = () => [403, resource];
    const status = { state: "success", description: "" } as const;
    expect((await refusal(reviewer().setStatus(of(NEW), status))).message).toMatch(/statuses: write/);
    expect((await refusal(reviewer().pullRequest(REPOSITORY, NUMBER))).message).toMatch(
      /pull-requests: read/,
    );
  });

  test("where GitHub is out of reach or does not answer in time", async () => {
    const unreachable = reviewer({ api: "http://127.0.0.1:1" });
    expect((await refusal(unreachable.post(of(NEW), "text"))).message).toMatch(/cannot be reached/);
    const timeout = jest.spyOn(AbortSignal, "timeout").mockImplementation(() => AbortSignal.abort());
    expect((await refusal(reviewer().post(of(NEW), "text"))).message).toMatch(/cannot be reached/);
    expect(timeout).toHaveBeenCalledWith(15_000);
  });
});

describe("who the review is for", () => {
  test("finds the open pull requests whose head a commit is", async () => {
    expect(await reviewer().pullRequestsAt(REPOSITORY, NEW)).toEqual([NUMBER]);
    github.pull = { head: { sha: OLD } };
    expect(await reviewer().pullRequestsAt(REPOSITORY, NEW)).toEqual([]);
    github.pull = { state: "closed" };
    expect(await reviewer().pullRequestsAt(REPOSITORY, NEW)).toEqual([]);
    expect((await refusal(reviewer().pullRequestsAt(REPOSITORY, OLD))).message).toMatch(
      /no commit aaaaaaa in acme\/hello that this token may see/,
    );
    expect((await refusal(reviewer().pullRequestsAt("../x", NEW))).message).toMatch(/not a GitHub repo/);
  });

  test("takes the word of those who may write, for the commit that they name, and of nobody else", async () => {
    const said = async (body: string, permission: string, head = NEW) => {
      github.restart(head);
      github.permissions = { [SOMEBODY]: permission };
      github.add(body, SOMEBODY);
      return reviewer().isApproved(of(head));
    };
    expect(await said(`/codebuild_run(${NEW})`, "write")).toBe(true);
    expect(await said(` /codebuild_run(${NEW})\r\n`, "admin")).toBe(true);
    for (const permission of ["read", "triage", "none"])
      expect(await said(`/codebuild_run(${NEW})`, permission)).toBe(false);
    expect(await said(`/codebuild_run(${OLD})`, "admin")).toBe(false);
    expect(await said(`/codebuild_run(${NEW.slice(0, 7)})`, "admin")).toBe(false);
    expect(await said(`> /codebuild_run(${NEW})\nShould I?`, "admin")).toBe(false);
    expect(await said(`Do not say /codebuild_run(${NEW})`, "admin")).toBe(false);
    expect(await said(`/codebuild_run(${NEW})`, "admin", OLD)).toBe(false);
  });

  test("takes no word of an account that GitHub does not know in this repository", async () => {
    github.add(`/codebuild_run(${NEW})`, SOMEBODY);
    github.before = (request) =>
      request.includes("permission") ? [404, { message: "Not Found" }] : undefined;
    expect(await reviewer().isApproved(of(NEW))).toBe(false);
  });

  test("fails when GitHub does not tell who may write", async () => {
    github.add(`/codebuild_run(${NEW})`, SOMEBODY);
    github.before = (request) =>
      request.includes("permission") ? [403, { message: "Must have push access" }] : undefined;
    expect((await refusal(reviewer().isApproved(of(NEW)))).message).toMatch(/may not do it.*Must have push/);
  });
});

describe("trying again", () => {
  const limited = (seconds: number): Answer => [
    403,
    { message: "You have exceeded a secondary rate limit" },
    { "retry-after": String(seconds) },
  ];

  test("waits as long as GitHub says", async () => {
    const answers = [limited(30), limited(20)];
    github.before = () => answers.shift();
    await reviewer().pullRequest(REPOSITORY, NUMBER);
    expect(waits).toEqual(expect.arrayContaining([30_000, 20_000]));
  });

  test("ends after two more times, and at once where GitHub says more than a minute", async () => {
    github.before = () => limited(30);
    await refusal(reviewer().pullRequest(REPOSITORY, NUMBER));
    expect(github.requests).toHaveLength(3);
    github.before = () => limited(61);
    await refusal(reviewer().pullRequest(REPOSITORY, NUMBER));
    expect(github.requests).toHaveLength(4);
  });

  test("helps over an outage", async () => {
    const answers: Answer[] = [
      [502, {}],
      [503, {}],
    ];
    github.before = () => answers.shift();
    expect(await reviewer().post(of(NEW), "2 to add")).toBe("created");
  });
});

test("prints nothing, not even that something is deprecated", async () => {
  github.before = (request) =>
    request.startsWith("GET")
      ? [200, [], { deprecation: "true", link: '<https://example.com>; rel="deprecation"' }]
      : undefined;
  await refusal(reviewer().pullRequest(REPOSITORY, NUMBER));
});

test.each([
  [{ repository: "../user" }],
  [{ repository: "acme/.." }],
  [{ repository: "acme/hello/issues" }],
  [{ repository: "acme/hello?x" }],
  [{ number: 0 }],
  [{ number: 1.5 }],
  [{ commit: "main" }],
  [{ commit: `${NEW}\n` }],
])("takes no %j", async (wrong) => {
  const error = await refusal(reviewer().post({ ...of(NEW), ...wrong }, "text"));
  expect(error.name).toBe("UserError");
  expect(error.message).toMatch(/^This is not a /);
  expect(github.requests).toEqual([]);
});

test("takes no token that is none, and no project that would break the marker", () => {
  for (const token of [" \n", "ghp_a\nghp_b"]) expect(() => reviewer({ token })).toThrow(/no GitHub token/);
  expect(() => reviewer({ project: "a --> b" })).toThrow(/not a project's name/);
});
