import { accessNames, LIVE_ALIAS, repositoryName } from "../shared/names";
import { previewRepositoryName, previewsOf } from "../shared/previews";
import { environmentPrefix, policyArn, roleArn } from "./arns";
import { validationRecord } from "./domain";
import { VPC_USE } from "./function";
import { GIVING_RIGHTS, KEEPING_ROLES, type Statement } from "./iam";
import { KEY_USE } from "./key";
import { type NAME_LIMITS, namePattern } from "./naming";

/** What the roles of an environment, or of its previews, are for, and where their rights end. */
export interface Reach {
  readonly project: string;
  readonly environment: string;
  /** Whether it is all previews of the environment that are meant, and not itself. @default false */
  readonly previews?: boolean;
  /** Of previews: whether pipelines try the environment, with the images that they are about to deploy. @default false */
  readonly tried?: boolean;
  readonly account: string;
  /** Several, where previews are tried in others as well. */
  readonly regions: readonly string[];
  /** Host name of the environment's services. @default - none, and no right in Route 53 */
  readonly domain?: string;
  /** Names of the secrets, of Secrets Manager, that the services refer to. */
  readonly secrets: readonly string[];
  /** Names of the parameters, of Systems Manager, that the services refer to. */
  readonly parameters: readonly string[];
}

const NO_NAME =
  "What is read, or made, here has no name of its own to limit it to; the account is the environment's.";
const CAP = "A boundary caps what roles are granted elsewhere; it grants nothing.";

/** Reading that a plan does. Secrets' values, objects and log lines are not among it. */
export function readStatements(reach: Reach): Statement[] {
  const { domain, secrets } = reach;
  const scope = scopeOf(reach);
  const { region } = scope;
  return [
    {
      actions: [
        "application-autoscaling:Describe*",
        "application-autoscaling:ListTagsForResource",
        "cloudwatch:DescribeAlarms",
        "cloudwatch:ListTagsForResource",
        "ec2:Describe*",
        "elasticloadbalancing:Describe*",
        "logs:DescribeLogGroups",
        "ecs:DescribeTaskDefinition",
        "kms:ListAliases",
        "lambda:GetCodeSigningConfig",
        ...(domain ? ["route53:ListHostedZones"] : []),
      ],
      resources: ["*"],
      reason: NO_NAME,
    },
    ...(reach.previews ? [keepOffUserData] : []),
    ...(domain
      ? [
          {
            actions: [
              "route53:GetChange",
              "route53:GetHostedZone",
              "route53:ListResourceRecordSets",
              "route53:ListTagsForResource",
            ],
            resources: [HOSTED_ZONES, "arn:aws:route53:::change/*"],
          },
        ]
      : []),
    {
      actions: [
        "codedeploy:BatchGet*",
        "codedeploy:Get*",
        "codedeploy:List*",
        "cloudwatch:GetDashboard",
        "ecs:DescribeClusters",
        "ecs:DescribeServices",
        "ecs:ListTagsForResource",
        "elasticloadbalancing:GetLoadBalancerWebACL",
        "iam:GetRole",
        "iam:GetRolePolicy",
        "iam:ListAttachedRolePolicies",
        "iam:ListInstanceProfilesForRole",
        "iam:ListRolePolicies",
        "iam:ListRoleTags",
        "lambda:Get*",
        "lambda:List*",
        "logs:ListTagsForResource",
        "s3:GetAccelerateConfiguration",
        "s3:GetBucket*",
        "s3:GetEncryptionConfiguration",
        "s3:GetLifecycleConfiguration",
        "s3:GetReplicationConfiguration",
        "s3:ListBucket",
        "sns:GetSubscriptionAttributes",
        "sns:GetTopicAttributes",
        "sns:ListSubscriptionsByTopic",
        "sns:ListTagsForResource",
        "sqs:GetQueueAttributes",
        "sqs:ListQueueTags",
        "wafv2:Get*",
        "wafv2:List*",
      ],
      resources: namedResources(scope),
    },
    ...(secrets.length
      ? [
          {
            // That they are there, and not what they are.
            actions: ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"],
            resources: secretArns(reach),
          },
        ]
      : []),
    { actions: ["apigateway:GET"], resources: [`arn:aws:apigateway:${region}::/apis/*`] },
    {
      actions: ["acm:DescribeCertificate", "acm:ListTagsForCertificate"],
      ...ownByTag(scope, "acm", "certificate"),
    },
    {
      actions: [
        "kms:DescribeKey",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListResourceTags",
        "kms:Decrypt",
      ],
      ...ownByTag(scope, "kms", "key"),
    },
  ];
}

