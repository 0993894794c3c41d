import { createHash, createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { type Desk, type Request, receive } from "../../../lambdas/delivery-webhook/receive";
import { Signatures } from "../../../lambdas/delivery-webhook/signature";
import { readTask, type Task } from "../../../lambdas/delivery-webhook/task";
import { previewSlug } from "../../../shared/previews";
import { approvalOf } from "../../../tools/review/github";
import { tries } from "../../support/effort";

const NOW = new Date("2026-05-15T15:20:34Z");
const SECRET = "known to GitHub and to us";
const COMMIT = "c".repeat(40);
const DELIVERY = "72d3162e-cc78-11e3-81ab-4c9367dc0958";

const TASK: Task = {
  project: "hello",
  region: "eu-west-1",
  repository: "acme/hello",
  secret: "hello/github-webhook",
  pipelines: {
    "hello-main": { branch: "main" },
    "hello-too": { branch: "main" },
    "hello-old": { branch: "release/1" },
  },
  review: { project: "hello-delivery-review", into: ["main", "release/1"] },
  queue: "https://sqs.eu-west-1.amazonaws.com/111111111111/hello-delivery-previews.fifo",
};

type Payload = Record<string, unknown>;

/** As GitHub's documentation shows them. */
const recorded = (name: string): Payload =>
  JSON.parse(readFileSync(join(__dirname, "events", `${name}.json`), "utf8"));

const refused = (name: string) => Object.assign(new Error("no"), { name });

/** As much of AWS as the function meets. */
class World {
  secret: string | undefined = SECRET;
  task = TASK;
  reads = 0;
  readonly done: [string, Record<string, unknown>][] = [];
  readonly log: string[] = [];
  /** What refuses, and how. */
  refuses: Record<string, string> = {};
  readonly signatures = new Signatures(
    {
      send: async ({ input }: { input: { SecretId: string } }) => {
        this.reads++;
        expect(input.SecretId).toBe(TASK.secret);
        if (this.refuses.secrets) throw refused(this.refuses.secrets);
        if (this.secret === undefined) throw refused("ResourceNotFoundException");
        return { SecretString: this.secret };
      },
    } as never,
    TASK.secret,
  );

  private client(name: string) {
    const send = async ({ input }: { input: Record<string, unknown> }) => {
      const { name: pipeline = "" } = input;
      const refusal = this.refuses[name] ?? this.refuses[String(pipeline)];
      if (refusal) throw refused(refusal);
      this.done.push([name, input]);
    };
    return { send } as never;
  }

  private get desk(): Desk {
    const note = (...said: unknown[]) => {
      this.log.push(JSON.stringify(said));
    };
    const { task, signatures } = this;
    const clients = {
      pipelines: this.client("pipelines"),
      builds: this.client("builds"),
      queues: this.client("queues"),
    };
    return { task, signatures, clients, log: { info: note, warn: note } };
  }

  receive(request: Request, now = NOW) {
    return receive(this.desk, request, now);
  }

  /** A delivery as GitHub makes it. */
  deliver(event: string, payload: Payload | string, changes: Partial<Request> = {}, now = NOW) {
    const body = typeof payload === "string" ? payload : JSON.stringify(payload);
    return this.receive({ ...deliveryOf(event, body), ...changes }, now);
  }

  /** The pipelines that were started. */
  get started() {
    return this.done.flatMap(([client, { name }]) => (client === "pipelines" ? [name] : []));
  }
  /** The pull requests whose review was started. */
  get reviewed() {
    return this.done.flatMap(([client, { sourceVersion }]) => (client === "builds" ? [sourceVersion] : []));
  }
  /** What the previews were told. */
  get hints() {
    return this.done.flatMap(([client, { MessageBody }]) =>
      client === "queues" ? [JSON.parse(String(MessageBody))] : [],
    );
  }
}

const sign = (body: string, secret = SECRET) =>
  `sha256=${createHmac("sha256", secret).update(body).digest("hex")}`;
const deliveryOf = (event: string, body: string): Request => ({
  method: "POST",
  headers: { "x-github-event": event, "x-github-delivery": DELIVERY, "x-hub-signature-256": sign(body) },
  body,
  isBase64: false,
});

let world: World;
beforeEach(() => {
  world = new World();
});

describe("a signature", () => {
  const body = JSON.stringify(recorded("push"));
  const signed = deliveryOf("push", body);
  const withSignature = (signature: string | undefined) => ({
    ...signed,
    headers: { ...signed.headers, "x-hub-signature-256": signature },
  });

  test("as GitHub's documentation computes one is taken", async () => {
    world.secret = "It's a Secret to Everybody";
    const signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17";
    // No JSON, which is found only after the signature holds.
    const request = { ...withSignature(signature), body: "Hello, World!" };
    expect(await world.receive(request)).toMatchObject({ status: 400 });
  });

  test("is of the bytes, also where API Gateway brings them in base64", async () => {
    const request = { ...signed, body: Buffer.from(body).toString("base64"), isBase64: true };
    expect(await world.receive(request)).toMatchObject({ status: 202 });
    expect(world.started).toContain("hello-main");
  });

  test.each([
    ["is missing", undefined],
    ["is of another secret", sign(body, "guessed")],
    ["is of another body", sign(`${body} `)],
    ["is of the empty secret", sign(body, "")],
    ["is cut", sign(body).slice(0, -1)],
    ["is longer", `${sign(body)}0`],
    ["is sent twice", `${sign(body)}, ${sign(body)}`],
    ["is one of SHA-1", `sha1=${createHmac("sha1", SECRET).update(body).digest("hex")}`],
  ])("that %s starts nothing, and nobody hears why", async (_, signature) => {
    expect(await world.receive(withSignature(signature))).toEqual({ status: 401, text: "Unauthorized" });
    expect(world.done).toEqual([]);
  });

  test.each([
    ["is not there yet", undefined],
    ["is empty", " \n"],
  ])("is never right while the secret %s", async (_, secret) => {
    world.secret = secret;
    for (const guess of ["", " \n", "undefined"])
      expect(await world.receive(withSignature(sign(body, guess)))).toMatchObject({ status: 401 });
  });

  test("by a changed secret is taken, and wrong ones make nobody ask for it more than once a minute", async () => {
    const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
    await world.receive(signed, at(0));
    await world.receive(signed, at(1));
    expect(world.reads).toBe(1);
    world.secret = "another one";
    const anew = withSignature(sign(body, "another one"));
    expect(await world.receive(anew, at(59))).toMatchObject({ status: 401 });
    expect(world.reads).toBe(1);
    expect(await world.receive(anew, at(60))).toMatchObject({ status: 202 });
    for (let second = 61; second < 120; second++)
      expect(await world.receive(signed, at(second))).toMatchObject({ status: 401 });
    expect(world.reads).toBe(2);
  });

  test("by a secret that was given up counts for a minute more, however often it comes", async () => {
    const at = (seconds: number) => new Date(NOW.getTime() + seconds * 1000);
    await world.receive(signed, at(0));
    // Somebody else has got to know it.
    world.secret = "another one";
    for (let second = 1; second < 60; second++) await world.receive(signed, at(second));
    world.done.length = 0;
    expect(await world.receive(signed, at(60))).toMatchObject({ status: 401 });
    world.secret = undefined;
    expect(await world.receive(withSignature(sign(body, "another one")), at(120))).toMatchObject({
      status: 401,
    });
    expect(world.done).toEqual([]);
  });

  test("that nobody can check is an error, not a refusal", async () => {
    world.refuses = { secrets: "ThrottlingException" };
    await expect(world.receive(signed)).rejects.toThrow();
    world.refuses = {};
    expect(await world.receive(signed)).toMatchObject({ status: 202 });
  });
});

test("fails when anything starts something without a right signature, or makes it throw", async () => {
  const names = ["x-github-event", "x-github-delivery", "x-hub-signature-256", "content-type"];
  const event = fc.constantFrom("push", "create", "delete", "pull_request", "issue_comment", "ping");
  const body = fc.oneof(
    fc.string(),
    fc.uint8Array().map((bytes) => Buffer.from(bytes).toString("base64")),
    fc.json(),
    fc.constantFrom("push", "pull-request", "issue-comment").map((name) => JSON.stringify(recorded(name))),
  );
  await fc.assert(
    fc.asyncProperty(
      body,
      fc.boolean(),
      fc.constantFrom("POST", "GET", "PUT"),
      event,
      fc.dictionary(fc.constantFrom(...names), fc.string()),
      async (body, isBase64, method, kind, headers) => {
        const world = new World();
        const request = { method, body, isBase64, headers: { "x-github-event": kind, ...headers } };
        expect((await world.receive(request)).status).toBe(method === "POST" ? 401 : 405);
        expect(world.done).toEqual([]);
      },
    ),
    { numRuns: tries(100) },
  );
});

test("fails when JSON of any shape makes it throw, though it is signed", async () => {
  const event = fc.constantFrom("push", "create", "delete", "pull_request", "issue_comment", "release");
  const mangled = fc
    .tuple(fc.constantFrom("push", "create", "pull-request", "issue-comment"), fc.string(), fc.jsonValue())
    .map(([name, key, value]) => {
      const payload = recorded(name);
      const keys = Object.keys(payload);
      return { ...payload, [keys[key.length % keys.length]!]: value };
    });
  await fc.assert(
    fc.asyncProperty(event, fc.oneof(fc.jsonValue(), mangled), async (kind, payload) => {
      const { status } = await new World().deliver(kind, JSON.stringify(payload));
      expect([202, 400]).toContain(status);
    }),
    { numRuns: tries(100) },
  );
});

describe("a delivery", () => {
  test("of a ping is answered, and starts nothing", async () => {
    expect(await world.deliver("ping", recorded("ping"))).toMatchObject({ status: 200 });
    expect(world.done).toEqual([]);
  });

  test("is not even looked at where it is larger than Lambda takes from GitHub", async () => {
    const body = " ".repeat(5 * 1024 * 1024 + 1);
    expect(await world.deliver("push", body)).toMatchObject({ status: 413 });
    const isBase64 = { body: Buffer.from(body).toString("base64"), isBase64: true };
    expect(await world.deliver("push", body, isBase64)).toMatchObject({ status: 413 });
    expect(world.reads).toBe(0);
  });

  test.each([
    ["of another repository", "push", { repository: { full_name: "acme/hello-2" } }],
    ["of a tag", "push", { ref: "refs/tags/main" }],
    ["of a made tag", "create", { ref_type: "tag" }],
    ["of a star", "star", {}],
    ["of a label on a pull request", "pull_request", { action: "labeled" }],
  ])("%s starts nothing", async (_, event, changes) => {
    const payload = { ...recorded(event === "star" ? "push" : event.replace("_", "-")), ...changes };
    expect(await world.deliver(event, payload)).toMatchObject({ status: 202 });
    expect(world.done).toEqual([]);
  });

  test("of the repository as its owner writes it now is one of it", async () => {
    await world.deliver("push", { ...recorded("push"), repository: { full_name: "Acme/Hello" } });
    expect(world.started).toContain("hello-main");
  });

  test("in a form, as GitHub sends it by default, is refused with what to set", async () => {
    const body = `payload=${encodeURIComponent(JSON.stringify(recorded("push")))}`;
    expect(await world.deliver("push", body)).toMatchObject({
      status: 400,
      text: expect.stringContaining("content type application/json"),
    });
  });

  test("leaves neither its body nor its signature in the log, and no character that nobody sees", async () => {
    const branch = "feature/\u202e\u001b[31m\n{}";
    const payload = { ...recorded("push"), ref: `refs/heads/${branch}` };
    await world.deliver("push", payload);
    const log = world.log.join("\n");
    expect(log).toContain("feature/");
    expect(log).not.toMatch(/Update README|sha256=|octocat/);
    for (const unseen of ["\u202e", "\u001b"]) expect(log).not.toContain(unseen);
  });
});

describe("a push", () => {
  test("to a branch starts its pipelines, and those alone", async () => {
    await world.deliver("push", recorded("push"));
    expect(world.started).toEqual(["hello-main", "hello-too"]);
  });

  test.each(["main/1", "mai", "feature/main", "MAIN"])("to %s starts no pipeline of main", async (branch) => {
    await world.deliver("push", { ...recorded("push"), ref: `refs/heads/${branch}` });
    expect(world.started).toEqual([]);
    expect(world.hints).toEqual([{ slipway: "branch", branch }]);
  });

  test("that deletes a branch starts no pipeline, and is news for the previews", async () => {
    await world.deliver("push", { ...recorded("push"), deleted: true });
    expect({ started: world.started, hints: world.hints }).toEqual({
      started: [],
      hints: [{ slipway: "branch", branch: "main" }],
    });
  });

  test("that is delivered again starts nothing anew, and another one does", async () => {
    const tokens = () =>
      world.done.map(([, { clientRequestToken, MessageDeduplicationId }]) =>
        String(clientRequestToken ?? MessageDeduplicationId),
      );
    await world.deliver("push", recorded("push"));
    const [main, too, hint] = tokens();
    expect(new Set([main, too, hint]).size).toBe(3);
    for (const token of [main, too, hint]) expect(token).toMatch(/^[A-Za-z0-9-]{1,128}$/);
    await world.deliver("push", recorded("push"));
    expect(tokens().slice(3)).toEqual([main, too, hint]);
    const { headers } = deliveryOf("push", JSON.stringify(recorded("push")));
    await world.deliver("push", recorded("push"), {
      headers: { ...headers, "x-github-delivery": "another" },
    });
    expect(
      tokens()
        .slice(6)
        .filter((token) => [main, too, hint].includes(token)),
    ).toEqual([]);
  });

  test("whose one step fails has all others done, and is an error that names it", async () => {
    world.refuses = { "hello-main": "ThrottlingException" };
    await expect(world.deliver("push", recorded("push"))).rejects.toThrow(
      /Starting hello-main failed: ThrottlingException/,
    );
    expect({ started: world.started, hints: world.hints.length }).toEqual({
      started: ["hello-too"],
      hints: 1,
    });
  });

  test("to the branch of a pipeline that is not deployed yet is no error", async () => {
    world.refuses = { "hello-main": "PipelineNotFoundException" };
    expect(await world.deliver("push", recorded("push"))).toMatchObject({ status: 202 });
    expect(world.log.join("\n")).toMatch(/hello-main failed: it is not deployed/);
  });
});

describe("the previews", () => {
  test.each([["create"], ["delete"]])("hear of a branch by %s", async (event) => {
    await world.deliver(event, recorded(event));
    expect(world.hints).toEqual([{ slipway: "branch", branch: "feature/login" }]);
  });

  test("hear of a branch's news in their order, whatever its name is", async () => {
    const branch = `"; rm -rf / #${"x".repeat(200)}`;
    await world.deliver("create", { ...recorded("create"), ref: branch });
    expect(world.done).toMatchObject([
      ["queues", { QueueUrl: TASK.queue, MessageGroupId: previewSlug(branch) }],
    ]);
    expect(world.hints).toEqual([{ slipway: "branch", branch }]);
  });

  test("hear of a branch whose name has what SQS takes in no message", async () => {
    const branch = "feature/\uffff\ufffe-分支-🎉";
    await world.deliver("create", { ...recorded("create"), ref: branch });
    expect(world.done[0]![1].MessageBody).toMatch(/^[\x20-\x7e]+$/);
    expect(world.hints).toEqual([{ slipway: "branch", branch }]);
  });

  test.each([
    "opened",
    "reopened",
    "synchronize",
    "closed",
    "edited",
  ])("hear of a pull request that is %s, in its branch's turn", async (action) => {
    await world.deliver("pull_request", { ...recorded("pull-request"), action });
    expect(world.hints).toEqual([{ slipway: "pull-request", number: 7, branch: "feature/login" }]);
    expect(world.done.at(-1)![1].MessageGroupId).toBe(previewSlug("feature/login"));
  });

  test.each(["pull-request-fork", "pull-request-fork-gone"])("hear nothing of a %s", async (name) => {
    await world.deliver("pull_request", recorded(name));
    expect(world.hints).toEqual([]);
  });

  test("are told nothing where there are none", async () => {
    world.task = { ...TASK, queue: undefined };
    await world.deliver("push", recorded("push"));
    expect(world.done.map(([client]) => client)).toEqual(["pipelines", "pipelines"]);
  });
});

describe("a review", () => {
  test.each([
    "pull-request",
    "pull-request-fork",
    "pull-request-fork-gone",
  ])("of a %s is started, once for one delivery", async (name) => {
    await world.deliver("pull_request", recorded(name));
    await world.deliver("pull_request", recorded(name));
    const builds = world.done.filter(([client]) => client === "builds").map(([, input]) => input);
    expect(builds).toHaveLength(2);
    expect(builds[1]).toEqual(builds[0]);
    expect(builds[0]).toEqual({
      projectName: "hello-delivery-review",
      sourceVersion: "pr/7",
      environmentVariablesOverride: [{ name: "PULL_REQUEST", value: "7", type: "PLAINTEXT" }],
      idempotencyToken: createHash("sha256").update(`${DELIVERY} review`).digest("hex"),
    });
  });

  test.each([
    ["is closed", { action: "closed" }],
    ["has another title", { action: "edited", changes: { title: { from: "Login" } } }],
  ])("is not started where the pull request %s", async (_, changes) => {
    const answer = await world.deliver("pull_request", { ...recorded("pull-request"), ...changes });
    expect(answer).toMatchObject({ status: 202 });
    expect(world.reviewed).toEqual([]);
  });

  test("is started where the pull request is into another branch than before", async () => {
    const changes = { base: { ref: { from: "develop" }, sha: { from: "0".repeat(40) } } };
    await world.deliver("pull_request", { ...recorded("pull-request"), action: "edited", changes });
    expect(world.reviewed).toEqual(["pr/7"]);
  });

  test("is not started of a pull request into a branch that is not deployed", async () => {
    const payload = recorded("pull-request") as { pull_request: { base: object } };
    payload.pull_request.base = { ...payload.pull_request.base, ref: "develop" };
    await world.deliver("pull_request", payload);
    expect(world.reviewed).toEqual([]);
    expect(world.hints).toHaveLength(1);
  });

  test("is no alarm where as many builds of it run as may, which strangers can bring about", async () => {
    world.refuses = { builds: "AccountLimitExceededException" };
    expect(await world.deliver("pull_request", recorded("pull-request"))).toMatchObject({ status: 202 });
    expect(world.log.join("\n")).toMatch(/pull request 7 failed: as many of its builds run as may/);
  });

  test("is started by the comment that lets a fork's commit be planned", async () => {
    await world.deliver("issue_comment", recorded("issue-comment"));
    expect(world.done).toMatchObject([["builds", { sourceVersion: "pr/7" }]]);
    // As the review reads it: what a paste brings along is no part of it.
    await world.deliver("issue_comment", {
      ...recorded("issue-comment"),
      comment: { body: `\n${approvalOf(COMMIT)}\r\n` },
    });
    expect(world.reviewed).toHaveLength(2);
  });

  test.each([
    ["says something else", { comment: { body: `run it: /codebuild_run(${COMMIT})` } }],
    ["says more than that", { comment: { body: `/codebuild_run(${COMMIT}) @everyone` } }],
    ["names no whole commit", { comment: { body: "/codebuild_run(c0ffee)" } }],
    ["says nothing", { comment: { body: null } }],
    ["was changed", { action: "edited" }],
    ["is on a closed pull request", { issue: { number: 7, state: "closed", pull_request: {} } }],
    ["is on an issue", { issue: { number: 7, state: "open" } }],
  ])("is not started by a comment that %s", async (_, changes) => {
    expect(await world.deliver("issue_comment", { ...recorded("issue-comment"), ...changes })).toMatchObject({
      status: 202,
    });
    expect(world.done).toEqual([]);
  });

  test("is not started where nothing reviews", async () => {
    world.task = { ...TASK, review: undefined };
    await world.deliver("pull_request", recorded("pull-request"));
    await world.deliver("issue_comment", recorded("issue-comment"));
    expect(world.reviewed).toEqual([]);
  });
});

test("fails with the names of what is wrong in its variables", () => {
  expect(readTask({ WEBHOOK: JSON.stringify(TASK) })).toEqual(TASK);
  expect(() => readTask({ WEBHOOK: JSON.stringify({ ...TASK, secret: "" }) })).toThrow(/secret/);
});
