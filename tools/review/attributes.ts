import { structuredPatch } from "diff";
import { isPolicy, normalPolicy } from "./access/policy";
import { get, hidesAll, isArray, isObject, maskOf } from "./masks";
import type { Change, Json, JsonObject, Mask } from "./plan";
import { HIDDEN, isHarmless, isSecretName, parseDocument, type Redactor } from "./secrets";

/** What of an attribute changes; texts are as Terraform writes them, without secrets. */
export interface AttributeChange {
  /** `environment[0].variables.STAGE`; what is inside a document follows an arrow. */
  readonly path: string;
  /** `add` and `remove`: of an element, or a value that was null. */
  readonly kind: "add" | "remove" | "change";
  readonly before?: string;
  readonly after?: string;
  /** Lines of a longer text: " ", "-" or "+" first. */
  readonly lines?: readonly string[];
  /** Says what the values do not. */
  readonly note?: string;
  readonly forcesReplacement?: true;
}

export interface AttributeChanges {
  readonly changes: readonly AttributeChange[];
  /** How many differ in their form alone: JSON in another order, a list of one. */
  readonly formOnly: number;
}

export const UNKNOWN = "(known after apply)";

/** More digits than a number here keeps. */
const LONG_NUMBER = /\d[\d.]{15}/;

/** One side of an attribute. */
interface Side {
  readonly value: Json | undefined;
  readonly secret: Mask;
  readonly later: Mask;
}

const ABSENT: Side = { value: undefined, secret: undefined, later: undefined };

const at = ({ value, secret, later }: Side, key: string | number): Side => ({
  value:
    isObject(value) && typeof key === "string"
      ? get(value, key)
      : isArray(value) && typeof key === "number"
        ? value[key]
        : undefined,
  secret: maskOf(secret, key),
  later: maskOf(later, key),
});

const isLater = ({ later }: Side) => later === true;
const hasLater = ({ later }: Side) => later !== undefined && JSON.stringify(later).includes("true");
const isNothing = (side: Side) => (side.value === undefined || side.value === null) && !hasLater(side);

/** What is unknown is left out of the value: its place is known from the marks alone. */
function filled(side: Side): Side {
  if ((side.value ?? undefined) !== undefined || isLater(side) || !hasLater(side)) return side;
  return { ...side, value: isArray(side.later) ? [] : {} };
}

/** More differing attributes of one resource are counted, not told: nobody reads them. */
const MOST_CHANGES = 2000;

/** Texts with more lines are compared whole. */
const MOST_LINES = 5000;

/** Compares the two sides of a change, attribute by attribute. */
export function compareAttributes(change: Change, redactor: Redactor): AttributeChanges {
  const comparison = new Comparison(redactor, change.replacePaths.map(pathOf));
  const { before, after, afterUnknown, beforeSensitive, afterSensitive } = change;
  comparison.compare(
    "",
    { value: before ?? undefined, secret: beforeSensitive, later: undefined },
    { value: after ?? undefined, secret: afterSensitive, later: afterUnknown },
  );
  const { changes, more } = comparison;
  const told = more
    ? [...changes, { path: "…", kind: "change" as const, note: `and ${more} more attributes` }]
    : changes;
  return { changes: told, formOnly: comparison.formOnly };
}

/** How a path of Terraform's is written here. */
export const pathOf = (steps: readonly (string | number)[]): string =>
  steps.reduce<string>((path, step) => join(path, step), "");

function join(path: string, key: string | number): string {
  if (typeof key === "number") return `${path}[${key}]`;
  if (!/^[A-Za-z_][\w-]*$/.test(key)) return `${path}[${JSON.stringify(key)}]`;
  return path === "" || path.endsWith("→ ") ? `${path}${key}` : `${path}.${key}`;
}

class Comparison {
  readonly changes: AttributeChange[] = [];
  formOnly = 0;
  more = 0;

  constructor(
    private readonly redactor: Redactor,
    private readonly forcing: readonly string[],
  ) {}

  compare(path: string, before: Side, after: Side, name = ""): void {
    const [a, b] = [before, filled(after)];
    if (isNothing(a) && isNothing(b)) return;
    if (hidesAll(a.secret, a.value) || hidesAll(b.secret, b.value) || this.isSecretByName(name, a, b)) {
      const same = !isLater(b) && equal(a.value, b.value);
      if (!same) this.tell(path, a, b, { hidden: true });
    } else if (isLater(b) || isLater(a)) {
      this.tell(path, a, b);
    } else if (isObject(a.value ?? b.value) && isObject(b.value ?? a.value)) {
      this.compareObjects(path, a, b);
    } else if (isArray(a.value ?? b.value) && isArray(b.value ?? a.value)) {
      this.compareLists(path, a, b);
    } else if (!equal(a.value, b.value)) {
      this.compareScalars(path, a, b);
    }
  }

