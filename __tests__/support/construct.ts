import { TerraformStack, Testing } from "cdktf";
import { quickenSynth } from "../../tools/synth/quick";
import type { SynthesizedStack } from "./synthesized";

// As main.ts does.
quickenSynth();

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
