import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";
import { AwsError } from "../../../tools/local-aws/aws-request";
import type { LogEvent } from "../../../tools/local-aws/builds/log";
import type { ServiceRole } from "../../../tools/local-aws/builds/role";

/** A service role whose AWS is in memory. */
export class FakeRole implements ServiceRole {
  readonly environment = { AWS_ENDPOINT_URL: "http://127.0.0.1:1", AWS_ACCESS_KEY_ID: "ASIAMADEUP" };
  /** By `bucket/key`. */
  readonly objects = new Map<string, Buffer>();
  /** Of every object. */
  metadata: Record<string, string> = {};
  readonly parameters = new Map<string, string>();
  readonly secrets = new Map<string, string>();
  readonly events: LogEvent[] = [];
  /** What it may not do, as `CodeBuild_20161006.StartBuild`. */
  readonly denied = new Set<string>();
  /** How many times the log takes nothing. */
  failingLogs = 0;

  get log(): string {
    return this.events.map(({ message }) => message).join("");
  }

  async readObject(bucket: string, key: string) {
    return this.find(bucket, key).toString();
  }

  async describeObject(bucket: string, key: string) {
    this.find(bucket, key);
    return { metadata: this.metadata, etag: "e7a9", modified: new Date(1_700_000_000_000) };
  }

  async openObject(bucket: string, key: string) {
    const content = this.find(bucket, key);
    return { etag: createHash("md5").update(content).digest("hex"), size: content.length };
  }

  async download(bucket: string, key: string, file: string) {
    writeFileSync(file, this.find(bucket, key));
  }

  async listObjects(bucket: string, prefix: string) {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(`${bucket}/${prefix}`));
    return keys.map((key) => key.slice(bucket.length + 1));
  }

  async upload(bucket: string, key: string, file: string) {
    this.objects.set(`${bucket}/${key}`, readFileSync(file));
    return (await this.openObject(bucket, key)).etag;
  }

  async copyObject(from: string, bucket: string, key: string) {
    this.objects.set(`${bucket}/${key}`, this.objects.get(from)!);
  }

  async readParameter(name: string) {
    return this.parameters.get(name) ?? "";
  }

  async readSecret(reference: string) {
    return this.secrets.get(reference) ?? "";
  }

  async checkRight(_: string, target: string) {
    if (this.denied.has(target)) throw new AwsError("AccessDeniedException", `no right to ${target}`, 403);
  }

  async logTo() {
    return async (events: readonly LogEvent[]) => {
      if (this.failingLogs-- > 0) throw new Error("fetch failed");
      this.events.push(...events);
    };
  }

  private find(bucket: string, key: string): Buffer {
    const content = this.objects.get(`${bucket}/${key}`);
    if (!content) throw Object.assign(new Error("The specified key does not exist."), { name: "NoSuchKey" });
    return content;
  }
}
