import type { AwsRequest } from "../aws-request";
import type { BucketEncryption } from "./directory";
import { inputOf, text, unescapeXml } from "./input";
import type { Demand } from "./requests";
import type { Place } from "./resources";

// Services whose operations are a method and a path.

type Find = (
  request: AwsRequest,
  place: Place,
) => readonly Demand[] | undefined | Promise<readonly Demand[] | undefined>;

/** What of a bucket a request's query names, and what its actions are called: reading, writing, deleting. */
const BUCKET_PARTS: Readonly<Record<string, readonly [get: string, put?: string, remove?: string]>> = {
  accelerate: ["GetAccelerateConfiguration", "PutAccelerateConfiguration"],
  acl: ["GetBucketAcl", "PutBucketAcl"],
  analytics: ["GetAnalyticsConfiguration", "PutAnalyticsConfiguration", "PutAnalyticsConfiguration"],
  cors: ["GetBucketCORS", "PutBucketCORS", "PutBucketCORS"],
  encryption: ["GetEncryptionConfiguration", "PutEncryptionConfiguration", "PutEncryptionConfiguration"],
  inventory: ["GetInventoryConfiguration", "PutInventoryConfiguration", "PutInventoryConfiguration"],
  "intelligent-tiering": [
    "GetIntelligentTieringConfiguration",
    "PutIntelligentTieringConfiguration",
    "PutIntelligentTieringConfiguration",
  ],
  lifecycle: ["GetLifecycleConfiguration", "PutLifecycleConfiguration", "PutLifecycleConfiguration"],
  location: ["GetBucketLocation"],
  logging: ["GetBucketLogging", "PutBucketLogging"],
  metrics: ["GetMetricsConfiguration", "PutMetricsConfiguration", "PutMetricsConfiguration"],
  notification: ["GetBucketNotification", "PutBucketNotification"],
  "object-lock": ["GetBucketObjectLockConfiguration", "PutBucketObjectLockConfiguration"],
  ownershipControls: [
    "GetBucketOwnershipControls",
    "PutBucketOwnershipControls",
    "PutBucketOwnershipControls",
  ],
  policy: ["GetBucketPolicy", "PutBucketPolicy", "DeleteBucketPolicy"],
  policyStatus: ["GetBucketPolicyStatus"],
  publicAccessBlock: [
    "GetBucketPublicAccessBlock",
    "PutBucketPublicAccessBlock",
    "PutBucketPublicAccessBlock",
  ],
  replication: ["GetReplicationConfiguration", "PutReplicationConfiguration", "PutReplicationConfiguration"],
  requestPayment: ["GetBucketRequestPayment", "PutBucketRequestPayment"],
  tagging: ["GetBucketTagging", "PutBucketTagging", "PutBucketTagging"],
  uploads: ["ListBucketMultipartUploads"],
  versioning: ["GetBucketVersioning", "PutBucketVersioning"],
  versions: ["ListBucketVersions"],
  website: ["GetBucketWebsite", "PutBucketWebsite", "DeleteBucketWebsite"],
};

const WRITES: Readonly<Record<string, number>> = { GET: 0, HEAD: 0, PUT: 1, DELETE: 2 };

const decoded = (part: string) => decodeURIComponent(part.replaceAll("+", "%2B"));

