import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { CodestarconnectionsConnection } from "@cdktf/provider-aws/lib/codestarconnections-connection";
import { DataAwsCodestarconnectionsConnection } from "@cdktf/provider-aws/lib/data-aws-codestarconnections-connection";
import { DataAwsSecretsmanagerSecretVersion } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret-version";
import { DataAwsSecretsmanagerSecretVersions } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret-versions";
import { Fn, Token } from "cdktf";
import { Construct } from "constructs";
import type { SourceSettings } from "../settings";
import { isPattern, tokenSecretName } from "../shared/names";
import { codecommitArn } from "./arns";
import { type Grantee, Role } from "./iam";
import { physicalName } from "./naming";

export interface SourceProps {
  readonly project: string;
  /** Name of the pipeline. */
  readonly pipeline: string;
  readonly account: string;
  readonly region: string;
  readonly source: SourceSettings;
  /** The branch; behind a connection and in CodeCommit also a pattern, as `release/*`. */
  readonly branch: string;
  /** Patterns of files of which a push must touch one; only behind a connection. @default - whatever it touches */
  readonly paths?: readonly string[];
  /**
   * The pipeline that it is a template's like: it has that one's connection, so that nobody has to finish another's
   * handshake, and no push starts it.
   * @default - it is a pipeline's of its own
   */
  readonly like?: string;
}

interface PipelineOf {
  readonly name: string;
  readonly arn: string;
}

/** What the pipeline has to know of its source: the action that fetches, and what its role needs for it. */
export class Source extends Construct {
  readonly owner: string;
  readonly provider: string;
  readonly version: string;
  readonly configuration: Record<string, string>;
  /** The connection, where it is the source's: somebody has to finish its handshake in the console. */
  readonly connectionArn?: string;
  /** What of a push starts the pipeline, where CodePipeline itself is told of it. */
  readonly trigger?: { readonly branches: readonly string[]; readonly paths?: readonly string[] };
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
          // Where it is not polled, the project's webhook starts it (webhook.ts).
          PollForSourceChanges: String(source.polling && !props.like),
        };
        break;
      }
      case "connection": {
        const name = physicalName("connection", props.like ?? props.pipeline);
        this.connectionArn = props.like
          ? new DataAwsCodestarconnectionsConnection(this, "connection", { name }).arn
          : new CodestarconnectionsConnection(this, "connection", { name, providerType: source.host }).arn;
        this.owner = "AWS";
        this.provider = "CodeStarSourceConnection";
        this.configuration = {
          ConnectionArn: this.connectionArn,
          FullRepositoryId: source.repository,
          // For a start by hand; a pattern has no such branch, and then a revision must be named.
          BranchName: branch,
          // The trigger does.
          DetectChanges: "false",
        };
        this.trigger = { branches: [branch], paths: props.paths };
        break;
      }
      case "codecommit": {
        this.owner = "AWS";
        this.provider = "CodeCommit";
        this.configuration = {
          RepositoryName: source.repository,
          BranchName: branch,
          PollForSourceChanges: "false",
        };
      }
    }
  }

  /** Starts a pipeline with each push, where the provider does not do so by itself. */
  startOnPush(pipeline: PipelineOf): void {
    const { source, like } = this.props;
    if (like) return;
    if (source.provider === "codecommit") this.startOnEvent(pipeline, source.repository);
  }

  private startOnEvent(pipeline: PipelineOf, repository: string): void {
    const { branch, region, account } = this.props;
    const rule = new CloudwatchEventRule(this, "pushed", {
      name: physicalName("eventRule", pipeline.name, "pushed"),
      description: `Starts ${pipeline.name} with each push`,
      eventPattern: JSON.stringify({
        source: ["aws.codecommit"],
        "detail-type": ["CodeCommit Repository State Change"],
        resources: [codecommitArn({ region, account, repository })],
        detail: {
          event: ["referenceCreated", "referenceUpdated"],
          referenceType: ["branch"],
          referenceName: [isPattern(branch) ? { wildcard: branch } : branch],
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
      // The pipeline could not tell which of the branches it was.
      ...(isPattern(branch) && { inputTransformer: PUSHED_REVISION }),
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
        resources: [codecommitArn({ region, account, repository: source.repository })],
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

/** The commit of CodeCommit's event, as the revision that an execution takes (user guide, "source overrides"). */
const PUSHED_REVISION = {
  inputPaths: { revision: "$.detail.commitId" },
  inputTemplate: JSON.stringify({
    sourceRevisions: [{ actionName: "Source", revisionType: "COMMIT_ID", revisionValue: "<revision>" }],
  }),
};
