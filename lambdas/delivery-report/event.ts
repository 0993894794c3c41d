import * as z from "../../shared/zod";
import type { Task } from "./task";

/** What an event points at. What has become of it is asked for: events come late, twice, and in any order. */
export type Hint =
  | { readonly of: "run"; readonly pipeline: string; readonly execution: string }
  | { readonly of: "drift"; readonly build: string };

const pipelineEvent = z.object({
  source: z.literal("aws.codepipeline"),
  detail: z.object({ pipeline: z.string(), "execution-id": z.string().check(z.regex(/^[\w-]{1,100}$/)) }),
});

const buildEvent = z.object({
  source: z.literal("aws.codebuild"),
  detail: z.object({ "project-name": z.string(), "build-id": z.string() }),
});

/** ARN of a build, and its id in it. */
const BUILD = /^arn:[^/]{1,200}:build\/([\w-]{1,255}:[\w-]{1,100})$/;

/**
 * What an EventBridge event, as the queue holds it, points at.
 *
 * @returns undefined where it is no event of what is told of
 */
export function hintOf(body: string, { pipelines, driftProject }: Task): Hint | undefined {
  let event: unknown;
  try {
    event = JSON.parse(body);
  } catch {
    return undefined;
  }
  const run = pipelineEvent.safeParse(event).data?.detail;
  if (run) {
    const [pipeline] = Object.entries(pipelines).find(([, one]) => one.pipeline === run.pipeline) ?? [];
    return pipeline === undefined ? undefined : { of: "run", pipeline, execution: run["execution-id"] };
  }
  const build = buildEvent.safeParse(event).data?.detail;
  const [, id] = BUILD.exec(build?.["build-id"] ?? "") ?? [];
  return id && driftProject && build?.["project-name"] === driftProject
    ? { of: "drift", build: id }
    : undefined;
}
