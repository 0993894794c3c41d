import {
  type AwsRequest,
  escapeXml,
  type Fields,
  isFields,
  type RequestHead,
  type Scope,
} from "./aws-request";

/** An answer in moto's place. */
export interface QuirkAnswer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string | readonly string[]>>;
  readonly body?: Buffer;
}

/**
 * One thing that moto gets wrong for the AWS provider, and how it is mended. Without it a plan right after an
 * apply would find the same changes again, or the apply fails.
 */
export interface Quirk {
  readonly reason: string;
  /** Whether a request is about it. Told by the request's head: all other bodies stream through unread. */
  concerns(head: RequestHead): boolean;
  /** What to answer without asking moto. @default - moto is asked */
  answer?(request: AwsRequest): QuirkAnswer | undefined | Promise<QuirkAnswer | undefined>;
  /** The body that moto gets. @default - the request's own */
  ask?(request: AwsRequest): Buffer | Promise<Buffer>;
  /** What becomes of moto's answer when it is a success. @default - nothing */
  amend?(request: AwsRequest, answer: Buffer): Buffer | Promise<Buffer>;
  /** Ends what it still runs. @default - it runs nothing */
  stop?(): Promise<void>;
}

/** All quirks; what they keep lives as long as the gateway that made them. */
export const createQuirks = (): Quirk[] => [
  bucketPolicies(),
  bucketEvents(),
  bucketVersioning(),
  ecsServices(),
  lambdaFunctions(),
  queuePolicies(),
  queueRedrives(),
  groupRules(),
];

const bucketOf = ({ url }: RequestHead) => decodeURIComponent(url.pathname.split("/")[1] ?? "");
const aboutBucket = ({ service, url }: RequestHead) => service === "s3" && /^\/[^/]+\/?$/.test(url.pathname);
const deletesBucket = ({ method, url }: RequestHead) => method === "DELETE" && !url.searchParams.size;

function bucketPolicies(): Quirk {
  const policies = new Map<string, Buffer>();
  return {
    reason:
      "moto applies bucket policies without their conditions, so 'deny what is not TLS' locks everybody out",
    concerns: (head) => aboutBucket(head) && (head.url.searchParams.has("policy") || deletesBucket(head)),
    answer(request) {
      const bucket = bucketOf(request);
      if (request.method === "GET" && policies.has(bucket))
        return { status: 200, body: policies.get(bucket) };
      // One that is deleted takes its policy along.
      if (request.method === "DELETE") policies.delete(bucket);
      return undefined;
    },
    // moto wants to see that a bucket lets logs in, so it gets what the policy allows.
    ask(request) {
      if (request.method !== "PUT") return request.body;
      const policy = readFields(request.body);
      if (!policy) return request.body;
      policies.set(bucketOf(request), request.body);
      const allowed = [policy.Statement]
        .flat()
        .filter(isFields)
        .filter(({ Effect }) => Effect === "Allow");
      const Statement = allowed.map(({ Condition: _, ...rest }) => rest);
      return Buffer.from(JSON.stringify({ ...policy, Statement }));
    },
  };
}

function bucketEvents(): Quirk {
  const buckets = new Set<string>();
  const element = "<EventBridgeConfiguration></EventBridgeConfiguration>";
  return {
    reason: "moto takes a bucket's notifications to EventBridge, and does not give them back",
    concerns: (head) =>
      aboutBucket(head) && (head.url.searchParams.has("notification") || deletesBucket(head)),
    amend(request, answer) {
      const bucket = bucketOf(request);
      if (request.method !== "GET") {
        buckets.delete(bucket);
        if (request.body.includes("<EventBridgeConfiguration")) buckets.add(bucket);
        return answer;
      }
      const text = answer.toString();
      if (!buckets.has(bucket) || text.includes("<EventBridgeConfiguration")) return answer;
      const end = "</NotificationConfiguration>";
      return Buffer.from(
        text.includes(end)
          ? text.replace(end, `${element}${end}`)
          : `<NotificationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/">${element}${end}`,
      );
    },
  };
}

function bucketVersioning(): Quirk {
  const suspended = new Map<string, Buffer>();
  return {
    reason:
      "moto cannot delete the markers of deleted objects once versioning is suspended, nor then the bucket",
    concerns: (head) => aboutBucket(head) && (head.url.searchParams.has("versioning") || deletesBucket(head)),
    answer(request) {
      const bucket = bucketOf(request);
      if (request.method === "GET") {
        const body = suspended.get(bucket);
        return body && { status: 200, body };
      }
      suspended.delete(bucket);
      if (!request.body.includes(">Suspended<")) return undefined;
      suspended.set(bucket, request.body);
      return { status: 200 };
    },
  };
}

function ecsServices(): Quirk {
  const kept = new Kept([
    "availabilityZoneRebalancing",
    "enableECSManagedTags",
    "healthCheckGracePeriodSeconds",
  ]);
  return {
    reason: "moto forgets zone rebalancing, managed tags and the grace period of ECS services",
    concerns: ({ api, operation }) =>
      /^AmazonEC2ContainerService/.test(api) && /^(Create|Update|Describe)Services?$/.test(operation),
    amend(request, answer) {
      const changes = /^(Create|Update)/.test(request.operation);
      return amendFields(answer, (content) => {
        for (const service of [content.service, content.services].flat().filter(isFields)) {
          const key = String(service.serviceArn);
          if (changes) kept.remember(request.scope, key, readFields(request.body) ?? {});
          // What AWS says where nothing was given.
          Object.assign(service, { availabilityZoneRebalancing: "DISABLED" }, kept.of(request.scope, key));
        }
      });
    },
  };
}

