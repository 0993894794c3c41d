import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { StopBuildCommand } from "@aws-sdk/client-codebuild";
import {
  GetFunctionConfigurationCommand,
  LambdaClient,
  UpdateFunctionConfigurationCommand,
} from "@aws-sdk/client-lambda";
import { DELIVERY_STACK, pipelineStackName, stateBucketName } from "../../shared/names";
import { previewEnvironmentName, templateStackName, trialSlug } from "../../shared/previews";
import { findAction, type Snapshot } from "../../tools/rehearse/execution";
import { inventory } from "../support/inventory";
import { type RehearsedExecution, RehearsedPipeline, type Running } from "../support/rehearsed-pipeline";

jest.setTimeout(25 * 60_000);

const REGIONS = ["eu-west-1", "us-east-1"] as const;
const SETTINGS = `
project = "hello"
region  = "eu-west-1"
account = "111111111111"
git     = { provider = "github-token", repository = "acme/hello" }
services     = { web = { port = 8080 } }
functions    = { hello = {} }
environments = { dev = { account = "222222222222", approval = "never", nat = "single" } }
pipelines    = { main = {
  branch = "main", deploy = [["dev"]],
  trial  = { environment = "dev", regions = ["eu-west-1", "us-east-1"] }
} }
previews     = { "feature/*" = { pipeline = "main", environment = "dev" } }
`;
const UPDATED = [DELIVERY_STACK, pipelineStackName("main"), templateStackName("main_dev")];

/** What Update says of a stack that is as it should be; AWS may write some of it otherwise. */
const unchanged = (stack: string) => new RegExp(`${stack}: Plan review: no (resource )?changes\\.`);

/** Acceptance tests that fail in one region. */
const CHECK = "__tests__/acceptance/environment/never.check.ts";
const NEVER_THERE = `import { environment } from "./environment";
test("nobody is in us-east-1", () => expect(environment().settings.region).not.toBe("us-east-1"));
`;

/** A process sees three hours and some later; but what of its time a function has left, by which Lambda goes. */
const LATER = `const { now } = Date;
const later = 1000 * 60 * 200;
const isFunction = process.env.AWS_LAMBDA_FUNCTION_NAME !== undefined;
globalThis.Date = class extends Date {
  constructor(...given) {
    super(...(given.length ? given : [now() + later]));
  }
  static now() {
    return isFunction ? now() : now() + later;
  }
};
`;

let pipeline: RehearsedPipeline;
let before: Inventories;
let first: RehearsedExecution;
/** A change of the settings, and acceptance tests that fail in one region. */
let second: RehearsedExecution;
/** What goes on in the place of the second. */
let third: RehearsedExecution;
/** One whose trial is killed in one region. */
let fourth: RehearsedExecution;
/** The environment after the first. */
let running: Running;
let state: string;

// Each execution goes on from where the one before it stopped.
beforeAll(async () => {
  const quick = "echo all is well";
  pipeline = await RehearsedPipeline.deploy(SETTINGS, { scan: quick }, UPDATED.slice(1));
  pipeline.edit("package.json", (text) =>
    text.replace(
      "node tools/run.mjs tools/pipeline/verify.ts",
      (command) => `SLIPWAY_VERIFY_SECONDS=5 ${command}`,
    ),
  );
  // A repository, for the sweep to ask of.
  const push = { repository: "acme/hello", do: "push", branch: "somewhere" };
  await fetch(`${pipeline.endpoint}/local-aws/repository`, { method: "POST", body: JSON.stringify(push) });
  before = await everything();
});
afterAll(() => pipeline?.end());

/** By region, what there is in the environment's account; and the states of previews. */
type Inventories = Readonly<Record<(typeof REGIONS)[number] | "states", string[]>>;

async function everything(): Promise<Inventories> {
  const { settings, roles, endpoint } = pipeline;
  const { account, region } = settings;
  const bucket = stateBucketName(settings);
  const inRegion = async (one: string) => {
    const all = await inventory({
      endpoint,
      roles,
      region: one,
      account: settings.environments.dev!.account,
    });
    // The environment's own are there only from the first line on.
    return all.filter(
      (found) => !found.startsWith("log group ") || found.includes(previewEnvironmentName("dev", "t")),
    );
  };
  const build = await inventory({ endpoint, roles, region, account, objects: { [bucket]: "pv-" } });
  return {
    "eu-west-1": await inRegion("eu-west-1"),
    "us-east-1": await inRegion("us-east-1"),
    states: build.filter((one) => one.startsWith(`object of ${bucket}`)),
  };
}

