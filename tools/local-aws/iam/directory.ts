import { setTimeout as pause } from "node:timers/promises";
import type { Statement } from "../../review/access/policy";
import type { Fields } from "../aws-request";
import { ask, type Caller } from "../functions/client";
import { readStatements } from "./decision";
import { fieldsOf, list, text, unescapeXml } from "./input";

/** moto trips over roles that are made while it lists them. */
const MOST_TRIES = 10;
const TRY_MILLISECONDS = 50;

export interface DirectoryProps {
  /** Of Local AWS. */
  readonly endpoint: () => string;
  /** An access key by which Local AWS itself asks in an account. */
  readonly keyOf: (account: string) => string;
  /** Gets a word on what cannot be read. */
  readonly tell: (word: string) => void;
}

/** A role, with all that says what it may do. */
export interface Role {
  readonly arn: string;
  readonly trust: readonly Statement[];
  readonly identity: readonly Statement[];
  readonly boundary?: readonly Statement[];
  readonly boundaryArn?: string;
  readonly tags: Tags;
}

/** Values by key. */
export type Tags = ReadonlyMap<string, string>;

/** Of a bucket's default. */
export interface BucketEncryption {
  /** ARN of the key. */
  readonly key: string;
  /** Whether the key is asked for the bucket, and not for each object. */
  readonly byBucket: boolean;
}

/** Where something is. */
export interface At {
  readonly account: string;
  readonly region: string;
}

/**
 * What the accounts of Local AWS hold that rights hang on: roles, policies of resources, tags. It is kept until a
 * request changes something of the service that it is of.
 */
export class Directory {
  private readonly kept = new Map<string, Promise<unknown>>();
  /** Owners of buckets, whose ARNs name no account. */
  private readonly owners = new Map<string, string>();

  constructor(private readonly props: DirectoryProps) {}

  /** What was read of a service is read again. */
  forget(service: string): void {
    for (const key of this.kept.keys()) if (key.startsWith(`${service} `)) this.kept.delete(key);
  }

  own(bucket: string, account: string): void {
    // Who makes his own bucket anew, or another's, changes nothing.
    if (!this.owners.has(bucket)) this.owners.set(bucket, account);
  }

  disown(bucket: string): void {
    this.owners.delete(bucket);
  }

  ownerOf(bucket: string): string | undefined {
    return this.owners.get(bucket);
  }

  async role(account: string, name: string): Promise<Role | undefined> {
    return (await this.roles(account)).get(name);
  }

  /** Statements of a managed policy. */
  managed(account: string, arn: string): Promise<readonly Statement[]> {
    return this.keep("iam", `policy ${account} ${arn}`, async () => {
      const { Policy: policy } = await this.iam(account, "GetPolicy", { PolicyArn: arn });
      const VersionId = text(policy, "DefaultVersionId");
      const { PolicyVersion: version } = await this.iam(account, "GetPolicyVersion", {
        PolicyArn: arn,
        VersionId,
      });
      return readStatements(documentOf(text(version, "Document")), this.props.tell);
    });
  }

  /** The policy that a resource carries; undefined where it carries none, or cannot. */
  policy(arn: string): Promise<readonly Statement[] | undefined> {
    const [, , service = "", region = "", account = ""] = arn.split(":");
    return this.keep(service, `policy ${arn}`, async () => {
      const found = await this.policyText(arn, service, { region, account });
      return found ? readStatements(found, this.props.tell) : undefined;
    });
  }

  /** Tags of a resource; undefined where Local AWS cannot tell. */
  tags(arn: string, at: At): Promise<Tags | undefined> {
    const [, , service = ""] = arn.split(":");
    return this.keep(service, `tags ${arn}`, () => this.readTags(arn, service, at));
  }

  /** The ARN of a key by whatever names it; undefined where there is no such key. */
  keyArn(id: string, at: At): Promise<string | undefined> {
    return this.keep("kms", `key ${at.account} ${at.region} ${id}`, async () => {
      const owner = id.startsWith("arn:") ? (id.split(":")[4] ?? at.account) : at.account;
      const found = await this.json(
        "kms",
        "TrentService.DescribeKey",
        { KeyId: id },
        { ...at, account: owner },
      );
      return text(found?.KeyMetadata, "Arn") || undefined;
    });
  }

