import { findAction, type Snapshot } from "../../tools/rehearse/execution";
import { type RehearsedExecution, RehearsedPipeline, type Running } from "../support/rehearsed-pipeline";
import { actionsOf } from "../support/roles";
import {
  COMPLETE,
  NOBODYS,
  type Round,
  roleAccount,
  TAKEN_AT_FIRST,
  TAKEN_LATER,
  type Takings,
  UNNOTICED,
  UNNOTICED_FROM,
} from "../support/taken-grants";

jest.setTimeout(15 * 60_000);

const SETTINGS = `
project = "hello"
region  = "eu-west-1"
account = "111111111111"
git     = { provider = "github-token", repository = "acme/hello" }
services     = { web = { port = 8080 } }
functions    = { hello = {} }
environments = { prod = {
  account = "333333333333", approval = "never", nat = "single", firewall = false, bake_minutes = 0,
  log_retention_days = 30, deletion_protection = false
} }
pipelines    = { main = { branch = "main", deploy = [["prod"]] } }
`;

let pipeline: RehearsedPipeline;
/** The first deployment, which comes to its end. */
let first: RehearsedExecution;
/** A change that changes the pipeline, too, and whose acceptance tests fail. */
let second: RehearsedExecution;
/** What goes on in the place of the second. */
let third: RehearsedExecution;

// One Local AWS, and one course of three executions, for all tests: each goes on from where the one before it stopped.
beforeAll(async () => {
  // The SDK warns of each upload that is refused.
  jest.spyOn(console, "warn").mockImplementation(() => {});
  const quick = "echo all is well";
  pipeline = await RehearsedPipeline.deploy(SETTINGS, { scan: quick });
  pipeline.edit("package.json", (text) =>
    text.replace(
      "node tools/run.mjs tools/pipeline/verify.ts",
      (command) => `SLIPWAY_VERIFY_SECONDS=5 ${command}`,
    ),
  );
});
afterAll(() => pipeline?.end());

/** What roles lack now. */
class Lacking {
  private readonly rounds = new Map<string, Round>();
  private readonly unnoticed = new Set<string>();

  /** Takes away what nobody notices. */
  async unnoticedOf(roles: readonly string[]): Promise<void> {
    for (const role of roles) {
      this.unnoticed.add(role);
      await this.apply(role);
    }
  }

  /** Gives that back. */
  async giveBackUnnoticed(): Promise<void> {
    const roles = [...this.unnoticed];
    this.unnoticed.clear();
    for (const role of roles) await this.apply(role);
  }

  /** What the next run of an action lacks, in place of what the last one did. */
  async round(action: string, round: Round = []): Promise<void> {
    const before = this.rounds.get(action) ?? [];
    this.rounds.set(action, round);
    for (const role of new Set([...before, ...round].map((taking) => taking.role))) await this.apply(role);
  }

  private apply(role: string): Promise<void> {
    const taken = [...this.rounds.values()].flat().filter((taking) => taking.role === role);
    const unnoticed = this.unnoticed.has(role) ? UNNOTICED.filter(({ roles }) => roles.includes(role)) : [];
    const grants = [...taken.map(({ grant }) => grant), ...unnoticed.flatMap((one) => one.grants)];
    return pipeline.roles.leave(roleAccount(role), role, [...new Set(grants)]);
  }
}
const lacking = new Lacking();

/** Takes away what the first runs of stages' actions lack, before it comes to them. */
async function takeFirst(takings: Takings, ...stages: readonly string[]): Promise<void> {
  for (const stage of stages)
    for (const [action, [round]] of Object.entries(takings[stage] ?? {})) await lacking.round(action, round);
}

/**
 * Has a stage fail by each round that its actions have, and succeed in the end.
 *
 * @param between called when the stage has failed for the first time
 */
async function failByEach(
  execution: RehearsedExecution,
  stage: string,
  takings: Takings,
  between: () => Promise<void> = async () => {},
): Promise<void> {
  const actions = Object.entries(takings[stage] ?? {});
  for (let number = 0; ; number++) {
    const snapshot = await execution.stage(stage);
    const unfinished = actions.filter(([, rounds]) => rounds[number]);
    const failed = snapshot.actions.filter((run) => run.stage === stage && run.status !== "Succeeded");
    const said = await Promise.all(failed.map(async (run) => `${run.name}: ${await execution.shown(run)}`));
    // Exactly these: a grant that begins to be noticed is named here by what it refuses.
    if (String(failed.map(({ name }) => name).sort()) !== String(unfinished.map(([name]) => name).sort()))
      throw new Error(
        `${stage} failed otherwise than by ${unfinished.map(([name]) => name)}:\n${said.join("\n")}`,
      );
    if (!unfinished.length) return;
    for (const [name, rounds] of unfinished)
      await expectRefused(execution, snapshot, stage, name, rounds[number]!);
    if (number === 0) await between();
    for (const [name, rounds] of unfinished) await lacking.round(name, rounds[number + 1]);
    await execution.retry(stage);
  }
}

