import { randomUUID } from "node:crypto";
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from "node:http";
import { encodeCborTexts } from "./cbor";

/** Whose and where: all that Local AWS keeps is kept apart by it. */
export interface Scope {
  readonly account: string;
  readonly region: string;
}

/** What a signed request says of itself before its body is read. */
export interface RequestHead {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** Service of the credential's scope, as `s3`. */
  readonly service: string;
  readonly region: string;
  readonly accessKey: string;
  /** `CodePipeline_20150709`, of the target header; empty where there is none. */
  readonly api: string;
  /** `GetPipeline`, of the target header; empty where there is none. */
  readonly operation: string;
  /** Whether the body is a form whose `Action` names the operation. */
  readonly form: boolean;
}

/** A request all of which was read. */
export interface AwsRequest extends RequestHead {
  readonly scope: Scope;
  readonly body: Buffer;
}

/** What Local AWS calls itself where it asks in the place of a service of AWS's. */
export const OWN_AGENT = "local-aws";

/** What CloudWatch's clients speak, and say in the header `smithy-protocol`. */
const CBOR_PROTOCOL = "rpc-v2-cbor";

const CREDENTIAL = /([^/,\s=]+)\/\d{8}\/([^/]+)\/([^/]+)\/aws4_request/;

/** Reads what routes a request: its credential's scope, in the header or in a signed URL, and its target. */
export function readHead(request: IncomingMessage): RequestHead {
  const url = new URL(request.url ?? "/", "http://local-aws");
  const credential = request.headers.authorization ?? url.searchParams.get("X-Amz-Credential") ?? "";
  const [, accessKey = "", region = "", service = ""] = CREDENTIAL.exec(credential) ?? [];
  // Some clients write the service's whole name before the API's: only the last two parts are alike in all.
  const [api = "", operation = ""] = String(request.headers["x-amz-target"] ?? ".")
    .split(".")
    .slice(-2);
  return {
    method: request.method ?? "GET",
    url,
    headers: request.headers,
    service,
    region: region || "us-east-1",
    accessKey,
    api,
    operation,
    form: /^application\/x-www-form-urlencoded/.test(request.headers["content-type"] ?? ""),
  };
}

/** Name of the operation as the request's protocol gives it. */
export function operationOf({ operation, form, body, method, url }: Omit<AwsRequest, "scope">): string {
  const action = form ? new URLSearchParams(body.toString()).get("Action") : undefined;
  return operation || action || `${method} ${url.pathname}`;
}

/** An object of JSON. */
export type Fields = Record<string, unknown>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The JSON of a body; an empty one is an empty object. */
export function readJson(body: Buffer): unknown {
  try {
    return body.length ? JSON.parse(body.toString()) : {};
  } catch {
    throw new AwsError("SerializationException", "The request is not valid JSON");
  }
}

/** An error as AWS answers it. */
export class AwsError extends Error {
  constructor(
    readonly code: string,
    message: string,
    readonly status = 400,
  ) {
    super(message);
  }
}

/** Answers as the JSON protocols do. */
export function answerJson(
  response: ServerResponse,
  content: unknown,
  status = 200,
  headers: Readonly<Record<string, string>> = {},
): void {
  const text = content === undefined ? "" : JSON.stringify(content);
  response.writeHead(status, {
    "content-type": "application/x-amz-json-1.1",
    "content-length": Buffer.byteLength(text),
    "x-amzn-requestid": randomUUID(),
    ...headers,
  });
  response.end(text);
}

/** Whether the request's protocol is one of those that answer XML. */
export const speaksXml = ({ api, service, form }: RequestHead): boolean =>
  !api && (form || service === "s3" || service === "route53");

/** Answers with an error in the form that the request's protocol has for it: CBOR, JSON, or the XML of its service. */
export function answerError(response: ServerResponse, head: RequestHead, error: AwsError): void {
  const content = { __type: error.code, message: error.message };
  if (head.headers["smithy-protocol"] === CBOR_PROTOCOL) {
    const body = encodeCborTexts(content);
    response.writeHead(error.status, {
      "content-type": "application/cbor",
      "content-length": body.length,
      "smithy-protocol": CBOR_PROTOCOL,
    });
    response.end(body);
    return;
  }
  if (!speaksXml(head)) {
    answerJson(response, content, error.status, { "x-amzn-errortype": error.code });
    return;
  }
  const id = randomUUID();
  const text = xmlError(head.service, error, id);
  response.writeHead(error.status, {
    "content-type": "text/xml",
    "content-length": Buffer.byteLength(text),
    "x-amzn-requestid": id,
  });
  response.end(head.method === "HEAD" ? undefined : text);
}

function xmlError(service: string, { code, message }: AwsError, id: string): string {
  const inner = `<Code>${code}</Code><Message>${escapeXml(message)}</Message>`;
  if (service === "s3") return `<Error>${inner}<RequestId>${id}</RequestId></Error>`;
  if (service === "ec2")
    return `<Response><Errors><Error>${inner}</Error></Errors><RequestID>${id}</RequestID></Response>`;
  return `<ErrorResponse><Error><Type>Sender</Type>${inner}</Error><RequestId>${id}</RequestId></ErrorResponse>`;
}

export const escapeXml = (text: string) =>
  text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
