import type { Settings } from "../../settings";
import { readStatements, refusalOf } from "../../tools/local-aws/iam/decision";
import { iamFindings } from "../../tools/scan/iam";
import { exampleSettings } from "../support/settings";
import { synthesize } from "../support/synth";
import type { SynthesizedStack } from "../support/synthesized";

// Who may push a branch runs code in its preview: with the roles of the template's builds, and through them with those of
// previews. Here all is in one account, the build account, dev and prod: what keeps them apart are these roles alone.

const ACCOUNT = "111111111111";
const at = (service: string, rest: string) => `arn:aws:${service}:eu-west-1:${ACCOUNT}:${rest}`;
const role = (name: string) => `arn:aws:iam::${ACCOUNT}:role/${name}`;
const bucket = (kind: string, path: string) =>
  `arn:aws:s3:::hello-${kind}-${ACCOUNT}-eu-west-1${path && `/${path}`}`;
const state = (stack: string) => bucket("state", `${stack}.tfstate`);

let stacks: Record<string, SynthesizedStack>;
beforeAll(async () => {
  const settings = await exampleSettings();
  const { dev, prod } = settings.environments;
  stacks = synthesize({
    ...settings,
    account: ACCOUNT,
    environments: { dev: { ...dev!, account: ACCOUNT }, prod: { ...prod!, account: ACCOUNT } },
    pipelines: {
      main: { ...settings.pipelines.main!, trial: { environment: "prod", regions: ["eu-west-1"] } },
    },
  });
});

interface Rights {
  readonly identity: string[];
  readonly boundary?: string;
}

/** What is found by a name is found once: the stacks stay as they are. */
function once<T>(find: (name: string) => T): (name: string) => T {
  const known = new Map<string, T>();
  return (name) => {
    if (!known.has(name)) known.set(name, find(name));
    return known.get(name)!;
  };
}

/** All resources of a type. */
const found = once((type: string) =>
  Object.entries(stacks).flatMap(([name, stack]) =>
    Object.entries(stack.resource[type] ?? {}).map(([id, properties]) => {
      // Ids are a stack's own.
      const refers = (to: unknown, other: string) => other === name && String(to).includes(`.${id}.`);
      return { name, properties, refers, policy: filledIn(stack, String(properties.policy)) };
    }),
  ),
);

/** With the ARNs of the keys that an alias leads to; `key/delivery` is alias/hello-delivery's. */
const filledIn = ({ data }: SynthesizedStack, policy: string) =>
  policy.replace(/\$\{data\.aws_kms_alias\.([\w-]+)\.target_key_arn\}/g, (_, id: string) => {
    const aliases = data as SynthesizedStack["resource"];
    return at("kms", `key/${String(aliases.aws_kms_alias![id]!.name).replace("alias/hello-", "")}`);
  });

/** What a role has: its own policy, those that are attached to it, and what caps it. */
const rightsOf = once((name): Rights => {
  const roles = found("aws_iam_role").filter(({ properties }) => properties.name === name);
  if (roles.length !== 1) throw new Error(`There are ${roles.length} roles ${name}`);
  const [one] = roles as [(typeof roles)[number]];
  const policies = found("aws_iam_policy");
  const ofRole = (type: string) =>
    found(type).filter(({ name: stack, properties: of }) => one.refers(of.role, stack));
  const own = ofRole("aws_iam_role_policy");
  const attached = ofRole("aws_iam_role_policy_attachment").flatMap(({ name: stack, properties: of }) =>
    policies.filter(({ refers }) => refers(of.policy_arn, stack)),
  );
  const boundary = one.properties.permissions_boundary as string | undefined;
  const cap = policies.find(({ properties: of }) => boundary?.endsWith(`:policy/${of.name}`));
  if (boundary && !cap) throw new Error(`There is no ${boundary}`);
  return { identity: [...own, ...attached].map(({ policy }) => policy), boundary: cap?.policy };
});

