/** A right of a role that a rehearsal takes away. */
export interface Taking {
  readonly role: string;
  /** As the role's policy writes it. */
  readonly grant: string;
  /** The action that is asked for, where the grant is a pattern. @default - the grant */
  readonly asked?: string;
}

/** What is taken away at once: an action fails of it, and its user is told of all of it. */
export type Round = readonly Taking[];

/** By the pipeline's stage and there by its action: one round after the other. */
export type Takings = Readonly<Record<string, Readonly<Record<string, readonly Round[]>>>>;

const BUILD = "111111111111";
const PRODUCTION = "333333333333";

/** Those of the environment's account have its name. */
export const roleAccount = (role: string) => (role.startsWith("hello-prod-") ? PRODUCTION : BUILD);

/** One after the other. */
const each = (role: string, ...grants: readonly string[]): Round[] =>
  grants.map((grant) => [{ role, grant }]);

/** All at once. */
const together = (role: string, ...grants: readonly string[]): Round[] => [
  grants.map((grant) => {
    const [written = "", asked = written] = grant.split(" as ");
    return { role, grant: written, asked };
  }),
];

/** What every build needs before it runs a command. */
const beginning = (role: string) => each(role, "s3:GetObject", "kms:Decrypt", "logs:CreateLogStream");

/** What it needs beside that to leave an artifact. */
const leaving = (role: string) => each(role, "s3:PutObject", "kms:GenerateDataKey");

/** In the first deployment of an environment. */
export const TAKEN_AT_FIRST: Takings = {
  Source: { Source: each("hello-main", "s3:PutObject", "kms:GenerateDataKey") },
  Install: {
    install: [
      ...each("hello-main", "codebuild:StartBuild", "codebuild:BatchGetBuilds"),
      ...beginning("hello-main-install"),
      ...leaving("hello-main-install"),
    ],
  },
  Build: {
    lint: beginning("hello-main-lint"),
    test: [
      ...beginning("hello-main-test"),
      ...each(
        "hello-main-test",
        "codebuild:CreateReport",
        "codebuild:BatchPutTestCases",
        "codebuild:BatchPutCodeCoverages",
        "codebuild:UpdateReport",
      ),
    ],
    scan: beginning("hello-main-scan"),
    synth: [...beginning("hello-main-synth"), ...leaving("hello-main-synth")],
    "image-web": [
      ...beginning("hello-main-image-web"),
      ...each(
        "hello-main-image-web",
        "ecr:DescribeImages",
        "ecr:GetAuthorizationToken",
        "ecr:BatchGetImage",
        "ecr:PutImage",
      ),
      ...leaving("hello-main-image-web"),
    ],
  },
  Update: {
    update: [
      ...beginning("hello-main-update"),
      // All that a plan reads is read side by side. `delivery` comes first.
      ...together(
        "hello-main-update",
        "ecr:DescribeRepositories",
        "events:DescribeRule",
        "iam:GetRole* as iam:GetRole",
        "logs:DescribeLogGroups",
        "sns:Get* as sns:GetTopicAttributes",
        "sqs:GetQueueAttributes",
      ),
      ...together("hello-main-update", "codebuild:BatchGet* as codebuild:BatchGetProjects"),
      ...each("hello-main-update", "codepipeline:GetPipeline", "secretsmanager:GetSecretValue"),
    ],
  },
  Plan: {
    "plan-prod": [
      // Not the pipeline's own: Update leaves them as they are.
      ...together("hello-prod-plan", "ec2:Describe* as ec2:DescribeAvailabilityZones"),
      ...beginning("hello-main-plan-prod"),
      ...each("hello-main-plan-prod", "sts:AssumeRole"),
      ...leaving("hello-main-plan-prod"),
    ],
  },
  Deploy: {
    // What comes later writes a state, for which the plan is stale.
    "apply-prod": [
      ...beginning("hello-main-apply-prod"),
      // The lock of the state is an object.
      ...each("hello-main-apply-prod", "s3:PutObject", "kms:GenerateDataKey"),
    ],
  },
  Release: {
    "release-prod": [
      ...beginning("hello-main-release-prod"),
      ...each("hello-main-release-prod", "sts:AssumeRole"),
      ...each(
        "hello-prod-release",
        "ecs:DescribeServices",
        "ecs:DescribeTaskDefinition",
        "ecs:RegisterTaskDefinition",
        "iam:PassRole",
        "codedeploy:CreateDeployment",
      ),
      // CodeDeploy's own, and what it asks whether a version is good.
      ...each("hello-prod-web-release", "ecs:CreateTaskSet", "elasticloadbalancing:ModifyRule"),
      ...each(
        "hello-prod-web-svc-check-function",
        "codedeploy:GetDeployment",
        "ec2:DescribeNetworkInterfaces",
      ),
      ...leaving("hello-main-release-prod"),
    ],
  },
  Verify: {
    "verify-prod": [
      ...beginning("hello-main-verify-prod"),
      ...each("hello-main-verify-prod", "sts:AssumeRole", "codebuild:CreateReport"),
    ],
  },
};