/** Calling that an environment's acceptance tests do: of its functions, what callers get. */
export function verifyStatements(reach: Reach): Statement[] {
  const { at, named } = scopeOf(reach);
  return [
    {
      actions: ["lambda:InvokeFunction"],
      resources: [at("lambda", `function:${named("function")}:${LIVE_ALIAS}`)],
    },
  ];
}

/** Releasing: new versions of an environment's services and functions, and what CodeDeploy does with them. */
export function releaseStatements(reach: Reach): Statement[] {
  const { account, prefix, own, at, named, tagged } = scopeOf(reach);
  // Of a preview, a long name is cut off: what kind it is, its end does not tell then.
  const ending = (kind: keyof typeof NAME_LIMITS, ends: readonly string[]) =>
    reach.previews ? [named(kind)] : ends.map((end) => `${prefix}-*-${end}`);
  const passable = ending("iamRole", ["execution", "task"]).map((name) => roleArn(account, name));
  const checks = ending("function", ["svc-check", "fn-check"]).map((name) =>
    at("lambda", `function:${name}`),
  );
  return [
    {
      actions: [
        "codedeploy:CreateDeployment",
        "codedeploy:GetDeployment",
        "codedeploy:ListDeployments",
        // To release without an alarm that is on already is to change the group, for CodeDeploy.
        "codedeploy:UpdateDeploymentGroup",
      ],
      resources: [at("codedeploy", `deploymentgroup:${named("codeDeploy")}/*`)],
    },
    {
      actions: ["codedeploy:GetApplicationRevision", "codedeploy:RegisterApplicationRevision"],
      resources: [at("codedeploy", `application:${named("codeDeploy")}`)],
    },
    { actions: ["codedeploy:GetDeploymentConfig"], resources: [at("codedeploy", "deploymentconfig:*")] },
    {
      actions: [
        "codedeploy:BatchGetDeploymentTargets",
        "codedeploy:ContinueDeployment",
        "codedeploy:ListDeploymentTargets",
        "codedeploy:StopDeployment",
        "cloudwatch:DescribeAlarms",
        "ecs:DescribeTaskDefinition",
      ],
      resources: ["*"],
      reason: "These actions have no resource.",
    },
    { actions: ["ecs:DescribeServices"], resources: [at("ecs", `service/${own}/*`)] },
    {
      actions: ["ecs:RegisterTaskDefinition", "ecs:TagResource"],
      resources: [at("ecs", `task-definition/${named("ecsFamily")}:*`)],
    },
    {
      actions: ["iam:PassRole"],
      resources: passable,
      conditions: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
    },
    {
      actions: [
        "lambda:GetAlias",
        "lambda:GetFunction",
        "lambda:GetFunctionConfiguration",
        "lambda:PublishVersion",
        "lambda:UpdateFunctionCode",
      ],
      resources: [at("lambda", `function:${named("function")}`)],
    },
    // What judges a release is not its to change. Of a preview, one branch changes both.
    ...(reach.previews
      ? []
      : [{ effect: "Deny" as const, actions: ["lambda:UpdateFunctionCode"], resources: checks }]),
    // One that was idle for weeks is woken.
    { actions: ["lambda:InvokeFunction"], resources: checks },
    {
      // Functions' variables are encrypted by it, and a version keeps them.
      actions: ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
      resources: [at("kms", "key/*")],
      conditions: tagged("ResourceTag", { "kms:ViaService": throughLambda(reach) }),
    },
    {
      // What the checks of a release have said.
      actions: ["logs:FilterLogEvents"],
      resources: [at("logs", `log-group:/aws/lambda/${named("function")}`)],
    },
  ];
}

