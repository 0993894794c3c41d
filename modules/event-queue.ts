import type { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import {
  LambdaEventSourceMapping,
  type LambdaEventSourceMappingConfig,
} from "@cdktf/provider-aws/lib/lambda-event-source-mapping";
import type { LambdaFunction } from "@cdktf/provider-aws/lib/lambda-function";
import { SqsQueue } from "@cdktf/provider-aws/lib/sqs-queue";
import type { Construct } from "constructs";
import { createAlarm } from "./alarm";
import { policyDocument, type Role } from "./iam";
import type { IKey } from "./key";

/** What a rule puts into the queue. */
export interface QueuedRule {
  readonly rule: CloudwatchEventRule;
  /** In a queue that keeps an order: the group of its events, which are taken one after the other. */
  readonly group?: string;
  /** What is put there in place of the event. @default - the event */
  readonly input?: string;
}

export interface EventQueueProps {
  readonly name: string;
  readonly account: string;
  readonly region: string;
  readonly key: IKey;
  readonly rules: readonly QueuedRule[];
  /** Whether what is of one group is taken in its order. @default false */
  readonly ordered?: boolean;
  /** For which a message is nobody else's, once somebody has it. */
  readonly visibilitySeconds: number;
  readonly retentionDays: number;
  /** How often a message is tried before it is lost. */
  readonly mostReceives: number;
  /** What has lost messages begins with. */
  readonly prefix: string;
  /** What the alarm on lost messages says. */
  readonly lostMeans: string;
  /** ARN of the topic that hears of them. */
  readonly alarmTopicArn: string;
}

const DAY_SECONDS = 24 * 60 * 60;

/**
 * A queue of what rules of EventBridge tell, one for what could not be followed, and an alarm on that. Made right in the scope
 * of the construct that it belongs to.
 *
 * @param id of the queue
 */
export function createEventQueue(scope: Construct, id: string, props: EventQueueProps): SqsQueue {
  const { name, account, region, key, rules, ordered, prefix, alarmTopicArn } = props;
  const common = {
    // EventBridge gives events no id to tell doubles by.
    ...(ordered && { fifoQueue: true, contentBasedDeduplication: true }),
    kmsMasterKeyId: key.arn,
    messageRetentionSeconds: props.retentionDays * DAY_SECONDS,
  };
  const lost = new SqsQueue(scope, "lost", { name: `${prefix}-lost${ordered ? ".fifo" : ""}`, ...common });
  const queue = new SqsQueue(scope, id, {
    name,
    ...common,
    visibilityTimeoutSeconds: props.visibilitySeconds,
    redrivePolicy: JSON.stringify({ deadLetterTargetArn: lost.arn, maxReceiveCount: props.mostReceives }),
    // Not as a resource of its own, for which the provider waits half a minute more.
    policy: policyDocument([
      {
        actions: ["sqs:SendMessage"],
        resources: [`arn:aws:sqs:${region}:${account}:${name}`],
        principals: { Service: "events.amazonaws.com" },
        conditions: { ArnEquals: { "aws:SourceArn": rules.map(({ rule }) => rule.arn) } },
      },
    ]),
  });
  for (const [index, { rule, group, input }] of rules.entries())
    new CloudwatchEventTarget(scope, `target-${index}`, {
      rule: rule.name,
      arn: queue.arn,
      ...(group !== undefined && { sqsTarget: { messageGroupId: group } }),
      input,
    });
  createAlarm(scope, "lost-alarm", {
    name: `${prefix}-lost`,
    means: props.lostMeans,
    namespace: "AWS/SQS",
    metricName: "ApproximateNumberOfMessagesVisible",
    dimensions: { QueueName: lost.name },
    statistic: "Maximum",
    withoutData: "notBreaching",
    topicArn: alarmTopicArn,
  });
  return queue;
}

/** Has a function follow what a queue holds; what it names as failed goes back there. */
export function followQueue(
  scope: Construct,
  queue: SqsQueue,
  { fn, role }: { readonly fn: LambdaFunction; readonly role: Role },
  more: Pick<LambdaEventSourceMappingConfig, "maximumBatchingWindowInSeconds"> = {},
): void {
  role.allow({
    actions: ["sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"],
    resources: [queue.arn],
  });
  new LambdaEventSourceMapping(scope, "mapping", {
    eventSourceArn: queue.arn,
    functionName: fn.functionName,
    batchSize: 10,
    ...more,
    functionResponseTypes: ["ReportBatchItemFailures"],
    scalingConfig: { maximumConcurrency: 2 },
    dependsOn: role.ready,
  });
}
