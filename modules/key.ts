import { DataAwsKmsAlias } from "@cdktf/provider-aws/lib/data-aws-kms-alias";
import { KmsAlias } from "@cdktf/provider-aws/lib/kms-alias";
import { KmsKey } from "@cdktf/provider-aws/lib/kms-key";
import { Lazy } from "cdktf";
import { Construct } from "constructs";
import { accountRoot } from "./arns";
import { type Grantee, ITSELF, policyDocument, type Statement } from "./iam";

export interface KeyProps {
  /** With its `alias/`. */
  readonly alias: string;
  readonly description: string;
  readonly account: string;
  readonly region: string;
}

/** What using a key for encryption takes. */
export const KEY_USE = [
  "kms:Decrypt",
  "kms:DescribeKey",
  "kms:Encrypt",
  "kms:GenerateDataKey",
  "kms:ReEncryptFrom",
  "kms:ReEncryptTo",
];

/** A key, whoever made it. */
export interface IKey {
  readonly arn: string;
  grantUse(grantee: Grantee): void;
}

/** A customer key: rotated each year, with a policy that says who uses it and through what. */
export class Key extends Construct implements IKey {
  readonly arn: string;
  private readonly statements: Statement[];

  constructor(
    scope: Construct,
    id: string,
    private readonly props: KeyProps,
  ) {
    super(scope, id);
    this.statements = [
      {
        // The account's own IAM policies decide from here on; without it nobody could mend the key.
        actions: ["kms:*"],
        resources: ["*"],
        reason: ITSELF,
        principals: { AWS: accountRoot(props.account) },
      },
    ];
    const key = new KmsKey(this, "key", {
      description: props.description,
      enableKeyRotation: true,
      deletionWindowInDays: 7,
      policy: Lazy.stringValue({ produce: () => policyDocument(this.statements) }),
    });
    new KmsAlias(this, "alias", { name: props.alias, targetKeyId: key.keyId });
    this.arn = key.arn;
  }

  /** A key of another stack's, found by its alias. */
  static fromAlias(scope: Construct, id: string, alias: string): IKey {
    const { targetKeyArn } = new DataAwsKmsAlias(scope, id, { name: alias });
    return { arn: targetKeyArn, grantUse: (grantee) => grantKeyUse(grantee, targetKeyArn) };
  }

  /** Lets CloudWatch Logs of this account encrypt its groups (the service asks for the context it names). */
  allowLogs(): this {
    const { region, account } = this.props;
    return this.allowPrincipals({
      principals: { Service: `logs.${region}.amazonaws.com` },
      conditions: {
        ArnLike: { "kms:EncryptionContext:aws:logs:arn": `arn:aws:logs:${region}:${account}:log-group:*` },
      },
    });
  }

  /** Lets a service of AWS's use the key for this account's resources. */
  allowService(service: string): this {
    return this.allowPrincipals({
      principals: { Service: service },
      conditions: { StringEquals: { "aws:SourceAccount": this.props.account } },
    });
  }

  /** Lets roles of another account use the key, as far as their own policies let them. */
  allowRoles(account: string, roleArns: readonly string[]): this {
    return this.allowPrincipals({
      principals: { AWS: accountRoot(account) },
      conditions: { ArnLike: { "aws:PrincipalArn": roleArns } },
    });
  }

  grantUse(grantee: Grantee): void {
    grantKeyUse(grantee, this.arn);
  }

  private allowPrincipals(who: Pick<Statement, "principals" | "conditions">): this {
    this.statements.push({ actions: KEY_USE, resources: ["*"], reason: ITSELF, ...who });
    return this;
  }
}

/** What a {@link SigningKey} signs by, as KMS names it. */
export const MAC_ALGORITHM = "HMAC_SHA_256";

/**
 * A key that signs and verifies, and never leaves KMS: nobody has to make, keep or hide one. KMS does not rotate these
 * by itself; what is signed expires.
 */
export class SigningKey extends Construct {
  readonly arn: string;

  constructor(scope: Construct, id: string, props: Omit<KeyProps, "region">) {
    super(scope, id);
    const key = new KmsKey(this, "key", {
      description: props.description,
      customerMasterKeySpec: "HMAC_256",
      keyUsage: "GENERATE_VERIFY_MAC",
      deletionWindowInDays: 7,
      policy: policyDocument([
        {
          actions: ["kms:*"],
          resources: ["*"],
          reason: ITSELF,
          principals: { AWS: accountRoot(props.account) },
        },
      ]),
    });
    new KmsAlias(this, "alias", { name: props.alias, targetKeyId: key.keyId });
    this.arn = key.arn;
  }

  grantSign(grantee: Grantee): void {
    this.grant(grantee, "kms:GenerateMac");
  }

  grantVerify(grantee: Grantee): void {
    this.grant(grantee, "kms:VerifyMac");
  }

  private grant(grantee: Grantee, action: string): void {
    grantee.allow({
      actions: [action],
      resources: [this.arn],
      conditions: { StringEquals: { "kms:MacAlgorithm": MAC_ALGORITHM } },
    });
  }
}

function grantKeyUse(grantee: Grantee, arn: string): void {
  grantee.allow({ actions: KEY_USE, resources: [arn] });
}
