import { isDeepStrictEqual } from "node:util";
import { IamRole } from "@cdktf/provider-aws/lib/iam-role";
import { IamRolePolicy } from "@cdktf/provider-aws/lib/iam-role-policy";
import { Aspects, Lazy } from "cdktf";
import { Construct, type IConstruct } from "constructs";

/** One statement of a policy. */
export interface Statement {
  /** Exact actions; a wildcard only behind a reading verb (`ec2:Describe*`). */
  readonly actions: readonly string[];
  /** @default - none: a resource policy's statement about its own resource names "*" */
  readonly resources: readonly string[];
  /** Why no narrower resource will do; required where a resource is "*". */
  readonly reason?: string;
  /** @default "Allow" */
  readonly effect?: "Allow" | "Deny";
  /** @default - none, as in a role's own policy */
  readonly principals?: Readonly<Record<string, string | readonly string[]>>;
  readonly conditions?: Readonly<Record<string, Readonly<Record<string, string | readonly string[]>>>>;
}

/** Why a policy on a resource may say "*": there it means the resource that carries the policy. */
export const ITSELF = "A resource policy's * is the resource that carries it.";

/** What gives a role rights: let nobody do it but within a boundary. */
export const GIVING_RIGHTS = ["iam:CreateRole", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy"];

/** What else keeping a role takes. */
export const KEEPING_ROLES = [
  "iam:DeleteRole",
  "iam:DeleteRolePolicy",
  "iam:TagRole",
  "iam:UntagRole",
  "iam:UpdateAssumeRolePolicy",
  "iam:UpdateRole",
  "iam:UpdateRoleDescription",
];

const oneOrMany = (values: readonly string[]) => (values.length === 1 ? values[0] : values);

/**
 * Statements as a JSON policy document.
 *
 * @throws Error where a statement names every resource, or every action, without a reason
 */
export function policyDocument(statements: readonly Statement[]): string {
  return JSON.stringify({
    Version: "2012-10-17",
    Statement: statements.map((statement) => {
      const { effect = "Allow", actions, resources, reason, principals, conditions } = statement;
      if (!reason && effect === "Allow" && (resources.includes("*") || actions.includes("*"))) {
        throw new Error(`A statement that allows ${actions.join(", ")} on everything needs a reason`);
      }
      return {
        Effect: effect,
        ...(principals && { Principal: principals }),
        Action: oneOrMany(actions),
        ...(resources.length && { Resource: oneOrMany(resources) }),
        ...(conditions && { Condition: conditions }),
      };
    }),
  });
}

/** Anything that lets a role do something: what a construct's `grant…` methods take. */
export interface Grantee {
  allow(...statements: Statement[]): void;
}

export interface RoleProps {
  readonly name: string;
  /** The service that takes the role on, as `ecs-tasks.amazonaws.com`. */
  readonly service?: string;
  /** Limits a service's trust to its calls for this account (`aws:SourceAccount`). @default - not limited */
  readonly sourceAccount?: string;
  /** Trust other than a single service's. */
  readonly trust?: readonly Statement[];
  readonly description: string;
  /** ARN of the permissions boundary. @default - none */
  readonly boundary?: string;
  /** @default 3600 */
  readonly maxSessionSeconds?: number;
}

/** A role whose rights are the grants it was given, rendered as one inline policy; none, where none were. */
export class Role extends Construct implements Grantee {
  readonly name: string;
  readonly arn: string;
  private readonly role: IamRole;
  private readonly statements: Statement[] = [];
  private policy?: IamRolePolicy;
  /** Of the statements, as they are now. */
  private document?: string;

  constructor(scope: Construct, id: string, props: RoleProps) {
    super(scope, id);
    const trust = props.trust ?? [
      {
        actions: ["sts:AssumeRole"],
        resources: [],
        principals: { Service: props.service! },
        ...(props.sourceAccount && {
          conditions: { StringEquals: { "aws:SourceAccount": props.sourceAccount } },
        }),
      },
    ];
    this.role = new IamRole(this, "role", {
      name: props.name,
      description: props.description,
      assumeRolePolicy: policyDocument(trust),
      permissionsBoundary: props.boundary,
      maxSessionDuration: props.maxSessionSeconds,
    });
    this.name = this.role.name;
    this.arn = this.role.arn;
  }

  /** What names no resource allows nothing, as of services where there are none: IAM refuses it. */
  allow(...statements: Statement[]): void {
    const meant = statements.filter(({ resources }) => resources.length > 0);
    if (!meant.length) return;
    for (const statement of meant) this.add(statement);
    this.policy ??= new IamRolePolicy(this, "policy", {
      name: "grants",
      role: this.role.name,
      // Asked for several times in a synth.
      policy: Lazy.stringValue({
        produce: () => {
          this.document ??= policyDocument(this.statements);
          return this.document;
        },
      }),
    });
  }

  /** What is allowed on the same things is one statement: a role's policies have but 10,240 characters. */
  private add({ actions, ...where }: Statement): void {
    const index = this.statements.findIndex(({ actions: _, ...other }) => isDeepStrictEqual(other, where));
    const before = this.statements[index]?.actions ?? [];
    const all = { ...where, actions: [...new Set([...before, ...actions])] };
    if (index < 0) this.statements.push(all);
    else this.statements[index] = all;
    this.document = undefined;
  }

  /** What must exist before something may rely on the role's rights. */
  get ready(): (IamRole | IamRolePolicy)[] {
    return this.policy ? [this.role, this.policy] : [this.role];
  }

  /** Lets `grantee` hand this role to a service, and to no other. */
  grantPassTo(grantee: Grantee, service: string): void {
    grantee.allow({
      actions: ["iam:PassRole"],
      resources: [this.arn],
      conditions: { StringEquals: { "iam:PassedToService": service } },
    });
  }
}

/** Gives each role below a scope, whoever makes it, a permissions boundary. */
export function capRoles(scope: Construct, boundaryArn: string): void {
  Aspects.of(scope).add({
    visit(node: IConstruct) {
      if (node instanceof IamRole) node.permissionsBoundary = boundaryArn;
    },
  });
}
