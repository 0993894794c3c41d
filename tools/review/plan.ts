import { z } from "zod";

/** Any value of Terraform's. */
export type Json = null | boolean | number | string | readonly Json[] | JsonObject;
export type JsonObject = { readonly [key: string]: Json };

/** One side's marks: true where a value is sensitive (or unknown), in the shape of the value. */
export type Mask = Json | undefined;

/** A change of a resource or of an output, as `terraform show -json` tells it. */
export interface Change {
  readonly actions: readonly string[];
  readonly before: Json;
  readonly after: Json;
  readonly afterUnknown: Mask;
  readonly beforeSensitive: Mask;
  readonly afterSensitive: Mask;
  /** Paths of the attributes that force a replacement. */
  readonly replacePaths: readonly (readonly (string | number)[])[];
  /** What is taken under Terraform's wing: its id, or its identity as JSON; "" where neither is known. */
  readonly importing?: string;
}

export interface ResourceChange {
  readonly address: string;
  readonly previousAddress?: string;
  /** `managed`, `data`, or what a later Terraform invents. */
  readonly mode: string;
  readonly type: string;
  /** Key of an object that was already given up by its resource; its identity is the address with this. */
  readonly deposed?: string;
  /** Why Terraform does it, in its own code (`replace_because_tainted`). */
  readonly reason?: string;
  readonly change: Change;
}

export interface DeferredChange extends ResourceChange {
  readonly deferredBecause: string;
}

/** A check, a precondition or a postcondition. */
export interface Check {
  readonly address: string;
  /** `pass`, `fail`, `error` or `unknown`. */
  readonly status: string;
  readonly messages: readonly string[];
}

/** A provider's action that the plan will invoke. */
export interface ActionInvocation {
  readonly address: string;
  readonly deferredBecause?: string;
}

/** What the values of a state or a plan say of their own sensitivity. */
export interface MaskedValues {
  readonly values: Json;
  readonly sensitive: Mask;
}

/** A plan, of which only what is read here is kept. */
export interface Plan {
  readonly name: string;
  readonly resources: readonly ResourceChange[];
  readonly drift: readonly ResourceChange[];
  readonly deferred: readonly DeferredChange[];
  readonly outputs: ReadonlyMap<string, Change>;
  readonly checks: readonly Check[];
  readonly actions: readonly ActionInvocation[];
  /** Terraform met an error on its way. */
  readonly errored: boolean;
  /** False where a part was left out: deferred, or not targeted. */
  readonly complete: boolean;
  /** Values beside the changes that may hold secrets: variables, states, planned outputs. */
  readonly otherValues: readonly MaskedValues[];
  /** Whether the configuration sets an attribute of a resource; undefined where the plan does not tell. */
  readonly isConfigured: (address: string, attribute: string) => boolean | undefined;
}

/** A text that is no plan: why, and what to do. */
export class PlanError extends Error {
  override readonly name = "PlanError";
}

const json = z
  .unknown()
  .optional()
  .transform((value) => value as Json);
const text = z.string();
const mask = z
  .unknown()
  .optional()
  .transform((value) => value as Mask);
const optionalText = z
  .string()
  .nullish()
  .transform((value) => value || undefined);

const change = z
  .object({
    actions: z.array(text),
    before: json,
    after: json,
    after_unknown: mask,
    before_sensitive: mask,
    after_sensitive: mask,
    replace_paths: z
      .array(z.array(z.union([text, z.number()])))
      .nullish()
      .transform((paths) => paths ?? []),
    importing: z.looseObject({ id: z.unknown().optional(), identity: z.unknown().optional() }).nullish(),
  })
  .transform(
    ({ before = null, after = null, importing, ...rest }): Change => ({
      actions: rest.actions,
      before,
      after,
      afterUnknown: rest.after_unknown,
      beforeSensitive: rest.before_sensitive,
      afterSensitive: rest.after_sensitive,
      replacePaths: rest.replace_paths,
      ...(importing && { importing: importedThing(importing) }),
    }),
  );

const resourceChange = z
  .object({
    address: text.min(1),
    previous_address: optionalText,
    mode: z.string().default("managed"),
    type: z.string().default(""),
    deposed: optionalText,
    action_reason: optionalText,
    change,
  })
  .transform(
    (found): ResourceChange => ({
      address: found.address,
      previousAddress: found.previous_address,
      mode: found.mode,
      type: found.type,
      deposed: found.deposed,
      reason: found.action_reason,
      change: found.change,
    }),
  );

const checkAddress = z.looseObject({ to_display: z.string().default("") });
const check = z
  .object({
    address: checkAddress,
    status: text,
    instances: z
      .array(
        z.object({
          address: checkAddress,
          status: z.string().default("unknown"),
          problems: z
            .array(z.object({ message: z.string().default("") }))
            .nullish()
            .transform((problems) => problems ?? []),
        }),
      )
      .nullish()
      .transform((instances) => instances ?? []),
  })
  .transform(({ address, status, instances }): Check[] =>
    instances.length
      ? instances.map((instance) => ({
          address: instance.address.to_display || address.to_display,
          status: instance.status,
          messages: instance.problems.map(({ message }) => message),
        }))
      : [{ address: address.to_display, status, messages: [] }],
  );

