import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import { name, now, operationsOf, type Service, Store, smallTags } from "./service";

const source = z.looseObject({
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
});
const artifacts = z.looseObject({
  type: z.enum(["CODEPIPELINE", "S3", "NO_ARTIFACTS"]),
  location: z.string().optional(),
});
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
  environmentVariables: z
    .array(
      z.looseObject({
        name,
        value: z.string(),
        type: z.enum(["PLAINTEXT", "PARAMETER_STORE", "SECRETS_MANAGER"]).default("PLAINTEXT"),
      }),
    )
    .default([]),
  privilegedMode: z.boolean().default(false),
  imagePullCredentialsType: z.enum(["CODEBUILD", "SERVICE_ROLE"]).default("CODEBUILD"),
});
const project = z.looseObject({
  name: z.string().regex(/^[A-Za-z0-9][A-Za-z0-9\-_]{1,149}$/),
  description: z.string().max(255).optional(),
  source,
  artifacts,
  environment,
  serviceRole: name,
  timeoutInMinutes: z.int().min(5).max(2160).optional(),
  queuedTimeoutInMinutes: z.int().min(5).max(480).optional(),
  encryptionKey: z.string().optional(),
  cache: z.looseObject({ type: z.enum(["NO_CACHE", "S3", "LOCAL"]) }).optional(),
  tags: smallTags.optional(),
  badgeEnabled: z.boolean().optional(),
  concurrentBuildLimit: z.int().optional(),
});
/** An update names what it changes; the rest stays. */
const projectChange = project.partial().required({ name: true });
const exportConfig = z.looseObject({ exportConfigType: z.enum(["S3", "NO_EXPORT"]) });

type Project = Record<string, unknown> & { name: string; arn: string };
type ReportGroup = Record<string, unknown> & { name: string; arn: string };

