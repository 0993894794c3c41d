// Names that the stacks and the tools agree on. They are a contract: to change one is to lose what it names.

interface Project {
  readonly project: string;
}
interface BuildAccount extends Project {
  readonly account: string;
  readonly region: string;
}

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
});

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

/** Roles that an `access-<env>` stack makes in the environment's account. */
export const accessNames = (project: string, environment: string) => ({
  deployRole: `${project}-${environment}-deploy`,
  planRole: `${project}-${environment}-plan`,
  boundary: `${project}-${environment}-boundary`,
});

/** The role that plans an environment and changes nothing. */
export const planRoleArn = ({ project }: Project, { name, account }: { name: string; account: string }) =>
  `arn:aws:iam::${account}:role/${accessNames(project, name).planRole}`;

/** The role that deploys an environment. */
export const deployRoleArn = ({ project }: Project, { name, account }: { name: string; account: string }) =>
  `arn:aws:iam::${account}:role/${accessNames(project, name).deployRole}`;

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
export const PLAN_VARIABLES = ["PLAN_SHA256", "PLAN_SUMMARY", "PLAN_RISKS", "PLAN_IS_RISKY"] as const;
