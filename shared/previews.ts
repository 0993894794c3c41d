import { createHash } from "node:crypto";

// What the settings, the stacks, the functions and the commands agree on about previews: environments that branches and
// pull requests have for as long as they are open.

/** Which branches or pull requests have previews, and like what these are made. */
export interface PreviewRule {
  /** Of branches; or {@link PULL_REQUESTS}. */
  readonly pattern: string;
  /** Patterns of branches that have none all the same. */
  readonly exclude: readonly string[];
  /** Of pull requests: the branches that they are to be merged into. */
  readonly into: readonly string[];
  /** The pipeline that theirs are made like. */
  readonly pipeline: string;
  /** The environment that theirs are made like. */
  readonly environment: string;
  /** So long after the last push a preview goes. */
  readonly ttlHours: number;
  /** How many of the rule there are at most at the same time. */
  readonly limit: number;
}

/** The pattern that means pull requests, not branches. */
export const PULL_REQUESTS = "pull_requests";

/** Whether a branch is one that a pattern means, in which `*` stands for any text. */
export function matchesBranch(pattern: string, branch: string): boolean {
  const parts = pattern.split(/\*+/);
  // Compared piece by piece: a regular expression of many stars could take for ever.
  if (parts.length === 1) return pattern === branch;
  const [first, last] = [parts[0]!, parts.at(-1)!];
  if (branch.length < first.length + last.length || !branch.startsWith(first) || !branch.endsWith(last))
    return false;
  let rest = branch.slice(first.length, branch.length - last.length);
  for (const part of parts.slice(1, -1)) {
    const found = rest.indexOf(part);
    if (found < 0) return false;
    rest = rest.slice(found + part.length);
  }
  return true;
}

/** A branch of the repository, and into what its open pull requests are to be merged. */
export interface PreviewedBranch {
  readonly branch: string;
  readonly pullRequestsInto: readonly string[];
}

/**
 * The rule by which a branch has a preview: of those whose pattern means it the most specific, that is the one with the
 * most characters beside stars; else that of pull requests.
 *
 * @param deployed branches, or patterns of them, that pipelines deploy: they have environments, and no previews
 * @returns undefined where it has none
 */
export function ruleOf(
  rules: readonly PreviewRule[],
  deployed: readonly string[],
  { branch, pullRequestsInto }: PreviewedBranch,
): PreviewRule | undefined {
  // CodePipeline would read a variable in it.
  if (branch.includes("#{")) return undefined;
  if (deployed.some((pattern) => matchesBranch(pattern, branch))) return undefined;
  const open = rules.filter(({ exclude }) => !exclude.some((pattern) => matchesBranch(pattern, branch)));
  const [specific] = open
    .filter(({ pattern }) => pattern !== PULL_REQUESTS && matchesBranch(pattern, branch))
    .toSorted((a, b) => weight(b) - weight(a) || (a.pattern < b.pattern ? -1 : 1));
  return (
    specific ??
    open.find(
      ({ pattern, into }) =>
        pattern === PULL_REQUESTS &&
        pullRequestsInto.some((base) => into.some((one) => matchesBranch(one, base))),
    )
  );
}

const weight = ({ pattern }: PreviewRule) => pattern.replaceAll("*", "").length;

const LONGEST_TEXT = 10;

/**
 * What a branch's preview is called by: some of its name, which may be any text, and a sum of all of it. It has one dash:
 * of a name that ends in a slug it is plain where that begins, whatever dashes are before it.
 *
 * @returns up to 17 of a–z and 0–9, with a dash before the last six
 */
export function previewSlug(branch: string): string {
  const text = branch
    .toLowerCase()
    .replace(/^.*\/(?=.*[a-z0-9])/s, "")
    .replace(/[^a-z0-9]+/g, "")
    .slice(0, LONGEST_TEXT);
  return `${text || "b"}-${createHash("sha256").update(branch).digest("hex").slice(0, 6)}`;
}

