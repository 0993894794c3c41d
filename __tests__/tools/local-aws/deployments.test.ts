import fc from "fast-check";
import { readAppSpec } from "../../../tools/local-aws/deployments/app-spec";
import type { DeploymentProps } from "../../../tools/local-aws/deployments/deployment";
import { Deployments, type Order } from "../../../tools/local-aws/deployments/deployments";
import { divideActions } from "../../../tools/local-aws/deployments/routes";
import type { Reach } from "../../../tools/local-aws/deployments/target";
import { shiftsOf, trafficRouting } from "../../../tools/local-aws/deployments/traffic";
import { EmulatedTime } from "../../../tools/local-aws/time";
import { tries } from "../../support/effort";
import { TestClock } from "./emulated-clock";

const scope = { account: "111111111111", region: "eu-west-1" };
const MINUTE = 60;

let clock: TestClock;
let deployments: Deployments;
/** What was done with the target, in its order. */
let done: string[];
/** What functions were asked, by the execution's id. */
let asked: { fn: string; deployment: string; execution: string }[];
let active: string[];
/** What AWS refuses, by what is done. */
let refuses: Record<string, Error>;
beforeEach(() => {
  clock = new TestClock();
  deployments = new Deployments(new EmulatedTime(60_000, clock));
  done = [];
  asked = [];
  active = [];
  refuses = {};
});
afterEach(() => deployments.stop());

const does = async (what: string) => {
  done.push(what);
  if (refuses[what]) throw refuses[what];
};

const open = async (): Promise<Reach> => ({
  target: {
    id: "c:s",
    begin: () => does("begin"),
    install: () => does("install"),
    allowTestTraffic: () => does("test"),
    shift: (percent) => does(`${percent}%`),
    revert: () => does("revert"),
    retire: () => does("retire"),
    describe: () => ({}),
  },
  async invoke(fn, event) {
    const { DeploymentId, LifecycleEventHookExecutionId } = event as Record<string, string>;
    asked.push({ fn, deployment: DeploymentId!, execution: LifecycleEventHookExecutionId! });
    if (refuses[fn]) throw refuses[fn];
  },
  async activeAlarms(names) {
    if (refuses.alarms) throw refuses.alarms;
    return names.filter((name) => active.includes(name));
  },
  close: () => done.push("close"),
});

const order: Order = {
  scope,
  platform: "ECS",
  application: "web",
  group: "live",
  groupId: "1",
  configName: "CodeDeployDefault.ECSCanary10Percent5Minutes",
  creator: "user",
  revision: "new",
  settings: {},
};
const canary = [
  { afterMinutes: 0, percent: 10 },
  { afterMinutes: 5, percent: 100 },
];

function begin(changes: Partial<DeploymentProps> = {}, ordered: Partial<Order> = {}) {
  return deployments.begin(
    { ...order, ...ordered },
    {
      hooks: new Map(),
      shifts: canary,
      alarms: [],
      ignoreAlarmFailure: false,
      rollbackOn: new Set(["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM"]),
      terminationMinutes: 10,
      open,
      ...changes,
    },
  );
}

const statusesOf = ({ deployment }: ReturnType<typeof begin>) =>
  deployment.events.map(({ name, status }) => `${name} ${status}`);
const rollbackOf = ({ rollback }: ReturnType<typeof begin>) =>
  deployments.find(scope, rollback?.rollbackDeploymentId ?? "");
const BEFORE = ["begin", "install", "test", "10%"];

test("traffic moves in the steps of the configuration, and the old version is kept for its time", async () => {
  const ordered = begin();
  const { deployment } = ordered;
  await clock.pass(0);
  expect([deployment.status, done]).toEqual(["InProgress", BEFORE]);
  await clock.pass(5 * MINUTE - 1);
  expect(done).toEqual(BEFORE);
  await clock.pass(1);
  expect([done.at(-1), deployment.status, deployment.terminating]).toEqual(["100%", "InProgress", true]);
  expect(new Set(deployment.events.map(({ status }) => status))).toEqual(new Set(["Succeeded"]));
  await clock.pass(10 * MINUTE - 1);
  expect([done.at(-1), deployment.status]).toEqual(["100%", "InProgress"]);
  await clock.pass(1);
  expect([done.slice(-2), deployment.status, ordered.rollback]).toEqual([
    ["retire", "close"],
    "Succeeded",
    undefined,
  ]);
  expect(deployment.completeTime! - deployment.startTime!).toBe(15 * MINUTE);
  expect(clock.waiting).toBe(0);
});