const statementsOf = once((name) => {
  const { identity, boundary } = rightsOf(name);
  return {
    identity: identity.flatMap((policy) => readStatements(policy)),
    boundary: boundary === undefined ? undefined : readStatements(boundary),
  };
});

/** What a request tells, by condition key; `tags` are those of the thing that it is about. */
interface Told {
  readonly tags?: Readonly<Record<string, string>>;
  readonly [key: string]: string | Readonly<Record<string, string>> | undefined;
}

const DEV = { "slipway:project": "hello", "slipway:environment": "dev" };
const PROD = { "slipway:project": "hello", "slipway:environment": "prod" };
const DELIVERY = { "slipway:project": "hello" };
const PREVIEW = { "slipway:project": "hello", "slipway:environment": "pv-dev-login-3f9a2c" };
/** Of somebody who does not use Slipway. */
const STRANGER = { team: "payroll" };

function may(name: string, action: string, resource: string, { tags = {}, ...told }: Told = {}): boolean {
  const values = new Map<string, readonly string[]>([["aws:requestedregion", ["eu-west-1"]]]);
  for (const [key, value] of Object.entries(tags)) values.set(`aws:resourcetag/${key}`, [value]);
  for (const [key, value] of Object.entries(told)) values.set(key.toLowerCase(), [String(value)]);
  return !refusalOf(
    { action, resource, account: ACCOUNT, context: { values } },
    { arn: role(name), name: role(name), account: ACCOUNT },
    statementsOf(name),
  );
}

/** The template's builds, and what runs them. */
const BUILDS = [
  "",
  "-install",
  "-lint",
  "-test",
  "-scan",
  "-synth",
  "-image-web",
  "-plan-pv-dev",
  "-apply-pv-dev",
  "-release-pv-dev",
  "-verify-pv-dev",
].map((suffix) => `hello-preview-main_dev${suffix}`);
const KINDS = ["plan", "deploy", "release", "verify"];

test("knows all roles of the template", () => {
  const names = found("aws_iam_role").map(({ properties }) => String(properties.name));
  expect(names.filter((name) => name.startsWith("hello-preview-")).sort()).toEqual([...BUILDS].sort());
  expect(names).toEqual(expect.arrayContaining(KINDS.map((kind) => `hello-pv-dev-${kind}`)));
});

