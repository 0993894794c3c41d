import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import { name, smallTags } from "./service";

// What CodeBuild's projects are made of, and what of it does not fit together. A build overrides parts of it.

const auth = z.looseObject({
  type: z.enum(["OAUTH", "CODECONNECTIONS", "SECRETS_MANAGER"]),
  resource: z.string().optional(),
});
export const source = z.looseObject({
  type: z.enum([
    "CODECOMMIT",
    "CODEPIPELINE",
    "GITHUB",
    "GITLAB",
    "GITLAB_SELF_MANAGED",
    "S3",
    "BITBUCKET",
    "GITHUB_ENTERPRISE",
    "NO_SOURCE",
  ]),
  location: z.string().optional(),
  buildspec: z.string().optional(),
  auth: auth.optional(),
  sourceIdentifier: z.string().optional(),
});
export const artifacts = z.looseObject({
  type: z.enum(["CODEPIPELINE", "S3", "NO_ARTIFACTS"]),
  location: z.string().optional(),
  path: z.string().optional(),
  namespaceType: z.enum(["NONE", "BUILD_ID"]).optional(),
  name: z.string().optional(),
  packaging: z.enum(["NONE", "ZIP"]).optional(),
  overrideArtifactName: z.boolean().optional(),
  encryptionDisabled: z.boolean().optional(),
  artifactIdentifier: z.string().optional(),
});
export const environmentVariables = z.array(
  z.looseObject({
    name,
    value: z.string(),
    type: z.enum(["PLAINTEXT", "PARAMETER_STORE", "SECRETS_MANAGER"]).default("PLAINTEXT"),
  }),
);
const environment = z.looseObject({
  type: z.enum([
    "WINDOWS_CONTAINER",
    "LINUX_CONTAINER",
    "LINUX_GPU_CONTAINER",
    "ARM_CONTAINER",
    "WINDOWS_SERVER_2019_CONTAINER",
    "WINDOWS_SERVER_2022_CONTAINER",
    "LINUX_LAMBDA_CONTAINER",
    "ARM_LAMBDA_CONTAINER",
    "LINUX_EC2",
    "ARM_EC2",
    "WINDOWS_EC2",
    "MAC_ARM",
  ]),
  image: name,
  computeType: name,
  environmentVariables: environmentVariables.default([]),
  privilegedMode: z.boolean().default(false),
  imagePullCredentialsType: z.enum(["CODEBUILD", "SERVICE_ROLE"]).default("CODEBUILD"),
});
export const secondarySources = z.array(source).max(12);
export const secondarySourceVersions = z
  .array(z.looseObject({ sourceIdentifier: name, sourceVersion: z.string() }))
  .max(12);
export const secondaryArtifacts = z.array(artifacts).max(12);
const logStatus = z.enum(["ENABLED", "DISABLED"]);
export const logsConfig = z.looseObject({
  cloudWatchLogs: z
    .looseObject({
      status: logStatus,
      groupName: z.string().optional(),
      streamName: z.string().optional(),
    })
    .optional(),
  s3Logs: z.looseObject({ status: logStatus, location: z.string().optional() }).optional(),
});
export const minutes = z.int().min(5).max(2160);
export const queuedMinutes = z.int().min(5).max(480);
export const cache = z.looseObject({ type: z.enum(["NO_CACHE", "S3", "LOCAL"]) });
export const projectInput = z.looseObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9\-_]{1,149}$/),
  description: z.string().max(255).optional(),
  source,
  secondarySources: secondarySources.optional(),
  sourceVersion: z.string().optional(),
  secondarySourceVersions: secondarySourceVersions.optional(),
  artifacts,
  secondaryArtifacts: secondaryArtifacts.optional(),
  environment,
  serviceRole: name,
  timeoutInMinutes: minutes.optional(),
  queuedTimeoutInMinutes: queuedMinutes.optional(),
  encryptionKey: z.string().optional(),
  cache: cache.optional(),
  logsConfig: logsConfig.optional(),
  tags: smallTags.optional(),
  badgeEnabled: z.boolean().optional(),
  concurrentBuildLimit: z.int().optional(),
});
/** An update names what it changes; the rest stays. */
export const projectChange = projectInput.partial().required({ name: true });

export type ProjectInput = z.output<typeof projectInput>;
export type ProjectSource = z.output<typeof source>;
export type ProjectArtifacts = z.output<typeof artifacts>;

