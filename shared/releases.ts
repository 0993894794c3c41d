/** The output of an environment's stack that holds its {@link Releases}, in JSON. */
export const RELEASES_OUTPUT = "releases";

/**
 * What an environment's stack puts out: all that a release needs to know, so that it follows
 * what was approved and deployed.
 */
export interface Releases {
  /** Name of the ECS cluster. */
  readonly cluster: string;
  readonly services: Readonly<Record<string, ServiceRelease>>;
  readonly functions: Readonly<Record<string, FunctionRelease>>;
}

/** One of CodeDeploy's deployment groups. */
export interface DeploymentGroup {
  readonly application: string;
  readonly group: string;
  /** Name of the function that CodeDeploy asks before traffic moves, and after. */
  readonly check: string;
  /** Names of the alarms that bring the old version back. */
  readonly alarms: readonly string[];
}

export interface ServiceRelease extends DeploymentGroup {
  /** Name of the ECS service. */
  readonly service: string;
  /** As RegisterTaskDefinition takes it, but for the service's own container's image. */
  readonly taskDefinition: TaskDefinition;
  /** Name of the service's own container. */
  readonly container: string;
  readonly port: number;
  readonly subnets: readonly string[];
  readonly securityGroups: readonly string[];
}

export interface TaskDefinition {
  readonly family: string;
  readonly containerDefinitions: readonly ({ readonly name: string } & Readonly<Record<string, unknown>>)[];
  readonly [setting: string]: unknown;
}

export interface FunctionRelease extends DeploymentGroup {
  /** Name of the function. */
  readonly function: string;
  readonly alias: string;
}

/**
 * Name of the variable that tells a release the images of its services, each by its digest, with spaces between. One for all:
 * an action of CodePipeline has a thousand characters for its variables, and one for each service takes three times as many.
 */
export const IMAGES_VARIABLE = "IMAGES";

/** How often a release asks AWS the same thing: each so many seconds, or as many as a variable of its environment says. */
export const RELEASE_ASKS = { every: 5, variable: "SLIPWAY_RELEASE_SECONDS" } as const;