const invocation = z
  .looseObject({ address: z.string().default("") })
  .transform(({ address }): ActionInvocation => ({ address }));

const list = <T extends z.ZodType>(of: T) =>
  z
    .array(of)
    .nullish()
    .transform((found) => found ?? []);

const planSchema = z.object({
  format_version: text,
  variables: z.record(z.string(), z.looseObject({ value: json })).nullish(),
  planned_values: z
    .looseObject({ outputs: z.unknown().optional(), root_module: z.unknown().optional() })
    .nullish(),
  prior_state: z.looseObject({ values: z.unknown().optional() }).nullish(),
  configuration: z.looseObject({ root_module: z.unknown().optional() }).nullish(),
  resource_changes: list(resourceChange),
  resource_drift: list(resourceChange),
  deferred_changes: list(
    z
      .object({ reason: z.string().default(""), resource_change: resourceChange })
      .transform((found): DeferredChange => ({ ...found.resource_change, deferredBecause: found.reason })),
  ),
  output_changes: z.record(z.string(), change).nullish(),
  checks: list(check),
  action_invocations: list(invocation),
  deferred_action_invocations: list(
    z
      .object({ reason: z.string().default(""), action_invocation: invocation })
      .transform(
        (found): ActionInvocation => ({ ...found.action_invocation, deferredBecause: found.reason }),
      ),
  ),
  errored: z.boolean().default(false),
  complete: z.boolean().default(true),
});

/** The format's major version that this reads (terraform.io, "JSON Output Format"): minor ones only add. */
const MAJOR = 1;

const HOW = "Make it with: terraform show -json PLANFILE";

/**
 * Reads what `terraform show -json` (or `tofu show -json`) gave of a plan. Of a later minor version of the format,
 * what is not known is passed over.
 *
 * @param name as the review shall call it
 * @param content the whole text
 * @throws PlanError where it is anything else: it must never be taken for a plan without changes
 */
export function readPlan(name: string, content: string): Plan {
  const document = parse(content);
  if (typeof document !== "object" || document === null || Array.isArray(document))
    throw new PlanError(`it is JSON, but no plan. ${HOW}`);
  const found = document as Record<string, unknown>;
  checkKind(found);
  const { success, data, error } = planSchema.safeParse(found);
  if (!success) {
    const [issue] = error.issues;
    const where = issue!.path
      .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
      .join("");
    throw new PlanError(`${where.replace(/^\./, "")} is not as in any plan: ${issue!.message}. ${HOW}`);
  }
  checkWhole(found);
  return {
    name,
    resources: data.resource_changes,
    drift: data.resource_drift,
    deferred: data.deferred_changes,
    outputs: new Map(Object.entries(data.output_changes ?? {})),
    checks: data.checks.flat(),
    actions: [...data.action_invocations, ...data.deferred_action_invocations],
    errored: data.errored,
    complete: data.complete,
    otherValues: otherValues(data),
    isConfigured: configuredAttributes(data.configuration?.root_module as ModuleOfConfiguration | undefined),
  };
}

