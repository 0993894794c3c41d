import type { Statement } from "../../review/access/policy";
import { AwsError, type AwsRequest, type RequestHead } from "../aws-request";
import { SOURCES_BUCKET } from "../pipelines/source";
import type { Context } from "./conditions";
import { type Asked, type Policies, type Principal, readStatements, refusalOf } from "./decision";
import { Directory, type DirectoryProps, type Role, type Tags } from "./directory";
import { inputOf, list, text } from "./input";
import { AccessDenied } from "./refusal";
import { type Demand, demandsOf, operationIn, prefixOf } from "./requests";
import { readServiceKey } from "./service-key";

export interface EnforcementProps extends Omit<DirectoryProps, "tell"> {
  /** Of credentials that no role was assumed with: they may do everything, as an administrator. */
  readonly account: string;
  /** Gets a word, once, on what Local AWS cannot tell. @default - nobody */
  readonly log?: (line: string) => void;
}

/** Who has an access key that AssumeRole gave out. */
interface Session {
  readonly account: string;
  readonly role: string;
  readonly name: string;
  /** Session policies. @default - none limits it */
  readonly policies?: readonly Statement[];
  /** ARN of what a service took the role on for. */
  readonly source?: string;
}

/** What AWS Organizations makes in each account but the first, for whoever is the administrator of that one. */
const ORGANIZATIONS_ROLE = "OrganizationAccountAccessRole";

const EVERYTHING: readonly Statement[] = [
  {
    effect: "Allow",
    actions: { not: false, of: ["*"] },
    resources: { not: false, of: ["*"] },
    conditions: [],
    variables: false,
  },
];

/** Addresses of functions and HTTP APIs: whoever calls them asks nothing of AWS. */
const ADDRESS = /^\/(lambda-url|http-api)\//;
/** What Local AWS tells and takes itself; it is no bucket's, where nothing is signed. */
const OWN = /^\/local-aws\//;

/** Operations that change what is kept of a service. */
const CHANGES =
  /^(Add|Attach|Cancel|Create|Delete|Detach|Disable|Enable|Import|Put|Register|Remove|Request|Schedule|Set|Subscribe|Tag|Untag|Update)/;

/**
 * Refuses what the policies of a role do not allow it, as IAM would. What Local AWS itself asks is not looked at, nor is
 * what the user's own credentials ask, but whether a role lets them take it on.
 */
export class Enforcement {
  private readonly sessions = new Map<string, Session>();
  private readonly directory: Directory;
  private readonly told = new Set<string>();

  constructor(private readonly props: EnforcementProps) {
    this.directory = new Directory({ ...props, tell: (word) => this.tell(word) });
  }

  /** Whether a request's body says what it asks. Objects are not read: they stream. */
  reads({ service, method, url }: RequestHead): boolean {
    return service !== "s3" || (method === "POST" && url.searchParams.has("delete"));
  }

  /** @throws AccessDenied where the request is refused */
  async check(request: AwsRequest): Promise<void> {
    const { accessKey, service, url } = request;
    if (/^LOCALAWS\d{12}$/.test(accessKey) || ADDRESS.test(url.pathname)) return;
    if (!accessKey && OWN.test(url.pathname)) return;
    if (!accessKey) {
      const message = "Request is missing Authentication Token";
      throw new AwsError("MissingAuthenticationToken", message, 403);
    }
    const session = this.sessions.get(accessKey);
    if (service === "sts") return this.checkToken(request, session);
    if (session || readServiceKey(accessKey)) await this.checkPolicies(request, session);
  }

  /** Remembers whose the credentials are that a request was given. */
  async learn(request: AwsRequest, accessKey: string): Promise<void> {
    const input = inputOf(request);
    const arn = text(input, "RoleArn");
    const [, account, name] = ROLE_ARN.exec(arn) ?? [];
    if (!account || !name) return;
    const own = text(input, "Policy");
    const managed = list(input.PolicyArns).map((one) => this.directory.managed(account, text(one, "arn")));
    const policies = [
      ...(own ? readStatements(own, (word) => this.tell(word)) : []),
      ...(await Promise.all(managed)).flat(),
    ];
    this.sessions.set(accessKey, {
      account,
      role: name,
      name: text(input, "RoleSessionName"),
      ...((own || managed.length) && { policies }),
      source: readServiceKey(request.accessKey)?.source,
    });
  }

