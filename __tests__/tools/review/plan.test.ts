import { readFileSync } from "node:fs";
import fc from "fast-check";
import { PlanError, readPlan } from "../../../tools/review/plan";
import { sized, tries } from "../../support/effort";
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
    /resources in planned_values that are not in resource_changes: it is not whole/,
  ],
  ["a number longer than any", planText([]).replace("[]", `[${"1".repeat(2000)}]`), /a number of 2000 char/],
])("fails when it is given %s", (_, content, message) => {
  expect(() => readPlan("dev", content)).toThrow(PlanError);
  expect(() => readPlan("dev", content)).toThrow(message);
});

test("fails when a plan is cut, wherever", () => {
  const whole = readFileSync(fixture("everything").path, "utf8").trim();
  fc.assert(
    fc.property(fc.integer({ min: 0, max: whole.length - 1 }), (end) => {
      let thrown: unknown;
      try {
        readPlan("dev", whole.slice(0, end));
      } catch (error) {
        thrown = error;
      }
      // To expect the throw would trace each error through the source maps.
      return thrown instanceof PlanError;
    }),
    { numRuns: tries(300) },
  );
});

describe("what is not all of a plan is no plan without changes:", () => {
  const root = { root_module: {} };
  const planned = (root_module: object) => ({
    format_version: "1.2",
    configuration: root,
    planned_values: { root_module },
  });
  const thing = { address: "a.b", mode: "managed", values: {} };
  const deleted = change("aws_thing", { a: 1 }, null);
  test.each<[string, object, RegExp]>([
    ["a configuration alone", { configuration: root }, /no resource_changes/],
    ["planned values without a module", { planned_values: {}, configuration: root }, /no resource_changes/],
    ["planned values without a configuration", { planned_values: root }, /no resource_changes/],
    ["outputs alone", { output_changes: {} }, /no resource_changes/],
    ["changes that are null", { resource_changes: null }, /no resource_changes/],
    [
      "a resource without a change",
      { ...planned({ resources: [thing] }), resource_changes: [] },
      /not whole/,
    ],
    [
      "a resource without a change beside one with",
      { ...planned({ resources: [thing] }), resource_changes: [deleted] },
      /not in resource_changes/,
    ],
    [
      "a resource of a module without a change",
      {
        ...planned({ child_modules: [{ child_modules: [{ resources: [thing] }] }] }),
        resource_changes: [deleted],
      },
      /not in resource_changes/,
    ],
    ["a resource without an address", { ...planned({ resources: [{}] }), resource_changes: [] }, /not whole/],
    ["resources of another shape", planned({ resources: { 0: thing } }), /planned_values has resources/],
    ["modules of another shape", planned({ child_modules: {} }), /planned_values has child_modules/],
    ["a module that is a list", planned([thing]), /planned_values has modules/],
    [
      "an output without a change",
      { planned_values: { outputs: { o: { value: 1 } }, ...root }, resource_changes: [] },
      /outputs in planned_values that are not in output_changes/,
    ],
  ])("%s", (_, document, message) => {
    const content = JSON.stringify({ format_version: "1.2", ...document });
    expect(() => readPlan("dev", content)).toThrow(PlanError);
    expect(() => readPlan("dev", content)).toThrow(message);
  });

  test.each<[string, object]>([
    ["nothing, and why", planned({})],
    ["data that was read already", planned({ resources: [{ ...thing, mode: "data" }] })],
    [
      "a resource that is put off",
      {
        ...planned({ resources: [thing] }),
        deferred_changes: [{ reason: "x", resource_change: change("a", null, {}, { name: "b" }) }],
      },
    ],
    ["what was planned before an error", { ...planned({ resources: [thing] }), errored: true }],
    ["an error alone", { configuration: root, errored: true }],
  ])("but this is: %s", (_, document) => {
    expect(readPlan("dev", JSON.stringify({ format_version: "1.2", ...document })).resources).toEqual([]);
  });
});

describe("a key that an object has twice is refused, for the last one would win:", () => {
  const deleted = JSON.stringify(change("aws_thing", { a: 1 }, null));
  test.each([
    ["the changes", `{"format_version":"1.2","resource_changes":[${deleted}],"resource_changes":[]}`],
    [
      "the changes, written otherwise",
      `{"format_version":"1.2","resource_changes":[${deleted}],"resource\\u005fchanges":[]}`,
    ],
    [
      "the actions",
      planText([0]).replace("0]", `${deleted.replace('"actions":', '"actions":["no-op"],"actions":')}]`),
    ],
    ["a value", planText([0]).replace("0]", `${deleted.replace('"a":1', '"a":1,"\\u0061":2')}]`)],
    ["what nobody reads", planText([]).replace("}", ',"later":[{"x":{"y":1,"y":1}}]}')],
  ])("%s", (_, content) => {
    expect(() => JSON.parse(content)).not.toThrow();
    expect(() => readPlan("dev", content)).toThrow(PlanError);
    expect(() => readPlan("dev", content)).toThrow(/ twice, which Terraform never writes/);
  });

  test("but not one that several objects have, nor one in a text", () => {
    const value = { a: [{ a: { a: "a: {", b: '"a":1,"a":1' } }, { a: 1 }] };
    expect(readPlan("dev", planText([change("aws_thing", null, value)])).resources).toHaveLength(1);
  });
});

