import { isArray, isObject } from "../masks";
import type { Json, JsonObject } from "../plan";
import { AddressSet, readRange } from "./network";
import { covers, Effort, literalStart, overlap } from "./patterns";

/** What a statement names: these, or all but these. */
export interface Terms {
  readonly not: boolean;
  readonly of: readonly string[];
}

export interface Condition {
  /** In lower case, as `stringequals`. */
  readonly operator: string;
  /** In lower case, as `aws:sourceaccount`. */
  readonly key: string;
  readonly values: readonly string[];
  /** As it was written. */
  readonly text: string;
}

/** A statement of a policy, in one form whichever way it was written. */
export interface Statement {
  readonly effect: "Allow" | "Deny";
  /** `AWS:arn…`, `Service:…`, `*`; undefined in a policy of whoever carries it. */
  readonly principals?: Terms;
  readonly actions: Terms;
  readonly resources: Terms;
  readonly conditions: readonly Condition[];
  /** Whether `${…}` is a variable in it. */
  readonly variables: boolean;
}

/** What changed in what somebody may do. */
export interface AccessChange {
  readonly direction: "widens" | "narrows";
  readonly effect: "Allow" | "Deny";
  readonly principals?: Terms;
  readonly actions: Terms;
  readonly resources: Terms;
  /** Conditions under which it holds. */
  readonly conditions: readonly string[];
  /** Conditions without which this would be no change: lost by what widens, gained by what narrows. */
  readonly conditionsChanged: readonly string[];
  /**
   * The very statements that were given, all that say the same: those after of what is allowed or denied now, those
   * before of what no longer is.
   */
  readonly of: readonly Statement[];
}

/** Whether a document is a policy; a broken one is. */
export const isPolicy = (document: Json | undefined): document is JsonObject =>
  isObject(document) && Object.hasOwn(document, "Statement");

/** Its statements, or undefined where they are not to be understood. */
export function readPolicy(document: JsonObject): readonly Statement[] | undefined {
  const { Statement: written, Version: version } = document;
  const statements = isArray(written) ? written : [written];
  const found: Statement[] = [];
  for (const statement of statements) {
    const one = isObject(statement) ? readStatement(statement, version === "2012-10-17") : undefined;
    if (!one) return undefined;
    found.push(one);
  }
  return found;
}

const KNOWN = new Set([
  "Sid",
  "Effect",
  "Principal",
  "NotPrincipal",
  "Action",
  "NotAction",
  "Resource",
  "NotResource",
  "Condition",
]);

function readStatement(statement: JsonObject, variables: boolean): Statement | undefined {
  const { Effect: effect } = statement;
  if (effect !== "Allow" && effect !== "Deny") return undefined;
  if (Object.keys(statement).some((key) => !KNOWN.has(key))) return undefined;
  const actions = readTerms(statement, "Action", (action) => action);
  const resources = readTerms(statement, "Resource", (resource) => resource);
  const principals = readPrincipals(statement);
  const conditions = readConditions(statement.Condition);
  if (!actions || actions === "none" || !resources || !principals || !conditions) return undefined;
  return {
    effect,
    actions,
    // A trust policy names no resource: it is the role's own.
    resources: resources === "none" ? { not: false, of: ["*"] } : resources,
    ...(principals !== "none" && { principals }),
    conditions,
    variables,
  };
}

function texts(value: Json | undefined): string[] | undefined {
  const values = isArray(value) ? value : [value];
  return values.every((element) => typeof element === "string") ? (values as string[]) : undefined;
}

const sorted = (values: Iterable<string>) => [...new Set(values)].sort();

function readTerms(
  statement: JsonObject,
  name: string,
  normal: (value: string) => string,
): Terms | "none" | undefined {
  const [is, isNot] = [statement[name], statement[`Not${name}`]];
  if (is !== undefined && isNot !== undefined) return undefined;
  if (is === undefined && isNot === undefined) return "none";
  const values = texts(is ?? isNot);
  return values && { not: is === undefined, of: sorted(values.map(normal)) };
}

