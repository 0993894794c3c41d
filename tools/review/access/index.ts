import { get, hidesAll, isArray, isObject, maskOf } from "../masks";
import { code, codes, type Phrase } from "../phrase";
import type { Change, Json, JsonObject, Mask, Plan, ResourceChange } from "../plan";
import { parseDocument } from "../secrets";
import { type Fact, readAbsence, readFacts } from "./facts";
import { compareRules, LATER, type Rule, readRules, ruleSubject } from "./network";
import {
  type AccessChange,
  compareStatements,
  isPolicy,
  readPolicy,
  type Statement,
  type Terms,
} from "./policy";

/** A change of who may do what, or of who reaches what. */
export interface Finding {
  /** `unclear`: nobody can tell before the apply, so it counts as one that widens. */
  readonly direction: "widens" | "narrows" | "unclear";
  readonly risk: "access" | "network";
  /** Resources that it comes from. */
  readonly addresses: readonly string[];
  /** Continues the address: "allows …". */
  readonly text: Phrase;
}

/** Attributes that hold policies, where the value itself cannot tell. */
const POLICY_ATTRIBUTE =
  /^(policy|assume_role_policy|access_policy|access_policies|inline_policy|resource_policy)$/;

/** What of a resource names the thing that its policy is about: policies of one thing belong together. */
const SUBJECT: Readonly<Record<string, string>> = {
  aws_iam_role_policy: "role",
  aws_iam_user_policy: "user",
  aws_iam_group_policy: "group",
  aws_s3_bucket_policy: "bucket",
  aws_s3_bucket: "bucket",
  aws_s3_bucket_public_access_block: "bucket",
  aws_sqs_queue_policy: "queue_url",
  aws_sqs_queue: "url",
  aws_sns_topic_policy: "arn",
  aws_sns_topic: "arn",
  aws_kms_key_policy: "key_id",
  aws_kms_key: "key_id",
  aws_ecr_repository_policy: "repository",
  aws_secretsmanager_secret_policy: "secret_arn",
  aws_lambda_permission: "function_name",
};

/** What one side of the plan lets happen to one subject. */
interface Holdings {
  readonly statements: Statement[];
  readonly rules: Rule[];
  readonly facts: Map<string, Fact>;
}

interface Subject {
  readonly before: Holdings;
  readonly after: Holdings;
  /** Resources of it that change. */
  readonly addresses: Set<string>;
  /** Whether all that it was about is deleted with it. */
  gone: boolean;
}

/** What widens or narrows access in a plan, by meaning. */
export function findAccess(
  resources: readonly ResourceChange[],
  isConfigured: Plan["isConfigured"],
): readonly Finding[] {
  const managed = resources.filter(({ mode, change }) => mode === "managed" && isObjectEither(change));
  const deleted = namesOfDeleted(managed);
  const subjects = new Map<string, Subject>();
  const findings: Finding[] = [];

  for (const resource of managed) {
    const { address, type, change } = resource;
    const { before, after } = sides(change);
    const changed = change.actions.join() !== "no-op";
    const holder = new Holder(subjects, resource, deleted, changed && !after);
    if (before) holder.hold("before", type, before);
    if (after) holder.hold("after", type, after);
    if (before && !after) holder.holdFacts("after", readAbsence(type));
    if (!changed) continue;
    for (const found of boundaryChange(resource)) findings.push(found);
    for (const text of unclear(change, (attribute) => isConfigured(address, attribute)))
      findings.push({ direction: "unclear", risk: "access", addresses: [address], text });
  }
  for (const { before, after, addresses, gone } of subjects.values()) {
    if (gone || addresses.size === 0) continue;
    const from = [...addresses];
    for (const change of compareStatements(before.statements, after.statements))
      findings.push({
        direction: change.direction,
        risk: "access",
        addresses: from,
        text: tellChange(change),
      });
    for (const { direction, rule } of compareRules(before.rules, after.rules))
      findings.push({ direction, risk: "network", addresses: from, text: tellRule(rule, direction) });
    for (const [key, fact] of after.facts)
      if (!before.facts.has(key))
        findings.push({
          direction: "widens",
          risk: fact.risk,
          addresses: from,
          text: tellFact(fact, "gained"),
        });
    for (const [key, fact] of before.facts)
      if (!after.facts.has(key))
        findings.push({
          direction: "narrows",
          risk: fact.risk,
          addresses: from,
          text: tellFact(fact, "lost"),
        });
  }
  return findings;
}