/** Has an action fail by one of its rounds, and lack afterwards what the next one takes away. It is not tried again. */
async function failOnce(
  execution: RehearsedExecution,
  stage: string,
  action: string,
  number: number,
): Promise<void> {
  const snapshot = await execution.stage(stage);
  const rounds = TAKEN_LATER[stage]![action]!;
  expect(snapshot.status).toBe("Failed");
  await expectRefused(execution, snapshot, stage, action, rounds[number]!);
  await lacking.round(action, rounds[number + 1]);
}

async function expectRefused(
  execution: RehearsedExecution,
  snapshot: Snapshot,
  stage: string,
  action: string,
  round: Round,
): Promise<void> {
  const shown = await execution.shown(findAction(snapshot, stage, action));
  const refused = [...shown.matchAll(/not authorized to perform: ([\w-]+:\w+)/g)].map(([, one]) => one);
  const silent = round.filter(({ grant, asked = grant }) => !refused.includes(asked));
  if (silent.length)
    throw new Error(
      `${action} does not say that ${silent.map(({ role, asked, grant }) => `${role} lacks ${asked ?? grant}`).join(" and ")}:\n${shown}`,
    );
}

describe("a grant taken away from a role fails its action, which says so", () => {
  beforeAll(async () => {
    await lacking.unnoticedOf(UNNOTICED_FROM.Source);
    await takeFirst(TAKEN_AT_FIRST, "Source", "Install", "Build", "Update", "Plan");
    first = await pipeline.release("1".repeat(40));
  });

  test.each(["Source", "Install", "Build"])("%s", (stage) => failByEach(first, stage, TAKEN_AT_FIRST));

  // What the pipeline's roles lack, it would give back and start anew.
  test("Update", () => failByEach(first, "Update", TAKEN_AT_FIRST, () => lacking.giveBackUnnoticed()));

  test("Plan", () =>
    failByEach(first, "Plan", TAKEN_AT_FIRST, async () => {
      await lacking.unnoticedOf(UNNOTICED_FROM.Plan);
      await takeFirst(TAKEN_AT_FIRST, "Deploy", "Release", "Verify");
    }));

  test("Deploy", () => failByEach(first, "Deploy", TAKEN_AT_FIRST));

  test("Release", () =>
    failByEach(first, "Release", TAKEN_AT_FIRST, () => lacking.unnoticedOf(UNNOTICED_FROM.Release)));

  test("Verify, and all goes on when it is given back", async () => {
    await failByEach(first, "Verify", TAKEN_AT_FIRST);
    expect(await first.end()).toMatchObject({ status: "Succeeded" });
  });

  afterAll(() => lacking.giveBackUnnoticed());
});

const takings = (all: Takings) => Object.values(all).flatMap((actions) => Object.values(actions).flat(2));

test("every role of the stacks is tried, or has a reason why not", async () => {
  const tried = [TAKEN_AT_FIRST, TAKEN_LATER].flatMap(takings).map(({ role }) => role);
  const all = [...tried, ...UNNOTICED.flatMap(({ roles }) => roles), ...Object.keys(NOBODYS)];
  expect((await rolesThere()).map(({ name }) => name).sort()).toEqual([...new Set(all)].sort());
  const lackingOnce = Object.values(UNNOTICED_FROM).flat();
  expect(lackingOnce.sort()).toEqual([...new Set(UNNOTICED.flatMap(({ roles }) => roles))].sort());
});

test("each grant of the roles that hold few is tried, or nobody notices it", async () => {
  const roles = (await rolesThere()).filter(({ name }) => COMPLETE.includes(name));
  const untried = roles.flatMap(({ name, statements }) => {
    const taken = [TAKEN_AT_FIRST, TAKEN_LATER].flatMap(takings).filter(({ role }) => role === name);
    const unnoticed = UNNOTICED.filter((one) => one.roles.includes(name)).flatMap(({ grants }) => grants);
    // What fails is told by the log: without it no test could see it.
    const known = [...taken.map(({ grant }) => grant), ...unnoticed, "logs:PutLogEvents"];
    const granted = statements.flatMap(actionsOf);
    return granted.filter((grant) => !known.includes(grant)).map((grant) => `${name}: ${grant}`);
  });
  expect(untried).toEqual([]);
});

