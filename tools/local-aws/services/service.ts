import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";

// One shape for all services that Local AWS answers itself: operations by name, over a store by account and region.

/** Its answer may be a promise. */
export type Operation = (input: unknown, scope: Scope) => unknown;

export interface Service {
  /** What comes before the dot of the target header. */
  readonly api: string;
  readonly operations: Readonly<Record<string, Operation>>;
  /** Whether operations that are not here are moto's. @default false */
  readonly restIsMoto?: boolean;
  /** Sees what moto answered, where something of it has to be kept here. @default - nothing has */
  readonly learn?: (operation: string, input: unknown, answer: unknown, scope: Scope) => void;
  /** Ends what it still runs. @default - it runs nothing */
  readonly stop?: () => Promise<void>;
}

/** Name of the error for an input that breaks the schema; `path` is what of it does. */
export type InvalidCode = (path: string, missing: boolean) => string;

/**
 * Makes the operations of one service: each with the schema of its input.
 *
 * @param code what the service calls an input that breaks the schema
 */
export function operationsOf(code: InvalidCode) {
  return <S extends z.ZodType>(schema: S, run: (input: z.output<S>, scope: Scope) => unknown): Operation =>
    (input, scope) => {
      const parsed = schema.safeParse(input);
      if (!parsed.success) throw invalidInput(parsed.error, input, code);
      return run(parsed.data, scope);
    };
}

/** Says in AWS's words what is wrong with an input. */
function invalidInput({ issues }: z.ZodError, input: unknown, code: InvalidCode): AwsError {
  const [first] = issues;
  const problems = issues.map((issue) => {
    const value = valueAt(input, issue.path);
    return `Value ${value === undefined ? "null" : `'${JSON.stringify(value)}'`} at '${issue.path.join(".")}' failed to satisfy constraint: ${constraint(issue, value)}`;
  });
  const path = first?.path.join(".") ?? "";
  const given = valueAt(input, first?.path ?? []);
  const missing = given === undefined || given === null || given === "";
  const count = `${problems.length} validation error${problems.length > 1 ? "s" : ""} detected`;
  return new AwsError(code(path, missing), `${count}: ${problems.join("; ")}`);
}

function valueAt(input: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], input);
}

function constraint(issue: z.core.$ZodIssue, value: unknown): string {
  if (value === undefined) return "Member must not be null";
  switch (issue.code) {
    case "invalid_value":
      return `Member must satisfy enum value set: [${issue.values.map(String).join(", ")}]`;
    case "too_small":
      return `Member must have length greater than or equal to ${issue.minimum}`;
    case "too_big":
      return `Member must have length less than or equal to ${issue.maximum}`;
    case "invalid_format":
      return `Member must satisfy regular expression pattern: ${issue.pattern ?? issue.format}`;
    default:
      return issue.message;
  }
}

/** Things by name, apart for each account and region. */
export class Store<T> {
  private readonly scopes = new Map<string, Map<string, T>>();

  in({ account, region }: Scope): Map<string, T> {
    const key = `${account}/${region}`;
    const found = this.scopes.get(key) ?? new Map<string, T>();
    this.scopes.set(key, found);
    return found;
  }
}

/** Tags of one service's resources, by ARN. */
export class Tags {
  private readonly byArn = new Map<string, Map<string, string>>();

  put(arn: string, tags: Iterable<readonly [string, string]>): void {
    const all = this.byArn.get(arn) ?? new Map<string, string>();
    for (const [key, value] of tags) all.set(key, value);
    this.byArn.set(arn, all);
  }

  remove(arn: string, keys: readonly string[]): void {
    for (const key of keys) this.byArn.get(arn)?.delete(key);
  }

  forget(arn: string): void {
    this.byArn.delete(arn);
  }

  /** A resource that is renamed has its tags under its new ARN. */
  move(from: string, to: string): void {
    const tags = this.of(from);
    this.forget(from);
    this.put(to, tags);
  }

  has(arn: string): boolean {
    return this.byArn.has(arn);
  }

  of(arn: string): [string, string][] {
    return [...(this.byArn.get(arn) ?? [])];
  }
}

export const name = z.string().min(1);
/** Tags as `[{ key, value }]`, with small letters. */
export const smallTags = z.array(z.looseObject({ key: name, value: z.string().default("") }));
/** Tags as `[{ Key, Value }]`, with capitals. */
export const capitalTags = z.array(z.looseObject({ Key: name, Value: z.string().default("") }));

export const smallPairs = (tags: z.output<typeof smallTags> = []) =>
  tags.map(({ key, value }) => [key, value] as const);
export const capitalPairs = (tags: z.output<typeof capitalTags> = []) =>
  tags.map(({ Key, Value }) => [Key, Value] as const);

/** The three tag operations of the services that write `ResourceArn` and `Tags` with capitals. */
export function capitalTagOperations(
  define: ReturnType<typeof operationsOf>,
  tags: Tags,
  check: (arn: string, scope: Scope) => void,
): Record<string, Operation> {
  return {
    ListTagsForResource: define(z.looseObject({ ResourceArn: name }), ({ ResourceArn }, scope) => {
      check(ResourceArn, scope);
      return { Tags: tags.of(ResourceArn).map(([Key, Value]) => ({ Key, Value })) };
    }),
    TagResource: define(
      z.looseObject({ ResourceArn: name, Tags: capitalTags }),
      ({ ResourceArn, Tags }, scope) => {
        check(ResourceArn, scope);
        tags.put(ResourceArn, capitalPairs(Tags));
        return {};
      },
    ),
    UntagResource: define(
      z.looseObject({ ResourceArn: name, TagKeys: z.array(name) }),
      ({ ResourceArn, TagKeys }, scope) => {
        check(ResourceArn, scope);
        tags.remove(ResourceArn, TagKeys);
        return {};
      },
    ),
  };
}

/** A moment as these services write it: seconds, as a number. */
export const now = () => Date.now() / 1000;