const isObjectEither = ({ before, after }: Change) => isObject(before) || isObject(after);

/** What is there before, and after. What Terraform forgets stays as it is. */
function sides({ actions, before, after }: Change): { before?: JsonObject; after?: JsonObject } {
  const old = isObject(before) ? before : undefined;
  if (isObject(after)) return { before: old, after };
  return { before: old, after: actions.includes("forget") ? old : undefined };
}

/** By what names others know the things that this plan deletes for good. */
function namesOfDeleted(resources: readonly ResourceChange[]): ReadonlySet<string> {
  const names = new Set<string>();
  for (const { type, change } of resources) {
    if (change.actions.join() !== "delete" || !isObject(change.before)) continue;
    // A policy bears the name of what it is about.
    if (/_policy$|_permission$|_rule$|_access_block$|_attachment$/.test(type)) continue;
    for (const key of ["id", "arn", "name", "bucket", "url", "key_id", "function_name"]) {
      const value = get(change.before, key);
      if (typeof value === "string" && value) names.add(value);
    }
  }
  return names;
}

/** Puts what a resource holds to its subjects. */
class Holder {
  constructor(
    private readonly subjects: Map<string, Subject>,
    private readonly resource: ResourceChange,
    private readonly deleted: ReadonlySet<string>,
    private readonly vanishes: boolean,
  ) {}

  hold(side: "before" | "after", type: string, values: JsonObject): void {
    for (const { path, document } of policies(values, this.mask(side))) {
      const statements = readPolicy(document);
      if (statements) this.subject(side, path).statements.push(...statements);
    }
    if (type === "aws_lambda_permission")
      this.subject(side, "").statements.push(permission(values, this.resource.change, side));
    const rules = readRules(type, values);
    if (rules) {
      const { before, after } = this.resource.change;
      const subject =
        ruleSubject(type, values) ??
        [before, after].map((other) => isObject(other) && ruleSubject(type, other)).find(Boolean);
      this.subject(side, "", subject || undefined).rules.push(...rules);
    }
    this.holdFacts(side, readFacts(type, values));
  }

  holdFacts(side: "before" | "after", facts: readonly Fact[]): void {
    for (const fact of facts) {
      // What joins two things is the same wherever it is written.
      const joins = fact.about.includes("⇢") && !fact.about.includes(LATER);
      const { facts: known } = this.subject(side, "", joins ? fact.about : undefined);
      known.set(`${fact.gained} ${fact.about}`, fact);
    }
  }

  private mask(side: "before" | "after"): Mask {
    const { beforeSensitive, afterSensitive } = this.resource.change;
    return side === "before" ? beforeSensitive : afterSensitive;
  }

  private subject(side: "before" | "after", path: string, name = this.name(path)): Holdings {
    const { address, deposed = "", change } = this.resource;
    const own = `${address} ${deposed} ${path}`;
    const key = name === undefined ? own : `named ${name}`;
    let subject = this.subjects.get(key);
    if (!subject) {
      const holdings = () => ({ statements: [], rules: [], facts: new Map() });
      subject = { before: holdings(), after: holdings(), addresses: new Set(), gone: true };
      this.subjects.set(key, subject);
    }
    if (change.actions.join() !== "no-op") subject.addresses.add(address);
    // With what a policy was about, nobody is left to be let in.
    if (!this.vanishes || (name !== undefined && !this.deleted.has(name))) subject.gone = false;
    return subject[side];
  }

