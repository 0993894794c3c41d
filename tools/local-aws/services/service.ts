import { AwsError } from "../aws-request";

// One shape for all services that Local AWS answers itself: operations by name, over a store by account and region.

export interface Scope {
  readonly account: string;
  readonly region: string;
}

export type Input = Readonly<Record<string, unknown>>;
export type Operation = (input: Input, scope: Scope) => unknown;

export interface Service {
  /** What comes before the dot of the target header. */
  readonly targets: readonly string[];
  readonly operations: Readonly<Record<string, Operation>>;
  /** Whether operations that are not here are moto's. @default false */
  readonly restIsMoto?: boolean;
  /** Sees what moto answered, where something of it has to be kept here. @default - nothing has */
  readonly learn?: (operation: string, input: Input, answer: Input) => void;
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

/** The tags of one service's resources, by ARN: the operations that every service has for them. */
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

  of(arn: string): [string, string][] {
    return [...(this.byArn.get(arn) ?? [])];
  }
}

/** The tag operations that most services have, in the case that the service writes its fields in. */
export function tagOperations(tags: Tags, fields: "camelCase" | "PascalCase"): Record<string, Operation> {
  const named = (name: string) => (fields === "PascalCase" ? name[0]!.toUpperCase() + name.slice(1) : name);
  const arnOf = (input: Input) => text(input, named("resourceArn"));
  return {
    ListTagsForResource: (input) => ({
      [named("tags")]: tags
        .of(arnOf(input))
        .map(([key, value]) => ({ [named("key")]: key, [named("value")]: value })),
    }),
    TagResource(input) {
      tags.put(arnOf(input), tagPairs(input[named("tags")]));
      return {};
    },
    UntagResource(input) {
      tags.remove(arnOf(input), (input[named("tagKeys")] as string[]) ?? []);
      return {};
    },
  };
}

/** Tags as most services write them: `[{ key, value }]`, in the case that the service has. */
export function tagPairs(value: unknown): [string, string][] {
  if (!Array.isArray(value)) return [];
  return value.map((tag) => [String(tag.key ?? tag.Key ?? ""), String(tag.value ?? tag.Value ?? "")]);
}

export function text(input: Input, key: string): string {
  const value = input[key];
  if (typeof value !== "string" || value === "") {
    throw new AwsError(
      "ValidationException",
      `1 validation error detected: Value at '${key}' failed to satisfy constraint: Member must not be null`,
    );
  }
  return value;
}

/** A moment as these services write it: seconds, as a number. */
export const now = () => Date.now() / 1000;