/** CodeBuild's projects and report groups. It runs no builds: starting one is an unknown operation. */
export function codebuild(): Service {
  const projects = new Store<Project>();
  const groups = new Store<ReportGroup>();
  const define = operationsOf(() => "InvalidInputException");
  const arnOf = ({ region, account }: Scope, kind: string, id: string) =>
    `arn:aws:codebuild:${region}:${account}:${kind}/${id}`;
  const nameIn = (nameOrArn: string) => nameOrArn.replace(/^arn:.*:project\//, "");
  const findProject = (scope: Scope, nameOrArn: string) => {
    const found = projects.in(scope).get(nameIn(nameOrArn));
    if (found) return found;
    const arn = arnOf(scope, "project", nameIn(nameOrArn));
    throw new AwsError("ResourceNotFoundException", `Project cannot be found: ${arn}`);
  };

  return {
    api: "CodeBuild_20161006",
    operations: {
      CreateProject: define(project, (input, scope) => {
        const arn = arnOf(scope, "project", input.name);
        if (projects.in(scope).has(input.name))
          throw new AwsError("ResourceAlreadyExistsException", `Project already exists: ${arn}`);
        checkProject(input, scope);
        const { badgeEnabled = false, ...rest } = input;
        const created = {
          timeoutInMinutes: 60,
          queuedTimeoutInMinutes: 480,
          encryptionKey: `arn:aws:kms:${scope.region}:${scope.account}:alias/aws/s3`,
          cache: { type: "NO_CACHE" },
          tags: [],
          projectVisibility: "PRIVATE",
          ...rest,
          arn,
          badge: badge(badgeEnabled, scope),
          created: now(),
          lastModified: now(),
        };
        projects.in(scope).set(input.name, created);
        return { project: created };
      }),
      BatchGetProjects: define(
        z.looseObject({ names: z.array(name).min(1).max(100) }),
        ({ names }, scope) => {
          const found = (given: string) => projects.in(scope).get(nameIn(given));
          return {
            projects: names.flatMap((given) => found(given) ?? []),
            projectsNotFound: names.filter((given) => !found(given)),
          };
        },
      ),
      UpdateProject: define(projectChange, (changes, scope) => {
        const before = findProject(scope, changes.name);
        checkProject({ ...before, ...changes }, scope);
        const { badgeEnabled, concurrentBuildLimit, ...rest } = changes;
        const after: Project = { ...before, ...rest, name: before.name, lastModified: now() };
        if (badgeEnabled !== undefined) after.badge = badge(badgeEnabled, scope);
        // AWS takes -1 for "no limit of its own".
        if (concurrentBuildLimit !== undefined)
          after.concurrentBuildLimit = concurrentBuildLimit < 0 ? undefined : concurrentBuildLimit;
        projects.in(scope).set(before.name, after);
        return { project: after };
      }),
      UpdateProjectVisibility: define(
        z.looseObject({
          projectArn: name,
          projectVisibility: z.enum(["PUBLIC_READ", "PRIVATE"]),
          resourceAccessRole: z.string().optional(),
        }),
        ({ projectArn, projectVisibility, resourceAccessRole }, scope) => {
          const before = findProject(scope, projectArn);
          const publicProjectAlias = projectVisibility === "PUBLIC_READ" ? randomUUID() : undefined;
          const after = { ...before, projectVisibility, resourceAccessRole, publicProjectAlias };
          projects.in(scope).set(before.name, after);
          return { projectArn, projectVisibility, publicProjectAlias };
        },
      ),
      DeleteProject: define(z.looseObject({ name }), (input, scope) => {
        projects.in(scope).delete(nameIn(input.name));
        return {};
      }),
      ListProjects: define(z.looseObject({}), (_, scope) => ({
        projects: [...projects.in(scope).keys()].sort(),
      })),
      CreateReportGroup: define(
        z.looseObject({
          name: z.string().min(2).max(128),
          type: z.enum(["TEST", "CODE_COVERAGE"]),
          exportConfig,
          tags: smallTags.default([]),
        }),
        (input, scope) => {
          const arn = arnOf(scope, "report-group", input.name);
          if (groups.in(scope).has(arn))
            throw new AwsError("ResourceAlreadyExistsException", `Report group already exists: ${arn}`);
          const reportGroup = { ...input, arn, created: now(), lastModified: now(), status: "ACTIVE" };
          groups.in(scope).set(arn, reportGroup);
          return { reportGroup };
        },
      ),
      BatchGetReportGroups: define(
        z.looseObject({ reportGroupArns: z.array(name).min(1).max(100) }),
        ({ reportGroupArns }, scope) => ({
          reportGroups: reportGroupArns.flatMap((arn) => groups.in(scope).get(arn) ?? []),
          reportGroupsNotFound: reportGroupArns.filter((arn) => !groups.in(scope).has(arn)),
        }),
      ),
      UpdateReportGroup: define(
        z.looseObject({ arn: name, exportConfig: exportConfig.optional(), tags: smallTags.optional() }),
        ({ arn, exportConfig, tags }, scope) => {
          const before = groups.in(scope).get(arn);
          if (!before) throw new AwsError("ResourceNotFoundException", `Report group not found: ${arn}`);
          const reportGroup = {
            ...before,
            exportConfig: exportConfig ?? before.exportConfig,
            tags: tags ?? before.tags,
            lastModified: now(),
          };
          groups.in(scope).set(arn, reportGroup);
          return { reportGroup };
        },
      ),
      DeleteReportGroup: define(z.looseObject({ arn: name }), ({ arn }, scope) => {
        groups.in(scope).delete(arn);
        return {};
      }),
      ListReportGroups: define(z.looseObject({}), (_, scope) => ({
        reportGroups: [...groups.in(scope).keys()].sort(),
      })),
    },
  };
}

function badge(badgeEnabled: boolean, { region }: Scope) {
  return badgeEnabled
    ? { badgeEnabled, badgeRequestUrl: `https://codebuild.${region}.amazonaws.com/badges?uuid=local` }
    : { badgeEnabled };
}

/** What only shows in the whole project. */
function checkProject(input: Record<string, unknown>, { account }: Scope): void {
  const { source: from, artifacts: to, serviceRole } = input as z.output<typeof project>;
  const invalid = (message: string) => new AwsError("InvalidInputException", message);
  if (!serviceRole.startsWith(`arn:aws:iam::${account}:role/`)) {
    throw invalid("Invalid service role: Service role account ID does not match caller's account");
  }
  if ((from.type === "CODEPIPELINE") !== (to.type === "CODEPIPELINE")) {
    throw invalid("Invalid artifacts: source and artifacts must both be of type CODEPIPELINE, or neither");
  }
  if (!["CODEPIPELINE", "NO_SOURCE"].includes(from.type) && !from.location) {
    throw invalid("Invalid project source: location is required");
  }
  if (from.type === "NO_SOURCE" && !from.buildspec) {
    throw invalid("Invalid project source: a buildspec is required for NO_SOURCE");
  }
  if (to.type === "S3" && !to.location) throw invalid("Invalid artifacts: location is required for S3");
}
