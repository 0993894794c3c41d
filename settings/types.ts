import type { Check, RequestCheck } from "../shared/checks";
import type { PreviewRule } from "../shared/previews";

/** How a pipeline reaches the repository. */
export type SourceSettings =
  | { readonly provider: "github-token"; readonly repository: string; readonly polling: boolean }
  | { readonly provider: "connection"; readonly repository: string; readonly host: ConnectionHost }
  | { readonly provider: "codecommit"; readonly repository: string };

export type ConnectionHost = "GitHub" | "GitLab" | "Bitbucket";

/** When a person is asked before an environment's plan is applied. */
export type Approval = (typeof APPROVALS)[number];
export const APPROVALS = ["never", "always", "risky"] as const;

/** How traffic moves to a new version of a Fargate service (CodeDeploy's predefined configurations). */
export type ServiceRelease = (typeof SERVICE_RELEASES)[number];
export const SERVICE_RELEASES = [
  "all-at-once",
  "canary-10-percent-5-minutes",
  "canary-10-percent-15-minutes",
  "linear-10-percent-every-1-minute",
  "linear-10-percent-every-3-minutes",
] as const;

/** How traffic moves to a new version of a function (CodeDeploy's predefined configurations). */
export type FunctionRelease = (typeof FUNCTION_RELEASES)[number];
export const FUNCTION_RELEASES = [
  "all-at-once",
  "canary-10-percent-5-minutes",
  "canary-10-percent-10-minutes",
  "canary-10-percent-15-minutes",
  "canary-10-percent-30-minutes",
  "linear-10-percent-every-1-minute",
  "linear-10-percent-every-2-minutes",
  "linear-10-percent-every-3-minutes",
  "linear-10-percent-every-10-minutes",
] as const;

/** How private subnets reach out: no way out but VPC endpoints, one gateway, or one gateway a zone. */
export type Nat = (typeof NATS)[number];
export const NATS = ["none", "single", "per-zone"] as const;

/** Where a value is kept that is in no file: the container gets it as an environment variable. */
export interface SecretReference {
  readonly kind: "secretsmanager" | "ssm";
  /** Of the secret, or path of the parameter, in the environment's account and region. */
  readonly name: string;
  /** Key of the secret's JSON whose value is meant. @default - all of the secret */
  readonly field?: string;
}

/** What stands in front of a function's alias `live`: an address of its own, an HTTP API, or nothing. */
export type Front = (typeof FRONTS)[number];
export const FRONTS = ["url", "http-api", "none"] as const;

/** Who may call a function's address: whom IAM allows, or everybody. */
export type Access = (typeof ACCESSES)[number];
export const ACCESSES = ["iam", "public"] as const;

/** A Fargate service, as one environment runs it. */
export interface ServiceSettings {
  readonly port: number;
  /** CPU units; 1024 are one vCPU. */
  readonly cpu: number;
  /** MiB. */
  readonly memory: number;
  readonly healthPath: string;
  /** The listener rule's path patterns; `["/*"]` where it is the only service, or has hosts. */
  readonly paths: readonly string[];
  /** The listener rule's host names; any where there are none. */
  readonly hosts: readonly string[];
  readonly minCount: number;
  readonly maxCount: number;
  /** Requests a minute that a task is to get: where there are more of them, there are more tasks. */
  readonly requestsPerTask: number;
  /** An alarm tells when one in a hundred answers takes longer. */
  readonly slowMilliseconds: number;
  /** What a new version has to answer before it gets traffic, and after. */
  readonly checks: readonly RequestCheck[];
  /** Whether a shell can be opened in its tasks. */
  readonly exec: boolean;
  /** Plain environment variables of the container. */
  readonly variables: Readonly<Record<string, string>>;
  /** Environment variables of the container whose values are kept elsewhere. */
  readonly secrets: Readonly<Record<string, SecretReference>>;
}

/** A Fargate service, before the environments change it: each of them runs the same image. */
export interface CommonServiceSettings extends Omit<ServiceSettings, "minCount" | "maxCount"> {
  /** Path of the Dockerfile, relative to the repository's root, which is the build's context. */
  readonly dockerfile: string;
}

/** A Lambda function, as one environment runs it. */
export interface FunctionSettings {
  /** MiB. */
  readonly memory: number;
  readonly timeoutSeconds: number;
  /** Concurrent executions kept for, and allowed to, the function. */
  readonly reservedConcurrency: number;
  readonly front: Front;
  readonly access: Access;
  /** An alarm tells when one in a hundred calls takes longer. */
  readonly slowMilliseconds: number;
  /** What a new version has to answer before it gets traffic, and after. */
  readonly checks: readonly Check[];
  readonly variables: Readonly<Record<string, string>>;
}

