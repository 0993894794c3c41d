import { deliveryBoundary, updateStatements } from "../../modules/delivery-access";
import { policyDocument, type Statement } from "../../modules/iam";
import { readStatements, refusalOf } from "../../tools/local-aws/iam/decision";
import { exampleSettings } from "../support/settings";
import { synthesizePipeline } from "../support/synth";
import { all } from "../support/synthesized";

const reach = { project: "hello", account: "111111111111", region: "eu-west-1" };
const at = (service: string, rest: string) => `arn:aws:${service}:eu-west-1:111111111111:${rest}`;
const statements = (given: readonly Statement[]) => readStatements(policyDocument(given));

/** Whether what brings a pipeline up to date, with what previews are made like, may do something. */
function mayUpdate(action: string, resource: string, withDelivery = true, told: Told = {}): boolean {
  const role = "arn:aws:iam::111111111111:role/hello-main-update";
  const values = new Map([
    ["aws:resourcetag/slipway:project", ["hello"]],
    ["lambda:functionarn", [at("lambda", "function:hello-delivery-report")]],
    ...Object.entries(told).map(([key, value]) => [key.toLowerCase(), [value]] as const),
  ]);
  return !refusalOf(
    { action, resource, account: reach.account, context: { values } },
    { arn: role, name: role, account: reach.account },
    {
      identity: statements(
        updateStatements(reach, {
          pipeline: "main",
          withDelivery,
          withConnection: false,
          templates: ["main_dev", "main_staging"],
        }),
      ),
      boundary: statements(deliveryBoundary(reach)),
    },
  );
}

/** What a request tells of itself, by condition key. */
type Told = Readonly<Record<string, string>>;

const TOPIC = at("sns", "hello-notifications");
const CHAT = at("secretsmanager", "secret:hello/chat-webhook-AbCdEf");
const WEBHOOK = at("secretsmanager", "secret:hello/github-webhook-AbCdEf");
const QUEUE = at("sqs", "hello-delivery-report-events");
const MAPPING = at("lambda", "event-source-mapping:0b1c2d3e");
const API = "arn:aws:apigateway:eu-west-1::/apis/a1b2c3";
const KEY = at("kms", "key/0b1c2d3e");

// What the provider asks of each when it reads it, and when a setting of it changes.
describe("the pipeline that brings delivery up to date", () => {
  test.each([
    ["a subscription, whose ARN begins with its topic's", TOPIC, "sns:GetSubscriptionAttributes"],
    ["who chose other events", TOPIC, "sns:SetSubscriptionAttributes"],
    ["who is told no more", TOPIC, "sns:Unsubscribe"],
    ["the chat's secret", CHAT, "secretsmanager:DescribeSecret"],
    ["the chat's secret, and who may read it", CHAT, "secretsmanager:GetResourcePolicy"],
    ["a chat that is new", CHAT, "secretsmanager:CreateSecret"],
    ["the queue of events", QUEUE, "sqs:GetQueueAttributes"],
    ["rules that changed, in the queue's policy", QUEUE, "sqs:SetQueueAttributes"],
    ["what feeds the function", MAPPING, "lambda:GetEventSourceMapping"],
    ["what feeds the function, and its tags", MAPPING, "lambda:ListTags"],
    ["a rule", at("events", "rule/hello-delivery-report-runs"), "events:PutRule"],
    ["the alarm", at("cloudwatch", "alarm:hello-delivery-report-lost"), "cloudwatch:PutMetricAlarm"],
    ["the pages' address", API, "apigateway:GET"],
    ["the pages' address, below it", `${API}/stages/$default`, "apigateway:GET"],
    ["the key of links", KEY, "kms:GetKeyPolicy"],
    ["the key of links, which KMS does not rotate", KEY, "kms:GetKeyRotationStatus"],
    ["the bucket of previews", "arn:aws:s3:::hello-previews-111111111111-eu-west-1", "s3:PutBucketPolicy"],
    ["repositories of previews", at("ecr", "repository/hello/preview/web"), "ecr:PutLifecyclePolicy"],
    ["the queue of previews", at("sqs", "hello-delivery-previews.fifo"), "sqs:SetQueueAttributes"],
    [
      "the function of previews",
      at("lambda", "function:hello-delivery-previews"),
      "lambda:UpdateFunctionCode",
    ],
    ["the webhook", at("lambda", "function:hello-delivery-webhook"), "lambda:UpdateFunctionCode"],
    ["the webhook's secret", WEBHOOK, "secretsmanager:DescribeSecret"],
    [
      "the build that ends previews",
      at("codebuild", "project/hello-delivery-teardown"),
      "codebuild:UpdateProject",
    ],
  ])("may keep %s", (_, resource, action) => {
    expect(mayUpdate(action, resource)).toBe(true);
  });

  test.each([
    ["read the chat's address", CHAT, "secretsmanager:GetSecretValue"],
    ["put in another one", CHAT, "secretsmanager:PutSecretValue"],
    ["tell people something", TOPIC, "sns:Publish"],
    ["open the pages to others", API, "apigateway:PATCH"],
    ["sign a link", KEY, "kms:GenerateMac"],
    ["take an event away", QUEUE, "sqs:ReceiveMessage"],
    ["read what signs GitHub's news", WEBHOOK, "secretsmanager:GetSecretValue"],
    [
      "read what a preview was built from",
      "arn:aws:s3:::hello-previews-111111111111-eu-west-1/hello-preview-main_d/Build/one",
      "s3:GetObject",
    ],
  ])("may not %s", (_, resource, action) => {
    expect(mayUpdate(action, resource)).toBe(false);
  });
});

