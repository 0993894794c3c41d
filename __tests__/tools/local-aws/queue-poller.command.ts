import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { AwsError } from "../../../tools/local-aws/aws-request";
import { readPattern } from "../../../tools/local-aws/events/pattern";
import {
  type QueueMapping,
  QueuePoller,
  type QueuePollerProps,
} from "../../../tools/local-aws/functions/queue-poller";
import { EmulatedTime } from "../../../tools/local-aws/time";
import { until } from "./until";

const QUEUE = "arn:aws:sqs:eu-west-1:111111111111:jobs";

interface Kept {
  readonly MessageId: string;
  readonly Body: string;
  ReceiptHandle: string;
  visibleAt: number;
  count: number;
}

/** A queue, as much of one as a poller asks for. */
class Queue {
  readonly messages: Kept[] = [];
  /** Operations, with who asked for them. */
  readonly asked: string[] = [];
  visibilitySeconds = 1;
  delayed = 0;
  refuses = false;
  private readonly server: Server = createServer(async (incoming, response) => {
    let body = "";
    for await (const chunk of incoming) body += chunk;
    const operation = String(incoming.headers["x-amz-target"]).split(".")[1] ?? "";
    const [, key] = /Credential=([^/]+)/.exec(String(incoming.headers.authorization)) ?? [];
    this.asked.push(`${key} ${operation}`);
    if (this.refuses) response.writeHead(403).end("not authorized to perform: sqs:ReceiveMessage");
    else response.end(JSON.stringify(this.answer(operation, JSON.parse(body))));
  });

  async start(): Promise<void> {
    await once(this.server.listen(0, "127.0.0.1"), "listening");
  }

  stop(): void {
    this.server.closeAllConnections();
    this.server.close();
  }