/** In the change that follows it. */
export const TAKEN_LATER: Takings = {
  // Whatever else its role lacks, it gives back to it before it is needed.
  Update: { update: each("hello-main-update", "iam:PutRolePolicy") },
  Plan: {
    "plan-prod": together(
      "hello-prod-plan",
      "codedeploy:Get* as codedeploy:GetApplication",
      "iam:GetRole",
      "kms:DescribeKey",
      "ec2:Describe* as ec2:DescribeVpcs",
    ),
  },
  Deploy: {
    "apply-prod": [
      ...each("hello-main-apply-prod", "sts:AssumeRole"),
      ...each("hello-prod-deploy", "lambda:UpdateFunctionConfiguration"),
    ],
  },
  Release: {
    "release-prod": [
      ...each("hello-prod-release", "lambda:UpdateFunctionCode", "lambda:PublishVersion"),
      ...each("hello-prod-hello-fn-release", "lambda:GetAlias", "lambda:UpdateAlias"),
      ...each("hello-prod-hello-fn-check-function", "lambda:InvokeFunction"),
    ],
  },
  Verify: {
    "verify-prod": [
      ...each("hello-main-verify-prod", "s3:GetObject"),
      ...each("hello-prod-verify", "lambda:InvokeFunction"),
    ],
  },
};

/** Grants that no action fails without, although it does on AWS, or may: they are taken away while it runs. */
export interface Unnoticed {
  readonly roles: readonly string[];
  readonly grants: readonly string[];
  readonly why: string;
}

const step = (name: string) => `hello-main-${name}`;
const WITHOUT_STATE = ["install", "lint", "test", "scan", "synth", "image-web"].map(step);
const WITH_STATE = ["plan-prod", "apply-prod", "release-prod", "verify-prod"].map(step);

