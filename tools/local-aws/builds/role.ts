import { once } from "node:events";
import { createReadStream, createWriteStream, statSync } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import type { S3Client } from "@aws-sdk/client-s3";
import { AwsError, OWN_AGENT } from "../aws-request";
import { serviceKey } from "../iam/service-key";
import { githubUrl } from "../posts";
import { PhaseFailure } from "./buildspec";
import type { LogEvent } from "./log";

export interface RoleProps {
  /** Of Local AWS. */
  readonly endpoint: string;
  readonly region: string;
  readonly roleArn: string;
  readonly session: string;
  /** Who takes it on, as `codebuild.amazonaws.com`: the role's trust is to name it. */
  readonly service: string;
  /** ARN of what it is taken on for. */
  readonly source: string;
}

/** What S3 tells of an object. */
export interface StoredObject {
  readonly metadata: Readonly<Record<string, string>>;
  readonly etag: string;
  readonly modified: Date;
}

/** AWS as the role that a service has taken on sees it: for a build, a task, a function or another thing of its. */
export interface ServiceRole {
  /** Variables by which every AWS client becomes the role, at Local AWS, and by which GitHub is there, too. */
  readonly environment: Readonly<Record<string, string>>;
  readObject(bucket: string, key: string): Promise<string>;
  describeObject(bucket: string, key: string, signal?: AbortSignal): Promise<StoredObject>;
  /** What an object is that the role may read, without reading it: its size is in bytes. */
  openObject(bucket: string, key: string, signal?: AbortSignal): Promise<{ etag: string; size: number }>;
  /** Of an object that may be large. */
  download(bucket: string, key: string, file: string, version?: string, signal?: AbortSignal): Promise<void>;
  /** Keys below a prefix. */
  listObjects(bucket: string, prefix: string, signal?: AbortSignal): Promise<string[]>;
  /** @returns the object's ETag */
  upload(
    bucket: string,
    key: string,
    file: string,
    metadata: Record<string, string>,
    signal?: AbortSignal,
  ): Promise<string>;
  /** @param from `bucket/key` */
  copyObject(from: string, bucket: string, key: string, signal?: AbortSignal): Promise<void>;
  /** A parameter of Parameter Store, by name or ARN. */
  readParameter(name: string): Promise<string>;
  /** A secret, by `secret-id:json-key:version-stage:version-id`. */
  readSecret(reference: string): Promise<string>;
  /**
   * Whether the role may do what a request asks: for what Local AWS does in its place, and not by that request.
   *
   * @param target as `CodeBuild_20161006.StartBuild`
   * @param input changes nothing, be it that it is refused as none
   * @throws AwsError where the role may not
   */
  checkRight(service: string, target: string, input: unknown): Promise<void>;
  /** Takes events into a stream of CloudWatch Logs, which is made first. */
  logTo(group: string, stream: string): Promise<(events: readonly LogEvent[]) => Promise<void>>;
}

/** Takes on a role in the place of the service whose it is, as CodeBuild does for each build. */
export async function assumeServiceRole(props: RoleProps): Promise<ServiceRole> {
  const { endpoint, region, roleArn, session, service, source } = props;
  const { AssumeRoleCommand, STSClient } = await import("@aws-sdk/client-sts");
  const caller = { accessKeyId: serviceKey(service, source), secretAccessKey: "local" };
  const sts = new STSClient({ endpoint, region, credentials: caller });
  try {
    const assume = new AssumeRoleCommand({ RoleArn: roleArn, RoleSessionName: session });
    const { Credentials: given } = await sts.send(assume);
    return new AssumedRole(props, {
      accessKeyId: given?.AccessKeyId ?? "",
      secretAccessKey: given?.SecretAccessKey ?? "",
      sessionToken: given?.SessionToken ?? "",
    });
  } finally {
    sts.destroy();
  }
}

interface Credentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
}

/** PutLogEvents takes no more at once. */
const MOST_EVENTS = 5000;
const MOST_BYTES = 900_000;
/** Longer lines are cut: no event may be longer. */
const LONGEST_LINE = 200_000;

class AssumedRole implements ServiceRole {
  readonly environment: Readonly<Record<string, string>>;
  private client?: S3Client;

