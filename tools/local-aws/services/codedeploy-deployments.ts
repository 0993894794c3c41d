import { createHash } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import { assumeServiceRole } from "../builds/role";
import { type Platform, readAppSpec } from "../deployments/app-spec";
import type { DeploymentStatus, RollbackEvent } from "../deployments/deployment";
import type { Deployments, Ordered } from "../deployments/deployments";
import { reach } from "../deployments/reach";
import type { ServiceSettings } from "../deployments/service-target";
import { shiftsOf, trafficRouting } from "../deployments/traffic";
import type { EmulatedTime } from "../time";
import type { DeploymentConfig } from "./deployment-configs";
import { name, now, type Operation, type operationsOf, Store } from "./service";

/** A group, with what AWS fills in, and the platform that its application is for. */
export interface DeployableGroup {
  readonly platform: "Server" | Platform;
  readonly id: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

export interface DeploymentOperationsProps {
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  readonly time: EmulatedTime;
  readonly deployments: Deployments;
  readonly define: ReturnType<typeof operationsOf>;
  /** @throws AwsError where there is no such application */
  readonly findApplication: (scope: Scope, application: string) => unknown;
  /** @throws AwsError where there is no such group */
  readonly findGroup: (scope: Scope, application: string, group: string) => DeployableGroup;
  /** @throws AwsError where there is none for the platform */
  readonly findConfig: (scope: Scope, platform: Platform, config: string) => DeploymentConfig;
}

const content = z.looseObject({ content: name, sha256: z.string().optional() });
const revisionLocation = z.looseObject({
  revisionType: z.enum(["S3", "GitHub", "String", "AppSpecContent"]),
  appSpecContent: content.optional(),
  string: content.optional(),
  s3Location: z
    .looseObject({
      bucket: name,
      key: name,
      bundleType: z.string().optional(),
      version: z.string().optional(),
    })
    .optional(),
});
type Revision = z.output<typeof revisionLocation>;

const alarmConfiguration = z.looseObject({
  enabled: z.boolean().default(false),
  ignorePollAlarmFailure: z.boolean().default(false),
  alarms: z.array(z.looseObject({ name })).default([]),
});
const rollbackConfiguration = z.looseObject({
  enabled: z.boolean().default(false),
  events: z
    .array(z.enum(["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]))
    .default([]),
});
const names = z.array(z.looseObject({ name: z.string() })).default([]);
const listeners = z.looseObject({ listenerArns: z.array(z.string()).default([]) }).optional();
/** The part of a group that its deployments look at. */
const groupSettings = z.looseObject({
  serviceRoleArn: name,
  deploymentConfigName: name,
  alarmConfiguration,
  autoRollbackConfiguration: rollbackConfiguration,
  ecsServices: z.array(z.looseObject({ clusterName: name, serviceName: name })).optional(),
  loadBalancerInfo: z
    .looseObject({
      targetGroupPairInfoList: z
        .array(
          z.looseObject({ targetGroups: names, prodTrafficRoute: listeners, testTrafficRoute: listeners }),
        )
        .default([]),
    })
    .optional(),
  blueGreenDeploymentConfiguration: z
    .looseObject({
      terminateBlueInstancesOnDeploymentSuccess: z
        .looseObject({ terminationWaitTimeInMinutes: z.number().default(0) })
        .optional(),
      deploymentReadyOption: z
        .looseObject({ actionOnTimeout: z.string().optional(), waitTimeInMinutes: z.number().default(0) })
        .optional(),
    })
    .optional(),
});
type GroupSettings = z.output<typeof groupSettings>;

const statuses = [
  "Created",
  "Queued",
  "InProgress",
  "Baking",
  "Succeeded",
  "Failed",
  "Stopped",
  "Ready",
] as const;
const id = z.string();

/** CodeDeploy's deployments, their targets, and the revisions that were registered. */
export function deploymentOperations(props: DeploymentOperationsProps): Record<string, Operation> {
  const { define, deployments, findApplication, findGroup, findConfig } = props;
  const revisions = new Store<{ readonly revision: Revision; readonly info: Record<string, unknown> }>();
  const keyOf = (application: string, revision: Revision) => `${application}/${JSON.stringify(revision)}`;
  const findTarget = (scope: Scope, deploymentId: string, targetId: string) => {
    const found = deployments.find(scope, deploymentId);
    if (targetIdOf(found) === targetId) return found;
    throw new AwsError(
      "DeploymentTargetDoesNotExistException",
      `The deployment ${deploymentId} has no target ${targetId}`,
    );
  };

  return {
    CreateDeployment: define(
      z.looseObject({
        applicationName: name,
        deploymentGroupName: name,
        revision: revisionLocation,
        deploymentConfigName: name.optional(),
        description: z.string().optional(),
        autoRollbackConfiguration: rollbackConfiguration.optional(),
        overrideAlarmConfiguration: alarmConfiguration.optional(),
      }),
      async (input, scope) => {
        const { applicationName, deploymentGroupName, revision } = input;
        const group = findGroup(scope, applicationName, deploymentGroupName);
        const { platform } = group;
        if (platform === "Server") {
          throw new AwsError(
            "UnsupportedActionForDeploymentTypeException",
            "Local AWS deploys to Lambda and ECS alone, and to no servers",
          );
        }
        const settings = groupSettings.parse(group.settings);
        const configName = input.deploymentConfigName ?? settings.deploymentConfigName;
        const config = findConfig(scope, platform, configName);
        const role = settings.serviceRoleArn;
        const { account, region } = scope;
        const source = `arn:aws:codedeploy:${region}:${account}:deploymentgroup:${applicationName}/${deploymentGroupName}`;
        const spec = readAppSpec(await contentOf(revision, props.endpoint(), scope, role, source), platform);
        const alarms = input.overrideAlarmConfiguration ?? settings.alarmConfiguration;
        const rollback = input.autoRollbackConfiguration ?? settings.autoRollbackConfiguration;
        const { deployment } = deployments.begin(
          {
            scope,
            platform,
            application: applicationName,
            group: deploymentGroupName,
            groupId: group.id,
            description: input.description,
            configName,
            creator: "user",
            revision,
            settings: {
              deploymentStyle: settings.deploymentStyle,
              blueGreenDeploymentConfiguration: settings.blueGreenDeploymentConfiguration,
              loadBalancerInfo: settings.loadBalancerInfo,
              autoRollbackConfiguration: rollback,
              overrideAlarmConfiguration: input.overrideAlarmConfiguration,
            },
          },
          {
            hooks: spec.hooks,
            shifts: shiftsOf(trafficRouting.parse(config.trafficRoutingConfig)),
            alarms: alarms.enabled ? alarms.alarms.map((alarm) => alarm.name) : [],
            ignoreAlarmFailure: alarms.ignorePollAlarmFailure,
            rollbackOn: new Set<RollbackEvent>(rollback.enabled ? rollback.events : []),
            ...waits(settings),
            open: (deploymentId) =>
              reach({
                endpoint: props.endpoint(),
                scope,
                role,
                group: source,
                id: deploymentId,
                spec,
                service: serviceOf(settings),
                time: props.time,
              }),
          },
        );
        return { deploymentId: deployment.id };
      },
    ),
    GetDeployment: define(z.looseObject({ deploymentId: id }), ({ deploymentId }, scope) => ({
      deploymentInfo: describe(deployments.find(scope, deploymentId)),
    })),
    BatchGetDeployments: define(
      z.looseObject({ deploymentIds: z.array(id).max(25) }),
      ({ deploymentIds }, scope) => ({
        deploymentsInfo: deploymentIds.map((wanted) => describe(deployments.find(scope, wanted))),
      }),
    ),
    ListDeployments: define(
      z.looseObject({
        applicationName: name.optional(),
        deploymentGroupName: name.optional(),
        includeOnlyStatuses: z.array(z.enum(statuses)).optional(),
        createTimeRange: z.looseObject({ start: z.number().nullish(), end: z.number().nullish() }).optional(),
      }),
      (input, scope) => {
        const { applicationName, deploymentGroupName, includeOnlyStatuses: wanted, createTimeRange } = input;
        if (deploymentGroupName && !applicationName)
          throw new AwsError("ApplicationNameRequiredException", "A group is one of an application: name it");
        const groupId =
          applicationName && deploymentGroupName
            ? findGroup(scope, applicationName, deploymentGroupName).id
            : undefined;
        if (applicationName) findApplication(scope, applicationName);
        const { start, end } = createTimeRange ?? {};
        const found = deployments
          .in(scope)
          .filter(
            ({ order, deployment: { status, createTime } }) =>
              (!applicationName || order.application === applicationName) &&
              (!groupId || order.groupId === groupId) &&
              (!wanted?.length || wanted.includes(status)) &&
              createTime >= (start ?? 0) &&
              createTime <= (end ?? Number.POSITIVE_INFINITY),
          );
        return { deployments: found.map(({ deployment }) => deployment.id) };
      },
    ),
    StopDeployment: define(
      z.looseObject({ deploymentId: id, autoRollbackEnabled: z.boolean().optional() }),
      ({ deploymentId, autoRollbackEnabled }, scope) => {
        const { deployment } = deployments.find(scope, deploymentId);
        if (deployment.over) throw completed(deploymentId);
        deployment.stop(autoRollbackEnabled);
        return { status: "Pending", statusMessage: "The deployment is being stopped." };
      },
    ),
    ContinueDeployment: define(
      z.looseObject({
        deploymentId: id,
        deploymentWaitType: z.enum(["READY_WAIT", "TERMINATION_WAIT"]).default("READY_WAIT"),
      }),
      ({ deploymentId, deploymentWaitType }, scope) => {
        const { deployment } = deployments.find(scope, deploymentId);
        if (deployment.over) throw completed(deploymentId);
        if (!deployment.continue(deploymentWaitType)) {
          throw new AwsError(
            "DeploymentIsNotInReadyStateException",
            `The deployment ${deploymentId} does not wait in ${deploymentWaitType}`,
          );
        }
      },
    ),
    PutLifecycleEventHookExecutionStatus: define(
      z.looseObject({
        deploymentId: id,
        lifecycleEventHookExecutionId: name,
        status: z.string(),
      }),
      ({ deploymentId, lifecycleEventHookExecutionId, status }, scope) => {
        const { deployment } = deployments.find(scope, deploymentId);
        if (status !== "Succeeded" && status !== "Failed") {
          throw new AwsError(
            "InvalidLifecycleEventHookExecutionStatusException",
            `The status of a lifecycle event hook is Succeeded or Failed, and not ${status}`,
          );
        }
        switch (deployment.decide(lifecycleEventHookExecutionId, status)) {
          case "unknown":
            throw new AwsError(
              "InvalidLifecycleEventHookExecutionIdException",
              `The deployment ${deploymentId} has no such lifecycle event hook execution`,
            );
          case "decided":
            throw new AwsError(
              "LifecycleEventAlreadyCompletedException",
              `The lifecycle event hook of the deployment ${deploymentId} is already completed`,
            );
        }
        return { lifecycleEventHookExecutionId };
      },
    ),
    ListDeploymentTargets: define(
      z.looseObject({
        deploymentId: id,
        targetFilters: z.record(z.string(), z.array(z.string())).optional(),
      }),
      ({ deploymentId, targetFilters }, scope) => {
        const found = deployments.find(scope, deploymentId);
        const wanted = targetFilters?.TargetStatus;
        const targetId = targetIdOf(found);
        return { targetIds: targetId && (!wanted || wanted.includes(targetStatus(found))) ? [targetId] : [] };
      },
    ),
    GetDeploymentTarget: define(
      z.looseObject({ deploymentId: id, targetId: name }),
      ({ deploymentId, targetId }, scope) => ({
        deploymentTarget: describeTarget(findTarget(scope, deploymentId, targetId)),
      }),
    ),
    BatchGetDeploymentTargets: define(
      z.looseObject({ deploymentId: id, targetIds: z.array(name).max(25) }),
      ({ deploymentId, targetIds }, scope) => ({
        deploymentTargets: targetIds.map((wanted) => describeTarget(findTarget(scope, deploymentId, wanted))),
      }),
    ),
    RegisterApplicationRevision: define(
      z.looseObject({
        applicationName: name,
        description: z.string().optional(),
        revision: revisionLocation,
      }),
      ({ applicationName, description, revision }, scope) => {
        findApplication(scope, applicationName);
        const info = { description, registerTime: now(), deploymentGroups: [] };
        revisions.in(scope).set(keyOf(applicationName, revision), { revision, info });
      },
    ),
    GetApplicationRevision: define(
      z.looseObject({ applicationName: name, revision: revisionLocation }),
      ({ applicationName, revision }, scope) => {
        findApplication(scope, applicationName);
        const found = revisions.in(scope).get(keyOf(applicationName, revision));
        if (!found) {
          throw new AwsError(
            "RevisionDoesNotExistException",
            `The application ${applicationName} has no such revision`,
          );
        }
        return { applicationName, revision: found.revision, revisionInfo: found.info };
      },
    ),
  };
}

/** The latest deployments of a group, as its description has them. */
export function latestOf(deployments: Deployments, scope: Scope, groupId: string) {
  const own = deployments.in(scope).filter(({ order }) => order.groupId === groupId);
  const tell = (found: Ordered | undefined) =>
    found && {
      deploymentId: found.deployment.id,
      status: found.deployment.status,
      createTime: found.deployment.createTime,
      endTime: found.deployment.completeTime,
    };
  return {
    lastAttemptedDeployment: tell(own[0]),
    lastSuccessfulDeployment: tell(own.find(({ deployment: { status } }) => status === "Succeeded")),
  };
}

/** The AppSpec of a revision. */
async function contentOf(
  revision: Revision,
  endpoint: string,
  { region }: Scope,
  roleArn: string,
  source: string,
) {
  const { revisionType, s3Location } = revision;
  const given = { AppSpecContent: revision.appSpecContent, String: revision.string, S3: undefined };
  if (revisionType === "GitHub")
    throw new AwsError("InvalidRevisionException", "Local AWS has no repositories: hand the AppSpec file in");
  if (revisionType === "S3" && s3Location) {
    const as = { service: "codedeploy.amazonaws.com", source };
    const role = await assumeServiceRole({ endpoint, region, roleArn, session: "codedeploy", ...as });
    return await role.readObject(s3Location.bucket, s3Location.key).catch((error: Error) => {
      throw new AwsError("InvalidRevisionException", `The AppSpec file cannot be read: ${error.message}`);
    });
  }
  const found = given[revisionType];
  if (!found)
    throw new AwsError("RevisionRequiredException", `The revision of type ${revisionType} is missing`);
  const sum = createHash("sha256").update(found.content).digest("hex");
  if (found.sha256 && found.sha256 !== sum)
    throw new AwsError("InvalidRevisionException", `The SHA256 hash of the AppSpec file is ${sum}`);
  return found.content;
}

function waits({ blueGreenDeploymentConfiguration: settings }: GroupSettings) {
  const ready = settings?.deploymentReadyOption;
  const { terminationWaitTimeInMinutes = 0 } = settings?.terminateBlueInstancesOnDeploymentSuccess ?? {};
  return {
    readyMinutes: ready?.actionOnTimeout === "STOP_DEPLOYMENT" ? ready.waitTimeInMinutes : undefined,
    terminationMinutes: terminationWaitTimeInMinutes,
  };
}

function serviceOf({ ecsServices, loadBalancerInfo }: GroupSettings): ServiceSettings | undefined {
  const [service] = ecsServices ?? [];
  const [pair] = loadBalancerInfo?.targetGroupPairInfoList ?? [];
  return (
    service && {
      clusterName: service.clusterName,
      serviceName: service.serviceName,
      targetGroups: pair?.targetGroups.map((group) => group.name) ?? [],
      productionListeners: pair?.prodTrafficRoute?.listenerArns ?? [],
      testListeners: pair?.testTrafficRoute?.listenerArns ?? [],
    }
  );
}

function describe({ order, deployment, previousRevision, rollback }: Ordered) {
  return {
    applicationName: order.application,
    deploymentGroupName: order.group,
    deploymentConfigName: order.configName,
    deploymentId: deployment.id,
    previousRevision,
    revision: order.revision,
    status: deployment.status,
    errorInformation: deployment.error,
    createTime: deployment.createTime,
    startTime: deployment.startTime,
    completeTime: deployment.completeTime,
    description: order.description,
    creator: order.creator,
    ignoreApplicationStopFailures: false,
    updateOutdatedInstancesOnly: false,
    rollbackInfo: rollback,
    instanceTerminationWaitTimeStarted: deployment.terminating,
    fileExistsBehavior: "DISALLOW",
    deploymentStatusMessages: [],
    computePlatform: order.platform,
    ...order.settings,
  };
}

const targetIdOf = ({ deployment }: Ordered) => deployment.reach?.target.id;

/** As CodeDeploy says of a target what it says of its deployment. */
const TARGET_STATUS: Readonly<Record<DeploymentStatus, string>> = {
  Created: "Pending",
  InProgress: "InProgress",
  Ready: "Ready",
  Succeeded: "Succeeded",
  Failed: "Failed",
  Stopped: "Failed",
};
const targetStatus = ({ deployment }: Ordered) => TARGET_STATUS[deployment.status];

function describeTarget(ordered: Ordered) {
  const { order, deployment } = ordered;
  const { target } = deployment.reach ?? {};
  const [key, deploymentTargetType] =
    order.platform === "ECS" ? ["ecsTarget", "ECSTarget"] : ["lambdaTarget", "LambdaTarget"];
  const times = deployment.events.flatMap(({ startTime = 0, endTime = 0 }) => [startTime, endTime]);
  return {
    deploymentTargetType,
    [key as string]: {
      deploymentId: deployment.id,
      targetId: target?.id,
      ...target?.describe(deployment.props.reverts ?? false),
      status: targetStatus(ordered),
      lastUpdatedAt: Math.max(deployment.createTime, ...times),
      lifecycleEvents: deployment.events.map(({ name: lifecycleEventName, diagnostics, ...event }) => ({
        lifecycleEventName,
        ...event,
        diagnostics: diagnostics && { errorCode: "UnknownError", ...diagnostics },
      })),
    },
  };
}

const completed = (deploymentId: string) =>
  new AwsError("DeploymentAlreadyCompletedException", `The deployment ${deploymentId} is already completed`);
