import {
  AppautoscalingPolicy,
  type AppautoscalingPolicyTargetTrackingScalingPolicyConfiguration,
} from "@cdktf/provider-aws/lib/appautoscaling-policy";
import { AppautoscalingTarget } from "@cdktf/provider-aws/lib/appautoscaling-target";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import type { EcsService } from "@cdktf/provider-aws/lib/ecs-service";
import type { LbTargetGroup } from "@cdktf/provider-aws/lib/lb-target-group";
import type { Construct } from "constructs";
import type { ServiceSettings } from "../settings";
import type { Chart, Line } from "./dashboard";
import type { LoadBalancer } from "./load-balancer";

/** A service, and what its metrics go by. */
export interface Watched {
  readonly name: string;
  /** Begins the names of what is made. */
  readonly fullName: string;
  readonly service: ServiceSettings;
  readonly clusterName: string;
  readonly loadBalancer: LoadBalancer;
  /** Both: releases change from one to the other. */
  readonly groups: readonly LbTargetGroup[];
}

/** As many tasks as CPU, memory and requests ask for. */
export function scale(scope: Construct, watched: Watched, service: EcsService): void {
  const { clusterName, name, fullName, loadBalancer, groups } = watched;
  const { minCount, maxCount, requestsPerTask } = watched.service;
  const target = new AppautoscalingTarget(scope, "scaling", {
    serviceNamespace: "ecs",
    scalableDimension: "ecs:service:DesiredCount",
    resourceId: `service/${clusterName}/${name}`,
    minCapacity: minCount,
    maxCapacity: maxCount,
    dependsOn: [service],
  });
  const track = (
    what: string,
    targetValue: number,
    metric: Pick<
      AppautoscalingPolicyTargetTrackingScalingPolicyConfiguration,
      "predefinedMetricSpecification" | "customizedMetricSpecification"
    >,
  ) =>
    new AppautoscalingPolicy(scope, `scaling-${what}`, {
      name: `${fullName}-${what}`,
      policyType: "TargetTrackingScaling",
      serviceNamespace: target.serviceNamespace,
      scalableDimension: target.scalableDimension,
      resourceId: target.resourceId,
      targetTrackingScalingPolicyConfiguration: {
        targetValue,
        scaleInCooldown: 300,
        scaleOutCooldown: 60,
        ...metric,
      },
    });
  const average = (predefinedMetricType: string) => ({
    predefinedMetricSpecification: { predefinedMetricType },
  });
  track("cpu", 60, average("ECSServiceAverageCPUUtilization"));
  track("memory", 75, average("ECSServiceAverageMemoryUtilization"));
  // ALBRequestCountPerTarget names one target group, and releases change from one to the other.
  track("requests", requestsPerTask, {
    customizedMetricSpecification: {
      metrics: [
        ...groups.map((group) => ({
          id: group.node.id,
          returnData: false,
          metricStat: {
            stat: "Sum",
            metric: {
              namespace: "AWS/ApplicationELB",
              metricName: "RequestCountPerTarget",
              dimensions: [
                { name: "LoadBalancer", value: loadBalancer.arnSuffix },
                { name: "TargetGroup", value: group.arnSuffix },
              ],
            },
          },
        })),
        {
          id: "requests",
          label: "Requests a minute and task, in either target group",
          expression: groups.map((group) => `FILL(${group.node.id}, 0)`).join(" + "),
          returnData: true,
        },
      ],
    },
  });
}

/** A share, so that it is right for few requests and for many; and of one version, since each has a target group. */
const MOST_FAILED_PERCENT = 5;

/** Hundreds of the statuses that are no failure. */
const ANSWERED = [2, 3, 4];

