import { S3Bucket } from "@cdktf/provider-aws/lib/s3-bucket";
import { S3BucketLifecycleConfiguration } from "@cdktf/provider-aws/lib/s3-bucket-lifecycle-configuration";
import { S3BucketLoggingA } from "@cdktf/provider-aws/lib/s3-bucket-logging";
import { S3BucketNotification } from "@cdktf/provider-aws/lib/s3-bucket-notification";
import { S3BucketOwnershipControls } from "@cdktf/provider-aws/lib/s3-bucket-ownership-controls";
import { S3BucketPolicy } from "@cdktf/provider-aws/lib/s3-bucket-policy";
import { S3BucketPublicAccessBlock } from "@cdktf/provider-aws/lib/s3-bucket-public-access-block";
import { S3BucketServerSideEncryptionConfigurationA } from "@cdktf/provider-aws/lib/s3-bucket-server-side-encryption-configuration";
import { S3BucketVersioningA } from "@cdktf/provider-aws/lib/s3-bucket-versioning";
import { Lazy } from "cdktf";
import { Construct } from "constructs";
import { type Grantee, policyDocument, type Statement } from "./iam";
import type { IKey } from "./key";

export interface BucketProps {
  readonly name: string;
  /**
   * The key that encrypts the objects.
   * @default - S3's own: the buckets that AWS delivers logs to take no other
   */
  readonly key?: IKey;
  /** Days after which an object goes. @default - never */
  readonly expireAfterDays?: number;
  /** Days for which an overwritten or deleted version stays. @default 90 */
  readonly keepVersionsDays?: number;
  /** Where the access log goes. @default - nowhere: a log bucket's own log would grow by itself */
  readonly logsTo?: Bucket;
  /** Whether `destroy` empties the bucket first. @default false */
  readonly forceDestroy?: boolean;
}

const BUCKET_READING = ["s3:GetBucketLocation", "s3:GetBucketVersioning", "s3:ListBucket"];
const OBJECT_READING = ["s3:GetObject", "s3:GetObjectVersion"];
const OBJECT_USE = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:DeleteObject"];

/** A bucket, whoever made it. */
export interface IBucket {
  readonly name: string;
  grantReadWrite(grantee: Grantee, prefix?: string): void;
  /** Lets a build read objects whose names it was given: it cannot look for others. */
  grantRead(grantee: Grantee, prefix: string): void;
}

/** A bucket that is private, encrypted, versioned, reached through TLS alone, and tidies up after itself. */
export class Bucket extends Construct implements IBucket {
  readonly name: string;
  readonly arn: string;
  /** Resource that must exist before AWS delivers to the bucket. */
  readonly policy: S3BucketPolicy;
  private readonly key?: IKey;
  private readonly statements: Statement[];

