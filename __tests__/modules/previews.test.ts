import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import { Bucket } from "../../modules/bucket";
import { Key } from "../../modules/key";
import { Previews } from "../../modules/previews";
import { Topic } from "../../modules/topic";
import type { Settings } from "../../settings";
import { deliveryNames, pipelineName } from "../../shared/names";
import { previewPipelineName, templatePipelineName } from "../../shared/previews";
import { only, synthesizeConstruct } from "../support/construct";
import { exampleSettings } from "../support/settings";
import { all, type SynthesizedStack, statements } from "../support/synthesized";

const bundles = mkdtempSync(join(tmpdir(), "slipway-bundles-"));
writeFileSync(join(bundles, "delivery-previews.zip"), "");
afterAll(() => rmSync(bundles, { recursive: true }));

const place = { account: "111111111111", region: "eu-west-1" };

const previewsOf = (settings: Settings): SynthesizedStack =>
  synthesizeConstruct((scope) => {
    const key = new Key(scope, "key", { ...place, alias: "alias/hello", description: "A key" });
    const records = new Bucket(scope, "records", { name: "hello-reports", key });
    const topic = new Topic(scope, "topic", {
      name: "hello",
      key,
      account: place.account,
      emails: [],
      publishers: [],
    });
    const token =
      settings.source.provider === "codecommit"
        ? undefined
        : new SecretsmanagerSecret(scope, "token", { name: "hello/github-token" });
    new Previews(scope, "previews", { settings, bundles, records, key, topic, token });
  });

let settings: Settings;
let stack: SynthesizedStack;
beforeAll(async () => {
  settings = await exampleSettings();
  stack = previewsOf(settings);
});

const rules = (of = stack) => all(of, "aws_cloudwatch_event_rule") as Record<string, string>[];
const patterns = (of = stack) =>
  rules(of).flatMap(({ event_pattern: pattern }) => (pattern ? [JSON.parse(pattern)] : []));
const targets = (of = stack) =>
  all(of, "aws_cloudwatch_event_target") as { sqs_target: { message_group_id: string }; input?: string }[];

/** ARNs that an action of CodePipeline is allowed on. */
const pipelinesFor = (action: string) =>
  all(stack, "aws_iam_role_policy")
    .flatMap((policy) => statements(policy))
    .filter(({ Effect, Action }) => Effect === "Allow" && [Action].flat().includes(`codepipeline:${action}`))
    .flatMap(({ Resource }) => [Resource].flat() as string[]);

/** Whether IAM takes a name for one that a pattern of it means. */
const isReached = (patterns: readonly string[], pipeline: string) =>
  patterns.some((pattern) =>
    new RegExp(`:${pattern.split(":").at(-1)!.replaceAll("*", ".*")}$`).test(`:${pipeline}`),
  );

test.each([
  "CreatePipeline",
  "UpdatePipeline",
  "DeletePipeline",
  "StartPipelineExecution",
])("allows %s for previews' pipelines, and neither for a template nor for what people deploy by", (action) => {
  const clone = previewPipelineName(settings, "main_dev", "login-3f9a2c");
  expect(isReached(pipelinesFor(action), clone)).toBe(true);
  expect(isReached(pipelinesFor(action), templatePipelineName(settings, "main_dev"))).toBe(false);
  expect(isReached(pipelinesFor(action), pipelineName(settings, "main"))).toBe(false);
});

test("fails when it could end a preview of a project whose name goes on from this one's", () => {
  // That of "hello-preview", whose pipeline main has previews as well: "hello" has no pipeline preview-main.
  const foreign = previewPipelineName({ project: `${settings.project}-preview` }, "main_dev", "login-3f9a2c");
  const denied = all(stack, "aws_iam_role_policy")
    .flatMap((policy) => statements(policy))
    .filter(({ Effect, Action }) => Effect === "Deny" && Action === "codepipeline:*")
    .flatMap(({ Resource }) => [Resource].flat() as string[]);
  expect(isReached(pipelinesFor("DeletePipeline"), foreign)).toBe(true);
  expect(isReached(denied, foreign)).toBe(true);
  expect(isReached(denied, previewPipelineName(settings, "main_dev", "login-3f9a2c"))).toBe(false);
});

