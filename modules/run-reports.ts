import { join } from "node:path";
import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import type { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import type { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import { Construct } from "constructs";
import type { Settings } from "../settings";
import { artifactPrefix, DELIVERY_STACK, deliveryNames, pipelineName } from "../shared/names";
import type { Bucket } from "./bucket";
import { createEventQueue, followQueue } from "./event-queue";
import { createFunction } from "./function";
import type { Grantee } from "./iam";
import type { IKey } from "./key";
import { physicalName } from "./naming";
import type { ReportPages } from "./report-pages";
import type { Topic } from "./topic";

/** Of the function; a message in its hands is nobody else's for six times as long, as Lambda's guide asks for. */
const TIMEOUT_SECONDS = 120;
/** How often telling is tried. */
const MOST_RECEIVES = 5;

export interface RunReportsProps {
  readonly settings: Settings;
  /** Folder with `delivery-report.zip`. */
  readonly bundles: string;
  /** Where the pipelines keep their artifacts. */
  readonly artifacts: Bucket;
  /** What is known of runs, and their pages. */
  readonly reports: Bucket;
  readonly key: IKey;
  readonly topic: Topic;
  /** @default - no pages are linked to */
  readonly pages?: ReportPages;
  /** GitHub's token. @default - there is none: commits have no statuses */
  readonly token?: SecretsmanagerSecret;
  /** The address of a chat's webhook. @default - no chat is told */
  readonly chat?: SecretsmanagerSecret;
}

/** Tells people how the pipelines' runs go: events, in a queue, for one function. */
export class RunReports extends Construct {
  private readonly prefix: string;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: RunReportsProps,
  ) {
    super(scope, id);
    this.prefix = physicalName("function", props.settings.project, DELIVERY_STACK, "report");
    this.tell(this.queue(this.rules()));
  }

  /** Of builds and deployments nothing has to be heard: what became of them is read when their stage ends. */
  private rules(): CloudwatchEventRule[] {
    const { settings } = this.props;
    const pipeline = Object.keys(settings.pipelines).map((name) => pipelineName(settings, name));
    return [
      this.rule("runs", "Pipelines' runs and stages", {
        source: ["aws.codepipeline"],
        "detail-type": [
          "CodePipeline Pipeline Execution State Change",
          "CodePipeline Stage Execution State Change",
        ],
        detail: { pipeline },
      }),
      this.rule("approvals", "Approvals that wait", {
        source: ["aws.codepipeline"],
        "detail-type": ["CodePipeline Action Execution State Change"],
        detail: { pipeline, type: { category: ["Approval"] } },
      }),
      ...(settings.notifications.drift
        ? [
            this.rule("drift", "Looks for drift that have ended", {
              source: ["aws.codebuild"],
              "detail-type": ["CodeBuild Build State Change"],
              detail: {
                "project-name": [deliveryNames(settings).driftProject],
                "build-status": ["SUCCEEDED", "FAILED", "FAULT", "STOPPED", "TIMED_OUT"],
              },
            }),
          ]
        : []),
    ];
  }

  private queue(rules: readonly CloudwatchEventRule[]): SqsQueue {
    const { key, settings, topic } = this.props;
    const { account, region } = settings;
    return createEventQueue(this, "events", {
      name: deliveryNames(settings).reportQueue,
      account,
      region,
      key,
      rules: rules.map((rule) => ({ rule })),
      visibilitySeconds: 6 * TIMEOUT_SECONDS,
      retentionDays: 14,
      mostReceives: MOST_RECEIVES,
      prefix: this.prefix,
      // Who hears of runs is to hear as well that nobody can be told.
      lostMeans: `Something could not be told of a pipeline's run. The log /aws/lambda/${this.prefix} says why; the events are in ${this.prefix}-lost, from where they can be given again.`,
      alarmTopicArn: topic.arn,
    });
  }

  private rule(name: string, description: string, pattern: object): CloudwatchEventRule {
    return new CloudwatchEventRule(this, name, {
      name: physicalName("eventRule", this.prefix, name),
      description: `${description}, for ${this.prefix}`,
      eventPattern: JSON.stringify(pattern),
    });
  }

  private tell(queue: SqsQueue): void {
    const { settings, bundles, key, reports, topic, pages, token, chat } = this.props;
    const { project, account, region, source, notifications } = settings;
    const { fn, role } = createFunction(this, {
      name: this.prefix,
      description: "Tells people how the pipelines' runs go",
      roleDescription: `What the function ${this.prefix} may do`,
      archive: join(bundles, "delivery-report.zip"),
      memory: 512,
      timeoutSeconds: TIMEOUT_SECONDS,
      variables: {
        REPORT: JSON.stringify({
          project,
          account,
          region,
          provider: source.provider,
          repository: source.repository,
          pipelines: Object.fromEntries(
            Object.values(settings.pipelines).map(({ name, branch, deploy }) => [
              name,
              { pipeline: pipelineName(settings, name), branch, environments: deploy.flat() },
            ]),
          ),
          bucket: reports.name,
          topic: topic.arn,
          ...(notifications.drift && { driftProject: deliveryNames(settings).driftProject }),
          ...(token && { tokenSecret: token.name }),
          ...(chat && { chat: { secret: chat.name, ...notifications.chat } }),
          ...(pages && { pages: { url: pages.url, key: pages.key.arn } }),
          statuses: notifications.commitStatus && token !== undefined,
        }),
      },
      key,
      logRetentionDays: 365,
    });
    this.grantReading(role);
    reports.grantReadWrite(role);
    topic.grantPublish(role);
    pages?.key.grantSign(role);
    const secrets = [token, chat].flatMap((secret) => secret?.arn ?? []);
    role.allow({ actions: ["secretsmanager:GetSecretValue"], resources: secrets });
    // The events of one moment are read together.
    followQueue(this, queue, { fn, role }, { maximumBatchingWindowInSeconds: 5 });
  }

  /** What became of a run is asked of the services themselves. */
  private grantReading(role: Grantee): void {
    const { settings, artifacts } = this.props;
    const { account, region } = settings;
    const pipelines = Object.keys(settings.pipelines).map((name) => pipelineName(settings, name));
    const at = (service: string) => `arn:aws:${service}:${region}:${account}`;
    const builds = [...pipelines, pipelineName(settings, DELIVERY_STACK)];
    role.allow(
      {
        actions: [
          "codepipeline:GetPipeline",
          "codepipeline:GetPipelineExecution",
          "codepipeline:GetPipelineState",
          "codepipeline:ListActionExecutions",
          "codepipeline:ListPipelineExecutions",
        ],
        // Stages and actions of a pipeline are below its name.
        resources: pipelines.flatMap((name) => [
          `${at("codepipeline")}:${name}`,
          `${at("codepipeline")}:${name}/*`,
        ]),
      },
      {
        actions: ["codebuild:BatchGetBuilds"],
        resources: builds.map((name) => `${at("codebuild")}:project/${name}-*`),
      },
      {
        actions: ["codebuild:BatchGetReports", "codebuild:DescribeTestCases"],
        resources: builds.map((name) => `${at("codebuild")}:report-group/${name}-*`),
      },
      {
        actions: ["logs:GetLogEvents"],
        resources: builds.map((name) => `${at("logs")}:log-group:/slipway/${name}-*:log-stream:*`),
      },
    );
    // What a release left. CodePipeline cuts names of artifacts off in their keys.
    for (const name of pipelines) artifacts.grantRead(role, `${artifactPrefix(name)}Release`);
  }
}
