import { setTimeout as wait } from "node:timers/promises";
import { AwsError } from "../aws-request";
import type { Pattern } from "../events/pattern";
import type { EmulatedTime } from "../time";
import { type Caller, call } from "./client";
import type { FunctionName, Functions } from "./functions";

/** How the messages of a queue go to a function. */
export interface QueueMapping {
  readonly fn: FunctionName;
  /** ARN. */
  readonly queue: string;
  /** How many messages an invocation gets at most. */
  readonly batchSize: number;
  /** How long a batch waits for more messages, in seconds. */
  readonly windowSeconds: number;
  /** Whether the function's answer says which messages failed. */
  readonly reportsFailures: boolean;
  /** How many batches run at once. */
  readonly mostAtOnce: number;
  /** A message is to meet one of them; the others are deleted. @default - all are met */
  readonly filters: readonly Pattern[];
}

export interface QueuePollerProps {
  readonly mapping: QueueMapping;
  readonly functions: Pick<Functions, "invoke" | "callerOf">;
  /** Local AWS itself, in the account of a queue: what passes faster here than on AWS is not the role's to change. */
  readonly owner: Caller;
  readonly time: EmulatedTime;
  /** Whether each batch is delivered twice, as may happen on AWS. @default false */
  readonly twice?: boolean;
  /** Gets a line for what could not be done, once until something else is wrong. @default - nobody */
  readonly log?: (line: string) => void;
}

/** A message as SQS hands it out. */
interface Message {
  readonly MessageId: string;
  readonly ReceiptHandle: string;
  readonly Body: string;
  readonly MD5OfBody: string;
  readonly Attributes?: Readonly<Record<string, string>>;
  readonly MessageAttributes?: Readonly<Record<string, MessageAttribute>>;
  readonly MD5OfMessageAttributes?: string;
}

interface MessageAttribute {
  readonly DataType: string;
  readonly StringValue?: string;
  readonly BinaryValue?: string;
}

/** What SQS hands out, and takes, at once. */
const MOST_MESSAGES = 10;
/** Between two looks at a queue that nobody was seen to write to, in milliseconds. */
const SLOW_LOOK = 30_000;
/** Between two looks at a queue that has delayed messages. */
const DELAYED_LOOK = 1000;
/** What passes before a batch is given again to a function that had no room for it, in milliseconds. */
const THROTTLED = 1000;
/** A message is visible again a little after its time, in milliseconds. */
const VISIBLE_MARGIN = 50;
/** How long credentials are used before the role, which may be another by then, is taken on again. */
const ROLE_MILLISECONDS = 60_000;

/**
 * Takes messages from a queue by the role of a function, calls the function with them, and deletes what it has done.
 * What it has not done is hidden until the visibility timeout has passed. It looks when it is woken, and seldom else.
 */
export class QueuePoller {
  private readonly running = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly polling: Promise<void>;
  private woken = false;
  private wakeUp?: () => void;
  private role?: { readonly caller: Promise<Caller>; readonly until: number };
  private told?: string;

  constructor(private readonly props: QueuePollerProps) {
    this.polling = this.poll();
  }

  /** There may be messages now. */
  wake(): void {
    this.woken = true;
    this.wakeUp?.();
  }

  /** There may be messages later. */
  wakeIn(milliseconds: number): void {
    setTimeout(() => this.wake(), milliseconds).unref();
  }

