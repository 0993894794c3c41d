import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { Gateway } from "../../../tools/local-aws/gateway";

export const BUILD = "111111111111";
export const OTHER = "222222222222";

/** A gateway in front of a server that stands in for moto. */
export class Bed {
  readonly log: string[] = [];
  /** What the stand-in answers; the test sets it. */
  upstream = (_incoming: IncomingMessage, response: ServerResponse, _body: Buffer): void => {
    response.end("moto");
  };
  /** Takes the request before its body is read. */
  stream?: (incoming: IncomingMessage, response: ServerResponse) => void;
  private readonly moto: Server;
  private gateway!: Gateway;

  constructor() {
    this.moto = createServer(async (incoming, response) => {
      if (this.stream) {
        this.stream(incoming, response);
        return;
      }
      const chunks: Buffer[] = [];
      for await (const chunk of incoming) chunks.push(chunk as Buffer);
      this.upstream(incoming, response, Buffer.concat(chunks));
    });
  }

  async start(): Promise<this> {
    await once(this.moto.listen(0, "127.0.0.1"), "listening");
    const { port } = this.moto.address() as AddressInfo;
    this.gateway = new Gateway({ account: BUILD, motoPort: port, log: (line) => this.log.push(line) });
    await this.gateway.listen(0);
    return this;
  }

  stopMoto(): void {
    this.moto.closeAllConnections();
    this.moto.close();
  }

  async stop(): Promise<void> {
    await this.gateway.stop();
    this.stopMoto();
  }

  get endpoint(): string {
    return this.gateway.endpoint;
  }

  /** Calls an operation of a JSON protocol. */
  async call(target: string, input: unknown, { key = "test", region = "eu-west-1" } = {}) {
    const response = await fetch(this.endpoint, {
      method: "POST",
      headers: {
        authorization: authorization("service", key, region),
        "content-type": "application/x-amz-json-1.1",
        "x-amz-target": target,
      },
      body: typeof input === "string" ? input : JSON.stringify(input),
    });
    const text = await response.text();
    const content: Record<string, unknown> = text ? JSON.parse(text) : {};
    return { status: response.status, headers: response.headers, content };
  }

  /** Calls an operation of a query protocol. */
  form(service: string, fields: Record<string, string>, key?: string): Promise<Response> {
    return fetch(this.endpoint, {
      method: "POST",
      headers: { authorization: authorization(service, key) },
      body: new URLSearchParams(fields),
    });
  }

  s3(path: string, method = "GET", body?: string): Promise<Response> {
    return fetch(`${this.endpoint}${path}`, {
      method,
      body,
      headers: { authorization: authorization("s3") },
    });
  }

  /** Has the gateway see credentials of a role in the other account. */
  async assumeRole(): Promise<string> {
    this.upstream = (_, response) =>
      response.end(
        `<AssumeRoleResponse><AccessKeyId>ASIAOTHER</AccessKeyId><Arn>arn:aws:sts::${OTHER}:assumed-role/deploy/x</Arn></AssumeRoleResponse>`,
      );
    await this.form("sts", { Action: "AssumeRole" });
    return "ASIAOTHER";
  }
}

export const authorization = (service: string, key = "test", region = "eu-west-1") =>
  `AWS4-HMAC-SHA256 Credential=${key}/20260101/${region}/${service}/aws4_request, SignedHeaders=host, Signature=0`;
