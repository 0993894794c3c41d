import { join } from "node:path";
import { CloudwatchMetricAlarm } from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import { LambdaAlias } from "@cdktf/provider-aws/lib/lambda-alias";
import { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import { LambdaFunctionUrl } from "@cdktf/provider-aws/lib/lambda-function-url";
import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import { AssetType, Fn, TerraformAsset } from "cdktf";
import { Construct } from "constructs";
import type { FunctionSettings } from "../settings";
import { Role } from "./iam";
import type { IKey } from "./key";
import { LogGroup } from "./logs";
import { physicalName } from "./naming";

/** The newest runtime that the provider knows and AWS supports. */
const RUNTIME = "nodejs22.x";

/** The alias that callers use. */
const LIVE = "live";

export interface SafeFunctionProps {
  readonly project: string;
  /** Begins the name of all that the function holds. */
  readonly prefix: string;
  readonly name: string;
  readonly function: FunctionSettings;
  /** Folder with `<name>.zip`. */
  readonly bundles: string;
  readonly account: string;
  readonly key: IKey;
  readonly logRetentionDays: number;
  readonly boundary: string;
  readonly alarmTopicArn: string;
}

/** A function whose callers reach a published version through the alias `live`, by an address that asks for IAM. */
export class SafeFunction extends Construct {
  readonly url: string;

  constructor(scope: Construct, id: string, props: SafeFunctionProps) {
    super(scope, id);
    const name = physicalName("function", props.prefix, props.name);
    const { key } = props;

    const logs = new LogGroup(this, "logs", {
      name: `/aws/lambda/${name}`,
      key,
      retentionDays: props.logRetentionDays,
    });
    const failed = new SqsQueue(this, "failed", {
      name: physicalName("queue", name, "failed"),
      kmsMasterKeyId: key.arn,
      messageRetentionSeconds: 14 * 24 * 60 * 60,
    });
    const role = new Role(this, "role", {
      name: physicalName("iamRole", name, "function"),
      description: `What the function ${props.name} may do`,
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

    const bundle = new TerraformAsset(this, "bundle", {
      path: join(props.bundles, `${props.name}.zip`),
      type: AssetType.FILE,
    });
    const fn = new LambdaFunction(this, "function", {
      functionName: name,
      description: `${props.name} of ${props.prefix}`,
      role: role.arn,
      runtime: RUNTIME,
      architectures: ["arm64"],
      handler: "index.handler",
      filename: bundle.path,
      sourceCodeHash: Fn.filebase64sha256(bundle.path),
      publish: true,
      memorySize: props.function.memory,
      timeout: props.function.timeoutSeconds,
      reservedConcurrentExecutions: props.function.reservedConcurrency,
      kmsKeyArn: key.arn,
      environment: { variables: { PROJECT: props.project, ...props.function.variables } },
      deadLetterConfig: { targetArn: failed.arn },
      tracingConfig: { mode: "Active" },
      loggingConfig: { logFormat: "JSON", logGroup: logs.name },
      dependsOn: role.ready,
    });
    const live = new LambdaAlias(this, "live", {
      name: LIVE,
      description: "What callers use",
      functionName: fn.functionName,
      functionVersion: fn.version,
    });
    this.url = new LambdaFunctionUrl(this, "url", {
      functionName: fn.functionName,
      qualifier: live.name,
      authorizationType: "AWS_IAM",
    }).functionUrl;

    new CloudwatchMetricAlarm(this, "errors", {
      alarmName: `${name}-errors`,
      alarmDescription: "The function failed at least once in a minute.",
      namespace: "AWS/Lambda",
      metricName: "Errors",
      dimensions: { FunctionName: name, Resource: `${name}:${LIVE}` },
      statistic: "Sum",
      period: 60,
      evaluationPeriods: 1,
      threshold: 0,
      comparisonOperator: "GreaterThanThreshold",
      treatMissingData: "notBreaching",
      alarmActions: [props.alarmTopicArn],
      okActions: [props.alarmTopicArn],
    });
  }
}
