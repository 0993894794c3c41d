import { readFileSync } from "node:fs";
import fc from "fast-check";
import { PlanError, readPlan } from "../../../tools/review/plan";
import { fixture } from "./fixtures";
import { change, planReviewOf, planText, reviewOf } from "./support";

const state = '{"version": 4, "serial": 1, "lineage": "x", "resources": []}';
const shownState = '{"format_version": "1.0", "terraform_version": "1.11.4", "values": {"root_module": {}}}';

test.each([
  ["nothing", "", /it is empty/],
  ["blanks", " \n", /it is empty/],
  ["a saved plan", "PK\u0003\u0004rest", /saved plan itself.*terraform show -json/],
  ["text", "No changes. Your infrastructure matches", /it is not JSON/],
  ["a log", '{"@level":"info","type":"version"}\n{"@level":"info"}\n', /the log of terraform plan -json/],
  ["a list", "[]", /no plan/],
  ["null", "null", /no plan|not JSON/],
  ["foreign JSON", '{"name": "x"}', /without format_version/],
  ["a state file", state, /a state file/],
  ["a shown state", shownState, /a state, shown as JSON/],
  ["a version alone", '{"format_version": "1.2"}', /not all of one/],
  ["an unknown major", '{"format_version": "2.0", "resource_changes": []}', /format_version is "2.0".*1\.x/],
  ["an older major", '{"format_version": "0.2", "resource_changes": []}', /format_version is "0.2"/],
  ["no version", '{"format_version": "new", "resource_changes": []}', /format_version is "new"/],
  ["a number as version", '{"format_version": 1.2, "resource_changes": []}', /without format_version/],
  [
    "changes of another shape",
    '{"format_version": "1.2", "resource_changes": {}}',
    /^resource_changes is not/,
  ],
  [
    "a change without actions",
    planText([{ address: "a.b", change: {} }]),
    /^resource_changes\[0\]\.change\.actions is not/,
  ],
  [
    "a change without an address",
    planText([{ change: { actions: ["create"] } }]),
    /^resource_changes\[0\]\.address/,
  ],
  [
    "resources without changes",
    '{"format_version":"1.2","planned_values":{"root_module":{"child_modules":[{"resources":[{"mode":"managed"}]}]}}}',
    /no resource_changes: it is not whole/,
  ],
])("fails when it is given %s", (_, content, message) => {
  expect(() => readPlan("dev", content)).toThrow(PlanError);
  expect(() => readPlan("dev", content)).toThrow(message);
});

test("fails when a plan is cut, wherever", () => {
  const whole = readFileSync(fixture("everything").path, "utf8").trim();
  fc.assert(
    fc.property(fc.integer({ min: 0, max: whole.length - 1 }), (end) => {
      expect(() => readPlan("dev", whole.slice(0, end))).toThrow(PlanError);
    }),
    { numRuns: 300 },
  );
});

test("a later minor version is read, and keys that nobody knows are passed over", () => {
  const changes = [change("aws_thing", null, { a: 1 }, { invented: true })];
  const content = planText(changes, { format_version: "1.99", invented: [{ later: 1 }] });
  expect(readPlan("dev", content).resources).toHaveLength(1);
});

test("Terraform's plan of nothing is a plan", () => {
  expect(readPlan("dev", readFileSync(fixture("empty").path, "utf8")).resources).toEqual([]);
});

test("a byte order mark is passed over", () => {
  expect(readPlan("dev", `\uFEFF${planText([])}`).resources).toEqual([]);
});

describe("words that Terraform has not invented yet", () => {
  test.each([
    [["recreate"]],
    [["create", "update"]],
    [["delete", "forget"]],
    [[]],
    [["constructor"]],
    [["CREATE"]],
  ])("the actions %j need review", (actions) => {
    const plan = planReviewOf([change("aws_thing", { a: 1 }, { a: 2 }, { change: { actions } })]);
    expect(plan).toMatchObject({ risks: ["unknown"], resources: [{ kind: "unknown" }] });
  });

  test("a mode that nobody knows needs review", () => {
    expect(planReviewOf([change("aws_thing", null, { a: 1 }, { mode: "list" })]).risks).toEqual(["unknown"]);
  });

  test("an unknown word for an output needs review", () => {
    expect(reviewOf([], { output_changes: { x: { actions: ["swap"], before: 1, after: 2 } } }).risks).toEqual(
      ["unknown"],
    );
  });

  test.each([
    [["create", "forget"], { add: 1, destroy: 0, forget: 1 }],
    [["forget", "create"], { add: 1, destroy: 0, forget: 1 }],
    [["delete", "create"], { add: 1, destroy: 1, forget: 0 }],
    [["create", "delete"], { add: 1, destroy: 1, forget: 0 }],
    [["open"], { add: 0, change: 0, destroy: 0 }],
  ])("the actions %j count %j", (actions, counts) => {
    const changes = [change("aws_thing", { a: 1 }, { a: 2 }, { change: { actions } })];
    expect(reviewOf(changes).counts).toMatchObject(counts);
  });

  test("a reason that nobody knows is told in Terraform's word", () => {
    const plan = planReviewOf([
      change("aws_thing", { a: 1 }, null, { action_reason: "delete_because_moon" }),
    ]);
    expect(plan.resources[0]!.reason).toEqual([{ code: "delete_because_moon" }]);
  });
});

test("the same address, deposed and current, are two", () => {
  const changes = [
    change("aws_thing", { a: 1 }, { a: 2 }),
    change("aws_thing", { a: 1 }, null, { deposed: "abcd1234" }),
  ];
  expect(reviewOf(changes).counts).toMatchObject({ change: 1, destroy: 1 });
});

test("no JSON crashes it", () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 4 }), (content) => {
      try {
        readPlan("dev", content);
      } catch (error) {
        expect(error).toBeInstanceOf(PlanError);
      }
    }),
  );
});