describe("the builds of previews", () => {
  test.each<[string, string, string]>([
    ["-install", "s3:GetObject", bucket("previews", "hello-preview-main_d/Source/a")],
    ["-install", "s3:PutObject", bucket("previews", "cache/hello-preview-main_dev-install/a")],
    ["-synth", "s3:PutObject", bucket("previews", "hello-preview-main_d/Build/a")],
    ["-image-web", "ecr:PutImage", at("ecr", "repository/hello/preview/web")],
    ["-plan-pv-dev", "s3:GetObject", state("pv-dev-login-3f9a2c")],
    ["-plan-pv-dev", "sts:AssumeRole", role("hello-pv-dev-plan")],
    ["-apply-pv-dev", "s3:PutObject", state("pv-dev-login-3f9a2c")],
    ["-apply-pv-dev", "s3:PutObject", `${state("pv-dev-b-3f9a2c")}.tflock`],
    ["-apply-pv-dev", "s3:DeleteObject", `${state("pv-dev-feature-lo-3f9a2c")}.tflock`],
    ["-apply-pv-dev", "sts:AssumeRole", role("hello-pv-dev-deploy")],
    ["-release-pv-dev", "sts:AssumeRole", role("hello-pv-dev-release")],
    ["-verify-pv-dev", "sts:AssumeRole", role("hello-pv-dev-verify")],
    ["", "s3:PutObject", bucket("previews", "hello-preview-main_d/Source/a")],
  ])("%s may %s on %s", (suffix, action, resource) => {
    expect(may(`hello-preview-main_dev${suffix}`, action, resource)).toBe(true);
  });

  test.each<[string, string, string]>([
    ["what ordinary pipelines deploy", "s3:GetObject", bucket("artifacts", "hello-main/Build/a")],
    ["what ordinary pipelines deploy", "s3:PutObject", bucket("artifacts", "hello-main/Build/a")],
    ["what a trial is told", "s3:PutObject", bucket("artifacts", "hello-main/trial/a/eu-west-1.json")],
    ["what ordinary builds have fetched", "s3:PutObject", bucket("artifacts", "cache/hello-main-install/a")],
    ["pull requests that are reviewed", "s3:PutObject", bucket("artifacts", "review/plans/a")],
    ["which previews there are", "s3:PutObject", bucket("reports", "records/main_dev_login-3f9a2c.json")],
    ["which previews there are", "s3:PutObject", bucket("previews", "records/main_dev_login-3f9a2c.json")],
    ["runs' reports", "s3:GetObject", bucket("reports", "runs/a.json")],
    ["images that are deployed", "ecr:PutImage", at("ecr", "repository/hello/web")],
    ["images that are deployed", "ecr:BatchGetImage", at("ecr", "repository/hello/web")],
    [
      "the GitHub token",
      "secretsmanager:GetSecretValue",
      at("secretsmanager", "secret:hello/github-token-AbCdEf"),
    ],
    ["the token in a pipeline", "codepipeline:GetPipeline", at("codepipeline", "hello-main")],
    ["the token in its own", "codepipeline:GetPipeline", at("codepipeline", "hello-preview-main_dev")],
    ["pipelines", "codepipeline:UpdatePipeline", at("codepipeline", "hello-preview-main_dev_login-3f9a2c")],
    ["approvals", "codepipeline:PutApprovalResult", at("codepipeline", "hello-main/Approve/approve-prod")],
    ["ordinary builds", "codebuild:StartBuild", at("codebuild", "project/hello-main-apply-prod")],
    ["the end of previews", "codebuild:StartBuild", at("codebuild", "project/hello-delivery-teardown")],
    ["how builds work", "codebuild:UpdateProject", at("codebuild", "project/hello-preview-main_dev-lint")],
    ["ordinary tests", "codebuild:BatchPutTestCases", at("codebuild", "report-group/hello-main-test-unit")],
    ["ordinary logs", "logs:PutLogEvents", at("logs", "log-group:/slipway/hello-main-test:log-stream:a")],
    ["what converges", "lambda:UpdateFunctionCode", at("lambda", "function:hello-delivery-previews")],
    ["what converges", "sqs:SendMessage", at("sqs", "hello-delivery-previews.fifo")],
    ["what people are told", "sns:Publish", at("sns", "hello-notifications")],
    ["roles", "iam:PutRolePolicy", role("hello-preview-main_dev-apply-pv-dev")],
    ["roles", "iam:PassRole", role("hello-main")],
    ...[
      "bootstrap",
      "access-dev",
      "delivery",
      "pipeline-main",
      "pipeline-preview-main_dev",
      "dev",
      "prod",
    ].map((stack): [string, string, string] => ["another's state", "s3:GetObject", state(stack)]),
    ["another's state", "s3:PutObject", state("dev")],
    ["previews like prod", "s3:PutObject", state("pv-prod-login-3f9a2c")],
    ["a trial's state, by which its build would run anything", "s3:PutObject", state("pv-prod-t0123456789")],
    ["a trial's state, by which its build would run anything", "s3:PutObject", state("pv-dev-t0123456789")],
    ["a trial's lock", "s3:PutObject", `${state("pv-dev-t0123456789")}.tflock`],
    ...KINDS.flatMap((kind): [string, string, string][] => [
      ["dev itself", "sts:AssumeRole", role(`hello-dev-${kind}`)],
      ["prod", "sts:AssumeRole", role(`hello-prod-${kind}`)],
      ["trials of prod", "sts:AssumeRole", role(`hello-pv-prod-${kind}`)],
    ]),
  ])("do not reach %s: %s on %s", (_, action, resource) => {
    const reaching = BUILDS.filter((name) =>
      may(name, action, resource, { "iam:PassedToService": "codebuild.amazonaws.com" }),
    );
    expect(reaching).toEqual([]);
  });

  test("start builds of the template alone, and by the pipeline alone", () => {
    // Which, Terraform fills in: no pattern is among them.
    const starting = rightsOf("hello-preview-main_dev").identity.flatMap((policy) =>
      (JSON.parse(policy).Statement as { Action: string[]; Resource: string[] }[])
        .filter(({ Action }) => [Action].flat().includes("codebuild:StartBuild"))
        .flatMap(({ Resource }) => Resource),
    );
    expect(starting.length).toBeGreaterThan(5);
    expect(starting.filter((one) => !/^\$\{aws_codebuild_project\.[\w-]+\.arn\}$/.test(one))).toEqual([]);
  });
});

