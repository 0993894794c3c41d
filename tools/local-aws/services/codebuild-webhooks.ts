import { randomBytes, randomInt } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import { invalidInput, type Project } from "./codebuild-project";
import { name, now, type Operation, type operationsOf } from "./service";

const EVERYWHERE = ["GITHUB", "GITHUB_ENTERPRISE", "BITBUCKET", "GITLAB", "GITLAB_SELF_MANAGED"];
/** Which sources send an event. */
const EVENTS: Readonly<Record<string, readonly string[]>> = {
  PUSH: EVERYWHERE,
  PULL_REQUEST_CREATED: EVERYWHERE,
  PULL_REQUEST_UPDATED: EVERYWHERE,
  PULL_REQUEST_CLOSED: EVERYWHERE,
  PULL_REQUEST_MERGED: EVERYWHERE,
  PULL_REQUEST_REOPENED: ["GITHUB", "GITHUB_ENTERPRISE"],
  RELEASED: ["GITHUB"],
  PRERELEASED: ["GITHUB"],
  WORKFLOW_JOB_QUEUED: ["GITHUB", "GITHUB_ENTERPRISE"],
};

const filter = z.looseObject({
  type: z.enum([
    "EVENT",
    "BASE_REF",
    "HEAD_REF",
    "ACTOR_ACCOUNT_ID",
    "FILE_PATH",
    "COMMIT_MESSAGE",
    "WORKFLOW_NAME",
    "TAG_NAME",
    "RELEASE_NAME",
    "REPOSITORY_NAME",
    "ORGANIZATION_NAME",
  ]),
  pattern: name,
  excludeMatchedPattern: z.boolean().default(false),
});
const pullRequestBuildPolicy = z.looseObject({
  requiresCommentApproval: z.enum(["DISABLED", "ALL_PULL_REQUESTS", "FORK_PULL_REQUESTS"]),
  approverRoles: z
    .array(
      z.enum([
        "GITHUB_READ",
        "GITHUB_TRIAGE",
        "GITHUB_WRITE",
        "GITHUB_MAINTAIN",
        "GITHUB_ADMIN",
        "GITLAB_GUEST",
        "GITLAB_PLANNER",
        "GITLAB_REPORTER",
        "GITLAB_DEVELOPER",
        "GITLAB_MAINTAINER",
        "GITLAB_OWNER",
        "BITBUCKET_READ",
        "BITBUCKET_WRITE",
        "BITBUCKET_ADMIN",
      ]),
    )
    .optional(),
});
const webhookChange = z.looseObject({
  projectName: name,
  branchFilter: z.string().optional(),
  filterGroups: z.array(z.array(filter)).optional(),
  buildType: z.enum(["BUILD", "BUILD_BATCH", "RUNNER_BUILDKITE_BUILD"]).optional(),
  pullRequestBuildPolicy: pullRequestBuildPolicy.optional(),
});
const webhookInput = webhookChange.extend({
  manualCreation: z.boolean().optional(),
  scopeConfiguration: z
    .looseObject({
      name,
      domain: z.string().optional(),
      scope: z.enum(["GITHUB_ORGANIZATION", "GITHUB_GLOBAL", "GITLAB_GROUP"]),
    })
    .optional(),
});

/** Who may approve where nobody is named: those who may write to the repository. */
const APPROVERS: Readonly<Record<string, readonly string[]>> = {
  GITHUB: ["GITHUB_WRITE", "GITHUB_MAINTAIN", "GITHUB_ADMIN"],
  GITHUB_ENTERPRISE: ["GITHUB_WRITE", "GITHUB_MAINTAIN", "GITHUB_ADMIN"],
  GITLAB: ["GITLAB_DEVELOPER", "GITLAB_MAINTAINER", "GITLAB_OWNER"],
  GITLAB_SELF_MANAGED: ["GITLAB_DEVELOPER", "GITLAB_MAINTAINER", "GITLAB_OWNER"],
  BITBUCKET: ["BITBUCKET_WRITE", "BITBUCKET_ADMIN"],
};

