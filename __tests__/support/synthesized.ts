/** What Terraform gets of one stack. */
export interface SynthesizedStack {
  readonly resource: Record<string, Record<string, Record<string, unknown>>>;
  readonly [section: string]: unknown;
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