function readPrincipals(statement: JsonObject): Terms | "none" | undefined {
  const [is, isNot] = [statement.Principal, statement.NotPrincipal];
  if (is !== undefined && isNot !== undefined) return undefined;
  const written = is ?? isNot;
  if (written === undefined) return "none";
  if (written === "*") return { not: is === undefined, of: ["*"] };
  if (!isObject(written)) return undefined;
  const found: string[] = [];
  for (const [type, value] of Object.entries(written)) {
    const names = texts(value);
    if (!names) return undefined;
    found.push(...names.map((name) => principal(type, name)));
  }
  return { not: is === undefined, of: sorted(found) };
}

/** An account's number is its root's ARN, and every AWS principal is everybody. */
function principal(type: string, name: string): string {
  if (type !== "AWS") return `${type}:${name}`;
  if (name === "*") return "*";
  return /^\d{12}$/.test(name) ? `AWS:arn:aws:iam::${name}:root` : `AWS:${name}`;
}

function readConditions(written: Json | undefined): Condition[] | undefined {
  if (written === undefined) return [];
  if (!isObject(written)) return undefined;
  const found: Condition[] = [];
  for (const [operator, keys] of Object.entries(written)) {
    if (!isObject(keys)) return undefined;
    for (const [key, value] of Object.entries(keys)) {
      const values = (isArray(value) ? value : [value]).map((element) =>
        typeof element === "string" || typeof element === "number" || typeof element === "boolean"
          ? String(element)
          : undefined,
      );
      if (values.includes(undefined)) return undefined;
      const all = sorted(values as string[]);
      found.push({
        operator: operator.toLowerCase(),
        key: key.toLowerCase(),
        values: all,
        text: `${operator} ${key} = ${all.join(", ")}`,
      });
    }
  }
  return found.sort((a, b) => (a.text < b.text ? -1 : 1));
}

type Covers = (general: string, special: string) => boolean;

/** How names of one kind are compared. */
interface Naming {
  /** The spelling to compare. */
  readonly normal: (name: string) => string;
  /** Whether all that one name stands for, the other does. In doubt it says no. */
  readonly covers: Covers;
  /** Whether two names may stand for the same. In doubt it says yes. */
  readonly touches: Covers;
  /** A name that takes this one in without looking like it. */
  readonly above?: (name: string) => string | undefined;
}

const ROOT = /^AWS:arn:[\w-]+:iam::(\d{12}):root$/;
const IN_ACCOUNT = /^AWS:arn:[\w-]+:(?:iam|sts)::(\d{12}):/;
const USER_OR_ROLE = /^AWS:arn:[\w-]+:iam::\d{12}:(?:user|role)\//;

const rootOf = (account: string | undefined) => account && `AWS:arn:aws:iam::${account}:root`;

/**
 * A root stands for its account, and it depends on the use what that is.
 * - Allowed, it may hand the right on by policies of its own; who is named directly needs none. So it covers nobody but
 *   itself: that a role is named beside it is told.
 * - Denied, it stops everybody in the account, whose account counts among the principals of a request (IAM user guide,
 *   "NotPrincipal"). So it may take the place of a Deny that named one of them.
 * - Exempted from either, it is only what it names where more exempted would hide something, and touches all that may
 *   be of its account where less would.
 */
const principalNaming = (effect: Statement["effect"]): Naming => ({
  normal: (name) => rootOf(ROOT.exec(name)?.[1]) ?? name,
  covers: (general, special) => general === "*" || general === special,
  touches: (a, b) => !areApart(a, b),
  above: (name) => (effect === "Deny" ? rootOf(IN_ACCOUNT.exec(name)?.[1]) : undefined),
});

