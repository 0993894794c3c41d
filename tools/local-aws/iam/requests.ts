import type { AwsRequest, Fields, RequestHead } from "../aws-request";
import { inputOf, list, text } from "./input";
import { type Place, RESOURCES } from "./resources";
import { REST } from "./rest";

/** One thing that a request asks to be allowed. */
export interface Demand {
  /** As `ecs:UpdateService`. */
  readonly action: string;
  /** ARN; "*" where AWS has none. */
  readonly resource: string;
  /** What the action's own condition keys say, by key in whatever letters. */
  readonly values?: Readonly<Record<string, string | readonly string[]>>;
}

export interface Demands {
  readonly all: readonly Demand[];
  /** Of tags that the request itself brings. */
  readonly tags: ReadonlyMap<string, string>;
  /** Whether Local AWS lacks the operation, and takes everything for its resource. */
  readonly unknown: boolean;
}

/** What of a target's API actions begin with. */
const BY_API: readonly (readonly [api: RegExp, prefix: string])[] = [
  [/^AmazonEC2ContainerService/, "ecs"],
  [/^AmazonEC2ContainerRegistry/, "ecr"],
  [/^Logs_/, "logs"],
  [/^CodePipeline_/, "codepipeline"],
  [/^CodeBuild_/, "codebuild"],
  [/^CodeDeploy_/, "codedeploy"],
  [/^CodeConnections_/, "codeconnections"],
  [/^CodeStar_connections_/, "codestar-connections"],
  [/^AmazonSSM$/, "ssm"],
  [/^secretsmanager$/, "secretsmanager"],
  [/^TrentService$/, "kms"],
  [/^AWSEvents$/, "events"],
  [/^AnyScaleFrontendService$/, "application-autoscaling"],
  [/^CertificateManager$/, "acm"],
  [/^AmazonSQS$/, "sqs"],
  [/^AWSWAF_/, "wafv2"],
  [/^GraniteServiceVersion/, "cloudwatch"],
  [/^ResourceGroupsTaggingAPI_/, "tag"],
];

const CBOR_PATH = /^\/service\/GraniteServiceVersion\d+\/operation\/(\w+)$/;

/** What the actions of a request's service begin with. */
export function prefixOf({ api, service, url }: RequestHead): string {
  const [, prefix] = BY_API.find(([name]) => name.test(api)) ?? [];
  if (prefix) return prefix;
  return service === "monitoring" || CBOR_PATH.test(url.pathname) ? "cloudwatch" : service;
}

/** What of a service names its operation, and is empty where the path and the method do. */
export function operationIn({ operation, url }: RequestHead, input: Fields): string {
  return operation || text(input, "Action") || CBOR_PATH.exec(url.pathname)?.[1] || "";
}

/** What a request asks to be allowed. */
export async function demandsOf(request: AwsRequest, place: Place): Promise<Demands> {
  const prefix = prefixOf(request);
  // The body of an object is none.
  const input = prefix === "s3" ? {} : inputOf(request);
  const tags = tagsIn(input);
  const find = Object.hasOwn(REST, prefix) ? REST[prefix] : undefined;
  const known = find
    ? await find(request, place)
    : await named(prefix, operationIn(request, input), input, place);
  const operation = operationIn(request, input) || `${request.method} ${request.url.pathname}`;
  const own = known?.length ? known : [{ action: `${prefix}:${operation}`, resource: "*" }];
  const more = await Promise.all(
    own.slice(0, 1).map(({ action }) => alongWith(action, input, own, place, tags)),
  );
  return { all: [...own, ...more.flat()], tags, unknown: known === undefined };
}

/** Of queues and topics: who may do it to one message may do it to several. */
const BATCH = /(?<=^(SendMessage|DeleteMessage|ChangeMessageVisibility|Publish))Batch$/;

async function named(
  prefix: string,
  operation: string,
  input: Fields,
  place: Place,
): Promise<Demand[] | undefined> {
  const resources =
    operation && Object.hasOwn(RESOURCES, prefix)
      ? await RESOURCES[prefix]!(operation, input, place)
      : undefined;
  const action = `${prefix}:${operation.replace(BATCH, "")}`;
  const values = prefix === "kms" ? keyValues(input) : prefix === "iam" ? await roleValues(input, place) : {};
  // Of an empty list, AWS reads all.
  return (
    resources && (resources.length ? resources : ["*"]).map((resource) => ({ action, resource, values }))
  );
}