  /** Forgets what a request that was answered may have changed. */
  changed(request: RequestHead & { readonly body?: Buffer }, account: string, status: number): void {
    const { service, method, url, body } = request;
    if (service === "s3") {
      const [, bucket = "", ...key] = url.pathname.split("/");
      if (key.join("/") || !/^(PUT|DELETE)$/.test(method)) return;
      this.directory.forget("s3");
      if (url.searchParams.size || status >= 300) return;
      if (method === "PUT") this.directory.own(decodeURIComponent(bucket), account);
      else this.directory.disown(decodeURIComponent(bucket));
      return;
    }
    const operation = operationIn(
      request,
      body && request.form ? inputOf({ ...request, body } as AwsRequest) : {},
    );
    const changes = operation
      ? CHANGES.test(operation)
      : method !== "GET" && !url.pathname.endsWith("/invocations");
    if (changes) this.directory.forget(prefixOf(request));
  }

  /** AssumeRole is the role's to allow, also to the user himself. */
  private async checkToken(request: AwsRequest, session: Session | undefined): Promise<void> {
    const input = inputOf(request);
    const operation = text(input, "Action");
    if (operation === "GetCallerIdentity") return;
    if (operation !== "AssumeRole") {
      // What it gave out would be nobody's, and allowed everything.
      if (/^Get(Session|Federation)Token$/.test(operation) && session)
        throw new AccessDenied(request, `Cannot call ${operation} with session credentials`);
      if (session) await this.checkPolicies(request, session);
      return;
    }
    const resource = text(input, "RoleArn");
    const [, account = "", name = ""] = ROLE_ARN.exec(resource) ?? [];
    const role = await this.role(account, name);
    const principal = this.principalOf(request, session);
    const actions = ["AssumeRole", ...(list(input.Tags).length ? ["TagSession"] : [])];
    for (const action of actions.map((one) => `sts:${one}`)) {
      const given = {
        "sts:ExternalId": text(input, "ExternalId"),
        "sts:RoleSessionName": text(input, "RoleSessionName"),
      };
      const values = Object.fromEntries(Object.entries(given).filter(([, value]) => value !== ""));
      const context = await this.context(request, { action, resource, values }, account, session, role?.tags);
      const asked: Asked = { action, resource, account, context };
      const policies = {
        ...(session ? await this.policiesOf(session) : { identity: EVERYTHING }),
        resource: role?.arn === resource ? role.trust : [],
        resourceDecides: true,
      };
      // Why, AWS does not tell here: the role may be none.
      if (refusalOf(asked, principal, policies, (word) => this.tell(`${action} on ${resource}: ${word}`)))
        throw AccessDenied.of(request, principal.arn, action, resource);
    }
  }

  /** @param session of a role; a service of AWS has none, nor policies of its own */
  private async checkPolicies(request: AwsRequest, session: Session | undefined): Promise<void> {
    const own = session?.account ?? request.scope.account;
    const place = { account: own, region: request.region, directory: this.directory };
    const [{ all, tags, unknown }, policies] = await Promise.all([
      demandsOf(request, place),
      session ? this.policiesOf(session) : { identity: [] },
    ]);
    const principal = this.principalOf(request, session);
    if (unknown) this.tell(`does not know what ${all[0]?.action} is asked for, and takes everything`);
    for (const demand of all) {
      const { action, resource } = demand;
      // It stands for the Git host, which lets a pipeline in by its token or connection.
      if (action === "s3:GetObject" && resource.startsWith(`arn:aws:s3:::${SOURCES_BUCKET}/`)) continue;
      const account = this.accountOf(resource, own);
      const carried = await this.directory.tags(resource, { account, region: request.region });
      const context = await this.context(request, demand, account, session, carried, tags);
      const onResource = action.startsWith("iam:") ? undefined : await this.resourcePolicy(resource);
      const reason = refusalOf(
        { action, resource, account, context },
        principal,
        {
          ...policies,
          resource: onResource,
          resourceDecides: !session || /^arn:aws:kms:[^:]*:\d{12}:key\/[^*]+$/.test(resource),
        },
        (word) => this.tell(`${action} on ${resource}: ${word}`),
      );
      if (reason) throw AccessDenied.of(request, principal.arn, action, resource, reason);
    }
  }

  private resourcePolicy(resource: string): Promise<readonly Statement[] | undefined> | undefined {
    return resource.endsWith("*") ? undefined : this.directory.policy(policyCarrier(resource));
  }

  /** Whose a resource is. One whose ARN does not tell is the caller's own. */
  private accountOf(resource: string, own: string): string {
    const [, , service, , account, ...rest] = resource.split(":");
    if (account) return account;
    const [bucket = ""] = rest.join(":").split("/");
    return (service === "s3" && this.directory.ownerOf(bucket)) || own;
  }