/** A project as it is kept, with what CodeBuild adds to it. */
export type Project = ProjectInput & {
  readonly arn: string;
  readonly timeoutInMinutes: number;
  readonly queuedTimeoutInMinutes: number;
  readonly encryptionKey: string;
  readonly webhook?: Record<string, unknown>;
};

export const invalidInput = (message: string) => new AwsError("InvalidInputException", message);

export const arnIn = ({ region, account }: Scope, kind: string, id: string) =>
  `arn:aws:codebuild:${region}:${account}:${kind}/${id}`;

export const sortOrder = z.enum(["ASCENDING", "DESCENDING"]).optional();

/** What was kept in the order of its making, as a list is asked for: the newest first where nothing else is said. */
export const inOrder = <T>(items: readonly T[], order: z.output<typeof sortOrder>): readonly T[] =>
  order === "ASCENDING" ? items : [...items].reverse();

/** Tokens are positions. */
export function pageOf<T>(
  all: readonly T[],
  { maxResults, nextToken = "0" }: { readonly maxResults: number; readonly nextToken?: string },
): { items: readonly T[]; nextToken?: string } {
  const from = Number(nextToken);
  if (!Number.isInteger(from) || from < 0) throw invalidInput(`Invalid nextToken: ${nextToken}`);
  const next = from + maxResults;
  return { items: all.slice(from, next), nextToken: next < all.length ? String(next) : undefined };
}

/** What only shows in the whole project, or in a project with a build's overrides. */
export function checkProject(project: ProjectInput, { account }: Scope): void {
  const { source: from, artifacts: to, serviceRole } = project;
  if (!serviceRole.startsWith(`arn:aws:iam::${account}:role/`)) {
    throw invalidInput("Invalid service role: Service role account ID does not match caller's account");
  }
  if ((from.type === "CODEPIPELINE") !== (to.type === "CODEPIPELINE")) {
    throw invalidInput(
      "Invalid artifacts: source and artifacts must both be of type CODEPIPELINE, or neither",
    );
  }
  checkSource(from, "source");
  if (from.type === "NO_SOURCE" && !from.buildspec) {
    throw invalidInput("Invalid project source: a buildspec is required for NO_SOURCE");
  }
  checkArtifacts(to, "artifacts");
  checkSecondarySources(project);
  const identifiers = new Set<string>();
  for (const artifact of project.secondaryArtifacts ?? []) {
    const { artifactIdentifier: id = "", type } = artifact;
    if (!IDENTIFIER.test(id) || identifiers.has(id))
      throw invalidInput("Invalid secondary artifacts: each needs an artifactIdentifier of its own");
    if (type === "CODEPIPELINE")
      throw invalidInput("Invalid secondary artifacts: CODEPIPELINE is not allowed");
    identifiers.add(id);
    checkArtifacts(artifact, `secondary artifacts ${id}`);
  }
}

const IDENTIFIER = /^\w{1,128}$/;

function checkSecondarySources({ secondarySources = [], secondarySourceVersions = [] }: ProjectInput): void {
  const identifiers = new Set<string>();
  for (const from of secondarySources) {
    const { sourceIdentifier: id = "", type } = from;
    if (!IDENTIFIER.test(id) || identifiers.has(id))
      throw invalidInput("Invalid secondary sources: each needs a sourceIdentifier of its own");
    if (type === "CODEPIPELINE" || type === "NO_SOURCE")
      throw invalidInput(`Invalid secondary source ${id}: ${type} is not allowed`);
    identifiers.add(id);
    checkSource(from, `secondary source ${id}`);
  }
  for (const { sourceIdentifier } of secondarySourceVersions) {
    if (!identifiers.has(sourceIdentifier))
      throw invalidInput(
        `Invalid secondary source versions: there is no secondary source ${sourceIdentifier}`,
      );
  }
}

function checkSource({ type, location, auth: by }: ProjectSource, what: string): void {
  if (!["CODEPIPELINE", "NO_SOURCE"].includes(type) && !location)
    throw invalidInput(`Invalid project ${what}: location is required`);
  if (by && by.type !== "OAUTH" && !by.resource)
    throw invalidInput(`Invalid project ${what}: auth of type ${by.type} needs a resource`);
}

function checkArtifacts({ type, location, encryptionDisabled }: ProjectArtifacts, what: string): void {
  if (type === "S3" && !location) throw invalidInput(`Invalid ${what}: location is required for S3`);
  if (type !== "S3" && encryptionDisabled)
    throw invalidInput(`Invalid ${what}: encryptionDisabled is for type S3 alone`);
}
