import { z } from "zod";
import { get, isAnyTrue, isArray, isObject, markedParts } from "./masks";

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

/** A plan, of which only what is read here is kept: of values beside the changes, what is sensitive. */
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
  /** Whether to apply it would change anything, be it an output; undefined where the plan does not tell. */
  readonly applyable?: boolean;
  /** Secrets beside the changes: of variables, states, planned values, modules' arguments, providers' actions. */
  readonly otherSecrets: readonly Json[];
  /** Whether the configuration sets an attribute of a resource; undefined where the plan does not tell. */
  readonly isConfigured: (address: string, attribute: string) => boolean | undefined;
  /** The provider's configuration that a resource is made with; undefined where the plan does not tell. */
  readonly providerOf: (address: string) => string | undefined;
  /** The region that a resource's provider, or AWS's, is configured with; undefined where the plan does not tell. */
  readonly regionOf: (address: string) => string | undefined;
  /** Addresses of what the configuration makes an attribute of, without indexes, with what is read of each. */
  readonly referencesOf: (address: string, attribute: string) => readonly string[];
  /** Whether what changes in this plan depends on an attribute of a resource. */
  readonly isRelevant: (address: string, attribute: string) => boolean;
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

/** An object by key; as an object of its own it would lose a key `__proto__`. */
const mapOf = <T extends z.ZodType>(of: T) =>
  z
    .unknown()
    .optional()
    .transform((found, context) => {
      const entries = new Map<string, z.output<T>>();
      if (found === undefined || found === null) return entries;
      if (!isObject(found)) {
        context.addIssue("expected an object");
        return z.NEVER;
      }
      for (const [key, value] of Object.entries(found)) {
        const { success, data, error } = of.safeParse(value);
        if (success) entries.set(key, data);
        else
          for (const { message, path } of error.issues)
            context.addIssue({ code: "custom", message, path: [key, ...path] });
      }
      return entries;
    });

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
      actions: actionsOf(rest.actions, () => isSame(before, after) && !isAnyTrue(rest.after_unknown)),
      before,
      after,
      afterUnknown: rest.after_unknown,
      beforeSensitive: rest.before_sensitive,
      afterSensitive: rest.after_sensitive,
      replacePaths: rest.replace_paths,
      ...(importing && { importing: importedThing(importing) }),
    }),
  );

/** Terraform's words; where they cannot be meant, such that nobody knows. */
function actionsOf(given: readonly string[], stays: () => boolean): readonly string[] {
  // Two words are two elements: they must not come as one.
  const words = given.map((word) => (word.includes(",") ? JSON.stringify(word) : word));
  return words.join() === "no-op" && !stays() ? [...words, "with sides that differ"] : words;
}

function isSame(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isArray(a))
    return isArray(b) && a.length === b.length && a.every((element, index) => isSame(element, b[index]));
  if (!isObject(a) || !isObject(b)) return false;
  const keys = Object.keys(a);
  return (
    keys.length === Object.keys(b).length &&
    keys.every((key) => Object.hasOwn(b, key) && isSame(get(a, key), get(b, key)))
  );
}

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
  .transform(({ address, status, instances }): Check[] => {
    const found = instances.map((instance) => ({
      address: instance.address.to_display || address.to_display,
      status: instance.status,
      messages: instance.problems.map(({ message }) => message),
    }));
    // One that fails has failed, even where no instance of it tells so.
    const isTold = found.length > 0 && (status === "pass" || found.some((one) => one.status !== "pass"));
    return isTold ? found : [{ address: address.to_display, status, messages: [] }, ...found];
  });

const invocation = z.looseObject({
  address: z.string().default(""),
  config_values: json,
  config_sensitive: mask,
});

const list = <T extends z.ZodType>(of: T) =>
  z
    .array(of)
    .nullish()
    .transform((found) => found ?? []);

