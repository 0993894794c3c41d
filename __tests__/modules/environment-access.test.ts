import {
  boundaryStatements,
  edgeStatements,
  type Reach,
  readStatements,
  releaseStatements,
  verifyStatements,
  writeStatements,
} from "../../modules/environment-access";
import { policyDocument, Role, type Statement } from "../../modules/iam";
import { physicalName } from "../../modules/naming";
import { previewEnvironment } from "../../settings";
import { refusalOf, readStatements as statementsOf } from "../../tools/local-aws/iam/decision";
import { only, synthesizeConstruct } from "../support/construct";
import { exampleSettings } from "../support/settings";
import { synthesize } from "../support/synth";
import { resourcesOf, type SynthesizedStack, statements } from "../support/synthesized";

const reach: Reach = {
  project: "hello",
  environment: "dev",
  account: "222222222222",
  regions: ["eu-west-1"],
  domain: "dev.example.com",
  secrets: ["shop/db"],
  parameters: ["/shop/key"],
};
const previews: Reach = { ...reach, previews: true };
/** As long as the settings let names be, in a region with a long one. */
const longest: Reach = {
  project: "p".repeat(20),
  environment: "e".repeat(16),
  account: "222222222222",
  regions: ["ap-southeast-1"],
  domain: `${"a".repeat(60)}.com`,
  secrets: [],
  parameters: [],
};
const { domain: _, ...withoutDomain } = reach;

const about = (statements: readonly Statement[], service: string) =>
  statements.filter(({ actions }) => actions.some((action) => action.startsWith(`${service}:`)));

/** As many regions as a pipeline tries an environment in. */
const everywhere = Array.from({ length: 20 }, (_, index) => `ap-southeast-${index + 1}`);

test.each<[string, Reach]>([
  ["an environment", longest],
  ["previews", { ...longest, previews: true }],
  ["previews that are tried in many regions", { ...longest, previews: true, regions: everywhere }],
])("fails when what a deploy of %s is allowed has more characters than IAM takes", (_, of) => {
  const stack = synthesizeConstruct((scope) => {
    const role = new Role(scope, "role", { name: "deploy", description: "Deploys", trust: [] });
    role.allow(...readStatements(of), ...writeStatements(of));
  });
  expect(String(only(stack, "aws_iam_role_policy").policy).length).toBeLessThanOrEqual(10_240);
  expect(policyDocument(edgeStatements(of)).length).toBeLessThanOrEqual(6_144);
  expect(policyDocument(boundaryStatements(of)).length).toBeLessThanOrEqual(6_144);
});

/** What a request tells of the thing that it is about, and of itself. */
interface Told {
  /** The environment that the thing is tagged with, by Slipway. @default - it is not tagged */
  readonly environment?: string;
  readonly region?: string;
  readonly [key: string]: string | readonly string[] | undefined;
}

/** Whether statements let a role do something. */
function allows(
  given: readonly Statement[],
  action: string,
  resource: string,
  { environment, region = "eu-west-1", ...others }: Told = {},
): boolean {
  const values = new Map<string, readonly string[]>([["aws:requestedregion", [region]]]);
  if (environment) {
    values.set("aws:resourcetag/slipway:project", ["hello"]);
    values.set("aws:resourcetag/slipway:environment", [environment]);
  }
  for (const [key, value] of Object.entries(others)) if (value) values.set(key.toLowerCase(), [value].flat());
  const role = "arn:aws:iam::222222222222:role/somebody";
  return !refusalOf(
    { action, resource, account: "222222222222", context: { values } },
    { arn: role, name: role, account: "222222222222" },
    { identity: statementsOf(policyDocument(given)) },
  );
}

const at = (service: string, rest: string, region = "eu-west-1") =>
  `arn:aws:${service}:${region}:222222222222:${rest}`;

/** All that roles deploy with. */
const deploying = (of: Reach) => [...readStatements(of), ...writeStatements(of), ...edgeStatements(of)];

