import { resourcesOf, type SynthesizedStack, statements, synthesizeFile } from "../support/synthesized";

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

/** The roles that pipelines make: those of `delivery` and of the pipelines. */
const own = (type: string) =>
  ["delivery", "pipeline-main"].flatMap((stack) =>
    resourcesOf(stacks[stack]!)
      .filter((resource) => resource.type === type)
      .map((resource) => ({ stack, ...resource })),
  );

/** What Terraform fills in: the token's secret; other things only "*" is sure to match. */
const filledIn = (resource: string) =>
  /^\$\{(data\.)?aws_secretsmanager_secret/.test(resource)
    ? "arn:aws:secretsmanager:eu-west-1:111111111111:secret:hello/github-token-AbCdEf"
    : resource;

/** As IAM reads its patterns. */
function matches(pattern: string, text: string): boolean {
  const expression = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replace(/\*/g, ".*")
    .replace(/\?/g, ".");
  return new RegExp(`^${expression}$`).test(text);
}

const within = (action: string, resource: string, condition: Statement["Condition"]) =>
  boundary.some(
    ({ Effect, Action, Resource, Condition }) =>
      Effect === "Allow" &&
      [Action].flat().some((pattern) => matches(pattern, action)) &&
      [Resource].flat().some((pattern) => matches(pattern, resource)) &&
      Object.entries(Condition?.StringEquals ?? {}).every(([key, allowed]) => {
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
            .filter((resource) => !within(action, filledIn(resource), Condition))
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
  [
    "secretsmanager:GetSecretValue",
    "arn:aws:secretsmanager:eu-west-1:111111111111:secret:payroll-AbCdEf",
    undefined,
  ],
])("fails when the boundary lets anybody %s on %s", (action, resource, condition) => {
  expect(within(action, resource, condition)).toBe(false);
});

test("fails when the roles of an environment in the build account can be touched", () => {
  expect(boundary.filter(({ Effect }) => Effect === "Deny")).toEqual([
    {
      Effect: "Deny",
      Action: "iam:*",
      Resource: "arn:aws:iam::111111111111:role/*",
      Condition: { Null: { "aws:ResourceTag/slipway:environment": "false" } },
    },
  ]);
});
