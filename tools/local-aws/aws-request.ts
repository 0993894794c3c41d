import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";

/** What a signed request says of itself. */
export interface AwsRequest {
  readonly method: string;
  readonly url: URL;
  /** Service of the credential's scope, as `s3`. */
  readonly service: string;
  readonly region: string;
  readonly accessKey: string;
  /** `CodePipeline_20150709.GetPipeline` */
  readonly target: string;
  readonly body: Buffer;
}

export function readRequest(request: IncomingMessage, body: Buffer): AwsRequest {
  const [, accessKey = "", region = "", service = ""] =
    /Credential=([^/,\s]+)\/\d+\/([^/]+)\/([^/]+)\/aws4_request/.exec(request.headers.authorization ?? "") ??
    [];
  return {
    method: request.method ?? "GET",
    url: new URL(request.url ?? "/", "http://local-aws"),
    service,
    region,
    accessKey,
    target: String(request.headers["x-amz-target"] ?? ""),
    body,
  };
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

export function answerJson(response: ServerResponse, content: unknown, status = 200): void {
  const text = JSON.stringify(content);
  response.writeHead(status, {
    "content-type": "application/x-amz-json-1.1",
    "content-length": Buffer.byteLength(text),
    "x-amzn-requestid": randomUUID(),
  });
  response.end(text);
}

/** An error in the form that the request's protocol has for it. */
export function answerError(response: ServerResponse, request: AwsRequest, error: AwsError): void {
  if (request.target || request.service === "lambda") {
    answerJson(response, { __type: error.code, message: error.message }, error.status);
    return;
  }
  const inner = `<Code>${error.code}</Code><Message>${escapeXml(error.message)}</Message>`;
  const text =
    request.service === "s3"
      ? `<Error>${inner}</Error>`
      : `<ErrorResponse><Error><Type>Sender</Type>${inner}</Error><RequestId>${randomUUID()}</RequestId></ErrorResponse>`;
  response.writeHead(error.status, { "content-type": "text/xml", "content-length": Buffer.byteLength(text) });
  response.end(text);
}

const escapeXml = (text: string) => text.replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