  /** Takes no more messages. Fulfilled when the batches that run have ended. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.wake();
    await this.polling;
    await Promise.all(this.running);
  }

  private async poll(): Promise<void> {
    const { signal } = this.stopping;
    while (!signal.aborted) {
      if (this.running.size >= this.props.mapping.mostAtOnce) {
        await Promise.race(this.running);
        continue;
      }
      const messages = await this.collect().catch((error: Error) => this.tell(error.message));
      if (messages?.length) {
        const done = this.run(messages)
          .catch((error: Error) => this.tell(error.message))
          .finally(() => this.running.delete(done));
        this.running.add(done);
      } else {
        const delayed = await this.hasDelayed().catch(() => false);
        await this.pause(delayed ? DELAYED_LOOK : SLOW_LOOK);
      }
    }
  }

  private async pause(milliseconds: number): Promise<void> {
    if (!this.woken && !this.stopping.signal.aborted) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, milliseconds).unref();
        this.wakeUp = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
    this.wakeUp = undefined;
    this.woken = false;
  }

  /** A batch: as many messages as there are, or as come while it waits. */
  private async collect(): Promise<readonly Message[]> {
    const { time, mapping } = this.props;
    const { batchSize, windowSeconds } = mapping;
    const messages = await this.receive(batchSize);
    if (!messages.length) return messages;
    const end = time.seconds + windowSeconds;
    while (messages.length < batchSize && time.seconds < end && !this.stopping.signal.aborted) {
      await this.pause(time.real(end - time.seconds) * 1000);
      messages.push(...(await this.receive(batchSize - messages.length)));
    }
    return messages;
  }

  private async receive(most: number): Promise<Message[]> {
    const all: Message[] = [];
    while (all.length < most) {
      const MaxNumberOfMessages = Math.min(most - all.length, MOST_MESSAGES);
      const { Messages = [] } = (await this.ask("ReceiveMessage", {
        MaxNumberOfMessages,
        WaitTimeSeconds: 0,
        MessageSystemAttributeNames: ["All"],
        MessageAttributeNames: ["All"],
      })) as { Messages?: Message[] };
      all.push(...Messages);
      if (Messages.length < MaxNumberOfMessages) break;
    }
    return all;
  }

  private async hasDelayed(): Promise<boolean> {
    const name = "ApproximateNumberOfMessagesDelayed";
    return Number((await this.attributes(name))[name]) > 0;
  }

  private async attributes(...AttributeNames: string[]): Promise<Readonly<Record<string, string>>> {
    const { Attributes = {} } = await this.ask("GetQueueAttributes", { AttributeNames });
    return Attributes as Readonly<Record<string, string>>;
  }

  private async run(messages: readonly Message[]): Promise<void> {
    const { filters, queue } = this.props.mapping;
    const received = Date.now();
    const visibility = Number((await this.attributes("VisibilityTimeout")).VisibilityTimeout);
    const wanted = messages.filter(
      (message) => !filters.length || filters.some((meets) => meets(filtered(message))),
    );
    const failed = wanted.length ? await this.deliver(wanted, received + visibility * 1000) : [];
    const done = messages.filter((message) => !failed.includes(message));
    await this.inBatches("DeleteMessageBatch", done, await this.caller());
    if (failed.length) await this.postpone(failed, received, visibility);
    // Of a group, the next message was held back until now.
    if (queue.endsWith(".fifo")) this.wake();
  }

  /** @returns what failed; of two deliveries, the second counts */
  private async deliver(messages: readonly Message[], deadline: number): Promise<readonly Message[]> {
    let failed = messages;
    for (let time = 0; time < (this.props.twice ? 2 : 1); time++)
      failed = await this.invoke(messages, deadline);
    return failed;
  }

  private async invoke(messages: readonly Message[], deadline: number): Promise<readonly Message[]> {
    const { functions, mapping } = this.props;
    const { fn, queue, reportsFailures } = mapping;
    const event = JSON.stringify({ Records: messages.map((message) => recordOf(message, queue)) });
    for (;;) {
      try {
        const { failed, payload } = await functions.invoke(fn, { event });
        if (failed) return messages;
        return reportsFailures ? failuresIn(payload, messages) : [];
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        const throttled = error.status === 429 && Date.now() + THROTTLED < deadline;
        if (!throttled || this.stopping.signal.aborted) {
          this.tell(error.message);
          return messages;
        }
        await wait(THROTTLED, undefined, { ref: false, signal: this.stopping.signal }).catch(() => {});
      }
    }
  }

