import fc from "fast-check";
import { goesOnIn } from "../../../shared/run-report";
import { tries } from "../../support/effort";
import {
  actionEvent,
  awsError,
  type FakeExecution,
  FakeWorld,
  pipelineEvent,
  stageEvent,
  TASK,
} from "./fake-world";

const COMMIT = "a".repeat(40);
const NEWER = "b".repeat(40);
const RESTARTED = goesOnIn("run-2");
/** Longer than a dead sender's claim is respected. */
const VISIBILITY_SECONDS = 6 * 60;

/** What happens to the pipeline, and the events that tell of it. */
interface Step {
  readonly happen: (world: FakeWorld) => void;
  readonly events: readonly object[];
}

/** How a run, and what comes after it, is told of in the end. */
interface History {
  readonly steps: readonly Step[];
  /** Kinds of the mails on ends of runs. */
  readonly ends: readonly string[];
  /** The last status of each commit; of those that are not here it does not matter. */
  readonly statuses: Readonly<Record<string, string>>;
}

const find = (world: FakeWorld, id: string): FakeExecution => world.executions.find((one) => one.id === id)!;

const BEFORE = ["Source", "lint", "test", "update", "plan-dev"];
const AFTER = ["apply-dev", "release-dev", "verify-dev"];
const stageOf: Record<string, string> = {
  Source: "Source",
  lint: "Build",
  test: "Build",
  update: "Update",
  "plan-dev": "Plan",
  "approve-dev": "Approve",
  "apply-dev": "Deploy",
  "release-dev": "Release",
  "verify-dev": "Verify",
};

const begin = (id: string, commit = COMMIT): Step => ({
  happen: (world) => void world.begin(id, commit),
  events: [pipelineEvent(id, "STARTED")],
});

const action = (id: string, name: string, status: "Succeeded" | "Failed" = "Succeeded"): Step[] => [
  {
    happen: (world) => world.act(find(world, id), name),
    events: [actionEvent(id, stageOf[name]!, name, "STARTED"), stageEvent(id, stageOf[name]!, "STARTED")],
  },
  {
    happen: (world) =>
      world.end(
        find(world, id),
        name,
        status,
        name === "Source" ? { outputVariables: source(world, id) } : {},
      ),
    events: [actionEvent(id, stageOf[name]!, name, status.toUpperCase())],
  },
];

const source = (world: FakeWorld, id: string) => ({
  CommitId: find(world, id).commit,
  CommitMessage: "Greet people by name",
  BranchName: "main",
});

const finish = (id: string, status: string, reason?: string): Step => ({
  happen: (world) => {
    const execution = find(world, id);
    world.finish(execution, status, reason);
    execution.stopReason = reason;
  },
  events: [pipelineEvent(id, status.toUpperCase())],
});

const resume = (id: string): Step => ({
  happen: (world) => world.finish(find(world, id), "InProgress"),
  events: [pipelineEvent(id, "RESUMED")],
});

const through = (id: string, names: readonly string[]) => names.flatMap((name) => action(id, name));
const wholeRun = (id: string, commit?: string) => [
  begin(id, commit),
  ...through(id, [...BEFORE, "approve-dev", ...AFTER]),
  finish(id, "Succeeded"),
];

