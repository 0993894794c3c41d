import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TerraformOutput } from "cdktf";
import { readTask } from "../../lambdas/delivery-webhook/task";
import { Key } from "../../modules/key";
import { Webhook, type WebhookProps } from "../../modules/webhook";
import type { Settings } from "../../settings";
import { only, synthesizeConstruct } from "../support/construct";
import { exampleSettings } from "../support/settings";
import { type SynthesizedStack, statements } from "../support/synthesized";

const REVIEW = {
  name: "hello-delivery-review",
  arn: "arn:aws:codebuild:eu-west-1:111111111111:project/hello-delivery-review",
  into: ["main"],
};
const QUEUE = {
  arn: "arn:aws:sqs:eu-west-1:111111111111:hello-delivery-previews.fifo",
  url: "https://sqs.eu-west-1.amazonaws.com/111111111111/hello-delivery-previews.fifo",
};

let settings: Settings;
let bundles: string;
beforeAll(async () => {
  settings = await exampleSettings();
  bundles = mkdtempSync(join(tmpdir(), "slipway-bundles-"));
  writeFileSync(join(bundles, "delivery-webhook.zip"), "an archive");
});

const webhook = (changes: Partial<WebhookProps> = {}): SynthesizedStack =>
  synthesizeConstruct((scope) => {
    const place = { account: "111111111111", region: "eu-west-1" };
    const key = new Key(scope, "key", { ...place, alias: "alias/hello", description: "A key" });
    const alarmTopicArn = "arn:aws:sns:eu-west-1:111111111111:hello-notifications";
    const { url } = new Webhook(scope, "webhook", { settings, bundles, key, alarmTopicArn, ...changes });
    new TerraformOutput(scope, "url", { value: url });
  });

/** What the function reads of its variable. */
function task(stack: SynthesizedStack) {
  const { environment } = only(stack, "aws_lambda_function") as {
    environment: { variables: Record<string, string> };
  };
  return readTask(environment.variables as NodeJS.ProcessEnv);
}

/** What the function's role may do, but what every function's may. */
const granted = (stack: SynthesizedStack) =>
  statements(only(stack, "aws_iam_role_policy"))
    .map(({ Action, Resource }) => [[Action].flat(), [Resource].flat()].map((list) => list.join(" ")))
    .filter(([action]) => !/^(kms|logs|xray):/.test(action!));

const withSettings = (changes: Partial<Settings>) => ({ settings: { ...settings, ...changes } });

test("tells the function all that it starts and whom it tells, in the form that it reads", () => {
  expect(task(webhook({ review: REVIEW, queue: QUEUE }))).toEqual({
    project: "hello",
    region: "eu-west-1",
    repository: "acme/hello",
    secret: expect.stringContaining("aws_secretsmanager_secret"),
    pipelines: { "hello-main": { branch: "main" } },
    review: { project: "hello-delivery-review", into: ["main"] },
    queue: QUEUE.url,
  });
});

test("fails when its role may do more than start these pipelines and this review, and tell the previews", () => {
  const [failed, ...own] = granted(webhook({ review: REVIEW, queue: QUEUE }));
  expect(failed).toEqual(["sqs:SendMessage", expect.stringMatching(/aws_sqs_queue\.webhook_failed.*\.arn/)]);
  expect(own).toEqual([
    ["secretsmanager:GetSecretValue", expect.stringMatching(/aws_secretsmanager_secret\..*\.arn/)],
    ["codepipeline:StartPipelineExecution", "arn:aws:codepipeline:eu-west-1:111111111111:hello-main"],
    ["codebuild:StartBuild", REVIEW.arn],
    ["sqs:SendMessage", QUEUE.arn],
  ]);
});

test.each<[string, Settings["source"]]>([
  ["is polled", { provider: "github-token", repository: "acme/hello", polling: true }],
  ["has a connection", { provider: "connection", repository: "acme/hello", host: "GitHub" }],
])("starts no pipeline, and may start none, where the source %s", (_, source) => {
  const stack = webhook(withSettings({ source }));
  expect(task(stack)).toEqual(expect.objectContaining({ repository: "acme/hello", pipelines: {} }));
  expect(granted(stack).map(([action]) => action)).toEqual([
    "sqs:SendMessage",
    "secretsmanager:GetSecretValue",
  ]);
});

test("has an address whose end no other deployment's has, and the same one after each deploy", () => {
  const path = (changes: Partial<Settings> = {}) => {
    const { output } = webhook(withSettings(changes)) as unknown as { output: { url: { value: string } } };
    return /\.api_endpoint\}(\/.*)$/.exec(output.url.value)![1]!;
  };
  expect(path()).toMatch(/^\/github\/hello-[0-9a-f]{12}$/);
  expect(path()).toBe(path());
  const others = [{ project: "hell" }, { account: "999999999999" }, { region: "eu-north-1" }].map(path);
  expect(new Set([path(), ...others]).size).toBe(4);
});

test("keeps a secret that npm run connect fills, and that holds nobody up when it goes", () => {
  expect(only(webhook(), "aws_secretsmanager_secret")).toMatchObject({
    name: "hello/github-webhook",
    kms_key_id: expect.stringContaining("aws_kms_key"),
    recovery_window_in_days: 0,
  });
});

test("takes so much at a time and no more, in the time that GitHub waits, and tells where something failed", () => {
  const stack = webhook();
  expect(only(stack, "aws_apigatewayv2_stage")).toMatchObject({
    default_route_settings: { throttling_rate_limit: 50, throttling_burst_limit: 100 },
  });
  expect(only(stack, "aws_lambda_function").timeout).toBeLessThanOrEqual(10);
  expect(only(stack, "aws_cloudwatch_metric_alarm")).toMatchObject({
    alarm_name: "hello-delivery-webhook-errors",
    metric_name: "Errors",
    dimensions: { FunctionName: "hello-delivery-webhook" },
    alarm_actions: ["arn:aws:sns:eu-west-1:111111111111:hello-notifications"],
  });
});

test("fits into a function's variables, which take 4 KB, with thirty pipelines", () => {
  const { main } = settings.pipelines;
  const names = Array.from({ length: 30 }, (_, index) => `pipelinenumber${index}`);
  const pipelines = Object.fromEntries(names.map((name) => [name, { ...main!, name }]));
  const { environment } = only(
    webhook({ ...withSettings({ pipelines }), review: REVIEW, queue: QUEUE }),
    "aws_lambda_function",
  ) as {
    environment: { variables: Record<string, string> };
  };
  expect(Object.entries(environment.variables).flat().join("").length).toBeLessThan(4096);
});