describe("names that are cut off", () => {
  const long: Reach = { ...longest, environment: "dev" };
  const owned = (prefix: string, ...rest: readonly string[]) => [
    at("elasticloadbalancing", `loadbalancer/app/${physicalName("loadBalancer", prefix)}/50dc6c49`),
    at("elasticloadbalancing", `listener/app/${physicalName("loadBalancer", prefix)}/50dc6c49/f2f7dc8e`),
    at("elasticloadbalancing", `targetgroup/${physicalName("targetGroup", prefix, ...rest)}/73e2d6bc`),
  ];

  test.each<[string, Reach, string]>([
    ["an environment", { ...long, regions: ["eu-west-1"] }, `${long.project}-dev`],
    ["a preview", { ...long, regions: ["eu-west-1"], previews: true }, `${long.project}-pv-dev-login-3f9a2c`],
  ])("fail when a deploy of %s cannot make what bears them", (_, of, prefix) => {
    for (const resource of owned(prefix, "web", "blue"))
      expect([resource, allows(deploying(of), "elasticloadbalancing:AddTags", resource)]).toEqual([
        resource,
        true,
      ]);
  });

  test("fail when a preview reaches the environment's by them", () => {
    const of = { ...long, regions: ["eu-west-1"], previews: true };
    for (const resource of owned(`${long.project}-dev`, "web", "blue"))
      expect([resource, allows(deploying(of), "elasticloadbalancing:AddTags", resource)]).toEqual([
        resource,
        false,
      ]);
  });
});

/** An action on something of the environment dev, and on the same of one of its previews. */
const PAIRS: readonly (readonly [action: string, resource: (name: string) => string])[] = [
  ["cloudwatch:PutDashboard", (name) => `arn:aws:cloudwatch::222222222222:dashboard/${name}`],
  ["cloudwatch:DeleteAlarms", (name) => at("cloudwatch", `alarm:${name}-web-slow`)],
  ["codedeploy:UpdateDeploymentGroup", (name) => at("codedeploy", `deploymentgroup:${name}-web/web`)],
  ["ecs:DeleteCluster", (name) => at("ecs", `cluster/${name}`)],
  ["ecs:UpdateService", (name) => at("ecs", `service/${name}/web`)],
  ["ecs:RegisterTaskDefinition", (name) => at("ecs", `task-definition/${name}-web:*`)],
  [
    "elasticloadbalancing:DeleteLoadBalancer",
    (name) => at("elasticloadbalancing", `loadbalancer/app/${physicalName("loadBalancer", name)}/50dc6c49`),
  ],
  [
    "elasticloadbalancing:DeleteTargetGroup",
    (name) =>
      at("elasticloadbalancing", `targetgroup/${physicalName("targetGroup", name, "web", "blue")}/73e2d6bc`),
  ],
  ["iam:UpdateAssumeRolePolicy", (name) => `arn:aws:iam::222222222222:role/${name}-web-task`],
  ["kms:CreateAlias", (name) => at("kms", `alias/${name}`)],
  ["lambda:UpdateFunctionCode", (name) => at("lambda", `function:${name}-hello`)],
  ["logs:DeleteLogGroup", (name) => at("logs", `log-group:/slipway/${name}/service/web`)],
  ["logs:DeleteLogGroup", (name) => at("logs", `log-group:/aws/lambda/${name}-hello`)],
  ["logs:DeleteLogGroup", (name) => at("logs", `log-group:/aws/ecs/containerinsights/${name}/performance`)],
  ["s3:DeleteObject", (name) => `arn:aws:s3:::${name}-lb-logs-222222222222-eu-west-1/object`],
  ["sns:SetTopicAttributes", (name) => at("sns", `${name}-alarms`)],
  ["sqs:SetQueueAttributes", (name) => at("sqs", `${name}-hello-failed`)],
];
/** What has no name, and is told by its tag. */
const TAGGED: readonly (readonly [action: string, resource: string])[] = [
  ["acm:DeleteCertificate", at("acm", "certificate/0b1c2d3e")],
  ["apigateway:PATCH", "arn:aws:apigateway:eu-west-1::/apis/a1b2c3"],
  ["ec2:AuthorizeSecurityGroupIngress", at("ec2", "security-group/sg-0b1c2d3e")],
  ["ec2:CreateTags", at("ec2", "vpc/vpc-0b1c2d3e")],
  ["ec2:DeleteSubnet", at("ec2", "subnet/subnet-0b1c2d3e")],
  ["kms:PutKeyPolicy", at("kms", "key/0b1c2d3e")],
  ["kms:ScheduleKeyDeletion", at("kms", "key/0b1c2d3e")],
  ["kms:TagResource", at("kms", "key/0b1c2d3e")],
];

