import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import { Deployments } from "../deployments/deployments";
import { trafficRouting } from "../deployments/traffic";
import type { Publisher } from "../events/event";
import type { EmulatedTime } from "../time";
import { deploymentOperations, latestOf } from "./codedeploy-deployments";
import { type DeploymentConfig, PREDEFINED } from "./deployment-configs";
import {
  capitalPairs,
  capitalTagOperations,
  capitalTags,
  name,
  now,
  operationsOf,
  type Service,
  Store,
  Tags,
} from "./service";

const platform = z.enum(["Server", "Lambda", "ECS"]);
const roleArn = z.string().regex(/^arn:aws[\w-]*:iam::\d{12}:role\/.+/);
const applicationName = z.string().min(1).max(100);
const deploymentGroupName = z.string().min(1).max(100);
const groupSettings = z.looseObject({
  deploymentConfigName: name.optional(),
  deploymentStyle: z
    .looseObject({
      deploymentType: z.enum(["IN_PLACE", "BLUE_GREEN"]).optional(),
      deploymentOption: z.enum(["WITH_TRAFFIC_CONTROL", "WITHOUT_TRAFFIC_CONTROL"]).optional(),
    })
    .optional(),
});

type Group = Record<string, unknown> & { deploymentGroupId: string; deploymentGroupName: string };

interface Application {
  readonly applicationId: string;
  readonly applicationName: string;
  readonly computePlatform: z.output<typeof platform>;
  readonly createTime: number;
  readonly groups: Map<string, Group>;
}

/** What CodeDeploy calls an input that is missing or wrong, by its name. */
const SUBJECTS: Readonly<Record<string, string>> = {
  applicationName: "ApplicationName",
  applicationNames: "ApplicationName",
  newApplicationName: "ApplicationName",
  deploymentGroupName: "DeploymentGroupName",
  deploymentGroupNames: "DeploymentGroupName",
  currentDeploymentGroupName: "DeploymentGroupName",
  newDeploymentGroupName: "DeploymentGroupName",
  deploymentConfigName: "DeploymentConfigName",
  serviceRoleArn: "Role",
  computePlatform: "ComputePlatform",
  ResourceArn: "ResourceArn",
  deploymentStyle: "DeploymentStyle",
  trafficRoutingConfig: "TrafficRoutingConfiguration",
  minimumHealthyHosts: "MinimumHealthyHostValue",
  revision: "Revision",
  deploymentId: "DeploymentId",
  deploymentIds: "DeploymentId",
  targetId: "DeploymentTargetId",
  targetIds: "DeploymentTargetId",
  alarmConfiguration: "AlarmConfig",
  overrideAlarmConfiguration: "AlarmConfig",
  autoRollbackConfiguration: "AutoRollbackConfig",
  lifecycleEventHookExecutionId: "LifecycleEventHookExecutionId",
  status: "LifecycleEventHookExecutionStatus",
  tags: "TagsToAdd",
  Tags: "TagsToAdd",
  TagKeys: "TagsToAdd",
};
const REQUIRED = [
  "ApplicationName",
  "DeploymentGroupName",
  "DeploymentConfigName",
  "Role",
  "ResourceArn",
  "Revision",
  "DeploymentId",
  "DeploymentTargetId",
];

const define = operationsOf((path, missing) => {
  if (missing && (path === "Tags" || path === "TagKeys")) return "TagRequiredException";
  const subject = SUBJECTS[path.split(".")[0] ?? ""];
  if (!subject) return "InvalidInputException";
  return missing && REQUIRED.includes(subject) ? `${subject}RequiredException` : `Invalid${subject}Exception`;
});

export interface CodeDeployProps {
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  readonly time: EmulatedTime;
  /** Takes what becomes of deployments. @default - nobody does */
  readonly events?: Publisher;
}