/** Whether two principals are surely not the same: an id or a canonical user may be anybody in any account. */
function areApart(a: string, b: string): boolean {
  if (a === b || a.includes("*") || b.includes("*")) return false;
  const [typeA, typeB] = [a, b].map((name) =>
    name.slice(0, name.indexOf(":")).replace("CanonicalUser", "AWS"),
  );
  if (typeA !== typeB || typeA !== "AWS") return true;
  const [accountA, accountB] = [a, b].map((name) => IN_ACCOUNT.exec(name)?.[1]);
  if (!accountA || !accountB) return false;
  return accountA !== accountB || (USER_OR_ROLE.test(a) && USER_OR_ROLE.test(b));
}

const actionNaming = (effort: Effort): Naming => ({
  normal: (action) => action.toLowerCase(),
  covers: (general, special) => covers(general, special, { effort }),
  touches: (a, b) => overlap(a, b, { effort }),
});

const resourceNaming = (effort: Effort, variables: boolean): Naming => ({
  normal: (resource) => resource,
  covers: (general, special) => covers(general, special, { variables, effort }),
  touches: (a, b) => overlap(a, b, { effort }),
});

/** Whether all that `special` names is none of what is exempted. In doubt it says no. */
function withinAllBut(exempted: readonly string[], special: Terms, { covers, touches }: Naming): boolean {
  if (special.not) return exempted.every((name) => special.of.some((other) => covers(other, name)));
  return !special.of.some((value) => exempted.some((name) => touches(name, value)));
}

const normalTerms = (terms: Terms, { normal }: Naming): Terms => ({ ...terms, of: terms.of.map(normal) });

interface Operator {
  readonly kind: "binary" | "text" | "folded" | "glob" | "arn" | "bool" | "addresses" | "number" | "date";
  /** Whether it holds for whatever is none of the values. */
  readonly not?: true;
  readonly order?: Order;
}
type Order = "=" | "<" | "<=" | ">" | ">=";

/** Operators by their name without "IfExists" (IAM user guide, "Condition operators"). */
const OPERATORS: ReadonlyMap<string, Operator> = new Map<string, Operator>([
  ["stringequals", { kind: "text" }],
  ["stringnotequals", { kind: "text", not: true }],
  ["stringequalsignorecase", { kind: "folded" }],
  ["stringnotequalsignorecase", { kind: "folded", not: true }],
  ["stringlike", { kind: "glob" }],
  ["stringnotlike", { kind: "glob", not: true }],
  ["binaryequals", { kind: "binary" }],
  // Both compare patterns.
  ...["equals", "like"].flatMap((name): [string, Operator][] => [
    [`arn${name}`, { kind: "arn" }],
    [`arnnot${name}`, { kind: "arn", not: true }],
  ]),
  ["bool", { kind: "bool" }],
  ["ipaddress", { kind: "addresses" }],
  ["notipaddress", { kind: "addresses", not: true }],
  ...(["number", "date"] as const).flatMap((kind): [string, Operator][] => {
    const name = kind === "number" ? "numeric" : "date";
    return [
      [`${name}equals`, { kind, order: "=" }],
      [`${name}notequals`, { kind, order: "=", not: true }],
      [`${name}lessthan`, { kind, order: "<" }],
      [`${name}lessthanequals`, { kind, order: "<=" }],
      [`${name}greaterthan`, { kind, order: ">" }],
      [`${name}greaterthanequals`, { kind, order: ">=" }],
    ];
  }),
]);

/** What a condition asks, read once. */
interface Reading {
  /** Without "IfExists". */
  readonly name: string;
  readonly ifExists: boolean;
  /** Whether it asks every value of a request, or any. */
  readonly ofMany: boolean;
  /** Undefined where nothing is sure but that the same values say the same: of Null, and of what nobody knows yet. */
  readonly operator?: Operator;
  readonly values: ReadonlySet<string>;
  readonly addresses?: AddressSet;
}

const readings = new WeakMap<Condition, Reading>();

