import { DataAwsKmsAlias } from "@cdktf/provider-aws/lib/data-aws-kms-alias";
import { Construct } from "constructs";
import type { Settings } from "../settings";
import { stateBucketName, stateKey, stateKeyAlias } from "../shared/names";
import type { Grantee } from "./iam";

/** The bucket of all state, which `bootstrap` makes, as a role uses it: some stacks' state, and of no other. */
export class StateBucket extends Construct {
  private readonly arn: string;
  private readonly keyArn: string;

  constructor(scope: Construct, id: string, settings: Settings) {
    super(scope, id);
    this.arn = `arn:aws:s3:::${stateBucketName(settings)}`;
    this.keyArn = new DataAwsKmsAlias(this, "key", { name: stateKeyAlias(settings) }).targetKeyArn;
  }

  grantRead(grantee: Grantee, stacks: readonly string[]): void {
    grantee.allow(
      { actions: ["s3:ListBucket"], resources: [this.arn] },
      { actions: ["s3:GetObject"], resources: stacks.map((stack) => this.object(stack)) },
      { actions: ["kms:Decrypt"], resources: [this.keyArn] },
    );
  }

  grantReadWrite(grantee: Grantee, stacks: readonly string[]): void {
    grantee.allow(
      { actions: ["s3:ListBucket"], resources: [this.arn] },
      {
        actions: ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"],
        resources: stacks.flatMap((stack) => [this.object(stack), `${this.object(stack)}.tflock`]),
      },
      { actions: ["kms:Decrypt", "kms:GenerateDataKey"], resources: [this.keyArn] },
    );
  }

  private object(stack: string): string {
    return `${this.arn}/${stateKey(stack)}`;
  }
}