/** Where an environment's services are reached. */
export interface DomainSettings {
  /** Host name, as `dev.example.com`. */
  readonly name: string;
  /** Name of the Route 53 hosted zone that the name lies in; the zone is in the environment's account. */
  readonly zone: string;
}

export interface EnvironmentSettings {
  readonly name: string;
  readonly account: string;
  readonly region: string;
  readonly approval: Approval;
  readonly serviceRelease: ServiceRelease;
  readonly functionRelease: FunctionRelease;
  /** For which a service's old tasks are kept after all traffic has moved, and alarms still bring them back. */
  readonly bakeMinutes: number;
  readonly cidr: string;
  readonly nat: Nat;
  /** Days; 365 where people approve releases, otherwise 30. */
  readonly logRetentionDays: number;
  /** Keeps the load balancer from being deleted; on where releases are approved by people. */
  readonly deletionProtection: boolean;
  /** Without one, services are reached by HTTP, in clear text. */
  readonly domain?: DomainSettings;
  /** Whether a web application firewall stands in front of the services; on where people approve releases. */
  readonly firewall: boolean;
  /** How the `access-<env>` stack reaches a new account. */
  readonly admin: { readonly role: string } | { readonly profile: string };
  /** Every service of the settings with this environment's changes merged in. */
  readonly services: Readonly<Record<string, ServiceSettings>>;
  readonly functions: Readonly<Record<string, FunctionSettings>>;
  /** Where it is a preview, or a trial: the environment that it is made like, and its slug. @default - it is none */
  readonly preview?: { readonly of: string; readonly slug: string };
}

/**
 * What becomes of a change that comes while another is on its way: a newer one takes the place of what waits, or each
 * waits for its turn. Not CodePipeline's third, PARALLEL: two of them would change one environment at the same time.
 */
export type Execution = (typeof EXECUTIONS)[number];
export const EXECUTIONS = ["superseded", "queued"] as const;

export interface PipelineSettings {
  readonly name: string;
  /** A branch, or a pattern of branches, as `release/*`. */
  readonly branch: string;
  /** Patterns of files of which a push must touch one; all files where there are none. */
  readonly paths: readonly string[];
  /** Waves; the environments of one wave are deployed side by side. */
  readonly deploy: readonly (readonly string[])[];
  readonly execution: Execution;
  /** Builds of a stage that run side by side at most: one beyond the account's quota fails, and does not wait. */
  readonly buildsAtOnce: number;
  /** What is deployed for a try, under names of its own and in each of the regions, before the first wave. @default - nothing */
  readonly trial?: { readonly environment: string; readonly regions: readonly string[] };
}

/** Of what people are told. A run that a newer one took the place of is told to those who hear of everything. */
export const NEWS = ["success", "failure", "approval", "drift"] as const;

/** What somebody hears of. */
export interface NewsChoice {
  /** @default - everything */
  readonly events?: readonly (typeof NEWS)[number][];
  /** Names of pipelines. @default - all of them */
  readonly pipelines?: readonly string[];
}

export interface NotificationSettings {
  /** Who hears of everything. */
  readonly emails: readonly string[];
  /** Who hears of some of it, by address. */
  readonly subscribers: Readonly<Record<string, NewsChoice>>;
  /** What a chat's webhook is told. @default - there is none */
  readonly chat?: NewsChoice;
  /** Whether commits have a status for each pipeline. It takes a token. */
  readonly commitStatus: boolean;
  /** Whether there are report pages. */
  readonly pages: boolean;
  /** Whether environments are compared each day with what was released to them. */
  readonly drift: boolean;
}

/** All that `terraform.tfvars` says, validated, with the defaults filled in; frozen. */
export interface Settings {
  readonly project: string;
  readonly region: string;
  /** The build account: state, pipelines, artifacts. */
  readonly account: string;
  readonly source: SourceSettings;
  readonly services: Readonly<Record<string, CommonServiceSettings>>;
  readonly functions: Readonly<Record<string, FunctionSettings>>;
  readonly environments: Readonly<Record<string, EnvironmentSettings>>;
  readonly pipelines: Readonly<Record<string, PipelineSettings>>;
  readonly previews: readonly PreviewRule[];
  readonly notifications: NotificationSettings;
  /**
   * Each top-level key that a settings file may hold, with its value as the file gives it and null where
   * it gives none: what Terraform's variables are declared with.
   */
  readonly given: Readonly<Record<string, unknown>>;
}
