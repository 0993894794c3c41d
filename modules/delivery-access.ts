import {
  chatSecretName,
  DELIVERY_STACK,
  deliveryBoundaryName,
  deliveryNames,
  pipelineName,
  stateBucketName,
  stateKey,
  tokenSecretName,
  webhookSecretName,
} from "../shared/names";
import { templateOf, templatePipelineName } from "../shared/previews";
import { policyArn, roleArn } from "./arns";
import { GIVING_RIGHTS, KEEPING_ROLES, type Statement } from "./iam";
import { KEY_USE } from "./key";
import { namePattern } from "./naming";

/** The build account, as the roles of `delivery` and the pipelines see it. */
export interface DeliveryReach {
  readonly project: string;
  readonly account: string;
  readonly region: string;
}

export const deliveryBoundaryArn = (reach: DeliveryReach) =>
  policyArn(reach.account, deliveryBoundaryName(reach));

const NO_NAME = "What is listed, or made, here has no name of its own to limit it to.";
const CAP = "A boundary caps what roles are granted elsewhere; it grants nothing.";

/** The services that take on roles of the pipelines, and those that take on roles of `delivery` as well. */
const PIPELINE_SERVICES = ["codebuild.amazonaws.com", "codepipeline.amazonaws.com", "events.amazonaws.com"];
const SERVICES = [...PIPELINE_SERVICES, "lambda.amazonaws.com"];

/**
 * The most that a role of `delivery` or of a pipeline may be allowed. One of them makes the others: it cannot give them
 * more than this, take this from them, or touch the roles by which environments are reached.
 */
export function deliveryBoundary(reach: DeliveryReach): Statement[] {
  const { project, account, region } = reach;
  const at = (service: string) => `arn:aws:${service}:${region}:${account}`;
  const roles = [`arn:aws:iam::${account}:role/${project}-*`];
  const state = `arn:aws:s3:::${stateBucketName(reach)}`;
  return [
    {
      actions: [
        "cloudwatch:DescribeAlarms",
        "codecommit:Get*",
        "codecommit:List*",
        "codecommit:PostCommentForPullRequest",
        "codecommit:UpdateComment",
        "codecommit:UploadArchive",
        "codepipeline:ListPipelines",
        "codestar-connections:*",
        "ecr:GetAuthorizationToken",
        "kms:ListAliases",
        "lambda:GetCodeSigningConfig",
        "logs:DescribeLogGroups",
        "secretsmanager:ListSecrets",
        "xray:PutTelemetryRecords",
        "xray:PutTraceSegments",
      ],
      resources: ["*"],
      reason: CAP,
    },
    {
      actions: ["cloudwatch:*", "codebuild:*", "ecr:*", "events:*", "lambda:*", "logs:*", "sns:*", "sqs:*"],
      resources: [
        `${at("cloudwatch")}:alarm:${project}-*`,
        `${at("codebuild")}:project/${project}-*`,
        `${at("codebuild")}:report-group/${project}-*`,
        `${at("ecr")}:repository/${project}/*`,
        `${at("events")}:rule/${project}-*`,
        `${at("lambda")}:function:${project}-*`,
        `${at("lambda")}:event-source-mapping:*`,
        `${at("logs")}:log-group:/slipway/${project}-*`,
        `${at("logs")}:log-group:/aws/lambda/${project}-*`,
        `${at("sns")}:${project}-*`,
        `${at("sqs")}:${project}-*`,
      ],
    },
    {
      actions: ["lambda:*EventSourceMapping"],
      resources: ["*"],
      reason: CAP,
      conditions: { ArnLike: { "lambda:FunctionArn": `${at("lambda")}:function:${project}-*` } },
    },
    { actions: ["apigateway:GET"], resources: [`arn:aws:apigateway:${region}::/apis/*`] },
    // Nobody's word is given by a machine: approving is not among it.
    {
      actions: [
        ...PIPELINE_CARE,
        "codepipeline:GetPipelineExecution",
        "codepipeline:GetPipelineState",
        "codepipeline:ListActionExecutions",
        "codepipeline:ListPipelineExecutions",
      ],
      resources: [`${at("codepipeline")}:${project}-*`],
    },
    {
      // Previews' alone: no other name has two underscores, nor has what they are made like.
      actions: ["codepipeline:DeletePipeline"],
      resources: [`${at("codepipeline")}:${templatePipelineName(reach, "*_*_*")}`],
    },
    {
      actions: [...KEY_USE, ...KEY_CARE, "kms:GenerateMac", "kms:VerifyMac"],
      resources: [`${at("kms")}:key/*`],
      conditions: { StringEquals: { "aws:ResourceTag/slipway:project": project } },
    },
    {
      actions: ["kms:CreateAlias", "kms:UpdateAlias"],
      resources: [`${at("kms")}:key/*`, `${at("kms")}:alias/${project}-*`],
    },
    {
      actions: ["s3:*"],
      resources: buckets(reach),
    },
    {
      actions: ["s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject"],
      resources: [state, `${state}/*`],
    },
    {
      actions: ["secretsmanager:*"],
      resources: [`${at("secretsmanager")}:secret:${project}/*`],
    },
    { actions: ["sts:AssumeRole"], resources: [`arn:aws:iam::*:role/${project}-*`] },
    { actions: ["iam:Get*", "iam:List*", ...KEEPING_ROLES], resources: roles },
    {
      actions: GIVING_RIGHTS,
      resources: roles,
      conditions: { StringEquals: { "iam:PermissionsBoundary": deliveryBoundaryArn(reach) } },
    },
    {
      actions: ["iam:PassRole"],
      resources: roles,
      conditions: { StringEquals: { "iam:PassedToService": SERVICES } },
    },
    {
      // Where an environment is in the build account, its roles have names that begin alike, and this tag.
      effect: "Deny",
      actions: ["iam:*"],
      resources: [`arn:aws:iam::${account}:role/*`],
      conditions: { Null: { "aws:ResourceTag/slipway:environment": "false" } },
    },
    {
      // The state of what only people deploy.
      effect: "Deny",
      actions: ["s3:*"],
      resources: ["bootstrap", "access-*"].map((stack) => `${state}/${stateKey(stack)}*`),
    },
  ];
}

