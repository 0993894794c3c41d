import type { ServerResponse } from "node:http";
import { AwsError, type AwsRequest, answerError, escapeXml, type RequestHead } from "../aws-request";
import { encodeCborTexts } from "./cbor";

/** A refusal as the request's service words it. */
export class AccessDenied extends AwsError {
  constructor(request: RequestHead, message: string) {
    const { service, form, api } = request;
    if (service === "ec2")
      super("UnauthorizedOperation", `You are not authorized to perform this operation. ${message}`, 403);
    else if (service === "sns") super("AuthorizationError", message, 403);
    else {
      const xml = service === "s3" || service === "route53" || form;
      super(xml && !api ? "AccessDenied" : "AccessDeniedException", message, 403);
    }
  }

  /** @param reason in AWS's words; it does not always tell */
  static of(request: AwsRequest, who: string, action: string, resource: string, reason = ""): AccessDenied {
    const what = `User: ${who} is not authorized to perform: ${action} on resource: ${resource}`;
    return new AccessDenied(request, `${what} ${reason}`.trim());
  }
}

/** Answers in the form that the request's protocol has for it. */
export function answerRefusal(response: ServerResponse, head: RequestHead, error: AccessDenied): void {
  const cbor = head.headers["smithy-protocol"] === "rpc-v2-cbor";
  if (!cbor && head.service !== "route53") {
    answerError(response, head, error);
    return;
  }
  const body = cbor
    ? encodeCborTexts({ __type: error.code, message: error.message })
    : Buffer.from(
        `<ErrorResponse><Error><Type>Sender</Type><Code>${error.code}</Code><Message>${escapeXml(error.message)}</Message></Error></ErrorResponse>`,
      );
  response.writeHead(error.status, {
    "content-type": cbor ? "application/cbor" : "text/xml",
    "content-length": body.length,
    ...(cbor && { "smithy-protocol": "rpc-v2-cbor" }),
  });
  response.end(body);
}
