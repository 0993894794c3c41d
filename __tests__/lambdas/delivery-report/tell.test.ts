import { createHash } from "node:crypto";
import fc from "fast-check";
import { runChat } from "../../../lambdas/delivery-report/messages/chat";
import { approvalMail, runMail } from "../../../lambdas/delivery-report/messages/mail";
import { overviewPage } from "../../../lambdas/delivery-report/pages/overview";
import { runPage } from "../../../lambdas/delivery-report/pages/run";
import { readTask } from "../../../lambdas/delivery-report/task";
import { tokenSecret } from "../../../shared/github-token";
import { LINK_SECONDS, signedText } from "../../../shared/page-links";
import { tries } from "../../support/effort";
import {
  actionEvent,
  awsError,
  BUCKET,
  buildEvent,
  FakeWorld,
  pipelineEvent,
  stageEvent,
  TASK,
  TOKEN,
  WEBHOOK,
} from "./fake-world";

const COMMIT = "a".repeat(40);

/** A run that failed in its tests; with what its source says, and its log. */
function failed(world: FakeWorld, log: readonly string[] = [], source: Record<string, string> = {}) {
  const execution = world.begin("run-1", COMMIT);
  world.act(execution, "Source");
  world.end(execution, "Source", "Succeeded", { outputVariables: { CommitId: COMMIT, ...source } });
  world.act(execution, "test");
  world.end(execution, "test", "Failed");
  world.builds["hello-main-test:run-1-1"] = { log };
  world.finish(execution, "Failed");
  return execution;
}
const FAILED = pipelineEvent("run-1", "FAILED");

describe("an event", () => {
  test.each([
    ["of a pipeline", FAILED],
    ["of a stage", stageEvent("run-1", "Build", "FAILED")],
    ["of an action", actionEvent("run-1", "Build", "test", "FAILED")],
  ])("%s makes its run be told of", async (_, event) => {
    const world = new FakeWorld();
    failed(world);
    expect(await world.hear(event)).toBe(true);
    expect(world.mails).toMatchObject([{ kind: "failure", pipeline: "main" }]);
  });

  test.each([
    ["that is no JSON", "no event"],
    ["of a pipeline that is not told of", pipelineEvent("run-1", "FAILED", "others-main")],
    ["of another build", buildEvent("hello-main-test:run-1-1", "FAILED")],
    ["of another kind", { source: "aws.ec2", detail: {} }],
    ["whose execution is a path", pipelineEvent("../../run-1", "FAILED")],
  ])("%s is dropped with a line in the log, and not tried again", async (_, event) => {
    const world = new FakeWorld();
    failed(world);
    expect(await world.hear(event)).toBe(true);
    expect(world.log).toEqual([expect.stringContaining("dropped")]);
    expect(world.asked).toEqual([]);
  });

  test("of an execution that is gone is dropped", async () => {
    const world = new FakeWorld();
    expect(await world.hear(FAILED)).toBe(true);
    expect(world.log).toEqual([expect.stringContaining("run-1")]);
  });

  test("beside others of its run in a batch is read once with them", async () => {
    const world = new FakeWorld();
    failed(world);
    const bodies = [FAILED, stageEvent("run-1", "Build", "FAILED"), FAILED];
    const events = bodies.map((body, index) => ({ id: String(index), body: JSON.stringify(body) }));
    expect(await world.deliver(events)).toEqual([]);
    expect(world.asked.filter((one) => one === "ListActionExecutions").length).toBe(1);
  });

  test("for which no time is left goes back to the queue", async () => {
    const world = new FakeWorld();
    failed(world);
    expect(await world.deliver([{ id: "late", body: JSON.stringify(FAILED) }], 5_000)).toEqual(["late"]);
    expect(world.asked).toEqual([]);
  });
});