  /** That nothing becomes an empty object, or an empty list, is no change to anybody. */
  private compareObjects(path: string, a: Side, b: Side): void {
    const keys = new Set<string>();
    for (const part of [a.value, b.value, b.later])
      if (isObject(part)) for (const key of Object.keys(part)) keys.add(key);
    // `{name: "PASSWORD", value: "…"}`: how containers and builds are given their variables.
    const named = [a, b].map(({ value }) => (isObject(value) ? (value.name ?? value.key) : undefined));
    const name = named.find((found) => typeof found === "string") as string | undefined;
    for (const key of keys) {
      const nameOf = /^value$/i.test(key) && name !== undefined ? name : key;
      this.compare(join(path, key), at(a, key), at(b, key), nameOf);
    }
  }

  private compareLists(path: string, a: Side, b: Side): void {
    const [before, after] = [elements(a), elements(b)];
    // Elements that stay are taken out first: sets shift when one comes or goes.
    const left = new Map<string, number[]>();
    for (const [index, element] of before.entries()) {
      const key = keyOf(element);
      left.set(key, [...(left.get(key) ?? []), index]);
    }
    const come: number[] = [];
    let moved = false;
    for (const [index, element] of after.entries()) {
      const from = hasLater(element) ? undefined : left.get(keyOf(element))?.shift();
      if (from === undefined) come.push(index);
      else if (from !== index) moved = true;
    }
    const gone = [...left.values()].flat().sort((x, y) => x - y);
    if (come.length === 0 && gone.length === 0) {
      if (moved) this.push({ path, kind: "change", note: "the same elements in another order" });
      return;
    }
    for (const [from, to] of pairs(gone, come, before, after)) {
      const index = to ?? from!;
      this.compare(
        join(path, index),
        from === undefined ? ABSENT : before[from]!,
        to === undefined ? ABSENT : after[to]!,
      );
    }
  }

  private compareScalars(path: string, a: Side, b: Side): void {
    // Both sides' actions in one spelling: which case they have is no change.
    const spelling = new Map<string, string>();
    const [before, after] = [this.document(a, spelling), this.document(b, spelling)];
    if (
      (before ?? after) !== undefined &&
      (before !== undefined || isNothing(a)) &&
      (after !== undefined || isNothing(b))
    ) {
      if (equal(before, after)) {
        this.formOnly++;
        return;
      }
      // A mask of a text hides all of it or nothing, and was asked already.
      const inside = (value: Json | undefined): Side => ({ value, secret: undefined, later: undefined });
      this.compare(`${path} → `, inside(before), inside(after));
      return;
    }
    const texts = [a.value, b.value].map((value) =>
      typeof value === "string" ? this.redactor.text(value) : undefined,
    );
    const lines = texts.some((text) => text?.includes("\n"))
      ? lineDifference(texts[0] ?? "", texts[1] ?? "")
      : undefined;
    if (lines?.length) this.push({ path, kind: kindOf(a, b), lines });
    else this.tell(path, a, b);
  }

