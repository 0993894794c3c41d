import { randomUUID } from "node:crypto";
import { AwsError } from "../aws-request";
import {
  type Input,
  now,
  type Scope,
  type Service,
  Store,
  Tags,
  tagOperations,
  tagPairs,
  text,
} from "./service";

interface Application {
  readonly applicationId: string;
  readonly applicationName: string;
  readonly computePlatform: string;
  readonly createTime: number;
  readonly groups: Map<string, Input>;
}

/** CodeDeploy's applications and deployment groups, and its predefined configurations. */
export function codedeploy(): Service {
  const applications = new Store<Application>();
  const tags = new Tags();
  const arn = ({ region, account }: Scope, kind: string, name: string) =>
    `arn:aws:codedeploy:${region}:${account}:${kind}:${name}`;
  const find = (scope: Scope, name: string) => {
    const application = applications.in(scope).get(name);
    if (!application)
      throw new AwsError("ApplicationDoesNotExistException", `No application found for name: ${name}`);
    return application;
  };
  const describe = ({ groups: _, ...application }: Application) => ({
    ...application,
    linkedToGitHub: false,
  });
  const findGroup = (scope: Scope, input: Input, key: string) => {
    const application = find(scope, text(input, "applicationName"));
    const group = application.groups.get(text(input, key));
    if (!group)
      throw new AwsError(
        "DeploymentGroupDoesNotExistException",
        `No Deployment Group found for name: ${input[key]}`,
      );
    return { application, group };
  };

  return {
    targets: ["CodeDeploy_20141006"],
    operations: {
      CreateApplication(input, scope) {
        const applicationName = text(input, "applicationName");
        if (applications.in(scope).has(applicationName)) {
          throw new AwsError(
            "ApplicationAlreadyExistsException",
            `Application already exists: ${applicationName}`,
          );
        }
        const application = {
          applicationId: randomUUID(),
          applicationName,
          computePlatform: String(input.computePlatform ?? "Server"),
          createTime: now(),
          groups: new Map(),
        };
        applications.in(scope).set(applicationName, application);
        tags.put(arn(scope, "application", applicationName), tagPairs(input.tags));
        return { applicationId: application.applicationId };
      },
      GetApplication: (input, scope) => ({
        application: describe(find(scope, text(input, "applicationName"))),
      }),
      BatchGetApplications: (input, scope) => ({
        applicationsInfo: ((input.applicationNames as string[]) ?? []).map((name) =>
          describe(find(scope, name)),
        ),
      }),
      ListApplications: (_, scope) => ({ applications: [...applications.in(scope).keys()] }),
      UpdateApplication(input, scope) {
        const before = find(scope, text(input, "applicationName"));
        const applicationName = String(input.newApplicationName ?? before.applicationName);
        applications.in(scope).delete(before.applicationName);
        applications.in(scope).set(applicationName, { ...before, applicationName });
        return {};
      },
      DeleteApplication(input, scope) {
        const name = text(input, "applicationName");
        applications.in(scope).delete(name);
        tags.forget(arn(scope, "application", name));
        return {};
      },
      CreateDeploymentGroup(input, scope) {
        const application = find(scope, text(input, "applicationName"));
        const name = text(input, "deploymentGroupName");
        if (application.groups.has(name)) {
          throw new AwsError(
            "DeploymentGroupAlreadyExistsException",
            `Deployment group already exists: ${name}`,
          );
        }
        const { tags: given, ...rest } = input;
        const deploymentGroupId = randomUUID();
        application.groups.set(name, { ...rest, deploymentGroupId });
        tags.put(arn(scope, "deploymentgroup", `${application.applicationName}/${name}`), tagPairs(given));
        return { deploymentGroupId };
      },
      GetDeploymentGroup(input, scope) {
        const { application, group } = findGroup(scope, input, "deploymentGroupName");
        return { deploymentGroupInfo: describeGroup(application, group) };
      },
      ListDeploymentGroups(input, scope) {
        const { applicationName, groups } = find(scope, text(input, "applicationName"));
        return { applicationName, deploymentGroups: [...groups.keys()] };
      },
      UpdateDeploymentGroup(input, scope) {
        const { application, group } = findGroup(scope, input, "currentDeploymentGroupName");
        const { currentDeploymentGroupName, newDeploymentGroupName, ...changes } = input;
        const name = String(newDeploymentGroupName ?? currentDeploymentGroupName);
        application.groups.delete(String(currentDeploymentGroupName));
        application.groups.set(name, { ...group, ...changes, deploymentGroupName: name });
        return { hooksNotCleanedUp: [] };
      },
      DeleteDeploymentGroup(input, scope) {
        const application = find(scope, text(input, "applicationName"));
        application.groups.delete(text(input, "deploymentGroupName"));
        return { hooksNotCleanedUp: [] };
      },
      GetDeploymentConfig(input) {
        const name = text(input, "deploymentConfigName");
        const [, platform] = /^CodeDeployDefault\.(ECS|Lambda)?/.exec(name) ?? [];
        if (!name.startsWith("CodeDeployDefault.")) {
          throw new AwsError(
            "DeploymentConfigDoesNotExistException",
            `No Deployment Configuration found for name: ${name}`,
          );
        }
        return {
          deploymentConfigInfo: {
            deploymentConfigName: name,
            computePlatform: platform ?? "Server",
            createTime: 0,
          },
        };
      },
      ...tagOperations(tags, "PascalCase"),
    },
  };
}

/** What was given, with what AWS fills in where nothing was. */
function describeGroup(application: Application, group: Input) {
  return {
    computePlatform: application.computePlatform,
    deploymentConfigName: "CodeDeployDefault.OneAtATime",
    deploymentStyle: { deploymentType: "IN_PLACE", deploymentOption: "WITHOUT_TRAFFIC_CONTROL" },
    autoRollbackConfiguration: { enabled: false, events: [] },
    alarmConfiguration: { enabled: false, ignorePollAlarmFailure: false, alarms: [] },
    outdatedInstancesStrategy: "UPDATE",
    triggerConfigurations: [],
    autoScalingGroups: [],
    ec2TagFilters: [],
    onPremisesInstanceTagFilters: [],
    ...group,
  };
}