test("another pipeline may change nothing of what all share", () => {
  for (const [action, resource] of [
    ["sns:SetSubscriptionAttributes", TOPIC],
    ["secretsmanager:CreateSecret", CHAT],
    ["sqs:SetQueueAttributes", QUEUE],
    ["lambda:UpdateFunctionCode", at("lambda", "function:hello-delivery-report")],
  ] as const)
    expect({ action, may: mayUpdate(action, resource, false) }).toEqual({ action, may: false });
});

// Statements are joined, because a role's policies have a limit: by that, nothing may be allowed on more than before.
describe("what an update is allowed on no condition", () => {
  const serviceOf = (resource: string) => resource.split(":")[2]!;
  const plain = (withDelivery: boolean, withConnection: boolean) =>
    updateStatements(reach, {
      pipeline: "main",
      withDelivery,
      withConnection,
      templates: ["main_dev"],
    }).filter(({ conditions, reason }) => !conditions && !reason);
  const ROLES = ["hello-main", "hello-main-*", "hello-preview-main_*"];
  const OWN = {
    codebuild: ["hello-main-*", "hello-preview-main_*"].flatMap((name) => [
      at("codebuild", `project/${name}`),
      at("codebuild", `report-group/${name}`),
    ]),
    codepipeline: [at("codepipeline", "hello-main"), at("codepipeline", "hello-preview-main_dev")],
    events: [at("events", "rule/hello-main-*")],
    iam: ROLES.map((name) => `arn:aws:iam::111111111111:role/${name}`),
    logs: ["hello-main-*", "hello-preview-main_*"].map((name) => at("logs", `log-group:/slipway/${name}`)),
    secretsmanager: [at("secretsmanager", "secret:hello/github-token-??????")],
  };
  const OF_DELIVERY = {
    apigateway: ["arn:aws:apigateway:eu-west-1::/apis/*"],
    cloudwatch: [at("cloudwatch", "alarm:hello-delivery-*")],
    codebuild: [
      at("codebuild", "project/hello-delivery-*"),
      at("codebuild", "report-group/hello-delivery-*"),
    ],
    ecr: [at("ecr", "repository/hello/*")],
    events: [at("events", "rule/hello-delivery-*")],
    iam: ["arn:aws:iam::111111111111:role/hello-delivery-*"],
    kms: [at("kms", "key/*"), at("kms", "alias/hello-delivery")],
    lambda: [at("lambda", "function:hello-delivery-*"), at("lambda", "event-source-mapping:*")],
    logs: [
      at("logs", "log-group:/slipway/hello-delivery-*"),
      at("logs", "log-group:/aws/lambda/hello-delivery-*"),
    ],
    s3: ["artifacts", "previews", "reports"].map((kind) => `arn:aws:s3:::hello-${kind}-*`),
    secretsmanager: ["github-token", "chat-webhook", "github-webhook"].map((name) =>
      at("secretsmanager", `secret:hello/${name}-??????`),
    ),
    sns: [TOPIC, `${TOPIC}:*`],
    sqs: [at("sqs", "hello-delivery-*")],
  };
  const CONNECTION = { "codestar-connections": [at("codestar-connections", "connection/*")] };
  type Things = Readonly<Record<string, readonly string[]>>;
  const together = (...all: readonly Things[]) => {
    const things: Record<string, string[]> = {};
    for (const [service, resources] of all.flatMap((one) => Object.entries(one)))
      things[service] = [...new Set([...(things[service] ?? []), ...resources])].sort();
    return things;
  };

  test.each<[string, boolean, boolean, Things]>([
    ["a pipeline", false, false, OWN],
    ["one behind a connection", false, true, together(OWN, CONNECTION)],
    ["the one that keeps the delivery", true, false, together(OWN, OF_DELIVERY)],
    ["both", true, true, together(OWN, OF_DELIVERY, CONNECTION)],
  ])("is on these things of a service, for %s", (_, withDelivery, withConnection, things) => {
    const all = plain(withDelivery, withConnection).flatMap(({ resources }) => resources);
    const found = together(...all.map((one) => ({ [serviceOf(one)]: [one] })));
    expect(found).toEqual(together(things));
  });

  test.each([
    ["secretsmanager:GetSecretValue", CHAT],
    ["secretsmanager:GetSecretValue", WEBHOOK],
    ["sns:Subscribe", at("sns", "hello-pv-dev-login-3f9a2c-alarms")],
    ["lambda:UpdateFunctionCode", at("lambda", "function:hello-pv-dev-login-3f9a2c-hello")],
    ["lambda:UpdateFunctionCode", at("lambda", "function:hello-main-test")],
    ["sqs:SetQueueAttributes", at("sqs", "hello-main-test")],
    ["logs:DeleteLogGroup", at("logs", "log-group:/aws/lambda/hello-main-test")],
    ["logs:DeleteLogGroup", at("logs", "log-group:/slipway/hello-dev/network")],
    ["events:PutTargets", at("events", "rule/hello-preview-main_dev-pushed")],
    ["codepipeline:UpdatePipeline", at("codepipeline", "hello-delivery-x")],
    ["s3:PutBucketPolicy", "arn:aws:s3:::hello-state-111111111111-eu-west-1"],
    ["s3:GetObject", "arn:aws:s3:::hello-artifacts-111111111111-eu-west-1/hello-main/Build/one"],
    ["iam:PutRolePolicy", "arn:aws:iam::111111111111:role/hello-main-test"],
    ["iam:UpdateAssumeRolePolicy", "arn:aws:iam::111111111111:role/hello-pv-dev-deploy"],
    ["ecr:SetRepositoryPolicy", at("ecr", "repository/payroll/web")],
    ["kms:CreateAlias", at("kms", "alias/hello-state")],
  ])("is not %s on %s", (action, resource) => {
    expect(mayUpdate(action, resource)).toBe(false);
  });
});

