import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";

/** One statement of a policy, as IAM keeps it. */
export interface Granted {
  readonly Effect: "Allow" | "Deny";
  readonly Action: string | readonly string[];
  readonly Resource: string | readonly string[];
  readonly Condition?: object;
}

/** A role with its own policy, which all roles of the project have at most one of. */
export interface RoleFound {
  readonly name: string;
  readonly account: string;
  readonly statements: readonly Granted[];
}

interface RoleDetail {
  readonly RoleName: string;
  readonly RolePolicyList: readonly { readonly PolicyName: string; readonly PolicyDocument: unknown }[];
}

/** The one inline policy that the project's roles have. */
const POLICY = "grants";

export interface RolesProps {
  /** Of Local AWS. */
  readonly endpoint: string;
  readonly region: string;
  /** Whose own credentials need no role. */
  readonly account: string;
}

/** The roles of accounts, read and changed as their administrators do: by IAM's API. */
export class Roles {
  private readonly keys = new Map<string, Promise<string>>();
  /** What roles were granted before anything was taken away, by account and name. */
  private readonly before = new Map<string, readonly Granted[]>();

  constructor(private readonly props: RolesProps) {}

  /** Those of an account. */
  async list(account: string): Promise<RoleFound[]> {
    const { RoleDetailList: roles = [] } = await this.call<{ RoleDetailList?: readonly RoleDetail[] }>(
      account,
      "GetAccountAuthorizationDetails",
      { "Filter.member.1": "Role" },
    );
    return roles.map(({ RoleName: name, RolePolicyList: policies }) => {
      const own = policies.find(({ PolicyName }) => PolicyName === POLICY)?.PolicyDocument;
      const { Statement: statements = [] } = documentOf(own);
      return { name, account, statements };
    });
  }

  /**
   * Leaves a role what it was granted at first, but for some actions.
   *
   * @param without taken out of each statement that allows them; none gives all back
   * @throws Error where the role was never granted one of them
   */
  async leave(account: string, name: string, without: readonly string[]): Promise<void> {
    const granted = await this.granted(account, name);
    const allowed = granted.filter(({ Effect }) => Effect === "Allow").flatMap(actionsOf);
    const missing = without.filter((action) => !allowed.includes(action));
    if (missing.length) throw new Error(`${name} is not granted ${missing.join(", ")}`);
    const left = granted.flatMap((statement) => {
      if (statement.Effect === "Deny") return [statement];
      const Action = actionsOf(statement).filter((action) => !without.includes(action));
      return Action.length ? [{ ...statement, Action }] : [];
    });
    await this.write(account, name, left);
  }

  /** What a role was granted when it was seen first. @throws Error where there is no such role */
  private async granted(account: string, name: string): Promise<readonly Granted[]> {
    const key = `${account}/${name}`;
    const seen = this.before.get(key);
    if (seen) return seen;
    const role = (await this.list(account)).find((one) => one.name === name);
    if (!role) throw new Error(`There is no role ${name} in ${account}`);
    this.before.set(key, role.statements);
    return role.statements;
  }

  private async write(account: string, RoleName: string, statements: readonly Granted[]): Promise<void> {
    const document = JSON.stringify({ Version: "2012-10-17", Statement: statements });
    const fields = { RoleName, PolicyName: POLICY };
    // A policy has at least one statement.
    if (statements.length) await this.call(account, "PutRolePolicy", { ...fields, PolicyDocument: document });
    else await this.call(account, "DeleteRolePolicy", fields);
  }

  private async call<T>(account: string, operation: string, fields: Record<string, string>): Promise<T> {
    const { endpoint } = this.props;
    const credential = `${await this.key(account)}/20260131/us-east-1/iam/aws4_request`;
    const response = await fetch(endpoint, {
      method: "POST",
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=0`,
      },
      body: new URLSearchParams({ Action: operation, Version: "2010-05-08", ContentType: "JSON", ...fields }),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${operation} in ${account}: ${text}`);
    // What changes something is answered in XML, and says nothing.
    return text.startsWith("{") ? JSON.parse(text)[`${operation}Response`][`${operation}Result`] : ({} as T);
  }

  /** An access key of an account's administrator. */
  key(account: string): Promise<string> {
    const { endpoint, region } = this.props;
    if (account === this.props.account) return Promise.resolve("local");
    const found =
      this.keys.get(account) ??
      (async () => {
        const credentials = { accessKeyId: "local", secretAccessKey: "local" };
        const sts = new STSClient({ endpoint, region, credentials });
        const role = `arn:aws:iam::${account}:role/OrganizationAccountAccessRole`;
        const given = await sts.send(
          new AssumeRoleCommand({ RoleArn: role, RoleSessionName: "administrator" }),
        );
        sts.destroy();
        return given.Credentials!.AccessKeyId!;
      })();
    this.keys.set(account, found);
    return found;
  }
}

/** Actions of a statement, which IAM writes by themselves where it is one. */
export const actionsOf = ({ Action }: Granted): readonly string[] =>
  typeof Action === "string" ? [Action] : Action;

/** IAM answers with documents that are written as in a URL, as text, or read already. */
function documentOf(document: unknown): { readonly Statement?: readonly Granted[] } {
  if (typeof document !== "string") return (document ?? {}) as object;
  return JSON.parse(document.startsWith("{") ? document : decodeURIComponent(document));
}
