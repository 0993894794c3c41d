import { setTimeout as pause } from "node:timers/promises";
import { Execution } from "../../../tools/rehearse/execution";
import { recordExecution, succeeded } from "../../../tools/rehearse/report";
import { type Course, type Screen, Show } from "../../../tools/rehearse/show";
import { FakeAws, type FakeStage } from "./fake-aws";

let aws: FakeAws;
afterEach(() => aws.end());

/** Shows an execution of these stages. */
async function rehearse(
  stages: readonly FakeStage[],
  course: Course = {},
  { isTerminal = false, answers = [] as (boolean | undefined)[], files = {} } = {},
) {
  aws = new FakeAws([{ name: "Source", actions: { Source: [{}] } }, ...stages], files);
  const printed: string[] = [];
  const screen: Screen = {
    isTerminal,
    listr: { renderer: "silent" },
    print: (text) => printed.push(text),
    ask: async (question) => {
      printed.push(question);
      return answers.shift();
    },
  };
  const execution = await Execution.start(aws, "hello-main", "c0ffee");
  const { snapshot, logs, stopped } = await new Show(execution, course, screen, 5).run();
  const record = recordExecution(execution, snapshot, logs, course.reused);
  return { record, stopped, came: succeeded(record, course.until), said: printed.join("\n") };
}

const build: FakeStage = { name: "Build", actions: { lint: [{}], test: [{}] } };
const planned: readonly FakeStage[] = [
  {
    name: "Plan",
    actions: { "plan-prod": [{ variables: { PLAN_SUMMARY: "3 to add, 0 to change, 0 to destroy." } }] },
  },
  { name: "Approve", actions: { "approve-prod": "approval" } },
  { name: "Deploy", actions: { "apply-prod": [{}] } },
];
const review = { "review.txt": "Widens access (1)\n  prod: everybody\u202e may read\n" };

test("is through when all stages are, each action with its status", async () => {
  const { came, record } = await rehearse([build]);
  expect(came).toBe(true);
  expect(record.stages).toMatchObject([
    { name: "Source", status: "Succeeded" },
    {
      name: "Build",
      status: "Succeeded",
      actions: [
        { name: "lint", status: "Succeeded", tries: 1 },
        { name: "test", status: "Succeeded", tries: 1 },
      ],
    },
  ]);
});

test("tells in the record which builds did not run again, and which run they are from", async () => {
  const { record } = await rehearse([build], { reused: new Map([["lint:0", 2]]) });
  expect(record.stages[1]?.actions.map(({ name, reusedFrom }) => [name, reusedFrom])).toEqual([
    ["lint", 2],
    ["test", undefined],
  ]);
});

test("stops at an action that fails, with the end of its log, and begins nothing after it", async () => {
  const log = [
    "[Container] 2026/01/01 00:00:00 Running command npm run lint",
    "\u001b[31mshared/x.ts:1\u001b[0m is wrong",
  ];
  const { came, record, said } = await rehearse([
    { ...build, actions: { ...build.actions, lint: [{ fails: true, log }] } },
    { name: "Update", actions: { update: [{}] } },
  ]);
  expect(came).toBe(false);
  expect(said).toMatch(/The end of the log of lint:\n.*npm run lint\n {2}shared\/x\.ts:1 is wrong/);
  expect(record).toMatchObject({
    status: "Failed",
    stages: [
      {},
      {
        status: "Failed",
        actions: [
          {
            name: "lint",
            status: "Failed",
            summary: "Build terminated with state: FAILED",
            log: [expect.stringContaining("npm run lint"), "shared/x.ts:1 is wrong"],
          },
          { name: "test", status: "Succeeded" },
        ],
      },
      { name: "Update", status: "NotStarted" },
    ],
  });
  expect(aws.begun).not.toContain("update");
});

test("goes on where an action that failed is tried again, and tells how often", async () => {
  const { came, record } = await rehearse([
    { name: "Install", retries: true, actions: { install: [{ fails: true, log: ["no network"] }, {}] } },
    build,
  ]);
  expect(came).toBe(true);
  expect(record.stages[1]).toMatchObject({
    status: "Succeeded",
    actions: [{ name: "install", status: "Succeeded", tries: 2 }],
  });
});