  constructor(
    private readonly props: RoleProps,
    private readonly credentials: Credentials,
  ) {
    const { endpoint, region } = props;
    this.environment = {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: region,
      AWS_DEFAULT_REGION: region,
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_SESSION_TOKEN: credentials.sessionToken,
      GITHUB_API_URL: githubUrl(endpoint),
    };
  }

  async readObject(bucket: string, key: string) {
    const { GetObjectCommand } = await import("@aws-sdk/client-s3");
    const { Body } = await (await this.s3()).send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return (await Body?.transformToString()) ?? "";
  }

  async describeObject(bucket: string, key: string, abortSignal?: AbortSignal) {
    const { HeadObjectCommand } = await import("@aws-sdk/client-s3");
    const command = new HeadObjectCommand({ Bucket: bucket, Key: key });
    const { Metadata = {}, ETag = "", LastModified } = await (await this.s3()).send(command, { abortSignal });
    return { metadata: Metadata, etag: ETag.replaceAll('"', ""), modified: LastModified ?? new Date() };
  }

  async openObject(bucket: string, key: string, abortSignal?: AbortSignal) {
    const { GetObjectCommand } = await import("@aws-sdk/client-s3");
    // Asking for its head alone would need fewer rights.
    const command = new GetObjectCommand({ Bucket: bucket, Key: key, Range: "bytes=0-0" });
    const { ETag, ContentRange } = await (await this.s3()).send(command, { abortSignal });
    return { etag: ETag ?? "", size: Number(ContentRange?.split("/")[1]) };
  }

  async download(bucket: string, key: string, file: string, version?: string, signal?: AbortSignal) {
    const { GetObjectCommand } = await import("@aws-sdk/client-s3");
    const command = new GetObjectCommand({ Bucket: bucket, Key: key, VersionId: version || undefined });
    const { Body } = await (await this.s3()).send(command, { abortSignal: signal });
    await pipeline(Body as Readable, createWriteStream(file), { signal });
  }

  async listObjects(bucket: string, prefix: string, abortSignal?: AbortSignal) {
    const { ListObjectsV2Command } = await import("@aws-sdk/client-s3");
    const keys: string[] = [];
    let token: string | undefined;
    do {
      const command = new ListObjectsV2Command({ Bucket: bucket, Prefix: prefix, ContinuationToken: token });
      const page = await (await this.s3()).send(command, { abortSignal });
      keys.push(...(page.Contents ?? []).flatMap(({ Key }) => Key ?? []));
      token = page.NextContinuationToken;
    } while (token);
    return keys;
  }

  async upload(
    bucket: string,
    key: string,
    file: string,
    metadata: Record<string, string>,
    abortSignal?: AbortSignal,
  ) {
    const { PutObjectCommand } = await import("@aws-sdk/client-s3");
    const content = createReadStream(file);
    // Refused at once, nobody would read it, and the build's folder be gone when it is opened.
    await once(content, "open");
    try {
      const body = { Body: content, ContentLength: statSync(file).size };
      const command = new PutObjectCommand({ Bucket: bucket, Key: key, Metadata: metadata, ...body });
      const { ETag } = await (await this.s3()).send(command, { abortSignal });
      return ETag ?? "";
    } finally {
      content.destroy();
    }
  }

  async copyObject(from: string, bucket: string, key: string, abortSignal?: AbortSignal) {
    const { CopyObjectCommand } = await import("@aws-sdk/client-s3");
    const source = from.split("/").map(encodeURIComponent).join("/");
    const command = new CopyObjectCommand({ CopySource: source, Bucket: bucket, Key: key });
    await (await this.s3()).send(command, { abortSignal });
  }

  async readParameter(name: string) {
    const input = { Names: [name], WithDecryption: true };
    const { Parameters } = await this.call("ssm", "AmazonSSM.GetParameters", input).catch(
      failWith("Decrypted Variables Error"),
    );
    const [found] = (Parameters ?? []) as { Value: string }[];
    if (!found) throw new PhaseFailure("Decrypted Variables Error", `parameter does not exist: ${name}`);
    return found.Value;
  }

