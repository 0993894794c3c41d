import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { CodestarconnectionsConnection } from "@cdktf/provider-aws/lib/codestarconnections-connection";
import { DataAwsSecretsmanagerSecretVersion } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret-version";
import { DataAwsSecretsmanagerSecretVersions } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret-versions";
import { Fn, Token } from "cdktf";
import { Construct } from "constructs";
import type { SourceSettings } from "../settings";
import { tokenSecretName } from "../shared/names";
import { type Grantee, Role } from "./iam";
import { physicalName } from "./naming";

export interface SourceProps {
  readonly project: string;
  readonly account: string;
  readonly region: string;
  readonly source: SourceSettings;
  readonly branch: string;
}

/** What the pipeline has to know of its source: the action that fetches, and what its role needs for it. */
export class Source extends Construct {
  readonly owner: string;
  readonly provider: string;
  readonly version: string;
  readonly configuration: Record<string, string>;
  /** The connection, where it is the source's: somebody has to finish its handshake in the console. */
  readonly connectionArn?: string;
  private readonly props: SourceProps;

  constructor(scope: Construct, id: string, props: SourceProps) {
    super(scope, id);
    this.props = props;
    const { source, branch } = props;
    this.version = "1";
    switch (source.provider) {
      case "github-token": {
        const [owner = "", repository = ""] = source.repository.split("/");
        this.owner = "ThirdParty";
        this.provider = "GitHub";
        this.configuration = {
          Owner: owner,
          Repo: repository,
          Branch: branch,
          OAuthToken: this.readToken(),
          PollForSourceChanges: "true",
        };
        break;
      }
      case "connection": {
        this.connectionArn = new CodestarconnectionsConnection(this, "connection", {
          name: `${props.project}-${branch}`.replace(/[^\w.-]/g, "-").slice(0, 32),
          providerType: source.host,
        }).arn;
        this.owner = "AWS";
        this.provider = "CodeStarSourceConnection";
        this.configuration = {
          ConnectionArn: this.connectionArn,
          FullRepositoryId: source.repository,
          BranchName: branch,
          DetectChanges: "true",
        };
        break;
      }
      case "codecommit": {
        this.owner = "AWS";
        this.provider = "CodeCommit";
        this.configuration = {
          RepositoryName: source.repository,
          BranchName: branch,
          // `startOnPush` makes it start at once, and for nothing else.
          PollForSourceChanges: "false",
        };
      }
    }
  }

  /** Starts a pipeline with each push, where the provider does not do so by itself. */
  startOnPush(pipeline: { readonly name: string; readonly arn: string }): void {
    const { source, branch, region, account } = this.props;
    if (source.provider !== "codecommit") return;
    const rule = new CloudwatchEventRule(this, "pushed", {
      name: physicalName("eventRule", pipeline.name, "pushed"),
      description: `Starts ${pipeline.name} when ${branch} of ${source.repository} is pushed to`,
      eventPattern: JSON.stringify({
        source: ["aws.codecommit"],
        "detail-type": ["CodeCommit Repository State Change"],
        resources: [repositoryArn({ region, account, repository: source.repository })],
        detail: {
          event: ["referenceCreated", "referenceUpdated"],
          referenceType: ["branch"],
          referenceName: [branch],
        },
      }),
    });
    const role = new Role(this, "start-role", {
      name: physicalName("iamRole", pipeline.name, "start"),
      description: `Starts ${pipeline.name}, and nothing else`,
      service: "events.amazonaws.com",
      sourceAccount: account,
    });
    role.allow({ actions: ["codepipeline:StartPipelineExecution"], resources: [pipeline.arn] });
    new CloudwatchEventTarget(this, "start", {
      rule: rule.name,
      arn: pipeline.arn,
      roleArn: role.arn,
      dependsOn: role.ready,
    });
  }

  grantFetch(grantee: Grantee): void {
    const { source, region, account } = this.props;
    if (this.connectionArn) {
      grantee.allow({ actions: ["codestar-connections:UseConnection"], resources: [this.connectionArn] });
    } else if (source.provider === "codecommit") {
      grantee.allow({
        actions: [
          "codecommit:GetBranch",
          "codecommit:GetCommit",
          "codecommit:GetUploadArchiveStatus",
          "codecommit:UploadArchive",
        ],
        resources: [repositoryArn({ region, account, repository: source.repository })],
      });
    }
  }

  /**
   * The token, as `npm run connect` left it. Which versions the secret has is asked first: reading a secret
   * that has none fails with words of the provider's that help nobody.
   */
  private readToken(): string {
    const secretId = tokenSecretName(this.props);
    const versions = new DataAwsSecretsmanagerSecretVersions(this, "token-versions", {
      secretId,
      lifecycle: {
        postcondition: [
          {
            // Of a secret without a version the provider gives null, not an empty list.
            // biome-ignore lint/suspicious/noTemplateCurlyInString: Terraform's, not JavaScript's.
            condition: "${try(length(self.versions), 0) > 0}",
            errorMessage: "The GitHub token is not there yet: run npm run connect, then deploy again.",
          },
        ],
      },
    });
    const { secretString } = new DataAwsSecretsmanagerSecretVersion(this, "token", {
      secretId,
      dependsOn: [versions],
    });
    // As npm run connect stores it; or by hand, as the token alone.
    return Token.asString(Fn.try([Fn.lookupNested(Fn.jsondecode(secretString), ["Token"]), secretString]));
  }
}

const repositoryArn = (of: {
  readonly region: string;
  readonly account: string;
  readonly repository: string;
}) => `arn:aws:codecommit:${of.region}:${of.account}:${of.repository}`;
