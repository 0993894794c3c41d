import { structuredPatch } from "diff";
import { isPolicy, normalPolicy } from "./access/policy";
import { get, hidesAll, isArray, isObject, maskOf } from "./masks";
import type { Change, Json, Mask } from "./plan";
import { HIDDEN, isHarmless, isSecretName, nameBelow, parseDocument, type Redactor } from "./secrets";

/** What of an attribute changes; texts are as Terraform writes them, without secrets. */
export interface AttributeChange {
  /** `environment[0].variables.STAGE`; what is inside a document follows an arrow. */
  readonly path: string;
  /** `add` and `remove`: of an element, or a value that was null. */
  readonly kind: "add" | "remove" | "change";
  readonly before?: string;
  readonly after?: string;
  /** Lines of a longer text: " ", "-" or "+" first, "!" before a word of ours. */
  readonly lines?: readonly string[];
  /** Says what the values do not. */
  readonly note?: string;
  /** Stands for so many that are not told one by one. */
  readonly more?: number;
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

/** Texts that differ in more lines are told whole: the time to compare them grows with the square. */
const MOST_EDITS = 1000;

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
    ? [...changes, { path: "…", kind: "change" as const, note: `and ${more} more attributes`, more }]
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
  /** Documents around what is compared. */
  private within = 0;

  constructor(
    private readonly redactor: Redactor,
    private readonly forcing: readonly string[],
  ) {}

  compare(path: string, before: Side, after: Side, name = ""): void {
    const [a, b] = [before, filled(after)];
    // Most of a plan: it shall cost nothing.
    if (b.value !== undefined && !hasLater(b) && equal(a.value, b.value)) return;
    if (isNothing(a) && isNothing(b)) {
      if (this.within && a.value !== b.value) this.pushEmpty(path, a, b);
      return;
    }
    if (hidesAll(a.secret, a.value) || hidesAll(b.secret, b.value) || this.isSecretByName(name, a, b)) {
      const same = !isLater(b) && equal(a.value, b.value);
      if (!same) this.tell(path, a, b, { hidden: true });
    } else if (isLater(b)) {
      this.tell(path, a, b);
    } else if (isObject(a.value ?? b.value) && isObject(b.value ?? a.value)) {
      this.compareObjects(path, a, b, name);
    } else if (isArray(a.value ?? b.value) && isArray(b.value ?? a.value)) {
      this.compareLists(path, a, b, name);
    } else if (!equal(a.value, b.value)) {
      this.compareScalars(path, a, b, name);
    }
  }

  private compareObjects(path: string, a: Side, b: Side, name: string): void {
    const keys = keysOf(a, b);
    if (keys.length === 0) this.tellEmpty(path, a, b);
    for (const key of keys)
      this.compare(join(path, key), at(a, key), at(b, key), nameBelow(name, nameOf(key, a, b)));
  }

  private compareLists(path: string, a: Side, b: Side, name: string): void {
    const [before, after] = [elements(a), elements(b)];
    if (before.length + after.length === 0) this.tellEmpty(path, a, b);
    // Elements that stay are taken out first: sets shift when one comes or goes.
    const left = new Map<string, { readonly indexes: number[]; taken: number }>();
    for (const [index, element] of before.entries()) {
      const key = keyOf(element);
      const same = left.get(key);
      if (same) same.indexes.push(index);
      else left.set(key, { indexes: [index], taken: 0 });
    }
    const come: number[] = [];
    let moved = false;
    for (const [index, element] of after.entries()) {
      const same = hasLater(element) ? undefined : left.get(keyOf(element));
      const from = same?.indexes[same.taken++];
      if (from === undefined) come.push(index);
      else if (from !== index) moved = true;
    }
    const gone = [...left.values()]
      .flatMap(({ indexes, taken }) => indexes.slice(taken))
      .sort((x, y) => x - y);
    if (come.length === 0 && gone.length === 0) {
      if (moved) this.push({ path, kind: "change", note: "the same elements in another order" });
      return;
    }
    for (const [from, to] of pairs(gone, come, before, after)) {
      const element = join(path, to ?? from!);
      const [old, now] = [
        from === undefined ? ABSENT : before[from]!,
        to === undefined ? ABSENT : after[to]!,
      ];
      const told = this.changes.length + this.more;
      this.compare(element, old, now, name);
      // An empty element is one all the same: a rule's action is the block that is there, `block {}`.
      if ((from === undefined || to === undefined) && told === this.changes.length + this.more)
        this.pushEmpty(element, old, now);
    }
  }

