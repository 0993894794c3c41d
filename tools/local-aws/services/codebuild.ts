import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import {
  type Build,
  Builds,
  type BuildsProps,
  type Handover,
  type StartBuildInput,
} from "./codebuild-builds";
import {
  arnIn,
  checkProject,
  type Project,
  type ProjectInput,
  projectChange,
  projectInput,
} from "./codebuild-project";
import { reportOperations } from "./codebuild-reports";
import { webhookOperations } from "./codebuild-webhooks";
import { name, now, operationsOf, type Service, Store } from "./service";

export interface CodeBuild extends Service {
  /**
   * Starts a build for a pipeline.
   *
   * @throws AwsError where there is no such project
   */
  startFor(scope: Scope, input: StartBuildInput, handover: Handover): Build;
  /** @throws AwsError where there is no such project */
  project(scope: Scope, name: string): Project;
}

/** CodeBuild's projects with their webhooks and builds, and its report groups with their reports. */
export function codebuild(props: BuildsProps): CodeBuild {
  const projects = new Store<Project>();
  const builds = new Builds(props);
  const define = operationsOf(() => "InvalidInputException");
  const nameIn = (nameOrArn: string) => nameOrArn.replace(/^arn:.*:project\//, "");
  const findProject = (scope: Scope, nameOrArn: string) => {
    const found = projects.in(scope).get(nameIn(nameOrArn));
    if (found) return found;
    const arn = arnIn(scope, "project", nameIn(nameOrArn));
    throw new AwsError("ResourceNotFoundException", `Project cannot be found: ${arn}`);
  };
  const keepProject = (scope: Scope, project: Project) => {
    projects.in(scope).set(project.name, project);
  };

  return {
    api: "CodeBuild_20161006",
    stop: () => builds.stop(),
    startFor: (scope, input, handover) =>
      builds.start(scope, findProject(scope, input.projectName), input, handover),
    project: findProject,
    operations: {
      ...webhookOperations(define, findProject, keepProject),
      ...builds.operations(define, findProject),
      CreateProject: define(projectInput, (input, scope) => {
        const arn = arnIn(scope, "project", input.name);
        if (projects.in(scope).has(input.name))
          throw new AwsError("ResourceAlreadyExistsException", `Project already exists: ${arn}`);
        checkProject(input, scope);
        const { badgeEnabled = false, ...rest } = input;
        const created = {
          timeoutInMinutes: 60,
          queuedTimeoutInMinutes: 480,
          encryptionKey: `arn:aws:kms:${scope.region}:${scope.account}:alias/aws/s3`,
          cache: { type: "NO_CACHE" as const },
          tags: [],
          projectVisibility: "PRIVATE",
          ...rest,
          arn,
          badge: badge(badgeEnabled, scope),
          created: now(),
          lastModified: now(),
        };
        keepProject(scope, created);
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
        checkProject({ ...before, ...(changes as Partial<ProjectInput>) }, scope);
        const { badgeEnabled, concurrentBuildLimit, ...rest } = changes;
        const after: Project & Record<string, unknown> = {
          ...before,
          ...(rest as Partial<ProjectInput>),
          name: before.name,
          lastModified: now(),
        };
        if (badgeEnabled !== undefined) after.badge = badge(badgeEnabled, scope);
        // AWS takes -1 for "no limit of its own".
        if (concurrentBuildLimit !== undefined)
          after.concurrentBuildLimit = concurrentBuildLimit < 0 ? undefined : concurrentBuildLimit;
        keepProject(scope, after);
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
          keepProject(scope, {
            ...before,
            ...{ projectVisibility, resourceAccessRole, publicProjectAlias },
          });
          return { projectArn, projectVisibility, publicProjectAlias };
        },
      ),
      // As AWS does: its builds stay, its webhook goes along.
      DeleteProject: define(z.looseObject({ name }), (input, scope) => {
        projects.in(scope).delete(nameIn(input.name));
        return {};
      }),
      ListProjects: define(z.looseObject({}), (_, scope) => ({
        projects: [...projects.in(scope).keys()].sort(),
      })),
      ...reportOperations(define),
    },
  };
}

function badge(badgeEnabled: boolean, { region }: Scope) {
  return badgeEnabled
    ? { badgeEnabled, badgeRequestUrl: `https://codebuild.${region}.amazonaws.com/badges?uuid=local` }
    : { badgeEnabled };
}