  /** Either side's name: the new one may be known only after the apply. */
  private name(path: string): string | undefined {
    const key = Object.hasOwn(SUBJECT, this.resource.type) ? SUBJECT[this.resource.type]! : undefined;
    if (!key || (path && !POLICY_ATTRIBUTE.test(path))) return undefined;
    const { before, after } = this.resource.change;
    const found = [before, after].map((values) => isObject(values) && get(values, key)).find(Boolean);
    return typeof found === "string" ? found : undefined;
  }
}

interface PolicyAt {
  /** Attribute that holds it. */
  readonly path: string;
  readonly document: JsonObject;
}

/** Policies among the texts of a value, whatever the resource; what is marked sensitive stays shut. */
function policies(values: JsonObject, mask: Mask): PolicyAt[] {
  const found: PolicyAt[] = [];
  const look = (value: Json, marked: Mask, path: string) => {
    if (hidesAll(marked, value)) return;
    if (typeof value === "string") {
      if (!value.includes('"Statement"')) return;
      const document = parseDocument(value);
      if (isPolicy(document)) found.push({ path, document });
    } else if (isArray(value)) {
      for (const [index, element] of value.entries())
        look(element, maskOf(marked, index), `${path}[${index}]`);
    } else if (isObject(value)) {
      for (const [key, element] of Object.entries(value))
        look(element, maskOf(marked, key), path ? `${path}.${key}` : key);
    }
  };
  look(values, mask, "");
  return found;
}

/** `aws_lambda_permission` is a statement of the function's policy. */
function permission(values: JsonObject, change: Change, side: "before" | "after"): Statement {
  const principal = String(values.principal ?? LATER);
  const named = /^\d{12}$/.test(principal)
    ? `AWS:arn:aws:iam::${principal}:root`
    : `${principal.startsWith("arn:") ? "AWS" : "Service"}:${principal}`;
  const conditions = (
    [
      ["source_arn", "ArnLike", "AWS:SourceArn"],
      ["source_account", "StringEquals", "AWS:SourceAccount"],
      ["principal_org_id", "StringEquals", "aws:PrincipalOrgID"],
      ["event_source_token", "StringEquals", "lambda:EventSourceToken"],
      ["function_url_auth_type", "StringEquals", "lambda:FunctionUrlAuthType"],
    ] as const
  ).flatMap(([attribute, operator, key]) => {
    const later =
      side === "after" && isObject(change.afterUnknown) && change.afterUnknown[attribute] === true;
    const value = later ? LATER : values[attribute];
    if (typeof value !== "string" || value === "") return [];
    return [
      {
        operator: operator.toLowerCase(),
        key: key.toLowerCase(),
        values: [value],
        text: `${operator} ${key} = ${value}`,
      },
    ];
  });
  return {
    effect: "Allow",
    principals: { not: false, of: [principal === "*" ? "*" : named] },
    actions: { not: false, of: [String(values.action ?? LATER)] },
    resources: { not: false, of: ["*"] },
    conditions,
    variables: false,
  };
}