/** What a trial is called by: no branch's preview has a slug without a dash. */
export const trialSlug = (execution: string, region: string) =>
  `t${createHash("sha256").update(`${execution} ${region}`).digest("hex").slice(0, 10)}`;

const TRIAL = /^t[0-9a-f]{10}$/;
const SLUG = /^[a-z0-9]{1,10}-[0-9a-f]{6}$/;

export const isTrial = (slug: string) => TRIAL.test(slug);

/** What the roles of an environment's previews are named after, and how the names of all of them begin. */
export const previewsOf = (environment: string) => `pv-${environment}`;

/** The name of an environment that is a preview; also of its stack. */
export const previewEnvironmentName = (of: string, slug: string) => `${previewsOf(of)}-${slug}`;

const PREVIEW_NAME = /^pv-[a-z][a-z0-9-]{0,15}-([a-z0-9]{1,10}-[0-9a-f]{6}|t[0-9a-f]{10})$/;

/** Whether a name is as those of previews and trials are, of whatever environment. */
export const isPreviewName = (name: string) => PREVIEW_NAME.test(name);

/**
 * What a preview's name says, where it is one of an environment that there is.
 *
 * @param environments names of those that there are
 */
export function previewNamed(
  name: string,
  environments: readonly string[],
): { readonly of: string; readonly slug: string } | undefined {
  return environments
    .map((of) => ({ of, slug: name.slice(previewsOf(of).length + 1) }))
    .find(({ of, slug }) => name === previewEnvironmentName(of, slug) && (SLUG.test(slug) || isTrial(slug)));
}

/** What a template, and the pipelines that are made like it, are named after. No name has an underscore of its own. */
export const templateOf = ({ pipeline, environment }: Pick<PreviewRule, "pipeline" | "environment">) =>
  `${pipeline}_${environment}`;

/** The stack of a template: what deploys all pipelines deploys it, too. */
export const templateStackName = (template: string) => `pipeline-preview-${template}`;

/** A template's pipeline in CodePipeline, which is never run; also begins the names of all that it has. */
export const templatePipelineName = ({ project }: { readonly project: string }, template: string) =>
  `${project}-preview-${template}`;

/** The pipeline of a preview. */
export const previewPipelineName = (project: { readonly project: string }, template: string, slug: string) =>
  `${templatePipelineName(project, template)}_${slug}`;

/** The repository that holds a service's images of previews: who pushes there reaches no other image. */
export const previewRepositoryName = ({ project }: { readonly project: string }, service: string) =>
  `${project}/preview/${service}`;

/**
 * The tag of an image of a preview. Not of its slug alone: one that is made like another environment than before goes while
 * its successor, of the same branch, comes.
 *
 * @param environment the preview's name
 */
export const previewImageTag = (environment: string, commit: string) => `${environment}-${commit}`;

/**
 * Names the environment that a preview's pipeline works on; a variable of the pipeline, by the same name one of its builds,
 * and so of the commands that they run.
 */
export const PREVIEW = { variable: "SLIPWAY_PREVIEW", unset: "none" } as const;

/** Names the region of a preview that is to be in another than what it is made like, as a trial is. */
export const PREVIEW_REGION = "SLIPWAY_REGION";

/** Tags of a preview's pipeline. The branch is in base64: a tag does not take any text. */
export const PREVIEW_TAGS = { preview: "slipway:preview", branch: "slipway:branch" } as const;

/** What the release of a preview tells of where it is reached: addresses, with a space between them. */
export const PREVIEW_ADDRESSES = "PREVIEW_ADDRESSES";

/** The file of a release's folder that sets them, to be sourced by a shell. */
export const ADDRESSES_FILE = "addresses.sh";

/** What the queue of the previews holds beside EventBridge's events. Each is a hint: what is true is asked for. */
export type PreviewHint =
  /** The branch was made, pushed to or deleted. */
  | { readonly slipway: "branch"; readonly branch: string }
  /** Something about a pull request from the branch of the same repository. */
  | { readonly slipway: "pull-request"; readonly number: number; readonly branch: string }
  | { readonly slipway: "sweep" };
