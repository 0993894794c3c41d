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