  /** What encrypts what goes into a bucket; undefined where no key does. */
  bucketEncryption(bucket: string, at: At): Promise<BucketEncryption | undefined> {
    const account = this.ownerOf(bucket) ?? at.account;
    return this.keep("s3", `encryption ${bucket}`, async () => {
      const content = (await this.get("s3", `/${bucket}?encryption`, { ...at, account })) ?? "";
      const [, id] = /<KMSMasterKeyID>([^<]+)</.exec(content) ?? [];
      // AWS's own keys let in everybody of the account who comes by the service.
      if (!id || /alias\/aws\//.test(id)) return undefined;
      const key = (await this.keyArn(id, { ...at, account })) ?? id;
      return { key, byBucket: /<BucketKeyEnabled>true</i.test(content) };
    });
  }

  /** A secret's ARN, whose end nobody knows beforehand, and its key. */
  secret(id: string, at: At): Promise<{ readonly arn: string; readonly key: string } | undefined> {
    const [account = ""] = id.startsWith("arn:") ? id.split(":").slice(4) : [at.account];
    return this.keep("secretsmanager", `secret ${account} ${at.region} ${id}`, async () => {
      const target = "secretsmanager.DescribeSecret";
      const found = await this.json("secretsmanager", target, { SecretId: id }, { ...at, account });
      return found && { arn: text(found, "ARN"), key: text(found, "KmsKeyId") };
    });
  }

  /** ARN of the function that a queue is mapped to. */
  mappedFunction(id: string, at: At): Promise<string | undefined> {
    return this.keep("lambda", `mapping ${at.account} ${at.region} ${id}`, async () => {
      const found = fieldsOf(await this.get("lambda", `/2015-03-31/event-source-mappings/${id}`, at));
      return text(found, "FunctionArn") || undefined;
    });
  }

  /** The roles that a task definition names. */
  taskRoles(definition: string, at: At): Promise<readonly string[]> {
    return this.keep("ecs", `definition ${at.account} ${at.region} ${definition}`, async () => {
      const target = "AmazonEC2ContainerServiceV20141113.DescribeTaskDefinition";
      const found = (await this.json("ecs", target, { taskDefinition: definition }, at))?.taskDefinition;
      return ["taskRoleArn", "executionRoleArn"].map((role) => text(found, role)).filter(Boolean);
    });
  }

  /** The group that a deployment is of: `APPLICATION/GROUP`. */
  deploymentGroup(id: string, at: At): Promise<string | undefined> {
    return this.keep("codedeploy", `deployment ${at.account} ${at.region} ${id}`, async () => {
      const target = "CodeDeploy_20141006.GetDeployment";
      const found = await this.json("codedeploy", target, { deploymentId: id }, at);
      const info = found?.deploymentInfo;
      return info ? `${text(info, "applicationName")}/${text(info, "deploymentGroupName")}` : undefined;
    });
  }

  private roles(account: string): Promise<ReadonlyMap<string, Role>> {
    return this.keep("iam", `roles ${account}`, async () => {
      const roles = new Map<string, Role>();
      const details = await this.iam(account, "GetAccountAuthorizationDetails", {
        "Filter.member.1": "Role",
      });
      for (const role of list(details.RoleDetailList))
        roles.set(text(role, "RoleName"), await this.read(account, role));
      return roles;
    });
  }

  private async read(account: string, role: Fields): Promise<Role> {
    const { tell } = this.props;
    const boundaryArn = text(role.PermissionsBoundary, "PermissionsBoundaryArn") || undefined;
    const attached = list(role.AttachedManagedPolicies).map((one) =>
      this.managed(account, text(one, "PolicyArn")),
    );
    const inline = list(role.RolePolicyList).map((one) =>
      readStatements(documentOf(text(one, "PolicyDocument")), tell),
    );
    return {
      arn: text(role, "Arn"),
      trust: readStatements(documentOf(text(role, "AssumeRolePolicyDocument")), tell),
      identity: [...inline, ...(await Promise.all(attached))].flat(),
      ...(boundaryArn && { boundaryArn, boundary: await this.managed(account, boundaryArn) }),
      tags: pairs(role.Tags),
    };
  }

  private async policyText(arn: string, service: string, at: At): Promise<string | undefined> {
    const name = arn.split(":").slice(5).join(":");
    switch (service) {
      case "s3": {
        const [bucket = ""] = name.split("/");
        const account = this.ownerOf(bucket);
        return account && this.get("s3", `/${bucket}?policy`, { region: "us-east-1", account });
      }
      case "kms": {
        const input = { KeyId: arn, PolicyName: "default" };
        return text(await this.json("kms", "TrentService.GetKeyPolicy", input, at), "Policy");
      }
      case "lambda": {
        const [, fn = "", qualifier] = name.split(":");
        const query = qualifier ? `?Qualifier=${encodeURIComponent(qualifier)}` : "";
        const found = await this.get(
          "lambda",
          `/2015-03-31/functions/${encodeURIComponent(fn)}/policy${query}`,
          at,
        );
        return text(fieldsOf(found), "Policy");
      }
      case "sns": {
        const found = await this.form("sns", "2010-03-31", "GetTopicAttributes", { TopicArn: arn }, at);
        const [, policy] = /<key>Policy<\/key>\s*<value>([^<]*)</.exec(found ?? "") ?? [];
        return policy && unescapeXml(policy);
      }
      case "sqs": {
        const QueueUrl = `${this.props.endpoint()}/${at.account}/${name}`;
        const input = { QueueUrl, AttributeNames: ["Policy"] };
        const found = await this.json("sqs", "AmazonSQS.GetQueueAttributes", input, at);
        return text(found?.Attributes, "Policy");
      }
      case "ecr": {
        const target = "AmazonEC2ContainerRegistry_V20150921.GetRepositoryPolicy";
        const input = { repositoryName: name.replace("repository/", "") };
        return text(await this.json("ecr", target, input, at), "policyText");
      }
      case "secretsmanager": {
        const found = await this.json(service, "secretsmanager.GetResourcePolicy", { SecretId: arn }, at);
        return text(found, "ResourcePolicy");
      }
      default:
        return undefined;
    }
  }

  private async readTags(arn: string, service: string, at: At): Promise<Tags | undefined> {
    const [, , , region = "", account = ""] = arn.split(":");
    const there = { region: region || at.region, account: account || at.account };
    const name = arn.split(":").slice(5).join(":");
    switch (service) {
      case "iam":
        if (!name.startsWith("role/")) return undefined;
        return (await this.role(there.account, name.split("/").at(-1)!))?.tags ?? new Map();
      case "kms":
        if (!name.startsWith("key/")) return undefined;
        return pairs((await this.json("kms", "TrentService.ListResourceTags", { KeyId: arn }, there))?.Tags);
      case "acm": {
        const input = { CertificateArn: arn };
        return pairs(
          (await this.json("acm", "CertificateManager.ListTagsForCertificate", input, there))?.Tags,
        );
      }
      case "application-autoscaling": {
        const input = { ResourceARN: arn };
        const found = await this.json(service, "AnyScaleFrontendService.ListTagsForResource", input, there);
        return new Map(Object.entries((found?.Tags ?? {}) as Record<string, string>));
      }
      case "secretsmanager":
        return pairs(
          (await this.json(service, "secretsmanager.DescribeSecret", { SecretId: arn }, there))?.Tags,
        );
      case "apigateway": {
        // Of an API's parts, its stages alone carry tags of their own.
        const [api, stage] = /^\/apis\/[^/]+(\/stages\/[^/]+)?/.exec(name) ?? [];
        if (/^\/apis\/[^/]+\/(integrations|routes)/.test(name)) return new Map();
        const found = api && fieldsOf(await this.get("apigateway", `/v2${stage ? name : api}`, there));
        return found ? new Map(Object.entries((found.tags ?? {}) as Record<string, string>)) : undefined;
      }
      default:
        return undefined;
    }
  }

  private keep<T>(service: string, key: string, read: () => Promise<T>): Promise<T> {
    const full = `${service} ${key}`;
    let found = this.kept.get(full) as Promise<T> | undefined;
    if (!found) {
      found = read();
      this.kept.set(full, found);
      // What failed is asked again.
      found.catch(() => this.kept.delete(full));
    }
    return found;
  }

  private async iam(account: string, operation: string, fields: Record<string, string>): Promise<Fields> {
    const at = { account, region: "us-east-1" };
    for (let tries = MOST_TRIES; tries > 0; tries--) {
      const content = await this.form("iam", "2010-05-08", operation, { ...fields, ContentType: "JSON" }, at);
      const answer = fieldsOf(content)?.[`${operation}Response`] as Fields | undefined;
      const result = answer?.[`${operation}Result`];
      if (result) return result as Fields;
      await pause(TRY_MILLISECONDS);
    }
    throw new Error(`Local AWS cannot read roles of ${account}: ${operation} fails`);
  }

  private form(service: string, Version: string, Action: string, fields: Record<string, string>, at: At) {
    return this.read200(at, service, "/", {
      method: "POST",
      body: new URLSearchParams({ Action, Version, ...fields }),
    });
  }

  private async json(service: string, target: string, input: object, at: At): Promise<Fields | undefined> {
    const content = await this.read200(at, service, "/", {
      method: "POST",
      headers: { "content-type": "application/x-amz-json-1.1", "x-amz-target": target },
      body: JSON.stringify(input),
    });
    return fieldsOf(content);
  }

  private get(service: string, path: string, at: At): Promise<string | undefined> {
    return this.read200(at, service, path);
  }

  /** What a service answers; undefined where it refuses, as it does where there is nothing. */
  private async read200(
    { account, region }: At,
    service: string,
    path: string,
    question?: Parameters<typeof ask>[3],
  ): Promise<string | undefined> {
    const { endpoint, keyOf } = this.props;
    const caller: Caller = { endpoint: endpoint(), region: region || "us-east-1", accessKey: keyOf(account) };
    const response = await ask(caller, service, path, question);
    const content = await response.text();
    return response.ok ? content : undefined;
  }
}

/** IAM writes some documents as in a URL. */
const documentOf = (written: string) => (/^\s*%7B/i.test(written) ? decodeURIComponent(written) : written);

/** Tags as all services write them: as a list with capitals, or with small letters. */
function pairs(tags: unknown): Tags {
  return new Map(
    list(tags).map((tag) => [
      text(tag, "Key") || text(tag, "key") || text(tag, "TagKey"),
      text(tag, "Value") || text(tag, "value") || text(tag, "TagValue"),
    ]),
  );
}