describe("the deploy role of previews", () => {
  const mine = deploying(previews);

  test.each(
    PAIRS,
  )("does %s on what is named like a preview, and not like the environment", (action, named) => {
    expect(allows(mine, action, named("hello-pv-dev-login-3f9a2c"))).toBe(true);
    expect(allows(mine, action, named("hello-dev"))).toBe(false);
    expect(allows(deploying(reach), action, named("hello-dev"))).toBe(true);
    expect(allows(deploying(reach), action, named("hello-pv-dev-login-3f9a2c"))).toBe(false);
  });

  test.each(
    TAGGED,
  )("does %s on what is tagged like a preview, and not like the environment", (action, one) => {
    expect(allows(mine, action, one, { environment: "pv-dev-login-3f9a2c" })).toBe(true);
    expect(allows(mine, action, one, { environment: "dev" })).toBe(false);
    expect(allows(deploying(reach), action, one, { environment: "dev" })).toBe(true);
  });

  test.each([
    ["ec2:CreateVpc", at("ec2", "vpc/*")],
    ["kms:TagResource", at("kms", "key/*")],
    ["iam:TagRole", "arn:aws:iam::222222222222:role/hello-pv-dev-login-3f9a2c-web-task"],
  ])("does %s on what is only being made, and has no tag yet", (action, resource) => {
    expect(allows(mine, action, resource)).toBe(true);
  });

  test("makes no APIs but previews'", () => {
    const tagged = (environment: string) =>
      allows(mine, "apigateway:POST", "arn:aws:apigateway:eu-west-1::/apis", {
        "aws:RequestTag/slipway:environment": environment,
      });
    expect(tagged("pv-dev-login-3f9a2c")).toBe(true);
    expect(tagged("dev")).toBe(false);
  });

  test("makes roles within the previews' boundary, and not within the environment's", () => {
    const within = (boundary: string) =>
      allows(mine, "iam:CreateRole", "arn:aws:iam::222222222222:role/hello-pv-dev-login-3f9a2c-web-task", {
        "iam:PermissionsBoundary": `arn:aws:iam::222222222222:policy/${boundary}`,
      });
    expect(within("hello-pv-dev-boundary")).toBe(true);
    expect(within("hello-dev-boundary")).toBe(false);
  });

  test.each(["plan", "deploy", "release", "verify"])("cannot change its way in: the role %s", (kind) => {
    const role = `arn:aws:iam::222222222222:role/hello-pv-dev-${kind}`;
    expect(allows(mine, "iam:UpdateAssumeRolePolicy", role)).toBe(false);
    expect(allows(mine, "iam:PassRole", role, { "iam:PassedToService": "lambda.amazonaws.com" })).toBe(false);
  });

  test("changes the records of previews, and none of the environment's", () => {
    const changes = (name: string) =>
      allows(mine, "route53:ChangeResourceRecordSets", "arn:aws:route53:::hostedzone/Z0123", {
        "route53:ChangeResourceRecordSetsNormalizedRecordNames": [name],
      });
    for (const name of ["", "\\052.", "_0a1b2c."])
      expect([name, changes(`${name}pv-login-3f9a2c.dev.example.com`)]).toEqual([name, true]);
    for (const name of ["", "\\052.", "_0a1b2c.", "api."])
      expect([name, changes(`${name}dev.example.com`)]).toEqual([name, false]);
  });

  test("puts no firewall anywhere, and lets nothing else write logs", () => {
    expect(about(edgeStatements(previews), "wafv2")).toEqual([]);
    expect(allows(mine, "logs:PutResourcePolicy", at("logs", "*"))).toBe(false);
  });
});

describe("previews that are tried in other regions", () => {
  const mine = deploying({ ...previews, regions: ["eu-west-1", "us-west-2"] });
  const topic = (region: string) => at("sns", "hello-pv-dev-t0123456789-alarms", region);

  test("are deployed there, and nowhere else", () => {
    const makes = (region: string) => allows(mine, "sns:CreateTopic", topic(region), { region });
    expect(["eu-west-1", "us-west-2", "sa-east-1"].map(makes)).toEqual([true, true, false]);
    const networks = (region: string) =>
      allows(mine, "ec2:CreateVpc", at("ec2", "vpc/*", region), { region });
    expect(["eu-west-1", "us-west-2", "sa-east-1"].map(networks)).toEqual([true, true, false]);
  });

  test("are deployed by services that are in no region", () => {
    const role = "arn:aws:iam::222222222222:role/hello-pv-dev-t0123456789-web-task";
    expect(allows(mine, "iam:DeleteRole", role, { region: "us-east-1" })).toBe(true);
  });

  test("are released there", () => {
    const regions = ["eu-west-1", "us-west-2"];
    const encrypts = (region: string) =>
      allows(releaseStatements({ ...previews, regions }), "kms:Encrypt", at("kms", "key/0b1c2d3e", region), {
        region,
        environment: "pv-dev-t0123456789",
        "kms:ViaService": `lambda.${region}.amazonaws.com`,
      });
    expect(["eu-west-1", "us-west-2", "sa-east-1"].map(encrypts)).toEqual([true, true, false]);
  });
});

