import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { tellDrift } from "./drift";
import { type Hint, hintOf } from "./event";
import { Busy } from "./store";
import { type Desk, tellRun } from "./tell";

/** What telling of one thing takes at most, or nearly; where less is left, the messages go back to the queue. */
const MILLISECONDS_TO_TELL = 20_000;

/**
 * Tells what the messages of a batch point at.
 *
 * @param timeLeft milliseconds that the function still has
 * @returns those that go back to the queue
 */
export async function handleBatch(
  desk: Desk,
  { Records: records }: Pick<SQSEvent, "Records">,
  timeLeft: () => number,
): Promise<SQSBatchResponse> {
  const { log } = desk;
  // Most events of a batch are of one run, which is read once.
  const messages = new Map<string, { readonly hint: Hint; readonly ids: string[] }>();
  for (const { messageId, body } of records) {
    const hint = hintOf(body, desk.task);
    if (!hint) {
      log.warn("This is no event of what is told of, and is dropped", { messageId });
      continue;
    }
    const subject = JSON.stringify(hint);
    const { ids } = messages.get(subject) ?? messages.set(subject, { hint, ids: [] }).get(subject)!;
    ids.push(messageId);
  }
  const failed: string[] = [];
  for (const { hint, ids } of messages.values()) {
    try {
      if (timeLeft() < MILLISECONDS_TO_TELL) throw new Busy("There is no time left");
      await (hint.of === "run" ? tellRun(desk, hint.pipeline, hint.execution) : tellDrift(desk, hint.build));
    } catch (error) {
      failed.push(...ids);
      if (error instanceof Busy) log.info(error.message, { hint });
      else log.error(`Not all was told: ${(error as Error).message}`, { hint, error: error as Error });
    }
  }
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}