describe("a pipeline that previews are made like", () => {
  const role = (name: string) => `arn:aws:iam::111111111111:role/${name}`;
  const within = { "iam:PermissionsBoundary": "arn:aws:iam::111111111111:policy/hello-delivery-boundary" };
  const passed = { "iam:PassedToService": "codepipeline.amazonaws.com" };
  const kept: [action: string, resource: (of: string) => string, told?: Told][] = [
    ["codebuild:UpdateProject", (of) => at("codebuild", `project/hello-preview-${of}-plan-pv-dev`)],
    [
      "codebuild:UpdateReportGroup",
      (of) => at("codebuild", `report-group/hello-preview-${of}-verify-pv-dev-acceptance`),
    ],
    ["logs:PutRetentionPolicy", (of) => at("logs", `log-group:/slipway/hello-preview-${of}-install`)],
    ["iam:PutRolePolicy", (of) => role(`hello-preview-${of}-apply-pv-dev`), within],
    ["iam:PutRolePolicy", (of) => role(`hello-preview-${of}`), within],
    ["iam:PassRole", (of) => role(`hello-preview-${of}`), passed],
    ["codepipeline:UpdatePipeline", (of) => at("codepipeline", `hello-preview-${of}`)],
  ];

  test.each(kept)("keeps what they are made like, and not what others' are: %s", (action, of, told = {}) => {
    expect(mayUpdate(action, of("main_dev"), false, told)).toBe(true);
    expect(mayUpdate(action, of("main_staging"), false, told)).toBe(true);
    expect(mayUpdate(action, of("develop_dev"), false, told)).toBe(false);
  });

  test.each([
    "UpdatePipeline",
    "StartPipelineExecution",
    "DeletePipeline",
  ])("leaves the pipelines of previews to what makes them: %s", (operation) => {
    const preview = at("codepipeline", "hello-preview-main_dev_login-3f9a2c");
    expect(mayUpdate(`codepipeline:${operation}`, preview)).toBe(false);
  });
});