test("holds up what comes after a hint that failed no longer than one run of the function may take", () => {
  const { timeout } = only(stack, "aws_lambda_function") as { timeout: number };
  const [hints] = all(stack, "aws_sqs_queue").filter(({ redrive_policy }) => redrive_policy);
  const { visibility_timeout_seconds: hidden } = hints as { visibility_timeout_seconds: number };
  // Lambda takes no queue with less than its function's own time.
  expect(hidden).toBeGreaterThanOrEqual(timeout);
  expect(hidden).toBeLessThanOrEqual(timeout + 60);
});

test("passes templates' roles on, and to CodePipeline alone", () => {
  const passing = all(stack, "aws_iam_role_policy")
    .flatMap((policy) => statements(policy))
    .filter(({ Action }) => [Action].flat().includes("iam:PassRole"));
  expect(passing).toEqual([
    {
      Effect: "Allow",
      Action: "iam:PassRole",
      Resource: "arn:aws:iam::111111111111:role/hello-preview-main_dev",
      Condition: { StringEquals: { "iam:PassedToService": "codepipeline.amazonaws.com" } },
    },
  ]);
});

test("sees which states there are of previews, and not what is in them", () => {
  const state = all(stack, "aws_iam_role_policy")
    .flatMap((policy) => statements(policy))
    .filter(({ Resource }) => String(Resource).includes("hello-state-"));
  expect(state).toEqual([
    expect.objectContaining({
      Action: "s3:ListBucket",
      Condition: { StringLike: { "s3:prefix": ["pv-*"] } },
    }),
  ]);
});

test("hears of runs, teardowns and the time, in a queue that keeps what is of one group in order", () => {
  expect(patterns()).toEqual([
    expect.objectContaining({
      source: ["aws.codepipeline"],
      detail: expect.objectContaining({ pipeline: [{ prefix: "hello-preview-" }] }),
    }),
    expect.objectContaining({
      source: ["aws.codebuild"],
      detail: expect.objectContaining({ "project-name": [deliveryNames(settings).teardownProject] }),
    }),
  ]);
  expect(targets().map(({ sqs_target, input }) => [sqs_target.message_group_id, input])).toEqual([
    ["runs", undefined],
    ["runs", undefined],
    ["sweep", '{"slipway":"sweep"}'],
  ]);
  const queues = all(stack, "aws_sqs_queue").filter(({ fifo_queue }) => fifo_queue);
  expect(queues.map(({ name, content_based_deduplication: by }) => [name, by])).toEqual([
    [deliveryNames(settings).previewQueue, true],
    ["hello-delivery-previews-lost.fifo", true],
  ]);
});

test("hears of branches and pull requests where the repository is CodeCommit's", () => {
  const codecommit = previewsOf({ ...settings, source: { provider: "codecommit", repository: "shop" } });
  expect(patterns(codecommit)).toContainEqual(
    expect.objectContaining({
      source: ["aws.codecommit"],
      resources: ["arn:aws:codecommit:eu-west-1:111111111111:shop"],
    }),
  );
  expect(JSON.stringify(all(codecommit, "aws_iam_role_policy"))).not.toContain("GetSecretValue");
});

test("tells the function what it works on", () => {
  const { environment } = only(stack, "aws_lambda_function") as {
    environment: { variables: Record<string, string> };
  };
  const { PREVIEWS } = environment.variables;
  // Its reference to a resource is quoted text here.
  expect(PREVIEWS).toContain('"rules":[{"pattern":"feature/*","pipeline":"main","environment":"dev"');
  expect(PREVIEWS).toContain('"deployed":["main"]');
});

test("has no statement without a resource where there are trials alone: IAM would refuse it", () => {
  const { main } = settings.pipelines;
  const trial = { environment: "dev", regions: ["eu-west-1"] };
  const trials = previewsOf({ ...settings, previews: [], pipelines: { main: { ...main!, trial } } });
  const all = (trials.resource.aws_iam_role_policy ?? {}) as Record<string, Record<string, unknown>>;
  for (const { Resource } of Object.values(all).flatMap((policy) => statements(policy)))
    expect(Resource).toBeDefined();
});
