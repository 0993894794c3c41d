// ARNs of things that other stacks own, written from the naming convention: no stack reads another's state.

export const accountRoot = (account: string) => `arn:aws:iam::${account}:root`;

export { roleArn } from "../shared/names";

export const policyArn = (account: string, name: string) => `arn:aws:iam::${account}:policy/${name}`;

export const codecommitArn = ({
  region,
  account,
  repository,
}: {
  readonly region: string;
  readonly account: string;
  readonly repository: string;
}) => `arn:aws:codecommit:${region}:${account}:${repository}`;

/** Every name that an environment gives begins so; its roles' permissions end there. */
export const environmentPrefix = (project: string, environment: string) => `${project}-${environment}`;