describe("the boundary of what the delivery runs", () => {
  const allows = (action: string, resource: string, told: Told = {}) => {
    const name = "arn:aws:iam::111111111111:role/hello-delivery-previews-function";
    const values = new Map(Object.entries(told).map(([key, value]) => [key.toLowerCase(), [value]]));
    return !refusalOf(
      { action, resource, account: reach.account, context: { values } },
      { arn: name, name, account: reach.account },
      { identity: statements(deliveryBoundary(reach)) },
    );
  };
  const PREVIEW = at("codepipeline", "hello-preview-main_dev_login-3f9a2c");
  const STATE = "arn:aws:s3:::hello-state-111111111111-eu-west-1";

  test.each([
    ["codepipeline:CreatePipeline", PREVIEW],
    ["codepipeline:DeletePipeline", PREVIEW],
    ["codepipeline:ListActionExecutions", PREVIEW],
    ["codepipeline:ListPipelines", "*"],
    ["codepipeline:ListTagsForResource", PREVIEW],
    ["codepipeline:StopPipelineExecution", PREVIEW],
    ["codepipeline:TagResource", PREVIEW],
    ["codepipeline:UpdatePipeline", PREVIEW],
    ["codepipeline:GetPipeline", at("codepipeline", "hello-preview-main_dev")],
    ["codebuild:StartBuild", at("codebuild", "project/hello-delivery-teardown")],
    ["codebuild:ListBuildsForProject", at("codebuild", "project/hello-delivery-teardown")],
    ["codecommit:ListBranches", at("codecommit", "hello")],
    ["codecommit:PostCommentForPullRequest", at("codecommit", "hello")],
    ["ecr:BatchDeleteImage", at("ecr", "repository/hello/preview/web")],
    ["s3:ListBucket", STATE],
    ["s3:DeleteObject", `${STATE}/pv-dev-login-3f9a2c.tfstate`],
    ["s3:PutObject", "arn:aws:s3:::hello-previews-111111111111-eu-west-1/records/main_dev_login-3f9a2c.json"],
    ["secretsmanager:GetSecretValue", WEBHOOK],
    ["sqs:ReceiveMessage", at("sqs", "hello-delivery-previews.fifo")],
    ["sts:AssumeRole", "arn:aws:iam::222222222222:role/hello-pv-dev-deploy"],
  ])("lets previews be kept by %s on %s", (action, resource) => {
    expect(allows(action, resource)).toBe(true);
  });

  test("lets what runs previews pass on their roles", () => {
    const passed = { "iam:PassedToService": "codepipeline.amazonaws.com" };
    expect(allows("iam:PassRole", "arn:aws:iam::111111111111:role/hello-preview-main_dev", passed)).toBe(
      true,
    );
  });

  test.each([
    "hello-main",
    "hello-a-b-c",
    "hello-preview-main_dev",
    "payroll",
  ])("fails when anything could delete the pipeline %s", (pipeline) => {
    expect(allows("codepipeline:DeletePipeline", at("codepipeline", pipeline))).toBe(false);
  });
});

describe("with names as long as they may be, in a region with a long one", () => {
  const longest = { project: "p".repeat(20), account: "111111111111", region: "ap-southeast-1" };

  test("fails when what an update is allowed has more characters than IAM takes", async () => {
    const settings = await exampleSettings();
    const name = "m".repeat(16);
    const environment = "e".repeat(16);
    const stack = synthesizePipeline(
      {
        ...settings,
        ...longest,
        source: { provider: "connection", repository: "acme/hello", host: "GitHub" },
        environments: {
          ...settings.environments,
          [environment]: { ...settings.environments.dev!, name: environment },
        },
        pipelines: { [name]: { ...settings.pipelines.main!, name } },
        previews: settings.previews.map((rule) => ({ ...rule, pipeline: name, environment })),
      },
      name,
    );
    const { policy } = all(stack, "aws_iam_role_policy").find(({ role }) => /\.update_/.test(String(role)))!;
    const key = at("kms", `key/${"0".repeat(36)}`).replace("eu-west-1", longest.region);
    expect(String(policy).replace(/\$\{[^}]*\}/g, key).length).toBeLessThanOrEqual(10_240);
  });

  test("fails when the boundary has more characters than IAM takes", () => {
    expect(policyDocument(deliveryBoundary(longest)).length).toBeLessThanOrEqual(6_144);
  });
});
