import { AwsError, type AwsRequest, type RequestHead, speaksXml } from "../aws-request";

/** A refusal as the request's service words it. */
export class AccessDenied extends AwsError {
  constructor(request: RequestHead, message: string) {
    const { service } = request;
    if (service === "ec2")
      super("UnauthorizedOperation", `You are not authorized to perform this operation. ${message}`, 403);
    else if (service === "sns") super("AuthorizationError", message, 403);
    else super(speaksXml(request) ? "AccessDenied" : "AccessDeniedException", message, 403);
  }

  /** @param reason in AWS's words; it does not always tell */
  static of(request: AwsRequest, who: string, action: string, resource: string, reason = ""): AccessDenied {
    const what = `User: ${who} is not authorized to perform: ${action} on resource: ${resource}`;
    return new AccessDenied(request, `${what} ${reason}`.trim());
  }
}