/** What KMS's conditions ask for: the encryption context, and what a message is signed by. */
function keyValues(input: Fields): Record<string, string | string[]> {
  const entries = Object.entries((input.EncryptionContext ?? {}) as Record<string, string>);
  const algorithm = text(input, "MacAlgorithm");
  return {
    ...Object.fromEntries(entries.map(([key, value]) => [`kms:EncryptionContext:${key}`, String(value)])),
    ...(entries.length && { "kms:EncryptionContextKeys": entries.map(([key]) => key) }),
    ...(algorithm && { "kms:MacAlgorithm": algorithm }),
  };
}

/** A boundary is the one that a role is given, or else the one that it has. */
async function roleValues(input: Fields, { account, directory }: Place): Promise<Record<string, string>> {
  const name = text(input, "RoleName");
  const given = text(input, "PermissionsBoundary");
  const boundary = given || (name && (await directory.role(account, name))?.boundaryArn);
  const [policy, service] = [text(input, "PolicyArn"), text(input, "AWSServiceName")];
  return {
    ...(boundary && { "iam:PermissionsBoundary": boundary }),
    ...(policy && { "iam:PolicyARN": policy }),
    ...(service && { "iam:AWSServiceName": service }),
  };
}

/** Tags that a request brings, however its service writes them. */
function tagsIn(input: Fields): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  const ofPipeline = input.pipeline as Fields | undefined;
  const specifications = list(input.TagSpecification ?? input.TagSpecifications);
  const written = [input.tags, input.Tags, input.tag, input.Tag, input.TagList, ofPipeline?.tags];
  for (const tags of [...written, ...specifications.map((one) => one.Tag ?? one.Tags)]) {
    const all = list(tags);
    for (const tag of all)
      found.set(keyOf(tag), text(tag, "Value") || text(tag, "value") || text(tag, "TagValue"));
    if (!all.length && typeof tags === "object" && tags !== null)
      for (const [key, value] of Object.entries(tags)) if (typeof value === "string") found.set(key, value);
  }
  return found;
}

const keyOf = (tag: Fields) => text(tag, "Key") || text(tag, "key") || text(tag, "TagKey");

type Passing = (input: Fields, place: Place) => readonly string[] | Promise<readonly string[]>;

const fields =
  (...names: readonly string[]): Passing =>
  (input) =>
    names.map((name) => text(input, name));

/** Who gets roles by an operation, and which. */
const PASSES: Readonly<Record<string, readonly [service: string, roles: Passing]>> = {
  "application-autoscaling:RegisterScalableTarget": ["application-autoscaling", fields("RoleARN")],
  "codebuild:CreateProject": ["codebuild", fields("serviceRole")],
  "codebuild:StartBuild": ["codebuild", fields("serviceRoleOverride")],
  "codebuild:UpdateProject": ["codebuild", fields("serviceRole")],
  "codedeploy:CreateDeploymentGroup": ["codedeploy", fields("serviceRoleArn")],
  "codedeploy:UpdateDeploymentGroup": ["codedeploy", fields("serviceRoleArn")],
  "codepipeline:CreatePipeline": ["codepipeline", rolesOfPipeline],
  "codepipeline:UpdatePipeline": ["codepipeline", rolesOfPipeline],
  "ec2:CreateFlowLogs": ["vpc-flow-logs", fields("DeliverLogsPermissionArn")],
  "ecs:CreateService": ["ecs", fields("role")],
  "ecs:CreateTaskSet": [
    "ecs-tasks",
    (input, place) => place.directory.taskRoles(text(input, "taskDefinition"), place),
  ],
  "ecs:RegisterTaskDefinition": ["ecs-tasks", fields("taskRoleArn", "executionRoleArn")],
  "ecs:RunTask": [
    "ecs-tasks",
    async (input, place) => [
      ...(await place.directory.taskRoles(text(input, "taskDefinition"), place)),
      text(input.overrides, "taskRoleArn"),
      text(input.overrides, "executionRoleArn"),
    ],
  ],
  "events:PutRule": ["events", fields("RoleArn")],
  "events:PutTargets": ["events", ({ Targets }) => list(Targets).map((target) => text(target, "RoleArn"))],
  "lambda:CreateFunction": ["lambda", fields("Role")],
  "lambda:UpdateFunctionConfiguration": ["lambda", fields("Role")],
};

function rolesOfPipeline({ pipeline }: Fields): string[] {
  return [text(pipeline, "roleArn"), ...actionsOf(pipeline).map((action) => text(action, "roleArn"))];
}

const actionsOf = (pipeline: unknown) =>
  list((pipeline as Fields | undefined)?.stages).flatMap((stage) => list(stage.actions));

