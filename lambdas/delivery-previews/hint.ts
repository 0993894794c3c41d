import { PREVIEW, previewNamed } from "../../shared/previews";
import * as z from "../../shared/zod";
import { placeOfPipeline } from "./place";
import type { Task } from "./task";

/** What a message points at. What is true of it is asked for: messages come late, twice, and in any order. */
export type Hint =
  | { readonly of: "branch"; readonly branch: string }
  /** A preview of whose branch the message knows nothing. */
  | { readonly of: "preview"; readonly slug: string }
  | { readonly of: "sweep" };

/** Git takes no longer name than a file system does; what hosts take is shorter. */
const branch = z.string().check(z.minLength(1), z.maxLength(1024));

const ours = z.discriminatedUnion("slipway", [
  z.object({ slipway: z.literal("branch"), branch }),
  z.object({ slipway: z.literal("pull-request"), branch }),
  z.object({ slipway: z.literal("sweep") }),
]);

const pipelineEvent = z.object({
  source: z.literal("aws.codepipeline"),
  detail: z.object({ pipeline: z.string() }),
});

const buildEvent = z.object({
  source: z.literal("aws.codebuild"),
  detail: z.object({
    "project-name": z.string(),
    "additional-information": z.object({
      environment: z.object({
        "environment-variables": z.array(z.object({ name: z.string(), value: z.string() })),
      }),
    }),
  }),
});

const branchEvent = z.object({
  source: z.literal("aws.codecommit"),
  detail: z.object({
    repositoryName: z.string(),
    referenceType: z.literal("branch"),
    referenceName: branch,
  }),
});

const pullRequestEvent = z.object({
  source: z.literal("aws.codecommit"),
  detail: z.object({
    repositoryNames: z.array(z.string()),
    sourceReference: z.string().check(z.maxLength(1100)),
  }),
});

const HEADS = "refs/heads/";

/**
 * What a message of the queue, a hint or an EventBridge event, points at.
 *
 * @returns undefined where it is about nothing that previews know
 */
export function hintOf(body: string, task: Task): Hint | undefined {
  let message: unknown;
  try {
    message = JSON.parse(body);
  } catch {
    return undefined;
  }
  const hint = ours.safeParse(message).data;
  if (hint) return hint.slipway === "sweep" ? { of: "sweep" } : { of: "branch", branch: hint.branch };
  return ofPipeline(message, task) ?? ofBuild(message, task) ?? ofCodeCommit(message, task);
}

function ofPipeline(message: unknown, task: Task): Hint | undefined {
  const { pipeline = "" } = pipelineEvent.safeParse(message).data?.detail ?? {};
  const place = placeOfPipeline(task, pipeline);
  return place && { of: "preview", slug: place.slug };
}

function ofBuild(message: unknown, task: Task): Hint | undefined {
  const detail = buildEvent.safeParse(message).data?.detail;
  if (detail?.["project-name"] !== task.teardown) return undefined;
  const variables = detail["additional-information"].environment["environment-variables"];
  const { value = "" } = variables.find(({ name }) => name === PREVIEW.variable) ?? {};
  const environments = Object.values(task.templates).map(({ environment }) => environment);
  const preview = previewNamed(value, environments);
  return preview && { of: "preview", slug: preview.slug };
}

function ofCodeCommit(message: unknown, { provider, repository }: Task): Hint | undefined {
  if (provider !== "codecommit") return undefined;
  const moved = branchEvent.safeParse(message).data?.detail;
  if (moved?.repositoryName === repository) return { of: "branch", branch: moved.referenceName };
  const pull = pullRequestEvent.safeParse(message).data?.detail;
  return pull?.repositoryNames.includes(repository) &&
    pull.sourceReference.startsWith(HEADS) &&
    pull.sourceReference.length > HEADS.length
    ? { of: "branch", branch: pull.sourceReference.slice(HEADS.length) }
    : undefined;
}
