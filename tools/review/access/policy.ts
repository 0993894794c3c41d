import { isArray, isObject } from "../masks";
import type { Json, JsonObject } from "../plan";
import { covers, overlap } from "./patterns";

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

const ACCOUNT = /^AWS:arn:[\w-]+:iam::(\d{12}):root$/;
const IN_ACCOUNT = /^AWS:arn:[\w-]+:(?:iam|sts)::(\d{12}):/;

/** An account stands for all who are in it: it may hand the right on. */
function coversPrincipal(general: string, special: string): boolean {
  if (general === "*" || general === special) return true;
  const account = ACCOUNT.exec(general)?.[1];
  return account !== undefined && account === IN_ACCOUNT.exec(special)?.[1];
}

type Covers = (general: string, special: string) => boolean;

/** Whether all that `special` names is named by `general`. In doubt it says no. */
function within(special: Terms, general: Terms, covered: Covers, touches: Covers): boolean {
  if (special.not) {
    if (!general.not) return general.of.includes("*");
    return general.of.every((excluded) => special.of.some((other) => covered(other, excluded)));
  }
  return special.of.every((value) =>
    general.not
      ? !general.of.some((excluded) => touches(excluded, value))
      : general.of.some((other) => covered(other, value)),
  );
}

const lower = (terms: Terms): Terms => ({ ...terms, of: terms.of.map((value) => value.toLowerCase()) });

/** Whether whoever meets `strict` meets `loose`. In doubt it says no. */
function implies(strict: Condition, loose: Condition): boolean {
  if (strict.key !== loose.key) return false;
  // "…IfExists" is also met where the request has no such key.
  if (strict.operator !== loose.operator && `${strict.operator}ifexists` !== loose.operator) return false;
  if (/(less|greater)than|^null/.test(strict.operator))
    return strict.values.join("\n") === loose.values.join("\n");
  const [few, many] = strict.operator.includes("not") ? [loose, strict] : [strict, loose];
  return few.values.every((value) => many.values.includes(value));
}

const unmet = (conditions: readonly Condition[], by: readonly Condition[]) =>
  conditions.filter((condition) => !by.some((strict) => implies(strict, condition)));

/** Everything but the conditions. */
function sameThings(special: Statement, general: Statement): boolean {
  if (special.variables !== general.variables && [special, general].some(usesVariables)) return false;
  const { variables } = special;
  const coversResource: Covers = (a, b) => covers(a, b, { variables });
  return (
    within(lower(special.actions), lower(general.actions), (a, b) => covers(a, b), overlap) &&
    within(special.resources, general.resources, coversResource, overlap) &&
    (special.principals === undefined || general.principals === undefined
      ? special.principals === general.principals
      : within(special.principals, general.principals, coversPrincipal, touchesPrincipal))
  );
}

const touchesPrincipal: Covers = (a, b) => coversPrincipal(a, b) || coversPrincipal(b, a);

const usesVariables = ({ resources, conditions }: Statement) =>
  [...resources.of, ...conditions.flatMap(({ values }) => values)].some((value) => value.includes("${"));

/** More combinations than this are compared in one piece: a policy of AWS's size has fewer. */
const MOST_COMBINATIONS = 5000;

const each = (terms: Terms): Terms[] =>
  terms.not || terms.of.length < 2 ? [terms] : terms.of.map((value) => ({ not: false, of: [value] }));

/** A statement as the smallest statements that together say the same. */
function split(statement: Statement): Statement[] {
  const [actions, resources] = [each(statement.actions), each(statement.resources)];
  const principals = statement.principals ? each(statement.principals) : [undefined];
  if (actions.length * resources.length * principals.length > MOST_COMBINATIONS) return [statement];
  return actions.flatMap((action) =>
    resources.flatMap((resource) =>
      principals.map((one) => ({
        ...statement,
        actions: action,
        resources: resource,
        ...(one && { principals: one }),
      })),
    ),
  );
}

/** What of `statement` none of the others says. */
function missing(statement: Statement, others: readonly Statement[]): AccessPart[] {
  const found: AccessPart[] = [];
  for (const part of split(statement)) {
    const near = others.filter((other) => sameThings(part, other));
    if (near.some((other) => unmet(other.conditions, part.conditions).length === 0)) continue;
    const [nearest] = near
      .map((other) => unmet(other.conditions, part.conditions))
      .sort((a, b) => a.length - b.length);
    found.push({ part, conditionsChanged: (nearest ?? []).map(({ text }) => text) });
  }
  return found;
}

interface AccessPart {
  readonly part: Statement;
  readonly conditionsChanged: readonly string[];
}

/** Puts the parts of one statement together again: same resources and principals, many actions, and so on. */
function join(parts: readonly AccessPart[], direction: AccessChange["direction"]): AccessChange[] {
  let changes: AccessChange[] = parts.map(({ part, conditionsChanged }) => ({
    direction,
    effect: part.effect,
    ...(part.principals && { principals: part.principals }),
    actions: part.actions,
    resources: part.resources,
    conditions: part.conditions.map(({ text }) => text),
    conditionsChanged,
  }));
  for (const dimension of ["actions", "principals", "resources"] as const) {
    const groups = new Map<string, AccessChange>();
    for (const change of changes) {
      const key = JSON.stringify({ ...change, [dimension]: change[dimension]?.not });
      const known = groups.get(key);
      const terms = change[dimension];
      if (!known || !terms || terms.not) groups.set(known ? `${key}${groups.size}` : key, change);
      else
        groups.set(key, {
          ...known,
          [dimension]: { not: false, of: sorted([...known[dimension]!.of, ...terms.of]) },
        });
    }
    changes = [...groups.values()];
  }
  return changes;
}

const keyOf = (statement: Statement) => JSON.stringify(lowerActions(statement));
const lowerActions = (statement: Statement) => ({ ...statement, actions: lower(statement.actions) });

/**
 * What changed between two sets of statements, by their meaning: order, casing of actions, lists of one and statements
 * split in two are no change. Where it cannot tell (two conditions that are merely different), it tells both.
 */
export function compareStatements(
  before: readonly Statement[],
  after: readonly Statement[],
): readonly AccessChange[] {
  const [keysBefore, keysAfter] = [new Set(before.map(keyOf)), new Set(after.map(keyOf))];
  const gone = before.filter((statement) => !keysAfter.has(keyOf(statement)));
  const come = after.filter((statement) => !keysBefore.has(keyOf(statement)));
  const say = (
    these: readonly Statement[],
    others: readonly Statement[],
    effect: Statement["effect"],
    direction: AccessChange["direction"],
  ) => {
    const same = others.filter((other) => other.effect === effect);
    return these
      .filter((statement) => statement.effect === effect)
      .flatMap((statement) => join(missing(statement, same), direction));
  };
  return [
    ...say(come, before, "Allow", "widens"),
    ...say(gone, after, "Deny", "widens"),
    ...say(gone, after, "Allow", "narrows"),
    ...say(come, before, "Deny", "narrows"),
  ];
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