function read(condition: Condition): Reading {
  const known = readings.get(condition);
  if (known) return known;
  const [, ofMany, base = "", ifExists] = /^(for(?:all|any)values?:)?(.*?)(ifexists)?$/s.exec(
    condition.operator,
  )!;
  const operator = OPERATORS.get(base);
  const reading: Reading = {
    name: `${ofMany ?? ""}${base}`,
    ifExists: ifExists !== undefined,
    ofMany: ofMany !== undefined,
    ...(operator && { operator }),
    values: new Set(condition.values),
    ...(operator?.kind === "addresses" && {
      addresses: new AddressSet(condition.values.flatMap((value) => readRange(value) ?? [])),
    }),
  };
  readings.set(condition, reading);
  return reading;
}

/** Whether whoever meets `strict` meets `loose`. In doubt it says no. */
function implies(strict: Condition, loose: Condition, effort: Effort): boolean {
  if (strict.key !== loose.key || !effort.spend(20)) return false;
  const [strictly, loosely] = [read(strict), read(loose)];
  // "…IfExists" is also met where the request has no such key.
  if (strictly.ifExists && !loosely.ifExists) return false;
  const sameOperator = strictly.name === loosely.name;
  if (sameOperator && sameList(strict.values, loose.values)) return true;
  if (!strictly.operator || !loosely.operator || strictly.operator.not !== loosely.operator.not) return false;
  // Nobody says what a condition without values asks.
  if (strict.values.length === 0 || loose.values.length === 0) return false;
  // What excludes more is met by less.
  const [narrow, wide] = strictly.operator.not ? [loosely, strictly] : [strictly, loosely];
  return [...narrow.values].every(
    (value) =>
      (sameOperator && wide.values.has(value)) ||
      (!narrow.ofMany && !wide.ofMany && coversAny(wide, value, narrow.operator!, effort)),
  );
}

const sameList = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((value, index) => value === b[index]);

/** Whether whatever is `value`, by its operator, is one of a condition's values by that one's. */
function coversAny(wide: Reading, value: string, narrow: Operator, effort: Effort): boolean {
  const isKnown = (text: string) => !text.includes("${");
  if (!isKnown(value) || !effort.spend(30 * wide.values.size)) return false;
  const range = wide.addresses && narrow.kind === "addresses" && readRange(value);
  if (range) return wide.addresses!.covers(range);
  return [...wide.values].some(
    (other) => isKnown(other) && coversValue(wide.operator!, other, narrow, value, effort),
  );
}

/** Whether whatever is `special`, by its operator, is `general` by the other. */
function coversValue(
  wide: Operator,
  general: string,
  narrow: Operator,
  special: string,
  effort: Effort,
): boolean {
  switch (wide.kind) {
    case "text":
      return (
        general === special && (narrow.kind === "text" || (narrow.kind === "glob" && !/[*?]/.test(special)))
      );
    case "folded":
      return /^(text|folded)$/.test(narrow.kind) && general.toLowerCase() === special.toLowerCase();
    case "glob":
      return /^(text|glob)$/.test(narrow.kind) && covers(general, special, { effort });
    case "arn":
      return /^(text|arn)$/.test(narrow.kind) && coversArn(general, special, effort);
    case "bool":
      return narrow.kind === "bool" && general.toLowerCase() === special.toLowerCase();
    case "binary":
    case "addresses":
      return false;
    default: {
      if (narrow.kind !== wide.kind) return false;
      const [limit, value] = [general, special].map(wide.kind === "number" ? readNumber : readDate);
      return (
        limit !== undefined && value !== undefined && coversOrder(wide.order!, limit, narrow.order!, value)
      );
    }
  }
}

/** The parts of an ARN are matched each by itself: a `*` does not reach into the next. */
function coversArn(general: string, special: string, effort: Effort): boolean {
  const [wide, narrow] = [effort.partsOfArn(general), effort.partsOfArn(special)];
  if (!wide || !narrow) return false;
  return wide.every((part, index) => covers(part, narrow[index]!, { effort }));
}

