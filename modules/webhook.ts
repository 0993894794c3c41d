import { createHash } from "node:crypto";
import { join } from "node:path";
import { SecretsmanagerSecret } from "@cdktf/provider-aws/lib/secretsmanager-secret";
import { Construct } from "constructs";
import type { Settings } from "../settings";
import { DELIVERY_STACK, pipelineName, webhookSecretName } from "../shared/names";
import { createAlarm } from "./alarm";
import { createFunction } from "./function";
import { createHttpApi } from "./http-api";
import type { IKey } from "./key";
import { physicalName } from "./naming";

/** GitHub waits no longer for an answer. */
const TIMEOUT_SECONDS = 10;

export interface WebhookProps {
  readonly settings: Settings;
  /** Folder with `delivery-webhook.zip`. */
  readonly bundles: string;
  readonly key: IKey;
  /** What reviews pull requests, and into which branches. @default - nothing does */
  readonly review?: { readonly name: string; readonly arn: string; readonly into: readonly string[] };
  /** What holds news for the previews. @default - there are none */
  readonly queue?: { readonly arn: string; readonly url: string };
  /** ARN of the topic that hears when something of a delivery could not be done. */
  readonly alarmTopicArn: string;
}

/**
 * Where GitHub tells what happens in the repository: it starts the pipelines that CodePipeline does not start by itself, and
 * the review of pull requests, and tells the previews. Everybody can ask it; it does what GitHub has signed alone.
 */
export class Webhook extends Construct {
  /** Its end says whose it is: `npm run connect` knows by it which of a repository's webhooks was this one. */
  readonly url: string;

  constructor(scope: Construct, id: string, props: WebhookProps) {
    super(scope, id);
    const { settings, bundles, key, review, queue, alarmTopicArn } = props;
    const { project, account, region, source } = settings;
    const name = physicalName("function", project, DELIVERY_STACK, "webhook");
    const secret = new SecretsmanagerSecret(this, "secret", {
      name: webhookSecretName(settings),
      description: "By this GitHub signs what it tells; npm run connect makes it up",
      kmsKeyId: key.arn,
      // Another one is made up in a moment; a name in its grace time stops the next deploy.
      recoveryWindowInDays: 0,
    });
    const pipelines = pipelinesStarted(settings);
    const { fn, role } = createFunction(this, {
      name,
      description: "Hears from GitHub what happens in the repository",
      roleDescription: `What the function ${name} may do`,
      archive: join(bundles, "delivery-webhook.zip"),
      // A push of very many commits is some megabytes.
      memory: 512,
      timeoutSeconds: TIMEOUT_SECONDS,
      variables: {
        WEBHOOK: JSON.stringify({
          project,
          region,
          repository: source.repository,
          secret: secret.name,
          pipelines,
          ...(review && { review: { project: review.name, into: review.into } }),
          ...(queue && { queue: queue.url }),
        }),
      },
      key,
      logRetentionDays: 365,
    });
    role.allow({ actions: ["secretsmanager:GetSecretValue"], resources: [secret.arn] });
    role.allow({
      actions: ["codepipeline:StartPipelineExecution"],
      resources: Object.keys(pipelines).map(
        (pipeline) => `arn:aws:codepipeline:${region}:${account}:${pipeline}`,
      ),
    });
    if (review) role.allow({ actions: ["codebuild:StartBuild"], resources: [review.arn] });
    if (queue) role.allow({ actions: ["sqs:SendMessage"], resources: [queue.arn] });

    const path = pathOf(settings);
    const address = createHttpApi(this, {
      name,
      // Others' guesses at the address cost no call of the function.
      route: `POST ${path}`,
      description: `Hears from GitHub, for ${project}`,
      answeredBy: fn,
      // GitHub signs; the function asks for it.
      authorization: "NONE",
      // GitHub sends what is refused for being too much no second time, and much at once where many branches are pushed.
      limits: { rate: 50, burst: 100 },
      // None of its own: the function logs who asked, and what came of it.
    });
    this.url = `${address}${path}`;
    this.watch(name, alarmTopicArn);
  }

  private watch(name: string, topicArn: string): void {
    createAlarm(this, "errors", {
      name: `${name}-errors`,
      means: `Something that GitHub told could not be done. The log /aws/lambda/${name} says what; GitHub's list of deliveries, in the webhook's settings there, can send it again.`,
      namespace: "AWS/Lambda",
      metricName: "Errors",
      dimensions: { FunctionName: name },
      statistic: "Sum",
      withoutData: "notBreaching",
      topicArn,
    });
  }
}

/** Pipelines that a push starts by the webhook: none where CodePipeline polls, or a connection tells it. */
function pipelinesStarted(settings: Settings): Record<string, { branch: string }> {
  const { source, pipelines } = settings;
  if (source.provider !== "github-token" || source.polling) return {};
  return Object.fromEntries(
    Object.values(pipelines).map(({ name, branch }) => [pipelineName(settings, name), { branch }]),
  );
}

/** No other deployment has the same, though it may be of a project of that name, for the same repository. */
function pathOf({ project, account, region }: Settings): string {
  const own = createHash("sha256").update(`${project} ${account} ${region}`).digest("hex").slice(0, 12);
  return `/github/${project}-${own}`;
}
