import { deliveryBoundary, updateStatements } from "../../modules/delivery-access";
import { policyDocument, type Statement } from "../../modules/iam";
import { readStatements, refusalOf } from "../../tools/local-aws/iam/decision";
import { exampleSettings } from "../support/settings";
import { synthesizePipeline } from "../support/synth";
import { all } from "../support/synthesized";

const reach = { project: "hello", account: "111111111111", region: "eu-west-1" };
const at = (service: string, rest: string) => `arn:aws:${service}:eu-west-1:111111111111:${rest}`;
const statements = (given: readonly Statement[]) => readStatements(policyDocument(given));

/** Whether what brings a pipeline up to date may do something. */
function mayUpdate(action: string, resource: string, withDelivery = true): boolean {
  const role = "arn:aws:iam::111111111111:role/hello-main-update";
  const values = new Map([
    ["aws:resourcetag/slipway:project", ["hello"]],
    ["lambda:functionarn", [at("lambda", "function:hello-delivery-report")]],
  ]);
  return !refusalOf(
    { action, resource, account: reach.account, context: { values } },
    { arn: role, name: role, account: reach.account },
    {
      identity: statements(
        updateStatements(reach, { pipeline: "main", withDelivery, withConnection: false }),
      ),
      boundary: statements(deliveryBoundary(reach)),
    },
  );
}

const TOPIC = at("sns", "hello-notifications");
const CHAT = at("secretsmanager", "secret:hello/chat-webhook-AbCdEf");
const QUEUE = at("sqs", "hello-delivery-report-events");
const MAPPING = at("lambda", "event-source-mapping:0b1c2d3e");
const API = "arn:aws:apigateway:eu-west-1::/apis/a1b2c3";
const KEY = at("kms", "key/0b1c2d3e");

// What the provider asks of each when it reads it, and when a setting of it changes.
describe("the pipeline that brings delivery up to date", () => {
  test.each([
    ["a subscription, whose ARN begins with its topic's", TOPIC, "sns:GetSubscriptionAttributes"],
    ["who chose other events", TOPIC, "sns:SetSubscriptionAttributes"],
    ["who is told no more", TOPIC, "sns:Unsubscribe"],
    ["the chat's secret", CHAT, "secretsmanager:DescribeSecret"],
    ["the chat's secret, and who may read it", CHAT, "secretsmanager:GetResourcePolicy"],
    ["a chat that is new", CHAT, "secretsmanager:CreateSecret"],
    ["the queue of events", QUEUE, "sqs:GetQueueAttributes"],
    ["rules that changed, in the queue's policy", QUEUE, "sqs:SetQueueAttributes"],
    ["what feeds the function", MAPPING, "lambda:GetEventSourceMapping"],
    ["what feeds the function, and its tags", MAPPING, "lambda:ListTags"],
    ["a rule", at("events", "rule/hello-delivery-report-runs"), "events:PutRule"],
    ["the alarm", at("cloudwatch", "alarm:hello-delivery-report-lost"), "cloudwatch:PutMetricAlarm"],
    ["the pages' address", API, "apigateway:GET"],
    ["the pages' address, below it", `${API}/stages/$default`, "apigateway:GET"],
    ["the key of links", KEY, "kms:GetKeyPolicy"],
    ["the key of links, which KMS does not rotate", KEY, "kms:GetKeyRotationStatus"],
  ])("may keep %s", (_, resource, action) => {
    expect(mayUpdate(action, resource)).toBe(true);
  });

  test.each([
    ["read the chat's address", CHAT, "secretsmanager:GetSecretValue"],
    ["put in another one", CHAT, "secretsmanager:PutSecretValue"],
    ["tell people something", TOPIC, "sns:Publish"],
    ["open the pages to others", API, "apigateway:PATCH"],
    ["sign a link", KEY, "kms:GenerateMac"],
    ["take an event away", QUEUE, "sqs:ReceiveMessage"],
  ])("may not %s", (_, resource, action) => {
    expect(mayUpdate(action, resource)).toBe(false);
  });
});

test("another pipeline may change nothing of what all share", () => {
  for (const [action, resource] of [
    ["sns:SetSubscriptionAttributes", TOPIC],
    ["secretsmanager:CreateSecret", CHAT],
    ["sqs:SetQueueAttributes", QUEUE],
    ["lambda:UpdateFunctionCode", at("lambda", "function:hello-delivery-report")],
  ] as const)
    expect({ action, may: mayUpdate(action, resource, false) }).toEqual({ action, may: false });
});

describe("with names as long as they may be, in a region with a long one", () => {
  const longest = { project: "p".repeat(20), account: "111111111111", region: "ap-southeast-1" };

  test("fails when what an update is allowed has more characters than IAM takes", async () => {
    const settings = await exampleSettings();
    const name = "m".repeat(16);
    const stack = synthesizePipeline(
      {
        ...settings,
        ...longest,
        source: { provider: "connection", repository: "acme/hello", host: "GitHub" },
        pipelines: { [name]: { ...settings.pipelines.main!, name } },
      },
      name,
    );
    const { policy } = all(stack, "aws_iam_role_policy").find(({ role }) => /\.update_/.test(String(role)))!;
    const key = at("kms", `key/${"0".repeat(36)}`).replace("eu-west-1", longest.region);
    expect(String(policy).replace(/\$\{[^}]*\}/g, key).length).toBeLessThanOrEqual(10_240);
  });

  test("fails when the boundary has more characters than IAM takes", () => {
    expect(policyDocument(deliveryBoundary(longest)).length).toBeLessThanOrEqual(6_144);
  });
});
