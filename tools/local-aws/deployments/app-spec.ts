import { parse as parseYaml, YAMLError } from "yaml";
import { z } from "zod";
import { AwsError, type Fields, isFields } from "../aws-request";

/** The events whose outcome a function of the AppSpec may decide. */
const HOOKS = {
  Lambda: ["BeforeAllowTraffic", "AfterAllowTraffic"],
  ECS: ["BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"],
} as const;

/** All that a deployment goes through, in its order. */
export const EVENTS = {
  Lambda: ["BeforeAllowTraffic", "AllowTraffic", "AfterAllowTraffic"],
  ECS: [
    "BeforeInstall",
    "Install",
    "AfterInstall",
    "AllowTestTraffic",
    "AfterAllowTestTraffic",
    "BeforeAllowTraffic",
    "AllowTraffic",
    "AfterAllowTraffic",
  ],
} as const;

export type Platform = keyof typeof EVENTS;
export type EventName = (typeof EVENTS)[Platform][number];

const text = z.string().min(1);
/** Of YAML that may have read it as a number. */
const version = z.union([text, z.number()]).transform(String);

const lambdaFunction = z.object({ Name: text, Alias: text, CurrentVersion: version, TargetVersion: version });
export type FunctionSpec = z.output<typeof lambdaFunction>;

const ecsService = z.object({
  TaskDefinition: text,
  LoadBalancerInfo: z.looseObject({ ContainerName: text, ContainerPort: z.coerce.number().int() }),
  PlatformVersion: text.optional(),
  NetworkConfiguration: z
    .looseObject({
      AwsvpcConfiguration: z.looseObject({
        Subnets: z.array(text).min(1),
        SecurityGroups: z.array(text).optional(),
        AssignPublicIp: z.enum(["ENABLED", "DISABLED"]).optional(),
      }),
    })
    .optional(),
  CapacityProviderStrategy: z
    .array(
      z.looseObject({ CapacityProvider: text, Base: z.number().optional(), Weight: z.number().optional() }),
    )
    .optional(),
});
export type ServiceSpec = z.output<typeof ecsService>;

interface Hooked {
  /** Names or ARNs of functions, by the event that they decide. */
  readonly hooks: ReadonlyMap<string, string>;
}

export type AppSpec = Hooked &
  (
    | { readonly platform: "Lambda"; readonly function: FunctionSpec }
    | { readonly platform: "ECS"; readonly service: ServiceSpec }
  );

const RESOURCE_TYPES = { Lambda: "AWS::Lambda::Function", ECS: "AWS::ECS::Service" } as const;

/**
 * Reads an AppSpec, in YAML or JSON.
 *
 * @throws AwsError InvalidRevisionException, which says what of it is wrong
 */
export function readAppSpec(content: string, platform: Platform): AppSpec {
  const spec = parse(content);
  // The documentation writes them both ways.
  const top = (name: string) => spec[name] ?? spec[name.toLowerCase()];
  if (spec.version === null || Number(spec.version) !== 0) throw invalid("The version must be 0.0");
  const resources = top("Resources");
  const [resource, ...others] = Array.isArray(resources) ? resources.flatMap(named) : [];
  if (!resource || others.length) throw invalid("Resources must hold exactly one resource");
  const type = RESOURCE_TYPES[platform];
  const [name, { Type, Properties }] = resource;
  if (Type !== type)
    throw invalid(`The resource ${name} must be of the Type ${type}, not ${JSON.stringify(Type)}`);
  const hooks = readHooks(top("Hooks") ?? [], platform);
  return platform === "Lambda"
    ? { platform, hooks, function: check(lambdaFunction, Properties, name) }
    : { platform, hooks, service: check(ecsService, Properties, name) };
}

const named = (entry: unknown) =>
  isFields(entry)
    ? Object.entries(entry).flatMap(([name, of]) => (isFields(of) ? [[name, of] as const] : []))
    : [];

function parse(content: string): Fields {
  let spec: unknown;
  try {
    // JSON is YAML.
    spec = parseYaml(content);
  } catch (error) {
    if (!(error instanceof YAMLError)) throw error;
    throw invalid(`It is neither YAML nor JSON: ${error.message.split("\n")[0]}`);
  }
  if (!isFields(spec)) throw invalid("It holds no version, no Resources and no Hooks");
  return spec;
}

function readHooks(hooks: unknown, platform: Platform): ReadonlyMap<string, string> {
  const known: readonly string[] = HOOKS[platform];
  const entries = (Array.isArray(hooks) ? hooks : [hooks]).flatMap((hook): [string, unknown][] =>
    isFields(hook) ? Object.entries(hook) : [[String(hook), undefined]],
  );
  for (const [event, fn] of entries) {
    if (!known.includes(event))
      throw invalid(`Hooks of ${platform} are ${known.join(", ")}, and '${event}' is none of them`);
    if (typeof fn !== "string") throw invalid(`The hook ${event} must be the name or the ARN of a function`);
  }
  // One that is left empty is none: the documentation's templates have them.
  return new Map(entries.flatMap(([event, fn]) => (fn ? [[event, String(fn)]] : [])));
}

function check<S extends z.ZodType>(schema: S, properties: unknown, name: string): z.output<S> {
  const parsed = schema.safeParse(properties ?? {});
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    ({ path, message }) => `${path.join(".") || "Properties"}: ${message}`,
  );
  throw invalid(`The Properties of ${name} are not valid (${problems.join("; ")})`);
}

const invalid = (problem: string) =>
  new AwsError("InvalidRevisionException", `The AppSpec file is not valid. ${problem}.`);
