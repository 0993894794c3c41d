import { synthesizeFile } from "../support/synthesize-file";
import { resourcesOf, type SynthesizedStack, statements } from "../support/synthesized";

interface Statement {
  readonly Effect: string;
  readonly Action: string | string[];
  readonly Resource: string | string[];
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

const BOUNDARY = "arn:aws:iam::111111111111:policy/hello-delivery-boundary";

let stacks: Record<string, SynthesizedStack>;
let boundary: Statement[];
beforeAll(async () => {
  stacks = await synthesizeFile();
  const [policy] = resourcesOf(stacks.bootstrap!).filter(({ type }) => type === "aws_iam_policy");
  boundary = statements(policy!.properties) as unknown as Statement[];
});

/** What pipelines make: what is of `delivery`, of the pipelines, and of what previews are made like. */
const own = (type: string) =>
  Object.entries(stacks)
    .filter(([stack]) => /^(delivery$|pipeline-)/.test(stack))
    .flatMap(([stack, content]) =>
      resourcesOf(content)
        .filter((resource) => resource.type === type)
        .map((resource) => ({ stack, ...resource })),
    );

const HERE = "eu-west-1:111111111111";
/** ARNs of what a stack makes, by Terraform's type. */
const ARNS: Readonly<Record<string, (name: string) => string>> = {
  aws_cloudwatch_log_group: (name) => `arn:aws:logs:${HERE}:log-group:${name}`,
  aws_codebuild_project: (name) => `arn:aws:codebuild:${HERE}:project/${name}`,
  aws_codebuild_report_group: (name) => `arn:aws:codebuild:${HERE}:report-group/${name}`,
  aws_codepipeline: (name) => `arn:aws:codepipeline:${HERE}:${name}`,
  aws_kms_key: () => `arn:aws:kms:${HERE}:key/00000000`,
  aws_kms_alias: () => `arn:aws:kms:${HERE}:key/00000000`,
  aws_secretsmanager_secret: () => `arn:aws:secretsmanager:${HERE}:secret:hello/github-token-AbCdEf`,
  aws_secretsmanager_secret_version: () => `arn:aws:secretsmanager:${HERE}:secret:hello/github-token-AbCdEf`,
  aws_sns_topic: (name) => `arn:aws:sns:${HERE}:${name}`,
  aws_sqs_queue: (name) => `arn:aws:sqs:${HERE}:${name}`,
};

/** A resource, with what Terraform will fill in. */
function filledIn(stack: string, resource: string): string {
  return resource.replace(/\$\{(data\.)?(\w+)\.([\w-]+)\.\w+\}/g, (found, data, type: string, id: string) => {
    const properties = data ? {} : stacks[stack]!.resource[type]![id]!;
    const arn = ARNS[type];
    if (!arn) throw new Error(`What is ${found}?`);
    return arn(String(properties.name ?? ""));
  });
}

/** As IAM reads its patterns. */
function matches(pattern: string, text: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${expression}$`).test(text);
}

const denied = (action: string, resource: string) =>
  boundary.some(
    ({ Effect, Action, Resource, Condition }) =>
      Effect === "Deny" &&
      !Condition &&
      [Action].flat().some((pattern) => matches(pattern, action)) &&
      [Resource].flat().some((pattern) => matches(pattern, resource)),
  );

const within = (action: string, resource: string, condition: Statement["Condition"]) =>
  !denied(action, resource) &&
  boundary.some(
    ({ Effect, Action, Resource, Condition }) =>
      Effect === "Allow" &&
      [Action].flat().some((pattern) => matches(pattern, action)) &&
      [Resource].flat().some((pattern) => matches(pattern, resource)) &&
      Object.entries(Condition?.StringEquals ?? {}).every(([key, allowed]) => {
        // Every key of the project's carries it.
        if (key === "aws:ResourceTag/slipway:project") return !/payroll/.test(resource);
        const asked = [condition?.StringEquals?.[key]].flat();
        return asked.every((one) => [allowed].flat().includes(one));
      }),
  );

test("fails when a role that a pipeline can make is made without the boundary", () => {
  const roles = own("aws_iam_role");
  expect(roles.length).toBeGreaterThan(10);
  for (const { id, properties } of roles)
    expect([id, properties.permissions_boundary]).toEqual([id, BOUNDARY]);
});

test("fails when a role is granted what the boundary keeps from it", () => {
  const kept = own("aws_iam_role_policy").flatMap(({ stack, id, properties }) =>
    (statements(properties) as unknown as Statement[])
      .filter(({ Effect }) => Effect === "Allow")
      .flatMap(({ Action, Resource, Condition }) =>
        [Action].flat().flatMap((action) =>
          [Resource]
            .flat()
            .map((resource) => filledIn(stack, resource))
            // One statement may be of several services: an action means what is of its own.
            .filter((resource) => resource === "*" || resource.split(":")[2] === action.split(":")[0])
            .filter((resource) => !within(action, resource, Condition))
            .map((resource) => `${stack} ${id}: ${action} on ${resource}`),
        ),
      ),
  );
  expect(kept).toEqual([]);
});

test.each<[string, string, Statement["Condition"]]>([
  ["iam:CreateRole", "arn:aws:iam::111111111111:role/hello-new", undefined],
  ["iam:PutRolePolicy", "arn:aws:iam::111111111111:role/hello-main-update", undefined],
  [
    "iam:PutRolePermissionsBoundary",
    "arn:aws:iam::111111111111:role/hello-main-update",
    { StringEquals: { "iam:PermissionsBoundary": "arn:aws:iam::aws:policy/AdministratorAccess" } },
  ],
  ["iam:DeleteRolePermissionsBoundary", "arn:aws:iam::111111111111:role/hello-main-update", undefined],
  ["iam:AttachRolePolicy", "arn:aws:iam::111111111111:role/hello-main-update", undefined],
  ["iam:CreatePolicyVersion", BOUNDARY, undefined],
  ["iam:CreateUser", "arn:aws:iam::111111111111:user/hello-somebody", undefined],
  [
    "iam:PassRole",
    "arn:aws:iam::111111111111:role/hello-main-update",
    { StringEquals: { "iam:PassedToService": "ec2.amazonaws.com" } },
  ],
  ["sts:AssumeRole", "arn:aws:iam::222222222222:role/OrganizationAccountAccessRole", undefined],
  ["s3:GetObject", "arn:aws:s3:::payroll/january", undefined],
  ["s3:PutObject", "arn:aws:s3:::hello-state-111111111111-eu-west-1/bootstrap.tfstate", undefined],
  ["s3:PutObject", "arn:aws:s3:::hello-state-111111111111-eu-west-1/access-prod.tfstate", undefined],
  ["s3:PutBucketPolicy", "arn:aws:s3:::hello-state-111111111111-eu-west-1", undefined],
  ["kms:ScheduleKeyDeletion", "arn:aws:kms:eu-west-1:111111111111:key/00000000", undefined],
  ["kms:Decrypt", "arn:aws:kms:eu-west-1:111111111111:key/payroll", undefined],
  ["lambda:UpdateFunctionCode", "arn:aws:lambda:eu-west-1:111111111111:function:payroll", undefined],
  ["codebuild:UpdateProject", "arn:aws:codebuild:eu-west-1:111111111111:project/payroll", undefined],
  ["codepipeline:PutApprovalResult", "arn:aws:codepipeline:eu-west-1:111111111111:hello-main", undefined],
  ["codepipeline:DeletePipeline", "arn:aws:codepipeline:eu-west-1:111111111111:hello-main", undefined],
  [
    "codepipeline:DeletePipeline",
    "arn:aws:codepipeline:eu-west-1:111111111111:hello-preview-main_dev",
    undefined,
  ],
  ["ecr:PutImage", "arn:aws:ecr:eu-west-1:111111111111:repository/payroll/web", undefined],
  [
    "secretsmanager:GetSecretValue",
    "arn:aws:secretsmanager:eu-west-1:111111111111:secret:payroll-AbCdEf",
    undefined,
  ],
])("fails when the boundary lets anybody %s on %s", (action, resource, condition) => {
  expect(within(action, resource, condition)).toBe(false);
});

test("fails when the roles of an environment in the build account can be touched", () => {
  expect(boundary.filter(({ Effect, Condition }) => Effect === "Deny" && Condition)).toEqual([
    {
      Effect: "Deny",
      Action: "iam:*",
      Resource: "arn:aws:iam::111111111111:role/*",
      Condition: { Null: { "aws:ResourceTag/slipway:environment": "false" } },
    },
  ]);
});
