import { kindOf } from "../kind";
import { get, hidesAll, isArray, isObject, maskOf } from "../masks";
import { code, type Phrase } from "../phrase";
import type { Change, Json, JsonObject, Mask, Plan, ResourceChange } from "../plan";
import { parseDocument } from "../secrets";
import { decisiveAttributes, type Fact } from "./facts";
import { compareRules, LATER } from "./network";
import { Effort } from "./patterns";
import { compareStatements, isPolicy, readPolicy } from "./policy";
import { type Holdings, POLICY_ATTRIBUTE, type Subject, Subjects } from "./subjects";
import { detailsOf, tellChange, tellFact, tellRule } from "./tell";

/** A change of who may do what, or of who reaches what. */
export interface Finding {
  /** `unclear`: nobody can tell before the apply, so it counts as one that widens. */
  readonly direction: "widens" | "narrows" | "unclear";
  readonly risk: "access" | "network";
  /** Resources that it comes from. */
  readonly addresses: readonly string[];
  /** Continues the address: "allows …". */
  readonly text: Phrase;
  /** Names that the text has no room for. */
  readonly details?: readonly string[];
}

export interface AccessProps {
  readonly plan: Pick<Plan, "isConfigured" | "providerOf">;
  /** Whether an attribute is only read back: see Subject. @default - what is not configured */
  readonly isEcho?: (address: string, attribute: string) => boolean;
}

/** What widens or narrows access in a plan, by meaning. */
export function findAccess(
  resources: readonly ResourceChange[],
  { plan, isEcho }: AccessProps,
): readonly Finding[] {
  const managed = resources.filter(
    ({ mode, change }) => mode === "managed" && (isObject(change.before) || isObject(change.after)),
  );
  const changed = managed.filter(({ change }) => kindOf(change.actions) !== "no-op");
  const subjects = new Subjects(managed, {
    isEcho: isEcho ?? ((address, attribute) => plan.isConfigured(address, attribute) === false),
    providerOf: plan.providerOf,
  });
  // One for all: what many policies take together is bounded, too.
  const effort = new Effort();
  const mayDeny = denies(managed);
  return [
    ...changed.flatMap(boundaryChange),
    ...changed.flatMap((resource) => unclear(resource, plan.isConfigured)),
    ...[...subjects.all()].flatMap((subject) => findingsOf(subject, { subjects, mayDeny, effort })),
  ];
}

interface Comparing {
  readonly subjects: Subjects;
  readonly mayDeny: (fact: Fact) => boolean;
  readonly effort: Effort;
}

function findingsOf(subject: Subject, { subjects, mayDeny, effort }: Comparing): Finding[] {
  const { after, echo, addresses, gone } = subject;
  if (gone || addresses.size === 0) return [];
  const before = isEmpty(subject.before) ? echo : subject.before;
  const from = (...held: readonly Parameters<Subjects["addressOf"]>[0][]) => {
    const own = new Set(held.flatMap((one) => subjects.addressOf(one) ?? []));
    const those = [...own].filter((address) => addresses.has(address));
    return those.length ? those : [...addresses];
  };
  const findings: Finding[] = [];
  for (const change of compareStatements(before.statements, after.statements, effort)) {
    const details = detailsOf(change);
    findings.push({
      direction: change.direction,
      risk: "access",
      addresses: from(...change.of),
      text: tellChange(change),
      ...(details.length && { details }),
    });
  }
  for (const { direction, rule } of compareRules(before.rules, after.rules))
    findings.push({ direction, risk: "network", addresses: from(rule), text: tellRule(rule, direction) });
  for (const [key, fact] of after.facts)
    if (!before.facts.has(key))
      findings.push({
        direction: "widens",
        risk: fact.risk,
        addresses: from(fact),
        text: tellFact(fact, "gained"),
      });
  for (const [key, fact] of before.facts)
    if (!after.facts.has(key) && fact.lost)
      findings.push({
        // What a policy denied is allowed again without it.
        direction: mayDeny(fact) ? "unclear" : "narrows",
        risk: fact.risk,
        addresses: from(fact),
        text: tellFact(fact, "lost"),
      });
  return findings;
}

const isEmpty = ({ statements, rules, facts }: Holdings) =>
  statements.length === 0 && rules.length === 0 && facts.size === 0;

