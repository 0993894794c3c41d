import { DataAwsAvailabilityZones } from "@cdktf/provider-aws/lib/data-aws-availability-zones";
import { DefaultSecurityGroup } from "@cdktf/provider-aws/lib/default-security-group";
import { Eip } from "@cdktf/provider-aws/lib/eip";
import { FlowLog } from "@cdktf/provider-aws/lib/flow-log";
import { InternetGateway } from "@cdktf/provider-aws/lib/internet-gateway";
import { NatGateway } from "@cdktf/provider-aws/lib/nat-gateway";
import { Route } from "@cdktf/provider-aws/lib/route";
import { RouteTable } from "@cdktf/provider-aws/lib/route-table";
import { RouteTableAssociation } from "@cdktf/provider-aws/lib/route-table-association";
import { SecurityGroup } from "@cdktf/provider-aws/lib/security-group";
import { Subnet } from "@cdktf/provider-aws/lib/subnet";
import { Vpc } from "@cdktf/provider-aws/lib/vpc";
import { VpcEndpoint } from "@cdktf/provider-aws/lib/vpc-endpoint";
import { VpcSecurityGroupIngressRule } from "@cdktf/provider-aws/lib/vpc-security-group-ingress-rule";
import { Fn } from "cdktf";
import { Construct } from "constructs";
import type { Nat } from "../settings";
import { splitCidr } from "./cidr";
import { Role } from "./iam";
import type { IKey } from "./key";
import { LogGroup } from "./logs";
import { physicalName } from "./naming";

const ZONES = 2;
const ANYWHERE = "0.0.0.0/0";

/**
 * What is still to be reached from a subnet without a way out: by a task its image, its logs, its secrets, and by what
 * checks releases CodeDeploy, and EC2, which knows the load balancer's private addresses.
 */
const INTERFACE_ENDPOINTS = ["codedeploy", "ec2", "ecr.api", "ecr.dkr", "logs", "secretsmanager", "ssm"];
/** What a shell in a task goes through. */
const SHELL_ENDPOINT = "ssmmessages";

export interface NetworkProps {
  /** Begins the name of all that the network holds. */
  readonly prefix: string;
  readonly region: string;
  readonly account: string;
  readonly cidr: string;
  readonly nat: Nat;
  /** Whether shells are opened in tasks. @default false */
  readonly shells?: boolean;
  readonly key: IKey;
  readonly logRetentionDays: number;
  readonly boundary: string;
}

/**
 * A VPC over two zones. Public subnets hold load balancers and gateways and hand out no public address by
 * themselves; what runs, runs in the private ones. All traffic is logged.
 */
export class Network extends Construct {
  readonly vpcId: string;
  readonly cidr: string;
  readonly publicSubnetIds: string[];
  readonly privateSubnetIds: string[];
  /** Resources that must exist before what runs in a private subnet can reach out. */
  readonly wayOut: (Route | VpcEndpoint)[] = [];
  private readonly vpc: Vpc;
  private readonly props: NetworkProps;

  constructor(scope: Construct, id: string, props: NetworkProps) {
    super(scope, id);
    this.props = props;
    this.cidr = props.cidr;
    this.vpc = new Vpc(this, "vpc", {
      cidrBlock: props.cidr,
      enableDnsHostnames: true,
      enableDnsSupport: true,
      tags: { Name: props.prefix },
    });
    this.vpcId = this.vpc.id;
    // A group with no rules: what forgets to name a security group reaches nothing.
    new DefaultSecurityGroup(this, "default-group", { vpcId: this.vpcId, ingress: [], egress: [] });

    const blocks = splitCidr(props.cidr, 4 * ZONES);
    const publicSubnets = this.subnets("public", blocks.slice(0, ZONES));
    const privateSubnets = this.subnets("private", blocks.slice(ZONES, 2 * ZONES));
    this.publicSubnetIds = publicSubnets.map((subnet) => subnet.id);
    this.privateSubnetIds = privateSubnets.map((subnet) => subnet.id);

    const internet = this.routePublicSubnets(publicSubnets);
    this.routePrivateSubnets(publicSubnets, privateSubnets, internet);
    this.logTraffic();
  }

  private subnets(kind: "public" | "private", blocks: string[]): Subnet[] {
    const zones =
      (this.node.tryFindChild("zones") as DataAwsAvailabilityZones | undefined) ??
      new DataAwsAvailabilityZones(this, "zones", {
        state: "available",
        // Local zones and Wavelength zones take neither NAT gateways nor Fargate.
        filter: [{ name: "zone-type", values: ["availability-zone"] }],
      });
    return blocks.map(
      (cidrBlock, index) =>
        new Subnet(this, `${kind}-${index}`, {
          vpcId: this.vpcId,
          cidrBlock,
          availabilityZone: Fn.element(zones.names, index),
          mapPublicIpOnLaunch: false,
          tags: { Name: `${this.props.prefix}-${kind}-${index}` },
        }),
    );
  }

