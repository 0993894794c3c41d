import { Firewall } from "../../modules/firewall";
import { only, synthesizeConstruct } from "../support/construct";

interface Rule {
  readonly name: string;
  readonly priority: number;
  readonly statement: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly action?: Readonly<Record<string, unknown>>;
  readonly override_action?: Readonly<Record<string, unknown>>;
  readonly visibility_config: Readonly<Record<string, unknown>>;
}

const KEY = "arn:aws:kms:eu-west-1:222222222222:key/1";
const stack = synthesizeConstruct((scope) => {
  new Firewall(scope, "firewall", {
    prefix: "hello-dev",
    balancerArn: "arn:aws:elasticloadbalancing:eu-west-1:222222222222:loadbalancer/app/hello-dev/1",
    key: { arn: KEY, grantUse: () => {} },
    logRetentionDays: 90,
  });
});
const acl = only(stack, "aws_wafv2_web_acl");
const rules = acl.rule as Rule[];
const reference = (type: string, attribute: string) =>
  `\${${type}.${Object.keys(stack.resource[type]!)[0]}.${attribute}}`;

test("it stands in front of the load balancer, and lets through what no rule stops", () => {
  expect(acl).toMatchObject({ scope: "REGIONAL", default_action: { allow: {} } });
  expect(only(stack, "aws_wafv2_web_acl_association")).toMatchObject({
    resource_arn: "arn:aws:elasticloadbalancing:eu-west-1:222222222222:loadbalancer/app/hello-dev/1",
    web_acl_arn: reference("aws_wafv2_web_acl", "arn"),
  });
});

test("who sends more than 2,000 requests in 5 minutes is told so", () => {
  expect(rules.find(({ name }) => name === "rate")).toMatchObject({
    statement: { rate_based_statement: { limit: 2000, aggregate_key_type: "IP" } },
    action: { block: { custom_response: { response_code: 429 } } },
  });
});

test("known attacks and bad addresses are stopped; addresses that hide are counted", () => {
  const groups = rules.filter(({ statement }) => statement.managed_rule_group_statement);
  expect(
    groups.map(({ statement, override_action }) => [
      statement.managed_rule_group_statement!.vendor_name,
      statement.managed_rule_group_statement!.name,
      ...Object.keys(override_action!),
    ]),
  ).toEqual([
    ["AWS", "AWSManagedRulesAmazonIpReputationList", "none"],
    ["AWS", "AWSManagedRulesKnownBadInputsRuleSet", "none"],
    ["AWS", "AWSManagedRulesAnonymousIpList", "count"],
  ]);
});

test("no two rules have one priority", () => {
  expect(new Set(rules.map(({ priority }) => priority)).size).toBe(rules.length);
});

test("each rule is measured, and none keeps samples, which would show tokens", () => {
  const all = [
    acl.visibility_config as Rule["visibility_config"],
    ...rules.map((it) => it.visibility_config),
  ];
  expect(all).toHaveLength(5);
  for (const one of all)
    expect(one).toMatchObject({ cloudwatch_metrics_enabled: true, sampled_requests_enabled: false });
});

test("the log is encrypted, ends, and leaves out what logs people in", () => {
  expect(only(stack, "aws_cloudwatch_log_group")).toMatchObject({
    name: "aws-waf-logs-hello-dev",
    kms_key_id: KEY,
    retention_in_days: 90,
  });
  const logging = only(stack, "aws_wafv2_web_acl_logging_configuration");
  expect(logging).toMatchObject({
    resource_arn: reference("aws_wafv2_web_acl", "arn"),
    log_destination_configs: [reference("aws_cloudwatch_log_group", "arn")],
    redacted_fields: [{ single_header: { name: "authorization" } }, { single_header: { name: "cookie" } }],
  });
});

test("the log has what was stopped or counted, and not all traffic once more", () => {
  const { logging_filter } = only(stack, "aws_wafv2_web_acl_logging_configuration");
  expect(logging_filter).toEqual({
    default_behavior: "DROP",
    filter: [
      {
        behavior: "KEEP",
        requirement: "MEETS_ANY",
        condition: [{ action_condition: { action: "BLOCK" } }, { action_condition: { action: "COUNT" } }],
      },
    ],
  });
});
