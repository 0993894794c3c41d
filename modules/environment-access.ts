import { accessNames, LIVE_ALIAS } from "../shared/names";
import { environmentPrefix, policyArn, roleArn } from "./arns";
import { validationRecord } from "./domain";
import { VPC_USE } from "./function";
import { GIVING_RIGHTS, KEEPING_ROLES, type Statement } from "./iam";
import { KEY_USE } from "./key";

/** What the roles of an environment are for, and where their rights end. */
export interface Reach {
  readonly project: string;
  readonly environment: string;
  readonly account: string;
  readonly region: string;
  /** Host name of the services. @default - none, and no right in Route 53 */
  readonly domain?: string;
  /** Names of the secrets, of Secrets Manager, that the services refer to. */
  readonly secrets: readonly string[];
}

const NO_NAME =
  "What is read, or made, here has no name of its own to limit it to; the account is the environment's.";

/** Reading that a plan does. Secrets' values, objects and log lines are not among it. */
export function readStatements(reach: Reach): Statement[] {
  const { project, environment, account, region, domain, secrets } = reach;
  const prefix = environmentPrefix(project, environment);
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
      resources: namedResources({ account, region, prefix }),
    },
    ...(secrets.length
      ? [
          {
            // That they are there, and not what they are.
            actions: ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"],
            resources: secrets.map(
              (name) => `arn:aws:secretsmanager:${region}:${account}:secret:${name}-??????`,
            ),
          },
        ]
      : []),
    { actions: ["apigateway:GET"], resources: [`arn:aws:apigateway:${region}::/apis/*`] },
    {
      actions: ["acm:DescribeCertificate", "acm:ListTagsForCertificate"],
      ...ownByTag({ account, region, environment }, "acm", "certificate"),
    },
    {
      actions: [
        "kms:DescribeKey",
        "kms:GetKeyPolicy",
        "kms:GetKeyRotationStatus",
        "kms:ListResourceTags",
        "kms:Decrypt",
      ],
      ...ownByTag({ account, region, environment }, "kms", "key"),
    },
  ];
}

/** Calling that an environment's acceptance tests do: of its functions, what callers get. */
export function verifyStatements({ project, environment, account, region }: Reach): Statement[] {
  const prefix = environmentPrefix(project, environment);
  return [
    {
      actions: ["lambda:InvokeFunction"],
      resources: [`arn:aws:lambda:${region}:${account}:function:${prefix}-*:${LIVE_ALIAS}`],
    },
  ];
}

/** Releasing: new versions of an environment's services and functions, and what CodeDeploy does with them. */
export function releaseStatements({ project, environment, account, region }: Reach): Statement[] {
  const prefix = environmentPrefix(project, environment);
  const at = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`;
  const passable = ["execution", "task"].map((kind) => roleArn(account, `${prefix}-*-${kind}`));
  const checks = ["svc", "fn"].map((kind) => at("lambda", `function:${prefix}-*-${kind}-check`));
  return [
    {
      actions: [
        "codedeploy:CreateDeployment",
        "codedeploy:GetDeployment",
        "codedeploy:ListDeployments",
        // To release without an alarm that is on already is to change the group, for CodeDeploy.
        "codedeploy:UpdateDeploymentGroup",
      ],
      resources: [at("codedeploy", `deploymentgroup:${prefix}-*/*`)],
    },
    {
      actions: ["codedeploy:GetApplicationRevision", "codedeploy:RegisterApplicationRevision"],
      resources: [at("codedeploy", `application:${prefix}-*`)],
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
    { actions: ["ecs:DescribeServices"], resources: [at("ecs", `service/${prefix}/*`)] },
    {
      actions: ["ecs:RegisterTaskDefinition", "ecs:TagResource"],
      resources: [at("ecs", `task-definition/${prefix}-*:*`)],
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
      resources: [at("lambda", `function:${prefix}-*`)],
    },
    {
      // What judges a release is not its to change.
      effect: "Deny",
      actions: ["lambda:UpdateFunctionCode"],
      resources: checks,
    },
    // One that was idle for weeks is woken.
    { actions: ["lambda:InvokeFunction"], resources: checks },
    {
      // Functions' variables are encrypted by it, and a version keeps them.
      actions: ["kms:CreateGrant", "kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"],
      resources: [at("kms", "key/*")],
      conditions: {
        StringEquals: {
          "aws:ResourceTag/slipway:environment": environment,
          "kms:ViaService": `lambda.${region}.amazonaws.com`,
        },
      },
    },
    {
      // What the checks of a release have said.
      actions: ["logs:FilterLogEvents"],
      resources: [at("logs", `log-group:/aws/lambda/${prefix}-*`)],
    },
  ];
}

/** Changing that an apply does, beside the reading. */
export function writeStatements(reach: Reach): Statement[] {
  const { project, environment, account, region } = reach;
  const prefix = environmentPrefix(project, environment);
  const access = accessNames(project, environment);
  const boundary = policyArn(account, access.boundary);
  const roles = [`arn:aws:iam::${account}:role/${prefix}-*`];
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
      resources: namedResources({ account, region, prefix }),
    },
    {
      actions: [
        "kms:CreateAlias",
        "kms:CreateGrant",
        "kms:DeleteAlias",
        "kms:EnableKeyRotation",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:PutKeyPolicy",
        "kms:ScheduleKeyDeletion",
        "kms:TagResource",
        "kms:UntagResource",
        "kms:UpdateKeyDescription",
      ],
      resources: [
        `arn:aws:kms:${region}:${account}:key/*`,
        `arn:aws:kms:${region}:${account}:alias/${prefix}`,
      ],
    },
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

/**
 * Changing, beside that, of what faces the world: firewall, HTTP APIs, the domain's certificate and its records. A policy by
 * itself, because all that is written into a role has but 10,240 characters.
 */
export function edgeStatements({ project, environment, account, region, domain }: Reach): Statement[] {
  const prefix = environmentPrefix(project, environment);
  const logs = `arn:aws:logs:${region}:${account}`;
  return [
    {
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
        ...facingTheWorld({ account, region, prefix }),
        // AWS's own rule groups, which a web ACL is made of.
        `arn:aws:wafv2:${region}:${account}:regional/managedruleset/*`,
      ],
    },
    {
      actions: CHANGING_APIS,
      ...ownByTag({ account: "", region, environment }, "apigateway", "/apis"),
    },
    {
      // Of an API, these carry no tags: the account is the environment's.
      actions: CHANGING_APIS,
      resources: ["integrations", "routes"].map((part) => `arn:aws:apigateway:${region}::/apis/*/${part}*`),
    },
    {
      actions: ["apigateway:POST", "apigateway:TagResource"],
      resources: [`arn:aws:apigateway:${region}::/apis`, `arn:aws:apigateway:${region}::/tags/*`],
      conditions: { StringEquals: { "aws:RequestTag/slipway:environment": environment } },
    },
    {
      // WAF has CloudWatch Logs let it write, by a policy that is the region's and not the group's.
      actions: ["logs:DescribeResourcePolicies", "logs:PutResourcePolicy"],
      resources: [`${logs}:*`],
    },
    { actions: ["acm:AddTagsToCertificate"], resources: [`arn:aws:acm:${region}:${account}:certificate/*`] },
    {
      actions: ["acm:DeleteCertificate", "acm:RemoveTagsFromCertificate"],
      ...ownByTag({ account, region, environment }, "acm", "certificate"),
    },
    ...(domain
      ? [
          {
            // Whatever else is in the zone, and in other zones of the account, stays out of reach.
            actions: ["route53:ChangeResourceRecordSets"],
            resources: [HOSTED_ZONES],
            conditions: {
              "ForAllValues:StringLike": {
                "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
                  domain,
                  // Route 53 writes an asterisk by its number.
                  `\\052.${domain}`,
                  validationRecord(domain),
                ],
              },
            },
          },
        ]
      : []),
  ];
}

