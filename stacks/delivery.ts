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
import { RunReports } from "../modules/run-reports";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import { Topic } from "../modules/topic";
import { chatSecretName, DELIVERY_STACK, deliveryNames, tokenSecretName } from "../shared/names";

/** What all pipelines share. */
export class DeliveryStack extends SlipwayStack {
  constructor(scope: Construct, deployment: Deployment) {
    const { settings } = deployment;
    const { account, region, project, notifications } = settings;
    super(scope, DELIVERY_STACK, deployment, { account, region });
    capRoles(this, deliveryBoundaryArn(settings));
    const names = deliveryNames(settings);
    const environments = Object.values(settings.environments);

    const key = new Key(this, "key", {
      alias: names.keyAlias,
      description: `Artifacts, images and messages of ${project}`,
      account,
      region,
    })
      .allowLogs()
      .allowService("cloudwatch.amazonaws.com")
      .allowService("events.amazonaws.com");
    for (const { account: other, name } of environments) {
      // Tasks' images are encrypted by it.
      key.allowRoles(other, [roleArn(other, `${environmentPrefix(project, name)}-*`)]);
    }

    const logs = new Bucket(this, "artifacts-log", {
      name: physicalName("bucket", project, "artifacts-log", account, region),
      expireAfterDays: 365,
      keepVersionsDays: 7,
      forceDestroy: true,
    }).allowAccessLogs(account);
    const artifacts = new Bucket(this, "artifacts", {
      name: names.artifactBucket,
      key,
      expireAfterDays: 90,
      keepVersionsDays: 7,
      logsTo: logs,
      // Made anew by each execution; nothing here is worth stopping a destroy for.
      forceDestroy: true,
    });

    for (const service of Object.keys(settings.services)) {
      new ImageRepository(this, `images-${service}`, {
        project,
        service,
        key,
        pulledBy: environments.map((environment) => ({
          account: environment.account,
          rolePattern: roleArn(environment.account, `${environmentPrefix(project, environment.name)}-*`),
        })),
      });
    }

    const reports = new Bucket(this, "reports", {
      name: names.reportBucket,
      key,
      expireAfterDays: 365,
      keepVersionsDays: 7,
      logsTo: logs,
      // Told once, and known to nobody else: not worth stopping a destroy for.
      forceDestroy: true,
    });

    let token: SecretsmanagerSecret | undefined;
    if (settings.source.provider === "github-token") {
      token = new SecretsmanagerSecret(this, "github-token", {
        name: tokenSecretName(settings),
        description: "GitHub token of the pipelines' sources; put here by npm run connect",
        kmsKeyId: key.arn,
        // A token is typed again in a minute; a name in its grace time stops the next deploy.
        recoveryWindowInDays: 0,
        // CodeBuild's console lists the secrets that hold its credentials by these.
        tags: {
          "codebuild:source": "",
          "codebuild:source:provider": "github",
          "codebuild:source:type": "personal_access_token",
        },
      });
      const { repository } = settings.source;
      new PullRequestReview(this, "review", { settings, repository, token, artifacts, key });
    }

    const topic = new Topic(this, "notifications", {
      name: names.topic,
      key,
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
    const bundles = deployment.functionBundles;
    new RunReports(this, "report", {
      settings,
      bundles,
      artifacts,
      reports,
      key,
      topic,
      token,
      ...(notifications.pages && {
        pages: new ReportPages(this, "pages", { settings, bundles, reports, key }),
      }),
      ...(notifications.chat && {
        chat: new SecretsmanagerSecret(this, "chat-webhook", {
          name: chatSecretName(settings),
          description: "Address of the chat's webhook; put here by npm run connect",
          kmsKeyId: key.arn,
          recoveryWindowInDays: 0,
        }),
      }),
    });

    new Cleanup(this, "cleanup", {
      settings,
      bundles: deployment.functionBundles,
      artifacts,
      key,
      alarmTopicArn: topic.arn,
    });

    if (notifications.drift) new DriftDetection(this, "drift", { settings, artifacts, reports, key });

    this.output("artifact_bucket", artifacts.name, "Bucket of the pipelines' artifacts");
    this.output("topic_arn", topic.arn, "Topic that pipelines report to");
  }
}