const HISTORIES: Readonly<Record<string, History>> = {
  "succeeds, after an approval": {
    steps: wholeRun("run-1"),
    ends: ["success"],
    statuses: { [COMMIT]: "success" },
  },
  ...Object.fromEntries(
    [...BEFORE.slice(1), "approve-dev", ...AFTER].map((name) => {
      const all = [...BEFORE, "approve-dev", ...AFTER];
      return [
        `fails at ${name}`,
        {
          steps: [
            begin("run-1"),
            ...through("run-1", all.slice(0, all.indexOf(name))),
            ...action("run-1", name, "Failed"),
            finish("run-1", "Failed"),
          ],
          ends: ["failure"],
          statuses: { [COMMIT]: "failure" },
        },
      ];
    }),
  ),
  "fails before its commit is known": {
    steps: [begin("run-1"), ...action("run-1", "Source", "Failed"), finish("run-1", "Failed")],
    ends: ["failure"],
    statuses: {},
  },
  "is superseded by a newer commit": {
    steps: [
      begin("run-1"),
      ...through("run-1", BEFORE),
      begin("run-2", NEWER),
      ...through("run-2", ["Source"]),
      finish("run-1", "Superseded"),
      ...through("run-2", ["lint", "test"]),
      finish("run-2", "Succeeded"),
    ],
    ends: ["superseded", "success"],
    statuses: { [COMMIT]: "error", [NEWER]: "success" },
  },
  "is stopped by somebody": {
    steps: [begin("run-1"), ...through("run-1", BEFORE), finish("run-1", "Stopped", "Wrong change")],
    ends: ["failure"],
    statuses: { [COMMIT]: "error" },
  },
  "is started anew for the same commit, because the pipeline has changed": {
    steps: [
      begin("run-1"),
      ...through("run-1", ["Source", "lint", "test"]),
      begin("run-2"),
      ...action("run-1", "update"),
      finish("run-1", "Stopped", RESTARTED),
      ...wholeRun("run-2").slice(1),
    ],
    ends: ["superseded", "success"],
    statuses: { [COMMIT]: "success" },
  },
  "is ended by CodePipeline, because the pipeline has changed, and another goes on for the same commit": {
    steps: [
      begin("run-1"),
      ...through("run-1", ["Source", "lint", "test"]),
      begin("run-2"),
      finish("run-1", "Cancelled"),
      ...wholeRun("run-2").slice(1),
    ],
    ends: ["superseded", "success"],
    statuses: { [COMMIT]: "success" },
  },
};

test("a run that CodePipeline ended, because the pipeline had changed, is not told of before what goes on can be there", async () => {
  const world = new FakeWorld();
  const happen = (...steps: readonly Step[]) => {
    for (const step of steps) step.happen(world);
  };
  happen(begin("run-1"), ...through("run-1", ["Source", "lint", "test"]), finish("run-1", "Cancelled"));
  const event = pipelineEvent("run-1", "CANCELED");
  expect(await world.hear(event)).toBe(false);
  expect(world.mails).toEqual([]);
  happen(begin("run-2"), ...through("run-2", ["Source"]));
  expect(await world.hear(event)).toBe(true);
  expect(world.mails).toMatchObject([{ kind: "superseded" }]);
  expect(world.mails[0]!.text).toContain(goesOnIn("run-2"));
});

test("a run that CodePipeline ended, and in whose place nothing goes on, is told of as stopped", async () => {
  const world = new FakeWorld();
  for (const { happen } of [begin("run-1"), ...through("run-1", ["Source"]), finish("run-1", "Cancelled")])
    happen(world);
  const event = pipelineEvent("run-1", "CANCELED");
  expect(await world.hear(event)).toBe(false);
  world.seconds(12 * 60);
  expect(await world.hear(event)).toBe(true);
  expect(world.mails).toMatchObject([{ kind: "failure" }]);
});

interface Delivery {
  readonly id: string;
  readonly body: string;
}

interface Schedule {
  /** For each event, how many steps later each of its two copies comes. */
  readonly delays: readonly number[];
  /** Messages that come in one batch. */
  readonly batch: number;
  /** Whether nothing goes on while something is told. @default false */
  readonly isPrompt?: boolean;
  /** Of all that is random beside. */
  readonly seed: number;
}

const schedules = fc.record<Schedule>({
  delays: fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 40 })), {
    minLength: 40,
    maxLength: 40,
  }),
  batch: fc.integer({ min: 1, max: 10 }),
  seed: fc.integer({ min: 1, max: 2 ** 30 }),
});

