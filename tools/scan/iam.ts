import type { Finding } from "./finding";

// Who may do more than the rules below let them, and why: by type of resource and construct. A new entry is a decision:
// it belongs into the change's description.

/** Whose policies may allow every action of a service. */
export const EVERY_ACTION: Readonly<Record<string, string>> = {
  "aws_iam_policy boundary": "caps what roles are granted elsewhere, and grants nothing",
};

/** Whose policies may name every resource. */
export const EVERY_RESOURCE: Readonly<Record<string, string>> = {
  "aws_iam_policy boundary": "caps what roles are granted elsewhere, and grants nothing",
  "aws_iam_role_policy plan-role": "reads what has no name of its own; the account is the environment's",
  "aws_iam_role_policy deploy-role": "makes what has no name of its own (VPC parts, keys) as well",
};

/** Actions that anybody may be allowed on every resource, because there is no narrower one. */
export const WITHOUT_RESOURCE: Readonly<Record<string, string>> = {
  "cloudwatch:DescribeAlarms": "describes all",
  "codepipeline:ListPipelines": "lists all",
  "codestar-connections:ListConnections": "lists all",
  "codedeploy:BatchGetDeploymentTargets": "names deployments by ids that AWS gives",
  "codedeploy:ContinueDeployment": "names deployments by ids that AWS gives",
  "codedeploy:ListDeploymentTargets": "names deployments by ids that AWS gives",
  "codedeploy:PutLifecycleEventHookExecutionStatus":
    "answers to an id that CodeDeploy told that function alone",
  "codedeploy:StopDeployment": "names deployments by ids that AWS gives",
  "codestar-connections:CreateConnection": "makes what has no name yet",
  "ec2:AssignPrivateIpAddresses": "is Lambda's, for functions in a VPC; denied to the functions themselves",
  "ec2:CreateNetworkInterface": "is Lambda's, for functions in a VPC; denied to the functions themselves",
  "ec2:DeleteNetworkInterface": "is Lambda's, for functions in a VPC; denied to the functions themselves",
  "ec2:DescribeNetworkInterfaces": "describes all",
  "ec2:DescribeSubnets": "describes all",
  "ec2:UnassignPrivateIpAddresses": "is Lambda's, for functions in a VPC; denied to the functions themselves",
  "ecr:GetAuthorizationToken": "is about the registry",
  "ecs:DescribeTaskDefinition": "describes all",
  "elasticloadbalancing:DescribeListeners": "describes all",
  "elasticloadbalancing:DescribeRules": "describes all",
  "elasticloadbalancing:DescribeTargetGroups": "describes all",
  "kms:CreateKey": "makes what has no name yet",
  "kms:ListAliases": "lists all",
  "lambda:CreateEventSourceMapping": "names a mapping by an id that AWS gives",
  "lambda:DeleteEventSourceMapping": "names a mapping by an id that AWS gives",
  "lambda:GetEventSourceMapping": "names a mapping by an id that AWS gives",
  "lambda:UpdateEventSourceMapping": "names a mapping by an id that AWS gives",
  "lambda:GetCodeSigningConfig": "names a configuration by an id that AWS gives",
  "logs:DescribeLogGroups": "lists all",
  "secretsmanager:ListSecrets": "lists all",
  "ssmmessages:CreateControlChannel": "is about the task itself",
  "ssmmessages:CreateDataChannel": "is about the task itself",
  "ssmmessages:OpenControlChannel": "is about the task itself",
  "ssmmessages:OpenDataChannel": "is about the task itself",
  "xray:PutTelemetryRecords": "is about the account",
  "xray:PutTraceSegments": "is about the account",
};

/** Types whose policy is about the resource that carries it: there "*" is that resource. */
const ABOUT_ITSELF = new Set(["aws_kms_key"]);

/** Lambda sends no account when it takes on a function's role. */
const SENDS_NO_ACCOUNT = new Set(["lambda.amazonaws.com"]);

/** The most that IAM takes, in characters; white space does not count. */
const LARGEST = { role: 10_240, policy: 6_144, trust: 2_048 } as const;