/** Changing that an apply does, beside the reading. */
export function writeStatements(reach: Reach): Statement[] {
  const scope = scopeOf(reach);
  const { account, prefix, access, named } = scope;
  const boundary = policyArn(account, access.boundary);
  const roles = [roleArn(account, named("iamRole"))];
  return [
    {
      actions: [
        "acm:RequestCertificate",
        "application-autoscaling:DeleteScalingPolicy",
        "application-autoscaling:DeregisterScalableTarget",
        "application-autoscaling:PutScalingPolicy",
        "application-autoscaling:RegisterScalableTarget",
        "application-autoscaling:TagResource",
        "application-autoscaling:UntagResource",
        "ec2:AllocateAddress",
        "ec2:AssociateRouteTable",
        "ec2:AttachInternetGateway",
        "ec2:AuthorizeSecurityGroupEgress",
        "ec2:AuthorizeSecurityGroupIngress",
        "ec2:CreateFlowLogs",
        "ec2:CreateInternetGateway",
        "ec2:CreateNatGateway",
        "ec2:CreateRoute",
        "ec2:CreateRouteTable",
        "ec2:CreateSecurityGroup",
        "ec2:CreateSubnet",
        "ec2:CreateTags",
        "ec2:CreateVpc",
        "ec2:CreateVpcEndpoint",
        "ec2:DeleteFlowLogs",
        "ec2:DeleteInternetGateway",
        "ec2:DeleteNatGateway",
        "ec2:DeleteNetworkInterface",
        "ec2:DeleteRoute",
        "ec2:DeleteRouteTable",
        "ec2:DeleteSecurityGroup",
        "ec2:DeleteSubnet",
        "ec2:DeleteTags",
        "ec2:DeleteVpc",
        "ec2:DeleteVpcEndpoints",
        "ec2:DetachInternetGateway",
        "ec2:DetachNetworkInterface",
        "ec2:DisassociateAddress",
        "ec2:DisassociateRouteTable",
        "ec2:ModifySecurityGroupRules",
        "ec2:ModifySubnetAttribute",
        "ec2:ModifyVpcAttribute",
        "ec2:ModifyVpcEndpoint",
        "ec2:ReleaseAddress",
        "ec2:ReplaceRoute",
        "ec2:RevokeSecurityGroupEgress",
        "ec2:RevokeSecurityGroupIngress",
        "ecs:DeregisterTaskDefinition",
        "kms:CreateKey",
        "logs:CreateLogDelivery",
        "logs:DeleteLogDelivery",
        "logs:GetLogDelivery",
        "logs:ListLogDeliveries",
        "logs:UpdateLogDelivery",
      ],
      resources: ["*"],
      reason: NO_NAME,
    },
    {
      actions: [
        "cloudwatch:DeleteAlarms",
        "cloudwatch:DeleteDashboards",
        "cloudwatch:PutDashboard",
        "cloudwatch:PutMetricAlarm",
        "cloudwatch:TagResource",
        "cloudwatch:UntagResource",
        "codedeploy:CreateApplication",
        "codedeploy:CreateDeploymentGroup",
        "codedeploy:DeleteApplication",
        "codedeploy:DeleteDeploymentGroup",
        "codedeploy:TagResource",
        "codedeploy:UntagResource",
        "codedeploy:UpdateDeploymentGroup",
        "ecs:CreateCluster",
        "ecs:CreateService",
        "ecs:DeleteCluster",
        "ecs:DeleteService",
        "ecs:PutClusterCapacityProviders",
        "ecs:RegisterTaskDefinition",
        "ecs:TagResource",
        "ecs:UntagResource",
        "ecs:UpdateCluster",
        "ecs:UpdateClusterSettings",
        "ecs:UpdateService",
        "elasticloadbalancing:AddTags",
        "elasticloadbalancing:CreateListener",
        "elasticloadbalancing:CreateLoadBalancer",
        "elasticloadbalancing:CreateRule",
        "elasticloadbalancing:CreateTargetGroup",
        "elasticloadbalancing:DeleteListener",
        "elasticloadbalancing:DeleteLoadBalancer",
        "elasticloadbalancing:DeleteRule",
        "elasticloadbalancing:DeleteTargetGroup",
        "elasticloadbalancing:ModifyListener",
        "elasticloadbalancing:ModifyLoadBalancerAttributes",
        "elasticloadbalancing:ModifyRule",
        "elasticloadbalancing:ModifyTargetGroup",
        "elasticloadbalancing:ModifyTargetGroupAttributes",
        "elasticloadbalancing:RemoveTags",
        "elasticloadbalancing:SetRulePriorities",
        "elasticloadbalancing:SetSecurityGroups",
        "elasticloadbalancing:SetSubnets",
        "lambda:AddPermission",
        "lambda:CreateAlias",
        "lambda:CreateFunction",
        "lambda:CreateFunctionUrlConfig",
        "lambda:DeleteAlias",
        "lambda:DeleteFunction",
        "lambda:DeleteFunctionConcurrency",
        "lambda:DeleteFunctionUrlConfig",
        "lambda:PublishVersion",
        "lambda:PutFunctionConcurrency",
        "lambda:RemovePermission",
        "lambda:TagResource",
        "lambda:UntagResource",
        "lambda:UpdateAlias",
        "lambda:UpdateFunctionCode",
        "lambda:UpdateFunctionConfiguration",
        "lambda:UpdateFunctionUrlConfig",
        "logs:AssociateKmsKey",
        "logs:CreateLogGroup",
        "logs:DeleteLogGroup",
        "logs:PutRetentionPolicy",
        "logs:TagResource",
        "logs:UntagResource",
        "s3:CreateBucket",
        "s3:DeleteBucket",
        "s3:DeleteBucketPolicy",
        "s3:DeleteObject",
        "s3:DeleteObjectVersion",
        "s3:ListBucketVersions",
        "s3:PutBucketLogging",
        "s3:PutBucketNotification",
        "s3:PutBucketOwnershipControls",
        "s3:PutBucketPolicy",
        "s3:PutBucketPublicAccessBlock",
        "s3:PutBucketTagging",
        "s3:PutBucketVersioning",
        "s3:PutEncryptionConfiguration",
        "s3:PutLifecycleConfiguration",
        "sns:CreateTopic",
        "sns:DeleteTopic",
        "sns:SetTopicAttributes",
        "sns:Subscribe",
        "sns:TagResource",
        "sns:Unsubscribe",
        "sns:UntagResource",
        "sqs:CreateQueue",
        "sqs:DeleteQueue",
        "sqs:SetQueueAttributes",
        "sqs:TagQueue",
        "sqs:UntagQueue",
      ],
      resources: namedResources(scope),
    },
    ...(reach.previews ? [] : keyStatements(reach)),
    {
      // A role made here can never do more than the boundary lets it.
      actions: GIVING_RIGHTS,
      resources: roles,
      conditions: { StringEquals: { "iam:PermissionsBoundary": boundary } },
    },
    {
      actions: KEEPING_ROLES,
      resources: roles,
    },
    {
      actions: ["iam:PassRole"],
      resources: roles,
      conditions: {
        StringEquals: {
          "iam:PassedToService": [
            "codedeploy.amazonaws.com",
            "ecs-tasks.amazonaws.com",
            "lambda.amazonaws.com",
            "vpc-flow-logs.amazonaws.com",
          ],
        },
      },
    },
    {
      actions: ["iam:CreateServiceLinkedRole"],
      resources: [`arn:aws:iam::${account}:role/aws-service-role/*`],
      conditions: {
        StringEquals: {
          "iam:AWSServiceName": [
            "ecs.amazonaws.com",
            "ecs.application-autoscaling.amazonaws.com",
            "elasticloadbalancing.amazonaws.com",
          ],
        },
      },
    },
    {
      // The way in must not be widened through the door that it opened.
      effect: "Deny",
      actions: ["iam:*"],
      resources: [
        ...[access.planRole, access.deployRole, access.releaseRole, access.verifyRole].map((name) =>
          roleArn(account, name),
        ),
        policyArn(account, `${prefix}-*`),
      ],
    },
  ];
}

