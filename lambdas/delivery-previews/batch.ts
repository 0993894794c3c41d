import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { followHints } from "../../shared/hints";
import { previewSlug } from "../../shared/previews";
import { converge } from "./converge";
import type { Desk } from "./desk";
import { type Hint, hintOf } from "./hint";
import { sweep } from "./sweep";

/**
 * Takes the next steps for what the messages of a batch point at. Their order is all one: what is true is asked for.
 *
 * @param timeLeft milliseconds that the function still has
 * @returns those that go back to the queue
 */
export function handleBatch(
  desk: Desk,
  { Records: records }: Pick<SQSEvent, "Records">,
  timeLeft: () => number,
): Promise<SQSBatchResponse> {
  return followHints<Hint>(records, {
    read: (body) => hintOf(body, desk.task),
    follow: async (hint) => {
      if (hint.of === "sweep") await sweep(desk, timeLeft);
      else if (hint.of === "preview") await converge(desk, { slug: hint.slug }, false);
      else await converge(desk, { slug: previewSlug(hint.branch), branch: hint.branch }, false);
    },
    timeLeft,
    log: desk.log,
    words: {
      dropped: "This is about nothing that previews know, and is dropped",
      failed: "Not all was done",
    },
  });
}
