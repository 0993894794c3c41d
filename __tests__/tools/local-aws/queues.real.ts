import { cpSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { zipSync } from "fflate";
import { type LocalAws, startLocalAws } from "../../../tools/local-aws";
import type { Mail } from "../../../tools/local-aws/events/mail";
import { ask, call } from "../../../tools/local-aws/functions/client";
import type { Post } from "../../../tools/local-aws/posts";
import { motoServer } from "../../support/moto";
import { ROOT } from "../../support/settings";
import { changesIn, initializedTerraformIn } from "../../support/terraform";
import { BUILD } from "./upstream";

jest.setTimeout(2 * 60_000);

// Each record tells the topic of itself; of one that asks for it, the function says that it failed.
const CODE = `
import { PublishCommand, SNSClient } from "@aws-sdk/client-sns";
const sns = new SNSClient({});
export const handler = async ({ Records }) => {
  const batchItemFailures = [];
  for (const { messageId, body, attributes } of Records) {
    const { source, detail } = JSON.parse(body);
    const outcome = detail.poison ? "bad" : "good";
    await sns.send(new PublishCommand({
      TopicArn: process.env.TOPIC,
      Message: source + " " + (detail.number ?? "") + " receipt " + attributes.ApproximateReceiveCount,
      MessageAttributes: { outcome: { DataType: "String", StringValue: outcome } },
    }));
    if (detail.poison) batchItemFailures.push({ itemIdentifier: messageId });
    else await fetch(process.env.GITHUB_API_URL + "/repos/acme/shop/statuses/c0ffee", {
      method: "POST",
      headers: { authorization: "Bearer made-up" },
      body: JSON.stringify({ state: "success", context: source }),
    });
  }
  return { batchItemFailures };
};`;

const arn = (service: string, name: string) => `arn:aws:${service}:eu-west-1:${BUILD}:${name}`;

/** All rules of the configuration but one may write to the queue. */
const LETS_IN = {
  Effect: "Allow",
  Action: "sqs:SendMessage",
  Resource: arn("sqs", "proof-queue"),
  Principal: { Service: "events.amazonaws.com" },
  Condition: {
    ArnEquals: { "aws:SourceArn": ["told", "timed"].map((name) => arn("events", `rule/proof-${name}`)) },
  },
};

let aws: LocalAws;
let folder: string;
let log: string[];
let runTerraform: Awaited<ReturnType<typeof initializedTerraformIn>>;
beforeAll(async () => {
  log = [];
  aws = await startLocalAws({
    account: BUILD,
    motoServer: await motoServer(),
    enforceIam: true,
    minuteMilliseconds: 1000,
    log: (line) => log.push(line),
  });
  folder = mkdtempSync(join(tmpdir(), "slipway-queue-"));
  cpSync(join(ROOT, "__tests__/tools/local-aws/terraform/queue"), folder, { recursive: true });
  writeFileSync(join(folder, "code.zip"), zipSync({ "index.mjs": Buffer.from(CODE) }));
  runTerraform = await initializedTerraformIn(folder, aws.endpoint);
});
afterAll(async () => {
  await aws.stop();
  rmSync(folder, { recursive: true });
});

const caller = () => ({ endpoint: aws.endpoint, region: "eu-west-1", accessKey: "local" });
const told = async <T>(what: string) =>
  (await (await fetch(`${aws.endpoint}/local-aws/${what}`)).json()) as T[];
const put = (Source: string, detail: object) =>
  call(caller(), "events", "AWSEvents.PutEvents", {
    Entries: [{ Source, DetailType: "It", Detail: JSON.stringify(detail) }],
  });

async function createQueue(QueueName: string, Attributes: object): Promise<string> {
  const { QueueUrl } = await call(caller(), "sqs", "AmazonSQS.CreateQueue", { QueueName, Attributes });
  return String(QueueUrl);
}

async function until<T>(read: () => Promise<T[]>, count: number): Promise<T[]> {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const all = await read();
    if (all.length >= count || Date.now() > deadline) return all;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

test("rules, a queue and a function tell people, with the rights that each has", async () => {
  const dead = await createQueue("proof-dead", {});
  await createQueue("proof-queue", {
    VisibilityTimeout: "60",
    RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn("sqs", "proof-dead"), maxReceiveCount: 2 }),
    Policy: JSON.stringify({ Version: "2012-10-17", Statement: [LETS_IN] }),
  });
  const run = (command: string, ...more: string[]) =>
    runTerraform(
      command,
      "-input=false",
      "-var=archive=code.zip",
      `-var=queue=${arn("sqs", "proof-queue")}`,
      ...more,
    );
  await run("apply", "-auto-approve");

  await put("proof", { number: 1 });
  await put("proof", { number: 2, poison: true });
  await put("alien", { number: 3 });
  const mailsTo = async (address: string, text: string) =>
    (await told<Mail>("mail")).filter((one) => one.to === address && one.text.startsWith(text));
  const letters = async () => {
    const asked = await call(caller(), "sqs", "AmazonSQS.ReceiveMessage", {
      QueueUrl: dead,
      WaitTimeSeconds: 0,
    });
    return (asked.Messages ?? []) as { Body: string }[];
  };
  const [letter] = await until(letters, 1);
  expect(JSON.parse(letter?.Body ?? "{}").detail).toEqual({ number: 2, poison: true });
  expect(
    (await mailsTo("failures@example.com", "")).map(({ text, attributes }) => [text, attributes]),
  ).toEqual([
    ["proof 2 receipt 1", { outcome: "bad" }],
    ["proof 2 receipt 2", { outcome: "bad" }],
  ]);
  expect((await mailsTo("all@example.com", "proof")).map(({ text }) => text).sort()).toEqual([
    "proof 1 receipt 1",
    "proof 2 receipt 1",
    "proof 2 receipt 2",
  ]);
  expect((await until(() => mailsTo("all@example.com", "aws.events"), 1)).length).toBeGreaterThan(0);
  const posts = await told<Post>("posts");
  expect(posts).toContainEqual(
    expect.objectContaining({ authorized: true, status: 201, body: { state: "success", context: "proof" } }),
  );
  expect(log.filter((line) => line.includes("proof-alien"))).toEqual([
    expect.stringMatching(
      /could not give its event to .+User: events.amazonaws.com is not authorized to perform: sqs:SendMessage/,
    ),
  ]);

  const more = await run("apply", "-auto-approve", "-var=most_at_once=3");
  expect(changesIn(more)).toEqual([
    '~ resource "aws_lambda_event_source_mapping" "this"',
    "~ scaling_config",
    "~ maximum_concurrency = 2 -> 3",
  ]);
  await put("proof", { number: 4 });
  expect(await until(() => mailsTo("all@example.com", "proof 4"), 1)).toHaveLength(1);
  await run("destroy", "-auto-approve");
  const left = await ask(caller(), "lambda", "/2015-03-31/event-source-mappings");
  expect(await left.json()).toEqual({ EventSourceMappings: [] });
});
