import { matchesBranch, type PreviewHint } from "../../shared/previews";
import * as z from "../../shared/zod";
import type { Task } from "./task";

/** What a delivery gives reason to. */
export interface Wanted {
  /** Pipelines to start, by their name in CodePipeline. */
  readonly pipelines: readonly string[];
  /** Number of the pull request to review. */
  readonly review?: number;
  /** News for the previews. */
  readonly hint?: Exclude<PreviewHint, { readonly slipway: "sweep" }>;
}

const text = z.string().check(z.minLength(1));
const number = z.int().check(z.positive());

const from = z.object({ repository: z.object({ full_name: text }) });

const push = z.object({ ref: text, deleted: z.boolean() });

const reference = z.object({ ref: text, ref_type: text });

const pullRequest = z.object({
  action: text,
  number,
  pull_request: z.object({
    base: z.object({ ref: text }),
    /** A fork may be gone. */
    head: z.object({ ref: text, repo: z.nullable(z.object({ full_name: text })) }),
  }),
  changes: z.optional(z.object({ base: z.optional(z.unknown()) })),
});

const comment = z.object({
  action: text,
  issue: z.object({ number, state: text, pull_request: z.optional(z.unknown()) }),
  comment: z.object({ body: z.nullish(z.string()) }),
});

/** What of a pull request can change its plans. */
const REVIEWED = ["opened", "synchronize", "reopened"];
/** What of a pull request can change whether its branch has a preview, or what is told of it. */
const PREVIEWED = [...REVIEWED, "closed", "edited"];
/**
 * The comment by which somebody lets a fork's commit be planned (tools/review/github.ts). Anybody can write it: the review
 * asks who it was. How GitHub has them associated with the repository is not looked at, for it does not tell of private
 * members.
 */
const APPROVAL = /^\/codebuild_run\([0-9a-f]{40}\)$/;
const BRANCH = "refs/heads/";

const NOTHING: Wanted = { pipelines: [] };

/**
 * What a delivery of GitHub's gives reason to: of another repository, or of a kind that nobody waits for, nothing.
 *
 * @param event as the header X-GitHub-Event names it
 * @throws ZodError where it has not the form that its kind has
 */
export function wantedBy(task: Task, event: string, payload: unknown): Wanted {
  const isOwn = (repository: string) => repository.toLowerCase() === task.repository.toLowerCase();
  if (!isOwn(from.parse(payload).repository.full_name)) return NOTHING;
  const wanted = wantedOfOwn(task, event, payload, isOwn);
  return task.queue ? wanted : { ...wanted, hint: undefined };
}

function wantedOfOwn(
  { pipelines, review }: Task,
  event: string,
  payload: unknown,
  isOwn: (repository: string) => boolean,
): Wanted {
  switch (event) {
    case "push": {
      const { ref, deleted } = push.parse(payload);
      if (!ref.startsWith(BRANCH)) return NOTHING;
      const branch = ref.slice(BRANCH.length);
      const started = Object.entries(pipelines).filter(([, { branch: own }]) => !deleted && own === branch);
      return { pipelines: started.map(([name]) => name), hint: { slipway: "branch", branch } };
    }
    case "create":
    case "delete": {
      const { ref, ref_type } = reference.parse(payload);
      return ref_type === "branch" ? { pipelines: [], hint: { slipway: "branch", branch: ref } } : NOTHING;
    }
    case "pull_request": {
      const { action, number, pull_request, changes } = pullRequest.parse(payload);
      const { base, head } = pull_request;
      // Into another branch than before it is another change.
      const isNew = REVIEWED.includes(action) || (action === "edited" && changes?.base !== undefined);
      const isReviewed = isNew && review?.into.some((branch) => matchesBranch(branch, base.ref));
      const isPreviewed = PREVIEWED.includes(action) && head.repo !== null && isOwn(head.repo.full_name);
      return {
        pipelines: [],
        ...(isReviewed && { review: number }),
        ...(isPreviewed && { hint: { slipway: "pull-request", number, branch: head.ref } }),
      };
    }
    case "issue_comment": {
      const { action, issue, comment: said } = comment.parse(payload);
      const isApproval = action === "created" && APPROVAL.test(said.body?.trim() ?? "");
      const isOpen = issue.pull_request !== undefined && issue.state === "open";
      return review && isApproval && isOpen ? { pipelines: [], review: issue.number } : NOTHING;
    }
    default:
      return NOTHING;
  }
}
