// Names that the stacks and the tools agree on. They are a contract: to change one is to lose what it names.

import { type PreviewRule, previewsOf, templateOf, templateStackName } from "./previews";

interface Project {
  readonly project: string;
}
interface BuildAccount extends Project {
  readonly account: string;
  readonly region: string;
}

interface Environment {
  readonly name: string;
  readonly account: string;
  /** Where it is a preview: of which environment. */
  readonly preview?: { readonly of: string };
}

export const DELIVERY_STACK = "delivery";

export const pipelineStackName = (pipeline: string) => `pipeline-${pipeline}`;

/**
 * The stacks that a pipeline brings up to date by itself, in their order: its own, and those that previews are made like
 * after it. What all pipelines share is brought up to date by the first one of the settings alone: others run on other
 * branches, and would undo what that one did.
 */
export const stacksUpdatedBy = (
  {
    pipelines,
    previews,
  }: {
    readonly pipelines: Readonly<Record<string, unknown>>;
    readonly previews: readonly PreviewRule[];
  },
  pipeline: string,
): string[] => [
  ...(Object.keys(pipelines)[0] === pipeline ? [DELIVERY_STACK] : []),
  pipelineStackName(pipeline),
  ...new Set(
    previews.filter((rule) => rule.pipeline === pipeline).map((rule) => templateStackName(templateOf(rule))),
  ),
];

/** A pipeline in CodePipeline; also begins the names of all that it has. */
export const pipelineName = ({ project }: Project, pipeline: string) => `${project}-${pipeline}`;

/** Where CodePipeline keeps a pipeline's artifacts in their bucket: below the first twenty characters of its name. */
export const artifactPrefix = (pipeline: string) => `${pipeline.slice(0, 20)}/`;

/** Whether a pipeline's branch means several. */
export const isPattern = (branch: string) => branch.includes("*");

/** What caps the roles that `delivery` and the pipelines make: `bootstrap` makes it, and no pipeline can change it. */
export const deliveryBoundaryName = ({ project }: Project) => `${project}-delivery-boundary`;

/** The bucket in the build account that holds every stack's Terraform state. */
export const stateBucketName = ({ project, account, region }: BuildAccount) =>
  `${project}-state-${account}-${region}`;

/** The state object of a stack in that bucket. */
export const stateKey = (stack: string) => `${stack}.tfstate`;

/** The alias of the key that encrypts the state. */
export const stateKeyAlias = ({ project }: Project) => `alias/${project}-state`;

/** The secret in the build account that `npm run connect` puts the GitHub token into. */
export const tokenSecretName = ({ project }: Project) => `${project}/github-token`;

/** What `delivery` makes and the pipelines use. */
export const deliveryNames = ({ project, account, region }: BuildAccount) => ({
  keyAlias: `alias/${project}-delivery`,
  artifactBucket: `${project}-artifacts-${account}-${region}`,
  topic: `${project}-notifications`,
  /** What is told of runs, and their pages. */
  reportBucket: `${project}-reports-${account}-${region}`,
  /** What has happened to runs and is not told yet. */
  reportQueue: `${project}-delivery-report-events`,
  driftProject: `${project}-delivery-drift`,
  /** Artifacts of previews, whose code nobody has looked at yet: they reach no other pipeline's. */
  previewBucket: `${project}-previews-${account}-${region}`,
  /** What branches and pull requests there may be news of. */
  previewQueue: `${project}-delivery-previews.fifo`,
  teardownProject: `${project}-delivery-teardown`,
});

/** The secret in the build account that `npm run connect` puts the address of the chat's webhook into. */
export const chatSecretName = ({ project }: Project) => `${project}/chat-webhook`;

/** The secret in the build account by which GitHub signs what it tells; `npm run connect` makes it up. */
export const webhookSecretName = ({ project }: Project) => `${project}/github-webhook`;

/** The repository in the build account that holds a service's images. */
export const repositoryName = ({ project }: Project, service: string) => `${project}/${service}`;

/** What a build leaves in a bucket, below its id. */
export const OUTPUT_ARCHIVE = "output.zip";

/**
 * What reviews pull requests: `reviewProject` is trusted and posts, `planProject` runs the pull request's own code; and
 * below which paths of the artifact bucket the one hands it over and the other gives the plans.
 */
export const reviewNames = ({ project }: Project) => ({
  reviewProject: `${project}-delivery-review`,
  planProject: `${project}-delivery-plan`,
  sources: "review/sources",
  plans: "review/plans",
});

/** What an environment's roles are named after: previews share those of what they are made like. */
export const accessOwner = ({ name, preview }: Pick<Environment, "name" | "preview">) =>
  preview ? previewsOf(preview.of) : name;

