import { createHash } from "node:crypto";
import type { PipelineDeclaration, PipelineTriggerDeclaration } from "@aws-sdk/client-codepipeline";
import { PREVIEW } from "../../shared/previews";

type Stage = NonNullable<PipelineDeclaration["stages"]>[number];
type Action = NonNullable<Stage["actions"]>[number];

/** What of a preview's pipeline is its own. */
export interface CloneProps {
  readonly name: string;
  readonly branch: string;
  readonly environment: string;
  /** GitHub's, which CodePipeline does not show. @default - the source needs none */
  readonly token?: string;
}

/** What names the branch in a source's configuration: GitHub's version 1, or connections and CodeCommit. */
const BRANCH_KEYS = ["Branch", "BranchName"];

/** Of a source's configuration: what CodePipeline does not show. */
export const TOKEN_KEY = "OAuthToken";

/**
 * A preview's pipeline: all that the template has, but for its name, branch, environment and token.
 *
 * @param template as CodePipeline shows it
 * @throws Error where the template is not one, or its token is missing
 */
export function cloneOf(template: PipelineDeclaration, props: CloneProps): PipelineDeclaration {
  const { version: _, ...declared } = template;
  if (!declared.variables?.some(({ name }) => name === PREVIEW.variable))
    throw new Error(
      `${template.name} has no variable ${PREVIEW.variable}, so that no preview can be like it`,
    );
  return {
    ...declared,
    name: props.name,
    stages: declared.stages?.map((stage) => ({
      ...stage,
      actions: stage.actions?.map((action) => sourceOf(action, props)),
    })),
    variables: declared.variables.map((variable) =>
      variable.name === PREVIEW.variable ? { ...variable, defaultValue: props.environment } : variable,
    ),
    ...(declared.triggers && { triggers: declared.triggers.map((one) => triggerOf(one, props)) }),
  };
}

function sourceOf(action: Action, { branch, token }: CloneProps): Action {
  const { configuration } = action;
  if (action.actionTypeId?.category !== "Source" || !configuration) return action;
  if (TOKEN_KEY in configuration && !token)
    throw new Error("The source of the previews needs GitHub's token, and there is none: npm run connect");
  const own = Object.keys(configuration).flatMap((key) => {
    if (BRANCH_KEYS.includes(key)) return [[key, branch]];
    return key === TOKEN_KEY ? [[key, token!]] : [];
  });
  return { ...action, configuration: { ...configuration, ...Object.fromEntries(own) } };
}

/** In a trigger these stand for other text (user guide, "Working with glob patterns in syntax"). */
const GLOB = /[*?[\]{}\\]/;

/** The longest pattern of a trigger. */
const LONGEST_PATTERN = 255;

/** Whether pushes to the branch can start a pipeline by themselves, where the template has a trigger. */
export const canTrigger = (branch: string) => !GLOB.test(branch) && branch.length <= LONGEST_PATTERN;

function triggerOf(trigger: PipelineTriggerDeclaration, { branch }: CloneProps): PipelineTriggerDeclaration {
  const { gitConfiguration } = trigger;
  // The template's own branch is none: what cannot be triggered is started.
  if (!gitConfiguration?.push || !canTrigger(branch)) return trigger;
  const push = gitConfiguration.push.map((one) => ({ ...one, branches: { includes: [branch] } }));
  return { ...trigger, gitConfiguration: { ...gitConfiguration, push } };
}

/**
 * In what two definitions differ, as a sum of it, as far as CodePipeline shows them: not their tokens.
 *
 * @returns undefined where they say the same
 */
export function differenceOf(one: PipelineDeclaration, other: PipelineDeclaration): string | undefined {
  const texts = [shown(one), shown(other)];
  return texts[0] === texts[1] ? undefined : sumOf(texts.join(" ")).slice(0, 16);
}

const shown = ({ version: _, ...definition }: PipelineDeclaration) =>
  JSON.stringify(definition, (key, value: unknown) => {
    if (key === TOKEN_KEY) return undefined;
    if (value === null || typeof value !== "object" || Array.isArray(value)) return value;
    return Object.fromEntries(Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  });

/** Tells tokens apart, and nothing of them. */
export const credentialOf = (pipeline: string, token: string | undefined) =>
  token && sumOf(`${pipeline} ${token}`).slice(0, 16);

const sumOf = (text: string) => createHash("sha256").update(text).digest("hex");

/** CodePipeline's longest value of a tag. */
const LONGEST_TAG = 256;

/** The value of the tag that names a pipeline's branch: base64, or a sum of what is too long for it. */
export function branchTag(branch: string): string {
  const text = Buffer.from(branch).toString("base64");
  return text.length <= LONGEST_TAG ? text : `sha256:${sumOf(branch)}`;
}

/** The branch of such a tag; undefined where it has but a sum. */
export function taggedBranch(tag: string): string | undefined {
  const branch = Buffer.from(tag, "base64").toString();
  return branch && branchTag(branch) === tag ? branch : undefined;
}
