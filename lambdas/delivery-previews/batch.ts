import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { previewSlug } from "../../shared/previews";
import { converge } from "./converge";
import type { Desk } from "./desk";
import { type Hint, hintOf } from "./hint";
import { Busy } from "./records";
import { sweep } from "./sweep";

/** What a hint takes at most, or nearly; where less is left, the messages go back to the queue. */
const MILLISECONDS_FOR_HINT = 20_000;

/**
 * Takes the next steps for what the messages of a batch point at. Their order is all one: what is true is asked for.
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
  // Several of a batch point at the same thing: it is looked at once.
  const messages = new Map<string, { readonly hint: Hint; readonly ids: string[] }>();
  for (const { messageId, body } of records) {
    const hint = hintOf(body, desk.task);
    if (!hint) {
      log.warn("This is about nothing that previews know, and is dropped", { messageId });
      continue;
    }
    const subject = JSON.stringify(hint);
    const { ids } = messages.get(subject) ?? messages.set(subject, { hint, ids: [] }).get(subject)!;
    ids.push(messageId);
  }
  const failed: string[] = [];
  for (const { hint, ids } of messages.values()) {
    try {
      if (timeLeft() < MILLISECONDS_FOR_HINT) throw new Busy("There is no time left");
      await follow(hint);
    } catch (error) {
      failed.push(...ids);
      if (error instanceof Busy) log.info(error.message, { hint });
      else log.error(`Not all was done: ${(error as Error).message}`, { hint, error: error as Error });
    }
  }
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };

  async function follow(hint: Hint): Promise<void> {
    if (hint.of === "sweep") await sweep(desk, timeLeft);
    else if (hint.of === "preview") await converge(desk, { slug: hint.slug }, false);
    else await converge(desk, { slug: previewSlug(hint.branch), branch: hint.branch }, false);
  }
}