/** Small and the same everywhere; good enough to shuffle. */
function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return state / 0x7fffffff;
  };
}

/** Lets a history happen, and delivers each of its events twice, late, in any order and several batches at a time. */
async function live(world: FakeWorld, { steps }: History, { delays, batch, seed, isPrompt }: Schedule) {
  const random = randomOf(seed);
  world.pause = async () => {
    for (let turn = Math.floor(random() * 4); turn > 0; turn--) await Promise.resolve();
  };
  const due: Delivery[][] = steps.map(() => []);
  let count = 0;
  for (const [index, { events }] of steps.entries())
    for (const event of [...events, ...events]) {
      const at = Math.min(index + delays[count % delays.length]!, steps.length - 1);
      due[at]!.push({ id: `message-${count}`, body: JSON.stringify(event) });
      count += 1;
    }
  // What is told while things go on may be told of what was so a moment ago; but for no longer than the function runs.
  const underWay: Promise<Delivery[]>[] = [];
  let back: Delivery[] = [];
  for (const [index, { happen }] of steps.entries()) {
    world.seconds(20);
    happen(world);
    underWay.push(deliverAll(due[index]!));
    for (let turn = Math.floor(random() * 60); turn > 0; turn--) await Promise.resolve();
    if (isPrompt || underWay.length > 5) back.push(...(await underWay.shift()!));
  }
  back.push(...(await Promise.all(underWay)).flat());
  world.fault = () => undefined;
  for (let round = 0; back.length; round++) {
    expect(round).toBeLessThan(10);
    world.seconds(VISIBILITY_SECONDS);
    back = await deliverAll(back);
  }

  async function deliverAll(messages: readonly Delivery[]): Promise<Delivery[]> {
    const shuffled = messages
      .map((message) => ({ message, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ message }) => message);
    const batches: Delivery[][] = [];
    for (let from = 0; from < shuffled.length; from += batch)
      batches.push(shuffled.slice(from, from + batch));
    const failed = (await Promise.all(batches.map((one) => world.deliver(one)))).flat();
    return shuffled.filter(({ id }) => failed.includes(id));
  }
}

const ends = (world: FakeWorld) =>
  world.mails.filter(({ kind }) => kind !== "approval").map(({ kind }) => kind);

/** A status that something ended may be followed by none that it goes on. */
function expectNoPendingAfterEnd(world: FakeWorld): void {
  for (const commit of [COMMIT, NEWER]) {
    const states = world.statuses.filter((one) => one.commit === commit).map(({ state }) => state);
    const end = states.findIndex((state) => state !== "pending");
    if (end !== -1) expect(states.slice(end)).not.toContain("pending");
  }
}

function expectLastStatuses(world: FakeWorld, { statuses }: History): void {
  for (const [commit, state] of Object.entries(statuses))
    expect({ commit, state: world.statuses.filter((one) => one.commit === commit).at(-1)?.state }).toEqual({
      commit,
      state,
    });
}

const every = (count: number, check: (schedule: Schedule) => Promise<void>) =>
  fc.assert(fc.asyncProperty(schedules, check), { numRuns: tries(count) });

