import { Wafv2WebAcl, type Wafv2WebAclRule } from "@cdktf/provider-aws/lib/wafv2-web-acl";
import { Wafv2WebAclAssociation } from "@cdktf/provider-aws/lib/wafv2-web-acl-association";
import { Wafv2WebAclLoggingConfiguration } from "@cdktf/provider-aws/lib/wafv2-web-acl-logging-configuration";
import { Construct } from "constructs";
import type { IKey } from "./key";
import { LogGroup } from "./logs";

/** Requests of one address in five minutes. */
const RATE_LIMIT = 2_000;

/** Rule groups that AWS keeps up to date, and whether what they match is stopped or but counted. */
const MANAGED_GROUPS = [
  ["AWSManagedRulesAmazonIpReputationList", "none"],
  ["AWSManagedRulesKnownBadInputsRuleSet", "none"],
  // VPNs, Tor and hosts in clouds: hiding is no attack, and what calls a service often runs in a cloud itself.
  ["AWSManagedRulesAnonymousIpList", "count"],
] as const;

export interface FirewallProps {
  readonly prefix: string;
  /** ARN of the load balancer that it stands in front of. */
  readonly balancerArn: string;
  readonly key: IKey;
  readonly logRetentionDays: number;
}

/**
 * AWS WAF in front of a load balancer: stops known attacks, addresses of bad repute, and who asks too often. Logs what
 * it stopped or counted; what it let through is in the load balancer's own log.
 */
export class Firewall extends Construct {
  constructor(scope: Construct, id: string, props: FirewallProps) {
    super(scope, id);
    const { prefix, balancerArn, key, logRetentionDays } = props;
    const acl = new Wafv2WebAcl(this, "acl", {
      name: prefix,
      description: `In front of the services of ${prefix}`,
      scope: "REGIONAL",
      defaultAction: { allow: {} },
      rule: rules(),
      visibilityConfig: visibility(prefix),
      tags: { Name: prefix },
    });
    const logs = new LogGroup(this, "logs", {
      // WAF writes to no group whose name begins otherwise.
      name: `aws-waf-logs-${prefix}`,
      key,
      retentionDays: logRetentionDays,
    });
    new Wafv2WebAclLoggingConfiguration(this, "logging", {
      resourceArn: acl.arn,
      logDestinationConfigs: [logs.arn],
      redactedFields: ["authorization", "cookie"].map((name) => ({ singleHeader: { name } })),
      loggingFilter: {
        defaultBehavior: "DROP",
        filter: [
          {
            behavior: "KEEP",
            requirement: "MEETS_ANY",
            condition: ["BLOCK", "COUNT"].map((action) => ({ actionCondition: { action } })),
          },
        ],
      },
    });
    new Wafv2WebAclAssociation(this, "association", { resourceArn: balancerArn, webAclArn: acl.arn });
  }
}

function rules(): Wafv2WebAclRule[] {
  const rate: Wafv2WebAclRule = {
    name: "rate",
    priority: 0,
    statement: { rate_based_statement: { limit: RATE_LIMIT, aggregate_key_type: "IP" } },
    action: { block: { customResponse: { responseCode: 429 } } },
    visibilityConfig: visibility("rate"),
  };
  const managed = MANAGED_GROUPS.map(
    ([name, override], index): Wafv2WebAclRule => ({
      name,
      priority: index + 1,
      statement: { managed_rule_group_statement: { vendor_name: "AWS", name } },
      overrideAction: { [override]: {} },
      visibilityConfig: visibility(name),
    }),
  );
  return [rate, ...managed];
}

/** Samples would show headers in full: what the log leaves out, they keep. */
const visibility = (metricName: string) => ({
  metricName,
  cloudwatchMetricsEnabled: true,
  sampledRequestsEnabled: false,
});