  private compareScalars(path: string, a: Side, b: Side, name: string): void {
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
      this.within++;
      this.compare(`${path} → `, inside(before), inside(after), name);
      this.within--;
      return;
    }
    const texts = [a, b].flatMap((side) =>
      typeof side.value === "string" ? [this.text(side.value)] : isNothing(side) ? [""] : [],
    );
    const [old, now] = texts;
    const lines =
      old !== undefined && now !== undefined && texts.some((text) => text.includes("\n"))
        ? lineDifference(old, now)
        : undefined;
    if (lines?.length) this.push({ path, kind: kindOf(a, b), lines });
    else this.tell(path, a, b);
  }

  /** A text's JSON, policies in their one form; not where a secret is in it. */
  private document({ value }: Side, spelling: Map<string, string>): Json | undefined {
    if (typeof value !== "string") return undefined;
    const document = this.openDocument(value);
    if (document === undefined) return undefined;
    if (isPolicy(document)) return normalPolicy(document, spelling);
    // Two long numbers may be one once they are read.
    return LONG_NUMBER.test(value.replace(/"[^"\\]*(?:\\.[^"\\]*)*"/g, "")) ? undefined : document;
  }

  /** A text's JSON, unless hiding a secret breaks it. */
  private openDocument(text: string): Json | undefined {
    const document = parseDocument(text);
    if (document === undefined) return undefined;
    const safe = this.redactor.text(text);
    return safe === text || parseDocument(safe) !== undefined ? document : undefined;
  }

  private isSecretByName(name: string, a: Side, b: Side): boolean {
    if (!isSecretName(name)) return false;
    return [a.value, b.value].some((value) => !isObject(value) && !isArray(value) && !isHarmless(value));
  }

  private tell(path: string, a: Side, b: Side, { hidden = false } = {}): void {
    const show = (side: Side) => (isLater(side) ? UNKNOWN : hidden ? HIDDEN : this.format(side));
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

  /** An empty object or list, where there was nothing or will be nothing. */
  private tellEmpty(path: string, a: Side, b: Side): void {
    if (path === "" || isNothing(a) === isNothing(b)) return;
    // Of what comes or goes as a whole, every block that it does not have is such a list.
    const whole = b.value === undefined || (a.value === undefined && isArray(b.value));
    if (this.within > 0 || !whole) this.pushEmpty(path, a, b);
  }

  private pushEmpty(path: string, a: Side, b: Side): void {
    const gone = b.value === undefined || (b.value === null && a.value !== undefined);
    this.push(
      gone ? { path, kind: "remove", before: this.format(a) } : { path, kind: "add", after: this.format(b) },
    );
  }

  /** A value on one line. */
  private format(side: Side): string {
    const value = this.plain(side, "");
    return typeof side.value === "string" || typeof value === "object"
      ? JSON.stringify(value)
      : String(value);
  }

  /** A value in which what is secret is hidden, and what is not known yet is told as such. */
  private plain(side: Side, name: string): Json {
    if (isLater(side)) return UNKNOWN;
    const { value = null, secret } = filled(side);
    if (hidesAll(secret, value) || this.isSecretByName(name, side, ABSENT)) return HIDDEN;
    if (typeof value === "string") return this.text(value);
    if (isArray(value)) return elements(side).map((element) => this.plain(element, name));
    if (isObject(value)) {
      return Object.fromEntries(
        keysOf(side).map((key) => [
          this.redactor.text(key),
          this.plain(at(side, key), nameBelow(name, nameOf(key, side))),
        ]),
      );
    }
    const safe = this.redactor.text(String(value));
    return safe === String(value) ? value : safe;
  }

  /** A text without its secrets; those of a document have names, too. */
  private text(value: string): string {
    const document = this.openDocument(value);
    if (document === undefined) return this.redactor.text(value);
    const safe = JSON.stringify(this.plain({ value: document, secret: undefined, later: undefined }, ""));
    if (safe === JSON.stringify(document)) return this.redactor.text(value);
    return LONG_NUMBER.test(value) ? HIDDEN : this.redactor.text(safe);
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

/** Of objects, and of what is not known of them yet. */
function keysOf(...sides: readonly Side[]): readonly string[] {
  let first: readonly string[] = [];
  let all: Set<string> | undefined;
  // Asked for each object of a plan: most have one side that has keys, or two with the same.
  for (const { value, later } of sides)
    for (const part of [value, later]) {
      if (!isObject(part)) continue;
      const keys = Object.keys(part);
      if (first.length === 0) first = keys;
      else if (all || keys.length !== first.length || keys.some((key, index) => key !== first[index])) {
        all ??= new Set(first);
        for (const key of keys) all.add(key);
      }
    }
  return all ? [...all] : first;
}

/** `{name: "PASSWORD", value: "…"}`: how containers and builds are given their variables. */
function nameOf(key: string, ...sides: readonly Side[]): string {
  const names = sides.map(({ value }) => (isObject(value) ? (value.name ?? value.key) : undefined));
  const name = names.find((found) => typeof found === "string");
  return /^value$/i.test(key) && typeof name === "string" ? name : key;
}

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
  // Of two in one place, the one that goes is first.
  return found.sort(
    ([a, b], [c, d]) => (b ?? a!) - (d ?? c!) || Number(b !== undefined) - Number(d !== undefined),
  );
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

function lineDifference(before: string, after: string): string[] | undefined {
  if (count(before) + count(after) > MOST_LINES) return undefined;
  if (before === "" || after === "") {
    const lines = (before || after).replace(/\r?\n$/, "").split(/\r?\n/);
    return lines.map((line) => `${before ? "-" : "+"}${line}`);
  }
  const [old, now] = [withLastBreak(before), withLastBreak(after)];
  const patch = structuredPatch("", "", old, now, "", "", { context: 2, maxEditLength: MOST_EDITS });
  const lines = patch?.hunks.flatMap((hunk, index) => [...(index ? [" …"] : []), ...hunk.lines]);
  const [had, has] = [old === before, now === after];
  if (had === has) return lines;
  return lines && [...lines, `!${has ? "now with" : "no longer with"} a line break at the end`];
}

/** A last line without one would differ from the same line with one. */
const withLastBreak = (text: string) => (text.endsWith("\n") ? text : `${text}\n`);

const count = (text: string) => text.split("\n").length;