  get endpoint(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  send(...bodies: string[]): void {
    for (const Body of bodies)
      this.messages.push({ MessageId: `id-${Body}`, Body, ReceiptHandle: "", visibleAt: 0, count: 0 });
  }

  get bodies(): string[] {
    return this.messages.map(({ Body }) => Body);
  }

  private answer(operation: string, input: Record<string, unknown>): object {
    const entries = (input.Entries ?? []) as { ReceiptHandle: string; VisibilityTimeout: number }[];
    switch (operation) {
      case "ReceiveMessage": {
        const visible = this.messages.filter(({ visibleAt }) => visibleAt < Date.now());
        const Messages = visible.slice(0, Number(input.MaxNumberOfMessages)).map((message) => {
          message.visibleAt = Date.now() + this.visibilitySeconds * 1000;
          message.count++;
          message.ReceiptHandle = `${message.MessageId}/${message.count}`;
          const { MessageId, Body, ReceiptHandle, count } = message;
          return {
            MessageId,
            Body,
            ReceiptHandle,
            MD5OfBody: "md5",
            Attributes: { ApproximateReceiveCount: String(count) },
            MessageAttributes: { team: { DataType: "String", StringValue: "web" } },
          };
        });
        return { Messages };
      }
      case "DeleteMessageBatch":
        for (const { ReceiptHandle } of entries)
          this.messages.splice(
            this.messages.findIndex((one) => one.ReceiptHandle === ReceiptHandle),
            1,
          );
        return {};
      case "ChangeMessageVisibilityBatch":
        for (const { ReceiptHandle, VisibilityTimeout } of entries)
          for (const one of this.messages)
            if (one.ReceiptHandle === ReceiptHandle) one.visibleAt = Date.now() + VisibilityTimeout * 1000;
        return {};
      default:
        return {
          Attributes: {
            VisibilityTimeout: String(this.visibilitySeconds),
            ApproximateNumberOfMessagesDelayed: String(this.delayed),
          },
        };
    }
  }
}

let queue: Queue;
let poller: QueuePoller;
/** Bodies of what the function was called with. */
let calls: string[][];
let events: { Records: Record<string, unknown>[] }[];
let handle: (bodies: string[]) => unknown;
let log: string[];
beforeEach(async () => {
  queue = new Queue();
  await queue.start();
  calls = [];
  events = [];
  log = [];
  handle = () => null;
});
afterEach(async () => {
  await poller.stop();
  queue.stop();
});

function start(mapping: Partial<QueueMapping> = {}, more: Partial<QueuePollerProps> = {}): void {
  const caller = (accessKey: string) => ({ endpoint: queue.endpoint, region: "eu-west-1", accessKey });
  poller = new QueuePoller({
    mapping: {
      fn: { scope: { account: "111111111111", region: "eu-west-1" }, name: "work" },
      queue: QUEUE,
      batchSize: 10,
      windowSeconds: 0,
      reportsFailures: false,
      mostAtOnce: 5,
      filters: [],
      ...mapping,
    },
    functions: {
      callerOf: async () => caller("role"),
      async invoke(_fn, { event }) {
        const { Records } = JSON.parse(event);
        const bodies = Records.map(({ body }: { body: string }) => body);
        calls.push(bodies);
        events.push({ Records });
        const answer = await handle(bodies);
        const failed = answer instanceof Error;
        const payload = JSON.stringify(failed ? { errorMessage: answer.message } : answer);
        return { payload, failed, milliseconds: 1, tail: Buffer.alloc(0), requestId: "r", version: "1" };
      },
    },
    owner: caller("owner"),
    time: new EmulatedTime(),
    log: (line) => log.push(line),
    ...more,
  });
}

test("gives a function the records of a queue, and deletes by its role what it has done", async () => {
  queue.send("a");
  start();
  await until(() => !queue.messages.length);
  expect(events).toEqual([
    {
      Records: [
        {
          messageId: "id-a",
          receiptHandle: "id-a/1",
          body: "a",
          attributes: { ApproximateReceiveCount: "1" },
          messageAttributes: {
            team: { stringValue: "web", stringListValues: [], binaryListValues: [], dataType: "String" },
          },
          md5OfBody: "md5",
          eventSource: "aws:sqs",
          eventSourceARN: QUEUE,
          awsRegion: "eu-west-1",
        },
      ],
    },
  ]);
  expect(queue.asked.filter((one) => one.startsWith("owner"))).toEqual([]);
});

test("looks once where there is nothing, and again when it is woken", async () => {
  start();
  await until(() => queue.asked.length === 2);
  await new Promise((resolve) => setTimeout(resolve, 300));
  expect(queue.asked).toEqual(["role ReceiveMessage", "role GetQueueAttributes"]);
  queue.send("late");
  poller.wake();
  await until(() => calls.length === 1);
  expect(calls).toEqual([["late"]]);
});

test("finds a message that was delayed, without being woken", async () => {
  queue.delayed = 1;
  start();
  await until(() => queue.asked.length === 2);
  queue.send("delayed");
  await until(() => calls.length === 1);
});

test("fills batches up to their size", async () => {
  queue.visibilitySeconds = 30;
  queue.send(..."abcdefghijklmno");
  start({ batchSize: 12, windowSeconds: 20 }, { time: new EmulatedTime(600) });
  await until(() => calls.length === 2);
  expect(calls.map((bodies) => bodies.length)).toEqual([12, 3]);
});

test("a batch waits for more messages, as long as its window is in emulated time", async () => {
  queue.send("first");
  start({ windowSeconds: 60 }, { time: new EmulatedTime(600) });
  await until(() => queue.asked.length === 1);
  queue.send("second");
  await until(() => calls.length === 1);
  expect(calls).toEqual([["first", "second"]]);
});

test("gives a batch again that failed, when its visibility timeout has passed", async () => {
  queue.visibilitySeconds = 0.3;
  queue.send("a");
  handle = () => (calls.length === 1 ? new Error("It is broken") : null);
  start();
  await until(() => calls.length === 1);
  const from = Date.now();
  await until(() => !queue.messages.length);
  expect(Date.now() - from).toBeGreaterThanOrEqual(250);
  const counts = events.map(({ Records: [one] }) => (one?.attributes as object) ?? {});
  expect(counts).toEqual([{ ApproximateReceiveCount: "1" }, { ApproximateReceiveCount: "2" }]);
});

test("shortens the visibility timeout of what failed where minutes are shorter, in the queue's own account", async () => {
  queue.visibilitySeconds = 120;
  queue.send("a");
  handle = () => (calls.length === 1 ? new Error("It is broken") : null);
  start({}, { time: new EmulatedTime(500) });
  await until(() => !queue.messages.length);
  expect(queue.asked.filter((one) => one.startsWith("owner"))).toEqual([
    "owner ChangeMessageVisibilityBatch",
  ]);
});

test.each<[string, unknown, string[]]>([
  ["nothing", null, []],
  ["no failures", { batchItemFailures: [] }, []],
  ["null for failures", { batchItemFailures: null }, []],
  ["an object without them", {}, []],
  ["one failure", { batchItemFailures: [{ itemIdentifier: "id-b" }] }, ["b"]],
  ["a message that it did not get", { batchItemFailures: [{ itemIdentifier: "id-z" }] }, ["a", "b", "c"]],
  ["no identifier", { batchItemFailures: [{ id: "id-b" }] }, ["a", "b", "c"]],
  ["a null for a failure", { batchItemFailures: [null] }, ["a", "b", "c"]],
  ["a text", "done", ["a", "b", "c"]],
])("keeps what a function reports as failed: %s", async (_, answer, kept) => {
  queue.visibilitySeconds = 30;
  queue.send("a", "b", "c");
  handle = () => answer;
  start({ reportsFailures: true });
  await until(() => calls.length === 1 && queue.messages.length === kept.length);
  await until(() => queue.asked.filter((one) => one.endsWith("ReceiveMessage")).length > 1);
  expect(queue.bodies).toEqual(kept);
});

test("does not look at what is reported where the mapping does not say so", async () => {
  queue.send("a");
  handle = () => ({ batchItemFailures: [{ itemIdentifier: "id-a" }] });
  start();
  await until(() => !queue.messages.length);
});

test("runs no more batches at once than may", async () => {
  queue.send(..."abcdefg");
  let running = 0;
  let most = 0;
  handle = async () => {
    most = Math.max(most, ++running);
    await new Promise((resolve) => setTimeout(resolve, 30));
    running--;
    return null;
  };
  start({ batchSize: 1, mostAtOnce: 2 });
  await until(() => !queue.messages.length);
  expect([most, calls.length]).toEqual([2, 7]);
});

test("gives a batch again to a function that had no room for it, without another receipt", async () => {
  queue.visibilitySeconds = 30;
  queue.send("a");
  handle = () => {
    if (calls.length === 1) throw new AwsError("TooManyRequestsException", "Rate Exceeded.", 429);
    return null;
  };
  start();
  await until(() => !queue.messages.length);
  expect(calls).toHaveLength(2);
  expect(events[1]).toEqual(events[0]);
  expect(log).toEqual([]);
});

test("delivers twice where it is to", async () => {
  queue.send("a");
  start({}, { twice: true });
  await until(() => !queue.messages.length);
  expect(calls).toEqual([["a"], ["a"]]);
});

test("deletes what no filter lets through, and calls nobody for it", async () => {
  queue.send('{"kind":"release"}', '{"kind":"other"}', "no JSON");
  start({ filters: [readPattern('{"body":{"kind":["release"]}}')] });
  await until(() => !queue.messages.length);
  expect(calls).toEqual([['{"kind":"release"}']]);
});

test("says once why it gets nothing, and asks no more often for it", async () => {
  queue.refuses = true;
  start();
  await until(() => log.length);
  poller.wake();
  await until(() => queue.asked.filter((one) => one.endsWith("ReceiveMessage")).length === 2);
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(queue.asked.length).toBeLessThanOrEqual(4);
  expect(log).toEqual([
    `The messages of ${QUEUE} did not reach the function work: AmazonSQS.ReceiveMessage failed: not authorized to perform: sqs:ReceiveMessage`,
  ]);
});