  private routePublicSubnets(subnets: Subnet[]): Route {
    const gateway = new InternetGateway(this, "internet", {
      vpcId: this.vpcId,
      tags: { Name: this.props.prefix },
    });
    const table = this.routeTable("public", subnets);
    return new Route(this, "public-internet", {
      routeTableId: table.id,
      destinationCidrBlock: ANYWHERE,
      gatewayId: gateway.id,
    });
  }

  private routePrivateSubnets(publicSubnets: Subnet[], privateSubnets: Subnet[], internet: Route): void {
    const tables = privateSubnets.map((subnet, index) => this.routeTable(`private-${index}`, [subnet]));
    if (this.props.nat === "none") this.addEndpoints(tables);
    else {
      const count = this.props.nat === "single" ? 1 : privateSubnets.length;
      const gateways = publicSubnets
        .slice(0, count)
        .map((subnet, index) => this.natGateway(subnet, index, internet));
      for (const [index, table] of tables.entries()) {
        this.wayOut.push(
          new Route(this, `private-${index}-nat`, {
            routeTableId: table.id,
            destinationCidrBlock: ANYWHERE,
            natGatewayId: gateways[index % count]!.id,
          }),
        );
      }
    }
    // Free, and keeps image layers (they lie in S3) off the NAT gateway's bill.
    this.wayOut.push(
      new VpcEndpoint(this, "endpoint-s3", {
        vpcId: this.vpcId,
        serviceName: `com.amazonaws.${this.props.region}.s3`,
        vpcEndpointType: "Gateway",
        routeTableIds: tables.map((table) => table.id),
      }),
    );
  }

  private natGateway(subnet: Subnet, index: number, internet: Route): NatGateway {
    const tags = { Name: `${this.props.prefix}-${index}` };
    const address = new Eip(this, `nat-${index}-address`, { domain: "vpc", tags });
    return new NatGateway(this, `nat-${index}`, {
      subnetId: subnet.id,
      allocationId: address.id,
      tags,
      dependsOn: [internet],
    });
  }

  private addEndpoints(tables: RouteTable[]): void {
    const group = new SecurityGroup(this, "endpoints", {
      name: `${this.props.prefix}-endpoints`,
      description: "AWS services reached from the private subnets",
      vpcId: this.vpcId,
      tags: { Name: `${this.props.prefix}-endpoints` },
    });
    new VpcSecurityGroupIngressRule(this, "endpoints-https", {
      securityGroupId: group.id,
      description: "HTTPS from inside the VPC",
      ipProtocol: "tcp",
      fromPort: 443,
      toPort: 443,
      cidrIpv4: this.cidr,
    });
    const services = [...INTERFACE_ENDPOINTS, ...(this.props.shells ? [SHELL_ENDPOINT] : [])];
    for (const service of services) {
      this.wayOut.push(
        new VpcEndpoint(this, `endpoint-${service.replace(".", "-")}`, {
          vpcId: this.vpcId,
          serviceName: `com.amazonaws.${this.props.region}.${service}`,
          vpcEndpointType: "Interface",
          privateDnsEnabled: true,
          securityGroupIds: [group.id],
          subnetIds: this.privateSubnetIds.slice(0, tables.length),
        }),
      );
    }
  }

  private routeTable(name: string, subnets: Subnet[]): RouteTable {
    const table = new RouteTable(this, name === "public" ? "public-routes" : `${name}-routes`, {
      vpcId: this.vpcId,
      tags: { Name: `${this.props.prefix}-${name}` },
    });
    for (const subnet of subnets) {
      new RouteTableAssociation(this, `${subnet.node.id}-association`, {
        subnetId: subnet.id,
        routeTableId: table.id,
      });
    }
    return table;
  }

  private logTraffic(): void {
    const { prefix, key, logRetentionDays, account, boundary } = this.props;
    const group = new LogGroup(this, "flow-log-group", {
      name: `/slipway/${prefix}/network`,
      key,
      retentionDays: logRetentionDays,
    });
    const role = new Role(this, "flow-log-role", {
      name: physicalName("iamRole", prefix, "flow-log"),
      description: "Writes the network's flow log",
      service: "vpc-flow-logs.amazonaws.com",
      sourceAccount: account,
      boundary,
    });
    group.grantWrite(role);
    role.allow({
      actions: ["logs:DescribeLogGroups", "logs:DescribeLogStreams"],
      resources: [group.arn, `${group.arn}:*`],
    });
    new FlowLog(this, "flow-log", {
      vpcId: this.vpcId,
      trafficType: "ALL",
      logDestinationType: "cloud-watch-logs",
      logDestination: group.arn,
      iamRoleArn: role.arn,
      maxAggregationInterval: 60,
      tags: { Name: prefix },
    });
  }
}