function parse(content: string): unknown {
  if (content.trim() === "") throw new PlanError(`it is empty. ${HOW}`);
  if (content.startsWith("PK\u0003"))
    throw new PlanError(`it is a saved plan itself, which is not to be read by others. ${HOW}`);
  try {
    // Windows' shells put a mark before what they redirect.
    return JSON.parse(withLongNumbersAsTexts(content.replace(/^\uFEFF/, "")));
  } catch (error) {
    if (error instanceof RangeError) throw new PlanError("it is nested deeper than any plan.");
    const firstLine = content.slice(0, content.indexOf("\n") + 1 || undefined);
    if (firstLine.includes('"@level"'))
      throw new PlanError(`it is the log of terraform plan -json, a line a message. ${HOW}`);
    if (!/^\s*[{[]/.test(content)) throw new PlanError(`it is not JSON. ${HOW}`);
    throw new PlanError(`it is not whole, or not JSON: ${(error as Error).message}. ${HOW}`);
  }
}

/** Terraform's numbers have as many digits as they need; JavaScript's would make two of them one. */
function withLongNumbersAsTexts(content: string): string {
  if (!/[:[,]\s*-?\d[\d.]{15}/.test(content)) return content;
  return content.replace(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\d[\d.]{15,}(?:[eE][+-]?\d+)?/g, (found) =>
    found.startsWith('"') ? found : `"${found}"`,
  );
}

/** Tells states, logs and foreign JSON from plans. */
function checkKind(found: Record<string, unknown>): void {
  const { format_version: version } = found;
  if (typeof version !== "string") {
    if ("serial" in found && "lineage" in found)
      throw new PlanError(`it is a state file, and no plan. ${HOW}`);
    throw new PlanError(`it is JSON without format_version, so no plan. ${HOW}`);
  }
  if (Number(/^(\d+)\.\d+$/.exec(version)?.[1]) !== MAJOR) {
    throw new PlanError(
      `its format_version is ${JSON.stringify(version.slice(0, 20))}, and this reads ${MAJOR}.x: update Slipway, or plan with a Terraform that it knows.`,
    );
  }
  const ofPlan = ["planned_values", "resource_changes", "output_changes", "configuration"];
  if (!ofPlan.some((key) => key in found)) {
    throw new PlanError(
      "values" in found
        ? `it is a state, shown as JSON, and no plan. ${HOW}`
        : `it has none of ${ofPlan.join(", ")}, so it is no plan, or not all of one. ${HOW}`,
    );
  }
}

/** A plan that plans resources and yet changes none of them, not even to "no-op", was cut. */
function checkWhole(found: Record<string, unknown>): void {
  if (Array.isArray(found.resource_changes) || found.errored === true) return;
  const { root_module: root } = (found.planned_values ?? {}) as { root_module?: PlannedModule };
  if (hasManagedResource(root))
    throw new PlanError(
      `it has resources in planned_values, but no resource_changes: it is not whole. ${HOW}`,
    );
}

interface PlannedModule {
  readonly resources?: readonly { readonly mode?: unknown }[];
  readonly child_modules?: readonly PlannedModule[];
}

function hasManagedResource(module: PlannedModule | undefined): boolean {
  return (
    asArray(module?.resources).some((resource) => resource?.mode !== "data") ||
    asArray(module?.child_modules).some(hasManagedResource)
  );
}

const asArray = <T>(value: readonly T[] | undefined): readonly T[] => (Array.isArray(value) ? value : []);

function importedThing({ id, identity }: { id?: unknown; identity?: unknown }): string {
  if (typeof id === "string" && id) return id;
  return identity === undefined || identity === null ? "" : JSON.stringify(identity);
}

interface ValuesOfState {
  readonly outputs?: Readonly<Record<string, { readonly value?: Json; readonly sensitive?: Mask }>>;
  readonly root_module?: ModuleOfState;
}

interface ModuleOfState {
  readonly resources?: readonly { readonly values?: Json; readonly sensitive_values?: Mask }[];
  readonly child_modules?: readonly ModuleOfState[];
}

function otherValues(data: z.output<typeof planSchema>): MaskedValues[] {
  const found: MaskedValues[] = [];
  const addModule = (module: ModuleOfState | undefined) => {
    for (const resource of asArray(module?.resources))
      if (resource?.values !== undefined)
        found.push({ values: resource.values, sensitive: resource.sensitive_values });
    asArray(module?.child_modules).forEach(addModule);
  };
  const addState = (state: ValuesOfState | undefined) => {
    for (const output of Object.values(state?.outputs ?? {}))
      if (output?.value !== undefined) found.push({ values: output.value, sensitive: output.sensitive });
    addModule(state?.root_module);
  };
  addState(data.planned_values as ValuesOfState | undefined);
  addState(data.prior_state?.values as ValuesOfState | undefined);

  const declared = (data.configuration?.root_module as { variables?: unknown } | undefined)?.variables;
  const variables = (declared ?? {}) as Record<string, { sensitive?: boolean; default?: Json } | undefined>;
  for (const [name, { value }] of Object.entries(data.variables ?? {}))
    found.push({ values: value, sensitive: variables[name]?.sensitive === true });
  for (const variable of Object.values(variables))
    if (variable?.sensitive === true && variable.default !== undefined)
      found.push({ values: variable.default, sensitive: true });
  return found;
}

interface ModuleOfConfiguration {
  readonly resources?: readonly { readonly address?: string; readonly expressions?: object }[];
  readonly module_calls?: Readonly<Record<string, { readonly module?: ModuleOfConfiguration } | undefined>>;
}

function configuredAttributes(root: ModuleOfConfiguration | undefined): Plan["isConfigured"] {
  const attributes = new Map<string, ReadonlySet<string>>();
  const add = (module: ModuleOfConfiguration | undefined, prefix: string) => {
    for (const resource of asArray(module?.resources))
      attributes.set(`${prefix}${resource?.address}`, new Set(Object.keys(resource?.expressions ?? {})));
    for (const [name, call] of Object.entries(module?.module_calls ?? {}))
      add(call?.module, `${prefix}module.${name}.`);
  };
  add(root, "");
  return (address, attribute) => attributes.get(withoutIndexes(address))?.has(attribute);
}

/** `module.a["x"].thing.b[0]` as the configuration calls it: `module.a.thing.b`. */
const withoutIndexes = (address: string) => address.replace(/\[(?:\d+|"[^"\\]*(?:\\.[^"\\]*)*")\]/g, "");