/** Whether a policy that is detached may have denied something: one that is not in the plan may. */
function denies(resources: readonly ResourceChange[]): (fact: Fact) => boolean {
  let harmless: Set<string> | undefined;
  return ({ policyArn }) => {
    if (policyArn === undefined) return false;
    // AWS's own policies allow, but for those that say so.
    if (/^arn:[\w-]+:iam::aws:policy\//.test(policyArn)) return /deny|quarantine/i.test(policyArn);
    harmless ??= new Set(
      resources.flatMap(({ type, change }) => {
        if (type !== "aws_iam_policy" || !isObject(change.before)) return [];
        const { arn, policy } = change.before;
        const document = typeof policy === "string" ? parseDocument(policy) : undefined;
        const statements = isPolicy(document) ? readPolicy(document) : undefined;
        return typeof arn === "string" && statements?.every(({ effect }) => effect === "Allow") ? [arn] : [];
      }),
    );
    return !harmless.has(policyArn);
  };
}

/** Policies in JSON that grant nothing. */
const GRANTS_NOTHING = /lifecycle_policy|^aws_(appautoscaling|autoscaling|dlm|backup_plan)/;

/** What changes access, and nobody can compare before the apply. */
function unclear({ address, type, change }: ResourceChange, isConfigured: Plan["isConfigured"]): Finding[] {
  const { before, after, afterUnknown, beforeSensitive, afterSensitive } = change;
  const found: Finding[] = [];
  const say = (risk: Finding["risk"], ...text: Phrase) =>
    found.push({ direction: "unclear", risk, addresses: [address], text });
  const isPolicyAttribute = (key: string) =>
    POLICY_ATTRIBUTE.test(key) || (key === "content" && type === "aws_organizations_policy");

  const look = (
    key: string,
    a: Json | undefined,
    b: Json | undefined,
    later: Mask,
    secret: boolean,
    path: readonly string[],
  ) => {
    if (later === true) {
      const was = typeof a === "string" ? parseDocument(a) : undefined;
      // What the configuration leaves open, the provider computes: a bucket's own `policy`, say.
      const computed = path.length === 1 && isConfigured(address, key) === false;
      if (isPolicy(was) || (isPolicyAttribute(key) && !computed))
        say("access", "has a policy that is known only after the apply: ", code(key));
      return;
    }
    if (isObject(b) || isArray(b)) {
      for (const [name, element] of Object.entries(b)) {
        const old = isObject(a) || isArray(a) ? (a as JsonObject)[name] : undefined;
        const inner = isArray(b) ? key : name;
        look(inner, old, element, maskOf(later, isArray(b) ? Number(name) : name), secret, [...path, name]);
      }
      if (isObject(later))
        for (const name of Object.keys(later))
          if (!isObject(b) || !Object.hasOwn(b, name))
            look(name, undefined, undefined, later[name], secret, [...path, name]);
      return;
    }
    if (typeof b !== "string" || a === b || b === "") return;
    const document = parseDocument(b);
    if (isPolicy(document) && (secret || !readPolicy(document))) {
      const why = secret ? "that is marked sensitive" : "that this review does not understand";
      say("access", `changes a policy ${why}: `, code(key));
    } else if (
      document !== undefined &&
      !isPolicy(document) &&
      isPolicyAttribute(key) &&
      !GRANTS_NOTHING.test(type)
    ) {
      if (JSON.stringify(document) !== JSON.stringify(typeof a === "string" ? parseDocument(a) : undefined))
        say("access", "changes a policy that this review does not understand: ", code(key));
    } else if (document === undefined && isPolicyAttribute(key)) {
      say("access", "changes a policy that is no JSON document: ", code(key));
    }
  };

  if (!isObject(after)) {
    // What a policy that nobody may read denied, nobody knows.
    if (isObject(before) && kindOf(change.actions) === "delete")
      for (const [name, value] of Object.entries(before))
        if (typeof value === "string" && isPolicyAttribute(name) && hides(beforeSensitive, before, name))
          say("access", "deletes a policy that is marked sensitive: ", code(name));
    return found;
  }
  const unknown = isObject(afterUnknown) ? afterUnknown : {};
  for (const name of new Set([...Object.keys(after), ...Object.keys(unknown)])) {
    const [a, b] = [isObject(before) ? get(before, name) : undefined, get(after, name)];
    const secret = hides(beforeSensitive, before, name) || hides(afterSensitive, after, name);
    look(name, a, b, maskOf(afterUnknown, name), secret, [name]);
  }
  for (const { attribute, risk } of decisiveAttributes(type))
    if (maskOf(afterUnknown, attribute) === true && isConfigured(address, attribute) !== false)
      say(risk, "is decided only by the apply: ", code(attribute));
  return found;
}

/** A permissions boundary is the most that a role may be allowed: without it, it is allowed all that it is granted. */
function boundaryChange({ type, address, change }: ResourceChange): Finding[] {
  const { before, after, afterUnknown }: Change = change;
  if (!/^aws_iam_(role|user)$/.test(type) || !isObject(before) || !isObject(after)) return [];
  const later = maskOf(afterUnknown, "permissions_boundary") === true;
  const [old, now] = [before, after].map((values) => values.permissions_boundary || undefined);
  if (old === now && !later) return [];
  const say = (direction: Finding["direction"], text: Phrase): Finding[] => [
    { direction, risk: "access", addresses: [address], text },
  ];
  const named = code(later ? LATER : String(now));
  if (old === undefined) return say("narrows", ["sets a permissions boundary: ", named]);
  if (now === undefined && !later)
    return say("widens", ["lifts the permissions boundary: ", code(String(old))]);
  return say("unclear", ["changes the permissions boundary from ", code(String(old)), " to ", named]);
}

/** Whether any of an attribute is marked sensitive. */
function hides(mask: Mask, values: Json, name: string): boolean {
  if (hidesAll(mask, values)) return true;
  const marked = maskOf(mask, name);
  return marked !== undefined && JSON.stringify(marked).includes("true");
}
