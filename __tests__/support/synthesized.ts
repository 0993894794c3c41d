import { join } from "node:path";
import { ROOT } from "./settings";

/** What Terraform gets of one stack. */
export interface SynthesizedStack {
  readonly resource: Record<string, Record<string, Record<string, unknown>>>;
  readonly [section: string]: unknown;
}

/**
 * Every stack of a settings file, synthesized as its users do: by a process of its own, which is quicker than to load
 * the constructs into a test's.
 */
export async function synthesizeFile(
  settings = join(ROOT, "terraform.tfvars.example"),
): Promise<Record<string, SynthesizedStack>> {
  // Loaded here, not by all that only read what is synthesized.
  const { synthesizedStacks } = await import("../../tools/scan/synthesized");
  const stacks = await synthesizedStacks(settings);
  return Object.fromEntries(stacks.map(({ name, text }) => [name, JSON.parse(text)]));
}

/** Every resource of a stack, with its type and its id in Terraform. */
export function resourcesOf(stack: SynthesizedStack) {
  return Object.entries(stack.resource).flatMap(([type, byId]) =>
    Object.entries(byId).map(([id, properties]) => ({ type, id, properties })),
  );
}

export const all = (stack: SynthesizedStack, type: string) => Object.values(stack.resource?.[type] ?? {});

/** The statements of a policy that a resource carries. */
export const statements = (resource: Record<string, unknown>, property = "policy") =>
  JSON.parse(resource[property] as string).Statement as Record<string, unknown>[];