async function rolesThere() {
  const { account, environments } = pipeline.settings;
  const accounts = [account, environments.prod!.account];
  return (await Promise.all(accounts.map((one) => pipeline.roles.list(one)))).flat();
}

/** Production before the change. */
let before: Running;
let state: string;

describe("a change of the pipeline's own stack", () => {
  test("is not made without the grant, and is made, and starts the pipeline anew, with it", async () => {
    before = await pipeline.running("prod");
    state = await pipeline.stateOf("prod");
    pipeline.edit("terraform.tfvars", (text) =>
      text.replace('"never"', '"always"').replace("hello = {}", 'hello = { variables = { MOOD = "good" } }'),
    );
    pipeline.edit("lambdas/hello/index.ts", (text) => text.replace("hello from", "hello again from"));
    pipeline.edit("app/bundle.cjs", (text) => `${text}// Another image.\n`);
    pipeline.add(
      "__tests__/acceptance/environment/never.check.ts",
      'test("production is as nobody can make it", () => { throw new Error("It is not."); });\n',
    );
    await takeFirst(TAKEN_LATER, "Update", "Plan");
    second = await pipeline.release("2".repeat(40));
    await failByEach(second, "Update", TAKEN_LATER);
    expect(["Stopped", "Cancelled"]).toContain((await second.end()).status);
    third = await second.successor();
  });

  test("is not made once more: what goes on in its place comes past Update, on the new definition", async () => {
    const { stages } = await third.stage("Update");
    expect(stages.Update).toBe("Succeeded");
    expect(third.execution.stages.map(({ name }) => name)).toContain("Approve");
    await failByEach(third, "Plan", TAKEN_LATER, () => takeFirst(TAKEN_LATER, "Deploy", "Release", "Verify"));
    expect(await pipeline.executions()).toEqual([
      third.execution.id,
      second.execution.id,
      first.execution.id,
    ]);
  });
});

describe("Deploy, after it was approved", () => {
  beforeAll(() => third.approve("Approve", "approve-prod"));

  test("fails without the grants that the change needs, and applies nothing", async () => {
    await failOnce(third, "Deploy", "apply-prod", 0);
    // Terraform has written the state, for which the plan is stale.
    await pipeline.setStateOf("prod", state);
    await third.retry("Deploy");
    await failOnce(third, "Deploy", "apply-prod", 1);
    expect(await pipeline.variablesOf("prod")).not.toHaveProperty("MOOD");
  });

  test("refuses the plan when somebody has changed the environment since, says what to do, and applies nothing", async () => {
    const { serial, ...rest } = JSON.parse(state);
    const theirs = JSON.stringify({ serial: serial + 1, ...rest });
    await pipeline.setStateOf("prod", theirs);
    await third.retry("Deploy");
    const refused = await third.stage("Deploy");
    expect(refused.status).toBe("Failed");
    expect(await third.shown(findAction(refused, "Deploy", "apply-prod"))).toContain(
      "The plan is stale: prod has changed since it was made. Nothing was applied. Release a new change, so that it is planned and approved anew.",
    );
    expect(await pipeline.stateOf("prod")).toBe(theirs);
  });

  test("applies it when the environment is again as it was planned", async () => {
    await pipeline.setStateOf("prod", state);
    await third.retry("Deploy");
    expect((await third.stage("Deploy")).stages.Deploy).toBe("Succeeded");
    expect(await pipeline.variablesOf("prod")).toHaveProperty("MOOD", "good");
  });
});

describe("acceptance tests that fail", () => {
  test("come after a release that brings the new version", async () => {
    await failByEach(third, "Release", TAKEN_LATER);
    // It waits there, before the tests.
    await failOnce(third, "Verify", "verify-prod", 0);
    const { service, fn } = await pipeline.running("prod");
    expect(service).not.toBe(before.service);
    expect(fn).not.toBe(before.fn);
  });

  test("end the execution, with the old version back in its place", async () => {
    await third.retry("Verify");
    const snapshot = await third.end();
    const shown = await third.shown(findAction(snapshot, "Verify", "verify-prod"));
    expect(snapshot.status).toBe("Failed");
    expect(shown).toContain("● production is as nobody can make it");
    expect(shown).toContain("prod is as it was before the release.");
    await expectRefused(third, snapshot, "Verify", "verify-prod", TAKEN_LATER.Verify!["verify-prod"]![1]!);
    expect(await pipeline.running("prod")).toEqual(before);
  });
});