describe("a hook", () => {
  const hooks = new Map([["AfterAllowTestTraffic", "check"]]);

  test("holds the deployment until its function answers", async () => {
    const { deployment } = begin({ hooks });
    await clock.pass(30 * MINUTE);
    expect(done.at(-1)).toBe("test");
    expect(asked).toEqual([{ fn: "check", deployment: deployment.id, execution: expect.any(String) }]);
    const { execution } = asked[0]!;
    expect(deployment.decide(execution, "Succeeded")).toBeUndefined();
    await clock.pass(0);
    expect(done.at(-1)).toBe("10%");
    expect(deployment.decide(execution, "Failed")).toBe("decided");
    expect(deployment.decide("another", "Failed")).toBe("unknown");
  });

  test("that fails ends the deployment, and brings the old version back by another deployment", async () => {
    const ordered = begin({ hooks });
    await clock.pass(0);
    ordered.deployment.decide(asked[0]!.execution, "Failed");
    await clock.pass(0);
    expect(ordered.deployment).toMatchObject({
      status: "Failed",
      error: {
        code: "HOOK_EXECUTION_FAILURE",
        message:
          "The deployment failed because one or more of the lifecycle event validation functions failed.",
      },
    });
    expect(statusesOf(ordered).slice(3)).toEqual([
      "AllowTestTraffic Succeeded",
      "AfterAllowTestTraffic Failed",
      "BeforeAllowTraffic Skipped",
      "AllowTraffic Skipped",
      "AfterAllowTraffic Skipped",
    ]);
    const rollback = rollbackOf(ordered);
    expect(done).toEqual(["begin", "install", "test", "revert", "close"]);
    expect(rollback.order).toMatchObject({
      creator: "codeDeployRollback",
      configName: "CodeDeployDefault.ECSAllAtOnce",
    });
    expect(rollback.deployment.status).toBe("Succeeded");
    const ids = [ordered, rollback].map(({ deployment: { id } }) => id);
    expect(ordered.rollback?.rollbackMessage).toBe(
      `Deployment ${ids[0]} terminated. Automatic rollback is triggered with a DeploymentId ${ids[1]}.`,
    );
    expect(rollback.rollback).toEqual({
      rollbackTriggeringDeploymentId: ids[0],
      rollbackMessage: `Deployment ${ids[1]} is triggered to roll back deployment ${ids[0]}.`,
    });
    expect(asked).toHaveLength(1);
  });

  test("that is never answered fails the deployment after an hour, and not before", async () => {
    const ordered = begin({ hooks });
    await clock.pass(3599);
    expect(ordered.deployment.status).toBe("InProgress");
    await clock.pass(1);
    expect(ordered.deployment).toMatchObject({
      status: "Failed",
      error: {
        code: "TIMEOUT",
        message: expect.stringMatching(/expects a status callback within one hour/),
      },
    });
    expect(ordered.deployment.decide(asked[0]!.execution, "Succeeded")).toBe("decided");
  });

  test("whose function is not there fails the deployment at once", async () => {
    refuses.check = new Error("Function not found: check");
    const ordered = begin({ hooks });
    await clock.pass(0);
    expect(ordered.deployment).toMatchObject({ status: "Failed", error: { code: "HOOK_EXECUTION_FAILURE" } });
    expect(ordered.deployment.events[4]?.diagnostics).toEqual({
      scriptName: "check",
      message: "Function not found: check",
    });
  });
});

describe("an alarm", () => {
  const alarms = ["errors", "slow"];

  test("that goes off while traffic moves stops the deployment, and the old version comes back", async () => {
    const ordered = begin({ alarms });
    await clock.pass(2 * MINUTE);
    active = ["slow"];
    await clock.pass(5);
    expect(ordered.deployment).toMatchObject({
      status: "Stopped",
      error: {
        code: "ALARM_ACTIVE",
        message: expect.stringMatching(/have been stopped\. Activated alarms: <slow>$/),
      },
    });
    expect(statusesOf(ordered).slice(6)).toEqual(["AllowTraffic Failed", "AfterAllowTraffic Skipped"]);
    expect(done).toEqual([...BEFORE, "revert", "close"]);
    expect(rollbackOf(ordered).deployment.status).toBe("Succeeded");
  });

  test("counts until the old version is ended", async () => {
    const ordered = begin({ alarms });
    await clock.pass(14 * MINUTE);
    active = ["errors"];
    await clock.pass(5);
    expect([ordered.deployment.status, done.slice(-2)]).toEqual(["Stopped", ["revert", "close"]]);
  });

  test("that is on before it begins keeps it from changing anything", async () => {
    active = ["errors"];
    const ordered = begin({ alarms });
    await clock.pass(0);
    expect([ordered.deployment.status, done]).toEqual(["Stopped", ["revert", "close"]]);
  });

  test("stops it and brings nothing back where the group does not ask for it", async () => {
    active = ["errors"];
    const ordered = begin({ alarms, rollbackOn: new Set(["DEPLOYMENT_FAILURE"]) });
    await clock.pass(0);
    expect([ordered.deployment.status, ordered.rollback, done]).toEqual(["Stopped", undefined, ["close"]]);
  });

  test.each([
    [false, "Stopped"],
    [true, "InProgress"],
  ])("that cannot be read, ignored: %s, leaves it %s", async (ignoreAlarmFailure, status) => {
    refuses.alarms = new Error("not allowed");
    const { deployment } = begin({ alarms, ignoreAlarmFailure });
    await clock.pass(0);
    expect(deployment.status).toBe(status);
  });
});