describe("the roles of previews, in the account of all others", () => {
  const OWN = "hello-pv-dev-login-3f9a2c";
  const within = { "iam:PermissionsBoundary": `arn:aws:iam::${ACCOUNT}:policy/hello-pv-dev-boundary` };

  test.each<[string, string, string, Told?]>([
    ["plan", "kms:Decrypt", at("kms", "key/a"), { tags: PREVIEW }],
    ["deploy", "kms:CreateKey", at("kms", "key/*")],
    ["deploy", "kms:TagResource", at("kms", "key/*")],
    ["deploy", "kms:EnableKeyRotation", at("kms", "key/a"), { tags: PREVIEW }],
    ["deploy", "kms:ScheduleKeyDeletion", at("kms", "key/a"), { tags: PREVIEW }],
    [
      "deploy",
      "kms:CreateGrant",
      at("kms", "key/a"),
      { tags: PREVIEW, "kms:ViaService": "lambda.eu-west-1.amazonaws.com" },
    ],
    ["deploy", "ec2:CreateVpc", at("ec2", "vpc/*")],
    ["deploy", "ec2:CreateSubnet", at("ec2", "vpc/a"), { tags: PREVIEW }],
    ["deploy", "ec2:CreateSubnet", at("ec2", "subnet/*")],
    ["deploy", "ec2:CreateNatGateway", at("ec2", "natgateway/*")],
    ["deploy", "ec2:CreateTags", at("ec2", "vpc/a"), { tags: PREVIEW }],
    ["deploy", "ec2:RevokeSecurityGroupEgress", at("ec2", "security-group/a")],
    ["deploy", "ec2:DeleteVpc", at("ec2", "vpc/a"), { tags: PREVIEW }],
    [
      "deploy",
      "application-autoscaling:RegisterScalableTarget",
      at("application-autoscaling", "scalable-target/*"),
    ],
    ["deploy", "iam:CreateRole", role(`${OWN}-web-task`), within],
    ["deploy", "lambda:CreateFunction", at("lambda", `function:${OWN}-hello`)],
    ["release", "lambda:UpdateFunctionCode", at("lambda", `function:${OWN}-hello`)],
    ["verify", "lambda:InvokeFunction", at("lambda", `function:${OWN}-hello:live`)],
  ])("%s may %s on %s", (kind, action, resource, told = {}) => {
    expect(may(`hello-pv-dev-${kind}`, action, resource, told)).toBe(true);
  });

  test.each<[string, string, string, Told?]>([
    ["prod's functions", "lambda:UpdateFunctionCode", at("lambda", "function:hello-prod-hello")],
    [
      "what gives branches pipelines",
      "lambda:UpdateFunctionCode",
      at("lambda", "function:hello-delivery-previews"),
    ],
    ["its hints", "sqs:SendMessage", at("sqs", "hello-delivery-previews.fifo")],
    ["its hints", "sqs:SetQueueAttributes", at("sqs", "hello-delivery-previews.fifo")],
    ["prod's services", "ecs:UpdateService", at("ecs", "service/hello-prod/web")],
    [
      "how many tasks prod has",
      "application-autoscaling:DeregisterScalableTarget",
      at("application-autoscaling", "scalable-target/a"),
      { tags: PROD },
    ],
    ["prod's network", "ec2:CreateRoute", at("ec2", "route-table/a"), { tags: PROD }],
    ["prod's network", "ec2:CreateSecurityGroup", at("ec2", "vpc/a"), { tags: PROD }],
    [
      "prod's security groups",
      "ec2:AuthorizeSecurityGroupIngress",
      at("ec2", "security-group/a"),
      { tags: PROD },
    ],
    ["prod's tags", "ec2:DeleteTags", at("ec2", "vpc/a"), { tags: PROD }],
    ["a stranger's network", "ec2:DeleteVpc", at("ec2", "vpc/a"), { tags: STRANGER }],
    ["a stranger's network", "ec2:CreateRoute", at("ec2", "route-table/a")],
    ["a stranger's network", "ec2:DeleteSubnet", at("ec2", "subnet/a")],
    ["a stranger's network", "ec2:DetachInternetGateway", at("ec2", "internet-gateway/a")],
    ["a stranger's network", "ec2:ModifyVpcAttribute", at("ec2", "vpc/a")],
    ["a stranger's network", "ec2:DisassociateAddress", at("ec2", "elastic-ip/a")],
    ["a stranger's network", "ec2:CreateSubnet", at("ec2", "vpc/a"), { tags: STRANGER }],
    ["a stranger's network, by making it its own", "ec2:CreateTags", at("ec2", "vpc/a"), { tags: STRANGER }],
    ["what a stranger's machine is started with", "ec2:DescribeInstanceAttribute", at("ec2", "instance/a")],
    ["dev's key", "kms:ScheduleKeyDeletion", at("kms", "key/a"), { tags: DEV }],
    [
      "what artifacts and the token are encrypted by",
      "kms:Decrypt",
      at("kms", "key/delivery"),
      { tags: DELIVERY },
    ],
    ["what states are encrypted by", "kms:PutKeyPolicy", at("kms", "key/state"), { tags: DELIVERY }],
    ["a stranger's key", "kms:ScheduleKeyDeletion", at("kms", "key/a"), { tags: STRANGER }],
    ["a stranger's key", "kms:PutKeyPolicy", at("kms", "key/a"), { tags: STRANGER }],
    ["a stranger's key", "kms:CreateGrant", at("kms", "key/a"), { tags: STRANGER }],
    ["a stranger's key", "kms:Decrypt", at("kms", "key/a"), { tags: STRANGER }],
    [
      "the builds' roles",
      "iam:UpdateAssumeRolePolicy",
      role("hello-preview-main_dev-apply-pv-dev"),
      { tags: DELIVERY },
    ],
    ["prod's way in", "iam:UpdateAssumeRolePolicy", role("hello-prod-deploy"), { tags: PROD }],
    ["its own way in", "iam:UpdateAssumeRolePolicy", role("hello-pv-dev-deploy"), { tags: DEV }],
    ["what caps it", "iam:CreatePolicyVersion", `arn:aws:iam::${ACCOUNT}:policy/hello-pv-dev-boundary`],
    ["a role that nothing caps", "iam:CreateRole", role(`${OWN}-web-task`)],
    [
      "a role that caps less",
      "iam:CreateRole",
      role(`${OWN}-web-task`),
      { "iam:PermissionsBoundary": `arn:aws:iam::${ACCOUNT}:policy/hello-delivery-boundary` },
    ],
    ["other roles", "sts:AssumeRole", role("hello-prod-deploy")],
    ["states", "s3:GetObject", state("pv-dev-login-3f9a2c")],
    ["artifacts", "s3:GetObject", bucket("artifacts", "hello-main/Build/a")],
    ["buckets of the delivery", "s3:PutBucketPolicy", bucket("previews", "")],
    ["images", "ecr:PutImage", at("ecr", "repository/hello/web")],
    [
      "the GitHub token",
      "secretsmanager:GetSecretValue",
      at("secretsmanager", "secret:hello/github-token-AbCdEf"),
    ],
    ["builds", "codebuild:StartBuild", at("codebuild", "project/hello-delivery-teardown")],
    [
      "the webhook's address",
      "apigateway:PATCH",
      "arn:aws:apigateway:eu-west-1::/apis/a",
      { tags: DELIVERY },
    ],
    [
      "logs of the delivery",
      "logs:DeleteLogGroup",
      at("logs", "log-group:/aws/lambda/hello-delivery-webhook"),
    ],
  ])("do not reach %s: %s on %s", (_, action, resource, told = {}) => {
    const reaching = KINDS.filter((kind) =>
      may(`hello-pv-dev-${kind}`, action, resource, {
        "iam:PassedToService": "lambda.amazonaws.com",
        ...told,
      }),
    );
    expect(reaching).toEqual([]);
  });

  test("give a network no tag but where it is made", () => {
    const [deny] = rightsOf("hello-pv-dev-deploy")
      .identity.flatMap((policy) => JSON.parse(policy).Statement)
      .filter(({ Effect, Action }) => Effect === "Deny" && Action === "ec2:CreateTags");
    expect(deny.Condition.Null).toEqual({ "ec2:CreateAction": "true" });
  });
});

