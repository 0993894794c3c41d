import { Lb } from "@cdktf/provider-aws/lib/lb";
import { LbListener } from "@cdktf/provider-aws/lib/lb-listener";
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { VpcSecurityGroupEgressRule } from "@cdktf/provider-aws/lib/vpc-security-group-egress-rule";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import { Construct } from "constructs";
import { Bucket } from "./bucket";
import { physicalName } from "./naming";
import type { Network } from "./network";

/** Where CodeDeploy shows the new version before traffic moves to it. */
const TEST_PORT = 9000;

export interface LoadBalancerProps {
  readonly prefix: string;
  readonly account: string;
  readonly region: string;
  readonly network: Network;
  readonly deletionProtection: boolean;
  /** Days for which access logs are kept. */
  readonly logRetentionDays: number;
  readonly forceDestroy: boolean;
}

/**
 * The environment's one load balancer. Services add their rules to its listeners: production, open to the
 * world, and test, open to the VPC alone.
 */
export class LoadBalancer extends Construct {
  readonly url: string;
  readonly arnSuffix: string;
  readonly productionListenerArn: string;
  readonly testListenerArn: string;
  readonly securityGroupId: string;

  constructor(scope: Construct, id: string, props: LoadBalancerProps) {
    super(scope, id);
    const { prefix, account, region, network } = props;
    const group = new SecurityGroup(this, "group", {
      name: `${prefix}-load-balancer`,
      description: "Load balancer of the environment",
      vpcId: network.vpcId,
      tags: { Name: `${prefix}-load-balancer` },
    });
    this.securityGroupId = group.id;
    this.openPort("http", 80, "0.0.0.0/0", "HTTP from anywhere");
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
    this.arnSuffix = balancer.arnSuffix;
    this.url = `http://${balancer.dnsName}`;
    this.productionListenerArn = this.listener("production", balancer, 80).arn;
    this.testListenerArn = this.listener("test", balancer, TEST_PORT).arn;
  }

  /** Opens the way from the load balancer to a service's tasks, and only there. */
  connectTo(name: string, tasks: SecurityGroup, port: number): void {
    new VpcSecurityGroupEgressRule(this, `to-${name}`, {
      securityGroupId: this.securityGroupId,
      description: `To the tasks of ${name}`,
      ipProtocol: "tcp",
      fromPort: port,
      toPort: port,
      referencedSecurityGroupId: tasks.id,
    });
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

  private listener(name: string, balancer: Lb, port: number): LbListener {
    return new LbListener(this, `${name}-listener`, {
      loadBalancerArn: balancer.arn,
      port,
      protocol: "HTTP",
      defaultAction: [
        {
          type: "fixed-response",
          fixedResponse: {
            contentType: "text/plain",
            messageBody: "No service answers here.",
            statusCode: "404",
          },
        },
      ],
    });
  }
}