test("a release and the tests of previews reach functions and roles of previews alone", () => {
  const passed = { "iam:PassedToService": "ecs-tasks.amazonaws.com" };
  for (const [action, resource, told] of [
    ["lambda:UpdateFunctionCode", (name: string) => at("lambda", `function:${name}-hello`)],
    ["lambda:InvokeFunction", (name: string) => at("lambda", `function:${name}-hello-fn-check`)],
    ["ecs:DescribeServices", (name: string) => at("ecs", `service/${name}/web`)],
    ["iam:PassRole", (name: string) => `arn:aws:iam::222222222222:role/${name}-web-task`, passed],
  ] as const) {
    const may = (name: string) => allows(releaseStatements(previews), action, resource(name), told);
    expect([action, may("hello-pv-dev-login-3f9a2c"), may("hello-dev")]).toEqual([action, true, false]);
  }
  const calls = (name: string) =>
    allows(verifyStatements(previews), "lambda:InvokeFunction", at("lambda", `function:${name}-hello:live`));
  expect([calls("hello-pv-dev-login-3f9a2c"), calls("hello-dev")]).toEqual([true, false]);
});

test("a release of a preview passes on roles whose names lost their end", () => {
  const of: Reach = { ...longest, previews: true };
  const prefix = `${of.project}-pv-${of.environment}-feature-lo-3f9a2c`;
  const role = physicalName("iamRole", prefix, "s".repeat(16), "execution");
  expect(role).not.toMatch(/execution$/);
  expect(
    allows(releaseStatements(of), "iam:PassRole", `arn:aws:iam::222222222222:role/${role}`, {
      "iam:PassedToService": "ecs-tasks.amazonaws.com",
    }),
  ).toBe(true);
});

describe("the boundary of previews", () => {
  const most = boundaryStatements(previews);
  const through = (service: string) => ({ "kms:ViaService": `${service}.eu-west-1.amazonaws.com` });

  test.each<[string, string, Told?]>([
    ["s3:GetObject", "arn:aws:s3:::hello-pv-dev-login-3f9a2c-uploads/object"],
    ["sqs:SendMessage", at("sqs", "hello-pv-dev-login-3f9a2c-hello-failed")],
    ["dynamodb:PutItem", at("dynamodb", "table/hello-pv-dev-login-3f9a2c-orders")],
    ["logs:PutLogEvents", at("logs", "log-group:/aws/lambda/hello-pv-dev-login-3f9a2c-hello:log-stream:one")],
    ["ecs:CreateTaskSet", at("ecs", "task-set/hello-pv-dev-login-3f9a2c/web/one")],
    ["ecr:BatchGetImage", "arn:aws:ecr:eu-west-1:111111111111:repository/hello/preview/web"],
    ["secretsmanager:GetSecretValue", at("secretsmanager", "secret:shop/db-AbCdEf")],
    ["ssm:GetParameters", at("ssm", "parameter/shop/key")],
    ["kms:Decrypt", at("kms", "key/0b1c2d3e"), { environment: "pv-dev-login-3f9a2c" }],
    ["kms:Decrypt", at("kms", "key/of-shop"), through("secretsmanager")],
    ["ec2:CreateNetworkInterface", at("ec2", "subnet/one"), { environment: "pv-dev-login-3f9a2c" }],
  ])("lets a role be granted %s on %s", (action, resource, told = {}) => {
    expect(allows(most, action, resource, told)).toBe(true);
  });

  test.each<[string, string, Told?]>([
    ["s3:GetObject", "arn:aws:s3:::hello-dev-uploads/object"],
    ["s3:GetObject", "arn:aws:s3:::payroll/january"],
    ["sqs:ReceiveMessage", at("sqs", "hello-dev-hello-failed")],
    ["dynamodb:Scan", at("dynamodb", "table/hello-dev-orders")],
    ["lambda:InvokeFunction", at("lambda", "function:hello-dev-hello")],
    ["logs:GetLogEvents", at("logs", "log-group:/slipway/hello-dev/service/web:log-stream:one")],
    ["ecs:ExecuteCommand", at("ecs", "cluster/hello-dev")],
    ["elasticloadbalancing:ModifyRule", at("elasticloadbalancing", "listener-rule/app/hello-dev/1/2/3")],
    ["ecr:BatchGetImage", "arn:aws:ecr:eu-west-1:111111111111:repository/hello/web"],
    ["secretsmanager:GetSecretValue", at("secretsmanager", "secret:payroll-AbCdEf")],
    ["ssm:GetParameters", at("ssm", "parameter/payroll")],
    ["kms:Decrypt", at("kms", "key/0b1c2d3e"), { environment: "dev" }],
    ["kms:Decrypt", at("kms", "key/payroll")],
    ["ec2:CreateNetworkInterface", at("ec2", "subnet/one"), { environment: "dev" }],
    ["iam:PassRole", "arn:aws:iam::222222222222:role/hello-dev-web-task"],
    ["iam:CreateRole", "arn:aws:iam::222222222222:role/hello-pv-dev-login-3f9a2c-more"],
    ["sts:AssumeRole", "arn:aws:iam::222222222222:role/hello-dev-deploy"],
  ])("fails when a role could be granted %s on %s", (action, resource, told = {}) => {
    expect(
      allows(most, action, resource, { "iam:PassedToService": "ecs-tasks.amazonaws.com", ...told }),
    ).toBe(false);
  });
});