/** No more digits than a number holds without rounding. */
const readNumber = (value: string) => (/^-?\d{1,9}(\.\d{1,6})?$/.test(value) ? Number(value) : undefined);

const readDate = (value: string) =>
  /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,3})?Z$/.test(value) ? Date.parse(value) || undefined : undefined;

/** Whether what is in this order to `value` is in that order to `limit`. */
function coversOrder(wide: Order, limit: number, narrow: Order, value: number): boolean {
  if (wide === "=") return narrow === "=" && value === limit;
  if (narrow !== "=" && narrow[0] !== wide[0]) return false;
  const [low, high] = wide[0] === "<" ? [value, limit] : [limit, value];
  return low < high || (low === high && (wide.endsWith("=") || narrow === wide));
}

const unmet = (conditions: readonly Condition[], by: readonly Condition[], effort: Effort) =>
  conditions.filter((condition) => !by.some((strict) => implies(strict, condition, effort)));

const usesVariables = ({ resources, conditions }: Statement) =>
  [...resources.of, ...conditions.flatMap(({ values }) => values)].some((value) => value.includes("${"));

/** Rows of a table. */
type Rows = ReadonlySet<number>;

/** What one element of many statements names: found by the name, without asking each statement. */
class Column {
  private readonly positive = new Map<string, Set<number>>();
  private readonly negative: (readonly [row: number, terms: Terms])[] = [];
  /** Patterns by how they start. */
  private readonly patterns = new Map<string, string[]>();
  private readonly lengths: readonly number[];
  private readonly found = new Map<string, readonly Rows[]>();

  constructor(
    rows: readonly Terms[],
    private readonly naming: Naming,
    private readonly effort: Effort,
  ) {
    for (const [row, terms] of rows.entries()) {
      const normal = normalTerms(terms, naming);
      if (normal.not) this.negative.push([row, normal]);
      else for (const name of normal.of) this.put(name, row);
    }
    this.lengths = [...new Set([...this.patterns.keys()].map((start) => start.length))];
  }

  private put(name: string, row: number): void {
    const known = this.positive.get(name);
    if (known) {
      known.add(row);
      return;
    }
    this.positive.set(name, new Set([row]));
    const start = literalStart(name);
    if (start.length === name.length) return;
    const alike = this.patterns.get(start);
    if (alike) alike.push(name);
    else this.patterns.set(start, [name]);
  }

  /** The rows that name all of one piece of a statement: see pieces. */
  rowsOf(piece: Terms): readonly Rows[] {
    const terms = normalTerms(piece, this.naming);
    const key = terms.not ? JSON.stringify(terms.of) : `=${terms.of[0] ?? ""}`;
    let found = this.found.get(key);
    if (!found) {
      const names = terms.not ? ["*"] : this.namesAbove(terms.of[0] ?? "");
      const negative = this.negative.filter(
        ([, other]) =>
          this.effort.spend(20 * other.of.length * terms.of.length) &&
          withinAllBut(other.of, terms, this.naming),
      );
      found = [
        ...[...names].flatMap((name) => this.positive.get(name) ?? []),
        ...(negative.length ? [new Set(negative.map(([row]) => row))] : []),
      ];
      this.found.set(key, found);
    }
    return found;
  }

  /** Names in the rows that cover this one. */
  private namesAbove(name: string): Iterable<string> {
    const above = this.naming.above?.(name);
    const found = new Set(above === undefined ? [name] : [name, above]);
    const start = literalStart(name);
    for (const length of this.lengths) {
      if (length > start.length || !this.effort.spend(40)) continue;
      for (const pattern of this.patterns.get(start.slice(0, length)) ?? [])
        if (this.effort.spend(5) && this.naming.covers(pattern, name)) found.add(pattern);
    }
    return found;
  }
}

/** The elements of a statement whose values stand each by itself, in the order in which parts are joined again. */
const ELEMENTS = ["actions", "principals", "resources"] as const;