export const UNNOTICED: readonly Unnoticed[] = [
  {
    roles: [...WITHOUT_STATE, ...WITH_STATE],
    grants: [
      "s3:GetObjectVersion",
      "s3:GetBucketLocation",
      "s3:GetBucketVersioning",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
    ],
    why: "Local AWS reads and writes an artifact by GetObject and PutObject alone",
  },
  {
    roles: WITHOUT_STATE,
    grants: ["s3:DeleteObject", "s3:ListBucket"],
    why: "Caches are left out, and nothing else of a build lists or deletes",
  },
  {
    roles: WITH_STATE,
    grants: ["s3:ListBucket"],
    why: "An object that is not there is a 404 also to who may not list",
  },
  {
    roles: ["plan-prod", "release-prod", "verify-prod"].map(step),
    grants: ["s3:DeleteObject"],
    why: "Nothing of a build deletes, but the lock of a state that is written",
  },
  {
    roles: ["lint", "test", "scan", "verify-prod"].map(step),
    grants: ["s3:PutObject", "kms:GenerateDataKey"],
    why: "These leave no artifact",
  },
  {
    roles: ["install", "lint", "test", "scan", "synth"].map(step),
    grants: ["logs:PutLogEvents"],
    why: "A line that the log does not take is tried again, and lost",
  },
  {
    roles: [step("verify-prod")],
    grants: ["codebuild:BatchPutCodeCoverages"],
    why: "Its report is one of tests",
  },
  {
    roles: [step("image-web")],
    grants: [
      "ecr:BatchCheckLayerAvailability",
      "ecr:CompleteLayerUpload",
      "ecr:GetDownloadUrlForLayer",
      "ecr:InitiateLayerUpload",
      "ecr:UploadLayerPart",
    ],
    why: "An image is a folder that has no layers: a push is PutImage alone",
  },
  {
    roles: ["hello-main"],
    grants: ["codebuild:StopBuild"],
    why: "Nobody abandons a build",
  },
  {
    roles: ["hello-main"],
    grants: [
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
      "s3:DeleteObject",
      "s3:GetBucketLocation",
      "s3:GetBucketVersioning",
      "s3:GetObject",
      "s3:GetObjectVersion",
      "s3:ListBucket",
    ],
    why: "Of artifacts the pipeline's role writes the source alone, and keys of topics are asked for nothing",
  },
  {
    roles: ["hello-prod-web-execution"],
    grants: [
      "ecr:BatchCheckLayerAvailability",
      "ecr:BatchGetImage",
      "ecr:GetAuthorizationToken",
      "ecr:GetDownloadUrlForLayer",
      "logs:CreateLogStream",
      "logs:PutLogEvents",
    ],
    why: "An image is a folder that a task runs in, and a line that the log does not take is lost",
  },
  {
    roles: ["hello-prod-web-release"],
    grants: ["elasticloadbalancing:DescribeListeners", "elasticloadbalancing:ModifyListener"],
    why: "A listener that leads by a rule is not changed itself",
  },
  {
    roles: ["hello-prod-hello-fn-release"],
    grants: ["lambda:GetProvisionedConcurrencyConfig"],
    why: "Local AWS has no provisioned concurrency",
  },
  {
    roles: [
      "hello-prod-hello-function",
      "hello-prod-hello-fn-check-function",
      "hello-prod-web-svc-check-function",
    ],
    grants: [
      "kms:Decrypt",
      "kms:DescribeKey",
      "kms:Encrypt",
      "kms:GenerateDataKey",
      "kms:ReEncryptFrom",
      "kms:ReEncryptTo",
      "sqs:SendMessage",
      "xray:PutTelemetryRecords",
      "xray:PutTraceSegments",
    ],
    why: "Keys of functions' variables are asked for nothing, traces are left out, and no call failed for good",
  },
  {
    roles: ["hello-prod-web-svc-check-function"],
    grants: [
      "ec2:AssignPrivateIpAddresses",
      "ec2:CreateNetworkInterface",
      "ec2:DeleteNetworkInterface",
      "ec2:DescribeSubnets",
      "ec2:UnassignPrivateIpAddresses",
    ],
    why: "A function in a VPC has no network interface",
  },
  {
    roles: ["hello-prod-flow-log"],
    grants: [
      "logs:CreateLogStream",
      "logs:DescribeLogGroups",
      "logs:DescribeLogStreams",
      "logs:PutLogEvents",
    ],
    why: "Nothing flows that could be logged",
  },
];

/**
 * When roles lack what nobody notices, by the stage before which it is taken: Update gives the pipeline's own roles
 * back what they lack, and those of the environment's stack are not there before Deploy.
 */
export const UNNOTICED_FROM = {
  Source: [...WITHOUT_STATE, "hello-main"],
  Plan: WITH_STATE,
  Release: [
    "hello-prod-flow-log",
    "hello-prod-hello-fn-check-function",
    "hello-prod-hello-fn-release",
    "hello-prod-hello-function",
    "hello-prod-web-execution",
    "hello-prod-web-release",
    "hello-prod-web-svc-check-function",
  ],
};

/** Roles of which each grant is in one of the tables. Of the others, which may do more, some are. */
export const COMPLETE = [...UNNOTICED_FROM.Source, "hello-prod-web-execution", "hello-prod-flow-log"];

/** Roles that no action of a pipeline takes on, and why. */
export const NOBODYS: Readonly<Record<string, string>> = {
  "hello-delivery-cleanup-function": "A schedule calls it",
  "hello-delivery-drift": "A schedule starts it",
  "hello-delivery-drift-start": "A schedule starts the drift's builds by it",
  "hello-delivery-pages-function": "Readers of reports call it",
  "hello-delivery-plan": "Reviews of pull requests do",
  "hello-delivery-report-function": "It tells of runs, which do not wait for it",
  "hello-delivery-review": "Reviews of pull requests do",
  "hello-delivery-webhook-function": "GitHub calls it",
  "hello-prod-web-task": "It is granted nothing",
};