interface Statement {
  readonly Effect: string;
  readonly Action?: string | readonly string[];
  readonly Resource?: string | readonly string[];
  readonly Principal?: "*" | Readonly<Record<string, string | readonly string[]>>;
  readonly Condition?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** What the JSON of a synthesized stack holds of resources: by type and id. */
export interface StackResources {
  readonly resource?: Readonly<Record<string, Readonly<Record<string, Readonly<Record<string, unknown>>>>>>;
}

/** A text in a resource. */
interface Attribute {
  /** Path of the construct, as `dev/function-hello/role/policy`. */
  readonly where: string;
  /** Terraform's type of the resource. */
  readonly type: string;
  readonly id: string;
  readonly name: string;
  readonly text: string;
  /** The role that it is, or belongs to. */
  readonly role: string;
}

/** A policy in a synthesized stack. */
export interface Policy extends Attribute {
  readonly statements: readonly Statement[];
}

/** What a synthesized stack allows beyond what the rules let it, and what IAM would not take. */
export function iamFindings(stack: string, content: StackResources): Finding[] {
  const attributes = attributesOf(stack, content);
  const policies = attributes.flatMap(asPolicy);
  return [
    ...attributes.flatMap(notReadable),
    ...attributes.flatMap(managedByAws),
    ...policies.flatMap((policy) =>
      policy.statements
        .filter(({ Effect }) => Effect === "Allow")
        .flatMap((statement) => RULES.flatMap((rule) => rule(policy, statement) ?? [])),
    ),
    ...tooLarge(policies),
  ];
}

/** Every policy that a synthesized stack holds as text. */
export const policiesOf = (stack: string, content: StackResources): Policy[] =>
  attributesOf(stack, content).flatMap(asPolicy);

type Rule = (policy: Policy, statement: Statement) => Finding | undefined;

const everyAction: Rule = (policy, { Action, Principal }) => {
  const wide = list(Action).filter(
    (action) => /[*?]/.test(action) && !/^[\w-]+:(Describe|Get|List|BatchGet)\w*\*$/.test(action),
  );
  if (!wide.length || isListed(EVERY_ACTION, policy)) return undefined;
  // So a key's policy leaves to its account's IAM who may use it.
  if (ABOUT_ITSELF.has(policy.type) && principals(Principal).every((one) => /:root$/.test(one)))
    return undefined;
  return finding(
    policy,
    `allows ${wide.join(", ")}`,
    "Name the actions that are needed. A wildcard may follow Describe, Get, List and BatchGet alone.",
  );
};

const allBut: Rule = (policy, statement) => {
  const negated = ["NotAction", "NotResource", "NotPrincipal"].filter((key) => key in statement);
  if (!negated.length) return undefined;
  return finding(policy, `allows all but some (${negated.join(", ")})`, "Name what is allowed.");
};

const everyResource: Rule = (policy, { Action, Resource }) => {
  if (!list(Resource).includes("*") || ABOUT_ITSELF.has(policy.type)) return undefined;
  const actions = list(Action).filter((action) => !Object.hasOwn(WITHOUT_RESOURCE, action));
  if (!actions.length || isListed(EVERY_RESOURCE, policy)) return undefined;
  return finding(
    policy,
    `allows ${actions.join(", ")} on every resource`,
    "Name the resources. Where there is no narrower one, list the action or the construct with a reason in tools/scan/iam.ts.",
  );
};

const passRole: Rule = (policy, statement) => {
  if (!list(statement.Action).some((action) => /^iam:PassRole$/i.test(action))) return undefined;
  if (hasCondition(statement, /^StringEquals$/, "iam:PassedToService")) return undefined;
  return finding(
    policy,
    "lets a role be passed to any service",
    "Name the service in a condition: StringEquals, iam:PassedToService.",
  );
};

const confusedDeputy: Rule = (policy, statement) => {
  const { Principal } = statement;
  if (policy.name !== "assume_role_policy" || typeof Principal !== "object") return undefined;
  const services = list(Principal.Service).filter((service) => !SENDS_NO_ACCOUNT.has(service));
  if (!services.length) return undefined;
  if (hasCondition(statement, /^StringEquals$/, "aws:SourceAccount")) return undefined;
  if (hasCondition(statement, /^(String|Arn)(Equals|Like)$/, "aws:SourceArn")) return undefined;
  return finding(
    policy,
    `trusts ${services.join(", ")} whoever it acts for`,
    "Name the account in a condition: StringEquals, aws:SourceAccount.",
  );
};

const anybody: Rule = (policy, { Principal, Condition }) => {
  if (Condition || !principals(Principal).includes("*")) return undefined;
  return finding(policy, "allows it to anybody in the world", "Name who is meant, or add a condition.");
};

const RULES: readonly Rule[] = [everyAction, allBut, everyResource, passRole, confusedDeputy, anybody];

/** A policy of IAM's that is no text here would escape all rules. */
function notReadable(attribute: Attribute): Finding[] {
  const { type, name, text } = attribute;
  const isPolicy = type.startsWith("aws_iam_") && (name === "policy" || name === "assume_role_policy");
  if (!isPolicy || statementsIn(text)) return [];
  return [
    finding(
      attribute,
      `its ${name} is put together by Terraform, so that nobody can check it here`,
      "Write it with policyDocument of modules/iam.ts.",
    ),
  ];
}

function managedByAws(attribute: Attribute): Finding[] {
  const { type, name, text } = attribute;
  // A boundary only caps.
  if (!type.startsWith("aws_iam_") || name === "permissions_boundary") return [];
  if (!/^arn:[\w-]+:iam::aws:policy\/\S*(Administrator|PowerUser|Full)Access$/.test(text)) return [];
  return [finding(attribute, `hands on ${text}`, "Grant the actions that are needed, on named resources.")];
}

/** A role's policies count together. */
function tooLarge(policies: readonly Policy[]): Finding[] {
  const groups = new Map<string, { readonly first: Policy; readonly most: number; size: number }>();
  for (const policy of policies) {
    const kind = sizeKind(policy);
    if (!kind) continue;
    const key = `${kind} ${kind === "role" ? policy.role : policy.id}`;
    const group = groups.get(key) ?? { first: policy, most: LARGEST[kind], size: 0 };
    // A reference stands for an ARN of about its length.
    group.size += policy.text.replace(/\s/g, "").length;
    groups.set(key, group);
  }
  return [...groups.values()]
    .filter(({ size, most }) => size > most)
    .map(({ first, most, size }) =>
      finding(
        first,
        `has ${size} characters of policy, and IAM takes ${most}`,
        "Join statements on the same resources, or give a part to another role.",
      ),
    );
}

function sizeKind({ type, name }: Policy): keyof typeof LARGEST | undefined {
  if (name === "assume_role_policy") return "trust";
  if (type === "aws_iam_policy") return "policy";
  return type === "aws_iam_role" || type === "aws_iam_role_policy" ? "role" : undefined;
}

const list = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : [value].flat();

const principals = (principal: Statement["Principal"]): readonly string[] =>
  typeof principal === "object" ? Object.values(principal).flatMap(list) : list(principal);

function hasCondition({ Condition = {} }: Statement, operator: RegExp, key: string): boolean {
  return Object.entries(Condition).some(
    ([name, tests]) =>
      operator.test(name) && Object.keys(tests).some((tested) => tested.toLowerCase() === key.toLowerCase()),
  );
}

function isListed(exceptions: Readonly<Record<string, string>>, { type, where }: Policy): boolean {
  return where.split("/").some((construct) => Object.hasOwn(exceptions, `${type} ${construct}`));
}

const finding = ({ where, type }: Attribute, what: string, mend: string): Finding => ({
  where: `${where} (${type})`,
  what,
  mend,
});

function asPolicy(attribute: Attribute): Policy[] {
  const statements = statementsIn(attribute.text);
  return statements ? [{ ...attribute, statements }] : [];
}

function statementsIn(text: string): Statement[] | undefined {
  if (!text.includes('"Statement"')) return undefined;
  try {
    return [JSON.parse(text).Statement].flat();
  } catch {
    return undefined;
  }
}

/** Every text of every resource. */
function attributesOf(stack: string, { resource = {} }: StackResources): Attribute[] {
  return Object.entries(resource).flatMap(([type, byId]) =>
    Object.entries(byId).flatMap(([id, { "//": notes, ...properties }]) => {
      const { path } = (notes as { metadata?: { path?: string } } | undefined)?.metadata ?? {};
      const where = path ?? `${stack}/${id}`;
      // Other stacks' roles are not referred to, but named.
      const role = type === "aws_iam_role" ? id : /aws_iam_role\.([\w-]+)/.exec(String(properties.role))?.[1];
      const common = { where, type, id, role: role ?? String(properties.role) };
      return textsOf(properties).map(([name, text]) => ({ ...common, name, text }));
    }),
  );
}

function textsOf(value: unknown, name = ""): [name: string, text: string][] {
  if (typeof value === "string") return [[name, value]];
  if (Array.isArray(value)) return value.flatMap((inner) => textsOf(inner, name));
  if (typeof value !== "object" || value === null) return [];
  return Object.entries(value).flatMap(([key, inner]) => textsOf(inner, key));
}
