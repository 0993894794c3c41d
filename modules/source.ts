import { CodestarconnectionsConnection } from "@cdktf/provider-aws/lib/codestarconnections-connection";
import { DataAwsSecretsmanagerSecretVersion } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret-version";
import { DataAwsSecretsmanagerSecretVersions } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret-versions";
import { Fn, Token } from "cdktf";
import { Construct } from "constructs";
import type { SourceSettings } from "../settings";
import { tokenSecretName } from "../shared/names";
import type { Grantee } from "./iam";

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
          PollForSourceChanges: "true",
        };
      }
    }
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
        resources: [`arn:aws:codecommit:${region}:${account}:${source.repository}`],
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
