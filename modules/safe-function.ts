import { join } from "node:path";
import { LambdaAlias } from "@cdktf/provider-aws/lib/lambda-alias";
import { LambdaFunctionUrl } from "@cdktf/provider-aws/lib/lambda-function-url";
import { Construct } from "constructs";
import type { FunctionSettings } from "../settings";
import { LIVE_ALIAS } from "../shared/names";
import { alarmOnErrors, createFunction } from "./function";
import type { IKey } from "./key";
import { physicalName } from "./naming";

export interface SafeFunctionProps {
  readonly project: string;
  /** Begins the name of all that the function holds. */
  readonly prefix: string;
  readonly name: string;
  readonly function: FunctionSettings;
  /** Folder with `<name>.zip`. */
  readonly bundles: string;
  readonly account: string;
  readonly key: IKey;
  readonly logRetentionDays: number;
  readonly boundary: string;
  readonly alarmTopicArn: string;
}

/** A function whose callers reach a published version through the alias `live`, by an address that asks for IAM. */
export class SafeFunction extends Construct {
  readonly name: string;
  readonly url: string;

  constructor(scope: Construct, id: string, props: SafeFunctionProps) {
    super(scope, id);
    const name = physicalName("function", props.prefix, props.name);
    const { memory, timeoutSeconds, reservedConcurrency, variables } = props.function;

    const { fn } = createFunction(this, {
      name,
      description: `${props.name} of ${props.prefix}`,
      roleDescription: `What the function ${props.name} may do`,
      archive: join(props.bundles, `${props.name}.zip`),
      memory,
      timeoutSeconds,
      reservedConcurrency,
      variables: { PROJECT: props.project, ...variables },
      publish: true,
      key: props.key,
      logRetentionDays: props.logRetentionDays,
      boundary: props.boundary,
    });
    this.name = fn.functionName;
    const live = new LambdaAlias(this, "live", {
      name: LIVE_ALIAS,
      description: "What callers use",
      functionName: fn.functionName,
      functionVersion: fn.version,
    });
    this.url = new LambdaFunctionUrl(this, "url", {
      functionName: fn.functionName,
      qualifier: live.name,
      authorizationType: "AWS_IAM",
    }).functionUrl;

    alarmOnErrors(this, {
      name,
      description: "The function failed at least once in a minute.",
      alias: LIVE_ALIAS,
      silence: "notBreaching",
      topicArn: props.alarmTopicArn,
    });
  }
}
