import { SnsTopic } from "@cdktf/provider-aws/lib/sns-topic";
import { SnsTopicPolicy } from "@cdktf/provider-aws/lib/sns-topic-policy";
import { SnsTopicSubscription } from "@cdktf/provider-aws/lib/sns-topic-subscription";
import { Construct } from "constructs";
import { type Grantee, policyDocument } from "./iam";
import type { IKey } from "./key";

export interface TopicProps {
  readonly name: string;
  readonly key: IKey;
  readonly account: string;
  /** Each gets a message to confirm first. @default - none */
  readonly emails?: readonly string[];
  /** AWS services that publish, for this account's resources. */
  readonly publishers: readonly string[];
}

/** A topic, whoever made it. */
export interface ITopic {
  readonly arn: string;
  grantPublish(grantee: Grantee): void;
}

/** An encrypted topic that only the named services of this account may publish to. */
export class Topic extends Construct implements ITopic {
  readonly arn: string;

  private readonly key: IKey;

  constructor(scope: Construct, id: string, props: TopicProps) {
    super(scope, id);
    this.key = props.key;
    const topic = new SnsTopic(this, "topic", { name: props.name, kmsMasterKeyId: props.key.arn });
    this.arn = topic.arn;
    new SnsTopicPolicy(this, "policy", {
      arn: topic.arn,
      policy: policyDocument(
        props.publishers.map((Service) => ({
          actions: ["sns:Publish"],
          resources: [topic.arn],
          principals: { Service },
          conditions: { StringEquals: { "aws:SourceAccount": props.account } },
        })),
      ),
    });
    for (const email of props.emails ?? []) {
      new SnsTopicSubscription(this, `email-${email.replace(/[^A-Za-z0-9]+/g, "-")}`, {
        topicArn: topic.arn,
        protocol: "email",
        endpoint: email,
      });
    }
  }

  /** A topic of another stack's. */
  static fromArn(arn: string, key: IKey): ITopic {
    return { arn, grantPublish: (grantee) => grantTopicUse(grantee, arn, key) };
  }

  grantPublish(grantee: Grantee): void {
    grantTopicUse(grantee, this.arn, this.key);
  }
}

function grantTopicUse(grantee: Grantee, arn: string, key: IKey): void {
  grantee.allow({ actions: ["sns:Publish"], resources: [arn] });
  key.grantUse(grantee);
}