  /** A text's JSON, policies in their one form; not where a secret is in it. */
  private document({ value }: Side, spelling: Map<string, string>): Json | undefined {
    if (typeof value !== "string") return undefined;
    const document = parseDocument(value);
    if (document === undefined || this.redactor.text(value.trim()) === HIDDEN) return undefined;
    if (isPolicy(document)) return normalPolicy(document, spelling);
    // Two long numbers may be one once they are read.
    return LONG_NUMBER.test(value.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, "")) ? undefined : document;
  }

  private isSecretByName(name: string, a: Side, b: Side): boolean {
    if (!isSecretName(name)) return false;
    const texts = [a.value, b.value].filter((value) => typeof value === "string");
    return texts.length > 0 && !texts.every(isHarmless);
  }

  private tell(path: string, a: Side, b: Side, { hidden = false } = {}): void {
    // One by one: an added object is told by its attributes.
    if (!hidden && isNothing(a) && this.tellParts(path, b, (side) => [ABSENT, side])) return;
    if (!hidden && !isLater(b) && isNothing(b) && this.tellParts(path, a, (side) => [side, ABSENT])) return;
    const show = (side: Side) =>
      isLater(side) ? UNKNOWN : hidden ? HIDDEN : formatValue(side.value ?? null, this.redactor);
    const kind = kindOf(a, b);
    const [before, after] = [isNothing(a) ? undefined : show(a), isNothing(b) ? undefined : show(b)];
    this.push({
      path,
      kind,
      ...(before !== undefined && { before }),
      ...(after !== undefined && { after }),
      ...(kind === "change" &&
        before === after && { note: hidden ? "changes" : "changes in what is hidden" }),
    });
  }

  private tellParts(path: string, side: Side, pair: (side: Side) => [Side, Side]): boolean {
    if (isLater(side)) return false;
    const { value } = side;
    const keys = isObject(value) ? Object.keys(value) : isArray(value) ? [...value.keys()] : [];
    for (const key of keys) this.compare(join(path, key), ...pair(at(side, key)), String(key));
    return keys.length > 0;
  }

  private push(change: AttributeChange): void {
    if (this.changes.length >= MOST_CHANGES) {
      this.more++;
      return;
    }
    const path = change.path.replace(/ → $/, "");
    const forces = this.forcing.some(
      (forcing) =>
        path === forcing || (/^[.[ ]/.test(path.slice(forcing.length)) && path.startsWith(forcing)),
    );
    const safe = { ...change, path: this.redactor.text(path) };
    this.changes.push(forces ? { ...safe, forcesReplacement: true } : safe);
  }
}

const kindOf = (a: Side, b: Side): AttributeChange["kind"] =>
  isNothing(a) ? "add" : isNothing(b) ? "remove" : "change";

function elements(side: Side): Side[] {
  const [known, later] = [side.value, side.later].map((part) => (isArray(part) ? part.length : 0));
  return Array.from({ length: Math.max(known!, later!) }, (_, index) => at(side, index));
}

/** What makes two elements the same: value and marks. */
const keyOf = ({ value, secret }: Side) => JSON.stringify([value, secret ?? false]);

/** Names that tell elements of a list apart, as `Sid` does a statement. */
const IDENTITY = ["Sid", "name", "Name", "key", "Key", "id", "Id"] as const;

function identityOf({ value }: Side): string | undefined {
  if (!isObject(value)) return undefined;
  const key = IDENTITY.find((candidate) => typeof value[candidate] === "string");
  return key && `${key}=${value[key]}`;
}

/** Which of the elements that went is now which of those that came. */
function pairs(
  gone: readonly number[],
  come: readonly number[],
  before: readonly Side[],
  after: readonly Side[],
): [number | undefined, number | undefined][] {
  const found: [number | undefined, number | undefined][] = [];
  const free = new Set(gone);
  const rest: number[] = [];
  const byIdentity = new Map(gone.map((index) => [identityOf(before[index]!), index]));
  for (const to of come) {
    const identity = identityOf(after[to]!);
    const from = identity === undefined ? undefined : byIdentity.get(identity);
    if (from !== undefined && free.delete(from)) found.push([from, to]);
    else rest.push(to);
  }
  for (const to of rest) {
    // Scalars in one place are one that changes; with a name of its own an object is another.
    const same = free.has(to) && identityOf(before[to]!) === undefined && free.delete(to);
    found.push([same ? to : undefined, to]);
  }
  for (const from of free) found.push([from, undefined]);
  return found.sort(([a, b], [c, d]) => (b ?? a!) - (d ?? c!));
}

function equal(a: Json | undefined, b: Json | undefined): boolean {
  if (a === b) return true;
  if (isArray(a) && isArray(b))
    return a.length === b.length && a.every((element, index) => equal(element, b[index]));
  if (isObject(a) && isObject(b)) {
    const keys = Object.keys(a);
    return (
      keys.length === Object.keys(b).length &&
      keys.every((key) => Object.hasOwn(b, key) && equal(a[key], b[key]))
    );
  }
  return false;
}

/** A value on one line. */
export function formatValue(value: Json, redactor: Redactor): string {
  if (typeof value === "string") return JSON.stringify(redactor.text(value));
  if (typeof value !== "object" || value === null) return redactor.text(String(value));
  return JSON.stringify(redactor.deep(value as JsonObject, new Set()));
}

function lineDifference(before: string, after: string): string[] | undefined {
  if (count(before) + count(after) > MOST_LINES) return undefined;
  const patch = structuredPatch("", "", before, after, "", "", { context: 2, maxEditLength: 2000 });
  return patch?.hunks.flatMap(({ lines }, index) => [
    ...(index ? [" …"] : []),
    // Says that the last line has no break.
    ...lines.filter((line) => !line.startsWith("\\")),
  ]);
}

const count = (text: string) => text.split("\n").length;