/** Keys have no names. Of those in the account that are nobody's of Slipway's, previews end none, and hand on none. */
function keyStatements(reach: Reach): Statement[] {
  const { own, at, tagged } = scopeOf(reach);
  const resources = [at("kms", "key/*"), at("kms", `alias/${own}`)];
  const making = [
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:EnableKeyRotation",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:TagResource",
  ];
  const changing = [
    "kms:PutKeyPolicy",
    "kms:ScheduleKeyDeletion",
    "kms:UntagResource",
    "kms:UpdateKeyDescription",
  ];
  if (!reach.previews) return [{ actions: [...making, "kms:CreateGrant", ...changing].sort(), resources }];
  return [
    { actions: making, resources },
    { actions: changing, resources: [at("kms", "key/*")], conditions: tagged("ResourceTag") },
    {
      // For functions' variables. By itself, a grant gives anybody a key.
      actions: ["kms:CreateGrant"],
      resources: [at("kms", "key/*")],
      conditions: { StringEquals: { "kms:ViaService": throughLambda(reach) } },
    },
  ];
}

/** The services by which Lambda uses a key for its caller. */
function throughLambda({ regions }: Reach): string | readonly string[] {
  const services = regions.map((region) => `lambda.${region}.amazonaws.com`);
  return services.length === 1 ? services[0]! : services;
}