describe("stopping", () => {
  test.each([
    [undefined, []],
    [false, []],
    [true, ["revert"]],
  ])("with rollback %s does %j", async (rollback, reverted) => {
    const ordered = begin();
    await clock.pass(1);
    ordered.deployment.stop(rollback);
    await clock.pass(0);
    expect(ordered.deployment).toMatchObject({ status: "Stopped", error: { code: "MANUAL_STOP" } });
    expect(done).toEqual([...BEFORE, ...reverted, "close"]);
    expect(clock.waiting).toBe(0);
  });
});

test("what AWS refuses fails the deployment, and is told", async () => {
  refuses["10%"] = new Error("Rule not found");
  const ordered = begin();
  await clock.pass(0);
  expect(ordered.deployment).toMatchObject({
    status: "Failed",
    error: { code: "ECS_UPDATE_ERROR", message: "Rule not found" },
  });
  expect(done).toEqual([...BEFORE, "revert", "close"]);
});

test("a rollback that is refused fails, and is not rolled back", async () => {
  refuses["10%"] = new Error("Rule not found");
  refuses.revert = new Error("Listener not found");
  const ordered = begin();
  await clock.pass(0);
  expect(rollbackOf(ordered)).toMatchObject({
    deployment: { status: "Failed", error: { message: "Listener not found" } },
  });
  expect(deployments.in(scope)).toHaveLength(2);
});

test("a group has one deployment at a time; another group is not in its way", async () => {
  const { deployment } = begin();
  expect(() => begin()).toThrow(
    expect.objectContaining({
      code: "DeploymentLimitExceededException",
      message: `The Deployment Group 'live' already has an active Deployment '${deployment.id}'`,
    }),
  );
  begin({}, { groupId: "2" });
  await clock.pass(15 * MINUTE);
  expect(begin().previousRevision).toBe("new");
});

describe("waiting for somebody to say so", () => {
  test("traffic moves when it is said", async () => {
    const { deployment } = begin({ readyMinutes: 30 });
    await clock.pass(29 * MINUTE);
    expect([deployment.status, done.at(-1)]).toEqual(["Ready", "test"]);
    expect(deployment.continue("TERMINATION_WAIT")).toBe(false);
    expect(deployment.continue("READY_WAIT")).toBe(true);
    await clock.pass(5 * MINUTE);
    expect(deployment.continue("TERMINATION_WAIT")).toBe(true);
    await clock.pass(0);
    expect([deployment.status, done.at(-2)]).toEqual(["Succeeded", "retire"]);
  });

  test("it is stopped when nobody does", async () => {
    const ordered = begin({ readyMinutes: 30 });
    await clock.pass(30 * MINUTE);
    expect(ordered.deployment).toMatchObject({ status: "Stopped", error: { code: "TIMEOUT" } });
    expect(done).toContain("revert");
  });
});

test("nothing runs on when Local AWS ends, and nothing is taken back", async () => {
  begin({ alarms: ["errors"] });
  await clock.pass(MINUTE);
  await deployments.stop();
  expect([clock.waiting, done]).toEqual([0, [...BEFORE, "close"]]);
  expect(() => begin()).toThrow("Local AWS ends");
});

test("an id that is none, and one that nobody has, are told apart", () => {
  const finding = (id: string) => () => deployments.find(scope, id);
  expect(finding("x")).toThrow(expect.objectContaining({ code: "InvalidDeploymentIdException" }));
  expect(finding("d-ABCDEFGH1")).toThrow(
    expect.objectContaining({ code: "DeploymentDoesNotExistException" }),
  );
});

