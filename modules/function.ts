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

/** What running in a VPC takes (developer guide, "Giving Lambda functions access to resources in an Amazon VPC"). */
export const VPC_USE = [
  "ec2:AssignPrivateIpAddresses",
  "ec2:CreateNetworkInterface",
  "ec2:DeleteNetworkInterface",
  "ec2:DescribeNetworkInterfaces",
  "ec2:DescribeSubnets",
  "ec2:UnassignPrivateIpAddresses",
];

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
  /** Whether its code is a release's to change, once it is made. @default false: it changes with the archive */
  readonly released?: boolean;
  /** Where in a VPC it runs. @default - in none */
  readonly vpc?: { readonly subnetIds: readonly string[]; readonly securityGroupIds: readonly string[] };
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
  if (props.vpc)
    role.allow(
      {
        actions: VPC_USE,
        resources: ["*"],
        reason: "Lambda makes, and finds, network interfaces that have no name of their own.",
      },
      {
        // Lambda itself, and not what runs in it.
        effect: "Deny",
        actions: VPC_USE.filter((action) => !action.includes(":Describe")),
        resources: ["*"],
        conditions: { ArnLike: { "lambda:SourceFunctionArn": `arn:aws:lambda:*:*:function:${name}` } },
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
    // Traces name the lines of the source, by the map that lies beside the bundle.
    environment: { variables: { NODE_OPTIONS: "--enable-source-maps", ...props.variables } },
    ...(props.vpc && {
      vpcConfig: {
        subnetIds: [...props.vpc.subnetIds],
        securityGroupIds: [...props.vpc.securityGroupIds],
      },
    }),
    deadLetterConfig: { targetArn: failed.arn },
    tracingConfig: { mode: "Active" },
    loggingConfig: { logFormat: "JSON", logGroup: logs.name },
    ...(props.released && { lifecycle: { ignoreChanges: ["filename", "source_code_hash"] } }),
    dependsOn: role.ready,
  });
  return { fn, role };
}
