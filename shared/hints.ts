import type { Logger } from "@aws-lambda-powertools/logger";

// How functions work off a queue whose messages only point at something: what is true of it is asked for.

/** Somebody else is at the same thing: come again later. */
export class Busy extends Error {
  override readonly name = "Busy";
}

/** Whether S3 refused a write because its condition does not hold, of a write at the same moment, or of an object that is gone. */
export function isLost(error: unknown): boolean {
  const { name, $metadata } = error as { name?: string; $metadata?: { httpStatusCode?: number } };
  return [409, 412].includes($metadata?.httpStatusCode ?? 0) || name === "NoSuchKey";
}

/** A message of the queue, as Lambda gives it. */
interface Message {
  readonly messageId: string;
  readonly body: string;
}

export interface Following<Hint extends object> {
  /** What a message points at; undefined where it is about nothing that is known. */
  readonly read: (body: string) => Hint | undefined;
  readonly follow: (hint: Hint) => Promise<void>;
  /** Milliseconds that the function still has. */
  readonly timeLeft: () => number;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
  /** What the log says of a message that is dropped, and of a hint that could not be followed. */
  readonly words: { readonly dropped: string; readonly failed: string };
}

/** What a hint takes at most, or nearly; where less is left, the messages go back to the queue. */
const MILLISECONDS_FOR_HINT = 20_000;

/**
 * Follows what the messages of a batch point at, each thing once, in whatever order: several often point at the same.
 *
 * @returns those that go back to the queue
 */
export async function followHints<Hint extends object>(
  messages: readonly Message[],
  { read, follow, timeLeft, log, words }: Following<Hint>,
): Promise<{ batchItemFailures: { itemIdentifier: string }[] }> {
  const subjects = new Map<string, { readonly hint: Hint; readonly ids: string[] }>();
  for (const { messageId, body } of messages) {
    const hint = read(body);
    if (!hint) {
      log.warn(words.dropped, { messageId });
      continue;
    }
    const subject = JSON.stringify(hint);
    const { ids } = subjects.get(subject) ?? subjects.set(subject, { hint, ids: [] }).get(subject)!;
    ids.push(messageId);
  }
  const failed: string[] = [];
  for (const { hint, ids } of subjects.values()) {
    try {
      if (timeLeft() < MILLISECONDS_FOR_HINT) throw new Busy("There is no time left");
      await follow(hint);
    } catch (error) {
      failed.push(...ids);
      if (error instanceof Busy) log.info(error.message, { hint });
      else log.error(`${words.failed}: ${(error as Error).message}`, { hint, error: error as Error });
    }
  }
  return { batchItemFailures: failed.map((itemIdentifier) => ({ itemIdentifier })) };
}