/** A statement's element as the smallest that together say the same. */
const pieces = (terms: Terms): Terms[] =>
  terms.not || terms.of.length < 2 ? [terms] : terms.of.map((value) => ({ not: false, of: [value] }));

/** More combinations than this are compared in one piece. */
const MOST_COMBINATIONS = 5000;

/** Values of an element that the same rows name. */
interface Group {
  readonly terms: Terms;
  readonly rows: Rows;
}

/** Part of a statement. */
interface Part {
  readonly statement: Statement;
  readonly conditionsChanged: readonly string[];
}

/** Statements of one effect, which all have principals or none, to be asked what they say of another. */
class StatementTable {
  private readonly columns = new Map<string, Column>();
  private readonly usesVariables: readonly boolean[];

  constructor(
    private readonly statements: readonly Statement[],
    private readonly effort: Effort,
  ) {
    this.usesVariables = statements.map(usesVariables);
  }

  /** What of a statement none of these says. */
  missing(statement: Statement): Part[] {
    const elements = ELEMENTS.flatMap((element) => {
      const terms = statement[element];
      if (!terms) return [];
      const column = this.column(element, statement);
      return [{ element, pieces: pieces(terms).map((piece) => ({ piece, found: column.rowsOf(piece) })) }];
    });
    const near = this.near(
      statement,
      elements.map((element) => element.pieces.map(({ found }) => found)),
    );
    const lost = new Map<number, readonly Condition[]>();
    const lostBy = (row: number) => {
      let conditions = lost.get(row);
      if (!conditions) {
        conditions = this.effort.spend(20)
          ? unmet(this.statements[row]!.conditions, statement.conditions, this.effort)
          : this.statements[row]!.conditions;
        lost.set(row, conditions);
      }
      return conditions;
    };
    const groups = near.length
      ? elements.map((element) => ({ ...element, groups: this.grouped(element.pieces, near) }))
      : [];
    return this.combined(statement, groups, near).flatMap(({ statement: part, rows }) => {
      let nearest: readonly Condition[] | undefined;
      for (const row of rows) {
        const conditions = lostBy(row);
        if (conditions.length === 0) return [];
        if (!nearest || conditions.length < nearest.length) nearest = conditions;
      }
      return [{ statement: part, conditionsChanged: (nearest ?? []).map(({ text }) => text) }];
    });
  }

  /** A statement in parts, each with the rows that say all of it but its conditions. */
  private combined(
    statement: Statement,
    elements: readonly { readonly element: keyof Statement; readonly groups: readonly Group[] }[],
    near: readonly number[],
  ): readonly { readonly statement: Statement; readonly rows: readonly number[] }[] {
    const combinations = elements.reduce((product, { groups }) => product * groups.length, 1);
    if (combinations > MOST_COMBINATIONS || !this.effort.spend(200 * combinations)) {
      const all = elements.flatMap(({ groups }) => groups);
      return [{ statement, rows: near.filter((row) => all.every(({ rows }) => rows.has(row))) }];
    }
    let parts = [{ statement, rows: near }];
    for (const { element, groups } of elements)
      parts = parts.flatMap((part) =>
        groups.map(({ terms, rows }) => ({
          statement: { ...part.statement, [element]: terms },
          rows: part.rows.filter((row) => rows.has(row)),
        })),
      );
    return parts;
  }

  private column(element: (typeof ELEMENTS)[number], { effect, variables }: Statement): Column {
    const key = element === "resources" ? `${element} ${variables}` : element;
    let column = this.columns.get(key);
    if (!column) {
      const naming =
        element === "actions"
          ? actionNaming(this.effort)
          : element === "resources"
            ? resourceNaming(this.effort, variables)
            : principalNaming(effect);
      const rows = this.statements.map((statement) => statement[element]!);
      column = new Column(rows, naming, this.effort);
      this.columns.set(key, column);
    }
    return column;
  }

