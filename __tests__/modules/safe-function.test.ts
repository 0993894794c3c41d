import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { SafeFunction } from "../../modules/safe-function";
import { FUNCTION_RELEASES, type FunctionRelease, type FunctionSettings } from "../../settings";
import { only, synthesizeConstruct } from "../support/construct";
import { all, type SynthesizedStack, statements } from "../support/synthesized";

const bundles = mkdtempSync(join(tmpdir(), "slipway-bundles-"));
for (const name of ["greet", "release-check"]) writeFileSync(join(bundles, `${name}.zip`), name);
afterAll(() => rmSync(bundles, { recursive: true }));

const FUNCTION: FunctionSettings = {
  memory: 256,
  timeoutSeconds: 10,
  reservedConcurrency: 5,
  variables: { LEVEL: "info" },
  front: "url",
  access: "iam",
  slowMilliseconds: 8000,
  checks: [{ path: "/", method: "GET", status: 200, withinMilliseconds: 5000 }],
};

function safeFunction(
  changes: Partial<FunctionSettings> = {},
  release: FunctionRelease = "linear-10-percent-every-1-minute",
) {
  let made!: SafeFunction;
  const stack = synthesizeConstruct((scope) => {
    made = new SafeFunction(scope, "function-greet", {
      project: "hello",
      prefix: "hello-dev",
      name: "greet",
      function: { ...FUNCTION, ...changes },
      release,
      bundles,
      account: "222222222222",
      region: "eu-west-1",
      key: { arn: "arn:key", grantUse() {} },
      logRetentionDays: 30,
      boundary: "arn:aws:iam::222222222222:policy/hello-dev-boundary",
      alarmTopicArn: "arn:topic",
    });
  });
  return { stack, made };
}

const plain = safeFunction();

const named = (stack: SynthesizedStack, name: string) =>
  all(stack, "aws_lambda_function").find(({ function_name }) => function_name === name) as never as {
    lifecycle?: object;
    environment: { variables: Record<string, string> };
  };
const policyOf = (stack: SynthesizedStack, role: string) =>
  statements(
    Object.entries(stack.resource.aws_iam_role_policy!).find(([id]) => id.includes(role))![1] as never,
  );

test("releases own the code and the alias's version: Terraform gives the first of each, and leaves them", () => {
  expect(named(plain.stack, "hello-dev-greet")).toMatchObject({
    publish: true,
    lifecycle: { ignore_changes: ["filename", "source_code_hash"] },
  });
  expect(only(plain.stack, "aws_lambda_alias")).toMatchObject({
    name: "live",
    lifecycle: { ignore_changes: ["function_version", "routing_config"] },
  });
});

test("what checks releases is Terraform's, code and all", () => {
  expect(named(plain.stack, "hello-dev-greet-fn-check").lifecycle).toBeUndefined();
});

test.each(
  FUNCTION_RELEASES,
)("moves traffic as %s says, by a configuration that CodeDeploy has", (release) => {
  const { deployment_config_name } = only(safeFunction({}, release).stack, "aws_codedeploy_deployment_group");
  const words = String(deployment_config_name)
    .replace("CodeDeployDefault.Lambda", "")
    .replace(/([A-Z]|\d+)/g, " $1")
    .toLowerCase()
    .match(/[a-z]+|\d+/g)!;
  expect(words.join("-").replace(/-minutes?$/, "")).toBe(release.replace(/-minutes?$/, ""));
});

test("the version before comes back on failure, on alarm and on stop, and only alarms that there are count", () => {
  const group = only(plain.stack, "aws_codedeploy_deployment_group");
  expect(group.auto_rollback_configuration).toMatchObject({
    events: ["DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"],
  });
  const alarms = all(plain.stack, "aws_cloudwatch_metric_alarm");
  expect(group.alarm_configuration).toEqual({
    enabled: true,
    alarms: alarms.map(({ alarm_name }) => alarm_name).sort(),
  });
});

test("alarms look at what callers get: the share of failed calls, and the time, through the alias", () => {
  const [errors, slow] = all(plain.stack, "aws_cloudwatch_metric_alarm") as never as [
    { metric_query: { metric?: { dimensions: object }; expression?: string }[] },
    Record<string, unknown>,
  ];
  const dimensions = { FunctionName: "hello-dev-greet", Resource: "hello-dev-greet:live" };
  expect(errors.metric_query.map(({ metric, expression }) => metric?.dimensions ?? expression)).toEqual([
    dimensions,
    dimensions,
    "IF(errors > 1, 100 * errors / calls, 0)",
  ]);
  expect(slow).toMatchObject({ dimensions, extended_statistic: "p99", threshold: 8000 });
});

test("CodeDeploy may move this alias, ask this check, and nothing else", () => {
  const allowed = policyOf(plain.stack, "release-role");
  const actions = allowed.flatMap(({ Action }) => Action).sort();
  expect(actions).toEqual([
    "cloudwatch:DescribeAlarms",
    "lambda:GetAlias",
    "lambda:GetProvisionedConcurrencyConfig",
    "lambda:InvokeFunction",
    "lambda:UpdateAlias",
  ]);
});

test("the check may call the versions of this function alone, and knows what to check", () => {
  const allowed = policyOf(plain.stack, "check_role");
  expect(allowed.filter(({ Action }) => Action === "lambda:InvokeFunction")).toEqual([
    {
      Effect: "Allow",
      Action: "lambda:InvokeFunction",
      Resource: "arn:aws:lambda:eu-west-1:222222222222:function:hello-dev-greet:*",
    },
  ]);
  const { variables } = named(plain.stack, "hello-dev-greet-fn-check").environment;
  expect(JSON.parse(variables.CHECKS!)).toEqual(FUNCTION.checks);
  expect(JSON.parse(variables.TARGET!)).toEqual({ kind: "function", name: "hello-dev-greet", alias: "live" });
});

describe("in front", () => {
  test("there is an address that asks for IAM, by default", () => {
    expect(only(plain.stack, "aws_lambda_function_url")).toMatchObject({
      qualifier: expect.stringContaining("aws_lambda_alias"),
      authorization_type: "AWS_IAM",
    });
    expect(plain.made.url).toBeDefined();
  });

  test.each([
    ["iam", "AWS_IAM"],
    ["public", "NONE"],
  ] as const)("an HTTP API leads to the alias, for whom access = %s says", (access, authorization_type) => {
    const { stack } = safeFunction({ front: "http-api", access });
    expect(stack.resource.aws_lambda_function_url).toBeUndefined();
    expect(only(stack, "aws_apigatewayv2_route")).toMatchObject({
      route_key: "$default",
      authorization_type,
    });
    expect(only(stack, "aws_apigatewayv2_integration")).toMatchObject({
      integration_uri: expect.stringContaining("aws_lambda_alias"),
      payload_format_version: "2.0",
    });
    expect(only(stack, "aws_lambda_permission")).toMatchObject({
      principal: "apigateway.amazonaws.com",
      source_arn: expect.stringContaining("execution_arn}/*"),
    });
    expect(only(stack, "aws_apigatewayv2_stage")).toMatchObject({
      auto_deploy: true,
      access_log_settings: { format: expect.stringContaining("$context.status") },
    });
  });

  test("there may be nothing", () => {
    const { stack, made } = safeFunction({ front: "none", checks: [] });
    expect(made.url).toBeUndefined();
    expect(stack.resource.aws_lambda_function_url).toBeUndefined();
    expect(stack.resource.aws_apigatewayv2_api).toBeUndefined();
  });
});