/**
 * Changing, beside that, of what faces the world: firewall, HTTP APIs, the domain's certificate and its records; and
 * previews' keys, and what previews are kept off. A policy by itself, because all that is written into a role has but
 * 10,240 characters.
 */
export function edgeStatements(reach: Reach): Statement[] {
  const scope = scopeOf(reach);
  const { region, at, tagged } = scope;
  return [
    // In front of previews there is none.
    ...(reach.previews ? [] : [changingFirewalls(scope)]),
    {
      actions: CHANGING_APIS,
      ...ownByTag({ ...scope, account: "" }, "apigateway", "/apis"),
    },
    {
      // Of an API, these carry no tags: the account is the environment's.
      actions: CHANGING_APIS,
      resources: ["integrations", "routes"].map((part) => `arn:aws:apigateway:${region}::/apis/*/${part}*`),
    },
    {
      actions: ["apigateway:POST", "apigateway:TagResource"],
      resources: [`arn:aws:apigateway:${region}::/apis`, `arn:aws:apigateway:${region}::/tags/*`],
      conditions: tagged("RequestTag"),
    },
    ...(reach.previews ? [] : [lettingFirewallsLog(scope)]),
    { actions: ["acm:AddTagsToCertificate"], resources: [at("acm", "certificate/*")] },
    {
      actions: ["acm:DeleteCertificate", "acm:RemoveTagsFromCertificate"],
      ...ownByTag(scope, "acm", "certificate"),
    },
    ...domainStatements(reach),
    ...(reach.previews
      ? [...keyStatements(reach), keepOffOthers(scope), ...keepOffNetworks(scope), ...keepToRegions(reach)]
      : []),
  ];
}

function changingFirewalls(scope: Scope): Statement {
  return {
    actions: [
      "elasticloadbalancing:CreateWebACLAssociation",
      "elasticloadbalancing:DeleteWebACLAssociation",
      "elasticloadbalancing:SetWebAcl",
      "wafv2:AssociateWebACL",
      "wafv2:CreateWebACL",
      "wafv2:DeleteLoggingConfiguration",
      "wafv2:DeleteWebACL",
      "wafv2:DisassociateWebACL",
      "wafv2:PutLoggingConfiguration",
      "wafv2:TagResource",
      "wafv2:UntagResource",
      "wafv2:UpdateWebACL",
    ],
    resources: [
      ...facingTheWorld(scope),
      // AWS's own rule groups, which a web ACL is made of.
      scope.at("wafv2", "regional/managedruleset/*"),
    ],
  };
}

/** WAF has CloudWatch Logs let it write, by a policy that is the region's and not the group's. */
const lettingFirewallsLog = ({ at }: Scope): Statement => ({
  actions: ["logs:DescribeResourcePolicies", "logs:PutResourcePolicy"],
  resources: [at("logs", "*")],
});