const trialName = ({ execution }: RehearsedExecution, region: string) =>
  previewEnvironmentName("dev", trialSlug(execution.id, region));

const trialOf = (snapshot: Snapshot, what: string) => findAction(snapshot, "Trial", `trial-${what}`);

/** What of the trials of an execution is there. */
const ofTrials = (all: Inventories, execution: RehearsedExecution) =>
  Object.values(all)
    .flat()
    .filter((one) => REGIONS.some((region) => one.includes(trialName(execution, region))));

/** @throws Error with what the stage's actions say where it did not come to an end as it should */
async function endOf(execution: RehearsedExecution, stage: string, expected: string): Promise<Snapshot> {
  const snapshot = await execution.stage(stage);
  if (snapshot.stages[stage] === expected) return snapshot;
  const failed = snapshot.actions.filter(({ status }) => status !== "Succeeded");
  const said = await Promise.all(failed.map(async (run) => `${run.name}: ${await execution.shown(run)}`));
  throw new Error(`${stage}: ${JSON.stringify(snapshot.stages)}\n${said.join("\n")}`);
}

/** Id of the build of a trial, once its log has the words. @throws Error where it ends without */
async function buildThatSays(execution: RehearsedExecution, region: string, words: string): Promise<string> {
  const build = await execution.until((snapshot) => trialOf(snapshot, region)?.build ?? overOf(snapshot));
  const log = execution.execution.logOf(build);
  for (let said: string[] = []; !said.some((line) => line.includes(words)); said = await log.next()) {
    const { actions } = await execution.execution.read();
    if (actions.find((run) => run.build === build)?.status !== "InProgress")
      throw new Error(`The trial in ${region} has ended, and not said ${words}`);
    await pause(500);
  }
  return build;
}

const overOf = ({ running }: Snapshot) => (running ? undefined : "none");

describe("a first execution", () => {
  beforeAll(async () => {
    first = await pipeline.release("1".repeat(40));
  });

  test("finds nothing to bring up to date: neither what all share, nor the pipeline, nor its previews' template", async () => {
    const snapshot = await endOf(first, "Update", "Succeeded");
    const shown = await first.shown(findAction(snapshot, "Update", "update"));
    expect(shown).toContain("The pipeline main is as it should be.");
    for (const stack of UPDATED) expect(shown).toMatch(unchanged(stack));
  });

  test("tries the environment in both regions side by side, under names of its own, with the commit's image, and leaves nothing", async () => {
    const there = await first.until((snapshot) => {
      if (!snapshot.running) return "over";
      const runs = REGIONS.map((region) => trialOf(snapshot, region));
      return runs.every((run) => run?.status === "InProgress") ? "side by side" : undefined;
    });
    expect(there).toBe("side by side");
    const snapshot = await endOf(first, "Trial", "Succeeded");
    const after = await everything();
    const { IMAGE_URI: image } = findAction(snapshot, "Build", "image-web")!.variables;
    for (const region of REGIONS) {
      const run = trialOf(snapshot, region);
      expect(run!.configuration.EnvironmentVariables).toContain(`"${image}"`);
      const shown = await first.shown(run);
      expect(shown).toContain(`Tries dev in ${region}, as ${trialName(first, region)}.`);
    }
    expect(after).toEqual(before);
  });

  test("tells of the trial by region, with links to its logs", async () => {
    const snapshot = await first.until((one) => one);
    expect(await first.shown(trialOf(snapshot, "report"))).toMatch(
      /region result failed at minutes log eu-west-1 passed [\d.]+ https:\S+ us-east-1 passed [\d.]+ https:\S+/,
    );
  });

  test("deploys the environment after it", async () => {
    await endOf(first, "Verify", "Succeeded");
    expect(await first.end()).toMatchObject({ status: "Succeeded" });
    running = await pipeline.running("dev");
    state = await pipeline.stateOf("dev");
    expect(ofTrials(await everything(), first)).toEqual([]);
  });
});

