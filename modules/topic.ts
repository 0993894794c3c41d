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
  /** Who hears of everything. Each gets a message to confirm first. @default - none */
  readonly emails?: readonly string[];
  /** Who hears of some of it, by address: by the attributes of messages, as SNS's filter policies write it. @default - none */
  readonly subscribers?: Readonly<Record<string, object>>;
  /** AWS services that publish, for this account's resources. */
  readonly publishers: readonly string[];
}

/** An encrypted topic that only the named services of this account may publish to. */
export class Topic extends Construct {
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
    for (const email of props.emails ?? []) this.subscribe(email);
    for (const [email, filter] of Object.entries(props.subscribers ?? {})) this.subscribe(email, filter);
  }

  grantPublish(grantee: Grantee): void {
    grantee.allow({ actions: ["sns:Publish"], resources: [this.arn] });
    this.key.grantUse(grantee);
  }

  private subscribe(email: string, filter?: object): void {
    new SnsTopicSubscription(this, `email-${email.replace(/[^A-Za-z0-9]+/g, "-")}`, {
      topicArn: this.arn,
      protocol: "email",
      endpoint: email,
      ...(filter && { filterPolicy: JSON.stringify(filter) }),
    });
  }
}
