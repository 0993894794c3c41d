import { AwsError } from "../aws-request";
import { type Input, now, type Scope, type Service, Store, text } from "./service";

/** CodeBuild's projects and report groups. moto has neither report groups nor projects that a pipeline runs. */
export function codebuild(): Service {
  const projects = new Store<Input>();
  const groups = new Store<Input>();
  const findProject = (scope: Scope, name: string) => {
    const project = projects.in(scope).get(name);
    if (!project) {
      throw new AwsError(
        "ResourceNotFoundException",
        `The provided project arn:aws:codebuild:${scope.region}:${scope.account}:project/${name} does not exist`,
      );
    }
    return project;
  };
  const findGroup = (scope: Scope, arn: string) => {
    const group = groups.in(scope).get(arn);
    if (!group) throw new AwsError("ResourceNotFoundException", `Report group not found: ${arn}`);
    return group;
  };
  return {
    targets: ["CodeBuild_20161006"],
    operations: {
      CreateProject(input, scope) {
        const name = text(input, "name");
        if (projects.in(scope).has(name)) {
          throw new AwsError(
            "ResourceAlreadyExistsException",
            `Project already exists: arn:aws:codebuild:${scope.region}:${scope.account}:project/${name}`,
          );
        }
        const { badgeEnabled, ...given } = input;
        const project = {
          cache: { type: "NO_CACHE" },
          timeoutInMinutes: 60,
          queuedTimeoutInMinutes: 480,
          projectVisibility: "PRIVATE",
          tags: [],
          ...given,
          arn: `arn:aws:codebuild:${scope.region}:${scope.account}:project/${name}`,
          badge: { badgeEnabled: badgeEnabled === true },
          created: now(),
          lastModified: now(),
        };
        projects.in(scope).set(name, project);
        return { project };
      },
      BatchGetProjects(input, scope) {
        const names = ((input.names as string[]) ?? []).map((name) => name.replace(/^arn:.*:project\//, ""));
        return {
          projects: names.flatMap((name) => projects.in(scope).get(name) ?? []),
          projectsNotFound: names.filter((name) => !projects.in(scope).has(name)),
        };
      },
      UpdateProject(input, scope) {
        const name = text(input, "name");
        const { badgeEnabled, ...changes } = input;
        const project = {
          ...findProject(scope, name),
          ...changes,
          ...(badgeEnabled !== undefined && { badge: { badgeEnabled } }),
          lastModified: now(),
        };
        projects.in(scope).set(name, project);
        return { project };
      },
      UpdateProjectVisibility(input, scope) {
        const name = text(input, "projectArn").replace(/^.*:project\//, "");
        const { projectVisibility } = input;
        projects.in(scope).set(name, { ...findProject(scope, name), projectVisibility });
        return { projectArn: input.projectArn, projectVisibility };
      },
      DeleteProject(input, scope) {
        projects.in(scope).delete(text(input, "name").replace(/^arn:.*:project\//, ""));
        return {};
      },
      ListProjects: (_, scope) => ({ projects: [...projects.in(scope).keys()] }),
      CreateReportGroup(input, scope) {
        const name = text(input, "name");
        const arn = `arn:aws:codebuild:${scope.region}:${scope.account}:report-group/${name}`;
        if (groups.in(scope).has(arn)) {
          throw new AwsError("ResourceAlreadyExistsException", `Report group already exists: ${arn}`);
        }
        const reportGroup = {
          tags: [],
          ...input,
          arn,
          created: now(),
          lastModified: now(),
          status: "ACTIVE",
        };
        groups.in(scope).set(arn, reportGroup);
        return { reportGroup };
      },
      BatchGetReportGroups(input, scope) {
        const arns = (input.reportGroupArns as string[]) ?? [];
        return {
          reportGroups: arns.flatMap((arn) => groups.in(scope).get(arn) ?? []),
          reportGroupsNotFound: arns.filter((arn) => !groups.in(scope).has(arn)),
        };
      },
      ListReportGroups: (_, scope) => ({ reportGroups: [...groups.in(scope).keys()] }),
      UpdateReportGroup(input, scope) {
        const { arn, ...changes } = input;
        const reportGroup = { ...findGroup(scope, String(arn)), ...changes, lastModified: now() };
        groups.in(scope).set(String(arn), reportGroup);
        return { reportGroup };
      },
      DeleteReportGroup(input, scope) {
        groups.in(scope).delete(text(input, "arn"));
        return {};
      },
    },
  };
}