/** ARNs of what an environment makes, by Terraform's type. */
const ARNS: Readonly<Record<string, (of: Readonly<Record<string, unknown>>) => string>> = {
  aws_cloudwatch_log_group: ({ name }) => at("logs", `log-group:${name}`),
  aws_ecs_cluster: ({ name }) => at("ecs", `cluster/${name}`),
  aws_kms_key: () => at("kms", "key/own"),
  aws_lambda_function: ({ function_name }) => at("lambda", `function:${function_name}`),
  aws_lb: () => "app/hello-pv-dev-login-3f9a2c/50dc6c49",
  aws_lb_listener: () =>
    at("elasticloadbalancing", "listener/app/hello-pv-dev-login-3f9a2c/50dc6c49/f2f7dc8e"),
  aws_secretsmanager_secret: ({ name }) => at("secretsmanager", `secret:${name}-AbCdEf`),
  aws_sqs_queue: ({ name }) => at("sqs", String(name)),
};

/** A resource of a policy, with what Terraform will fill in. */
const filledIn = ({ resource, data }: SynthesizedStack, text: string) =>
  text.replace(/\$\{(data\.)?(\w+)\.([\w-]+)\.\w+\}/g, (found, isData, type: string, id: string) => {
    const from = (isData ? data : resource) as SynthesizedStack["resource"];
    const arn = ARNS[type];
    if (!arn) throw new Error(`What is ${found}?`);
    return arn(from[type]![id]!);
  });

test("fails when a preview grants a role what the boundary of previews keeps from it", async () => {
  const settings = await exampleSettings();
  const { dev } = settings.environments;
  const secrets = {
    DB: { kind: "secretsmanager", name: "shop/db" },
    KEY: { kind: "ssm", name: "/shop/key" },
  } as const;
  const environment = {
    ...dev!,
    services: { web: { ...dev!.services.web!, exec: true, secrets } },
    functions: { hello: { ...dev!.functions.hello!, front: "http-api" as const } },
  };
  const changed = { ...settings, environments: { ...settings.environments, dev: environment } };
  const preview = previewEnvironment(changed, "dev", "login-3f9a2c");
  const stack = synthesize(changed, { preview })[preview.name]!;
  const granted = resourcesOf(stack)
    .filter(({ type }) => type === "aws_iam_role_policy")
    .flatMap(({ id, properties }) =>
      statements(properties).flatMap(({ Effect, Action, Resource, Condition }) =>
        [Action as string | string[]].flat().flatMap((action) =>
          [Resource as string | string[]].flat().map((resource) => ({
            id,
            allowed: Effect === "Allow",
            action,
            // A rule's ARN has ends of its own.
            resource: filledIn(stack, resource).replace(/(listener-rule.*)\*$/, "$1f2f7dc8e/9683b2d0"),
            told: (Condition as { StringEquals?: Told } | undefined)?.StringEquals,
          })),
        ),
      ),
    )
    .filter(({ allowed }) => allowed);
  expect(granted.length).toBeGreaterThan(40);
  const kept = granted.filter(({ action, resource, told }) => {
    const own = resource === at("kms", "key/own") ? { environment: preview.name } : {};
    return !allows(boundaryStatements(previews), action, resource, { ...own, ...told });
  });
  expect(kept.map(({ id, action, resource }) => `${id}: ${action} on ${resource}`)).toEqual([]);
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