describe.each(Object.entries(HISTORIES))("a run that %s", (_, history) => {
  test("is told of once, whenever and in whatever order its events come", () =>
    every(10, async (schedule) => {
      const world = new FakeWorld();
      await live(world, history, schedule);
      expect(ends(world).sort()).toEqual([...history.ends].sort());
      expect(world.posts.filter(({ run }) => run).length).toBe(history.ends.length);
      const approvals = world.mails.filter(({ kind }) => kind === "approval").map(({ text }) => text);
      expect(new Set(approvals).size).toBe(approvals.length);
      expect(approvals.length).toBeLessThanOrEqual(world.executions.length);
      expectNoPendingAfterEnd(world);
      expectLastStatuses(world, history);
      const runs = world.json("state/main/runs.json");
      expect(runs.map(({ status }: { status: string }) => status)).not.toContain("running");
      expect(runs.length).toBe(world.executions.length);
    }));

  test("is told of once where AWS, GitHub and the chat do not answer at times", () =>
    every(10, async (schedule) => {
      const world = new FakeWorld();
      const random = randomOf(schedule.seed + 1);
      let since = 0;
      world.fault = (operation) => {
        // Not so often that what is tried three times fails three times.
        if (since++ < 20 || random() > 0.1) return undefined;
        since = 0;
        if (operation === "PutObject") return awsError("ConditionalRequestConflict", 409);
        return awsError("ThrottlingException");
      };
      await live(world, history, schedule);
      expect(ends(world).sort()).toEqual([...history.ends].sort());
      expect(world.posts.filter(({ run }) => run).length).toBe(history.ends.length);
      expectNoPendingAfterEnd(world);
      expectLastStatuses(world, history);
    }));

  test("is told of at least once where the function dies in the middle", () =>
    every(10, async (schedule) => {
      const world = new FakeWorld();
      const random = randomOf(schedule.seed + 2);
      world.fault = () => (random() > 0.03 ? undefined : "death");
      await live(world, history, schedule);
      expect(new Set(ends(world))).toEqual(new Set(history.ends));
      expectNoPendingAfterEnd(world);
      expectLastStatuses(world, history);
    }));
});

test("a run that is retried after it failed is told of again: both ends, and that it goes on", async () => {
  const world = new FakeWorld();
  const steps = [
    begin("run-1"),
    ...through("run-1", ["Source", "lint"]),
    ...action("run-1", "test", "Failed"),
    finish("run-1", "Failed"),
    resume("run-1"),
    ...action("run-1", "test"),
    finish("run-1", "Succeeded"),
  ];
  await live(world, { steps, ends: [], statuses: {} }, { delays: [0], batch: 1, seed: 1, isPrompt: true });
  expect(ends(world)).toEqual(["failure", "success"]);
  expect(world.statuses.map(({ state }) => state)).toEqual(["pending", "failure", "pending", "success"]);
});

test.each([
  ["commits have statuses", {}],
  ["commits have none", { tokenSecret: undefined, statuses: false }],
])("a run that fails again after a retry is told of again, where %s", async (_, task) => {
  const world = new FakeWorld();
  world.task = { ...TASK, ...task };
  const failing = [...action("run-1", "test", "Failed"), finish("run-1", "Failed")];
  const steps = [
    begin("run-1"),
    ...through("run-1", ["Source", "lint"]),
    ...failing,
    resume("run-1"),
    ...failing,
  ];
  await live(world, { steps, ends: [], statuses: {} }, { delays: [0], batch: 1, seed: 1, isPrompt: true });
  expect(ends(world)).toEqual(["failure", "failure"]);
});

test("an approval is told of as soon as it waits, once, and again where a retry asks again", async () => {
  const world = new FakeWorld();
  const steps = [
    begin("run-1"),
    ...through("run-1", BEFORE),
    ...action("run-1", "approve-dev", "Failed"),
    finish("run-1", "Failed"),
    resume("run-1"),
    ...action("run-1", "approve-dev"),
  ];
  await live(world, { steps, ends: [], statuses: {} }, { delays: [0], batch: 1, seed: 1, isPrompt: true });
  expect(world.mails.map(({ kind }) => kind)).toEqual(["approval", "failure", "approval"]);
});