describe("what is told", () => {
  test("costs a run that goes on, and has nothing new, three questions", async () => {
    const world = new FakeWorld();
    const execution = world.begin("run-1", COMMIT);
    world.act(execution, "Source");
    world.end(execution, "Source", "Succeeded", { outputVariables: { CommitId: COMMIT } });
    await world.hear(FAILED);
    world.asked.length = 0;
    await world.hear(FAILED);
    expect(world.asked).toEqual(["GetPipelineExecution", "ListActionExecutions", "GetObject"]);
  });

  test("goes only to the ways that are there", async () => {
    const world = new FakeWorld();
    world.task = { ...TASK, chat: undefined, pages: undefined, tokenSecret: undefined };
    failed(world);
    expect(await world.hear(FAILED)).toBe(true);
    expect(world.mails.length).toBe(1);
    expect([world.posts, world.statuses]).toEqual([[], []]);
    expect([...world.objects.keys()]).toEqual([
      `${BUCKET}/state/main/run-1.json`,
      `${BUCKET}/state/main/runs.json`,
    ]);
    expect(JSON.parse(world.mails[0]!.text).links.page).toBeUndefined();
  });

  test.each([
    ["of these events alone", { events: ["success" as const] }],
    ["of these pipelines alone", { pipelines: ["other"] }],
  ])("goes to a chat %s, where that is chosen", async (_, choice) => {
    const world = new FakeWorld();
    world.task = { ...TASK, chat: { secret: "hello/chat", ...choice } };
    failed(world);
    expect(await world.hear(FAILED)).toBe(true);
    expect(world.posts).toEqual([]);
    expect(world.mails.length).toBe(1);
  });

  test("of a run that a newer one of the same commit has overtaken sets no status", async () => {
    const world = new FakeWorld();
    failed(world);
    world.begin("run-2", COMMIT);
    expect(await world.hear(FAILED)).toBe(true);
    expect(world.statuses).toEqual([]);
  });

  test("is on the page of all pipelines, as HTML that nobody keeps", async () => {
    const world = new FakeWorld();
    failed(world);
    await world.hear(FAILED);
    const { type } = world.objects.get(`${BUCKET}/index.html`)!;
    expect(type).toBe("text/html; charset=utf-8");
    expect(world.page("index.html")).toContain('"execution":"run-1"');
    expect(world.page("runs/main/run-1.html")).toContain('"failed"');
  });
});

describe("what cannot be told", () => {
  test.each([
    [401, "npm run connect"],
    [403, "npm run connect"],
    [404, "npm run connect"],
  ])("because GitHub answers %i goes back to the queue after all else is told, and says what to do", async (status, advice) => {
    const world = new FakeWorld();
    failed(world);
    world.answers.github = status;
    expect(await world.hear(FAILED)).toBe(false);
    expect([world.mails.length, world.posts.length]).toEqual([1, 1]);
    expect(world.log.at(-1)).toContain(advice);
  });

  test("because GitHub has had too many requests says so, and not that the token is wrong", async () => {
    const world = new FakeWorld();
    failed(world);
    world.answers = { github: 403, githubHeaders: { "x-ratelimit-remaining": "0" } };
    expect(await world.hear(FAILED)).toBe(false);
    expect(world.log.at(-1)).toContain("too many requests");
    expect(world.log.at(-1)).not.toContain("connect");
  });

  test("because the chat's webhook is gone says what to do", async () => {
    const world = new FakeWorld();
    failed(world);
    world.answers.chat = 410;
    expect(await world.hear(FAILED)).toBe(false);
    expect(world.log.at(-1)).toMatch(/make a new webhook.*hello\/chat/);
    expect(world.statuses.length).toBe(1);
  });

  test("because a secret is not there keeps nothing else from being told", async () => {
    const world = new FakeWorld();
    failed(world);
    Object.assign(world.secrets, {
      "hello/github-token": undefined,
      "hello/chat": "http://plain.example.com/x",
    });
    expect(await world.hear(FAILED)).toBe(false);
    expect(world.mails.length).toBe(1);
    expect(world.log.at(-1)).toMatch(/beginning with https.*\n.*npm run connect/);
  });
});

