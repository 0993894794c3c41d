import { pipelineUrl } from "../../shared/console-links";
import { commentText, type PreviewNews } from "./comment";
import type { Desk } from "./desk";
import type { Place } from "./place";
import type { Saying } from "./repository";

/** States in which the pipeline is there. */
const THERE: readonly PreviewNews["state"][] = ["building", "ready", "failed", "stuck"];

/**
 * Tells pull requests of a preview. One that cannot be told keeps nothing else from being done: a conversation may be
 * locked.
 *
 * @param numbers of pull requests
 * @returns those that know
 */
export async function tell(
  { repository, task, log }: Desk,
  numbers: readonly number[],
  { environment, pipeline }: Place,
  news: Omit<PreviewNews, "environment" | "pipelineUrl">,
  options?: Saying,
): Promise<number[]> {
  const link = THERE.includes(news.state) ? pipelineUrl(task, pipeline) : undefined;
  const text = commentText({ ...news, environment, pipelineUrl: link });
  const told: number[] = [];
  for (const number of numbers) {
    try {
      await repository.say(number, text, options);
      told.push(number);
    } catch (error) {
      log.warn(`A pull request is not told: ${(error as Error).message}`, { number, state: news.state });
    }
  }
  return told;
}