/** CodeDeploy's applications, deployment groups, configurations and deployments. */
export function codedeploy({ endpoint, time, events }: CodeDeployProps): Service {
  const deployments = new Deployments(time, events);
  const applications = new Store<Application>();
  const configs = new Store<DeploymentConfig>();
  const tags = new Tags();
  const arnOf = ({ region, account }: Scope, kind: "application" | "deploymentgroup", resource: string) =>
    `arn:aws:codedeploy:${region}:${account}:${kind}:${resource}`;
  const find = (scope: Scope, wanted: string) => {
    const application = applications.in(scope).get(wanted);
    if (!application)
      throw new AwsError("ApplicationDoesNotExistException", `No application found for name: ${wanted}`);
    return application;
  };
  const findGroup = (application: Application, wanted: string) => {
    const group = application.groups.get(wanted);
    if (!group)
      throw new AwsError(
        "DeploymentGroupDoesNotExistException",
        `No Deployment Group found for name: ${wanted}`,
      );
    return group;
  };
  const findConfig = (scope: Scope, wanted: string) => {
    const config = PREDEFINED.get(wanted) ?? configs.in(scope).get(wanted);
    if (!config) {
      throw new AwsError(
        "DeploymentConfigDoesNotExistException",
        `No Deployment Configuration found for name: ${wanted}`,
      );
    }
    return config;
  };
  /** A configuration must be there and for its application's platform. */
  const checkConfig = (
    scope: Scope,
    computePlatform: Application["computePlatform"],
    configName?: string,
  ) => {
    if (configName && findConfig(scope, configName).computePlatform !== computePlatform) {
      throw new AwsError(
        "InvalidDeploymentConfigNameException",
        `The deployment configuration ${configName} is not for the compute platform ${computePlatform}`,
      );
    }
  };
  const tellGroup = (scope: Scope, application: Application, group: Group) => ({
    ...describeGroup(application, group),
    ...latestOf(deployments, scope, group.deploymentGroupId),
  });
  const forgetGroup = (scope: Scope, application: Application, group: string) => {
    application.groups.delete(group);
    tags.forget(arnOf(scope, "deploymentgroup", `${application.applicationName}/${group}`));
  };

  return {
    api: "CodeDeploy_20141006",
    stop: () => deployments.stop(),
    operations: {
      ...deploymentOperations({
        endpoint,
        time,
        deployments,
        define,
        findApplication: find,
        findGroup(scope, application, wanted) {
          const found = find(scope, application);
          const group = findGroup(found, wanted);
          const settings = describeGroup(found, group);
          return { platform: found.computePlatform, id: group.deploymentGroupId, settings };
        },
        findConfig(scope, platform, wanted) {
          checkConfig(scope, platform, wanted);
          return findConfig(scope, wanted);
        },
      }),
      CreateApplication: define(
        z.looseObject({
          applicationName,
          computePlatform: platform.default("Server"),
          tags: capitalTags.optional(),
        }),
        ({ applicationName, computePlatform, tags: given }, scope) => {
          if (applications.in(scope).has(applicationName)) {
            throw new AwsError(
              "ApplicationAlreadyExistsException",
              `Application already exists: ${applicationName}`,
            );
          }
          const applicationId = randomUUID();
          applications.in(scope).set(applicationName, {
            applicationId,
            applicationName,
            computePlatform,
            createTime: now(),
            groups: new Map(),
          });
          tags.put(arnOf(scope, "application", applicationName), capitalPairs(given));
          return { applicationId };
        },
      ),
      GetApplication: define(z.looseObject({ applicationName }), (input, scope) => ({
        application: describe(find(scope, input.applicationName)),
      })),
      BatchGetApplications: define(
        z.looseObject({ applicationNames: z.array(applicationName).max(100) }),
        ({ applicationNames }, scope) => ({
          applicationsInfo: applicationNames.map((wanted) => describe(find(scope, wanted))),
        }),
      ),
      ListApplications: define(z.looseObject({}), (_, scope) => ({
        applications: [...applications.in(scope).keys()].sort(),
      })),
      UpdateApplication: define(
        z.looseObject({ applicationName, newApplicationName: applicationName.optional() }),
        ({ applicationName: before, newApplicationName: after = before }, scope) => {
          const application = find(scope, before);
          if (after === before) return;
          if (applications.in(scope).has(after))
            throw new AwsError("ApplicationAlreadyExistsException", `Application already exists: ${after}`);
          applications.in(scope).delete(before);
          applications.in(scope).set(after, { ...application, applicationName: after });
          tags.move(arnOf(scope, "application", before), arnOf(scope, "application", after));
          for (const group of application.groups.keys()) {
            tags.move(
              arnOf(scope, "deploymentgroup", `${before}/${group}`),
              arnOf(scope, "deploymentgroup", `${after}/${group}`),
            );
          }
        },
      ),
      // As AWS does: what is not there counts as deleted.
      DeleteApplication: define(z.looseObject({ applicationName }), (input, scope) => {
        const application = applications.in(scope).get(input.applicationName);
        if (!application) return;
        for (const group of application.groups.keys()) forgetGroup(scope, application, group);
        applications.in(scope).delete(input.applicationName);
        tags.forget(arnOf(scope, "application", input.applicationName));
      }),
      CreateDeploymentGroup: define(
        groupSettings.extend({
          applicationName,
          deploymentGroupName,
          serviceRoleArn: roleArn,
          tags: capitalTags.optional(),
        }),
        ({ tags: given, ...input }, scope) => {
          const application = find(scope, input.applicationName);
          if (application.groups.has(input.deploymentGroupName)) {
            throw new AwsError(
              "DeploymentGroupAlreadyExistsException",
              `Deployment group name already exists: ${input.deploymentGroupName}`,
            );
          }
          checkConfig(scope, application.computePlatform, input.deploymentConfigName);
          checkEcsGroup(application, input);
          const deploymentGroupId = randomUUID();
          application.groups.set(input.deploymentGroupName, { ...input, deploymentGroupId });
          tags.put(
            arnOf(scope, "deploymentgroup", `${input.applicationName}/${input.deploymentGroupName}`),
            capitalPairs(given),
          );
          return { deploymentGroupId };
        },
      ),
      GetDeploymentGroup: define(z.looseObject({ applicationName, deploymentGroupName }), (input, scope) => {
        const application = find(scope, input.applicationName);
        return {
          deploymentGroupInfo: tellGroup(
            scope,
            application,
            findGroup(application, input.deploymentGroupName),
          ),
        };
      }),
      BatchGetDeploymentGroups: define(
        z.looseObject({ applicationName, deploymentGroupNames: z.array(deploymentGroupName).max(100) }),
        ({ applicationName, deploymentGroupNames }, scope) => {
          const application = find(scope, applicationName);
          return {
            deploymentGroupsInfo: deploymentGroupNames.map((wanted) =>
              tellGroup(scope, application, findGroup(application, wanted)),
            ),
          };
        },
      ),
      ListDeploymentGroups: define(z.looseObject({ applicationName }), ({ applicationName }, scope) => ({
        applicationName,
        deploymentGroups: [...find(scope, applicationName).groups.keys()].sort(),
      })),
      UpdateDeploymentGroup: define(
        groupSettings.extend({
          applicationName,
          currentDeploymentGroupName: deploymentGroupName,
          newDeploymentGroupName: deploymentGroupName.optional(),
          serviceRoleArn: roleArn.optional(),
        }),
        (input, scope) => {
          const {
            currentDeploymentGroupName: before,
            newDeploymentGroupName: after = before,
            ...changes
          } = input;
          const application = find(scope, input.applicationName);
          const group = findGroup(application, before);
          checkConfig(scope, application.computePlatform, changes.deploymentConfigName);
          const changed = { ...group, ...changes, deploymentGroupName: after };
          checkEcsGroup(application, changed);
          if (after !== before) {
            if (application.groups.has(after)) {
              throw new AwsError(
                "DeploymentGroupAlreadyExistsException",
                `Deployment group name already exists: ${after}`,
              );
            }
            const arn = (groupName: string) =>
              arnOf(scope, "deploymentgroup", `${input.applicationName}/${groupName}`);
            application.groups.delete(before);
            tags.move(arn(before), arn(after));
          }
          application.groups.set(after, changed);
          return { hooksNotCleanedUp: [] };
        },
      ),
      DeleteDeploymentGroup: define(
        z.looseObject({ applicationName, deploymentGroupName }),
        (input, scope) => {
          const application = applications.in(scope).get(input.applicationName);
          if (application) forgetGroup(scope, application, input.deploymentGroupName);
          return { hooksNotCleanedUp: [] };
        },
      ),
      CreateDeploymentConfig: define(
        z.looseObject({
          deploymentConfigName: z.string().min(1).max(100),
          computePlatform: platform.default("Server"),
          minimumHealthyHosts: z.looseObject({ type: z.enum(["HOST_COUNT", "FLEET_PERCENT"]) }).optional(),
          trafficRoutingConfig: trafficRouting.optional(),
        }),
        (input, scope) => {
          const { deploymentConfigName, computePlatform } = input;
          if (deploymentConfigName.startsWith("CodeDeployDefault."))
            throw new AwsError(
              "InvalidDeploymentConfigNameException",
              "Names that begin with CodeDeployDefault. are CodeDeploy's own",
            );
          if (configs.in(scope).has(deploymentConfigName)) {
            throw new AwsError(
              "DeploymentConfigAlreadyExistsException",
              `Deployment configuration already exists: ${deploymentConfigName}`,
            );
          }
          if (computePlatform !== "Server" && !input.trafficRoutingConfig) {
            throw new AwsError(
              "InvalidTrafficRoutingConfigurationException",
              `A configuration for ${computePlatform} needs a trafficRoutingConfig`,
            );
          }
          const deploymentConfigId = randomUUID();
          configs.in(scope).set(deploymentConfigName, { ...input, deploymentConfigId, createTime: now() });
          return { deploymentConfigId };
        },
      ),
      GetDeploymentConfig: define(z.looseObject({ deploymentConfigName: name }), (input, scope) => ({
        deploymentConfigInfo: findConfig(scope, input.deploymentConfigName),
      })),
      ListDeploymentConfigs: define(z.looseObject({}), (_, scope) => ({
        deploymentConfigsList: [...PREDEFINED.keys(), ...configs.in(scope).keys()],
      })),
      DeleteDeploymentConfig: define(z.looseObject({ deploymentConfigName: name }), (input, scope) => {
        const wanted = input.deploymentConfigName;
        if (PREDEFINED.has(wanted))
          throw new AwsError("InvalidOperationException", `${wanted} is CodeDeploy's own`);
        const users = [...applications.in(scope).values()].flatMap(({ groups }) => [...groups.values()]);
        if (users.some(({ deploymentConfigName }) => deploymentConfigName === wanted))
          throw new AwsError("DeploymentConfigInUseException", `A deployment group uses ${wanted}`);
        configs.in(scope).delete(wanted);
      }),
      ...capitalTagOperations(define, tags, (arn, scope) => {
        const [, kind, resource = ""] = /:(application|deploymentgroup):(.+)$/.exec(arn) ?? [];
        if (!kind) throw new AwsError("InvalidArnException", `Invalid ARN: ${arn}`);
        const [application = "", group] = resource.split("/");
        const found = find(scope, application);
        if (group) findGroup(found, group);
      }),
    },
  };
}