describe("what a preview runs with, whatever it grants itself", () => {
  const boundary = (environment: string) =>
    found("aws_iam_policy").find(({ properties }) => properties.name === `hello-pv-${environment}-boundary`)!
      .policy;
  const allows = (environment: string, action: string, resource: string) =>
    !refusalOf(
      { action, resource, account: ACCOUNT, context: { values: new Map() } },
      { arn: role("any"), name: role("any"), account: ACCOUNT },
      { identity: readStatements(boundary(environment)) },
    );

  test("fails when a trial's tasks could not fetch the images that it tries", () => {
    expect(allows("prod", "ecr:BatchGetImage", at("ecr", "repository/hello/web"))).toBe(true);
    expect(allows("prod", "ecr:BatchGetImage", at("ecr", "repository/payroll/web"))).toBe(false);
  });

  test("fetches no images of environments, where none is tried", () => {
    expect(allows("dev", "ecr:BatchGetImage", at("ecr", "repository/hello/preview/web"))).toBe(true);
    expect(allows("dev", "ecr:BatchGetImage", at("ecr", "repository/hello/web"))).toBe(false);
  });

  test.each([
    ["sts:AssumeRole", role("hello-pv-dev-deploy")],
    ["iam:PutRolePolicy", role("hello-pv-dev-login-3f9a2c-web-task")],
    ["lambda:UpdateFunctionCode", at("lambda", "function:hello-delivery-webhook")],
    ["sqs:SendMessage", at("sqs", "hello-delivery-previews.fifo")],
    ["s3:PutObject", bucket("artifacts", "hello-main/Build/a")],
    ["s3:GetObject", state("pv-dev-login-3f9a2c")],
    ["secretsmanager:GetSecretValue", at("secretsmanager", "secret:hello/github-token-AbCdEf")],
  ])("cannot %s on %s", (action, resource) => {
    expect(allows("dev", action, resource)).toBe(false);
  });
});