describe("traffic", () => {
  const percentage = fc.integer({ min: 1, max: 99 });
  const minutes = fc.integer({ min: 1, max: 2880 });
  const routing = fc.oneof(
    fc.constant({ type: "AllAtOnce" }),
    fc.record({ canaryPercentage: percentage, canaryInterval: minutes }).map((timeBasedCanary) => ({
      type: "TimeBasedCanary",
      timeBasedCanary,
    })),
    fc.record({ linearPercentage: percentage, linearInterval: minutes }).map((timeBasedLinear) => ({
      type: "TimeBasedLinear",
      timeBasedLinear,
    })),
  );

  test("grows with each step, never beyond 100 percent, and reaches them exactly", () => {
    fc.assert(
      fc.property(routing, (given) => {
        const percents = shiftsOf(trafficRouting.parse(given)).map(({ percent }) => percent);
        expect(percents).toEqual([...new Set(percents)].sort((a, b) => a - b));
        expect(percents.at(-1)).toBe(100);
        expect(percents[0]).toBeGreaterThan(0);
      }),
      { numRuns: tries(100) },
    );
  });

  test("goes linearly from the first step at once to the last", () => {
    const timeBasedLinear = { linearPercentage: 40, linearInterval: 3 };
    expect(shiftsOf({ type: "TimeBasedLinear", timeBasedLinear })).toEqual([
      { afterMinutes: 0, percent: 40 },
      { afterMinutes: 3, percent: 80 },
      { afterMinutes: 3, percent: 100 },
    ]);
  });

  test("is divided by the forwards of a rule alone", () => {
    const pair = { blue: "b", green: "g" };
    const login = { Type: "authenticate-oidc" as const, Order: 1 };
    expect(divideActions([login, { Type: "forward", Order: 2, TargetGroupArn: "b" }], pair, 30)).toEqual([
      login,
      {
        Type: "forward",
        Order: 2,
        ForwardConfig: {
          TargetGroups: [
            { TargetGroupArn: "b", Weight: 70 },
            { TargetGroupArn: "g", Weight: 30 },
          ],
        },
      },
    ]);
  });
});

describe("an AppSpec", () => {
  const ecs = `
version: 0.0
Resources:
  - TargetService:
      Type: AWS::ECS::Service
      Properties:
        TaskDefinition: arn:aws:ecs:eu-west-1:111111111111:task-definition/web:2
        LoadBalancerInfo: { ContainerName: web, ContainerPort: "8080" }
Hooks:
  - AfterAllowTestTraffic: check
  - AfterAllowTraffic: ""
`;
  const lambda = {
    version: 0.0,
    Resources: [
      {
        hello: {
          Type: "AWS::Lambda::Function",
          Properties: { Name: "hello", Alias: "live", CurrentVersion: 1, TargetVersion: "2" },
        },
      },
    ],
  };
  const changed = (Properties: object) => ({
    ...lambda,
    Resources: [{ hello: { Type: "AWS::Lambda::Function", Properties } }],
  });

  test("is read from YAML", () => {
    expect(readAppSpec(ecs, "ECS")).toEqual({
      platform: "ECS",
      hooks: new Map([["AfterAllowTestTraffic", "check"]]),
      service: {
        TaskDefinition: "arn:aws:ecs:eu-west-1:111111111111:task-definition/web:2",
        LoadBalancerInfo: { ContainerName: "web", ContainerPort: 8080 },
      },
    });
  });

  test("is read from JSON", () => {
    expect(readAppSpec(JSON.stringify(lambda), "Lambda")).toEqual({
      platform: "Lambda",
      hooks: new Map(),
      function: { Name: "hello", Alias: "live", CurrentVersion: "1", TargetVersion: "2" },
    });
  });

  test.each([
    ["neither YAML nor JSON", "a: [", /neither YAML nor JSON/],
    ["no fields", "hello", /holds no version/],
    ["another version", { ...lambda, version: 1 }, /version must be 0\.0/],
    ["no version", { Resources: lambda.Resources }, /version must be 0\.0/],
    ["an empty version", { ...lambda, version: null }, /version must be 0\.0/],
    ["two resources", { ...lambda, Resources: [...lambda.Resources, ...lambda.Resources] }, /exactly one/],
    ["no resources", { ...lambda, Resources: [] }, /exactly one/],
    ["a missing property", changed({ Name: "hello", Alias: "live" }), /CurrentVersion.*TargetVersion/],
    ["a hook of another platform", { ...lambda, Hooks: [{ AfterInstall: "x" }] }, /'AfterInstall' is none/],
    ["a hook that is no name", { ...lambda, Hooks: [{ BeforeAllowTraffic: 1 }] }, /name or the ARN/],
  ])("with %s is refused", (_, spec, problem) => {
    const text = typeof spec === "string" ? spec : JSON.stringify(spec);
    const reading = () => readAppSpec(text, "Lambda");
    expect(reading).toThrow(expect.objectContaining({ code: "InvalidRevisionException" }));
    expect(reading).toThrow(problem);
  });

  test("of a service is refused for a function", () => {
    expect(() => readAppSpec(ecs, "Lambda")).toThrow(
      /must be of the Type AWS::Lambda::Function, not "AWS::ECS/,
    );
  });
});