  /** Looks again when messages are visible again: after their timeout, which passes as fast as all emulated time. */
  private async postpone(messages: readonly Message[], received: number, visibility: number): Promise<void> {
    const { time, owner } = this.props;
    const VisibilityTimeout = Math.ceil(time.real(visibility));
    if (VisibilityTimeout < visibility) {
      await this.inBatches("ChangeMessageVisibilityBatch", messages, owner, { VisibilityTimeout });
      this.wakeIn(VisibilityTimeout * 1000 + VISIBLE_MARGIN);
    } else this.wakeIn(received + visibility * 1000 - Date.now() + VISIBLE_MARGIN);
  }

  private async inBatches(
    operation: string,
    messages: readonly Message[],
    caller: Caller,
    more: object = {},
  ) {
    for (let from = 0; from < messages.length; from += MOST_MESSAGES) {
      const Entries = messages
        .slice(from, from + MOST_MESSAGES)
        .map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle, ...more }));
      await this.ask(operation, { Entries }, caller);
    }
  }

  private async ask(operation: string, input: object, caller?: Caller) {
    const asking = caller ?? (await this.caller());
    const QueueUrl = queueUrl(asking.endpoint, this.props.mapping.queue);
    return call(asking, "sqs", `AmazonSQS.${operation}`, { QueueUrl, ...input });
  }

  private caller(): Promise<Caller> {
    if (this.role && Date.now() < this.role.until) return this.role.caller;
    const caller = this.props.functions.callerOf(this.props.mapping.fn);
    this.role = { caller, until: Date.now() + ROLE_MILLISECONDS };
    // To be tried again, then.
    caller.catch(() => {
      this.role = undefined;
    });
    return caller;
  }

  private tell(what: string): void {
    const { mapping, log } = this.props;
    if (this.stopping.signal.aborted || what === this.told) return;
    this.told = what;
    log?.(`The messages of ${mapping.queue} did not reach the function ${mapping.fn.name}: ${what}`);
  }
}

export function queueUrl(endpoint: string, arn: string): string {
  const [, , , , account, name] = arn.split(":");
  return `${endpoint}/${account}/${name}`;
}

/** What a filter looks at: the record with its body, which is an object where it is the JSON of one. */
function filtered(message: Message) {
  let body: unknown = message.Body;
  try {
    const content: unknown = JSON.parse(message.Body);
    if (typeof content === "object" && content !== null) body = content;
  } catch {
    // A text, then.
  }
  return { body };
}

/** As Lambda's developer guide tells of "Example Amazon SQS message event". */
function recordOf(message: Message, queue: string) {
  const { MessageAttributes = {}, MD5OfMessageAttributes } = message;
  const attributes = Object.entries(MessageAttributes).map(
    ([name, { DataType, StringValue, BinaryValue }]) => [
      name,
      {
        stringValue: StringValue,
        binaryValue: BinaryValue,
        stringListValues: [],
        binaryListValues: [],
        dataType: DataType,
      },
    ],
  );
  return {
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: message.Attributes ?? {},
    messageAttributes: Object.fromEntries(attributes),
    md5OfMessageAttributes: MD5OfMessageAttributes,
    md5OfBody: message.MD5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN: queue,
    awsRegion: queue.split(":")[3],
  };
}

/** The messages that a function reports as failed: none where it reports nothing, all where nobody can tell. */
function failuresIn(payload: string, messages: readonly Message[]): readonly Message[] {
  const answer: unknown = JSON.parse(payload);
  if (answer === null) return [];
  if (typeof answer !== "object") return messages;
  const { batchItemFailures: failures } = answer as { batchItemFailures?: unknown };
  if (failures === undefined || failures === null) return [];
  if (!Array.isArray(failures)) return messages;
  const failed = failures.map((one) => messages.find(({ MessageId }) => MessageId === one?.itemIdentifier));
  return failed.every((one) => one !== undefined) ? failed : messages;
}
