import { join } from "node:path";
import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import type { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import type { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import { Construct } from "constructs";
import { previewTemplates, type Settings } from "../settings";
import { DELIVERY_STACK, deliveryNames, pipelineName, stateBucketName } from "../shared/names";
import { type PreviewHint, previewPipelineName, previewsOf, templatePipelineName } from "../shared/previews";
import { codecommitArn, roleArn } from "./arns";
import type { Bucket } from "./bucket";
import { createEventQueue, followQueue, type QueuedRule } from "./event-queue";
import { createFunction } from "./function";
import type { Grantee } from "./iam";
import type { IKey } from "./key";
import { physicalName } from "./naming";
import type { Topic } from "./topic";

/** Of the function: a sweep looks at all of them. */
const TIMEOUT_SECONDS = 300;
/** How often a hint is tried; the sweep comes again in any case. */
const MOST_RECEIVES = 3;

const SWEEP: PreviewHint = { slipway: "sweep" };

export interface PreviewsProps {
  readonly settings: Settings;
  /** Folder with `delivery-previews.zip`. */
  readonly bundles: string;
  /** Where what is known of each preview is kept, below `records/`: their builds do not reach it. */
  readonly records: Bucket;
  readonly key: IKey;
  /** Who hears of what nobody but a person can mend. */
  readonly topic: Topic;
  /** GitHub's token. @default - the repository is CodeCommit's */
  readonly token?: SecretsmanagerSecret;
}

/**
 * Gives branches and pull requests their pipelines, and takes them back: hints of what may have changed, in a queue, for
 * one function, which asks what is true and takes the next step; and a sweep, for what no hint told of.
 */
export class Previews extends Construct {
  /** Hints go here; those of one group one after the other. */
  readonly queue: { readonly arn: string; readonly url: string };
  private readonly prefix: string;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: PreviewsProps,
  ) {
    super(scope, id);
    this.prefix = physicalName("function", props.settings.project, DELIVERY_STACK, "previews");
    const queue = this.createQueue(this.rules());
    this.queue = queue;
    this.converge(queue);
  }

  /** Each with the group of its events: those of one are taken one after the other. */
  private rules(): QueuedRule[] {
    const { settings } = this.props;
    const { source, project } = settings;
    const rules = [
      {
        rule: this.rule("runs", "Runs of previews' pipelines that have ended", {
          source: ["aws.codepipeline"],
          "detail-type": ["CodePipeline Pipeline Execution State Change"],
          detail: {
            pipeline: [{ prefix: templatePipelineName({ project }, "") }],
            state: ["SUCCEEDED", "FAILED", "STOPPED", "CANCELED", "SUPERSEDED"],
          },
        }),
        group: "runs",
      },
      {
        rule: this.rule("teardowns", "Previews that are gone, or could not go", {
          source: ["aws.codebuild"],
          "detail-type": ["CodeBuild Build State Change"],
          detail: {
            "project-name": [deliveryNames(settings).teardownProject],
            "build-status": ["SUCCEEDED", "FAILED", "FAULT", "STOPPED", "TIMED_OUT"],
          },
        }),
        group: "runs",
      },
      {
        rule: new CloudwatchEventRule(this, "sweep", {
          name: physicalName("eventRule", this.prefix, "sweep"),
          description: "Mends what no event told of previews",
          scheduleExpression: "rate(15 minutes)",
        }),
        group: "sweep",
        input: JSON.stringify(SWEEP),
      },
    ];
    if (source.provider !== "codecommit") return rules;
    return [
      ...rules,
      {
        rule: this.rule("repository", "Branches and pull requests", {
          source: ["aws.codecommit"],
          "detail-type": ["CodeCommit Repository State Change", "CodeCommit Pull Request State Change"],
          resources: [this.repositoryArn],
        }),
        group: "repository",
      },
    ];
  }

  private get repositoryArn(): string {
    const { account, region, source } = this.props.settings;
    return codecommitArn({ account, region, repository: source.repository });
  }

  private rule(name: string, description: string, pattern: object): CloudwatchEventRule {
    return new CloudwatchEventRule(this, name, {
      name: physicalName("eventRule", this.prefix, name),
      description: `${description}, for ${this.prefix}`,
      eventPattern: JSON.stringify(pattern),
    });
  }

  private createQueue(rules: readonly QueuedRule[]): SqsQueue {
    const { key, settings, topic } = this.props;
    const { account, region } = settings;
    return createEventQueue(this, "hints", {
      name: deliveryNames(settings).previewQueue,
      account,
      region,
      key,
      rules,
      ordered: true,
      // Not six times as long, as Lambda's guide asks for: a hint that failed holds up all others of its group meanwhile,
      // and one that is taken twice does no harm.
      visibilitySeconds: TIMEOUT_SECONDS + 30,
      // The sweep does without them.
      retentionDays: 1,
      mostReceives: MOST_RECEIVES,
      prefix: this.prefix,
      lostMeans: `Something about previews could not be done. The log /aws/lambda/${this.prefix} says why; the next sweep tries again, within 15 minutes.`,
      alarmTopicArn: topic.arn,
    });
  }

  private converge(queue: SqsQueue): void {
    const { settings, bundles, key, records, topic, token } = this.props;
    const { project, account, region, source } = settings;
    const { teardownProject } = deliveryNames(settings);
    const { fn, role } = createFunction(this, {
      name: this.prefix,
      description: "Gives branches and pull requests their pipelines, and takes them back",
      roleDescription: `What the function ${this.prefix} may do`,
      archive: join(bundles, "delivery-previews.zip"),
      memory: 512,
      timeoutSeconds: TIMEOUT_SECONDS,
      variables: {
        PREVIEWS: JSON.stringify({
          project,
          account,
          region,
          provider: source.provider,
          repository: source.repository,
          deployed: Object.values(settings.pipelines).map(({ branch }) => branch),
          rules: settings.previews,
          trials: Object.fromEntries(
            Object.values(settings.pipelines).flatMap(({ name, trial }) =>
              trial ? [[trial.environment, pipelineName(settings, name)]] : [],
            ),
          ),
          bucket: records.name,
          stateBucket: stateBucketName(settings),
          teardown: teardownProject,
          topic: topic.arn,
          ...(token && { tokenSecret: token.name }),
        }),
      },
      key,
      logRetentionDays: 365,
    });
    this.grantPipelines(role);
    this.grantReading(role);
    records.grantReadWrite(role, "records/");
    topic.grantPublish(role);
    followQueue(this, queue, { fn, role });
  }

  /** Making and ending previews' pipelines, and no others: templates are not among them, nor what people deploy by. */
  private grantPipelines(role: Grantee): void {
    const { settings } = this.props;
    const { account, region } = settings;
    const at = (service: string, resource: string) => `arn:aws:${service}:${region}:${account}:${resource}`;
    const templates = previewTemplates(settings).map(({ name }) => templatePipelineName(settings, name));
    // Of all templates: also of one that the settings no longer have.
    const clones = [at("codepipeline", previewPipelineName(settings, "*_*", "*"))];
    role.allow(
      {
        actions: [
          "codepipeline:CreatePipeline",
          "codepipeline:DeletePipeline",
          "codepipeline:GetPipeline",
          "codepipeline:ListActionExecutions",
          "codepipeline:ListPipelineExecutions",
          "codepipeline:ListTagsForResource",
          "codepipeline:StartPipelineExecution",
          "codepipeline:StopPipelineExecution",
          "codepipeline:TagResource",
          "codepipeline:UpdatePipeline",
        ],
        resources: clones,
      },
      {
        // Those of a project that is called like this one and "-preview": no pipeline's own name begins so.
        effect: "Deny",
        actions: ["codepipeline:*"],
        resources: [at("codepipeline", templatePipelineName(settings, "preview-*"))],
      },
      {
        actions: ["codepipeline:GetPipeline"],
        resources: templates.map((template) => at("codepipeline", template)),
      },
      {
        actions: ["codepipeline:ListPipelines"],
        resources: ["*"],
        reason: "Which pipelines there are is asked of the account as a whole.",
      },
      {
        actions: ["iam:PassRole"],
        resources: templates.map((template) => roleArn(account, template)),
        conditions: { StringEquals: { "iam:PassedToService": "codepipeline.amazonaws.com" } },
      },
      {
        actions: ["codebuild:BatchGetBuilds", "codebuild:ListBuildsForProject", "codebuild:StartBuild"],
        resources: [at("codebuild", `project/${deliveryNames(settings).teardownProject}`)],
      },
    );
  }

  /** What is true of the repository, and whether an environment has a state still; not what is in it. */
  private grantReading(role: Grantee): void {
    const { settings, token } = this.props;
    const { account, region, source } = settings;
    role.allow({
      actions: ["s3:ListBucket"],
      resources: [`arn:aws:s3:::${stateBucketName(settings)}`],
      conditions: { StringLike: { "s3:prefix": [`${previewsOf("")}*`] } },
    });
    if (token) role.allow({ actions: ["secretsmanager:GetSecretValue"], resources: [token.arn] });
    if (source.provider === "connection")
      role.allow({
        actions: ["codestar-connections:PassConnection"],
        // A connection's ARN ends in an id that nobody knows before.
        resources: [`arn:aws:codestar-connections:${region}:${account}:connection/*`],
      });
    if (source.provider === "codecommit")
      role.allow({
        actions: [
          "codecommit:GetBranch",
          "codecommit:GetCommit",
          "codecommit:GetCommentsForPullRequest",
          "codecommit:GetPullRequest",
          "codecommit:ListBranches",
          "codecommit:ListPullRequests",
          "codecommit:PostCommentForPullRequest",
          "codecommit:UpdateComment",
        ],
        resources: [this.repositoryArn],
      });
  }
}
