import type { TerraformStack } from "cdktf";
import type { Construct } from "constructs";
import minimatch from "minimatch";
import type { Deployment } from "../modules/slipway-stack";
import { type EnvironmentSettings, previewTemplates } from "../settings";
import { AccessStack } from "./access";
import { BootstrapStack } from "./bootstrap";
import { DeliveryStack } from "./delivery";
import { EnvironmentStack } from "./environment";
import { PipelineStack } from "./pipeline";

export interface StacksProps extends Deployment {
  /**
   * `bootstrap` holds the state of all others, so `cdktf destroy '*'` must not meet it: it is synthesized by
   * itself, for `npm run bootstrap`.
   */
  readonly only: "bootstrap" | "all but bootstrap";
  /** File for the state of `bootstrap`, before its bucket is there. @default - the bucket */
  readonly bootstrapState?: string;
  /**
   * Patterns of the stacks that a deploy asks for: what they stand on and is not among them is taken as there.
   * @default - every stack keeps its place in the order
   */
  readonly requested?: readonly string[];
  /** The one environment that is meant, as its own pipeline does. @default - everything but previews */
  readonly preview?: EnvironmentSettings;
}

/** All stacks that the settings ask for, each after what it stands on. */
export function createStacks(scope: Construct, props: StacksProps): void {
  if (props.only === "bootstrap") {
    new BootstrapStack(scope, { ...props, localState: props.bootstrapState });
    return;
  }
  const { settings, requested, preview } = props;
  if (preview) {
    new EnvironmentStack(scope, props, preview);
    return;
  }
  const order = (first: TerraformStack, second: TerraformStack) => {
    if (!requested || requested.some((pattern) => minimatch(first.node.id, pattern)))
      second.addDependency(first);
  };
  const delivery = new DeliveryStack(scope, props);
  for (const environment of Object.values(settings.environments)) {
    const access = new AccessStack(scope, props, environment);
    order(access, new EnvironmentStack(scope, props, environment));
  }
  const templates = previewTemplates(settings);
  for (const pipeline of Object.values(settings.pipelines)) {
    const stack = new PipelineStack(scope, props, pipeline);
    order(delivery, stack);
    for (const template of templates.filter((one) => one.pipeline.name === pipeline.name)) {
      const templateStack = new PipelineStack(scope, props, pipeline, template);
      order(delivery, templateStack);
      // It has that one's connection.
      if (settings.source.provider === "connection") order(stack, templateStack);
    }
  }
}
