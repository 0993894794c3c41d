import { Lb } from "@cdktf/provider-aws/lib/lb";
import { LbListener, type LbListenerConfig } from "@cdktf/provider-aws/lib/lb-listener";
import { LbListenerRule } from "@cdktf/provider-aws/lib/lb-listener-rule";
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { VpcSecurityGroupEgressRule } from "@cdktf/provider-aws/lib/vpc-security-group-egress-rule";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import { Construct } from "constructs";
import { Bucket } from "./bucket";
import type { Domain } from "./domain";
import { physicalName } from "./naming";
import type { Network } from "./network";

const ANYWHERE = "0.0.0.0/0";

/** TLS 1.3, and of 1.2 what is forward secret and authenticated; key exchange also safe from quantum computers. */
const TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-PQ-2025-09";

/** Where CodeDeploy shows the new version before traffic moves to it. */
export const TEST_PORT = 9000;

/** For paths that no service has. */
const NOBODY = [
  {
    type: "fixed-response",
    fixedResponse: {
      contentType: "text/plain",
      messageBody: "No service answers here.",
      statusCode: "404",
    },
  },
];

export interface LoadBalancerProps {
  readonly prefix: string;
  readonly account: string;
  readonly region: string;
  readonly network: Network;
  /** What it answers for, by HTTPS. @default - none: it answers by HTTP, in clear text */
  readonly domain?: Domain;
  readonly deletionProtection: boolean;
  /** Days for which access logs are kept. */
  readonly logRetentionDays: number;
  readonly forceDestroy: boolean;
}

/**
 * The environment's one load balancer. Services add their rules to its listeners: production, open to the
 * world, and test, open to the VPC alone. With a domain the production listener speaks HTTPS, and HTTP leads there.
 */
export class LoadBalancer extends Construct {
  readonly arn: string;
  readonly productionPort: number;
  readonly arnSuffix: string;
  readonly productionListenerArn: string;
  readonly testListenerArn: string;
  readonly securityGroupId: string;
  private readonly name: string;

  constructor(scope: Construct, id: string, props: LoadBalancerProps) {
    super(scope, id);
    const { prefix, account, region, network, domain } = props;
    const group = new SecurityGroup(this, "group", {
      name: `${prefix}-load-balancer`,
      description: "Load balancer of the environment",
      vpcId: network.vpcId,
      tags: { Name: `${prefix}-load-balancer` },
    });
    this.securityGroupId = group.id;
    this.openPort("http", 80, ANYWHERE, "HTTP from anywhere");
    if (domain) this.openPort("https", 443, ANYWHERE, "HTTPS from anywhere");
    this.openPort("test", TEST_PORT, network.cidr, "New versions, from inside the VPC");

    const logs = new Bucket(this, "logs", {
      name: physicalName("bucket", prefix, "lb-logs", account, region),
      expireAfterDays: props.logRetentionDays,
      keepVersionsDays: 7,
      forceDestroy: props.forceDestroy,
    }).allowLoadBalancerLogs(account);

    const balancer = new Lb(this, "balancer", {
      name: physicalName("loadBalancer", prefix),
      loadBalancerType: "application",
      internal: false,
      subnets: network.publicSubnetIds,
      securityGroups: [group.id],
      dropInvalidHeaderFields: true,
      desyncMitigationMode: "defensive",
      enableDeletionProtection: props.deletionProtection,
      accessLogs: { bucket: logs.name, prefix, enabled: true },
      // Creating it tests whether logs may be delivered.
      dependsOn: [logs.policy],
    });
    this.arn = balancer.arn;
    this.arnSuffix = balancer.arnSuffix;
    this.name = domain?.name ?? balancer.dnsName;
    this.productionPort = domain ? 443 : 80;
    // One listener, with a domain or without: when it is set, rules and releases stay where they are.
    const production = this.listener("production", balancer, {
      ...(domain
        ? { protocol: "HTTPS", sslPolicy: TLS_POLICY, certificateArn: domain.certificateArn }
        : { protocol: "HTTP" }),
      port: this.productionPort,
      defaultAction: NOBODY,
    });
    this.productionListenerArn = production.arn;
    this.testListenerArn = this.listener("test", balancer, {
      port: TEST_PORT,
      protocol: "HTTP",
      defaultAction: NOBODY,
    }).arn;
    if (domain) this.answerFor(domain, balancer, production);
  }

  /** Where it is reached. @param host one of the names that lead to it @default its own */
  urlOf(host: string = this.name): string {
    return `${this.productionPort === 443 ? "https" : "http"}://${host}`;
  }

  /** Opens the way from the load balancer to a service's tasks, whatever their port, and only there. */
  connectTo(name: string, tasks: SecurityGroup): void {
    new VpcSecurityGroupEgressRule(this, `to-${name}`, {
      securityGroupId: this.securityGroupId,
      description: `To the tasks of ${name}`,
      ipProtocol: "tcp",
      fromPort: 1,
      toPort: 65535,
      referencedSecurityGroupId: tasks.id,
    });
  }

  private answerFor(domain: Domain, balancer: Lb, production: LbListener): void {
    const redirect = (host: string) => ({
      type: "redirect",
      redirect: { host, protocol: "HTTPS", port: "443", statusCode: "HTTP_301" },
    });
    const listener = this.listener("redirect", balancer, {
      port: 80,
      protocol: "HTTP",
      // Named, not taken from the request: the certificate is good for no other host.
      defaultAction: [redirect(domain.name)],
      // The port is free when production has left it.
      dependsOn: [production],
    });
    if (domain.below.length)
      new LbListenerRule(this, "redirect-below", {
        listenerArn: listener.arn,
        priority: 1,
        condition: [{ hostHeader: { values: [...domain.below] } }],
        action: [redirect("#{host}")],
      });
    domain.pointTo(balancer);
  }

  private openPort(name: string, port: number, cidr: string, description: string): void {
    new VpcSecurityGroupIngressRule(this, `from-${name}`, {
      securityGroupId: this.securityGroupId,
      description,
      ipProtocol: "tcp",
      fromPort: port,
      toPort: port,
      cidrIpv4: cidr,
    });
  }

  private listener(
    name: string,
    balancer: Lb,
    config: Omit<LbListenerConfig, "loadBalancerArn">,
  ): LbListener {
    return new LbListener(this, `${name}-listener`, { loadBalancerArn: balancer.arn, ...config });
  }
}
