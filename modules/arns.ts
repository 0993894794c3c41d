// ARNs of things that other stacks own, written from the naming convention: no stack reads another's state.

export const accountRoot = (account: string) => `arn:aws:iam::${account}:root`;

export const roleArn = (account: string, name: string) => `arn:aws:iam::${account}:role/${name}`;

export const policyArn = (account: string, name: string) => `arn:aws:iam::${account}:policy/${name}`;

/** Roles that an `access-<env>` stack makes in the environment's account. */
export const accessNames = (project: string, environment: string) => ({
  deployRole: `${project}-${environment}-deploy`,
  planRole: `${project}-${environment}-plan`,
  boundary: `${project}-${environment}-boundary`,
});

/** Every name that an environment gives begins so; its roles' permissions end there. */
export const environmentPrefix = (project: string, environment: string) => `${project}-${environment}`;

export const repositoryName = (project: string, service: string) => `${project}/${service}`;

interface BuildAccount {
  readonly project: string;
  readonly account: string;
  readonly region: string;
}

/** What `delivery` makes and the pipelines use. */
export const deliveryNames = ({ project, account, region }: BuildAccount) => ({
  keyAlias: `alias/${project}-delivery`,
  artifactBucket: `${project}-artifacts-${account}-${region}`,
  topic: `${project}-notifications`,
});