const s3: Find = async (request, place) => {
  const { method, url, headers } = request;
  const [, bucket = "", ...rest] = url.pathname.split("/");
  const key = rest.map(decoded).join("/");
  if (!bucket) return method === "GET" ? [{ action: "s3:ListAllMyBuckets", resource: "*" }] : undefined;
  const query = url.searchParams;
  const arn = `arn:aws:s3:::${decoded(bucket)}`;
  if (!key) {
    if (method === "POST" && query.has("delete")) return deletions(request, arn);
    const part = Object.keys(BUCKET_PARTS).find((name) => query.has(name));
    if (part) {
      const action = BUCKET_PARTS[part]![WRITES[method] ?? 3];
      return action ? [{ action: `s3:${action}`, resource: arn }] : undefined;
    }
    const values = ["prefix", "delimiter"].flatMap((name) => {
      const value = query.get(name);
      return value === null ? [] : [[`s3:${name}`, value] as const];
    });
    const action = { GET: "ListBucket", HEAD: "ListBucket", PUT: "CreateBucket", DELETE: "DeleteBucket" }[
      method
    ];
    return action
      ? [{ action: `s3:${action}`, resource: arn, values: Object.fromEntries(values) }]
      : undefined;
  }
  const version = query.has("versionId") ? "Version" : "";
  const object = (action: string): Demand => ({ action: `s3:${action}`, resource: `${arn}/${key}` });
  const part = ["tagging", "acl", "retention", "legal-hold", "attributes", "restore"].find((name) =>
    query.has(name),
  );
  if (part === "tagging") {
    const verb = { GET: "Get", PUT: "Put", DELETE: "Delete" }[method];
    return verb ? [object(`${verb}Object${version}Tagging`)] : undefined;
  }
  if (part === "acl") {
    const verb = { GET: "Get", PUT: "Put" }[method];
    return verb ? [object(`${verb}Object${version}Acl`)] : undefined;
  }
  if (part === "attributes")
    return [
      object(`GetObject${version}`),
      object(`GetObject${version}Attributes`),
      ...(await decrypts(arn, key, request, place)),
    ];
  if (part) return undefined;
  if (method === "DELETE")
    return [object(query.has("uploadId") ? "AbortMultipartUpload" : `DeleteObject${version}`)];
  if (method === "GET" && query.has("uploadId")) return [object("ListMultipartUploadParts")];
  if (method === "GET" || method === "HEAD")
    return [object(`GetObject${version}`), ...(await decrypts(arn, key, request, place))];
  if (method !== "PUT" && method !== "POST") return undefined;
  const copied = String(headers["x-amz-copy-source"] ?? "");
  const [source = "", sourceVersion] = copied.replace(/^\//, "").split("?versionId=");
  const [from = "", ...fromKey] = source.split("/").map(decoded);
  const putting = object("PutObject");
  return [
    { ...putting, values: headerValues(headers) },
    // It tells what is there.
    ...(headers["if-match"] ? [object("GetObject")] : []),
    ...(headers["x-amz-tagging"] ? [object("PutObjectTagging")] : []),
    ...(headers["x-amz-acl"] ? [object("PutObjectAcl")] : []),
    ...(copied
      ? [
          {
            action: `s3:GetObject${sourceVersion ? "Version" : ""}`,
            resource: `arn:aws:s3:::${from}/${fromKey.join("/")}`,
          },
          ...(await decrypts(`arn:aws:s3:::${from}`, fromKey.join("/"), request, place)),
        ]
      : []),
    ...(await encrypts(arn, key, request, place)),
  ];
};

function headerValues(headers: AwsRequest["headers"]): Record<string, string> {
  const names = [
    "if-match",
    "if-none-match",
    "x-amz-acl",
    "x-amz-copy-source",
    "x-amz-server-side-encryption",
    "x-amz-server-side-encryption-aws-kms-key-id",
  ];
  return Object.fromEntries(
    names.flatMap((name) => (headers[name] ? [[`s3:${name}`, String(headers[name])]] : [])),
  );
}

/** The objects of a list of keys. */
function deletions({ body }: AwsRequest, arn: string): Demand[] {
  return [...body.toString().matchAll(/<Object>([\s\S]*?)<\/Object>/g)].map(([, object = ""]) => {
    const find = (element: string) => new RegExp(`<${element}>([^<]*)<`).exec(object)?.[1] ?? "";
    const key = unescapeXml(find("Key"));
    return { action: `s3:DeleteObject${find("VersionId") ? "Version" : ""}`, resource: `${arn}/${key}` };
  });
}

/** What reading an object takes of the key that it is encrypted by: the bucket's. */
async function decrypts(arn: string, object: string, request: AwsRequest, place: Place): Promise<Demand[]> {
  const encryption = await place.directory.bucketEncryption(arn.split(":").at(-1)!, place);
  return encryption ? [keyUse("kms:Decrypt", encryption, arn, object, request)] : [];
}

async function encrypts(arn: string, object: string, request: AwsRequest, place: Place): Promise<Demand[]> {
  const algorithm = request.headers["x-amz-server-side-encryption"];
  const named = request.headers["x-amz-server-side-encryption-aws-kms-key-id"];
  if (algorithm && !String(algorithm).startsWith("aws:kms")) return [];
  const found = await place.directory.bucketEncryption(arn.split(":").at(-1)!, place);
  const key = named && ((await place.directory.keyArn(String(named), place)) ?? String(named));
  const encryption = key ? { key, byBucket: found?.byBucket ?? false } : found;
  if (!encryption) return [];
  const multipart = request.url.searchParams.has("uploads") || request.url.searchParams.has("uploadId");
  const actions = ["kms:GenerateDataKey", ...(multipart ? ["kms:Decrypt"] : [])];
  return actions.map((action) => keyUse(action, encryption, arn, object, request));
}

const keyUse = (
  action: string,
  { key, byBucket }: BucketEncryption,
  bucket: string,
  object: string,
  { region }: AwsRequest,
): Demand => ({
  action,
  resource: key,
  values: {
    "kms:viaservice": `s3.${region}.amazonaws.com`,
    "kms:encryptioncontext:aws:s3:arn": byBucket ? bucket : `${bucket}/${object}`,
    "kms:encryptioncontextkeys": "aws:s3:arn",
  },
});

/** Of a path behind the function's name: the actions by method. */
const FUNCTION_PARTS: readonly (readonly [path: RegExp, byMethod: Readonly<Record<string, string>>])[] = [
  [/^$/, { GET: "GetFunction", DELETE: "DeleteFunction" }],
  [/^\/configuration$/, { GET: "GetFunctionConfiguration", PUT: "UpdateFunctionConfiguration" }],
  [/^\/code$/, { PUT: "UpdateFunctionCode" }],
  [/^\/versions$/, { GET: "ListVersionsByFunction", POST: "PublishVersion" }],
  [/^\/aliases$/, { GET: "ListAliases", POST: "CreateAlias" }],
  [/^\/aliases\/[^/]+$/, { GET: "GetAlias", PUT: "UpdateAlias", DELETE: "DeleteAlias" }],
  [/^\/policy$/, { GET: "GetPolicy", POST: "AddPermission" }],
  [/^\/policy\/[^/]+$/, { DELETE: "RemovePermission" }],
  [/^\/invocations$/, { POST: "InvokeFunction" }],
  [/^\/invoke-async$/, { POST: "InvokeFunction" }],
  [/^\/response-streaming-invocations$/, { POST: "InvokeFunction" }],
  [
    /^\/concurrency$/,
    { GET: "GetFunctionConcurrency", PUT: "PutFunctionConcurrency", DELETE: "DeleteFunctionConcurrency" },
  ],
  [
    /^\/provisioned-concurrency$/,
    {
      GET: "GetProvisionedConcurrencyConfig",
      PUT: "PutProvisionedConcurrencyConfig",
      DELETE: "DeleteProvisionedConcurrencyConfig",
    },
  ],
  [
    /^\/url$/,
    {
      GET: "GetFunctionUrlConfig",
      POST: "CreateFunctionUrlConfig",
      PUT: "UpdateFunctionUrlConfig",
      DELETE: "DeleteFunctionUrlConfig",
    },
  ],
  [/^\/urls$/, { GET: "ListFunctionUrlConfigs" }],
  [
    /^\/event-invoke-config(\/list)?$/,
    {
      GET: "GetFunctionEventInvokeConfig",
      PUT: "PutFunctionEventInvokeConfig",
      POST: "UpdateFunctionEventInvokeConfig",
      DELETE: "DeleteFunctionEventInvokeConfig",
    },
  ],
  [
    /^\/code-signing-config$/,
    {
      GET: "GetFunctionCodeSigningConfig",
      PUT: "PutFunctionCodeSigningConfig",
      DELETE: "DeleteFunctionCodeSigningConfig",
    },
  ],
  [/^\/runtime-management-config$/, { GET: "GetRuntimeManagementConfig", PUT: "PutRuntimeManagementConfig" }],
  [/^\/recursion-config$/, { GET: "GetFunctionRecursionConfig", PUT: "PutFunctionRecursionConfig" }],
];

/** Mappings of queues to functions, by whether one is named, and the actions by method. */
const MAPPING_ACTIONS = {
  all: { GET: "ListEventSourceMappings", POST: "CreateEventSourceMapping" },
  one: { GET: "GetEventSourceMapping", PUT: "UpdateEventSourceMapping", DELETE: "DeleteEventSourceMapping" },
} as const satisfies Record<string, Readonly<Record<string, string>>>;

const lambda: Find = async (request, { account, region, directory }) => {
  const { method, url } = request;
  const [, rest = ""] = /^\/\d{4}-\d\d-\d\d\/(.*?)\/?$/.exec(url.pathname) ?? [];
  const arn = (name: string) =>
    name.startsWith("arn:")
      ? name
      : `arn:aws:lambda:${region}:${account}:function:${name.replace(/^\d{12}:(function:)?/, "")}`;
  const [, tagged] = /^tags\/(.+)$/.exec(rest) ?? [];
  if (tagged) {
    const action = { GET: "ListTags", POST: "TagResource", DELETE: "UntagResource" }[method];
    return action ? [{ action: `lambda:${action}`, resource: decoded(tagged) }] : undefined;
  }
  const [mappings, id] = /^event-source-mappings(?:\/([^/]+))?$/.exec(rest) ?? [];
  if (mappings) {
    const byMethod: Readonly<Record<string, string>> = MAPPING_ACTIONS[id ? "one" : "all"];
    const action = Object.hasOwn(byMethod, method) ? byMethod[method] : undefined;
    if (!action) return undefined;
    const given = method === "POST" && text(inputOf(request), "FunctionName");
    const fn = id ? await directory.mappedFunction(id, { account, region }) : given ? arn(given) : undefined;
    const resource = id ? `arn:aws:lambda:${region}:${account}:event-source-mapping:${id}` : "*";
    return [{ action: `lambda:${action}`, resource, ...(fn && { values: { "lambda:FunctionArn": fn } }) }];
  }
  if (rest === "functions" && method === "GET") return [{ action: "lambda:ListFunctions", resource: "*" }];
  if (rest === "functions" && method === "POST") {
    const resource = arn(text(inputOf(request), "FunctionName"));
    return [{ action: "lambda:CreateFunction", resource }];
  }
  const [, name, part = ""] = /^functions\/([^/]+)(\/.*)?$/.exec(rest) ?? [];
  const [, byMethod] = FUNCTION_PARTS.find(([path]) => path.test(part)) ?? [];
  const action = byMethod && Object.hasOwn(byMethod, method) ? byMethod[method] : undefined;
  if (!name || !action) return undefined;
  const qualifier = url.searchParams.get("Qualifier");
  return [
    { action: `lambda:${action}`, resource: `${arn(decoded(name))}${qualifier ? `:${qualifier}` : ""}` },
  ];
};

/** Allowed by the method, on the path without the API's version. */
const apigateway: Find = ({ method, url }, { region }) => {
  const path = url.pathname.replace(/^\/v2\//, "/").replace(/\/$/, "");
  return [{ action: `apigateway:${method}`, resource: `arn:aws:apigateway:${region}::${decoded(path)}` }];
};

const route53: Find = ({ method, url, body }) => {
  const [, kind = "", id = "", part = ""] =
    /^\/\d{4}-\d\d-\d\d\/([^/]+)(?:\/([^/]+))?(?:\/([^/]+))?/.exec(url.pathname) ?? [];
  const zone = `arn:aws:route53:::hostedzone/${part || id}`;
  const own = `arn:aws:route53:::hostedzone/${id}`;
  if (kind === "change" && method === "GET")
    return [{ action: "route53:GetChange", resource: `arn:aws:route53:::change/${id}` }];
  if (kind === "tags" && id === "hostedzone")
    return [
      {
        action: `route53:${method === "GET" ? "ListTagsForResource" : "ChangeTagsForResource"}`,
        resource: zone,
      },
    ];
  if (kind === "hostedzonesbyname") return [{ action: "route53:ListHostedZonesByName", resource: "*" }];
  if (kind !== "hostedzone") return undefined;
  if (!id) {
    const action = { GET: "ListHostedZones", POST: "CreateHostedZone" }[method];
    return action ? [{ action: `route53:${action}`, resource: "*" }] : undefined;
  }
  if (part === "rrset" && method === "POST") {
    const all = (element: string) =>
      [...body.toString().matchAll(new RegExp(`<${element}>([^<]*)<`, "g"))].map(([, value = ""]) => value);
    const prefix = "route53:changeresourcerecordsets";
    return [
      {
        action: "route53:ChangeResourceRecordSets",
        resource: own,
        values: {
          [`${prefix}normalizedrecordnames`]: all("Name").map(normalRecord),
          [`${prefix}recordtypes`]: all("Type"),
          [`${prefix}actions`]: all("Action"),
        },
      },
    ];
  }
  if (part === "rrset") return [{ action: "route53:ListResourceRecordSets", resource: own }];
  const action = { GET: "GetHostedZone", DELETE: "DeleteHostedZone", POST: "UpdateHostedZoneComment" }[
    method
  ];
  return action && !part ? [{ action: `route53:${action}`, resource: own }] : undefined;
};

/** In small letters, without the last dot, and what is no letter, digit, dot, `-` or `_` by its number. */
const normalRecord = (name: string) =>
  name
    .toLowerCase()
    .replace(/\.$/, "")
    .replace(/\\052/g, "*")
    .replace(/[^a-z0-9._-]/g, (character) => `\\${character.charCodeAt(0).toString(8).padStart(3, "0")}`);

const xray: Find = ({ url }) => {
  const action = { "/TraceSegments": "PutTraceSegments", "/TelemetryRecords": "PutTelemetryRecords" }[
    url.pathname
  ];
  return action ? [{ action: `xray:${action}`, resource: "*" }] : undefined;
};

export const REST: Readonly<Record<string, Find>> = { apigateway, lambda, route53, s3, xray };
