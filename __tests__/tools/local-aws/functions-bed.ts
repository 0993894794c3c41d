import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { zipSync } from "fflate";
import { authorization, Bed, BUILD } from "./upstream";

export { lives, until } from "./until";

type Fields = Record<string, unknown>;

export interface InvokeOptions {
  readonly qualifier?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** A gateway whose functions run, in front of a stand-in that keeps them as moto does. */
export class FunctionsBed extends Bed {
  /** Configurations by `name` or `name:version`. */
  readonly configurations = new Map<string, Fields>();
  /** By `name:alias`. */
  readonly aliases = new Map<string, Fields>();
  readonly reserved = new Map<string, number>();
  /** Input of JSON operations, by their target. */
  readonly calls: [target: string, input: Fields][] = [];

  constructor() {
    super();
    this.upstream = (incoming, response, body) => this.answer(incoming, response, body);
  }

  /** What was logged. */
  get logged(): string {
    const events = this.calls.flatMap(([target, { logEvents }]) =>
      target.endsWith("PutLogEvents") ? (logEvents as { message: string }[]) : [],
    );
    return events.map(({ message }) => message).join("");
  }

  lambda(method: string, path: string, input?: unknown, headers: Readonly<Record<string, string>> = {}) {
    const body = typeof input === "string" || input === undefined ? input : JSON.stringify(input);
    return fetch(`${this.endpoint}${path}`, {
      method,
      body,
      headers: { authorization: authorization("lambda"), ...headers },
    });
  }

  /** Deploys files as a function, `hello` as a rule. */
  async create(files: Readonly<Record<string, string>>, configuration: Fields = {}): Promise<void> {
    await this.lambda("POST", "/2015-03-31/functions", {
      FunctionName: "hello",
      Runtime: "nodejs22.x",
      Handler: "index.handler",
      Role: `arn:aws:iam::${BUILD}:role/hello`,
      Timeout: 3,
      MemorySize: 128,
      Code: { ZipFile: archive(files) },
      ...configuration,
    });
  }

  async update(files: Readonly<Record<string, string>>, more: Fields = {}): Promise<void> {
    await this.lambda("PUT", "/2015-03-31/functions/hello/code", { ZipFile: archive(files), ...more });
  }

  /** Calls a function. */
  async invoke(event: unknown = {}, { qualifier, headers }: InvokeOptions = {}, name = "hello") {
    const query = qualifier ? `?Qualifier=${encodeURIComponent(qualifier)}` : "";
    const path = `/2015-03-31/functions/${encodeURIComponent(name)}/invocations${query}`;
    const response = await this.lambda("POST", path, JSON.stringify(event), headers);
    const text = await response.text();
    return {
      status: response.status,
      error: response.headers.get("x-amz-function-error"),
      version: response.headers.get("x-amz-executed-version"),
      tail: Buffer.from(response.headers.get("x-amz-log-result") ?? "", "base64").toString(),
      code: response.headers.get("x-amzn-errortype"),
      payload: text ? JSON.parse(text) : undefined,
    };
  }

  private answer(incoming: IncomingMessage, response: ServerResponse, body: Buffer): void {
    const { pathname, searchParams } = new URL(incoming.url ?? "/", "http://moto");
    const target = incoming.headers["x-amz-target"];
    if (typeof target === "string") {
      this.calls.push([target, JSON.parse(body.toString())]);
      response.end("{}");
      return;
    }
    if (body.includes("Action=AssumeRole")) {
      response.setHeader("content-type", "text/xml").end(CREDENTIALS);
      return;
    }
    const content = this.kept(incoming.method ?? "", pathname, searchParams, body);
    if (content) response.end(JSON.stringify(content));
    else response.writeHead(404, { "x-amzn-errortype": "ResourceNotFoundException" }).end("{}");
  }

  private kept(method: string, path: string, query: URLSearchParams, body: Buffer): Fields | undefined {
    const [, , , name = "", what = "", which = ""] = path.split("/");
    const input: Fields = body.length ? JSON.parse(body.toString()) : {};
    const publish = (of: string) => {
      const version = String(
        [...this.configurations.keys()].filter((key) => key.startsWith(`${of}:`)).length + 1,
      );
      const published = { ...this.configurations.get(of), Version: version };
      this.configurations.set(`${of}:${version}`, published);
      return published;
    };
    if (method === "POST" && !name) {
      const created = { ...input, CodeSha256: sumOf((input.Code as Fields).ZipFile) };
      this.configurations.set(String(input.FunctionName), created);
      return created;
    }
    if (method === "PUT" && what === "code") {
      Object.assign(this.configurations.get(name)!, { CodeSha256: sumOf(input.ZipFile) });
      return input.Publish ? publish(name) : this.configurations.get(name);
    }
    if (method === "PUT") return Object.assign(this.configurations.get(name)!, input);
    if (what === "versions") return publish(name);
    if (what === "aliases") return this.aliases.get(`${name}:${which}`);
    if (what === "concurrency") return { ReservedConcurrentExecutions: this.reserved.get(name) ?? null };
    const qualifier = query.get("Qualifier");
    return this.configurations.get(qualifier ? `${name}:${qualifier}` : name);
  }
}

/** The same bytes for the same files, whenever it is made. */
export const archive = (files: Readonly<Record<string, string>>) => {
  const contents = Object.fromEntries(Object.entries(files).map(([path, text]) => [path, Buffer.from(text)]));
  return Buffer.from(zipSync(contents, { mtime: new Date("2026-01-31T00:00:00") })).toString("base64");
};

const sumOf = (zip: unknown) =>
  createHash("sha256")
    .update(Buffer.from(String(zip), "base64"))
    .digest("base64");

const CREDENTIALS = `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>
  <Credentials><AccessKeyId>ASIAHELLO</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
  <Expiration>2099-01-01T00:00:00Z</Expiration></Credentials>
  <AssumedRoleUser><Arn>arn:aws:sts::${BUILD}:assumed-role/hello/hello</Arn></AssumedRoleUser>
</AssumeRoleResult></AssumeRoleResponse>`;