  /** The rows that say something of a statement: found by the element that the fewest have in common with it. */
  private near(statement: Statement, elements: readonly (readonly (readonly Rows[])[])[]): number[] {
    const size = (found: readonly (readonly Rows[])[]) =>
      found.flat().reduce((sum, { size }) => sum + size, 0);
    const [fewest = []] = [...elements].sort((a, b) => size(a) - size(b));
    const candidates = new Set<number>();
    for (const rows of fewest.flat())
      for (const row of rows) {
        if (!this.effort.spend(5)) return [];
        candidates.add(row);
      }
    const uses = usesVariables(statement);
    return [...candidates]
      .sort((a, b) => a - b)
      .filter(
        (row) =>
          (this.statements[row]!.variables === statement.variables || !(uses || this.usesVariables[row])) &&
          elements.every((found) =>
            found.some((rows) => this.effort.spend(5) && rows.some((those) => those.has(row))),
          ),
      );
  }

  private grouped(
    found: readonly { readonly piece: Terms; readonly found: readonly Rows[] }[],
    near: readonly number[],
  ): Group[] {
    const groups = new Map<string, { terms: Terms; of: string[]; rows: Rows }>();
    for (const { piece, found: all } of found) {
      const rows = this.effort.spend(10 * near.length)
        ? near.filter((row) => all.some((those) => those.has(row)))
        : [];
      const key = rows.join();
      const known = groups.get(key);
      if (known) known.of.push(...piece.of);
      else groups.set(key, { terms: piece, of: [...piece.of], rows: new Set(rows) });
    }
    return [...groups.values()].map(({ terms, of, rows }) => ({ terms: { ...terms, of }, rows }));
  }
}

/** Puts the parts of one statement together again: same resources and principals, many actions, and so on. */
function join(
  parts: readonly Part[],
  direction: AccessChange["direction"],
  of: readonly Statement[],
): AccessChange[] {
  let changes = parts.map(({ statement, conditionsChanged }) => ({
    direction,
    effect: statement.effect,
    ...(statement.principals && { principals: statement.principals }),
    actions: statement.actions,
    resources: statement.resources,
    conditions: statement.conditions.map(({ text }) => text),
    conditionsChanged,
  }));
  for (const element of changes.length > 1 ? ELEMENTS : []) {
    const groups = new Map<string, typeof changes>();
    for (const change of changes) {
      const terms = change[element];
      // Of one statement, no more than these differ.
      const key = JSON.stringify([
        ...ELEMENTS.map((other) => (other === element ? terms?.not : change[other])),
        change.conditionsChanged,
      ]);
      const known = groups.get(key);
      if (known && terms && !terms.not) known.push(change);
      else groups.set(known ? `${key}${groups.size}` : key, [change]);
    }
    changes = [...groups.values()].map(([first, ...others]) =>
      others.length === 0
        ? first!
        : {
            ...first!,
            [element]: { not: false, of: sorted([first!, ...others].flatMap((one) => one[element]!.of)) },
          },
    );
  }
  return changes.map((change) => ({ ...change, of }));
}

/** The same for statements that differ in nothing but the order and the casing of actions. */
const keyOf = ({ effect, principals, actions, resources, conditions, variables }: Statement) =>
  JSON.stringify([
    effect,
    actions.not,
    sorted(actions.of.map((action) => action.toLowerCase())),
    principals?.not,
    principals?.of,
    resources.not,
    resources.of,
    conditions.map(({ operator, key, values }) => [operator, key, values]),
    variables,
  ]);

function byKey(statements: readonly Statement[]): ReadonlyMap<string, readonly Statement[]> {
  const found = new Map<string, Statement[]>();
  for (const statement of statements) {
    const key = keyOf(statement);
    const same = found.get(key);
    if (same) same.push(statement);
    else found.set(key, [statement]);
  }
  return found;
}

/** Five times what the policies take that people write. */
const STEPS_A_CHARACTER = 10;