describe("what ends previews", () => {
  const TEARDOWN = "hello-delivery-teardown";

  test.each([
    ["s3:GetObject", bucket("artifacts", "hello-main/Build/a")],
    ["s3:DeleteObject", state("pv-dev-login-3f9a2c")],
    ["s3:DeleteObject", state("pv-prod-t0123456789")],
    ["ecr:BatchDeleteImage", at("ecr", "repository/hello/preview/web")],
    ["sts:AssumeRole", role("hello-pv-dev-deploy")],
  ])("may %s on %s", (action, resource) => {
    expect(may(TEARDOWN, action, resource)).toBe(true);
  });

  test.each<[string, string]>([
    ["s3:PutObject", bucket("artifacts", "hello-main/Build/a")],
    ["s3:GetObject", bucket("artifacts", "hello-main/Source/a")],
    ["s3:PutObject", bucket("previews", "hello-preview-main_d/Build/a")],
    ["s3:PutObject", bucket("reports", "records/main_dev_login-3f9a2c.json")],
    ["s3:DeleteObject", state("dev")],
    ["s3:DeleteObject", state("pipeline-preview-main_dev")],
    ["ecr:BatchDeleteImage", at("ecr", "repository/hello/web")],
    ["ecr:PutImage", at("ecr", "repository/hello/preview/web")],
    ["codepipeline:DeletePipeline", at("codepipeline", "hello-preview-main_dev_login-3f9a2c")],
    ["secretsmanager:GetSecretValue", at("secretsmanager", "secret:hello/github-token-AbCdEf")],
    ...["dev", "prod"].map((environment): [string, string] => [
      "sts:AssumeRole",
      role(`hello-${environment}-deploy`),
    ]),
  ])("may not %s on %s", (action, resource) => {
    expect(may(TEARDOWN, action, resource)).toBe(false);
  });
});

