import { deliveryNames, pipelineStackName, stateBucketName } from "../../shared/names";
import {
  previewEnvironmentName,
  previewPipelineName,
  previewSlug,
  templateStackName,
} from "../../shared/previews";
import { inventory } from "../support/inventory";
import { RehearsedPipeline } from "../support/rehearsed-pipeline";

jest.setTimeout(25 * 60_000);

const SETTINGS = `
project = "hello"
region  = "eu-west-1"
account = "111111111111"
git     = { provider = "github-token", repository = "acme/hello" }
services     = { web = { port = 8080 } }
functions    = { hello = {} }
environments = { dev = { account = "222222222222", approval = "never", nat = "single" } }
pipelines    = { main = { branch = "main", deploy = [["dev"]] } }
previews     = { "feature/*" = { pipeline = "main", environment = "dev" } }
`;

// Everything about it is hostile but its beginning.
const BRANCH = "feature/$(id);`id`&<b>@login|'x'(http-evil)";
const COMMIT = "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00";
const SLUG = previewSlug(BRANCH);
const TEMPLATE = "main_dev";
const ENVIRONMENT = previewEnvironmentName("dev", SLUG);

/** By account. */
interface Inventories {
  readonly build: string[];
  readonly dev: string[];
}

let pipeline: RehearsedPipeline;
let name: string;
let before: Inventories;
/** Its number. */
let pullRequest: number;
beforeAll(async () => {
  const quick = "echo all is well";
  const stacks = [pipelineStackName("main"), templateStackName(TEMPLATE)];
  pipeline = await RehearsedPipeline.deploy(SETTINGS, { scan: quick }, stacks);
  name = previewPipelineName(pipeline.settings, TEMPLATE, SLUG);
  // Previews are torn down with what the ordinary pipeline has synthesized; `dev` itself is not needed.
  const commit = COMMIT.replaceAll("c", "a");
  await pipeline.handIn("main", commit);
  await atGitHub({ do: "push", branch: "main", commit });
  const main = await pipeline.newest();
  await main.stage("Update");
  await main.execution.stop("That is enough", true);
  await main.end();
  before = await everything();
});
afterAll(() => pipeline?.end());

/** What there is in the build account, and in the environment's. */
async function everything(): Promise<Inventories> {
  const { settings, roles, endpoint } = pipeline;
  const { account, region } = settings;
  const common = { endpoint, region, roles };
  const objects = {
    [stateBucketName(settings)]: "",
    [deliveryNames(settings).reportBucket]: "records/",
  };
  return {
    build: await inventory({ ...common, account, objects }),
    dev: await inventory({ ...common, account: settings.environments.dev!.account }),
  };
}

/** Does at GitHub what people do there. @returns what changed by it */
async function atGitHub(change: object): Promise<{ number?: number }[]> {
  const response = await fetch(`${pipeline.endpoint}/local-aws/repository`, {
    method: "POST",
    body: JSON.stringify({ repository: "acme/hello", ...change }),
  });
  const answer = (await response.json()) as { changes: { number?: number }[] };
  expect([response.status, answer]).toEqual([200, expect.anything()]);
  return answer.changes;
}

/** What the pull request is told. */
async function comments(): Promise<string[]> {
  const issues = `${pipeline.endpoint}/local-aws/github/repos/acme/hello/issues`;
  const response = await fetch(`${issues}/${pullRequest}/comments`, {
    headers: { authorization: "Bearer somebody" },
  });
  return ((await response.json()) as { body: string }[]).map(({ body }) => body);
}

async function until<T>(what: string, minutes: number, look: () => Promise<T | undefined>): Promise<T> {
  const end = Date.now() + minutes * 60_000;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > end) throw new Error(`In ${minutes} minutes, ${what} did not come: ${await state()}`);
    await new Promise((resolve) => setTimeout(resolve, 1000));
  }
}

/** For whoever has to find out. */
async function state(): Promise<string> {
  return JSON.stringify({
    comments: await comments(),
    executions: await pipeline.executions(name).catch(String),
  });
}

test("an open branch gets a pipeline, an environment whose address answers, and its pull request is told", async () => {
  await pipeline.handIn(BRANCH, COMMIT);
  await atGitHub({ do: "push", branch: BRANCH, commit: COMMIT });
  const [opened] = await atGitHub({ do: "open", branch: BRANCH, into: "main" });
  pullRequest = opened!.number!;
  const comment = await until("an address", 12, async () => {
    const [one, ...others] = await comments();
    expect(others).toEqual([]);
    if (one?.includes("failed")) throw new Error(`It failed: ${await pipeline.failures(name)}`);
    return one && /http:\/\/[^\s)>]+/.test(one) ? one : undefined;
  });
  // As code, which nothing in it can end: there are two backticks around, and but one in it.
  expect(comment).toContain(`\`\`${BRANCH}\`\``);
  const addresses = comment.match(/http:\/\/[^\s)>]+/g) ?? [];
  // The function's asks for IAM.
  const answer = await fetch(addresses.find((one) => !one.includes("lambda-url")) ?? "");
  expect(answer.status).toBe(200);
  expect(await pipeline.executions(name)).toHaveLength(1);
  const now = await everything();
  expect(now.build).toContain(`object of ${stateBucketName(pipeline.settings)} ${ENVIRONMENT}.tfstate`);
  expect(now.dev.length).toBeGreaterThan(before.dev.length + 20);
});

test("a push that is told twice deploys once", async () => {
  const next = COMMIT.replaceAll("c", "d");
  await pipeline.handIn(BRANCH, next);
  await atGitHub({ do: "push", branch: BRANCH, commit: next });
  await atGitHub({ do: "push", branch: BRANCH, commit: next });
  const ids = await until("a second execution", 3, async () => {
    const all = await pipeline.executions(name);
    return all.length > 1 ? all : undefined;
  });
  expect(ids).toHaveLength(2);
});

test("a closed branch leaves nothing, whatever was on its way", async () => {
  await atGitHub({ do: "close", number: pullRequest });
  await atGitHub({ do: "delete", branch: BRANCH });
  await until("its end", 12, async () => {
    const gone = await pipeline.executions(name).then(
      () => false,
      (error: Error) => error.name === "PipelineNotFoundException",
    );
    return gone || undefined;
  });
  // Logs are there only from the first line on.
  const notNew = (all: readonly string[]) => all.filter((one) => !one.startsWith("log group "));
  const after = await everything();
  expect(notNew(after.dev)).toEqual(notNew(before.dev));
  expect(notNew(after.build)).toEqual(notNew(before.build));
  expect(after.dev.filter((one) => one.includes(SLUG))).toEqual([]);
  await until("the note that it is gone", 1, async () =>
    (await comments()).some((one) => /gone/i.test(one)) ? true : undefined,
  );
});