describe("a change of the settings, and acceptance tests that fail in one region", () => {
  beforeAll(async () => {
    before = await everything();
    pipeline.edit("terraform.tfvars", (text) =>
      text
        .replace('branch = "main",', 'branch = "main", builds_at_once = 4,')
        .replace('{ "feature/*"', '{ "release/*" = { pipeline = "main", environment = "dev" }, "feature/*"'),
    );
    pipeline.add(CHECK, NEVER_THERE);
    second = await pipeline.release("2".repeat(40));
  });

  test("is brought in by Update, in the template of previews, too, and the pipeline starts anew", async () => {
    const snapshot = await second.end();
    const shown = await second.shown(findAction(snapshot, "Update", "update"));
    for (const stack of UPDATED)
      expect(shown).toContain(`${stack}: Plan review: 0 to add, 1 to change, 0 to`);
    expect(shown).toContain("goes on in the place of this one.");
    expect(["Stopped", "Cancelled"]).toContain(snapshot.status);
    third = await second.successor();
    const updated = await endOf(third, "Update", "Succeeded");
    const again = await third.shown(findAction(updated, "Update", "update"));
    for (const stack of UPDATED) expect(again).toMatch(unchanged(stack));
  });

  test("fails the trial, which names the region, and leaves nothing in either", async () => {
    const snapshot = await endOf(third, "Trial", "Failed");
    const report = await third.shown(trialOf(snapshot, "report"));
    expect(report).toMatch(/eu-west-1 passed [\d.]+ https:\S+ us-east-1 failed verify [\d.]+ https:\S+/);
    expect(report).toContain("nobody is in us-east-1");
    expect(await everything()).toEqual(before);
  });

  test("leaves the environment as it was", async () => {
    const { status, stages } = await third.end();
    expect(status).toBe("Failed");
    expect(stages).not.toHaveProperty("Plan");
    expect(await pipeline.stateOf("dev")).toBe(state);
    expect(await pipeline.running("dev")).toEqual(running);
  });
});

// Killed earlier, it may leave what it was just making: Terraform has not noted that yet.
describe("a trial that is killed when all is deployed", () => {
  let clock: string;
  beforeAll(async () => {
    clock = mkdtempSync(join(tmpdir(), "slipway-clock-"));
    writeFileSync(join(clock, "later.cjs"), LATER);
    pipeline.edit(CHECK, (text) => text.replaceAll("us-east-1", "eu-north-1"));
    fourth = await pipeline.release("4".repeat(40));
  });
  afterAll(() => {
    delete process.env.npm_config_node_options;
    rmSync(clock, { recursive: true, force: true });
  });

  test("fails the stage, and not the trial beside it", async () => {
    const build = await buildThatSays(fourth, "us-east-1", "Apply complete!");
    await pipeline.clients.codebuild.send(new StopBuildCommand({ id: build }));
    const snapshot = await endOf(fourth, "Trial", "Failed");
    expect(trialOf(snapshot, "us-east-1")?.status).toBe("Failed");
    expect(trialOf(snapshot, "eu-west-1")?.status).toBe("Succeeded");
    const { states } = await everything();
    expect(states.filter((one) => one.includes(trialName(fourth, "eu-west-1")))).toEqual([]);
  });

  test("is taken away three hours later", async () => {
    await letThreeHoursPass(join(clock, "later.cjs"));
    const end = Date.now() + 10 * 60_000;
    let left = await everything();
    while (left.states.length && Date.now() < end) {
      await pause(2000);
      left = await everything();
    }
    expect(left).toEqual(before);
  });
});

/** For the function that sweeps, and for builds that begin from now on. */
async function letThreeHoursPass(clock: string): Promise<void> {
  const { settings, endpoint } = pipeline;
  const credentials = { accessKeyId: "local", secretAccessKey: "local" };
  const lambda = new LambdaClient({ endpoint, region: settings.region, credentials });
  const FunctionName = `${settings.project}-${DELIVERY_STACK}-previews`;
  const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName }));
  const Variables = { ...Environment?.Variables, NODE_OPTIONS: `--require ${clock}` };
  await lambda.send(new UpdateFunctionConfigurationCommand({ FunctionName, Environment: { Variables } }));
  lambda.destroy();
  process.env.npm_config_node_options = `--require=${clock}`;
}
