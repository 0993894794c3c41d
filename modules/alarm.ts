import {
  CloudwatchMetricAlarm,
  type CloudwatchMetricAlarmConfig,
} from "@cdktf/provider-aws/lib/cloudwatch-metric-alarm";
import type { Construct } from "constructs";

export interface AlarmProps
  extends Pick<CloudwatchMetricAlarmConfig, "namespace" | "metricName" | "dimensions" | "statistic"> {
  readonly name: string;
  /** What it says: what has happened, where that can be read, and what to do. */
  readonly means: string;
  /** What a minute without data says: that all is well, or what the one before it said. */
  readonly withoutData: "notBreaching" | "ignore";
  /** ARN of the topic that hears when it goes on, and off. */
  readonly topicArn: string;
}

/** An alarm on anything above nothing, within a minute. */
export function createAlarm(scope: Construct, id: string, props: AlarmProps): void {
  const { name, means, withoutData, topicArn, ...metric } = props;
  new CloudwatchMetricAlarm(scope, id, {
    alarmName: name,
    alarmDescription: means,
    ...metric,
    period: 60,
    evaluationPeriods: 1,
    threshold: 0,
    comparisonOperator: "GreaterThanThreshold",
    treatMissingData: withoutData,
    alarmActions: [topicArn],
    okActions: [topicArn],
  });
}