function lambdaFunctions(): Quirk {
  const kept = new Kept(["KMSKeyArn", "DeadLetterConfig", "LoggingConfig"]);
  return {
    reason: "moto forgets the key, the dead letters and the log settings of functions",
    concerns: ({ service, url }) =>
      service === "lambda" &&
      /^\/2015-03-31\/functions(\/[^/]+(\/(configuration|versions|code))?)?\/?$/.test(url.pathname),
    amend(request, answer) {
      const changes =
        (request.method === "POST" && request.url.pathname.endsWith("/functions")) ||
        (request.method === "PUT" && request.url.pathname.endsWith("/configuration"));
      return amendFields(answer, (content) => {
        const all = [content.Configuration ?? content, content.Functions, content.Versions].flat();
        for (const configuration of all.filter(isFields)) {
          if (typeof configuration.FunctionName !== "string") continue;
          const key = configuration.FunctionName;
          if (changes) kept.remember(request.scope, key, readFields(request.body) ?? {});
          Object.assign(configuration, kept.of(request.scope, key));
        }
      });
    },
  };
}

function queuePolicies(): Quirk {
  const policies = new Map<string, string>();
  return {
    reason: "moto drops a queue's policy when another attribute of the queue is changed",
    concerns: ({ api, operation }) =>
      api === "AmazonSQS" && ["CreateQueue", "SetQueueAttributes", "DeleteQueue"].includes(operation),
    ask(request) {
      const input = readFields(request.body) ?? {};
      const { account, region } = request.scope;
      const queue = String(input.QueueName ?? input.QueueUrl)
        .split("/")
        .at(-1);
      const key = `${account}/${region}/${queue}`;
      const attributes = isFields(input.Attributes) ? input.Attributes : {};
      if (request.operation === "DeleteQueue") policies.delete(key);
      else if (typeof attributes.Policy === "string") policies.set(key, attributes.Policy);
      const Policy = policies.get(key);
      if (request.operation !== "SetQueueAttributes" || !Policy) return request.body;
      return Buffer.from(JSON.stringify({ ...input, Attributes: { ...attributes, Policy } }));
    },
  };
}

function queueRedrives(): Quirk {
  return {
    reason: "moto gives back with spaces what says where a queue's dead letters go, and AWS without",
    concerns: ({ api, operation }) => api === "AmazonSQS" && operation === "GetQueueAttributes",
    amend: (_, answer) =>
      amendFields(answer, ({ Attributes }) => {
        if (!isFields(Attributes)) return;
        for (const name of ["RedrivePolicy", "RedriveAllowPolicy"]) {
          const policy = readFields(Buffer.from(String(Attributes[name] ?? "")));
          if (policy) Attributes[name] = JSON.stringify(policy);
        }
      }),
  };
}

function groupRules(): Quirk {
  const descriptions = new Map<string, string>();
  return {
    reason: "moto forgets the description of security group rules that name another group",
    concerns: ({ service, form }) => service === "ec2" && form,
    amend(request, answer) {
      const form = new URLSearchParams(request.body.toString());
      const action = form.get("Action") ?? "";
      if (!/SecurityGroup(Rules|Ingress|Egress)/.test(action)) return answer;
      const text = answer.toString();
      if (action.startsWith("Authorize")) {
        const description = form.get("IpPermissions.1.Groups.1.Description");
        for (const [, id = ""] of text.matchAll(/<securityGroupRuleId>([^<]+)</g))
          if (description) descriptions.set(id, description);
      }
      if (action.startsWith("ModifySecurityGroupRules")) {
        const id = form.get("SecurityGroupRule.1.SecurityGroupRuleId");
        const description = form.get("SecurityGroupRule.1.SecurityGroupRule.Description");
        if (id && description && descriptions.has(id)) descriptions.set(id, description);
      }
      const amended = text.replace(
        /<item>(?:(?!<\/item>)[\s\S])*<securityGroupRuleId>([^<]+)<[\s\S]*?<\/item>/g,
        (item, id: string) => {
          const description = descriptions.get(id);
          if (!description || /<description>[^<]/.test(item)) return item;
          return item
            .replace(/<description\s*\/>|<description><\/description>/, "")
            .replace(
              "<securityGroupRuleId>",
              `<description>${escapeXml(description)}</description><securityGroupRuleId>`,
            );
        },
      );
      return Buffer.from(amended);
    },
  };
}

/** Fields that were given to a resource, for each scope. */
class Kept {
  private readonly byKey = new Map<string, Fields>();

  constructor(private readonly fields: readonly string[]) {}

  remember({ account, region }: Scope, name: string, given: Fields): void {
    const key = `${account}/${region}/${name}`;
    const news = this.fields.filter((field) => given[field] !== undefined && given[field] !== null);
    const entries = news.map((field) => [field, given[field]]);
    this.byKey.set(key, { ...this.byKey.get(key), ...Object.fromEntries(entries) });
  }

  of({ account, region }: Scope, name: string): Fields {
    return this.byKey.get(`${account}/${region}/${name}`) ?? {};
  }
}

function readFields(body: Buffer): Fields | undefined {
  try {
    const content: unknown = JSON.parse(body.toString());
    return isFields(content) ? content : undefined;
  } catch {
    return undefined;
  }
}

function amendFields(answer: Buffer, amend: (content: Fields) => void): Buffer {
  const content = readFields(answer);
  if (!content) return answer;
  amend(content);
  return Buffer.from(JSON.stringify(content));
}
