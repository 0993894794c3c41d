import { type Kind, kindOf } from "../kind";
import { get, hidesAll, isArray, isObject, maskOf } from "../masks";
import type { Change, Json, JsonObject, Mask, Plan, ResourceChange } from "../plan";
import { parseDocument } from "../secrets";
import { type Fact, readAbsence, readFacts } from "./facts";
import { LATER, type Rule, readRules, ruleSubject } from "./network";
import { isPolicy, readPolicy, type Statement } from "./policy";

/**
 * What of a resource names the thing that its policy is about: policies of one thing belong together, whichever
 * resource holds them.
 */
const SUBJECT: Readonly<Record<string, readonly [kind: string, attribute: string]>> = {
  aws_iam_role: ["role", "name"],
  aws_iam_role_policy: ["role", "role"],
  aws_iam_user_policy: ["user", "user"],
  aws_iam_group_policy: ["group", "group"],
  aws_s3_bucket_policy: ["bucket", "bucket"],
  aws_s3_bucket: ["bucket", "bucket"],
  aws_s3_bucket_public_access_block: ["bucket", "bucket"],
  aws_s3_account_public_access_block: ["account", "account_id"],
  aws_sqs_queue_policy: ["queue", "queue_url"],
  aws_sqs_queue: ["queue", "url"],
  aws_sns_topic_policy: ["topic", "arn"],
  aws_sns_topic: ["topic", "arn"],
  aws_kms_key_policy: ["key", "key_id"],
  aws_kms_key: ["key", "key_id"],
  aws_ecr_repository_policy: ["repository", "repository"],
  aws_secretsmanager_secret_policy: ["secret", "secret_arn"],
  aws_lambda_permission: ["function", "function_name"],
  aws_organizations_policy_attachment: ["target", "target_id"],
};

/** Owners that a type's own name does not begin with. */
const OWNERS: Readonly<Record<string, readonly string[]>> = {
  aws_lambda_permission: ["aws_lambda_function"],
  aws_vpc_security_group_ingress_rule: ["aws_security_group"],
  aws_vpc_security_group_egress_rule: ["aws_security_group"],
  aws_dynamodb_resource_policy: ["aws_dynamodb_table"],
  aws_s3control_access_point_policy: ["aws_s3_access_point"],
};

/** Types that only say something of another thing: with them, that does not go. */
const SAYS_OF_OTHERS =
  /_(polic(y|ies)|permissions?|attachments?(_exclusive)?|access_block|rule|assignment|grant)$/;

/** Types that are such things themselves. */
const STANDS_ALONE = /^aws_(iam|organizations)_policy$/;

/** Attributes that providers fill in with what other resources do. */
const ECHOES: ReadonlySet<string> = new Set([
  "policy",
  "inline_policy",
  "managed_policy_arns",
  "ingress",
  "egress",
  "grant",
  "acl",
]);

/** What one side of the plan lets happen to one subject. */
export interface Holdings {
  readonly statements: Statement[];
  readonly rules: Rule[];
  readonly facts: Map<string, Fact>;
}

/** One thing that policies, rules and facts are about. */
export interface Subject {
  readonly before: Holdings;
  readonly after: Holdings;
  /**
   * What providers read back of it, in attributes that nobody configured (a bucket's own `policy`): the work of other
   * resources. After the plan it is out of date, so it counts only where no other resource held anything before.
   */
  readonly echo: Holdings;
  /** Resources of it that change. */
  readonly addresses: Set<string>;
  /** Whether all that it was about is deleted with it. */
  gone: boolean;
}

type Side = "before" | "after" | "echo";
type Held = Statement | Rule | Fact;

export interface SubjectsProps {
  /** Whether an attribute is only read back. */
  readonly isEcho: (address: string, attribute: string) => boolean;
  readonly providerOf: Plan["providerOf"];
}

/** All subjects of some resources, each with what is held of it before and after. */
export class Subjects {
  private readonly byKey = new Map<string, Subject>();
  private readonly holders = new Map<Held, string>();
  private readonly deleted: ReadonlyMap<string, ReadonlySet<string>>;
  private readonly replaced: ReadonlyMap<string, ReadonlySet<string>>;

  constructor(
    resources: readonly ResourceChange[],
    private readonly props: SubjectsProps,
  ) {
    this.deleted = namesOf(resources, "delete");
    this.replaced = namesOf(resources, "replace");
    for (const resource of resources) this.add(resource);
  }

  all(): Iterable<Subject> {
    return this.byKey.values();
  }

  /** Whose a statement, rule or fact is. */
  addressOf(held: Held): string | undefined {
    return this.holders.get(held);
  }

  private add(resource: ResourceChange): void {
    const { address, type, change } = resource;
    const { before, after, stays } = sides(change);
    const [echo, old, now] = apart(before, after, (attribute) => this.props.isEcho(address, attribute));
    if (echo) this.hold(resource, "echo", echo);
    if (old) this.hold(resource, "before", old);
    if (now) this.hold(resource, "after", now);
    if (stays) this.hold(resource, "after", stays);
    // What guarded something and does so no longer: by going, or by guarding something else.
    const moved = before && after && this.keyOf(resource, "before", "") !== this.keyOf(resource, "after", "");
    if (before && !stays && (!after || moved)) this.holdFacts(resource, "before", "after", readAbsence(type));
  }