describe("a claim", () => {
  const failed = async () => {
    const world = new FakeWorld();
    const steps = [begin("run-1"), ...action("run-1", "Source"), ...action("run-1", "lint", "Failed")];
    for (const { happen } of [...steps, finish("run-1", "Failed")]) happen(world);
    return world;
  };
  const event = pipelineEvent("run-1", "FAILED");
  const record = (world: FakeWorld) => world.json("state/main/run-1.json");

  test("of somebody who is at it is left to them: the message goes back, all else is told", async () => {
    const world = await failed();
    world.objects.set("hello-reports-111111111111-eu-west-1/state/main/run-1.json", {
      body: JSON.stringify({
        ended: "failed",
        claims: { "mail:finished": { at: world.now.toISOString(), done: false } },
      }),
    });
    expect(await world.hear(event)).toBe(false);
    expect(world.mails).toEqual([]);
    expect(world.posts.length).toBe(1);
    world.seconds(4 * 60);
    expect(await world.hear(event)).toBe(false);
    expect(world.mails).toEqual([]);
  });

  test("of somebody who died is taken over after five minutes", async () => {
    const world = await failed();
    world.fault = (operation) => (operation === "Publish" ? "death" : undefined);
    expect(await world.hear(event)).toBe(false);
    expect(record(world).claims["mail:finished"].done).toBe(false);
    world.fault = () => undefined;
    world.seconds(VISIBILITY_SECONDS);
    expect(await world.hear(event)).toBe(true);
    expect(world.mails.map(({ kind }) => kind)).toEqual(["failure"]);
  });

  test("is given back where telling failed, and the message tells that one thing alone again", async () => {
    const world = await failed();
    world.answers.chat = 500;
    expect(await world.hear(event)).toBe(false);
    expect(world.mails.length).toBe(1);
    expect(world.statuses.length).toBe(1);
    expect(record(world).claims["chat:finished"]).toBeUndefined();
    world.answers = {};
    expect(await world.hear(event)).toBe(true);
    expect({
      mails: world.mails.length,
      posts: world.posts.length,
      statuses: world.statuses.length,
    }).toEqual({ mails: 1, posts: 1, statuses: 1 });
  });

  test("for a final status waits for one that says that the run goes on, and comes after it", async () => {
    const world = await failed();
    const at = world.now.toISOString();
    world.objects.set("hello-reports-111111111111-eu-west-1/state/main/run-1.json", {
      body: JSON.stringify({ claims: { "status:pending": { at, done: false } } }),
    });
    expect(await world.hear(event)).toBe(false);
    expect(world.statuses).toEqual([]);
    expect(world.mails.length).toBe(1);
    world.seconds(VISIBILITY_SECONDS);
    expect(await world.hear(event)).toBe(true);
    expect(world.statuses.map(({ state }) => state)).toEqual(["failure"]);
  });

  test.each([
    ["before they look at what was told", "onListActionExecutions", true],
    ["after it", "onGetPipeline", false],
  ] as const)("of an end stays, where somebody saw the run go on, and it ended %s", async (_, moment, isDone) => {
    const world = new FakeWorld();
    for (const { happen } of [begin("run-1"), ...action("run-1", "Source")]) happen(world);
    const answer = FakeWorld.prototype[moment] as (input: object) => object;
    Object.assign(world, {
      [moment]: async (input: object) => {
        Object.assign(world, { [moment]: answer });
        const before = answer.call(world, input);
        finish("run-1", "Failed").happen(world);
        expect(await world.hear(event)).toBe(true);
        return before;
      },
    });
    expect(await world.hear(event)).toBe(isDone);
    expect(await world.hear(event)).toBe(true);
    expect(ends(world)).toEqual(["failure"]);
    expect(world.statuses.map(({ state }) => state)).toEqual(["failure"]);
  });

  test("for a status that the run goes on sets none, where the run ended meanwhile", async () => {
    const world = new FakeWorld();
    for (const { happen } of [begin("run-1"), ...action("run-1", "Source")]) happen(world);
    let reads = 0;
    world.fault = (operation) => {
      if (operation === "GetPipelineExecution" && ++reads === 2)
        world.finish(find(world, "run-1"), "Succeeded");
      return undefined;
    };
    expect(await world.hear(pipelineEvent("run-1", "STARTED"))).toBe(true);
    expect(world.statuses).toEqual([]);
  });
});