/** Whatever else is in the zone, and in other zones of the account, stays out of reach. */
function domainStatements({ domain, previews }: Reach): Statement[] {
  if (!domain) return [];
  const name = previews ? `pv-*.${domain}` : domain;
  return [
    {
      actions: ["route53:ChangeResourceRecordSets"],
      resources: [HOSTED_ZONES],
      conditions: {
        "ForAllValues:StringLike": {
          "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
            name,
            // Route 53 writes an asterisk by its number.
            `\\052.${name}`,
            validationRecord(name),
          ],
        },
      },
    },
  ];
}

/**
 * What Slipway made and is none of these previews stays out of reach, also where it has no name: who writes a preview's
 * code was asked nothing yet. Whatever is only being made carries no tag, and is not meant.
 */
function keepOffOthers({ account, tag }: Scope): Statement {
  return {
    effect: "Deny",
    actions: ["*"],
    resources: [
      `arn:aws:acm:*:${account}:certificate/*`,
      `arn:aws:application-autoscaling:*:${account}:scalable-target/*`,
      `arn:aws:ec2:*:${account}:*`,
      `arn:aws:iam::${account}:role/*`,
      `arn:aws:kms:*:${account}:key/*`,
    ],
    conditions: {
      Null: { "aws:ResourceTag/slipway:project": "false" },
      StringNotLike: { "aws:ResourceTag/slipway:environment": tag },
    },
  };
}

/**
 * Nor do they reach networks that Slipway did not make: those have no such tag, and get none. Security groups and interfaces
 * are not meant: the group that comes with a network has no tag at first, nor have the interfaces of functions ever.
 */
function keepOffNetworks({ account, tag }: Scope): Statement[] {
  const all = (...kinds: readonly string[]) => kinds.map((kind) => `arn:aws:ec2:*:${account}:${kind}/*`);
  const parts = all(
    "elastic-ip",
    "internet-gateway",
    "natgateway",
    "route-table",
    "subnet",
    "vpc",
    "vpc-endpoint",
    "vpc-flow-log",
  );
  const others = { StringNotLike: { "aws:ResourceTag/slipway:environment": tag } };
  return [
    {
      effect: "Deny",
      actions: [
        "ec2:AssociateRouteTable",
        "ec2:AttachInternetGateway",
        "ec2:CreateRoute",
        "ec2:Delete*",
        "ec2:DetachInternetGateway",
        "ec2:Disassociate*",
        "ec2:Modify*",
        "ec2:ReleaseAddress",
        "ec2:ReplaceRoute",
      ],
      resources: parts,
      conditions: others,
    },
    {
      // Of these, what is made is asked for as well, and has no tag yet.
      effect: "Deny",
      actions: [
        "ec2:CreateFlowLogs",
        "ec2:CreateRouteTable",
        "ec2:CreateSecurityGroup",
        "ec2:CreateSubnet",
        "ec2:CreateVpcEndpoint",
      ],
      resources: all("vpc"),
      conditions: others,
    },
    {
      effect: "Deny",
      actions: ["ec2:CreateTags"],
      resources: parts,
      // The key is there where a thing is made with its tags.
      conditions: { Null: { "ec2:CreateAction": "true" }, ...others },
    },
  ];
}

/** What machines are started with often holds secrets. Slipway starts none. */
const keepOffUserData: Statement = {
  effect: "Deny",
  actions: ["ec2:DescribeInstanceAttribute", "ec2:DescribeLaunchTemplateVersions"],
  resources: ["*"],
};

/** Where ARNs mean every region. IAM and Route 53 have theirs in us-east-1. */
function keepToRegions({ regions }: Reach): Statement[] {
  if (regions.length === 1) return [];
  return [
    {
      effect: "Deny",
      actions: ["*"],
      resources: ["*"],
      conditions: { StringNotEquals: { "aws:RequestedRegion": [...new Set([...regions, "us-east-1"])] } },
    },
  ];
}