  private hold(resource: ResourceChange, side: Side, values: JsonObject): void {
    const { type, change } = resource;
    const mask = side === "after" ? change.afterSensitive : change.beforeSensitive;
    const later = side === "after" ? this.laterOf(resource) : undefined;
    for (const { path, document } of policies(values, mask)) {
      const statements = readPolicy(document);
      if (statements) this.keep(resource, this.subject(resource, side, path)[side].statements, statements);
    }
    if (type === "aws_lambda_permission")
      this.keep(resource, this.subject(resource, side, "")[side].statements, [permission(values, later)]);
    const rules = readRules(type, values, later);
    if (rules) this.keep(resource, this.subject(resource, side, "")[side].rules, rules);
    this.holdFacts(resource, side, side, readFacts(type, values));
  }

  /** Marks of what is not known yet; what providers read back is never known before, and nobody's to know. */
  private laterOf({ address, change: { afterUnknown } }: ResourceChange): Mask {
    if (!isObject(afterUnknown)) return afterUnknown;
    const own = Object.entries(afterUnknown).filter(
      ([name]) => !(ECHOES.has(name) && this.props.isEcho(address, name)),
    );
    return Object.fromEntries(own);
  }

  private keep<T extends Held>({ address }: ResourceChange, into: T[], held: readonly T[]): void {
    for (const one of held) {
      into.push(one);
      this.holders.set(one, address);
    }
  }

  /** @param named the side that names the subject */
  private holdFacts(resource: ResourceChange, named: Side, side: Side, facts: readonly Fact[]): void {
    for (const fact of facts) {
      // What joins two things is the same wherever it is written.
      const joins = fact.about.includes("⇢") && !fact.about.includes(LATER);
      const subject = joins
        ? this.subjectAt(
            resource,
            `joined ${this.provider(resource)} ${fact.about}`,
            this.isOwnerGone(resource),
          )
        : this.subject(resource, named, "");
      subject[side].facts.set(`${fact.gained} ${fact.about}`, fact);
      this.holders.set(fact, resource.address);
    }
  }

  private subject(resource: ResourceChange, side: Side, path: string): Subject {
    return this.subjectAt(resource, this.keyOf(resource, side, path), this.isGone(resource));
  }

  private subjectAt({ address, change }: ResourceChange, key: string, gone: boolean): Subject {
    let subject = this.byKey.get(key);
    if (!subject) {
      const none = (): Holdings => ({ statements: [], rules: [], facts: new Map() });
      subject = { before: none(), after: none(), echo: none(), addresses: new Set(), gone: true };
      this.byKey.set(key, subject);
    }
    if (kindOf(change.actions) !== "no-op") subject.addresses.add(address);
    if (!gone) subject.gone = false;
    return subject;
  }

  /** Names a side's subject by that side's own values: a policy that moves to another role is another's. */
  private keyOf(resource: ResourceChange, side: Side, path: string): string {
    const { address, deposed = "", type, change } = resource;
    const own = `${address} ${deposed} ${path}`;
    if (path && !POLICY_ATTRIBUTE.test(/^\w+/.exec(path)![0])) return own;
    // Who may take a role on is another matter than what it may do then.
    if (path === "assume_role_policy") return own;
    const old = nameIn(type, change.before);
    const name = side !== "after" ? old : nameIn(type, change.after);
    if (name) return `${this.provider(resource)} ${name.join(" ")}`;
    // Its name is known only later: of what is replaced, it is the old one's successor.
    if (side === "after" && old && this.isOf(this.replaced, resource))
      return `${this.provider(resource)} ${old.join(" ")}`;
    return own;
  }

  private provider({ address }: ResourceChange): string {
    return this.props.providerOf(address) ?? "";
  }

  /** Whether with a resource all goes that it was about. */
  private isGone(resource: ResourceChange): boolean {
    const { type, change } = resource;
    if (kindOf(change.actions) !== "delete") return false;
    return this.isOwnerGone(resource) || STANDS_ALONE.test(type) || !SAYS_OF_OTHERS.test(type);
  }

  private isOwnerGone(resource: ResourceChange): boolean {
    return kindOf(resource.change.actions) === "delete" && this.isOf(this.deleted, resource);
  }

  /** Whether one of the things is what a resource says something of: by its type and by its name. */
  private isOf(things: ReadonlyMap<string, ReadonlySet<string>>, { type, change }: ResourceChange): boolean {
    if (!isObject(change.before)) return false;
    const texts = Object.values(change.before).filter((value) => typeof value === "string" && value !== "");
    for (const [owner, names] of things) {
      const owns = Object.hasOwn(OWNERS, type) ? OWNERS[type]!.includes(owner) : type.startsWith(`${owner}_`);
      if (owns && texts.some((text) => names.has(text as string))) return true;
    }
    return false;
  }
}