function describe({ groups: _, ...application }: Application) {
  return { ...application, linkedToGitHub: false };
}

/** For ECS, CodeDeploy knows blue/green alone, between two target groups. */
function checkEcsGroup({ computePlatform }: Application, group: Record<string, unknown>): void {
  if (computePlatform !== "ECS") return;
  const { deploymentType } = (group.deploymentStyle ?? {}) as { deploymentType?: string };
  if (deploymentType !== "BLUE_GREEN") {
    throw new AwsError("InvalidDeploymentStyleException", "Deployments of ECS services must be BLUE_GREEN");
  }
  if (!(group.ecsServices as unknown[] | undefined)?.length) {
    throw new AwsError("InvalidECSServiceException", "An ECS service must be named");
  }
  const info = group.loadBalancerInfo as
    | { targetGroupPairInfoList?: { targetGroups?: unknown[] }[] }
    | undefined;
  if (info?.targetGroupPairInfoList?.[0]?.targetGroups?.length !== 2) {
    throw new AwsError("InvalidTargetGroupPairException", "Two target groups must be named");
  }
}

/** What was given, with what AWS fills in where nothing was. */
function describeGroup({ applicationName, computePlatform }: Application, group: Group) {
  return {
    computePlatform,
    deploymentConfigName: DEFAULT_CONFIG[computePlatform],
    deploymentStyle: { deploymentType: "IN_PLACE", deploymentOption: "WITHOUT_TRAFFIC_CONTROL" },
    autoRollbackConfiguration: { enabled: false, events: [] },
    alarmConfiguration: { enabled: false, ignorePollAlarmFailure: false, alarms: [] },
    outdatedInstancesStrategy: "UPDATE",
    triggerConfigurations: [],
    autoScalingGroups: [],
    ec2TagFilters: [],
    onPremisesInstanceTagFilters: [],
    ...group,
    applicationName,
  };
}

const DEFAULT_CONFIG = {
  Server: "CodeDeployDefault.OneAtATime",
  Lambda: "CodeDeployDefault.LambdaAllAtOnce",
  ECS: "CodeDeployDefault.ECSAllAtOnce",
} as const;
