import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Key } from "../../modules/key";
import { ScheduledFunction } from "../../modules/scheduled-function";
import { only, synthesizeConstruct } from "../support/construct";
import type { SynthesizedStack } from "../support/synthesized";
import { statements } from "../support/synthesized";

let stack: SynthesizedStack;
beforeAll(() => {
  const archive = join(mkdtempSync(join(tmpdir(), "slipway-functions-")), "tidy.zip");
  writeFileSync(archive, "an archive");
  stack = synthesizeConstruct((scope) => {
    const key = new Key(scope, "key", {
      alias: "alias/hello",
      description: "A key",
      account: "111111111111",
      region: "eu-west-1",
    });
    const made = new ScheduledFunction(scope, "tidy", {
      name: "hello-tidy",
      description: "Tidies up",
      archive,
      schedule: "rate(1 hour)",
      variables: { BUCKET: "hello" },
      memory: 512,
      timeoutSeconds: 900,
      key,
      logRetentionDays: 365,
      alarmTopicArn: "arn:aws:sns:eu-west-1:111111111111:hello",
    });
    made.grantee.allow({ actions: ["s3:DeleteObject"], resources: ["arn:aws:s3:::hello/*"] });
  });
});

/** How Terraform refers to the only resource of a type. */
const attribute = (type: string, name: string) =>
  `\${${type}.${Object.keys(stack.resource[type] ?? {})[0]}.${name}}`;

test("is run by its rule", () => {
  expect(only(stack, "aws_cloudwatch_event_rule")).toMatchObject({
    name: "hello-tidy",
    schedule_expression: "rate(1 hour)",
  });
  expect(only(stack, "aws_cloudwatch_event_target")).toMatchObject({
    rule: attribute("aws_cloudwatch_event_rule", "name"),
    arn: attribute("aws_lambda_function", "arn"),
  });
});

test("may be called by that rule alone", () => {
  expect(only(stack, "aws_lambda_permission")).toMatchObject({
    function_name: attribute("aws_lambda_function", "function_name"),
    action: "lambda:InvokeFunction",
    principal: "events.amazonaws.com",
    source_arn: attribute("aws_cloudwatch_event_rule", "arn"),
  });
  expect(stack.resource.aws_lambda_function_url).toBeUndefined();
});

test("runs once at a time, on the current runtime, traced, its environment encrypted", () => {
  expect(only(stack, "aws_lambda_function")).toMatchObject({
    function_name: "hello-tidy",
    runtime: "nodejs22.x",
    architectures: ["arm64"],
    memory_size: 512,
    timeout: 900,
    environment: { variables: { BUCKET: "hello" } },
    kms_key_arn: attribute("aws_kms_key", "arn"),
    tracing_config: { mode: "Active" },
    dead_letter_config: { target_arn: attribute("aws_sqs_queue", "arn") },
    logging_config: { log_format: "JSON", log_group: attribute("aws_cloudwatch_log_group", "name") },
  });
});

test("keeps its log, and the calls that failed for good, encrypted and with an end", () => {
  expect(only(stack, "aws_cloudwatch_log_group")).toMatchObject({
    name: "/aws/lambda/hello-tidy",
    kms_key_id: attribute("aws_kms_key", "arn"),
    retention_in_days: 365,
  });
  expect(only(stack, "aws_sqs_queue")).toMatchObject({
    name: "hello-tidy-failed",
    kms_master_key_id: attribute("aws_kms_key", "arn"),
    message_retention_seconds: 1209600,
  });
});

test("may write its log, its traces and its failed calls, use its key, and what it is granted", () => {
  const key = attribute("aws_kms_key", "arn");
  expect(
    statements(only(stack, "aws_iam_role_policy")).map(({ Action, Resource }) => [
      [Action].flat()[0],
      Resource,
    ]),
  ).toEqual([
    ["logs:CreateLogStream", `${attribute("aws_cloudwatch_log_group", "arn")}:log-stream:*`],
    ["kms:Decrypt", key],
    ["sqs:SendMessage", attribute("aws_sqs_queue", "arn")],
    ["xray:PutTraceSegments", "*"],
    ["s3:DeleteObject", "arn:aws:s3:::hello/*"],
  ]);
});

test("says by its alarm how the last run went, until the next one", () => {
  expect(only(stack, "aws_cloudwatch_metric_alarm")).toMatchObject({
    alarm_name: "hello-tidy-errors",
    namespace: "AWS/Lambda",
    metric_name: "Errors",
    dimensions: { FunctionName: "hello-tidy" },
    threshold: 0,
    comparison_operator: "GreaterThanThreshold",
    treat_missing_data: "ignore",
    alarm_actions: ["arn:aws:sns:eu-west-1:111111111111:hello"],
    ok_actions: ["arn:aws:sns:eu-west-1:111111111111:hello"],
  });
});
