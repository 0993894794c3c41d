import type { SQSBatchResponse, SQSEvent } from "aws-lambda";
import { followHints } from "../../shared/hints";
import { tellDrift } from "./drift";
import { type Hint, hintOf } from "./event";
import { type Desk, tellRun } from "./tell";

/**
 * Tells what the messages of a batch point at.
 *
 * @param timeLeft milliseconds that the function still has
 * @returns those that go back to the queue
 */
export const handleBatch = (
  desk: Desk,
  { Records: records }: Pick<SQSEvent, "Records">,
  timeLeft: () => number,
): Promise<SQSBatchResponse> =>
  followHints<Hint>(records, {
    read: (body) => hintOf(body, desk.task),
    follow: (hint) =>
      hint.of === "run" ? tellRun(desk, hint.pipeline, hint.execution) : tellDrift(desk, hint.build),
    timeLeft,
    log: desk.log,
    words: { dropped: "This is no event of what is told of, and is dropped", failed: "Not all was told" },
  });