/** Roles that an `access-<env>` stack makes in the environment's account, for the environment and for its previews. */
export const accessNames = (project: string, environment: string) => ({
  deployRole: `${project}-${environment}-deploy`,
  planRole: `${project}-${environment}-plan`,
  releaseRole: `${project}-${environment}-release`,
  verifyRole: `${project}-${environment}-verify`,
  boundary: `${project}-${environment}-boundary`,
});

export const roleArn = (account: string, name: string) => `arn:aws:iam::${account}:role/${name}`;

/** The role that plans an environment and changes nothing. */
export const planRoleArn = ({ project }: Project, environment: Environment) =>
  roleArn(environment.account, accessNames(project, accessOwner(environment)).planRole);

/** The role that deploys an environment. */
export const deployRoleArn = ({ project }: Project, environment: Environment) =>
  roleArn(environment.account, accessNames(project, accessOwner(environment)).deployRole);

/** The role that releases new versions in an environment. */
export const releaseRoleArn = ({ project }: Project, environment: Environment) =>
  roleArn(environment.account, accessNames(project, accessOwner(environment)).releaseRole);

/** The role that runs the acceptance tests of an environment. */
export const verifyRoleArn = ({ project }: Project, environment: Environment) =>
  roleArn(environment.account, accessNames(project, accessOwner(environment)).verifyRole);

/** What `npm run image` leaves: `<service>.json` beside these, and what its action tells the actions after it. */
export const IMAGE_ARTIFACT = {
  folder: "image",
  /** To be sourced by a shell: sets IMAGE_VARIABLES. */
  variables: "variables.sh",
} as const;
export const IMAGE_VARIABLES = ["IMAGE_URI"] as const;

/** How a pipeline's later action refers to a variable of an action before it, or of a namespace. */
export const variableOf = (action: { readonly name: string }, variable: string) =>
  `#{${action.name}.${variable}}`;

/** The action that builds a service's image. */
export const imageName = (service: string) => `image-${service}`;

/** What stands in a pipeline for a service's image, by its digest: the action that builds it tells. */
export const imageOf = (service: string) => variableOf({ name: imageName(service) }, IMAGE_VARIABLES[0]);

/** The action that releases in an environment. */
export const releaseName = (environment: string) => `release-${environment}`;

/** The alias of a function that its callers use. */
export const LIVE_ALIAS = "live";

/** Scripts that run on what was synthesized: those of the actions after it, and of builds that fetch it (drift, teardowns). */
export const ON_SYNTHESIZED = ["update", "plan", "apply", "release", "verify", "drift", "preview:teardown"];

/** What a pipeline begins with, and waits for longest. */
export const INSTALL = {
  action: "install",
  commands: [
    "npm ci",
    "npm run --silent toolchain",
    // Once, for all that come after. What does not bundle fails where it is used, and tells why there.
    `npm run --silent bundle -- main.ts scan image ${ON_SYNTHESIZED.join(" ")} || true`,
  ],
} as const;

/** The action by which a pipeline brings itself up to date. */
export const UPDATE_ACTION = "update";

/** The action that plans an environment. */
export const planName = (environment: string) => `plan-${environment}`;

/** The approval of an environment's plan. */
export const approvalName = (environment: string) => `approve-${environment}`;

/** The environment whose plan an approval is of; none of what is no approval of a plan. */
export const approvedBy = (action: string): string | undefined => /^approve-(.+)$/.exec(action)?.[1];

/** The action that applies an environment's plan. */
export const applyName = (environment: string) => `apply-${environment}`;

/** The action that tests what is deployed in an environment. */
export const verifyName = (environment: string) => `verify-${environment}`;

/** What a plan's artifact holds, and what its action tells the actions after it. */
export const PLAN_ARTIFACT = {
  plan: "plan.tfplan",
  /** The lock file of the providers that made the plan. */
  providers: "providers.lock.hcl",
  reviewText: "review.txt",
  reviewJson: "review.json",
  /** To be sourced by a shell: sets PLAN_VARIABLES. */
  variables: "variables.sh",
} as const;
export const PLAN_VARIABLES = [
  "PLAN_SHA256",
  "PLAN_SUMMARY",
  "PLAN_RISKS",
  "PLAN_IS_RISKY",
  /** Whether there is nothing to apply, not even an output. */
  "PLAN_IS_EMPTY",
  /** The hint at what it costs a month. */
  "PLAN_COST",
  /** The build that planned, as it stands in its log's address. */
  "PLAN_BUILD",
] as const;

/** The revision that an execution was started anew for, because the pipeline had changed; a variable of the pipeline. */
export const UPDATED_FOR = { variable: "UPDATED_FOR", unset: "nothing" } as const;