/**
 * What changed between two sets of statements, by their meaning: order, casing of actions, lists of one and statements
 * split in two are no change. Where it cannot tell (two conditions that are merely different), it tells both.
 *
 * @param effort what it may cost; to be shared where many are compared, so that they cost no more together
 */
export function compareStatements(
  before: readonly Statement[],
  after: readonly Statement[],
  effort = new Effort(),
): readonly AccessChange[] {
  const [old, now] = [byKey(before), byKey(after)];
  const without = (these: typeof old, others: typeof old) =>
    [...these].filter(([key]) => !others.has(key)).map(([, same]) => same);
  const [come, gone] = [without(now, old), without(old, now)];
  for (const key of [...old.keys(), ...now.keys()]) effort.allow(STEPS_A_CHARACTER * key.length);
  const [tablesBefore, tablesAfter] = [tablesOf(old, effort), tablesOf(now, effort)];
  const say = (
    these: readonly (readonly Statement[])[],
    tableFor: ReturnType<typeof tablesOf>,
    effect: Statement["effect"],
    direction: AccessChange["direction"],
  ) =>
    these
      .filter(([statement]) => statement!.effect === effect)
      .flatMap((same) => join(tableFor(same[0]!).missing(same[0]!), direction, same));
  return [
    ...say(come, tablesBefore, "Allow", "widens"),
    ...say(gone, tablesAfter, "Deny", "widens"),
    ...say(gone, tablesAfter, "Allow", "narrows"),
    ...say(come, tablesBefore, "Deny", "narrows"),
  ];
}

/** For a statement, those that are to be compared with it; read only when asked for. */
function tablesOf(statements: ReadonlyMap<string, readonly Statement[]>, effort: Effort) {
  const kindOf = ({ effect, principals }: Statement) => `${effect} ${principals !== undefined}`;
  const tables = new Map<string, StatementTable>();
  return (statement: Statement): StatementTable => {
    const kind = kindOf(statement);
    let table = tables.get(kind);
    if (!table) {
      const alike = [...statements.values()].map(([first]) => first!).filter((one) => kindOf(one) === kind);
      table = new StatementTable(alike, effort);
      tables.set(kind, table);
    }
    return table;
  };
}

/**
 * A policy in one form, whichever way it was written: what differs in it differs in meaning, or in a Sid.
 *
 * @param spelling how actions were written first, by their lower case
 */
export function normalPolicy(document: JsonObject, spelling: Map<string, string>): JsonObject {
  const { Statement: statements } = document;
  return {
    ...document,
    Statement: (isArray(statements) ? statements : [statements!]).map((statement) =>
      isObject(statement)
        ? Object.fromEntries(
            Object.entries(statement).map(([key, value]) => [key, normalValue(key, value, spelling)]),
          )
        : statement,
    ),
  };
}

function normalValue(key: string, value: Json, spelling: Map<string, string>): Json {
  if (/^(Not)?(Action|Resource|Principal)$/.test(key)) {
    if (isObject(value))
      return Object.fromEntries(
        Object.entries(value).map(([type, names]) => [type, normalList(names, (name) => name)]),
      );
    return normalList(value, key.endsWith("Action") ? (name) => spelled(name, spelling) : (name) => name);
  }
  if (key === "Condition" && isObject(value)) {
    return Object.fromEntries(
      Object.entries(value).map(([operator, keys]) => [
        operator,
        isObject(keys)
          ? Object.fromEntries(Object.entries(keys).map(([name, of]) => [name, normalList(of, (one) => one)]))
          : keys,
      ]),
    );
  }
  return value;
}

function spelled(action: string, spelling: Map<string, string>): string {
  const key = action.toLowerCase();
  if (!spelling.has(key)) spelling.set(key, action);
  return spelling.get(key)!;
}

function normalList(value: Json, normal: (text: string) => string): Json {
  const values = (isArray(value) ? value : [value]).map((one) =>
    typeof one === "string" ? normal(one) : one,
  );
  return [...values].sort((a, b) => (String(a) < String(b) ? -1 : 1));
}