test("shows the plan's counts and review before it approves, with nothing in it that nobody sees", async () => {
  const { came, said } = await rehearse(planned, { decision: "Approved" }, { files: review });
  expect(came).toBe(true);
  expect(said).toContain("hello-main: 3 to add, 0 to change, 0 to destroy.\nWidens access (1)");
  expect(said).toContain("everybody\\u202e may read");
  expect(aws.decisions).toEqual(["approve-prod: Approved"]);
});

test("answers an approval only when people have heard of it", async () => {
  let answered: readonly string[] | undefined;
  const told = async () => {
    answered = [...aws.decisions];
  };
  await rehearse(planned, { decision: "Approved", told }, { files: review });
  expect([answered, aws.decisions]).toEqual([[], ["approve-prod: Approved"]]);
});

test("applies nothing where the plan is rejected", async () => {
  const { came, record } = await rehearse(planned, { decision: "Rejected" }, { files: review });
  expect(came).toBe(false);
  expect(record.stages.at(-1)).toMatchObject({ name: "Deploy", status: "NotStarted" });
  expect(aws.begun).not.toContain("apply-prod");
});

test.each([
  [true, "approve-prod: Approved"],
  [false, "approve-prod: Rejected"],
])("asks on a terminal, and does what is answered (%s)", async (answer, decided) => {
  const { said } = await rehearse(planned, {}, { isTerminal: true, answers: [answer], files: review });
  expect(said).toContain("approve-prod: approve this plan?");
  expect(aws.decisions).toEqual([decided]);
});

test("decides nothing where the question is called off", async () => {
  const asked = rehearse(planned, {}, { isTerminal: true, answers: [undefined], files: review });
  await expect(asked).rejects.toThrow("Stopped.");
  expect(aws.decisions).toEqual([]);
});

test("says what to do where somebody has to decide and there is no terminal", async () => {
  await expect(rehearse(planned, {}, { files: review })).rejects.toThrow(
    /no terminal to ask for approve-prod\..*--approve or --reject.*--until STAGE/,
  );
});

test("ends well after the stage that it was to go up to, and begins nothing after it", async () => {
  const after: FakeStage = { name: "Update", actions: { update: [{}] } };
  const { came, stopped, record } = await rehearse([build, after], { until: "Build" });
  expect([came, stopped, record.status]).toEqual([true, true, "Stopped"]);
  await pause(50);
  expect(aws.begun).not.toContain("update");
});

test("does not end well where that stage fails", async () => {
  const failing: FakeStage = { name: "Build", actions: { lint: [{ fails: true }] } };
  expect((await rehearse([failing], { until: "Build" })).came).toBe(false);
});

test("tries again in the stage that it was to go up to", async () => {
  const stage: FakeStage = { name: "Install", retries: true, actions: { install: [{ fails: true }, {}] } };
  expect((await rehearse([stage, build], { until: "Install" })).came).toBe(true);
});

test("passes a stage that is skipped", async () => {
  const skipped: FakeStage = { name: "Approve", skipped: true, actions: { "approve-prod": "approval" } };
  const { came, record, said } = await rehearse([skipped, build]);
  expect(came).toBe(true);
  expect(said).toContain("Approve: skipped");
  expect(record.stages[1]).toMatchObject({ status: "Skipped" });
});

test("of executions, the one that took another's place is the next newer one", async () => {
  aws = new FakeAws([{ name: "Source", actions: { Source: [{}] } }]);
  const [first, second, third] = [
    await Execution.start(aws, "hello-main", "c0ffee"),
    await Execution.start(aws, "hello-main", "c0ffee"),
    await Execution.start(aws, "hello-main", "c0ffee"),
  ];
  expect((await first.successor())?.id).toBe(second.id);
  expect((await second.successor())?.id).toBe(third.id);
  expect(await third.successor()).toBeUndefined();
});
