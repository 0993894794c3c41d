import type { ServerResponse } from "node:http";
import { AwsError, type AwsRequest, answerError } from "./aws-request";

/**
 * Parts of S3 that moto gets wrong for us, answered here.
 *
 * - Bucket policies: moto applies them without their conditions, so the usual "deny what is not TLS" locks
 *   everybody out. They are kept and given back as they are; moto gets what they allow, which it wants to see
 *   before it lets a bucket take access logs.
 * - Notifications to EventBridge alone: moto forgets them, and each plan would switch them on again.
 * - Suspended versioning: moto then fails to delete the markers that stand for deleted objects, and with them a
 *   bucket that Terraform empties. It is told to the client, and not to moto.
 */
export class BucketQuirks {
  private readonly policies = new Map<string, Buffer>();
  private readonly notifications = new Map<string, Buffer>();
  private readonly suspended = new Map<string, Buffer>();

  /** Answers the request where it is about one of the parts; tells whether it did. */
  answer(request: AwsRequest, response: ServerResponse): boolean {
    if (request.service !== "s3") return false;
    const bucket = bucketOf(request.url);
    const { searchParams } = request.url;
    if (searchParams.has("policy") && request.method !== "PUT") {
      this.keep(this.policies, bucket, request, response, "NoSuchBucketPolicy");
      return true;
    }
    if (searchParams.has("versioning")) return this.suspend(bucket, request, response);
    if (searchParams.has("notification")) {
      this.keep(this.notifications, bucket, request, response);
      return true;
    }
    return false;
  }

  /** What moto gets for the body of a request. */
  bodyForMoto({ service, method, url, body }: AwsRequest): Buffer {
    if (service !== "s3" || method !== "PUT" || !url.searchParams.has("policy")) return body;
    this.policies.set(bucketOf(url), body);
    const policy = JSON.parse(body.toString()) as { Statement: { Effect: string; Condition?: unknown }[] };
    const allowed = policy.Statement.filter(({ Effect }) => Effect === "Allow").map(
      ({ Condition: _, ...rest }) => rest,
    );
    return Buffer.from(JSON.stringify({ ...policy, Statement: allowed }));
  }

  /** A bucket that is gone takes its parts along. */
  forget(bucket: string): void {
    this.policies.delete(bucket);
    this.notifications.delete(bucket);
    this.suspended.delete(bucket);
  }

  private suspend(bucket: string, { method, body }: AwsRequest, response: ServerResponse): boolean {
    if (method === "PUT") {
      if (!body.includes(">Suspended<")) {
        this.suspended.delete(bucket);
        return false;
      }
      this.suspended.set(bucket, body);
    }
    const content = this.suspended.get(bucket);
    if (!content) return false;
    response.writeHead(200, { "content-type": "application/xml" }).end(method === "PUT" ? "" : content);
    return true;
  }

  private keep(
    kept: Map<string, Buffer>,
    bucket: string,
    request: AwsRequest,
    response: ServerResponse,
    absent?: string,
  ): void {
    if (request.method === "PUT") {
      kept.set(bucket, request.body);
      response.writeHead(absent ? 204 : 200).end();
    } else if (request.method === "DELETE") {
      kept.delete(bucket);
      response.writeHead(204).end();
    } else {
      const content = kept.get(bucket);
      if (content) response.writeHead(200, { "content-length": content.length }).end(content);
      else if (absent)
        answerError(response, request, new AwsError(absent, "The bucket policy does not exist", 404));
      else response.writeHead(200, { "content-type": "application/xml" }).end("<NotificationConfiguration/>");
    }
  }
}

const bucketOf = (url: URL) => url.pathname.split("/")[1] ?? "";