/** The most that a role of the environment may be allowed: it grants nothing by itself. */
export function boundaryStatements(): Statement[] {
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
      reason: "A boundary caps what roles are granted elsewhere; it grants nothing.",
    },
    {
      actions: ["iam:PassRole"],
      resources: ["*"],
      reason: "A boundary caps what roles are granted elsewhere; it grants nothing.",
      conditions: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
    },
  ];
}

/** API Gateway is allowed by the methods of HTTP. */
const CHANGING_APIS = ["apigateway:DELETE", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT"];

const HOSTED_ZONES = "arn:aws:route53:::hostedzone/*";

/** What AWS makes up the ARNs of: keys, certificates and APIs that carry the environment's tag. */
function ownByTag(
  { account, region, environment }: Pick<Reach, "account" | "region" | "environment">,
  service: "acm" | "apigateway" | "kms",
  kind: "certificate" | "/apis" | "key",
) {
  return {
    resources: [`arn:aws:${service}:${region}:${account}:${kind}/*`],
    conditions: { StringEquals: { "aws:ResourceTag/slipway:environment": environment } },
  };
}

function facingTheWorld({ account, region, prefix }: { account: string; region: string; prefix: string }) {
  return [
    `arn:aws:elasticloadbalancing:${region}:${account}:loadbalancer/app/${prefix}*/*`,
    `arn:aws:wafv2:${region}:${account}:regional/webacl/${prefix}/*`,
  ];
}

function namedResources({ account, region, prefix }: { account: string; region: string; prefix: string }) {
  const at = (service: string) => `arn:aws:${service}:${region}:${account}`;
  return [
    `${at("cloudwatch")}:alarm:${prefix}-*`,
    `arn:aws:cloudwatch::${account}:dashboard/${prefix}`,
    `${at("codedeploy")}:application:${prefix}-*`,
    `${at("codedeploy")}:deploymentgroup:${prefix}-*/*`,
    `${at("codedeploy")}:deploymentconfig:*`,
    `${at("ecs")}:cluster/${prefix}`,
    `${at("ecs")}:service/${prefix}/*`,
    `${at("ecs")}:task-definition/${prefix}-*:*`,
    ...facingTheWorld({ account, region, prefix }),
    `${at("elasticloadbalancing")}:targetgroup/${prefix}-*/*`,
    `${at("elasticloadbalancing")}:listener/app/${prefix}*/*/*`,
    `${at("elasticloadbalancing")}:listener-rule/app/${prefix}*/*/*/*`,
    `arn:aws:iam::${account}:role/${prefix}-*`,
    `${at("lambda")}:function:${prefix}-*`,
    `${at("logs")}:log-group:/slipway/${prefix}/*`,
    `${at("logs")}:log-group:/aws/lambda/${prefix}-*`,
    `${at("logs")}:log-group:/aws/ecs/containerinsights/${prefix}/*`,
    `${at("logs")}:log-group:aws-waf-logs-${prefix}`,
    `${at("logs")}:log-group:aws-waf-logs-${prefix}:*`,
    `arn:aws:s3:::${prefix}-*`,
    `${at("sns")}:${prefix}-*`,
    `${at("sqs")}:${prefix}-*`,
  ];
}