/** @returns names of the alarms that bring the old version back */
export function alarm(scope: Construct, watched: Watched, topicArn: string): string[] {
  const { name, fullName, clusterName, loadBalancer, service, groups } = watched;
  const told = { alarmActions: [topicArn], okActions: [topicArn] };
  const ofGroups = groups.flatMap((group) => {
    const colour = group.node.id;
    const ofGroup = {
      ...told,
      namespace: "AWS/ApplicationELB",
      dimensions: { LoadBalancer: loadBalancer.arnSuffix, TargetGroup: group.arnSuffix },
      period: 60,
      comparisonOperator: "GreaterThanThreshold",
      treatMissingData: "notBreaching",
    };
    const ofBalancer = (metricName: string) => ({
      namespace: ofGroup.namespace,
      metricName,
      dimensions: ofGroup.dimensions,
      stat: "Sum",
      period: ofGroup.period,
    });
    return [
      new CloudwatchMetricAlarm(scope, `${colour}-errors`, {
        ...told,
        alarmName: `${fullName}-${colour}-errors`,
        alarmDescription: `More than ${MOST_FAILED_PERCENT} % of the requests to ${name} failed, and more than one, in two minutes of three.`,
        metricQuery: [
          { id: "requests", metric: ofBalancer("RequestCount"), returnData: false },
          // Not the 5xx: what a task breaks off, or does not answer at all, is the load balancer's own answer.
          ...ANSWERED.map((kind) => ({
            id: `answered${kind}`,
            metric: ofBalancer(`HTTPCode_Target_${kind}XX_Count`),
            returnData: false,
          })),
          {
            id: "failed",
            expression: ["requests", ...ANSWERED.map((kind) => `FILL(answered${kind}, 0)`)].join(" - "),
            returnData: false,
          },
          {
            id: "share",
            expression: "IF(failed > 1, 100 * failed / requests, 0)",
            label: "Failed requests, %",
            returnData: true,
          },
        ],
        evaluationPeriods: 3,
        datapointsToAlarm: 2,
        threshold: MOST_FAILED_PERCENT,
        comparisonOperator: "GreaterThanThreshold",
        treatMissingData: "notBreaching",
      }),
      new CloudwatchMetricAlarm(scope, `${colour}-unhealthy`, {
        ...ofGroup,
        alarmName: `${fullName}-${colour}-unhealthy`,
        alarmDescription: `A task of ${name} failed its health check for 3 minutes.`,
        metricName: "UnHealthyHostCount",
        statistic: "Maximum",
        evaluationPeriods: 3,
        threshold: 0,
      }),
      new CloudwatchMetricAlarm(scope, `${colour}-slow`, {
        ...ofGroup,
        alarmName: `${fullName}-${colour}-slow`,
        alarmDescription: `One in a hundred answers of ${name} took longer than ${service.slowMilliseconds} ms, for 3 minutes.`,
        metricName: "TargetResponseTime",
        extendedStatistic: "p99",
        evaluationPeriods: 3,
        // Seconds.
        threshold: service.slowMilliseconds / 1000,
      }),
    ];
  });
  const count = (metricName: string) => ({
    namespace: "ECS/ContainerInsights",
    metricName,
    dimensions: { ClusterName: clusterName, ServiceName: name },
    stat: "Average",
    period: 60,
  });
  // ECS counts no restarts: a task that ends again and again is one that does not run.
  const missing = new CloudwatchMetricAlarm(scope, "missing", {
    ...told,
    alarmName: `${fullName}-missing`,
    alarmDescription: `Fewer tasks of ${name} ran than should, in 4 of 5 minutes: they do not start, or end again.`,
    metricQuery: [
      { id: "desired", metric: count("DesiredTaskCount"), returnData: false },
      { id: "running", metric: count("RunningTaskCount"), returnData: false },
      // During a release there are two, each with the service's number of tasks.
      { id: "versions", metric: count("TaskSetCount"), returnData: false },
      {
        id: "missing",
        expression: "desired * FILL(versions, 1) - running",
        label: "Missing tasks",
        returnData: true,
      },
    ],
    evaluationPeriods: 5,
    datapointsToAlarm: 4,
    threshold: 0,
    comparisonOperator: "GreaterThanThreshold",
    treatMissingData: "notBreaching",
  });
  return [...ofGroups, missing].map(({ alarmNameInput }) => alarmNameInput!);
}

/** The service's row of the dashboard. */
export function draw({ name, clusterName, loadBalancer, groups }: Watched): Chart[] {
  const task = ["ClusterName", clusterName, "ServiceName", name];
  const ofGroups = (metric: string, label: string, stat?: string): Line[] =>
    groups.map((group) => ({
      metric: [
        "AWS/ApplicationELB",
        metric,
        "LoadBalancer",
        loadBalancer.arnSuffix,
        "TargetGroup",
        group.arnSuffix,
      ],
      label: `${label} ${group.node.id}`,
      stat,
    }));
  const ofTasks = (namespace: string, metric: string, label: string): Line => ({
    metric: [namespace, metric, ...task],
    label,
  });
  return [
    {
      // A release is seen here: one group's requests fall as the other's rise.
      title: `${name}: requests and errors`,
      stat: "Sum",
      lines: [...ofGroups("RequestCount", "requests"), ...ofGroups("HTTPCode_Target_5XX_Count", "5xx")],
    },
    {
      title: `${name}: latency, s`,
      stat: "p99",
      lines: [...ofGroups("TargetResponseTime", "p99"), ...ofGroups("TargetResponseTime", "median", "p50")],
    },
    {
      title: `${name}: CPU and memory, %`,
      stat: "Average",
      lines: [ofTasks("AWS/ECS", "CPUUtilization", "CPU"), ofTasks("AWS/ECS", "MemoryUtilization", "memory")],
    },
    {
      title: `${name}: tasks and versions`,
      stat: "Average",
      lines: [
        ofTasks("ECS/ContainerInsights", "DesiredTaskCount", "wanted"),
        ofTasks("ECS/ContainerInsights", "RunningTaskCount", "running"),
        ofTasks("ECS/ContainerInsights", "TaskSetCount", "versions"),
      ],
    },
  ];
}
