import { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import type { Construct } from "constructs";
import { environmentPrefix, roleArn } from "../modules/arns";
import { Bucket } from "../modules/bucket";
import { Cleanup } from "../modules/cleanup";
import { deliveryBoundaryArn } from "../modules/delivery-access";
import { DriftDetection } from "../modules/drift-detection";
import { capRoles } from "../modules/iam";
import { ImageRepository } from "../modules/image-repository";
import { Key } from "../modules/key";
import { physicalName } from "../modules/naming";
import { notificationFilter } from "../modules/notifications";
import { PullRequestReview } from "../modules/pull-request-review";
import { ReportPages } from "../modules/report-pages";
import { RunReports, type RunReportsProps } from "../modules/run-reports";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import { Topic } from "../modules/topic";
import { chatSecretName, DELIVERY_STACK, deliveryNames, tokenSecretName } from "../shared/names";

/** What all pipelines share: where artifacts, images and reports lie, the review of pull requests, and what tells people. */
export class DeliveryStack extends SlipwayStack {
  /** Folder with the functions' archives. */
  private readonly bundles: string;
  private readonly key: Key;

  constructor(scope: Construct, deployment: Deployment) {
    const { settings } = deployment;
    const { account, region } = settings;
    super(scope, DELIVERY_STACK, deployment, { account, region });
    this.bundles = deployment.functionBundles;
    capRoles(this, deliveryBoundaryArn(settings));

    this.key = this.createKey();
    const { artifacts, reports } = this.createBuckets();
    this.createRepositories();
    const token = this.createToken();
    if (token) this.reviewPullRequests(token, artifacts);
    const topic = this.createTopic();
    this.tellOfRuns({ artifacts, reports, topic, token });
    this.keepInOrder({ artifacts, reports, topic });

    this.output("artifact_bucket", artifacts.name, "Bucket of the pipelines' artifacts");
    this.output("topic_arn", topic.arn, "Topic that pipelines report to");
  }

  private createKey(): Key {
    const { project, account, region, environments } = this.settings;
    const key = new Key(this, "key", {
      alias: deliveryNames(this.settings).keyAlias,
      description: `Artifacts, images and messages of ${project}`,
      account,
      region,
    })
      .allowLogs()
      .allowService("cloudwatch.amazonaws.com")
      .allowService("events.amazonaws.com");
    for (const { account: other, name } of Object.values(environments)) {
      // Tasks' images are encrypted by it.
      key.allowRoles(other, [roleArn(other, `${environmentPrefix(project, name)}-*`)]);
    }
    return key;
  }

  /** What is in them is made anew by each execution, or was told: not worth stopping a destroy for. */
  private createBuckets(): { artifacts: Bucket; reports: Bucket } {
    const { key, settings } = this;
    const { project, account, region } = settings;
    const { artifactBucket, reportBucket } = deliveryNames(settings);
    const tidied = { keepVersionsDays: 7, forceDestroy: true };
    const logsTo = new Bucket(this, "artifacts-log", {
      name: physicalName("bucket", project, "artifacts-log", account, region),
      expireAfterDays: 365,
      ...tidied,
    }).allowAccessLogs(account);
    const kept = { key, logsTo, ...tidied };
    return {
      artifacts: new Bucket(this, "artifacts", { name: artifactBucket, expireAfterDays: 90, ...kept }),
      reports: new Bucket(this, "reports", { name: reportBucket, expireAfterDays: 365, ...kept }),
    };
  }

  private createRepositories(): void {
    const { key, settings } = this;
    const { project, environments } = settings;
    for (const service of Object.keys(settings.services)) {
      new ImageRepository(this, `images-${service}`, {
        project,
        service,
        key,
        pulledBy: Object.values(environments).map(({ account, name }) => ({
          account,
          rolePattern: roleArn(account, `${environmentPrefix(project, name)}-*`),
        })),
      });
    }
  }

  /** The secret of GitHub's token, where the source needs one. */
  private createToken(): SecretsmanagerSecret | undefined {
    if (this.settings.source.provider !== "github-token") return undefined;
    return new SecretsmanagerSecret(this, "github-token", {
      name: tokenSecretName(this.settings),
      description: "GitHub token of the pipelines' sources; put here by npm run connect",
      kmsKeyId: this.key.arn,
      // A token is typed again in a minute; a name in its grace time stops the next deploy.
      recoveryWindowInDays: 0,
      // CodeBuild's console lists the secrets that hold its credentials by these.
      tags: {
        "codebuild:source": "",
        "codebuild:source:provider": "github",
        "codebuild:source:type": "personal_access_token",
      },
    });
  }

  private reviewPullRequests(token: SecretsmanagerSecret, artifacts: Bucket): void {
    const { key, settings } = this;
    const { repository } = settings.source;
    new PullRequestReview(this, "review", { settings, repository, token, artifacts, key });
  }

  private createTopic(): Topic {
    const { account, notifications } = this.settings;
    return new Topic(this, "notifications", {
      name: deliveryNames(this.settings).topic,
      key: this.key,
      account,
      emails: notifications.emails,
      subscribers: Object.fromEntries(
        Object.entries(notifications.subscribers).map(([email, choice]) => [
          email,
          notificationFilter(choice),
        ]),
      ),
      publishers: ["cloudwatch.amazonaws.com"],
    });
  }

  private tellOfRuns(told: Pick<RunReportsProps, "artifacts" | "reports" | "topic" | "token">): void {
    const { key, settings } = this;
    const { pages, chat } = settings.notifications;
    const common = { settings, bundles: this.bundles, key, reports: told.reports };
    new RunReports(this, "report", {
      ...common,
      ...told,
      ...(pages && { pages: new ReportPages(this, "pages", common) }),
      ...(chat && {
        chat: new SecretsmanagerSecret(this, "chat-webhook", {
          name: chatSecretName(settings),
          description: "Address of the chat's webhook; put here by npm run connect",
          kmsKeyId: key.arn,
          recoveryWindowInDays: 0,
        }),
      }),
    });
  }

  /** What looks after the rest by night. */
  private keepInOrder({
    artifacts,
    reports,
    topic,
  }: {
    artifacts: Bucket;
    reports: Bucket;
    topic: Topic;
  }): void {
    const { key, settings, bundles } = this;
    new Cleanup(this, "cleanup", { settings, bundles, artifacts, key, alarmTopicArn: topic.arn });
    if (settings.notifications.drift)
      new DriftDetection(this, "drift", { settings, artifacts, reports, key });
  }
}