/** What keeping a pipeline takes, and starting it anew, but for deleting it. */
const PIPELINE_CARE = [
  "codepipeline:CreatePipeline",
  "codepipeline:GetPipeline",
  "codepipeline:ListTagsForResource",
  "codepipeline:StartPipelineExecution",
  "codepipeline:StopPipelineExecution",
  "codepipeline:TagResource",
  "codepipeline:UntagResource",
  "codepipeline:UpdatePipeline",
];

/** What keeping a key takes, but for making one and for ending it. */
const KEY_CARE = [
  "kms:CreateGrant",
  "kms:EnableKeyRotation",
  "kms:GetKeyPolicy",
  "kms:GetKeyRotationStatus",
  "kms:ListResourceTags",
  "kms:PutKeyPolicy",
  "kms:TagResource",
  "kms:UntagResource",
  "kms:UpdateKeyDescription",
];

/** What a pipeline brings up to date. */
export interface UpdateReach {
  readonly pipeline: string;
  readonly withDelivery: boolean;
  readonly withConnection: boolean;
  /** Names of what previews are made like, of this pipeline. @default - none are */
  readonly templates?: readonly string[];
}

/**
 * What bringing a pipeline up to date takes, and with it what previews are made like after it, and what all pipelines
 * share, where it is the one that does so. Deleting a pipeline, or what nothing brings back (images, keys, buckets), is
 * not among it; nor is making a key.
 */
