import { EcrLifecyclePolicy } from "@cdktf/provider-aws/lib/ecr-lifecycle-policy";
import { EcrRepository } from "@cdktf/provider-aws/lib/ecr-repository";
import { EcrRepositoryPolicy } from "@cdktf/provider-aws/lib/ecr-repository-policy";
import { Construct } from "constructs";
import { accountRoot, repositoryName } from "./arns";
import { policyDocument } from "./iam";
import type { IKey } from "./key";

export interface ImageRepositoryProps {
  readonly project: string;
  readonly service: string;
  readonly key: IKey;
  /** Roles that pull: of each environment's account, those whose ARN fits the pattern. */
  readonly pulledBy: readonly { readonly account: string; readonly rolePattern: string }[];
}

/** The images of one service: a tag never changes, each push is scanned, the oldest go. */
export class ImageRepository extends Construct {
  constructor(scope: Construct, id: string, props: ImageRepositoryProps) {
    super(scope, id);
    const repository = new EcrRepository(this, "repository", {
      name: repositoryName(props.project, props.service),
      imageTagMutability: "IMMUTABLE",
      imageScanningConfiguration: { scanOnPush: true },
      encryptionConfiguration: [{ encryptionType: "KMS", kmsKey: props.key.arn }],
      forceDelete: true,
    });
    new EcrLifecyclePolicy(this, "lifecycle", {
      repository: repository.name,
      policy: JSON.stringify({
        rules: [
          {
            rulePriority: 1,
            description: "Untagged images go after a week",
            selection: {
              tagStatus: "untagged",
              countType: "sinceImagePushed",
              countUnit: "days",
              countNumber: 7,
            },
            action: { type: "expire" },
          },
          {
            rulePriority: 2,
            description: "The last 100 images stay",
            selection: { tagStatus: "any", countType: "imageCountMoreThan", countNumber: 100 },
            action: { type: "expire" },
          },
        ],
      }),
    });
    if (props.pulledBy.length) {
      new EcrRepositoryPolicy(this, "pull", {
        repository: repository.name,
        policy: policyDocument(
          props.pulledBy.map(({ account, rolePattern }) => ({
            actions: ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            resources: [],
            principals: { AWS: accountRoot(account) },
            conditions: { ArnLike: { "aws:PrincipalArn": rolePattern } },
          })),
        ),
      });
    }
  }
}
