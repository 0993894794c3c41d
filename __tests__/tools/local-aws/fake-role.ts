import type { LogEvent } from "../../../tools/local-aws/builds/log";
import type { BuildRole, StoredObject } from "../../../tools/local-aws/builds/role";

/** A service role whose AWS is in memory. */
export class FakeRole implements BuildRole {
  readonly environment = { AWS_ENDPOINT_URL: "http://127.0.0.1:1", AWS_ACCESS_KEY_ID: "ASIAMADEUP" };
  /** By `bucket/key`. */
  readonly objects = new Map<string, Buffer>();
  readonly parameters = new Map<string, string>();
  readonly secrets = new Map<string, string>();
  readonly events: LogEvent[] = [];

  get log(): string {
    return this.events.map(({ message }) => message).join("");
  }

  async readObject(bucket: string, key: string): Promise<StoredObject> {
    const content = this.objects.get(`${bucket}/${key}`);
    if (!content) throw Object.assign(new Error("The specified key does not exist."), { name: "NoSuchKey" });
    return { content };
  }

  async listObjects(bucket: string, prefix: string) {
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(`${bucket}/${prefix}`));
    return keys.map((key) => key.slice(bucket.length + 1));
  }

  async writeObject(bucket: string, key: string, content: Uint8Array) {
    this.objects.set(`${bucket}/${key}`, Buffer.from(content));
  }

  async readParameter(name: string) {
    return this.parameters.get(name) ?? "";
  }

  async readSecret(reference: string) {
    return this.secrets.get(reference) ?? "";
  }

  async logTo() {
    return async (events: readonly LogEvent[]) => {
      this.events.push(...events);
    };
  }
}