export function updateStatements(
  reach: DeliveryReach,
  { pipeline, withDelivery, withConnection, templates = [] }: UpdateReach,
): Statement[] {
  const { account, region } = reach;
  const name = pipelineName(reach, pipeline);
  const delivery = pipelineName(reach, DELIVERY_STACK);
  const owners = withDelivery ? [name, delivery] : [name];
  const beginnings = [
    ...owners.map((owner) => `${owner}-`),
    // One for all of them: there may be one for each environment.
    ...(templates.length ? [templatePipelineName(reach, templateOf({ pipeline, environment: "" }))] : []),
  ];
  const pipelines = [name, ...templates.map((template) => templatePipelineName(reach, template))];
  const at = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`;
  return [
    ...joined([
      ...buildStatements(reach, beginnings),
      ...logStatements(
        [
          ...beginnings.map((beginning) => `/slipway/${beginning}*`),
          // Functions are the delivery's alone.
          ...(withDelivery ? [`/aws/lambda/${delivery}-*`] : []),
        ].map((group) => at("logs", `log-group:${group}`)),
      ),
      ...ruleStatements(owners.map((owner) => at("events", `rule/${namePattern("eventRule", `${owner}-`)}`))),
      { actions: PIPELINE_CARE, resources: pipelines.map((one) => at("codepipeline", one)) },
      ...roleStatements(
        // The pipeline's own has its name.
        [name, ...beginnings.map((beginning) => namePattern("iamRole", beginning))].map((role) =>
          roleArn(account, role),
        ),
        { boundary: deliveryBoundaryArn(reach), services: withDelivery ? SERVICES : PIPELINE_SERVICES },
      ),
      ...(withDelivery ? deliveryStatements(reach) : []),
      ...(withConnection ? connectionStatements(reach) : []),
    ]),
    ...lookingUp(reach),
  ];
}

/**
 * Statements without a condition as one, because a role's policies have but 10,240 characters. No two of them are of the
 * same service: an action means the resources of its own alone, so that nobody may do more by it.
 *
 * @throws Error where two of them are
 */
function joined(statements: readonly Statement[]): Statement[] {
  const plain = statements.filter(({ conditions, reason }) => !conditions && !reason);
  const services = plain.flatMap(({ actions }) => [
    ...new Set(actions.map((action) => action.split(":")[0])),
  ]);
  const twice = services.find((service, index) => services.indexOf(service) < index);
  if (twice) throw new Error(`Two statements about ${twice} would allow more together: join them by hand`);
  return [
    {
      actions: plain.flatMap(({ actions }) => actions),
      resources: plain.flatMap(({ resources }) => resources),
    },
    ...statements.filter((statement) => !plain.includes(statement)),
  ];
}

/** What making a connection, and pointing a pipeline at it, takes. */
function connectionStatements({ account, region }: DeliveryReach): Statement[] {
  return [
    {
      actions: [
        "codestar-connections:GetConnection",
        "codestar-connections:ListTagsForResource",
        "codestar-connections:PassConnection",
        "codestar-connections:TagResource",
        "codestar-connections:UntagResource",
        "codestar-connections:UseConnection",
      ],
      // A connection's ARN ends in an id that nobody knows before.
      resources: [`arn:aws:codestar-connections:${region}:${account}:connection/*`],
    },
    {
      // By its name a template finds its pipeline's.
      actions: ["codestar-connections:CreateConnection", "codestar-connections:ListConnections"],
      resources: ["*"],
      reason: NO_NAME,
    },
  ];
}

/** What `delivery` has beside builds, roles and rules. */
function deliveryStatements(reach: DeliveryReach): Statement[] {
  const { project, account, region } = reach;
  const name = pipelineName(reach, DELIVERY_STACK);
  const at = (service: string) => `arn:aws:${service}:${region}:${account}`;
  return [
    {
      actions: [
        "s3:CreateBucket",
        "s3:GetAccelerateConfiguration",
        "s3:GetBucket*",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
        "s3:GetReplicationConfiguration",
        "s3:ListBucket",
        "s3:PutBucketLogging",
        "s3:PutBucketNotification",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketTagging",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration",
      ],
      resources: buckets(reach),
    },
    {
      actions: [
        "ecr:CreateRepository",
        "ecr:DeleteLifecyclePolicy",
        "ecr:DescribeRepositories",
        "ecr:GetLifecyclePolicy",
        "ecr:GetRepositoryPolicy",
        "ecr:ListTagsForResource",
        "ecr:PutImageScanningConfiguration",
        "ecr:PutImageTagMutability",
        "ecr:PutLifecyclePolicy",
        "ecr:SetRepositoryPolicy",
        "ecr:TagResource",
        "ecr:UntagResource",
      ],
      resources: [`${at("ecr")}:repository/${project}/*`],
    },
    {
      actions: [
        "sns:CreateTopic",
        "sns:Get*",
        "sns:List*",
        "sns:SetSubscriptionAttributes",
        "sns:SetTopicAttributes",
        "sns:Subscribe",
        "sns:TagResource",
        "sns:Unsubscribe",
        "sns:UntagResource",
      ],
      resources: [
        `${at("sns")}:${deliveryNames(reach).topic}`,
        `${at("sns")}:${deliveryNames(reach).topic}:*`,
      ],
    },
    {
      actions: [
        "secretsmanager:CreateSecret",
        "secretsmanager:DeleteSecret",
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetResourcePolicy",
        "secretsmanager:TagResource",
        "secretsmanager:UntagResource",
        "secretsmanager:UpdateSecret",
      ],
      resources: secretPatterns(reach),
    },
    {
      actions: [
        "cloudwatch:DeleteAlarms",
        "cloudwatch:ListTagsForResource",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        "cloudwatch:UntagResource",
        "lambda:AddPermission",
        "lambda:CreateFunction",
        "lambda:DeleteFunction",
        "lambda:DeleteFunctionConcurrency",
        "lambda:Get*",
        "lambda:List*",
        "lambda:PutFunctionConcurrency",
        "lambda:RemovePermission",
        "lambda:TagResource",
        "lambda:UntagResource",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
        "sqs:CreateQueue",
        "sqs:DeleteQueue",
        "sqs:GetQueueAttributes",
        "sqs:ListQueueTags",
        "sqs:SetQueueAttributes",
        "sqs:TagQueue",
        "sqs:UntagQueue",
      ],
      resources: [
        `${at("cloudwatch")}:alarm:${name}-*`,
        `${at("lambda")}:function:${name}-*`,
        `${at("lambda")}:event-source-mapping:*`,
        `${at("sqs")}:${name}-*`,
      ],
    },
    {
      actions: ["cloudwatch:DescribeAlarms", "lambda:GetCodeSigningConfig"],
      resources: ["*"],
      reason: NO_NAME,
    },
    {
      actions: [
        "lambda:CreateEventSourceMapping",
        "lambda:DeleteEventSourceMapping",
        "lambda:GetEventSourceMapping",
        "lambda:UpdateEventSourceMapping",
      ],
      resources: ["*"],
      reason: NO_NAME,
      conditions: { ArnLike: { "lambda:FunctionArn": `${at("lambda")}:function:${name}-*` } },
    },
    // The report pages' address is a person's to change: what an API has carries no name that could limit it.
    { actions: ["apigateway:GET"], resources: [`arn:aws:apigateway:${region}::/apis/*`] },
    {
      actions: ["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey", ...KEY_CARE],
      resources: [`${at("kms")}:key/*`],
      conditions: { StringEquals: { "aws:ResourceTag/slipway:project": project } },
    },
    {
      actions: ["kms:CreateAlias", "kms:UpdateAlias"],
      resources: [`${at("kms")}:key/*`, `${at("kms")}:${deliveryNames(reach).keyAlias}`],
    },
  ];
}

/** What both read: where keys are, and the token that a source is given. */
function lookingUp(reach: DeliveryReach): Statement[] {
  const { account, region, project } = reach;
  return [
    {
      actions: ["kms:ListAliases", "logs:DescribeLogGroups", "secretsmanager:ListSecrets"],
      resources: ["*"],
      reason: NO_NAME,
    },
    {
      actions: ["kms:DescribeKey"],
      resources: [`arn:aws:kms:${region}:${account}:key/*`],
      conditions: { StringEquals: { "aws:ResourceTag/slipway:project": project } },
    },
    {
      actions: [
        "secretsmanager:DescribeSecret",
        "secretsmanager:GetResourcePolicy",
        "secretsmanager:GetSecretValue",
        "secretsmanager:ListSecretVersionIds",
      ],
      resources: secretPatterns(reach).slice(0, 1),
    },
  ];
}

/** GitHub's token first. Their ARNs end in six characters of Secrets Manager's own. */
const secretPatterns = (reach: DeliveryReach) =>
  [tokenSecretName(reach), chatSecretName(reach), webhookSecretName(reach)].map(
    (name) => `arn:aws:secretsmanager:${reach.region}:${reach.account}:secret:${name}-??????`,
  );

/** What runs leave, and what is told of them. */
const buckets = ({ project }: DeliveryReach) =>
  ["artifacts", "previews", "reports"].map((kind) => `arn:aws:s3:::${project}-${kind}-*`);

/** CodeBuild's projects, their webhooks and report groups. */
function buildStatements({ account, region }: DeliveryReach, beginnings: readonly string[]): Statement[] {
  const at = (service: string) => `arn:aws:${service}:${region}:${account}`;
  return [
    {
      actions: [
        "codebuild:BatchGet*",
        "codebuild:CreateProject",
        "codebuild:CreateReportGroup",
        "codebuild:DeleteProject",
        "codebuild:DeleteReport",
        "codebuild:DeleteReportGroup",
        // An older version had some.
        "codebuild:DeleteWebhook",
        "codebuild:ListReportsForReportGroup",
        "codebuild:UpdateProject",
        "codebuild:UpdateReportGroup",
      ],
      resources: beginnings.flatMap((beginning) => [
        `${at("codebuild")}:project/${namePattern("project", beginning)}`,
        `${at("codebuild")}:report-group/${namePattern("reportGroup", beginning)}`,
      ]),
    },
  ];
}

function logStatements(groups: readonly string[]): Statement[] {
  return [
    {
      actions: [
        "logs:AssociateKmsKey",
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:ListTagsForResource",
        "logs:PutRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
      ],
      resources: groups,
    },
  ];
}

function roleStatements(
  resources: readonly string[],
  { boundary, services }: { readonly boundary: string; readonly services: readonly string[] },
): Statement[] {
  return [
    {
      actions: ["iam:GetRole*", "iam:List*", ...KEEPING_ROLES],
      resources,
    },
    {
      actions: GIVING_RIGHTS,
      resources,
      conditions: { StringEquals: { "iam:PermissionsBoundary": boundary } },
    },
    {
      actions: ["iam:PassRole"],
      resources,
      conditions: {
        StringEquals: { "iam:PassedToService": services },
      },
    },
  ];
}

function ruleStatements(rules: readonly string[]): Statement[] {
  return [
    {
      actions: [
        "events:DeleteRule",
        "events:DescribeRule",
        "events:List*",
        "events:PutRule",
        "events:PutTargets",
        "events:RemoveTargets",
        "events:TagResource",
        "events:UntagResource",
      ],
      resources: rules,
    },
  ];
}
