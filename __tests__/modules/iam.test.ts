import { policyDocument, Role } from "../../modules/iam";
import { Key } from "../../modules/key";
import { only, synthesizeConstruct } from "../support/construct";
import { statements } from "../support/synthesized";

const role = {
  name: "hello",
  description: "A role",
  service: "codebuild.amazonaws.com",
  sourceAccount: "111111111111",
};

describe("a role", () => {
  test("has no policy until something is granted", () => {
    const stack = synthesizeConstruct((scope) => new Role(scope, "role", role));
    expect(stack.resource.aws_iam_role_policy).toBeUndefined();
  });

  test("renders all its grants as one policy", () => {
    const stack = synthesizeConstruct((scope) => {
      const made = new Role(scope, "role", role);
      made.allow({ actions: ["sqs:SendMessage"], resources: ["arn:aws:sqs:eu-west-1:1:a"] });
      made.allow({ actions: ["sns:Publish"], resources: ["arn:aws:sns:eu-west-1:1:b"] });
    });
    expect(statements(only(stack, "aws_iam_role_policy"))).toEqual([
      { Effect: "Allow", Action: "sqs:SendMessage", Resource: "arn:aws:sqs:eu-west-1:1:a" },
      { Effect: "Allow", Action: "sns:Publish", Resource: "arn:aws:sns:eu-west-1:1:b" },
    ]);
  });

  test("is granted nothing by a statement on nothing, which IAM would refuse", () => {
    const stack = synthesizeConstruct((scope) => {
      new Role(scope, "role", role).allow({ actions: ["ecr:DescribeImages"], resources: [] });
    });
    expect(stack.resource.aws_iam_role_policy).toBeUndefined();
  });

  test("is trusted by a service only for its account", () => {
    const stack = synthesizeConstruct((scope) => new Role(scope, "role", role));
    expect(statements(only(stack, "aws_iam_role"), "assume_role_policy")).toEqual([
      {
        Effect: "Allow",
        Principal: { Service: "codebuild.amazonaws.com" },
        Action: "sts:AssumeRole",
        Condition: { StringEquals: { "aws:SourceAccount": "111111111111" } },
      },
    ]);
  });
});

test("fails when a statement allows something on everything without a reason", () => {
  expect(() => policyDocument([{ actions: ["s3:GetObject"], resources: ["*"] }])).toThrow(/needs a reason/);
  expect(() => policyDocument([{ actions: ["*"], resources: ["arn:aws:s3:::a"] }])).toThrow(/needs a reason/);
  expect(() => policyDocument([{ actions: ["s3:*"], resources: ["*"], effect: "Deny" }])).not.toThrow();
});

describe("a key", () => {
  const props = { alias: "alias/hello", description: "A key", account: "111111111111", region: "eu-west-1" };

  test("is rotated, and lets the logs of its own account and region alone use it", () => {
    const stack = synthesizeConstruct((scope) => new Key(scope, "key", props).allowLogs());
    const key = only(stack, "aws_kms_key");
    expect(key.enable_key_rotation).toBe(true);
    expect(statements(key)[1]).toMatchObject({
      Principal: { Service: "logs.eu-west-1.amazonaws.com" },
      Condition: {
        ArnLike: { "kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:eu-west-1:111111111111:log-group:*" },
      },
    });
  });
});
