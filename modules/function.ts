import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import { AssetType, Fn, TerraformAsset } from "cdktf";
import type { Construct } from "constructs";
import { Role } from "./iam";
import type { IKey } from "./key";
import { LogGroup } from "./logs";
import { physicalName } from "./naming";

/** The newest runtime that the provider knows and AWS supports. */
const RUNTIME = "nodejs22.x";

export interface FunctionProps {
  /** Also begins the name of all that the function holds. */
  readonly name: string;
  readonly description: string;
  /** What its role is described as. */
  readonly roleDescription: string;
  /** Path of the archive that Lambda takes. */
  readonly archive: string;
  /** MiB. */
  readonly memory: number;
  readonly timeoutSeconds: number;
  /**
   * Executions at a time that are kept for, and allowed to, it. @default - none are kept: an account that is new has so
   * few that Lambda lets none be reserved
   */
  readonly reservedConcurrency?: number;
  readonly variables: Readonly<Record<string, string>>;
  /** Whether each change becomes a version of its own. @default false */
  readonly publish?: boolean;
  readonly key: IKey;
  readonly logRetentionDays: number;
  /** ARN of the role's permissions boundary. @default - none */
  readonly boundary?: string;
}

/**
 * What every function has, whoever calls it: an encrypted log, a queue for calls that failed for good, a role that may
 * do no more than it is granted, traces. Made right in the scope of the construct that it belongs to.
 */
export function createFunction(scope: Construct, props: FunctionProps): { fn: LambdaFunction; role: Role } {
  const { name, key } = props;
  const logs = new LogGroup(scope, "logs", {
    name: `/aws/lambda/${name}`,
    key,
    retentionDays: props.logRetentionDays,
  });
  const failed = new SqsQueue(scope, "failed", {
    name: physicalName("queue", name, "failed"),
    kmsMasterKeyId: key.arn,
    messageRetentionSeconds: 14 * 24 * 60 * 60,
  });
  const role = new Role(scope, "role", {
    name: physicalName("iamRole", name, "function"),
    description: props.roleDescription,
    service: "lambda.amazonaws.com",
    boundary: props.boundary,
  });
  logs.grantWrite(role);
  key.grantUse(role);
  role.allow(
    { actions: ["sqs:SendMessage"], resources: [failed.arn] },
    {
      actions: ["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
      resources: ["*"],
      reason: "X-Ray's writing actions have no resource.",
    },
  );
  const archive = new TerraformAsset(scope, "bundle", { path: props.archive, type: AssetType.FILE });
  const fn = new LambdaFunction(scope, "function", {
    functionName: name,
    description: props.description,
    role: role.arn,
    runtime: RUNTIME,
    architectures: ["arm64"],
    handler: "index.handler",
    filename: archive.path,
    sourceCodeHash: Fn.filebase64sha256(archive.path),
    publish: props.publish,
    memorySize: props.memory,
    timeout: props.timeoutSeconds,
    reservedConcurrentExecutions: props.reservedConcurrency,
    kmsKeyArn: key.arn,
    environment: { variables: { ...props.variables } },
    deadLetterConfig: { targetArn: failed.arn },
    tracingConfig: { mode: "Active" },
    loggingConfig: { logFormat: "JSON", logGroup: logs.name },
    dependsOn: role.ready,
  });
  return { fn, role };
}

export interface ErrorsAlarmProps {
  /** Of the function. */
  readonly name: string;
  readonly description: string;
  /** One of its aliases, whose calls alone count. @default - all calls */
  readonly alias?: string;
  /** What a minute without a call means: that all is well, or what the last call meant. */
  readonly silence: "notBreaching" | "ignore";
  readonly topicArn: string;
}

/** Tells a topic that a function failed, and that it no longer does. */
export function alarmOnErrors(scope: Construct, props: ErrorsAlarmProps): void {
  const { name, alias, topicArn } = props;
  new CloudwatchMetricAlarm(scope, "errors", {
    alarmName: `${name}-errors`,
    alarmDescription: props.description,
    namespace: "AWS/Lambda",
    metricName: "Errors",
    dimensions: { FunctionName: name, ...(alias && { Resource: `${name}:${alias}` }) },
    statistic: "Sum",
    period: 60,
    evaluationPeriods: 1,
    threshold: 0,
    comparisonOperator: "GreaterThanThreshold",
    treatMissingData: props.silence,
    alarmActions: [topicArn],
    okActions: [topicArn],
  });
}
