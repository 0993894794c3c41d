import { DataAwsSecretsmanagerSecretVersions } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secret-versions";
import { DataAwsSecretsmanagerSecrets } from "@cdktf/provider-aws/lib/data-aws-secretsmanager-secrets";
import type { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import { TerraformCount, Token } from "cdktf";
import { Construct } from "constructs";
import type { Settings } from "../settings";
import { planRoleArn, reviewNames, tokenSecretName } from "../shared/names";
import type { Bucket } from "./bucket";
import { BuildProject } from "./build-project";
import type { Key } from "./key";
import { StateBucket } from "./state-bucket";

/** Where the trusted code is checked out, beside the pull request's. */
const TRUSTED = "trusted";

/** Side by side. */
const MOST_REVIEWS = 5;

export interface PullRequestReviewProps {
  readonly settings: Settings;
  /** owner/name on GitHub. */
  readonly repository: string;
  readonly token: SecretsmanagerSecret;
  readonly artifacts: Bucket;
  readonly key: Key;
}

/**
 * Reviews pull requests: the webhook starts a build of trusted code, which has the token; that hands the pull request to a
 * second build, which runs its code with no more than the right to plan; and posts what comes of it. So what a pull
 * request brings along never sees the token, from a fork or not.
 */
export class PullRequestReview extends Construct {
  /** Of the build project that reviews the pull request whose number its variable PULL_REQUEST is. */
  readonly name: string;
  readonly arn: string;
  /** Branches: pull requests into these are reviewed, for they are deployed. */
  readonly into: readonly string[];
  private readonly plan: BuildProject;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: PullRequestReviewProps,
  ) {
    super(scope, id);
    this.plan = this.createPlan();
    const { name, arn } = this.createReview(this.isConnected());
    this.name = name;
    this.arn = arn;
    const branches = Object.values(props.settings.pipelines).map(({ branch }) => branch);
    this.into = [...new Set(branches)];
  }

  /** Runs what anybody wrote: reads the environments' state, takes on the roles that plan, and nothing else. */
  private createPlan(): BuildProject {
    const { settings, artifacts } = this.props;
    const { planProject, sources, plans } = reviewNames(settings);
    const plan = new BuildProject(this, "plan", {
      ...this.common,
      name: planProject,
      description: `Plans the environments of ${settings.project} for a pull request`,
      source: { from: "bucket", bucket: artifacts.name, archive: `${sources}/none.zip`, output: plans },
      buildspec: {
        version: 0.2,
        phases: {
          install: { commands: ["npm ci"] },
          build: { commands: ["npm run --silent review:plans -- plans"] },
        },
        artifacts: { files: ["**/*"], "base-directory": "plans" },
      },
    });
    artifacts.grantRead(plan.role, `${sources}/`);
    artifacts.grantWrite(plan.role, `${plans}/`);
    const environments = Object.values(settings.environments);
    new StateBucket(this, "state", settings).grantRead(
      plan.role,
      environments.map(({ name }) => name),
    );
    plan.role.allow({
      actions: ["sts:AssumeRole"],
      resources: environments.map((environment) => planRoleArn(settings, environment)),
    });
    return plan;
  }

  private createReview(count: TerraformCount): BuildProject {
    const { settings, repository, token, artifacts } = this.props;
    const { reviewProject, sources, plans } = reviewNames(settings);
    const [first] = Object.values(settings.pipelines);
    const inTrusted = `cd "$CODEBUILD_SRC_DIR_${TRUSTED}"`;
    const review = new BuildProject(this, "review", {
      ...this.common,
      name: reviewProject,
      description: `Reviews the pull requests of ${settings.project}`,
      source: {
        from: "github",
        repository,
        tokenSecret: token.arn,
        reportStatus: true,
        beside: { name: TRUSTED, branch: first?.branch ?? "main" },
      },
      count,
      // Where the repository is public, anybody's pull request starts one: deployments are to have builds left.
      atOnce: MOST_REVIEWS,
      timeoutMinutes: 60,
      buildspec: {
        version: 0.2,
        phases: {
          install: { commands: [`${inTrusted} && npm ci`] },
          build: { commands: [`${inTrusted} && npm run --silent review:hosted`] },
        },
      },
    });
    artifacts.grantReadWrite(review.role, `${sources}/`);
    artifacts.grantReadWrite(review.role, `${plans}/`);
    this.plan.logs.grantRead(review.role);
    review.role.allow({
      actions: ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"],
      resources: [this.plan.arn],
    });
    return review;
  }

  /**
   * 1 as soon as `npm run connect` has stored the token: CodeBuild needs it to reach the repository. Asked by the secret's
   * name, because a count must be known before the secret is made.
   */
  private isConnected(): TerraformCount {
    const name = tokenSecretName(this.props.settings);
    // The filter takes beginnings, too.
    const secrets = new DataAwsSecretsmanagerSecrets(this, "secrets", {
      filter: [{ name: "name", values: [name] }],
    });
    const versions = new DataAwsSecretsmanagerSecretVersions(this, "token-versions", {
      secretId: name,
      count: countIf(`contains(${secrets.fqn}.names, ${JSON.stringify(name)})`),
    });
    // Of a secret without a version the provider gives null, not an empty list.
    return countIf(`try(length(${versions.fqn}[0].versions), 0) > 0`);
  }

  private get common() {
    const { settings, key } = this.props;
    const { account, region } = settings;
    return { account, region, key, logRetentionDays: 365 };
  }
}

const countIf = (condition: string) => TerraformCount.of(Token.asNumber(`\${${condition} ? 1 : 0}`));
