import { readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { NormalizedSchema } from "@smithy/core/schema";

// What the AWS SDK knows of the services: its packages carry their models.

/** A shape, or what leads to one, as the SDK's packages have them. */
export type Schema = Parameters<typeof NormalizedSchema.of>[0];

export interface OperationModel {
  readonly name: string;
  readonly input: NormalizedSchema;
  readonly output: NormalizedSchema;
}

/**
 * The model of an operation.
 *
 * @param sdk the module of the service's client
 * @throws Error where the service has no such operation
 */
export function operationModel(sdk: object, name: string): OperationModel {
  const found = (sdk as Record<string, unknown>)[`${name}$`];
  if (!Array.isArray(found)) throw new Error(`The SDK knows no operation ${name}`);
  const [, , , , input, output] = found as Schema[];
  return { name, input: NormalizedSchema.of(input!), output: NormalizedSchema.of(output!) };
}

/** What texts a member may have, by its structure and name (`StageExecution.status`). */
export type Enumerations = ReadonlyMap<string, readonly string[]>;

/**
 * The enumerations of a service. The models of the SDK do not have them, but its types do.
 *
 * @param name name of the client's package
 * @param sdk its module
 */
export function enumerationsOf(name: string, sdk: object): Enumerations {
  const folder = join(packageFolder(name), "dist-types/models");
  const files = readdirSync(folder).filter((file) => /^models_\d+\.d\.ts$/.test(file));
  const text = files.map((file) => readFileSync(join(folder, file), "utf8")).join("\n");
  const found = new Map<string, readonly string[]>();
  for (const [, structure, body = ""] of text.matchAll(/^export interface (\w+) \{$(.*?)^\}$/gms)) {
    for (const [, member, type = ""] of body.matchAll(/^ {4}(\w+)\??: (\w+)(?:\[\])? \| undefined;$/gm)) {
      const values = (sdk as Record<string, unknown>)[type];
      if (isObject(values)) found.set(`${structure}.${member}`, Object.values(values) as string[]);
    }
  }
  return found;
}

/**
 * What of a raw JSON answer is not as the model says: fields that it does not know, values of another type or not of
 * their enumeration, and required ones that are missing.
 *
 * @param at what the answer is called in the findings
 * @param enumerations of the service. @default - any text will do
 */
export function problemsOf(
  schema: Schema,
  value: unknown,
  at = "answer",
  enumerations: Enumerations = new Map(),
): string[] {
  const model = NormalizedSchema.of(schema);
  if (value === null) return [`${at} is null: AWS leaves out what has no value`];
  if (model.isUnitSchema()) return unknownFields(at, value, []);
  if (model.isDocumentSchema()) return [];
  if (model.isStructSchema()) return problemsOfStruct(model, value, at, enumerations);
  if (model.isListSchema()) {
    if (!Array.isArray(value)) return [wrongType(at, value, "a list")];
    return value.flatMap((item, index) =>
      problemsOf(model.getValueSchema(), item, `${at}[${index}]`, enumerations),
    );
  }
  if (model.isMapSchema()) {
    if (!isObject(value)) return [wrongType(at, value, "a map")];
    return Object.entries(value).flatMap(([key, item]) =>
      problemsOf(model.getValueSchema(), item, `${at}.${key}`, enumerations),
    );
  }
  const type = simpleType(model);
  return typeof value === type ? [] : [wrongType(at, value, `a ${type}`)];
}

function problemsOfStruct(
  model: NormalizedSchema,
  value: unknown,
  at: string,
  enumerations: Enumerations,
): string[] {
  if (!isObject(value)) return [wrongType(at, value, "an object")];
  const members = [...model.structIterator()].filter(([, member]) => isInBody(member));
  const known = new Map(members.map(([name, member]) => [member.getMergedTraits().jsonName ?? name, member]));
  const given = Object.keys(value);
  const problems = unknownFields(at, value, [...known.keys()]);
  if (model.isUnionSchema() && given.length !== 1)
    problems.push(`${at} has ${given.length} of a union's members: AWS gives one`);
  const required = requiredOf(model).filter((name) => known.has(name) && !given.includes(name));
  problems.push(...required.map((name) => `${at}.${name} is missing: AWS always gives it`));
  for (const [name, member] of known) {
    if (!given.includes(name)) continue;
    problems.push(...problemsOf(member, value[name], `${at}.${name}`, enumerations));
    const allowed = enumerations.get(`${model.getName()}.${name}`) ?? [];
    const texts = [value[name]].flat().filter((text) => typeof text === "string");
    const strange = texts.filter((text) => allowed.length && !allowed.includes(text));
    problems.push(...strange.map((text) => `${at}.${name} is ${text}: AWS has ${allowed.join(", ")}`));
  }
  return problems;
}

/** The SDK lists a structure's required members first, and then says how many they are. */
function requiredOf(model: NormalizedSchema): string[] {
  const schema = model.getSchema() as unknown as readonly unknown[];
  return (schema[4] as string[]).slice(0, (schema[6] as number | undefined) ?? 0);
}

/** What REST gives in headers, or as the whole body, is no field of the body. */
function isInBody(member: NormalizedSchema): boolean {
  const { httpHeader, httpPrefixHeaders, httpPayload, httpResponseCode } = member.getMergedTraits();
  return !(httpHeader || httpPrefixHeaders || httpPayload || httpResponseCode);
}

/** DATE-TIME and HTTP-DATE, as the SDK's schemas number them. Other moments are numbers. */
const WRITTEN_MOMENTS: readonly unknown[] = [5, 6];

function simpleType(model: NormalizedSchema): "string" | "number" | "boolean" {
  if (model.isBooleanSchema()) return "boolean";
  if (model.isTimestampSchema()) return WRITTEN_MOMENTS.includes(model.getSchema()) ? "string" : "number";
  return model.isNumericSchema() || model.isBigIntegerSchema() ? "number" : "string";
}

/**
 * An input that names everything the model requires, and nothing that is there: each text is the same.
 *
 * @throws Error where a required member leads to itself
 */
export function leastInput(schema: Schema, text: string): unknown {
  const model = NormalizedSchema.of(schema);
  if (model.isUnitSchema()) return {};
  if (model.isStructSchema()) {
    const required = requiredOf(model).map((name) => [name, leastInput(model.getMemberSchema(name), text)]);
    return Object.fromEntries(required);
  }
  if (model.isListSchema()) return [leastInput(model.getValueSchema(), text)];
  if (model.isMapSchema()) return { [text]: leastInput(model.getValueSchema(), text) };
  return { string: text, number: 1, boolean: true }[simpleType(model)];
}

/**
 * Inputs for an operation that nothing fits: nothing at all, the least one, that without each of its members, and that
 * with each member that it could have, too.
 */
export function oddInputs(input: NormalizedSchema, text: string): unknown[] {
  const least = leastInput(input, text) as Record<string, unknown>;
  const without = Object.keys(least).map((name) => ({ ...least, [name]: undefined }));
  const optional = input.isUnitSchema()
    ? []
    : [...input.structIterator()].filter(([name]) => !(name in least));
  const extended = optional.map(([name, member]) => ({ ...least, [name]: leastInput(member, text) }));
  return [{}, least, ...without, ...extended];
}

/**
 * Names of the errors that an operation is documented to answer.
 *
 * @param sdk name of the client's package
 */
export function modelledErrors(sdk: string, operation: string): string[] {
  const text = readFileSync(join(packageFolder(sdk), `dist-types/commands/${operation}Command.d.ts`), "utf8");
  return [...text.matchAll(/@throws \{@link (\w+)\}/g)].map(([, name = ""]) => name);
}

/**
 * What of a raw JSON answer is not as a sample of it is (`aws … --generate-cli-skeleton output`): for services whose
 * model no package here carries.
 */
export function problemsOfSample(sample: unknown, value: unknown, at = "answer"): string[] {
  if (value === null) return [`${at} is null: AWS leaves out what has no value`];
  if (Array.isArray(sample)) {
    if (!Array.isArray(value)) return [wrongType(at, value, "a list")];
    return value.flatMap((item, index) => problemsOfSample(sample[0], item, `${at}[${index}]`));
  }
  if (!isObject(sample))
    return typeof value === typeof sample ? [] : [wrongType(at, value, `a ${typeof sample}`)];
  if (!isObject(value)) return [wrongType(at, value, "an object")];
  if ("KeyName" in sample)
    return Object.entries(value).flatMap(([key, item]) =>
      problemsOfSample(sample.KeyName, item, `${at}.${key}`),
    );
  const known = Object.keys(sample);
  const fields = Object.entries(value).filter(([key]) => known.includes(key));
  return [
    ...unknownFields(at, value, known),
    ...fields.flatMap(([key, item]) => problemsOfSample(sample[key], item, `${at}.${key}`)),
  ];
}

const packageFolder = (name: string) => dirname(require.resolve(`${name}/package.json`));

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unknownFields(at: string, value: unknown, known: readonly string[]): string[] {
  if (!isObject(value)) return [wrongType(at, value, "an object")];
  const unknown = Object.keys(value).filter((key) => !known.includes(key));
  return unknown.map((key) => `${at}.${key} is unknown to the model`);
}

const wrongType = (at: string, value: unknown, wanted: string) =>
  `${at} is ${JSON.stringify(value)}, and not ${wanted}`;
