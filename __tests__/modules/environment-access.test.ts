import {
  edgeStatements,
  type Reach,
  readStatements,
  releaseStatements,
  verifyStatements,
  writeStatements,
} from "../../modules/environment-access";
import { policyDocument, Role, type Statement } from "../../modules/iam";
import { only, synthesizeConstruct } from "../support/construct";

const reach: Reach = {
  project: "hello",
  environment: "dev",
  account: "222222222222",
  region: "eu-west-1",
  domain: "dev.example.com",
  secrets: ["shop/db"],
};
/** As long as the settings let names be, in a region with a long one. */
const longest: Reach = {
  project: "p".repeat(20),
  environment: "e".repeat(16),
  account: "222222222222",
  region: "ap-southeast-1",
  domain: `${"a".repeat(60)}.com`,
  secrets: [],
};
const { domain: _, ...withoutDomain } = reach;

const about = (statements: readonly Statement[], service: string) =>
  statements.filter(({ actions }) => actions.some((action) => action.startsWith(`${service}:`)));

test("fails when what a deploy is allowed has more characters than IAM takes", () => {
  const stack = synthesizeConstruct((scope) => {
    const role = new Role(scope, "role", { name: "deploy", description: "Deploys", trust: [] });
    role.allow(...readStatements(longest), ...writeStatements(longest));
  });
  expect(String(only(stack, "aws_iam_role_policy").policy).length).toBeLessThan(10_240);
  expect(policyDocument(edgeStatements(longest)).length).toBeLessThan(6_144);
});

describe("of Route 53", () => {
  test("a deploy changes the domain's own records alone, in whatever zone", () => {
    const changing = [readStatements, writeStatements, edgeStatements, verifyStatements]
      .flatMap((statements) => statements(reach))
      .filter(({ actions }) => actions.some((action) => /^route53:(?!Get|List)/.test(action)));
    expect(changing).toEqual([
      {
        actions: ["route53:ChangeResourceRecordSets"],
        resources: ["arn:aws:route53:::hostedzone/*"],
        conditions: {
          "ForAllValues:StringLike": {
            "route53:ChangeResourceRecordSetsNormalizedRecordNames": [
              "dev.example.com",
              "\\052.dev.example.com",
              "_*.dev.example.com",
            ],
          },
        },
      },
    ]);
  });

  test("nothing is allowed where there is no domain", () => {
    const all = [readStatements, writeStatements, edgeStatements].flatMap((it) => it(withoutDomain));
    expect(about(all, "route53")).toEqual([]);
  });

  test("a plan reads", () => {
    expect(about(readStatements(reach), "route53").flatMap(({ actions }) => actions)).toEqual(
      expect.arrayContaining([
        "route53:ListHostedZones",
        "route53:GetHostedZone",
        "route53:ListTagsForResource",
        "route53:ListResourceRecordSets",
      ]),
    );
  });
});

test("certificates of others are neither read nor deleted", () => {
  const certificates = [...readStatements(reach), ...edgeStatements(reach)].filter(({ actions }) =>
    actions.some((action) => /^acm:(Describe|List|Delete|Remove)/.test(action)),
  );
  expect(certificates).toHaveLength(2);
  for (const { resources, conditions } of certificates) {
    expect(resources).toEqual(["arn:aws:acm:eu-west-1:222222222222:certificate/*"]);
    expect(conditions).toEqual({ StringEquals: { "aws:ResourceTag/slipway:environment": "dev" } });
  }
});

test("fails when a firewall of another name can be changed, or a plan can change one", () => {
  const [firewall] = about(edgeStatements(reach), "wafv2");
  expect(firewall!.resources).toEqual([
    "arn:aws:elasticloadbalancing:eu-west-1:222222222222:loadbalancer/app/hello-dev*/*",
    "arn:aws:wafv2:eu-west-1:222222222222:regional/webacl/hello-dev/*",
    "arn:aws:wafv2:eu-west-1:222222222222:regional/managedruleset/*",
  ]);
  const read = about(readStatements(reach), "wafv2").flatMap(({ actions }) => actions);
  expect(read.filter((action) => action.startsWith("wafv2:"))).toEqual(["wafv2:Get*", "wafv2:List*"]);
});

test("fails when a deploy can change the roles that let it in, or the policies of theirs", () => {
  const denied = writeStatements(reach).filter(({ effect }) => effect === "Deny");
  expect(denied).toEqual([
    {
      effect: "Deny",
      actions: ["iam:*"],
      resources: [
        "arn:aws:iam::222222222222:role/hello-dev-plan",
        "arn:aws:iam::222222222222:role/hello-dev-deploy",
        "arn:aws:iam::222222222222:role/hello-dev-release",
        "arn:aws:iam::222222222222:role/hello-dev-verify",
        "arn:aws:iam::222222222222:policy/hello-dev-*",
      ],
    },
  ]);
});

const CHECKS = ["svc", "fn"].map(
  (kind) => `arn:aws:lambda:eu-west-1:222222222222:function:hello-dev-*-${kind}-check`,
);

describe("a release", () => {
  const allowed = releaseStatements(reach);
  const actions = allowed.flatMap((statement) => statement.actions);

  test("changes functions' code and no function's shape, no role, and nothing of Terraform's", () => {
    expect(actions.filter((action) => /^(iam|s3|ec2|elasticloadbalancing|dynamodb):/.test(action))).toEqual([
      "iam:PassRole",
    ]);
    expect(
      about(allowed, "lambda").map(({ effect = "Allow", actions, resources }) => [
        effect,
        actions,
        resources,
      ]),
    ).toEqual([
      [
        "Allow",
        [
          "lambda:GetAlias",
          "lambda:GetFunction",
          "lambda:GetFunctionConfiguration",
          "lambda:PublishVersion",
          "lambda:UpdateFunctionCode",
        ],
        ["arn:aws:lambda:eu-west-1:222222222222:function:hello-dev-*"],
      ],
      // What judges a release is woken, and never changed.
      ["Deny", ["lambda:UpdateFunctionCode"], CHECKS],
      ["Allow", ["lambda:InvokeFunction"], CHECKS],
    ]);
    expect(actions.filter((action) => /^ecs:(?!Describe)/.test(action))).toEqual([
      "ecs:RegisterTaskDefinition",
      "ecs:TagResource",
    ]);
  });

  test("moves no traffic itself: CodeDeploy does", () => {
    expect(actions).not.toContain("lambda:UpdateAlias");
    expect(actions).not.toContain("ecs:UpdateService");
  });

  test("passes on the roles of services' tasks, to tasks", () => {
    expect(about(allowed, "iam")).toEqual([
      {
        actions: ["iam:PassRole"],
        resources: [
          "arn:aws:iam::222222222222:role/hello-dev-*-execution",
          "arn:aws:iam::222222222222:role/hello-dev-*-task",
        ],
        conditions: { StringEquals: { "iam:PassedToService": "ecs-tasks.amazonaws.com" } },
      },
    ]);
  });
});

test("a plan sees of a secret that it is there, and not what it is", () => {
  expect(about(readStatements(reach), "secretsmanager")).toEqual([
    {
      actions: ["secretsmanager:DescribeSecret", "secretsmanager:GetResourcePolicy"],
      resources: ["arn:aws:secretsmanager:eu-west-1:222222222222:secret:shop/db-??????"],
    },
  ]);
});