/** What tagging is called where a thing is made with tags, and what it is asked for where the thing has no name yet. */
const TAGGING: Readonly<Record<string, readonly [makes: RegExp, action: string, resource?: string]>> = {
  acm: [/^RequestCertificate$/, "AddTagsToCertificate", "certificate/*"],
  "application-autoscaling": [/^RegisterScalableTarget$/, "TagResource"],
  cloudwatch: [/^PutMetricAlarm$/, "TagResource"],
  codedeploy: [/^Create(Application|DeploymentGroup)$/, "TagResource"],
  codepipeline: [/^CreatePipeline$/, "TagResource"],
  "codestar-connections": [/^CreateConnection$/, "TagResource", "connection/*"],
  ec2: [/^(Create(?!Tags)|Allocate|Run|Authorize)/, "CreateTags"],
  ecr: [/^CreateRepository$/, "TagResource"],
  ecs: [/^(Create|Register|Run)/, "TagResource"],
  elasticloadbalancing: [/^Create/, "AddTags"],
  events: [/^PutRule$/, "TagResource"],
  iam: [/^CreateRole$/, "TagRole"],
  kms: [/^CreateKey$/, "TagResource", "key/*"],
  lambda: [/^CreateFunction$/, "TagResource"],
  logs: [/^CreateLogGroup$/, "TagResource"],
  secretsmanager: [/^CreateSecret$/, "TagResource"],
  sns: [/^CreateTopic$/, "TagResource"],
  sqs: [/^CreateQueue$/, "TagQueue"],
  wafv2: [/^CreateWebACL$/, "TagResource"],
};

/** What else an operation needs, whoever calls it. */
async function alongWith(
  action: string,
  input: Fields,
  own: readonly Demand[],
  place: Place,
  tags: ReadonlyMap<string, string>,
): Promise<Demand[]> {
  const [prefix = "", operation = ""] = action.split(":");
  const { region, account } = place;
  const at = (service: string, rest: string) => `arn:aws:${service}:${region}:${account}:${rest}`;
  const demands: Demand[] = [];
  if (Object.hasOwn(PASSES, action)) {
    const [service, find] = PASSES[action]!;
    const values = { "iam:PassedToService": `${service}.amazonaws.com` };
    for (const role of new Set(await find(input, place))) {
      // A service-linked role is the service's own.
      if (role && !role.includes(":role/aws-service-role/"))
        demands.push({ action: "iam:PassRole", resource: roleArn(role, account), values });
    }
  }
  const [makes, tagging, unnamed] = (Object.hasOwn(TAGGING, prefix) && TAGGING[prefix]) || [];
  if (tags.size && makes?.test(operation))
    for (const { resource } of own)
      demands.push({ action: `${prefix}:${tagging}`, resource: unnamed ? at(prefix, unnamed) : resource });
  switch (action) {
    case "codedeploy:CreateDeployment": {
      const application = at("codedeploy", `application:${text(input, "applicationName")}`);
      const config = text(input, "deploymentConfigName");
      if (config)
        demands.push({
          action: "codedeploy:GetDeploymentConfig",
          resource: at("codedeploy", `deploymentconfig:${config}`),
        });
      if (input.revision)
        demands.push(
          ...["Register", "Get"].map((verb) => ({
            action: `codedeploy:${verb}ApplicationRevision`,
            resource: application,
          })),
        );
      if (input.overrideAlarmConfiguration)
        demands.push({ action: "codedeploy:UpdateDeploymentGroup", resource: own[0]!.resource });
      break;
    }
    case "codepipeline:CreatePipeline":
    case "codepipeline:UpdatePipeline":
      for (const one of actionsOf(input.pipeline)) {
        const connection = text(one.configuration, "ConnectionArn");
        const [, , service] = connection.split(":");
        if (connection) demands.push({ action: `${service}:PassConnection`, resource: connection });
      }
      break;
    case "lambda:CreateEventSourceMapping":
      if (tags.size)
        demands.push({ action: "lambda:TagResource", resource: at("lambda", "event-source-mapping:*") });
      break;
    case "secretsmanager:GetSecretValue": {
      const secret = await place.directory.secret(text(input, "SecretId"), place);
      const key =
        secret?.key && !/alias\/aws\//.test(secret.key) && (await place.directory.keyArn(secret.key, place));
      const values = {
        "kms:ViaService": `secretsmanager.${region}.amazonaws.com`,
        "kms:EncryptionContext:SecretARN": secret?.arn ?? "",
      };
      if (key) demands.push({ action: "kms:Decrypt", resource: key, values });
      break;
    }
    case "wafv2:AssociateWebACL":
      for (const { resource } of own)
        if (/:elasticloadbalancing:/.test(resource))
          demands.push({ action: "elasticloadbalancing:SetWebAcl", resource });
      break;
  }
  return demands;
}

/** A role may be passed by its name alone. */
const roleArn = (role: string, account: string) =>
  role.startsWith("arn:") ? role : `arn:aws:iam::${account}:role/${role.replace(/^\//, "")}`;