/** Attributes that hold policies, where the value itself cannot tell. */
export const POLICY_ATTRIBUTE =
  /^(policy|policies|policy_document|policy_json|assume_role_policy|access_policy|access_policies|inline_policy|resource_policy|key_policy|repository_policy|bucket_policy)$/;

const HOLDS_RULES = /^aws_(default_|vpc_)?(security_group|network_acl)/;

function nameIn(type: string, values: Json): readonly [kind: string, name: string] | undefined {
  if (!isObject(values)) return undefined;
  const group = HOLDS_RULES.test(type) ? ruleSubject(type, values) : undefined;
  if (group) return ["rules", group];
  if (!Object.hasOwn(SUBJECT, type)) return undefined;
  const [kind, attribute] = SUBJECT[type]!;
  const name = get(values, attribute);
  return typeof name === "string" && name ? [kind, name] : undefined;
}

/** By type, what names others know the things by that this happens to. */
function namesOf(resources: readonly ResourceChange[], kind: Kind): ReadonlyMap<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  for (const { type, change } of resources) {
    if (kindOf(change.actions) !== kind || !isObject(change.before)) continue;
    const known = names.get(type) ?? new Set();
    names.set(type, known);
    for (const key of ["id", "arn", "name", "bucket", "url", "key_id", "function_name", "domain_name"]) {
      const value = get(change.before, key);
      if (typeof value === "string" && value) known.add(value);
    }
  }
  return names;
}

/** What is there before, and after. What Terraform forgets stays as it is, beside what it makes. */
function sides({ actions, before, after, afterUnknown }: Change) {
  const old = isObject(before) ? before : undefined;
  const stays = actions.includes("forget") ? old : undefined;
  if (!isObject(after)) return { before: old, stays };
  // Of what nobody knows yet, the old stands in: it is told as unclear, not as lost.
  const unknown = Object.entries(isObject(afterUnknown) ? afterUnknown : {})
    .filter(([name, later]) => later === true && ECHOES.has(name) && old && Object.hasOwn(old, name))
    .map(([name]) => [name, old![name]!] as const);
  return { before: old, after: { ...after, ...Object.fromEntries(unknown) }, stays };
}

/** Both sides without what is an echo, which stays the same on both, and that by itself. */
function apart(
  before: JsonObject | undefined,
  after: JsonObject | undefined,
  isEcho: (attribute: string) => boolean,
): [echo?: JsonObject, before?: JsonObject, after?: JsonObject] {
  if (!before || !after) return [undefined, before, after];
  const names = Object.keys(before).filter(
    (name) =>
      ECHOES.has(name) && isEcho(name) && JSON.stringify(before[name]) === JSON.stringify(after[name]),
  );
  if (names.length === 0) return [undefined, before, after];
  const without = (values: JsonObject): JsonObject =>
    Object.fromEntries(Object.entries(values).filter(([name]) => !names.includes(name)));
  const echo = Object.entries(before).filter(([name]) => !ECHOES.has(name) || names.includes(name));
  return [Object.fromEntries(echo), without(before), without(after)];
}

interface PolicyAt {
  /** Attribute that holds it. */
  readonly path: string;
  readonly document: JsonObject;
}

/** Whether a policy may be in a value: any letter of the word may be written as an escape. */
const mayHold = (value: Json) =>
  typeof value === "string"
    ? value.includes("Statement") || value.includes("\\u")
    : typeof value === "object" && value !== null;

/** Policies among the texts of a value, whatever the resource; what is marked sensitive stays shut. */
function policies(values: JsonObject, mask: Mask): PolicyAt[] {
  const found: PolicyAt[] = [];
  const look = (value: Json, marked: Mask, path: string) => {
    if (hidesAll(marked, value)) return;
    if (typeof value === "string") {
      const document = parseDocument(value);
      if (isPolicy(document)) found.push({ path, document });
    } else if (isArray(value)) {
      for (let index = 0; index < value.length; index++)
        if (mayHold(value[index]!)) look(value[index]!, maskOf(marked, index), `${path}[${index}]`);
    } else if (isObject(value)) {
      for (const key of Object.keys(value))
        if (mayHold(value[key]!)) look(value[key]!, maskOf(marked, key), path ? `${path}.${key}` : key);
    }
  };
  look(values, mask, "");
  return found;
}

/** `aws_lambda_permission` is a statement of the policy of a function, a version or an alias. */
function permission(values: JsonObject, later: Mask): Statement {
  const given = (attribute: string) =>
    maskOf(later, attribute) === true ? LATER : (get(values, attribute) ?? undefined);
  const principal = String(given("principal") ?? LATER);
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
    const value = given(attribute);
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
  const qualifier = given("qualifier");
  return {
    effect: "Allow",
    principals: { not: false, of: [principal === "*" ? "*" : named] },
    actions: { not: false, of: [String(given("action") ?? LATER)] },
    resources: { not: false, of: [qualifier ? `:${qualifier}` : "the function itself"] },
    conditions,
    variables: false,
  };
}