describe("what gives branches their pipelines", () => {
  const PREVIEWS = "hello-delivery-previews-function";
  const passed = { "iam:PassedToService": "codepipeline.amazonaws.com" };
  const CLONE = at("codepipeline", "hello-preview-main_dev_login-3f9a2c");

  test("makes, and ends, those of previews", () => {
    for (const action of ["CreatePipeline", "UpdatePipeline", "DeletePipeline"])
      expect([action, may(PREVIEWS, `codepipeline:${action}`, CLONE)]).toEqual([action, true]);
    expect(may(PREVIEWS, "iam:PassRole", role("hello-preview-main_dev"), passed)).toBe(true);
  });

  test.each<[string, string, Told?]>([
    ["codepipeline:UpdatePipeline", at("codepipeline", "hello-main")],
    ["codepipeline:UpdatePipeline", at("codepipeline", "hello-preview-main_dev")],
    ["codepipeline:StartPipelineExecution", at("codepipeline", "hello-main")],
    ["codepipeline:DeletePipeline", at("codepipeline", "hello-preview-main_dev")],
    ["codebuild:StartBuild", at("codebuild", "project/hello-main-apply-prod")],
    ["iam:PassRole", role("hello-main"), passed],
    ["iam:PassRole", role("hello-preview-main_dev-apply-pv-dev"), passed],
    ["s3:GetObject", state("pv-dev-login-3f9a2c")],
    ["s3:PutObject", bucket("artifacts", "hello-main/Build/a")],
    ["s3:PutObject", bucket("reports", "runs/a.json")],
    ["sts:AssumeRole", role("hello-pv-dev-deploy")],
  ])("may not %s on %s", (action, resource, told = {}) => {
    expect(may(PREVIEWS, action, resource, told)).toBe(false);
  });
});

test("fails when many previews and trials with the longest names make a policy larger than IAM takes", async () => {
  const settings = await exampleSettings();
  const named = (letter: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${letter.repeat(15)}${index}`);
  const [environments, pipelines] = [named("e", 3), named("m", 3)];
  const regions = ["ap-southeast-1", "ap-southeast-2", "ap-northeast-1", "us-west-2"];
  const longest: Settings = {
    ...settings,
    project: "p".repeat(20),
    region: regions[0]!,
    environments: Object.fromEntries(
      environments.map((name) => [name, { ...settings.environments.dev!, name, region: regions[0]! }]),
    ),
    pipelines: Object.fromEntries(
      pipelines.map((name, index) => [
        name,
        {
          ...settings.pipelines.main!,
          name,
          deploy: [environments],
          trial: { environment: environments[index]!, regions },
        },
      ]),
    ),
    previews: pipelines.flatMap((pipeline) =>
      environments.map((environment) => ({
        ...settings.previews[0]!,
        pattern: `${pipeline}/${environment}/*`,
        pipeline,
        environment,
      })),
    ),
  };
  expect(Object.entries(synthesize(longest)).flatMap(([name, stack]) => iamFindings(name, stack))).toEqual(
    [],
  );
});
