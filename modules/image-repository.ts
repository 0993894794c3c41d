import { EcrLifecyclePolicy } from "@cdktf/provider-aws/lib/ecr-lifecycle-policy";
import { EcrRepository } from "@cdktf/provider-aws/lib/ecr-repository";
import { EcrRepositoryPolicy } from "@cdktf/provider-aws/lib/ecr-repository-policy";
import { Construct } from "constructs";
import { repositoryName } from "../shared/names";
import { previewRepositoryName } from "../shared/previews";
import { accountRoot } from "./arns";
import { type Grantee, policyDocument } from "./iam";
import type { IKey } from "./key";

export interface ImageRepositoryProps {
  readonly project: string;
  readonly service: string;
  /**
   * Where it holds the images of previews: for how many days at most. What a preview's end leaves, then goes.
   * @default - it holds those of environments
   */
  readonly previews?: { readonly keptDays: number };
  readonly key: IKey;
  /** Roles that pull: of each environment's account, those whose ARN fits the pattern. */
  readonly pulledBy: readonly { readonly account: string; readonly rolePattern: string }[];
}

/** A repository of images, whoever made it. */
export interface IImageRepository {
  /** Lets `grantee` see which images there are, build on their layers, and push new ones; nothing is deleted. */
  grantPush(grantee: Grantee): void;
}

/**
 * The images of one service: a tag never changes, each push is scanned. Which of the old ones may go only the clean-up
 * can tell, because it asks the environments what they run; previews' go with them, and at last by themselves.
 */
export class ImageRepository extends Construct {
  constructor(scope: Construct, id: string, props: ImageRepositoryProps) {
    super(scope, id);
    const { service, previews } = props;
    const repository = new EcrRepository(this, "repository", {
      name: previews ? previewRepositoryName(props, service) : repositoryName(props, service),
      imageTagMutability: "IMMUTABLE",
      imageScanningConfiguration: { scanOnPush: true },
      encryptionConfiguration: [{ encryptionType: "KMS", kmsKey: props.key.arn }],
      forceDelete: true,
    });
    new EcrLifecyclePolicy(this, "lifecycle", {
      repository: repository.name,
      policy: JSON.stringify({
        rules: [
          expire(1, "Untagged images go after a week", "untagged", 7),
          ...(previews
            ? [
                expire(
                  2,
                  `What no preview's end removed goes after ${previews.keptDays} days`,
                  "any",
                  previews.keptDays,
                ),
              ]
            : []),
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

  /** A repository that another stack makes. */
  static fromName(
    name: string,
    { account, region }: { readonly account: string; readonly region: string },
  ): IImageRepository {
    const arn = `arn:aws:ecr:${region}:${account}:repository/${name}`;
    return {
      grantPush: (grantee) =>
        grantee.allow(
          {
            actions: ["ecr:GetAuthorizationToken"],
            resources: ["*"],
            reason: "The one action of ECR that has no resource.",
          },
          {
            actions: [
              "ecr:BatchCheckLayerAvailability",
              "ecr:BatchGetImage",
              "ecr:CompleteLayerUpload",
              "ecr:DescribeImages",
              "ecr:GetDownloadUrlForLayer",
              "ecr:InitiateLayerUpload",
              "ecr:PutImage",
              "ecr:UploadLayerPart",
            ],
            resources: [arn],
          },
        ),
    };
  }
}

const expire = (rulePriority: number, description: string, tagStatus: "untagged" | "any", days: number) => ({
  rulePriority,
  description,
  selection: { tagStatus, countType: "sinceImagePushed", countUnit: "days", countNumber: days },
  action: { type: "expire" },
});
