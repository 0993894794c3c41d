import { TerraformStack, Testing } from "cdktf";
import type { SynthesizedStack } from "./synth";

/** What Terraform gets of the constructs that `build` makes. */
export function synthesizeConstruct(build: (stack: TerraformStack) => void): SynthesizedStack {
  const stack = new TerraformStack(Testing.app(), "test");
  build(stack);
  return JSON.parse(Testing.synth(stack));
}

/** The only resource of a type. */
export function only(stack: SynthesizedStack, type: string): Record<string, unknown> {
  const found = Object.values(stack.resource?.[type] ?? {});
  if (found.length !== 1) throw new Error(`${found.length} resources of type ${type}, not one`);
  return found[0]!;
}

export const all = (stack: SynthesizedStack, type: string) => Object.values(stack.resource?.[type] ?? {});

/** The statements of a policy that a resource carries. */
export const statements = (resource: Record<string, unknown>, property = "policy") =>
  JSON.parse(resource[property] as string).Statement as Record<string, unknown>[];
