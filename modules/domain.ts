import { AcmCertificate } from "@cdktf/provider-aws/lib/acm-certificate";
import { AcmCertificateValidation } from "@cdktf/provider-aws/lib/acm-certificate-validation";
import { DataAwsRoute53Zone } from "@cdktf/provider-aws/lib/data-aws-route53-zone";
import type { Lb } from "@cdktf/provider-aws/lib/lb";
import { Route53Record } from "@cdktf/provider-aws/lib/route53-record";
import { Construct } from "constructs";

/** The name of the record by which ACM sees whose a host name is, as an IAM pattern. */
export const validationRecord = (domain: string) => `_*.${domain}`;

export interface DomainProps {
  /** Host name, as `dev.example.com`. */
  readonly name: string;
  /** Name of the public hosted zone that it lies in, in this account. */
  readonly zone: string;
  /** Whether names one label below lead here, too. @default false */
  readonly withNamesBelow?: boolean;
}

/** A host name of the environment's own, with a certificate that ACM renews by itself. */
export class Domain extends Construct {
  readonly name: string;
  /** ARN of the certificate, known when it is valid. */
  readonly certificateArn: string;
  private readonly zone: DataAwsRoute53Zone;
  /** Pattern of the names below, where they lead here. */
  readonly below: readonly string[];

  constructor(scope: Construct, id: string, props: DomainProps) {
    super(scope, id);
    this.name = props.name;
    this.below = props.withNamesBelow ? [`*.${props.name}`] : [];
    this.zone = new DataAwsRoute53Zone(this, "zone", { name: props.zone, privateZone: false });
    const certificate = new AcmCertificate(this, "certificate", {
      domainName: props.name,
      validationMethod: "DNS",
      ...(this.below.length && { subjectAlternativeNames: [...this.below] }),
      // One that a listener still uses cannot be deleted: it goes when the listener has another, or none.
      lifecycle: { createBeforeDestroy: true },
    });
    // One record, also for the names below: each option tells the same. Which names there are must be known at plan,
    // what they are told to be must not.
    const option = certificate.domainValidationOptions.get(0);
    const record = new Route53Record(this, "validation-record", {
      zoneId: this.zone.zoneId,
      name: option.resourceRecordName,
      type: option.resourceRecordType,
      records: [option.resourceRecordValue],
      ttl: 60,
      // ACM asks for the same record for each certificate of a name in an account.
      allowOverwrite: true,
    });
    this.certificateArn = new AcmCertificateValidation(this, "validation", {
      certificateArn: certificate.arn,
      validationRecordFqdns: [record.fqdn],
      // It takes minutes, or for ever where nobody asks this zone: the build that waits has an hour.
      timeouts: { create: "30m" },
    }).certificateArn;
  }

  /** Leads the names to a load balancer, which has no addresses but of IPv4. Takes no record over that others made. */
  pointTo(balancer: Lb): void {
    for (const name of [this.name, ...this.below])
      new Route53Record(this, name === this.name ? "address" : "addresses-below", {
        zoneId: this.zone.zoneId,
        name,
        type: "A",
        alias: { name: balancer.dnsName, zoneId: balancer.zoneId, evaluateTargetHealth: false },
      });
  }
}
