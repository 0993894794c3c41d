import type { AwsRequest } from "../../../tools/local-aws/aws-request";
import { fifoQueues } from "../../../tools/local-aws/services/fifo-queues";
import { EmulatedTime } from "../../../tools/local-aws/time";

let now: number;
let taken: number;
let send: (message: object) => Promise<unknown>;
beforeEach(() => {
  now = 0;
  taken = 0;
  const queues = fifoQueues(new EmulatedTime(60_000, { now: () => now, after: () => () => {} }));
  send = async (message) => {
    const request = {
      scope: { account: "111111111111", region: "eu-west-1" },
      body: Buffer.from(JSON.stringify({ QueueUrl: "http://x/111111111111/jobs.fifo", ...message })),
    } as AwsRequest;
    const answered = await queues.answer!(request);
    if (answered) return JSON.parse(answered.body!.toString());
    taken++;
    return JSON.parse(
      (await queues.amend!(request, Buffer.from(JSON.stringify({ MessageId: String(taken) })))).toString(),
    );
  };
});

test.each<[string, object, object]>([
  [
    "deduplication id",
    { MessageBody: "a", MessageDeduplicationId: "1" },
    { MessageBody: "b", MessageDeduplicationId: "1" },
  ],
  ["body, where they have no id", { MessageBody: "a" }, { MessageBody: "a" }],
])("of two messages of one %s, takes the first, and answers the second like it", async (_, first, second) => {
  expect(await send(first)).toEqual({ MessageId: "1" });
  now = 299;
  expect([await send(second), taken]).toEqual([{ MessageId: "1" }, 1]);
});

test("takes a message again when five minutes have passed", async () => {
  await send({ MessageBody: "a" });
  now = 300;
  expect([await send({ MessageBody: "a" }), taken]).toEqual([{ MessageId: "2" }, 2]);
});

test.each<[string, object]>([
  ["ids", { MessageBody: "a", MessageDeduplicationId: "2" }],
  ["queues", { MessageBody: "a", MessageDeduplicationId: "1", QueueUrl: "http://x/111111111111/more.fifo" }],
])("takes messages of different %s", async (_, other) => {
  await send({ MessageBody: "a", MessageDeduplicationId: "1" });
  await send(other);
  expect(taken).toBe(2);
});

test("takes all messages of a queue that is no FIFO queue", async () => {
  const QueueUrl = "http://x/111111111111/jobs";
  await send({ QueueUrl, MessageBody: "a" });
  await send({ QueueUrl, MessageBody: "a" });
  expect(taken).toBe(2);
});