/** The most that a role of the environment, or of its previews, may be allowed: it grants nothing by itself. */
export function boundaryStatements(reach: Reach): Statement[] {
  if (reach.previews) return previewsBoundary(reach);
  return [
    {
      actions: [
        "cloudwatch:*",
        "codedeploy:*",
        "dynamodb:*",
        ...VPC_USE,
        "ecr:*",
        "ecs:*",
        "elasticloadbalancing:*",
        "events:PutEvents",
        ...KEY_USE,
        "lambda:GetAlias",
        "lambda:GetProvisionedConcurrencyConfig",
        "lambda:InvokeFunction",
        "lambda:UpdateAlias",
        "logs:*",
        "s3:*",
        "secretsmanager:GetSecretValue",
        "sns:Publish",
        "sqs:*",
        "ssm:GetParameter",
        "ssm:GetParameters",
        "ssm:GetParametersByPath",
        "ssmmessages:*",
        "states:StartExecution",
        "xray:*",
      ],
      resources: ["*"],
      reason: CAP,
    },
    {
      actions: ["iam:PassRole"],
      resources: ["*"],
      reason: CAP,
      conditions: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
    },
  ];
}

/**
 * Narrower than the environment's own: a branch grants its roles what it likes, and what it runs with them lies in the
 * account of the environment. Of what is not named like a preview it may have the values that the services refer to.
 */
function previewsBoundary(reach: Reach): Statement[] {
  const scope = scopeOf(reach);
  const { account, prefix, own, at, named, tagged } = scope;
  const values = [
    ...secretArns(reach),
    ...reach.parameters.map((name) => at("ssm", `parameter/${name.replace(/^\//, "")}`)),
  ];
  return [
    {
      actions: [
        "cloudwatch:DescribeAlarms",
        "cloudwatch:PutMetricData",
        "codedeploy:BatchGetDeploymentTargets",
        "codedeploy:ListDeploymentTargets",
        "codedeploy:PutLifecycleEventHookExecutionStatus",
        ...VPC_USE,
        "ecr:GetAuthorizationToken",
        "elasticloadbalancing:Describe*",
        "logs:DescribeLogGroups",
        "ssmmessages:*",
        "xray:*",
      ],
      resources: ["*"],
      reason: CAP,
    },
    {
      actions: [
        "cloudwatch:*",
        "codedeploy:Get*",
        "dynamodb:*",
        "ecs:*",
        "elasticloadbalancing:*",
        "events:PutEvents",
        "lambda:GetAlias",
        "lambda:GetProvisionedConcurrencyConfig",
        "lambda:InvokeFunction",
        "lambda:UpdateAlias",
        "logs:*",
        "s3:*",
        "sns:Publish",
        "sqs:*",
        "states:StartExecution",
      ],
      resources: [
        ...namedResources(scope),
        at("dynamodb", `table/${prefix}-*`),
        at("ecs", `task-set/${own}/*`),
        at("events", `event-bus/${prefix}-*`),
        at("states", `stateMachine:${prefix}-*`),
      ],
    },
    {
      actions: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
      resources: (reach.tried ? [previewRepositoryName, repositoryName] : [previewRepositoryName]).map(
        (nameOf) => `arn:aws:ecr:*:*:repository/${nameOf(reach, "*")}`,
      ),
    },
    { actions: KEY_USE, resources: [at("kms", "key/*")], conditions: tagged("ResourceTag") },
    ...(values.length
      ? [
          { actions: ["secretsmanager:GetSecretValue", "ssm:GetParameters"], resources: values },
          {
            actions: ["kms:Decrypt"],
            resources: [at("kms", "key/*")],
            conditions: {
              StringLike: { "kms:ViaService": ["secretsmanager.*.amazonaws.com", "ssm.*.amazonaws.com"] },
            },
          },
        ]
      : []),
    {
      actions: ["iam:PassRole"],
      resources: [roleArn(account, named("iamRole"))],
      conditions: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
    },
    keepOffOthers(scope),
  ];
}

