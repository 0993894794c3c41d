import { CloudwatchLogGroup } from "@cdktf/provider-aws/lib/cloudwatch-log-group";
import { Construct } from "constructs";
import type { Grantee } from "./iam";
import type { IKey } from "./key";

export interface LogGroupProps {
  readonly name: string;
  readonly key: IKey;
  readonly retentionDays: number;
}

/** A log group, encrypted and with an end. */
export class LogGroup extends Construct {
  readonly name: string;
  readonly arn: string;
  /** For what must come after it without naming it. */
  readonly group: CloudwatchLogGroup;

  constructor(scope: Construct, id: string, props: LogGroupProps) {
    super(scope, id);
    const group = new CloudwatchLogGroup(this, "group", {
      name: props.name,
      kmsKeyId: props.key.arn,
      retentionInDays: props.retentionDays,
    });
    this.group = group;
    this.name = group.name;
    this.arn = group.arn;
  }

  grantRead(grantee: Grantee): void {
    grantee.allow({ actions: ["logs:GetLogEvents"], resources: [`${this.arn}:log-stream:*`] });
  }

  grantWrite(grantee: Grantee): void {
    grantee.allow({
      actions: ["logs:CreateLogStream", "logs:PutLogEvents"],
      resources: [`${this.arn}:log-stream:*`],
    });
  }
}
