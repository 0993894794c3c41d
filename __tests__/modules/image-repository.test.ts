import { Role } from "../../modules/iam";
import { ImageRepository } from "../../modules/image-repository";
import { only, synthesizeConstruct } from "../support/construct";
import { statements } from "../support/synthesized";

test("who pushes to a repository reaches that one, and deletes nothing of it", () => {
  const stack = synthesizeConstruct((scope) => {
    const role = new Role(scope, "role", {
      name: "r",
      description: "A role",
      service: "codebuild.amazonaws.com",
    });
    ImageRepository.fromName("hello/web", { account: "111111111111", region: "eu-west-1" }).grantPush(role);
  });
  expect(statements(only(stack, "aws_iam_role_policy"))).toEqual([
    { Effect: "Allow", Action: "ecr:GetAuthorizationToken", Resource: "*" },
    {
      Effect: "Allow",
      Action: [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:CompleteLayerUpload",
        "ecr:DescribeImages",
        "ecr:GetDownloadUrlForLayer",
        "ecr:InitiateLayerUpload",
        "ecr:PutImage",
        "ecr:UploadLayerPart",
      ],
      Resource: "arn:aws:ecr:eu-west-1:111111111111:repository/hello/web",
    },
  ]);
});

describe("what a repository keeps", () => {
  const rules = (previews?: { keptDays: number }) => {
    const stack = synthesizeConstruct((scope) => {
      const key = { arn: "arn:key", grantUse() {} };
      new ImageRepository(scope, "images", { project: "hello", service: "web", key, pulledBy: [], previews });
    });
    const { name } = only(stack, "aws_ecr_repository");
    const policy = JSON.parse(only(stack, "aws_ecr_lifecycle_policy").policy as string);
    const kept = policy.rules.map(
      ({ rulePriority, selection }: { rulePriority: number; selection: object }) => ({
        rulePriority,
        ...selection,
      }),
    );
    return { name, kept };
  };
  const untagged = { rulePriority: 1, tagStatus: "untagged", countNumber: 7 };

  test("is every image that has a tag, because it may run", () => {
    expect(rules()).toMatchObject({ name: "hello/web", kept: [untagged] });
  });

  test("of previews is in a repository of its own, and goes at last by itself", () => {
    expect(rules({ keptDays: 30 })).toMatchObject({
      name: "hello/preview/web",
      // ECR takes "any" in the last rule alone.
      kept: [untagged, { rulePriority: 2, tagStatus: "any", countType: "sinceImagePushed", countNumber: 30 }],
    });
    expect(rules().kept).toHaveLength(1);
  });
});