  async readSecret(reference: string) {
    // An ARN has colons of its own.
    const parts = reference.split(":");
    const idParts = reference.startsWith("arn:") ? 7 : 1;
    const [jsonKey, stage, version] = parts.slice(idParts);
    const input = {
      SecretId: parts.slice(0, idParts).join(":"),
      VersionStage: stage || undefined,
      VersionId: version || undefined,
    };
    const { SecretString } = await this.call("secretsmanager", "secretsmanager.GetSecretValue", input).catch(
      failWith("Secrets Manager Error"),
    );
    if (!jsonKey) return String(SecretString ?? "");
    const value = jsonFields(SecretString)[jsonKey];
    if (value === undefined) {
      throw new PhaseFailure(
        "Secrets Manager Error",
        `the secret ${input.SecretId} has no key ${jsonKey}, or is not JSON`,
      );
    }
    return typeof value === "string" ? value : JSON.stringify(value);
  }

  async checkRight(service: string, target: string, input: unknown) {
    const response = await this.ask(service, target, input);
    const { __type, message, Message } = jsonFields(await response.text());
    if (response.status === 403)
      throw new AwsError(String(__type ?? "AccessDeniedException"), String(message ?? Message), 403);
  }

  async logTo(group: string, stream: string) {
    const names = { logGroupName: group, logStreamName: stream };
    // There from the last build, as a rule.
    await this.logs("CreateLogGroup", { logGroupName: group }).catch(() => {});
    await this.logs("CreateLogStream", names);
    return async (events: readonly LogEvent[]) => {
      let batch: LogEvent[] = [];
      let bytes = 0;
      for (const { timestamp, message } of events) {
        const cut = message.length > LONGEST_LINE ? `${message.slice(0, LONGEST_LINE)}\n` : message;
        const size = Buffer.byteLength(cut) + 26;
        if (batch.length === MOST_EVENTS || bytes + size > MOST_BYTES) {
          await this.logs("PutLogEvents", { ...names, logEvents: batch });
          batch = [];
          bytes = 0;
        }
        batch.push({ timestamp, message: cut });
        bytes += size;
      }
      await this.logs("PutLogEvents", { ...names, logEvents: batch });
    };
  }

  private async s3(): Promise<S3Client> {
    if (this.client) return this.client;
    const { S3Client } = await import("@aws-sdk/client-s3");
    const { endpoint, region } = this.props;
    this.client = new S3Client({
      endpoint,
      region,
      credentials: this.credentials,
      customUserAgent: OWN_AGENT,
      forcePathStyle: true,
      // Sums of our own in JavaScript would take longer than all the rest.
      requestChecksumCalculation: "WHEN_REQUIRED",
      responseChecksumValidation: "WHEN_REQUIRED",
    });
    return this.client;
  }

  private logs(operation: string, input: unknown) {
    return this.call("logs", `Logs_20140328.${operation}`, input);
  }

  /** Calls an operation of a JSON protocol. @throws Error where it fails */
  private async call(service: string, target: string, input: unknown): Promise<Record<string, unknown>> {
    const response = await this.ask(service, target, input);
    const answer = jsonFields(await response.text());
    if (response.ok) return answer;
    throw new Error(`${answer.__type ?? response.status}: ${answer.message ?? answer.Message ?? ""}`);
  }

  /** Local AWS reads from the credential who asks, and checks no signature. */
  private ask(service: string, target: string, input: unknown): Promise<Response> {
    const { endpoint, region } = this.props;
    const date = new Date().toISOString().slice(0, 10).replaceAll("-", "");
    const credential = `${this.credentials.accessKeyId}/${date}/${region}/${service}/aws4_request`;
    return fetch(endpoint, {
      method: "POST",
      headers: {
        authorization: `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=host, Signature=0`,
        "user-agent": OWN_AGENT,
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": target,
      },
      body: JSON.stringify(input),
    });
  }
}

function jsonFields(text: unknown): Record<string, unknown> {
  try {
    const content: unknown = JSON.parse(String(text));
    return typeof content === "object" && content !== null ? (content as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function failWith(code: string) {
  return (error: Error): never => {
    throw new PhaseFailure(code, error.message);
  };
}
