import { Bucket } from "../../modules/bucket";
import { Role } from "../../modules/iam";
import { Key } from "../../modules/key";
import { only, synthesizeConstruct } from "../support/construct";
import { statements } from "../support/synthesized";

const keyProps = { alias: "alias/hello", description: "A key", account: "111111111111", region: "eu-west-1" };

test("a bucket is private, versioned, tidied and reached through TLS alone", () => {
  const stack = synthesizeConstruct((scope) => new Bucket(scope, "bucket", { name: "hello" }));
  expect(only(stack, "aws_s3_bucket_public_access_block")).toMatchObject({
    block_public_acls: true,
    block_public_policy: true,
    ignore_public_acls: true,
    restrict_public_buckets: true,
  });
  expect(only(stack, "aws_s3_bucket_versioning")).toMatchObject({
    versioning_configuration: { status: "Enabled" },
  });
  expect(only(stack, "aws_s3_bucket_ownership_controls")).toMatchObject({
    rule: { object_ownership: "BucketOwnerEnforced" },
  });
  expect(only(stack, "aws_s3_bucket_lifecycle_configuration").rule).toMatchObject([
    {
      abort_incomplete_multipart_upload: [{ days_after_initiation: 7 }],
      noncurrent_version_expiration: [{ noncurrent_days: 90 }],
    },
  ]);
  expect(statements(only(stack, "aws_s3_bucket_policy"))).toEqual([
    {
      Effect: "Deny",
      Principal: { AWS: "*" },
      Action: "s3:*",
      Resource: ["arn:aws:s3:::hello", "arn:aws:s3:::hello/*"],
      Condition: { Bool: { "aws:SecureTransport": "false" } },
    },
  ]);
});

test("who may use a bucket may use its key", () => {
  const stack = synthesizeConstruct((scope) => {
    const bucket = new Bucket(scope, "bucket", { name: "hello", key: new Key(scope, "key", keyProps) });
    bucket.grantReadWrite(
      new Role(scope, "role", { name: "r", description: "A role", service: "codebuild.amazonaws.com" }),
      "cache/",
    );
  });
  const actions = statements(only(stack, "aws_iam_role_policy")).map(({ Resource }) => Resource);
  expect(actions).toContain("arn:aws:s3:::hello/cache/*");
  expect(JSON.stringify(actions)).toContain("aws_kms_key");
});