describe("a name that is JavaScript's own is a name like any:", () => {
  const proto = (value: string) => `{"__proto__":${value}}`;
  test("of an output", () => {
    const changes = `"output_changes":${proto('{"actions":["update"],"before":1,"after":2}')}`;
    const { outputs } = readPlan("dev", planText([]).replace("}", `,${changes}}`));
    expect(outputs.get("__proto__")).toMatchObject({ actions: ["update"], before: 1, after: 2 });
  });

  test("of a variable", () => {
    const variables = `"variables":${proto('{"value":"hunter2"}')}`;
    const configuration = `"configuration":{"root_module":{"variables":${proto('{"sensitive":true}')}}}`;
    const { otherSecrets } = readPlan("dev", planText([]).replace("}", `,${variables},${configuration}}`));
    expect(otherSecrets).toEqual(["hunter2"]);
  });

  test.each(["variables", "output_changes"])("and %s of another shape are refused", (key) => {
    expect(() => readPlan("dev", planText([], { [key]: [1] }))).toThrow(
      new RegExp(`^${key} is not as in any`),
    );
  });

  test("and an output of another shape is named", () => {
    expect(() => readPlan("dev", planText([], { output_changes: { o: { actions: [1] } } }))).toThrow(
      /^output_changes\.o\.actions\[0\] is not as in any plan/,
    );
  });
});

describe("what a plan says that it does not mean", () => {
  const sides: [string, object][] = [
    ["another value", { before: { a: 1 }, after: { a: 2 } }],
    ["nothing", { before: { a: 1 }, after: null }],
    ["another key", { before: { a: 1 }, after: { b: 1 } }],
    ["one more", { before: { a: [1] }, after: { a: [1, 2] } }],
    ["what is not known yet", { before: { a: 1 }, after: { a: 1 }, after_unknown: { b: [true] } }],
  ];
  test.each(sides)('"no-op" to %s needs review', (_, inner) => {
    const actions = ["no-op"];
    const noOp = change("aws_thing", {}, {}, { change: { actions, ...inner } });
    expect(planReviewOf([noOp])).toMatchObject({ risks: ["unknown"], resources: [{ kind: "unknown" }] });
    const output_changes = { o: { actions, ...inner } };
    expect(planReviewOf([], { output_changes })).toMatchObject({ risks: ["unknown"] });
  });

  test('"no-op" to the same in another order stays', () => {
    const inner = {
      actions: ["no-op"],
      before: { a: [{ b: 1, c: null }], d: "x" },
      after: { d: "x", a: [{ c: null, b: 1 }] },
    };
    expect(planReviewOf([change("aws_thing", {}, {}, { change: inner })])).toMatchObject({
      risks: [],
      resources: [],
    });
  });

  test("two actions in one word need review", () => {
    const actions = ["delete,create"];
    expect(planReviewOf([change("aws_thing", {}, {}, { change: { actions } })]).risks).toEqual(["unknown"]);
  });

  test.each(["fail", "error", "unknown"])("a check is told to %s where all its instances pass", (status) => {
    const address = { to_display: "check.c" };
    const plan = planReviewOf([], {
      checks: [{ address, status, instances: [{ address, status: "pass" }] }],
    });
    expect(plan).toMatchObject({ checks: [{ address: "check.c", status }], folded: { checksPassed: 1 } });
  });
});

test("what is wrong is told without a piece of the plan, which may be secret", () => {
  const content = planText([change("aws_thing", null, { a: "hunter2", b: 0 })]).replace('"b":0', '"b":NaN');
  const message =
    'it is not whole, or not JSON in "resource_changes". Make it with: terraform show -json PLANFILE';
  expect(() => readPlan("dev", content)).toThrow(message);
});

test("numbers keep what JavaScript's would lose", () => {
  const numbers = ["12345678901234567890", "-0.12345678901234567", "1e999", "2e999", "15"];
  const content = planText([change("aws_thing", null, { list: 0 })]).replace("0}", `[${numbers}]}`);
  const [resource] = readPlan("dev", content).resources;
  expect(resource!.change.after).toEqual({ list: [...numbers.slice(0, 4), 15] });
});

test("a text of many escapes and a long number are read", () => {
  const text = '\n"'.repeat(sized(5_000_000));
  const content = planText([change("aws_thing", null, { text, number: 0 })]).replace(
    ":0",
    ":12345678901234567890",
  );
  expect(readPlan("dev", content).resources[0]!.change.after).toEqual({
    text,
    number: "12345678901234567890",
  });
});

test("of values beside the changes only the sensitive ones are kept", () => {
  const resource = { address: "aws_thing.it", mode: "managed", values: { a: "plain", b: ["x", "hunter2"] } };
  const root_module = { resources: [{ ...resource, sensitive_values: { b: [false, true] } }] };
  const more = { planned_values: { root_module }, prior_state: { values: { root_module } } };
  const { otherSecrets } = readPlan("dev", planText([change("aws_thing", null, {})], more));
  expect(otherSecrets).toEqual(["hunter2", "hunter2"]);
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
    { numRuns: tries(100) },
  );
});
