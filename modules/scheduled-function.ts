import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { LambdaPermission } from "@cdktf/provider-aws/lib/lambda-permission";
import { Construct } from "constructs";
import { createAlarm } from "./alarm";
import { createFunction, type FunctionProps } from "./function";
import type { Grantee } from "./iam";
import { physicalName } from "./naming";

export interface ScheduledFunctionProps
  extends Pick<
    FunctionProps,
    | "name"
    | "description"
    | "archive"
    | "memory"
    | "timeoutSeconds"
    | "variables"
    | "key"
    | "logRetentionDays"
  > {
  /** When it runs, as EventBridge writes it: `rate(1 hour)`, `cron(0 3 * * ? *)`; in UTC. */
  readonly schedule: string;
  /** ARN of the topic that hears when a run failed, and when one has succeeded again. */
  readonly alarmTopicArn: string;
}

/** A function of the build account that a rule runs, and nobody else. */
export class ScheduledFunction extends Construct {
  /** What the function may do is granted to this. */
  readonly grantee: Grantee;

  constructor(scope: Construct, id: string, props: ScheduledFunctionProps) {
    super(scope, id);
    const { name, description, schedule, alarmTopicArn } = props;
    const { fn, role } = createFunction(this, {
      ...props,
      roleDescription: `What the function ${name} may do`,
    });
    this.grantee = role;

    const rule = new CloudwatchEventRule(this, "schedule", {
      name: physicalName("eventRule", name),
      description: `Runs ${name}: ${description}`,
      scheduleExpression: schedule,
    });
    const permission = new LambdaPermission(this, "permission", {
      functionName: fn.functionName,
      action: "lambda:InvokeFunction",
      principal: "events.amazonaws.com",
      sourceArn: rule.arn,
    });
    new CloudwatchEventTarget(this, "target", { rule: rule.name, arn: fn.arn, dependsOn: [permission] });

    createAlarm(this, "errors", {
      name: `${name}-errors`,
      means: `The last run of ${name} failed; its log in /aws/lambda/${name} says why.`,
      namespace: "AWS/Lambda",
      metricName: "Errors",
      dimensions: { FunctionName: name },
      statistic: "Sum",
      // Between two runs the alarm says how the last one went.
      withoutData: "ignore",
      topicArn: alarmTopicArn,
    });
  }
}