describe("a build that looks for drift", () => {
  const BUILD = "hello-delivery-drift:0b1c2d3e";
  const EVENT = buildEvent(BUILD, "SUCCEEDED");
  const report = (environments: readonly string[], failures: readonly string[] = []) => ({
    project: "hello",
    when: "2026-11-20T12:00:00Z",
    environments: environments.map((environment) => ({ environment, summary: "1 to change", review: ["x"] })),
    failures: failures.map((environment) => ({ environment, reason: "no credentials" })),
  });
  const found = (world: FakeWorld, content: object, build = BUILD) => {
    const key = `drift/${build}.json`;
    world.builds[build] = { exported: { DRIFT_RESULT: key } };
    world.objects.set(`${BUCKET}/${key}`, { body: JSON.stringify(content) });
  };

  test("and found none tells nobody, and the overview that there is none", async () => {
    const world = new FakeWorld();
    world.objects.set(`${BUCKET}/state/drift.json`, {
      body: JSON.stringify({ when: "2026-11-19T12:00:00Z", environments: ["dev"] }),
    });
    world.builds[BUILD] = { exported: { DRIFT_RESULT: "none" } };
    expect(await world.hear(EVENT)).toBe(true);
    expect([world.mails, world.posts]).toEqual([[], []]);
    expect(world.page("index.html")).toContain('"drifted":[]');
  });

  test("tells once what it found, however often its event comes", async () => {
    const world = new FakeWorld();
    found(world, report(["dev"]));
    expect(await world.hear(EVENT)).toBe(true);
    expect(await world.hear(EVENT)).toBe(true);
    expect(world.mails).toMatchObject([{ kind: "drift", pipeline: undefined }]);
    expect(world.posts.length).toBe(1);
    expect(world.page("index.html")).toContain('"drifted":["dev"]');
  });

  test.each([
    ["after the next deployment, which has undone it", TASK, "2026-11-20T11:00:00Z"],
    ["where nobody looks for it any more", { ...TASK, driftProject: undefined }, "2026-11-20T13:00:00Z"],
  ])("is told of by the overview no longer %s", async (_, task, when) => {
    const world = new FakeWorld();
    world.task = task;
    world.objects.set(`${BUCKET}/state/drift.json`, {
      body: JSON.stringify({ when, environments: ["dev", "prod"] }),
    });
    const execution = failed(world);
    for (const name of ["apply-dev", "release-dev", "verify-dev"]) {
      world.act(execution, name);
      world.end(execution, name, "Succeeded");
    }
    world.finish(execution, "Succeeded");
    await world.hear(FAILED);
    expect(world.page("index.html")).toContain(`"drifted":${task.driftProject ? '["prod"]' : "[]"}`);
  });

  test("and could not compare an environment leaves what is known of it", async () => {
    const world = new FakeWorld();
    world.objects.set(`${BUCKET}/state/drift.json`, {
      body: JSON.stringify({ when: "2026-11-19T12:00:00Z", environments: ["dev", "prod"] }),
    });
    found(world, report([], ["prod"]));
    expect(await world.hear(EVENT)).toBe(true);
    expect(world.mails).toMatchObject([{ kind: "failure" }]);
    expect(world.json("state/drift.json").environments).toEqual(["prod"]);
  });

  test.each([
    ["failed itself", undefined],
    ["names a report elsewhere", "../state/main/runs.json"],
    ["left no report", "drift/nothing.json"],
  ])("and %s is told as a failure", async (_, result) => {
    const world = new FakeWorld();
    world.builds[BUILD] = {
      status: "FAILED",
      exported: result === undefined ? {} : { DRIFT_RESULT: result },
    };
    expect(await world.hear(EVENT)).toBe(true);
    expect(world.mails).toMatchObject([{ kind: "failure" }]);
    expect(JSON.parse(world.mails[0]!.text).failures[0].reason).toContain("/codebuild/");
  });

  test("and has not ended is not told of", async () => {
    const world = new FakeWorld();
    world.builds[BUILD] = { status: "IN_PROGRESS", complete: false };
    expect(await world.hear(EVENT)).toBe(true);
    expect(world.objects.size).toBe(0);
  });
});