/** Policies that change and that nobody can compare. */
function unclear(change: Change, isConfigured: (attribute: string) => boolean | undefined): Phrase[] {
  const { before, after, afterUnknown, beforeSensitive, afterSensitive } = change;
  const found: Phrase[] = [];
  const look = (
    key: string,
    a: Json | undefined,
    b: Json | undefined,
    later: Mask,
    secret: boolean,
    top: string,
  ) => {
    if (later === true) {
      // What the configuration leaves open, the provider computes: a bucket's own `policy`, say.
      if (POLICY_ATTRIBUTE.test(key) && isConfigured(top) !== false)
        found.push(["has a policy that is known only after the apply: ", code(key)]);
      return;
    }
    if (isObject(b) || isArray(b)) {
      for (const [name, element] of Object.entries(b)) {
        const old = isObject(a) || isArray(a) ? (a as JsonObject)[name] : undefined;
        const index = isArray(b) ? Number(name) : name;
        look(isArray(b) ? key : name, old, element, maskOf(later, index), secret, top || name);
      }
      if (isObject(later))
        for (const name of Object.keys(later))
          if (!isObject(b) || !Object.hasOwn(b, name))
            look(name, undefined, undefined, later[name], secret, top || name);
      return;
    }
    if (typeof b !== "string" || a === b || b === "") return;
    const document = parseDocument(b);
    if (isPolicy(document) && (secret || !readPolicy(document))) {
      const why = secret ? "that is marked sensitive" : "that this review does not understand";
      found.push([`changes a policy ${why}: `, code(key)]);
    } else if (document === undefined && POLICY_ATTRIBUTE.test(key)) {
      found.push(["changes a policy that is no JSON document: ", code(key)]);
    }
  };
  if (!isObject(after)) return [];
  for (const name of new Set([
    ...Object.keys(after),
    ...Object.keys(isObject(afterUnknown) ? afterUnknown : {}),
  ])) {
    const [a, b] = [isObject(before) ? get(before, name) : undefined, get(after, name)];
    const secret = hides(beforeSensitive, before, name) || hides(afterSensitive, after, name);
    look(name, a, b, maskOf(afterUnknown, name), secret, name);
  }
  return found;
}

/** A permissions boundary is the most that a role may be allowed: without it, it is allowed all that it is granted. */
function boundaryChange({ type, address, change }: ResourceChange): Finding[] {
  const { before, after, afterUnknown } = change;
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

function tellTerms({ not, of }: Terms): Phrase {
  return not ? ["all but ", ...codes(of)] : codes(of);
}

function tellPrincipals({ not, of }: Terms): Phrase {
  const names = of.filter((name) => name !== "*").map((name) => name.replace(/^(AWS|Service):/, ""));
  const anybody = of.includes("*") ? ["anybody"] : [];
  return [
    ...(not ? ["all but "] : []),
    ...anybody,
    ...(anybody.length && names.length ? [", "] : []),
    ...codes(names),
  ];
}

function tellChange(change: AccessChange): Phrase {
  const { direction, effect, actions, resources, principals, conditions, conditionsChanged } = change;
  const widens = direction === "widens";
  // Where a condition alone came or went, what it is about stays.
  const verbs =
    conditionsChanged.length > 0
      ? { Allow: "allows ", Deny: "denies " }
      : widens
        ? { Allow: "allows ", Deny: "no longer denies " }
        : { Allow: "no longer allows ", Deny: "now denies " };
  const everywhere = !resources.not && resources.of.join() === "*";
  const rest = conditions.filter((condition) => !conditionsChanged.includes(condition));
  return [
    verbs[effect],
    ...tellTerms(actions),
    ...(everywhere && principals ? [] : [" on ", ...tellTerms(resources)]),
    ...(principals ? [" to ", ...tellPrincipals(principals)] : []),
    ...(rest.length ? [" if ", ...codes(rest)] : []),
    ...(conditionsChanged.length
      ? [
          (effect === "Allow") === widens ? ", and no longer only if " : ", now only if ",
          ...codes(conditionsChanged),
        ]
      : []),
  ];
}

function tellRule(rule: Rule, direction: "widens" | "narrows"): Phrase {
  const opens = rule.effect === "Allow" ? direction === "widens" : direction === "narrows";
  const verb =
    rule.effect === "Allow" ? (opens ? "opens " : "closes ") : opens ? "stops " : "no longer stops ";
  const { protocol, fromPort, toPort, peer } = rule;
  const everything = fromPort === 0 && toPort === 65535;
  const ports = everything ? "" : fromPort === toPort ? ` ${fromPort}` : ` ${fromPort}-${toPort}`;
  const what = protocol === "-1" ? "everything" : `${protocol}${ports}`;
  return [verb, code(what), rule.direction === "ingress" ? " from " : " to ", code(peer)];
}

const tellFact = (fact: Fact, which: "gained" | "lost"): Phrase => [`${fact[which]} `, code(fact.about)];
