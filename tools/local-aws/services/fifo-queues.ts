import { createHash } from "node:crypto";
import { type AwsRequest, type Fields, readJson } from "../aws-request";
import type { Quirk } from "../quirks";
import type { EmulatedTime } from "../time";

/** For so long a queue takes a message once, in seconds. */
const DEDUPLICATION_SECONDS = 5 * 60;

interface Sent {
  /** What the first sender was answered. */
  readonly answer: Buffer;
  /** Emulated seconds. */
  readonly at: number;
}

/** Keeps a FIFO queue from taking a message a second time, also when the first has been received and deleted. */
export function fifoQueues(time: EmulatedTime): Quirk {
  const sent = new Map<string, Sent>();
  return {
    reason: "moto forgets a FIFO queue's message with its deletion, and takes it again",
    concerns: ({ api, operation }) => api === "AmazonSQS" && operation === "SendMessage",
    answer(request) {
      const key = keyOf(request);
      const before = key && sent.get(key);
      if (!before || time.seconds - before.at >= DEDUPLICATION_SECONDS) return undefined;
      const headers = { "content-type": "application/x-amz-json-1.0" };
      return { status: 200, headers, body: before.answer };
    },
    amend(request, answer) {
      const key = keyOf(request);
      if (key) sent.set(key, { answer, at: time.seconds });
      return answer;
    },
  };
}

/** What tells a message from others of its queue: what its sender says, else the sum of its body. */
function keyOf({ body, scope }: AwsRequest): string | undefined {
  const { QueueUrl, MessageBody, MessageDeduplicationId } = readJson(body) as Fields;
  const queue = String(QueueUrl).split("/").slice(-2).join("/");
  if (!queue.endsWith(".fifo")) return undefined;
  const sum = () => createHash("sha256").update(String(MessageBody)).digest("hex");
  return `${scope.region}/${queue}/${MessageDeduplicationId ?? sum()}`;
}