  constructor(scope: Construct, id: string, props: BucketProps) {
    super(scope, id);
    const bucket = new S3Bucket(this, "bucket", {
      bucket: props.name,
      forceDestroy: props.forceDestroy ?? false,
    });
    this.name = props.name;
    this.arn = `arn:aws:s3:::${props.name}`;
    this.key = props.key;
    this.statements = [
      {
        effect: "Deny",
        actions: ["s3:*"],
        resources: [this.arn, `${this.arn}/*`],
        principals: { AWS: "*" },
        conditions: { Bool: { "aws:SecureTransport": "false" } },
      },
    ];

    const access = new S3BucketPublicAccessBlock(this, "public-access", {
      bucket: bucket.id,
      blockPublicAcls: true,
      blockPublicPolicy: true,
      ignorePublicAcls: true,
      restrictPublicBuckets: true,
    });
    new S3BucketOwnershipControls(this, "ownership", {
      bucket: bucket.id,
      rule: { objectOwnership: "BucketOwnerEnforced" },
    });
    new S3BucketServerSideEncryptionConfigurationA(this, "encryption", {
      bucket: bucket.id,
      rule: [
        {
          applyServerSideEncryptionByDefault: props.key
            ? { sseAlgorithm: "aws:kms", kmsMasterKeyId: props.key.arn }
            : { sseAlgorithm: "AES256" },
          bucketKeyEnabled: props.key !== undefined,
        },
      ],
    });
    const versioning = new S3BucketVersioningA(this, "versioning", {
      bucket: bucket.id,
      versioningConfiguration: { status: "Enabled" },
    });
    new S3BucketLifecycleConfiguration(this, "lifecycle", {
      bucket: bucket.id,
      rule: [
        {
          id: "tidy",
          status: "Enabled",
          filter: [{ prefix: "" }],
          abortIncompleteMultipartUpload: [{ daysAfterInitiation: 7 }],
          noncurrentVersionExpiration: [{ noncurrentDays: props.keepVersionsDays ?? 90 }],
          ...(props.expireAfterDays && { expiration: [{ days: props.expireAfterDays }] }),
        },
      ],
      // S3 refuses rules about old versions on a bucket that does not keep them yet.
      dependsOn: [versioning],
    });
    new S3BucketNotification(this, "events", { bucket: bucket.id, eventbridge: true });
    if (props.logsTo) {
      new S3BucketLoggingA(this, "access-log", {
        bucket: bucket.id,
        targetBucket: props.logsTo.name,
        targetPrefix: `${props.name}/`,
        dependsOn: [props.logsTo.policy],
      });
    }
    this.policy = new S3BucketPolicy(this, "policy", {
      bucket: bucket.id,
      policy: Lazy.stringValue({ produce: () => policyDocument(this.statements) }),
      dependsOn: [access],
    });
  }

  /** A bucket of another stack's. */
  static fromName(name: string, key: IKey): IBucket {
    return {
      name,
      grantReadWrite: (grantee, prefix) => grantBucketUse(grantee, name, key, prefix),
      grantRead: (grantee, prefix) => grantObjects(grantee, name, key, OBJECT_READING, prefix),
    };
  }

  /** Lets S3 deliver the access logs of this account's buckets. */
  allowAccessLogs(account: string): this {
    return this.allowDelivery("logging.s3.amazonaws.com", `${this.arn}/*`, account);
  }

  /** Lets the load balancers of this account deliver their access logs. */
  allowLoadBalancerLogs(account: string): this {
    const path = `${this.arn}/*/AWSLogs/${account}/*`;
    return this.allowDelivery("logdelivery.elasticloadbalancing.amazonaws.com", path, account);
  }

  grantReadWrite(grantee: Grantee, prefix = ""): void {
    grantBucketUse(grantee, this.name, this.key, prefix);
  }

  grantRead(grantee: Grantee, prefix: string): void {
    grantObjects(grantee, this.name, this.key, OBJECT_READING, prefix);
  }

  /** Lets a build leave objects, and neither read nor list them. */
  grantWrite(grantee: Grantee, prefix: string): void {
    grantObjects(grantee, this.name, this.key, ["s3:PutObject"], prefix);
  }

  private allowDelivery(service: string, resource: string, account: string): this {
    this.statements.push({
      actions: ["s3:PutObject"],
      resources: [resource],
      principals: { Service: service },
      conditions: { StringEquals: { "aws:SourceAccount": account } },
    });
    return this;
  }
}

function grantBucketUse(grantee: Grantee, name: string, key: IKey | undefined, prefix = ""): void {
  grantee.allow(
    { actions: BUCKET_READING, resources: [`arn:aws:s3:::${name}`] },
    { actions: OBJECT_USE, resources: [`arn:aws:s3:::${name}/${prefix}*`] },
  );
  key?.grantUse(grantee);
}

function grantObjects(
  grantee: Grantee,
  name: string,
  key: IKey | undefined,
  actions: readonly string[],
  prefix: string,
): void {
  const arn = `arn:aws:s3:::${name}`;
  grantee.allow(
    // CodeBuild looks at whose bucket it is.
    { actions: ["s3:GetBucketAcl", "s3:GetBucketLocation"], resources: [arn] },
    { actions, resources: [`${arn}/${prefix}*`] },
  );
  key?.grantUse(grantee);
}