describe("credentials", () => {
  const letters = (alphabet: string, length: number) =>
    fc
      .array(fc.constantFrom(...alphabet), { minLength: length, maxLength: length })
      .map((all) => all.join(""));
  const BASE32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  const ALPHANUMERIC = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
  /** Made up; each with what of it must not be seen. */
  const planted = fc.oneof(
    letters(BASE32, 16).map((rest) => ({ text: `AKIA${rest}`, secret: rest })),
    letters(ALPHANUMERIC, 36).map((rest) => ({ text: `ghp_${rest}`, secret: rest })),
    letters(ALPHANUMERIC, 30).map((rest) => ({ text: `github_pat_${rest}`, secret: rest })),
    letters(ALPHANUMERIC, 20).map((rest) => ({ text: `glpat-${rest}`, secret: rest })),
    letters(ALPHANUMERIC, 24).map((rest) => ({ text: `xoxb-${rest}`, secret: rest })),
    letters(ALPHANUMERIC, 36).map((rest) => ({ text: `npm_${rest}`, secret: rest })),
    letters(ALPHANUMERIC, 37).map((rest) => ({ text: `aB3${rest}`, secret: `aB3${rest}` })),
    letters(ALPHANUMERIC, 20).map((rest) => ({ text: `DB_PASSWORD=${rest}x`, secret: `${rest}x` })),
    letters(ALPHANUMERIC, 20).map((rest) => ({ text: `https://me:${rest}@example.com/x`, secret: rest })),
    letters(ALPHANUMERIC, 30).map((rest) => ({ text: `Authorization: Bearer ${rest}`, secret: rest })),
    letters(ALPHANUMERIC, 64).map((rest) => ({
      text: `-----BEGIN RSA PRIVATE KEY-----\n${rest}\n-----END RSA PRIVATE KEY-----`, // slipway:not-a-secret made up
      secret: rest,
    })),
    letters(ALPHANUMERIC, 64).map((rest) => ({
      // Its beginning is not in what is read of the log.
      text: `${rest}\n-----END EC PRIVATE KEY-----`,
      secret: rest,
    })),
    fc.constantFrom(TOKEN, WEBHOOK).map((secret) => ({ text: `got ${secret}`, secret })),
    letters(ALPHANUMERIC, 36).map((rest) => ({
      // Coloured in the middle.
      text: `ghp_${rest.slice(0, 9)}\u001b[1m${rest.slice(9)}\u001b[0m`,
      secret: rest.slice(9),
    })),
  );

  /** All that is sent and stored, but for what is signed with a secret. */
  const everything = (world: FakeWorld) =>
    JSON.stringify([world.mails, world.posts, world.statuses, world.log, [...world.objects]]);

  test.each([
    ["as it is", {}],
    ["as people read it", { runMail, approvalMail, runChat, runPage, overviewPage }],
  ])("wherever they are planted are in nothing that is sent, stored or logged, %s", (_, wording) =>
    fc.assert(
      fc.asyncProperty(planted, fc.integer({ min: 0, max: 60 }), async ({ text, secret }, before) => {
        const world = new FakeWorld();
        world.wording = { ...world.wording, ...wording };
        const execution = failed(world, [...Array(before).fill("log"), `noise ${text} noise`], {
          CommitMessage: text,
          BranchName: text,
          AuthorDisplayName: text,
        });
        world.act(execution, "plan-dev");
        world.end(execution, "plan-dev", "Succeeded", {
          outputVariables: { PLAN_SUMMARY: text, PLAN_RISKS: text, PLAN_COST: text, PLAN_SHA256: text },
        });
        world.act(execution, "release-dev");
        world.end(execution, "release-dev", "Failed", {
          executionResult: { errorDetails: { message: text } },
        });
        world.builds["hello-main-release-dev:run-1-1"] = {
          log: [
            JSON.stringify({
              environment: "dev",
              services: { [text]: { before: text, done: "failed" } },
              functions: {},
            }),
          ],
          reports: [{ testSummary: { statusCounts: { FAILED: 1 } } }],
        };
        world.testCases["hello-main-release-dev:run-1-1/0"] = [
          { name: text, status: "FAILED", message: text },
        ];
        expect(await world.hear(FAILED)).toBe(true);
        // Not by toContain, which would print all of it.
        expect(everything(world).indexOf(secret)).toBe(-1);
        // Something is told, and the rest of a line is.
        expect(world.mails[0]!.text).toContain("noise");
      }),
      { numRuns: tries(60) },
    ));

  test("that the function reads are not in what it says of a failure", async () => {
    const world = new FakeWorld();
    failed(world);
    const refusals = { github: 401, chat: 500 };
    Object.assign(world.answers, refusals);
    await world.hear(FAILED);
    world.secrets["hello/github-token"] = tokenSecret("another-made-up-token");
    world.fault = (operation) =>
      operation === "chat" ? Object.assign(new TypeError(`fetch failed ${WEBHOOK}`)) : undefined;
    await world.hear(FAILED);
    const log = world.log.join("\n");
    for (const secret of [TOKEN, WEBHOOK, "another-made-up-token"]) expect(log).not.toContain(secret);
  });
});

describe("the function's variables", () => {
  const { githubApi: _, ...report } = TASK;

  test("are taken as they should be", () => {
    expect(readTask({ REPORT: JSON.stringify(report) })).toEqual(TASK);
    const given = { REPORT: JSON.stringify(report), GITHUB_API_URL: "http://127.0.0.1:4000/" };
    expect(readTask(given).githubApi).toBe("http://127.0.0.1:4000");
  });

  test("that are wrong are named", () => {
    expect(() => readTask({ REPORT: JSON.stringify({ ...report, provider: "ftp", bucket: "" }) })).toThrow(
      /variables are wrong:.*provider.*bucket/s,
    );
    expect(() => readTask({})).toThrow(/REPORT/);
  });
});

describe("the link to a run's page", () => {
  test("is signed, and expires in a week", async () => {
    const world = new FakeWorld();
    failed(world);
    await world.hear(FAILED);
    const link = new URL(JSON.parse(world.mails[0]!.text).links.page);
    const expires = world.now.getTime() / 1000 + LINK_SECONDS;
    expect(link.origin + link.pathname).toBe("https://pages.example.com/runs/main/run-1.html");
    expect(Object.fromEntries(link.searchParams)).toEqual({
      expires: String(expires),
      signature: createHash("sha256").update(signedText("hello", expires)).digest("hex"),
    });
  });

  test("that cannot be signed is left out, and all else is told", async () => {
    const world = new FakeWorld();
    failed(world);
    world.fault = (operation) =>
      operation === "GenerateMac" ? awsError("KMSInvalidStateException") : undefined;
    expect(await world.hear(FAILED)).toBe(true);
    expect(JSON.parse(world.mails[0]!.text).links.page).toBeUndefined();
    expect(world.page("runs/main/run-1.html")).toBeDefined();
    expect(world.log[0]).toContain("KMSInvalidStateException");
  });
});