/** How what a reach means is named and tagged, for patterns of IAM's. */
interface Scope {
  readonly account: string;
  /** As ARNs have it. */
  readonly region: string;
  /** What all names begin with; a dash follows, but in the environment's own. */
  readonly prefix: string;
  /** What bears the name of an environment itself. */
  readonly own: string;
  /** What bears it as its load balancer does. */
  readonly balancer: string;
  /** Of the tag of an environment. */
  readonly tag: string;
  /** Names of its roles, and of its boundary. */
  readonly access: ReturnType<typeof accessNames>;
  /** An ARN. */
  at(service: string, resource: string): string;
  /** What bears a name that goes on from the environment's, cut off where it is too long. */
  named(kind: keyof typeof NAME_LIMITS): string;
  /** That a request's, or a resource's, tag is the environment's, and what else is to be equal. */
  tagged(
    of: "RequestTag" | "ResourceTag",
    equal?: Readonly<Record<string, string | readonly string[]>>,
  ): NonNullable<Statement["conditions"]>;
}

function scopeOf({ project, environment, previews = false, account, regions }: Reach): Scope {
  const owner = previews ? previewsOf(environment) : environment;
  const prefix = environmentPrefix(project, owner);
  const tag = previews ? `${owner}-*` : environment;
  // Names are the same in each, and begin like nobody else's.
  const region = regions.length === 1 ? regions[0]! : "*";
  return {
    account,
    region,
    prefix,
    own: previews ? `${prefix}-*` : prefix,
    balancer: namePattern("loadBalancer", previews ? `${prefix}-` : prefix),
    tag,
    access: accessNames(project, owner),
    at: (service, resource) => `arn:aws:${service}:${region}:${account}:${resource}`,
    named: (kind) => namePattern(kind, `${prefix}-`),
    tagged: (of, equal) => {
      const own = { [`aws:${of}/slipway:environment`]: tag };
      if (!previews) return { StringEquals: { ...own, ...equal } };
      return { StringLike: own, ...(equal && { StringEquals: equal }) };
    },
  };
}

/** They end in six characters of Secrets Manager's own. */
const secretArns = (reach: Reach) =>
  reach.secrets.map((name) => scopeOf(reach).at("secretsmanager", `secret:${name}-??????`));

/** API Gateway is allowed by the methods of HTTP. */
const CHANGING_APIS = ["apigateway:DELETE", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT"];

const HOSTED_ZONES = "arn:aws:route53:::hostedzone/*";

/** What AWS makes up the ARNs of: keys, certificates and APIs that carry the environment's tag. */
function ownByTag(
  { account, region, tagged }: Scope,
  service: "acm" | "apigateway" | "kms",
  kind: "certificate" | "/apis" | "key",
) {
  return {
    resources: [`arn:aws:${service}:${region}:${account}:${kind}/*`],
    conditions: tagged("ResourceTag"),
  };
}

function facingTheWorld({ own, balancer, at }: Scope) {
  return [
    at("elasticloadbalancing", `loadbalancer/app/${balancer}/*`),
    at("wafv2", `regional/webacl/${own}/*`),
  ];
}

function namedResources(scope: Scope) {
  const { account, prefix, own, balancer, at, named } = scope;
  return [
    at("cloudwatch", `alarm:${prefix}-*`),
    `arn:aws:cloudwatch::${account}:dashboard/${own}`,
    at("codedeploy", `application:${named("codeDeploy")}`),
    at("codedeploy", `deploymentgroup:${named("codeDeploy")}/*`),
    at("codedeploy", "deploymentconfig:*"),
    at("ecs", `cluster/${own}`),
    at("ecs", `service/${own}/*`),
    at("ecs", `task-definition/${named("ecsFamily")}:*`),
    ...facingTheWorld(scope),
    at("elasticloadbalancing", `targetgroup/${named("targetGroup")}/*`),
    at("elasticloadbalancing", `listener/app/${balancer}/*/*`),
    at("elasticloadbalancing", `listener-rule/app/${balancer}/*/*/*`),
    roleArn(account, named("iamRole")),
    at("lambda", `function:${named("function")}`),
    at("logs", `log-group:/slipway/${own}/*`),
    at("logs", `log-group:/aws/lambda/${named("function")}`),
    at("logs", `log-group:/aws/ecs/containerinsights/${own}/*`),
    at("logs", `log-group:aws-waf-logs-${own}`),
    at("logs", `log-group:aws-waf-logs-${own}:*`),
    `arn:aws:s3:::${named("bucket")}`,
    at("sns", `${prefix}-*`),
    at("sqs", named("queue")),
  ];
}