/** A project's webhook. Nobody calls it: there is no repository that would. */
export function webhookOperations(
  define: ReturnType<typeof operationsOf>,
  find: (scope: Scope, project: string) => Project,
  keep: (scope: Scope, project: Project) => void,
): Record<string, Operation> {
  const findWebhook = (project: Project) => {
    if (project.webhook) return project.webhook;
    throw new AwsError("ResourceNotFoundException", `No webhook found for project: ${project.name}`);
  };

  return {
    CreateWebhook: define(webhookInput, (input, scope) => {
      const project = find(scope, input.projectName);
      if (project.webhook) {
        throw new AwsError(
          "ResourceAlreadyExistsException",
          `Webhook already exists for project: ${project.name}`,
        );
      }
      checkWebhook(input, project);
      const { projectName: _, ...given } = input;
      const webhook = {
        ...given,
        branchFilter: input.branchFilter || undefined,
        pullRequestBuildPolicy: policyOf(input, project),
        payloadUrl: `https://codebuild.${scope.region}.amazonaws.com/webhooks?t=${randomBytes(24).toString("base64url")}&v=1`,
        url: input.manualCreation ? undefined : hookUrl(project),
        lastModifiedSecret: now(),
      };
      keep(scope, { ...project, webhook });
      return { webhook: { ...webhook, secret: secretFor(project, input.manualCreation) } };
    }),
    UpdateWebhook: define(webhookChange.extend({ rotateSecret: z.boolean().optional() }), (input, scope) => {
      const project = find(scope, input.projectName);
      const before = findWebhook(project);
      checkWebhook(input, project);
      const { projectName: _, rotateSecret, branchFilter, filterGroups, ...changes } = input;
      // A webhook has a branch filter or groups of filters: one takes the other's place.
      const filters =
        filterGroups || branchFilter !== undefined
          ? { filterGroups, branchFilter: branchFilter || undefined }
          : {};
      const webhook = {
        ...before,
        ...changes,
        ...filters,
        ...(changes.pullRequestBuildPolicy && { pullRequestBuildPolicy: policyOf(input, project) }),
        ...(rotateSecret && { lastModifiedSecret: now() }),
      };
      keep(scope, { ...project, webhook });
      const secret = rotateSecret ? secretFor(project, Boolean(before.manualCreation)) : undefined;
      return { webhook: { ...webhook, secret } };
    }),
    DeleteWebhook: define(z.looseObject({ projectName: name }), ({ projectName }, scope) => {
      const project = find(scope, projectName);
      findWebhook(project);
      keep(scope, { ...project, webhook: undefined });
      return {};
    }),
  };
}

type WebhookChange = z.output<typeof webhookChange> & { manualCreation?: boolean };

function checkWebhook(input: WebhookChange, { source }: Project): void {
  if (!EVERYWHERE.includes(source.type)) {
    throw invalidInput(`Webhooks are not supported for projects with a source of type ${source.type}`);
  }
  if (input.manualCreation && source.type !== "GITHUB")
    throw invalidInput("manualCreation is only available for GitHub webhooks");
  if (input.branchFilter) checkPattern(input.branchFilter);
  for (const group of input.filterGroups ?? []) {
    if (!group.some(({ type }) => type === "EVENT"))
      throw invalidInput("A filter group must contain at least one EVENT WebhookFilter");
    for (const { type, pattern } of group) {
      if (type === "EVENT") checkEvents(pattern, source.type);
      else checkPattern(pattern);
    }
  }
}

function checkEvents(pattern: string, source: string): void {
  for (const event of pattern.split(",").map((part) => part.trim())) {
    if (!Object.hasOwn(EVENTS, event)) throw invalidInput(`Invalid webhook filter: unknown event '${event}'`);
    if (!EVENTS[event]?.includes(source))
      throw invalidInput(`Invalid webhook filter: ${source} has no event ${event}`);
  }
}

function checkPattern(pattern: string): void {
  try {
    // Flags at the start are fine with AWS, and unknown to Node.
    new RegExp(pattern.replace(/^\(\?[a-z]+\)/, ""));
  } catch {
    throw invalidInput(`Invalid webhook filter: '${pattern}' is not a regular expression`);
  }
}

/** What counts where the caller names no policy, or no roles: what AWS gives back then. */
function policyOf({ pullRequestBuildPolicy: given }: WebhookChange, { source }: Project) {
  const policy = given ?? { requiresCommentApproval: "ALL_PULL_REQUESTS" as const };
  if (policy.requiresCommentApproval === "DISABLED" || policy.approverRoles?.length) return policy;
  return { ...policy, approverRoles: APPROVERS[source.type] };
}

/** Only where CodeBuild does not make the webhook in the repository by itself does somebody need its secret. */
function secretFor({ source }: Project, manualCreation = false): string | undefined {
  const needed = manualCreation || /^(GITHUB_ENTERPRISE|GITLAB_SELF_MANAGED)$/.test(source.type);
  return needed ? randomBytes(20).toString("hex") : undefined;
}

/** Address of the webhook in the repository's API; none where its owner has to make it. */
function hookUrl({ source }: Project): string | undefined {
  const [, repository = ""] = /^https:\/\/[^/]+\/(.+?)(?:\.git)?$/.exec(source.location ?? "") ?? [];
  const id = randomInt(1e8, 1e9);
  switch (source.type) {
    case "GITHUB":
      return `https://api.github.com/repos/${repository}/hooks/${id}`;
    case "BITBUCKET":
      return `https://api.bitbucket.org/2.0/repositories/${repository}/hooks/${id}`;
    case "GITLAB":
      return `https://gitlab.com/api/v4/projects/${encodeURIComponent(repository)}/hooks/${id}`;
    default:
      return undefined;
  }
}
