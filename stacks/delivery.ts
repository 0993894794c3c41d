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
import { PreviewTeardown } from "../modules/preview-teardown";
import { Previews } from "../modules/previews";
import { PullRequestReview } from "../modules/pull-request-review";
import { ReportPages } from "../modules/report-pages";
import { RunReports, type RunReportsProps } from "../modules/run-reports";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import { Topic } from "../modules/topic";
import { Webhook } from "../modules/webhook";
import { chatSecretName, DELIVERY_STACK, deliveryNames, tokenSecretName } from "../shared/names";
import { previewsOf } from "../shared/previews";

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
    const topic = this.createTopic();
    const review = this.reviewPullRequests(artifacts, token);
    const queue = this.previewBranches({ artifacts, reports, topic, token });
    this.hearFromGitHub(topic, review, queue);
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
      // Tasks' images are encrypted by it, also those of previews.
      key.allowRoles(
        other,
        [name, previewsOf(name)].map((one) => roleArn(other, `${environmentPrefix(project, one)}-*`)),
      );
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
    const pulledBy = (names: (environment: string) => string) =>
      Object.values(environments).map(({ account, name }) => ({
        account,
        rolePattern: roleArn(account, `${environmentPrefix(project, names(name))}-*`),
      }));
    for (const service of Object.keys(settings.services)) {
      const common = { project, service, key };
      // A trial, which is named like a preview, runs what the pipeline is about to deploy.
      const pulled = [...pulledBy((name) => name), ...(this.hasTrials ? pulledBy(previewsOf) : [])];
      new ImageRepository(this, `images-${service}`, { ...common, pulledBy: pulled });
      if (settings.previews.length)
        new ImageRepository(this, `preview-images-${service}`, {
          ...common,
          pulledBy: pulledBy(previewsOf),
          previews: { keptDays: this.previewDays },
        });
    }
  }

  private get hasTrials(): boolean {
    return Object.values(this.settings.pipelines).some(({ trial }) => trial);
  }

  /** For which what previews leave is kept: as long as one may live, and a week. */
  private get previewDays(): number {
    return 7 + Math.ceil(Math.max(...this.settings.previews.map(({ ttlHours }) => ttlHours)) / 24);
  }

  /** The secret of GitHub's token, where the source needs one, or previews, which ask what is open. */
  private createToken(): SecretsmanagerSecret | undefined {
    const { source, previews } = this.settings;
    const isAsked = source.provider === "connection" && previews.length > 0;
    if (source.provider !== "github-token" && !isAsked) return undefined;
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

  private reviewPullRequests(artifacts: Bucket, token?: SecretsmanagerSecret): PullRequestReview | undefined {
    const { key, settings } = this;
    const { repository, provider } = settings.source;
    if (!token || provider !== "github-token") return undefined;
    return new PullRequestReview(this, "review", { settings, repository, token, artifacts, key });
  }

  /** What gives branches and pull requests their pipelines, and takes them back; and what ends trials that died. */
  private previewBranches({
    artifacts,
    reports,
    topic,
    token,
  }: Pick<RunReportsProps, "artifacts" | "reports" | "topic" | "token">): Previews["queue"] | undefined {
    const { key, settings, bundles } = this;
    const { previews: rules, project, account, region } = settings;
    if (!rules.length && !this.hasTrials) return undefined;
    new Bucket(this, "previews", {
      name: deliveryNames(settings).previewBucket,
      key,
      expireAfterDays: rules.length ? this.previewDays : 7,
      keepVersionsDays: 1,
      forceDestroy: true,
      logsTo: new Bucket(this, "previews-log", {
        name: physicalName("bucket", project, "previews-log", account, region),
        expireAfterDays: 365,
        keepVersionsDays: 7,
        forceDestroy: true,
      }).allowAccessLogs(account),
    });
    new PreviewTeardown(this, "teardown", { settings, artifacts, key });
    return new Previews(this, "branches", { settings, bundles, records: reports, key, topic, token }).queue;
  }

  private hearFromGitHub(topic: Topic, review?: PullRequestReview, queue?: Previews["queue"]): void {
    const { key, settings, bundles } = this;
    const { source, previews } = settings;
    if (source.provider === "codecommit" || (source.provider === "connection" && !previews.length)) return;
    const { url } = new Webhook(this, "webhook", {
      settings,
      bundles,
      key,
      review,
      queue: previews.length ? queue : undefined,
      alarmTopicArn: topic.arn,
    });
    this.output("webhook_url", url, "Where GitHub tells what happens; npm run connect tells it so");
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
