import { IamPolicy } from "@cdktf/provider-aws/lib/iam-policy";
import type { Construct } from "constructs";
import { Bucket } from "../modules/bucket";
import { deliveryBoundary } from "../modules/delivery-access";
import { policyDocument } from "../modules/iam";
import { Key } from "../modules/key";
import { physicalName } from "../modules/naming";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import { deliveryBoundaryName, stateBucketName, stateKeyAlias } from "../shared/names";

export interface BootstrapStackProps extends Deployment {
  /** File for the stack's own state, while the bucket is not there. @default - in the bucket that it makes */
  readonly localState?: string;
}

/**
 * What everything else stands on, deployed first and destroyed last: where all Terraform state lies, and the bounds of what
 * pipelines may make. No pipeline can change it.
 */
export class BootstrapStack extends SlipwayStack {
  constructor(scope: Construct, props: BootstrapStackProps) {
    const { account, region, project } = props.settings;
    super(scope, "bootstrap", props, { account, region, localState: props.localState });

    const key = new Key(this, "state-key", {
      alias: stateKeyAlias(props.settings),
      description: `Terraform state of ${project}`,
      account,
      region,
    });
    const logs = new Bucket(this, "state-log", {
      name: physicalName("bucket", project, "state-log", account, region),
      expireAfterDays: 365,
      keepVersionsDays: 7,
      forceDestroy: props.disposable,
    }).allowAccessLogs(account);
    new Bucket(this, "state", {
      name: stateBucketName(props.settings),
      key,
      keepVersionsDays: 90,
      logsTo: logs,
      forceDestroy: props.disposable,
    });
    new IamPolicy(this, "boundary", {
      name: deliveryBoundaryName(props.settings),
      description: `The most that roles of ${project}'s pipelines may be allowed`,
      policy: policyDocument(deliveryBoundary({ project, account, region })),
    });
  }
}