const planSchema = z.object({
  variables: mapOf(z.looseObject({ value: json })),
  configuration: z.looseObject({ root_module: z.unknown().optional() }).nullish(),
  resource_changes: list(resourceChange),
  resource_drift: list(resourceChange),
  deferred_changes: list(
    z
      .object({ reason: z.string().default(""), resource_change: resourceChange })
      .transform((found): DeferredChange => ({ ...found.resource_change, deferredBecause: found.reason })),
  ),
  output_changes: mapOf(change),
  relevant_attributes: list(z.looseObject({ resource: text, attribute: z.array(z.unknown()).nullish() })),
  checks: list(check),
  action_invocations: list(invocation),
  deferred_action_invocations: list(
    z.object({ reason: z.string().default(""), action_invocation: invocation }),
  ),
  errored: z.boolean().default(false),
  complete: z.boolean().default(true),
  applyable: z.boolean().optional(),
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
  const document = new Document(content);
  checkKind(document);
  // Of these only secrets and names are kept: they are as large as all the rest.
  const planned = readValues(document.read("planned_values"), "planned_values");
  const prior = readValues(valuesOf(document.read("prior_state")), "prior_state");
  const rest = document.keys.filter((key) => key !== "planned_values" && key !== "prior_state");
  const { success, data, error } = planSchema.safeParse(
    Object.fromEntries(rest.map((key) => [key, document.read(key)])),
  );
  if (!success) {
    const [issue] = error.issues;
    const where = issue!.path
      .map((key) => (typeof key === "number" ? `[${key}]` : `.${String(key)}`))
      .join("");
    throw new PlanError(`${where.replace(/^\./, "")} is not as in any plan: ${issue!.message}. ${HOW}`);
  }
  checkWhole(document, data, planned);
  const configuration = (data.configuration ?? {}) as Configuration;
  const invocations = [
    ...data.action_invocations,
    ...data.deferred_action_invocations.map(({ action_invocation }) => action_invocation),
  ];
  return {
    name,
    resources: data.resource_changes,
    drift: data.resource_drift,
    deferred: data.deferred_changes,
    outputs: data.output_changes,
    checks: data.checks.flat(),
    actions: [
      ...data.action_invocations.map(({ address }): ActionInvocation => ({ address })),
      ...data.deferred_action_invocations.map(
        ({ reason, action_invocation: { address } }): ActionInvocation => ({
          address,
          deferredBecause: reason,
        }),
      ),
    ],
    errored: data.errored,
    complete: data.complete,
    applyable: data.applyable,
    otherSecrets: [
      ...planned.secrets,
      ...prior.secrets,
      ...invocations.flatMap((found) => markedParts(found.config_values, found.config_sensitive)),
      ...secretsOfConfiguration(configuration.root_module, data.variables),
    ],
    ...configured(configuration),
    isRelevant: relevantAttributes(data.relevant_attributes),
  };
}

/** Nobody nests so deep, but whoever wants to break this. */
const DEEPEST = 500;

/** Digits: more than a JavaScript number keeps are a text. */
const MOST_DIGITS = 15;
const LONGEST_NUMBER = 1000;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

const [QUOTE, COMMA, COLON, MINUS, BACKSLASH] = [0x22, 0x2c, 0x3a, 0x2d, 0x5c];
const [BRACE, END_OF_BRACE, BRACKET, END_OF_BRACKET] = [0x7b, 0x7d, 0x5b, 0x5d];
const isDigit = (code: number) => code >= 0x30 && code <= 0x39;

/** The value of one of the outermost object's keys. */
interface Section {
  /** As it is written, with its quotes. */
  readonly key: string;
  readonly from: number;
  to: number;
  /** How many keys its objects have, together. */
  members: number;
  /** Where numbers with more digits than JavaScript's begin and end. */
  readonly longNumbers: number[];
}

/**
 * The JSON of a plan, whose values are read one by one: all at once they would take several times the memory.
 * `JSON.parse` does that, and its own look at the text finds what that does not tell: keys that an object has twice,
 * of which the last would win, and numbers with more digits than JavaScript's have.
 */
class Document {
  private readonly sections = new Map<string, Section>();

  constructor(private readonly content: string) {
    // Windows' shells put a mark before what they redirect.
    const start = content.startsWith("\uFEFF") ? 1 : 0;
    if (content.trim() === "") throw new PlanError(`it is empty. ${HOW}`);
    if (content.startsWith("PK\u0003"))
      throw new PlanError(`it is a saved plan itself, which is not to be read by others. ${HOW}`);
    if (!/^\s*[{[]/.test(content.slice(start, start + 1000))) throw new PlanError(`it is not JSON. ${HOW}`);
    const { sections, outside } = this.scan(start);
    if (!isObject(this.parse(outside))) throw new PlanError(`it is JSON, but no plan. ${HOW}`);
    for (const section of sections) {
      const key = JSON.parse(section.key) as string;
      if (this.sections.has(key)) throw new PlanError(twice(`it has ${shownKey(key)}`));
      this.sections.set(key, section);
    }
  }

  get keys(): readonly string[] {
    return [...this.sections.keys()];
  }

  has(key: string): boolean {
    return this.sections.has(key);
  }

  /** The value of a key; undefined where it is not there. */
  read(key: string): unknown {
    const section = this.sections.get(key);
    if (!section) return undefined;
    const value = this.parse(this.textOf(section), key);
    if (countMembers(value) !== section.members)
      throw new PlanError(twice(`in ${shownKey(key)} an object has a key`));
    return value;
  }

  /** Where the outermost object's values are, and the text around them, with a 0 in the place of each. */
  private scan(start: number): { sections: Section[]; outside: string } {
    const { content } = this;
    const sections: Section[] = [];
    let section: Section | undefined;
    let [outside, from, key, depth] = ["", start, "", 0];
    const close = (to: number) => {
      section!.to = from = to;
      section = undefined;
    };
    for (let at = start; at < content.length; at++) {
      const code = content.charCodeAt(at);
      if (code === QUOTE) {
        const end = endOfText(content, at);
        if (!section) key = content.slice(at, end);
        at = end - 1;
      } else if (code === BRACE || code === BRACKET) {
        if (++depth > DEEPEST) throw new PlanError("it is nested deeper than any plan.");
      } else if (code === END_OF_BRACE || code === END_OF_BRACKET) {
        if (--depth === 0 && section) close(at);
      } else if (code === COLON) {
        if (section) section.members++;
        else if (depth === 1) {
          section = { key, from: at + 1, to: at, members: 0, longNumbers: [] };
          sections.push(section);
          outside += `${content.slice(from, at + 1)}0`;
        }
      } else if (code === COMMA) {
        if (depth === 1 && section) close(at);
      } else if (code === MINUS || isDigit(code)) {
        const end = endOfNumber(content, at);
        if (isLongNumber(content, at, end)) section?.longNumbers.push(at, end);
        at = end - 1;
      }
    }
    return { sections, outside: section ? outside : outside + content.slice(from) };
  }

  /** Terraform's numbers have as many digits as they need; JavaScript's would make two of them one. */
  private textOf({ from, to, longNumbers }: Section): string {
    if (longNumbers.length === 0) return this.content.slice(from, to);
    const bounds = [from, ...longNumbers, to];
    return bounds
      .slice(1)
      .map((end, index) => this.content.slice(bounds[index], end))
      .join('"');
  }

  private parse(text: string, key?: string): unknown {
    try {
      return JSON.parse(text);
    } catch {
      // What the error says of the place is a piece of the plan, and may be a secret.
      const firstLine = this.content.slice(0, this.content.indexOf("\n") + 1 || undefined);
      if (firstLine.includes('"@level"'))
        throw new PlanError(`it is the log of terraform plan -json, a line a message. ${HOW}`);
      const where = key === undefined ? "" : ` in ${shownKey(key)}`;
      throw new PlanError(`it is not whole, or not JSON${where}. ${HOW}`);
    }
  }
}

const shownKey = (key: string) => JSON.stringify(key.slice(0, 60));
const twice = (what: string) => `${what} twice, which Terraform never writes: somebody changed it. ${HOW}`;

/** Behind the quote that ends the text which begins at a quote. */
function endOfText(content: string, start: number): number {
  for (let end = content.indexOf('"', start + 1); end !== -1; end = content.indexOf('"', end + 1)) {
    let slashes = 0;
    while (content.charCodeAt(end - 1 - slashes) === BACKSLASH) slashes++;
    if (slashes % 2 === 0) return end + 1;
  }
  return content.length;
}

function endOfNumber(content: string, start: number): number {
  let end = start + 1;
  while (isDigit(content.charCodeAt(end)) || (end < content.length && ".+-eE".includes(content[end]!))) end++;
  return end;
}

function isLongNumber(content: string, start: number, end: number): boolean {
  if (end - start > LONGEST_NUMBER)
    throw new PlanError(`it has a number of ${end - start} characters, longer than any. ${HOW}`);
  if (end - start <= 4) return false;
  const number = content.slice(start, end);
  return (end - start > MOST_DIGITS || /[eE]/.test(number)) && NUMBER.test(number);
}

function countMembers(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let count = 0;
  if (Array.isArray(value)) {
    for (const element of value) if (typeof element === "object") count += countMembers(element);
    return count;
  }
  for (const key in value) {
    count++;
    const element = (value as Record<string, unknown>)[key];
    if (typeof element === "object") count += countMembers(element);
  }
  return count;
}

/** Tells states, logs and foreign JSON from plans. */
function checkKind(document: Document): void {
  const version = document.read("format_version");
  if (typeof version !== "string") {
    if (document.has("serial") && document.has("lineage"))
      throw new PlanError(`it is a state file, and no plan. ${HOW}`);
    throw new PlanError(`it is JSON without format_version, so no plan. ${HOW}`);
  }
  if (Number(/^([1-9]\d*|0)\.\d+$/.exec(version)?.[1]) !== MAJOR) {
    throw new PlanError(
      `its format_version is ${JSON.stringify(version.slice(0, 20))}, and this reads ${MAJOR}.x: update Slipway, or plan with a Terraform that it knows.`,
    );
  }
  const ofPlan = ["planned_values", "resource_changes", "output_changes", "configuration"];
  if (!ofPlan.some((key) => document.has(key))) {
    throw new PlanError(
      document.has("values")
        ? `it is a state, shown as JSON, and no plan. ${HOW}`
        : `it has none of ${ofPlan.join(", ")}, so it is no plan, or not all of one. ${HOW}`,
    );
  }
}

/**
 * Terraform tells of every resource and output that will be, even where it stays, and of what there is where nothing
 * will be: what has less than that was cut. What it planned before an error need not agree.
 */
function checkWhole(document: Document, data: z.output<typeof planSchema>, planned: Values): void {
  if (data.errored) return;
  const changes = [...data.resource_changes, ...data.deferred_changes];
  const addresses = new Set<unknown>(changes.map(({ address }) => address));
  if (!planned.managed.every((address) => addresses.has(address)))
    throw new PlanError(
      `it has resources in planned_values that are not in resource_changes: it is not whole. ${HOW}`,
    );
  if (!planned.outputs.every((output) => data.output_changes.has(output)))
    throw new PlanError(
      `it has outputs in planned_values that are not in output_changes: it is not whole. ${HOW}`,
    );
  const isOfNothing = planned.hasRoot && isObject(data.configuration?.root_module);
  if (changes.length === 0 && !isOfNothing && !isArray(document.read("resource_changes")))
    throw new PlanError(
      `it has no resource_changes, and not the planned_values and configuration that show why: it is not whole. ${HOW}`,
    );
}

/** What is read of a state's values, or of those planned. */
interface Values {
  /** Whether there is a root module at all; Terraform writes one for nothing, too. */
  readonly hasRoot: boolean;
  /** Addresses, as they are given, of what is not data. */
  readonly managed: readonly unknown[];
  readonly outputs: readonly string[];
  readonly secrets: readonly Json[];
}

function readValues(values: unknown, where: string): Values {
  const managed: unknown[] = [];
  const secrets: Json[][] = [];
  const objects = (found: unknown, key: string): readonly JsonObject[] => {
    if (found === undefined || found === null) return [];
    if (isArray(found) && found.every(isObject)) return found;
    throw new PlanError(`${where} has ${key} that are not as in any plan: it is not whole. ${HOW}`);
  };
  const object = (found: unknown, key: string) =>
    objects(found === undefined || found === null ? [] : [found], key)[0] ?? {};
  const addModule = (module: JsonObject) => {
    for (const resource of objects(module.resources, "resources")) {
      if (resource.mode !== "data") managed.push(resource.address);
      secrets.push(markedParts(resource.values, resource.sensitive_values));
    }
    objects(module.child_modules, "child_modules").forEach(addModule);
  };
  const { root_module, outputs } = object(values, "values");
  addModule(object(root_module, "modules"));
  const named = object(outputs, "outputs");
  for (const output of objects(Object.values(named), "outputs"))
    secrets.push(markedParts(output.value, output.sensitive));
  return { hasRoot: isObject(root_module), managed, outputs: Object.keys(named), secrets: secrets.flat() };
}

const valuesOf = (state: unknown) => (isObject(state) ? state.values : state);

function importedThing({ id, identity }: { id?: unknown; identity?: unknown }): string {
  if (typeof id === "string" && id) return id;
  return identity === undefined || identity === null ? "" : JSON.stringify(identity);
}

interface Configuration {
  readonly root_module?: ModuleOfConfiguration;
  readonly provider_config?: Json;
}

interface ModuleOfConfiguration {
  readonly resources?: readonly {
    readonly address?: string;
    readonly expressions?: JsonObject;
    readonly provider_config_key?: string;
  }[];
  readonly variables?: Named<{ readonly sensitive?: unknown; readonly default?: Json }>;
  readonly outputs?: Named<{ readonly sensitive?: unknown; readonly expression?: Expression }>;
  readonly module_calls?: Named<{
    readonly module?: ModuleOfConfiguration;
    readonly expressions?: Named<Expression>;
  }>;
}

type Named<T> = Readonly<Record<string, T | undefined>>;
type Expression = { readonly constant_value?: Json };

/** Values that a configuration writes out where it says that they are sensitive. */
function secretsOfConfiguration(
  root: ModuleOfConfiguration | undefined,
  given: ReadonlyMap<string, { readonly value: Json }>,
): Json[] {
  const found: (Json | undefined)[] = [];
  const add = (
    module: ModuleOfConfiguration | undefined,
    argument: (variable: string) => Json | undefined,
  ) => {
    for (const [name, variable] of Object.entries(module?.variables ?? {}))
      if (variable?.sensitive === true) found.push(variable.default, argument(name));
    for (const output of Object.values(module?.outputs ?? {}))
      if (output?.sensitive === true) found.push(output.expression?.constant_value);
    for (const call of Object.values(module?.module_calls ?? {}))
      add(call?.module, (name) => call?.expressions?.[name]?.constant_value);
  };
  add(root, (name) => given.get(name)?.value);
  return found.filter((value) => value !== undefined);
}

function configured({
  root_module,
  provider_config,
}: Configuration): Pick<Plan, "isConfigured" | "providerOf" | "regionOf" | "referencesOf"> {
  const expressions = new Map<string, { readonly of: JsonObject; readonly prefix: string }>();
  const providers = new Map<string, string>();
  const add = (module: ModuleOfConfiguration | undefined, prefix: string) => {
    for (const resource of isArray(module?.resources) ? module.resources : []) {
      const address = `${prefix}${resource?.address}`;
      expressions.set(address, { of: { ...resource?.expressions }, prefix });
      if (typeof resource?.provider_config_key === "string")
        providers.set(address, resource.provider_config_key);
    }
    for (const [name, call] of Object.entries(module?.module_calls ?? {}))
      add(call?.module, `${prefix}module.${name}.`);
  };
  add(root_module, "");
  const providerOf = (address: string) => providers.get(withoutIndexes(address));
  return {
    isConfigured: (address, attribute) => {
      const found = expressions.get(withoutIndexes(address));
      return found && Object.hasOwn(found.of, attribute);
    },
    providerOf,
    regionOf: (address) => {
      // What goes is no longer in the configuration: it was most likely the default provider's.
      const path = [providerOf(address) ?? "aws", "expressions", "region", "constant_value"];
      const region = valueAt(provider_config ?? null, ...path);
      return typeof region === "string" ? region : undefined;
    },
    referencesOf: (address, attribute) => {
      const found = expressions.get(withoutIndexes(address));
      const references = found && valueAt(found.of, attribute, "references");
      return isArray(references) ? references.map((reference) => `${found?.prefix}${reference}`) : [];
    },
  };
}

const valueAt = (from: Json, ...path: readonly string[]): Json | undefined =>
  path.reduce<Json | undefined>((value, key) => (isObject(value) ? get(value, key) : undefined), from);

function relevantAttributes(
  all: readonly { readonly resource: string; readonly attribute?: readonly unknown[] | null }[],
): Plan["isRelevant"] {
  // A path without steps is the whole resource.
  const keyOf = (address: string, attribute: unknown) => `${withoutIndexes(address)} ${attribute ?? ""}`;
  const keys = new Set(all.map(({ resource, attribute }) => keyOf(resource, attribute?.[0])));
  return (address, attribute) => keys.has(keyOf(address, attribute)) || keys.has(keyOf(address, ""));
}

/** `module.a["x"].thing.b[0]` as the configuration calls it: `module.a.thing.b`. */
const withoutIndexes = (address: string) => address.replace(/\[(?:\d+|"[^"\\]*(?:\\.[^"\\]*)*")\]/g, "");
