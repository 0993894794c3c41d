import { isPolicy, readPolicy, type Statement } from "../../review/access/policy";
import type { Json } from "../../review/plan";
import { type Context, glob, meets } from "./conditions";

/** Who asks: a session of a role, a service, or the root of an account. */
export interface Principal {
  /** Of the session, where it is one of a role: `arn:aws:sts::…:assumed-role/NAME/SESSION`. */
  readonly arn: string;
  /** What policies name it by: the role's ARN, the account root's, or `codebuild.amazonaws.com`. */
  readonly name: string;
  /** @default - it is a service, which belongs to none */
  readonly account?: string;
}

/** One action on one resource, with what the request tells of both. */
export interface Asked {
  /** As `s3:GetObject`. */
  readonly action: string;
  /** Its ARN; "*" where AWS has none for the action. */
  readonly resource: string;
  /** The account that the resource belongs to. */
  readonly account: string;
  readonly context: Context;
}

/** All that says something of a request. An empty list allows nothing; what is undefined limits nothing. */
export interface Policies {
  readonly identity: readonly Statement[];
  readonly boundary?: readonly Statement[];
  readonly session?: readonly Statement[];
  /** On the resource itself. @default - it carries none */
  readonly resource?: readonly Statement[];
  /** Whether nobody may do anything but by the resource's own policy, as of keys and of taking on roles. @default false */
  readonly resourceDecides?: boolean;
}

/** How a resource's policy lets somebody in: the account has to hand on what it was given. */
type Grant = "session" | "principal" | "account";

const EVERYTHING = { not: false, of: ["*"] };

/** What is not to be understood denies everything: nothing is guessed. */
const BROKEN: Statement = {
  effect: "Deny",
  actions: EVERYTHING,
  resources: EVERYTHING,
  principals: EVERYTHING,
  conditions: [],
  variables: false,
};

/** Statements of a policy's text. */
export function readStatements(policy: string, tell?: (word: string) => void): readonly Statement[] {
  const statements = parsed(policy);
  if (statements) return statements;
  tell?.(`a policy that cannot be read denies everything: ${policy.slice(0, 200)}`);
  return [BROKEN];
}

function parsed(policy: string): readonly Statement[] | undefined {
  try {
    const document = JSON.parse(policy) as Json;
    return isPolicy(document) ? readPolicy(document) : undefined;
  } catch {
    return undefined;
  }
}

/**
 * Why a request is refused, in AWS's words, or undefined where it is allowed: the evaluation logic of the IAM user
 * guide, within one account and across two.
 */
export function refusalOf(
  asked: Asked,
  principal: Principal,
  policies: Policies,
  tell?: (word: string) => void,
): string | undefined {
  const { identity, boundary, session, resource = [], resourceDecides = false } = policies;
  const says = (statements: readonly Statement[], effect: Statement["effect"]) =>
    statements.some((statement) => statement.effect === effect && concerns(statement, asked, tell));
  const denying = [
    ["an identity-based policy", identity],
    ["a permissions boundary", boundary ?? []],
    ["a session policy", session ?? []],
    [
      "a resource-based policy",
      resource.filter((one) => one.effect === "Deny" && names(one, principal) !== undefined),
    ],
  ] as const;
  for (const [kind, statements] of denying)
    if (says(statements, "Deny")) return `with an explicit deny in ${kind}`;

  const grants = resource
    .filter(({ effect }) => effect === "Allow")
    .flatMap((statement) => {
      const grant = names(statement, principal);
      return grant && concerns(statement, asked, tell) ? grant : [];
    });
  const none = (kind: string) => `because no ${kind} allows the ${asked.action} action`;
  const own = principal.account === undefined || principal.account === asked.account;
  // Who is named as a session needs nothing else; who is named as a role still stays within what limits it.
  if (own && grants.includes("session")) return undefined;
  if (boundary && !says(boundary, "Allow")) return none("permissions boundary");
  if (session && !says(session, "Allow")) return none("session policy");
  if (own && grants.includes("principal")) return undefined;
  if ((resourceDecides || !own) && !grants.length) return none("resource-based policy");
  return says(identity, "Allow") ? undefined : none("identity-based policy");
}

function concerns(statement: Statement, asked: Asked, tell?: (word: string) => void): boolean {
  const { effect, variables, actions, resources, conditions } = statement;
  const context = variables ? asked.context : undefined;
  const action = asked.action.toLowerCase();
  return (
    actions.of.some((pattern) => glob(pattern.toLowerCase(), action)) !== actions.not &&
    resources.of.some((pattern) => glob(pattern, asked.resource, context)) !== resources.not &&
    conditions.every((condition) => meets(condition, asked.context, { effect, variables, tell }))
  );
}

/** As whom a statement of a resource's policy means somebody, if it does. */
function names({ effect, principals }: Statement, { arn, name, account }: Principal): Grant | undefined {
  if (!principals) return undefined;
  const { of: named, not } = principals;
  const root = account && `AWS:arn:aws:iam::${account}:root`;
  if (not) {
    const own = account ? [root!, `AWS:${name}`, `AWS:${arn}`] : [`Service:${name}`];
    // AWS exempts from a Deny only whose account, role and session are all named.
    const exempted = (one: string) => named.includes(one) || named.includes("*");
    return (effect === "Deny" ? own.every(exempted) : own.some(exempted)) ? undefined : "principal";
  }
  if (named.includes("*")) return "principal";
  if (!account) return named.includes(`Service:${name}`) ? "principal" : undefined;
  if (arn !== name && named.includes(`AWS:${arn}`)) return "session";
  if (name !== `arn:aws:iam::${account}:root` && named.includes(`AWS:${name}`)) return "principal";
  return named.includes(root!) ? "account" : undefined;
}
