import { DataAwsSecretsmanagerSecret } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret";
import { EcsTaskDefinition } from "@cdktf/provider-aws/lib/ecs-task-definition";
import type { Construct } from "constructs";
import type { SecretReference, ServiceSettings } from "../settings";
import { Role } from "./iam";
import type { IKey } from "./key";
import { LogGroup } from "./logs";
import { physicalName } from "./naming";

/** Until the first release brings the service's own image: well for the load balancer, and no answer for users. */
const PLACEHOLDER_IMAGE = "public.ecr.aws/docker/library/node:22-alpine";
const placeholderCommand = (port: number, healthPath: string) => [
  "node",
  "-e",
  `const s=require("http").createServer((q,r)=>{r.statusCode=q.url===${JSON.stringify(healthPath)}?200:503;r.end("Waiting for the first release")}).listen(${port});process.on("SIGTERM",()=>s.close())`,
];

/** What all task definitions have in common. */
export const TASKS = {
  requiresCompatibilities: ["FARGATE"],
  networkMode: "awsvpc",
  runtimePlatform: { cpuArchitecture: "X86_64", operatingSystemFamily: "LINUX" },
};

/** The same order each time: another would be a change. */
const inOrder = <V>(values: Readonly<Record<string, V>>) =>
  Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1));

export interface TaskProps {
  readonly prefix: string;
  readonly name: string;
  /** Name of the repository, in the build account, of its images. */
  readonly repository: string;
  readonly service: ServiceSettings;
  readonly account: string;
  readonly region: string;
  readonly buildAccount: string;
  readonly buildRegion: string;
  readonly key: IKey;
  readonly logRetentionDays: number;
  readonly boundary: string;
  /** Where the cluster writes what is done in shells. @default - nowhere: no service of it has exec */
  readonly shellLogs?: LogGroup;
}

/** What a task definition says of a container whose image may change. */
export interface TaskShape {
  readonly family: string;
  readonly cpu: string;
  readonly memory: string;
  readonly executionRoleArn: string;
  readonly taskRoleArn: string;
  readonly container: { readonly name: string; readonly [setting: string]: unknown };
}

/** The task as a release runs it, but for its image. */
export function shapeTask(scope: Construct, props: TaskProps): TaskShape {
  const fullName = `${props.prefix}-${props.name}`;
  const { service, region, account, boundary, key } = props;
  const logs = new LogGroup(scope, "logs", {
    name: `/slipway/${props.prefix}/service/${props.name}`,
    key,
    retentionDays: props.logRetentionDays,
  });
  const execution = new Role(scope, "execution-role", {
    name: physicalName("iamRole", fullName, "execution"),
    description: `Starts the tasks of ${props.name}: pulls the image, writes the log`,
    service: "ecs-tasks.amazonaws.com",
    sourceAccount: account,
    boundary,
  });
  logs.grantWrite(execution);
  execution.allow(
    {
      actions: ["ecr:GetAuthorizationToken"],
      resources: ["*"],
      reason: "The one action of ECR that has no resource.",
    },
    {
      actions: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      resources: [`arn:aws:ecr:${props.buildRegion}:${props.buildAccount}:repository/${props.repository}`],
    },
  );
  const task = new Role(scope, "task-role", {
    name: physicalName("iamRole", fullName, "task"),
    description: `What ${props.name} itself may do: nothing, until granted`,
    service: "ecs-tasks.amazonaws.com",
    sourceAccount: account,
    boundary,
  });
  if (service.exec) allowShell(task, props);
  const secrets = inOrder(service.secrets).map(([name, secret]) => ({
    name,
    valueFrom: refer(scope, props, name, secret, execution),
  }));
  return {
    family: physicalName("ecsFamily", fullName),
    cpu: String(service.cpu),
    memory: String(service.memory),
    executionRoleArn: execution.arn,
    taskRoleArn: task.arn,
    container: {
      name: props.name,
      essential: true,
      // The agent of a shell writes to it.
      readonlyRootFilesystem: !service.exec,
      linuxParameters: { initProcessEnabled: true },
      portMappings: [{ containerPort: service.port, hostPort: service.port, protocol: "tcp" }],
      environment: inOrder({ ...service.variables, PORT: String(service.port) }).map(([name, value]) => ({
        name,
        value,
      })),
      ...(secrets.length && { secrets }),
      logConfiguration: {
        logDriver: "awslogs",
        options: {
          "awslogs-group": logs.name,
          "awslogs-region": region,
          "awslogs-stream-prefix": props.name,
        },
      },
    },
  };
}

/** A shell in a task, through AWS, with all that is typed and shown in a log. */
function allowShell(task: Role, { key, shellLogs }: TaskProps): void {
  task.allow(
    {
      actions: [
        "ssmmessages:CreateControlChannel",
        "ssmmessages:CreateDataChannel",
        "ssmmessages:OpenControlChannel",
        "ssmmessages:OpenDataChannel",
      ],
      resources: ["*"],
      reason: "What a shell in a task goes through has no resource.",
    },
    { actions: ["logs:DescribeLogGroups"], resources: ["*"], reason: "Describing has no resource." },
  );
  key.grantUse(task);
  if (!shellLogs) throw new Error("A service with exec needs a log group for what is done in its shells");
  shellLogs.grantWrite(task);
  task.allow({ actions: ["logs:DescribeLogStreams"], resources: [`${shellLogs.arn}:*`] });
}

/** Where ECS finds a secret's value, which is nowhere in Terraform; the role may read that one. */
function refer(
  scope: Construct,
  { region, account }: TaskProps,
  variable: string,
  secret: SecretReference,
  execution: Role,
): string {
  const decrypt = (service: string, context: string, arn: string) => ({
    // By whatever key it is encrypted, but through that service, and this secret alone.
    actions: ["kms:Decrypt"],
    resources: [`arn:aws:kms:${region}:${account}:key/*`],
    conditions: {
      StringEquals: {
        "kms:ViaService": `${service}.${region}.amazonaws.com`,
        [`kms:EncryptionContext:${context}`]: arn,
      },
    },
  });
  if (secret.kind === "ssm") {
    const arn = `arn:aws:ssm:${region}:${account}:parameter/${secret.name.replace(/^\//, "")}`;
    execution.allow({ actions: ["ssm:GetParameters"], resources: [arn] });
    execution.allow(decrypt("ssm", "PARAMETER_ARN", arn));
    return arn;
  }
  const { arn } = new DataAwsSecretsmanagerSecret(scope, `secret-${variable}`, { name: secret.name });
  execution.allow({ actions: ["secretsmanager:GetSecretValue"], resources: [arn] });
  execution.allow(decrypt("secretsmanager", "SecretARN", arn));
  return secret.field ? `${arn}:${secret.field}::` : arn;
}

/** The task as it is before the first release: with an image that is everywhere. */
export function definePlaceholder(
  scope: Construct,
  { container, ...shape }: TaskShape,
  { port, healthPath }: ServiceSettings,
): EcsTaskDefinition {
  const placeholder = {
    ...container,
    user: "node",
    image: PLACEHOLDER_IMAGE,
    command: placeholderCommand(port, healthPath),
  };
  return new EcsTaskDefinition(scope, "task", {
    ...shape,
    ...TASKS,
    containerDefinitions: JSON.stringify([placeholder]),
  });
}