  private principalOf({ accessKey }: AwsRequest, session: Session | undefined): Principal {
    if (session) {
      const { account, role, name } = session;
      const arn = `arn:aws:sts::${account}:assumed-role/${role.split("/").at(-1)}/${name}`;
      return { arn, name: `arn:aws:iam::${account}:role/${role}`, account };
    }
    const service = readServiceKey(accessKey);
    if (service) return { arn: service.name, name: service.name };
    const root = `arn:aws:iam::${this.props.account}:root`;
    return { arn: root, name: root, account: this.props.account };
  }

  private async policiesOf(session: Session): Promise<Policies> {
    const role = await this.role(session.account, session.role);
    return {
      identity: role?.identity ?? [],
      ...(role?.boundary && { boundary: role.boundary }),
      ...(session.policies && { session: session.policies }),
    };
  }

  private async role(account: string, path: string): Promise<Role | undefined> {
    const name = path.split("/").at(-1) ?? "";
    const found = account ? await this.directory.role(account, name) : undefined;
    if (found || name !== ORGANIZATIONS_ROLE || account === this.props.account) return found;
    return {
      arn: `arn:aws:iam::${account}:role/${ORGANIZATIONS_ROLE}`,
      trust: EVERYTHING.map((statement) => ({
        ...statement,
        principals: { not: false, of: [`AWS:arn:aws:iam::${this.props.account}:root`] },
      })),
      identity: EVERYTHING,
      tags: new Map(),
    };
  }

  /** What conditions can ask of a request. */
  private async context(
    request: AwsRequest,
    { action, values = {} }: Demand,
    resourceAccount: string,
    session: Session | undefined,
    carried: Tags | undefined,
    given: Tags = new Map(),
  ): Promise<Context> {
    const { name, account } = this.principalOf(request, session);
    const service = readServiceKey(request.accessKey);
    const now = new Date();
    const all = new Map<string, readonly string[]>();
    const put = (fields: Readonly<Record<string, string | readonly string[] | undefined>>) => {
      for (const [key, value] of Object.entries(fields))
        if (value !== undefined) all.set(key.toLowerCase(), [value].flat());
    };
    const tagged = (prefix: string, tags: Tags | undefined) =>
      put(Object.fromEntries([...(tags ?? [])].map(([key, value]) => [`${prefix}/${key}`, value])));
    put({
      "aws:CurrentTime": now.toISOString(),
      "aws:EpochTime": String(Math.floor(now.getTime() / 1000)),
      "aws:PrincipalIsAWSService": String(service !== undefined),
      "aws:RequestedRegion": request.region,
      "aws:ResourceAccount": resourceAccount,
      "aws:SecureTransport": "true",
      "aws:ViaAWSService": "false",
      "kms:CallerAccount": account,
      "s3:ResourceAccount": resourceAccount,
    });
    if (service) put({ "aws:SourceArn": service.source, "aws:SourceAccount": service.account });
    else
      put({
        "aws:PrincipalAccount": account,
        "aws:PrincipalArn": name,
        "aws:PrincipalType": session ? "AssumedRole" : "Account",
      });
    if (session) {
      tagged("aws:PrincipalTag", (await this.role(session.account, session.role))?.tags);
      if (/^arn:aws:lambda:/.test(session.source ?? "")) put({ "lambda:SourceFunctionArn": session.source });
    }
    tagged("aws:RequestTag", given);
    if (given.size) put({ "aws:TagKeys": [...given.keys()] });
    tagged("aws:ResourceTag", carried);
    if (action.startsWith("iam:")) tagged("iam:ResourceTag", carried);
    put(values);
    const unknown = [
      ...(carried ? [] : ["(aws|iam):resourcetag/.*"]),
      // Its tags are XML, and not read.
      ...(request.service === "s3" ? ["aws:requesttag/.*", "aws:tagkeys"] : []),
    ];
    return { values: all, ...(unknown.length && { unknown: new RegExp(`^(${unknown.join("|")})$`) }) };
  }

  private tell(word: string): void {
    if (this.told.has(word)) return;
    this.told.add(word);
    this.props.log?.(`Local AWS, IAM: ${word}`);
  }
}

const ROLE_ARN = /^arn:aws:iam::(\d{12}):role\/(.+)$/;

/** What carries the policy that is about a resource: of an object, its bucket. */
const policyCarrier = (arn: string) => arn.replace(/^(arn:aws:s3:::[^/]+)\/.*$/s, "$1");
