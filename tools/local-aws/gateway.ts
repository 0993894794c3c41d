import {
  createServer,
  request as httpRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  type Server,
} from "node:http";
import { AwsError, type AwsRequest, answerError, answerJson, readRequest } from "./aws-request";
import { BucketQuirks } from "./bucket-quirks";
import { Memory } from "./memory";
import { autoscaling } from "./services/autoscaling";
import { codebuild } from "./services/codebuild";
import { codeconnections } from "./services/codeconnections";
import { codedeploy } from "./services/codedeploy";
import { codepipeline } from "./services/codepipeline";
import type { Input, Service } from "./services/service";

export interface GatewayProps {
  /** Whose the credentials are that no AssumeRole of this gateway gave out. */
  readonly account: string;
  /** Port of moto on 127.0.0.1. */
  readonly motoPort: number;
}

/**
 * The one endpoint of Local AWS: answers what moto lacks, and hands the rest on to it, each request under the
 * account that its credentials belong to.
 */
export function createGateway({ account, motoPort }: GatewayProps): Server {
  const services = createServices();
  const buckets = new BucketQuirks();
  const memory = new Memory();
  /** Credentials that AssumeRole gave out, and the account of their role. */
  const assumed = new Map<string, string>();

  return createServer(async (incoming, response) => {
    const body = await readBody(incoming);
    const request = readRequest(incoming, body);
    const scope = {
      account: assumed.get(request.accessKey) ?? account,
      region: request.region || "us-east-1",
    };
    const [prefix = "", operation = ""] = splitTarget(request.target);
    const service = services.get(prefix);
    try {
      const run = service && Object.hasOwn(service.operations, operation) && service.operations[operation];
      if (run) return answerJson(response, run(readJson(body), scope));
      if (service && !service.restIsMoto) {
        throw new AwsError(
          "UnknownOperationException",
          `Local AWS does not know ${operation || "this operation"}`,
        );
      }
      if (buckets.answer(request, response)) return;

      const answer = await askMoto(incoming, buckets.bodyForMoto(request), scope.account, motoPort);
      if (answer.status >= 500) throw explainFailure(request, operation, answer.body);
      if (request.service === "sts") learnCredentials(answer.body.toString(), assumed);
      if (
        request.service === "s3" &&
        request.method === "DELETE" &&
        answer.status === 204 &&
        !request.url.search
      ) {
        const [, bucket = "", key] = request.url.pathname.split("/");
        if (!key) buckets.forget(bucket);
      }
      if (service?.learn && answer.status === 200) {
        service.learn(operation, readJson(body), readJson(answer.body));
      }
      const content =
        answer.status < 300 ? memory.amend(request, operation, scope, answer.body) : answer.body;
      const length = content === answer.body ? answer.headers["content-length"] : content.length;
      response.writeHead(answer.status, { ...answer.headers, "content-length": length }).end(content);
    } catch (error) {
      if (!response.headersSent) answerError(response, request, asAwsError(error));
    }
  });
}

function createServices(): Map<string, Service> {
  const all = [
    codepipeline(),
    codebuild(),
    codedeploy(),
    codeconnections("codeconnections", "CodeConnections_20231201"),
    codeconnections("codestar-connections", "CodeStar_connections_20191201"),
    autoscaling(),
  ];
  return new Map(all.flatMap((service) => service.targets.map((target) => [target, service] as const)));
}

/** Service and operation of a target. Some clients write a package before the service, and others none. */
function splitTarget(target: string): [string, string] {
  const [service = "", operation = ""] = target.split(".").slice(-2);
  return [service, operation];
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

function readJson(body: Buffer): Input {
  try {
    return body.length ? JSON.parse(body.toString()) : {};
  } catch {
    throw new AwsError("SerializationException", "The request is not valid JSON");
  }
}

interface MotoAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

function askMoto(
  incoming: IncomingMessage,
  body: Buffer,
  account: string,
  port: number,
): Promise<MotoAnswer> {
  return new Promise((resolve, reject) => {
    const { "transfer-encoding": _, ...headers } = incoming.headers;
    const request = httpRequest(
      {
        host: "127.0.0.1",
        port,
        method: incoming.method,
        path: incoming.url,
        headers: { ...headers, "content-length": body.length, "x-moto-account-id": account },
      },
      async (message) => {
        const content = await readBody(message);
        const { "transfer-encoding": __, connection: ___, ...rest } = message.headers;
        // The length that moto gives for a HEAD is the object's; otherwise it is what was read.
        const length = incoming.method === "HEAD" ? rest["content-length"] : String(content.length);
        resolve({
          status: message.statusCode ?? 500,
          headers: { ...rest, "content-length": length },
          body: content,
        });
      },
    );
    request.on("error", reject);
    request.end(body);
  });
}

function learnCredentials(answer: string, assumed: Map<string, string>): void {
  const [, accessKey] = /<AccessKeyId>([^<]+)</.exec(answer) ?? [];
  const [, account] = /<Arn>arn:aws:sts::(\d{12}):assumed-role\//.exec(answer) ?? [];
  if (accessKey && account) assumed.set(accessKey, account);
}

/** A failure inside moto must not look like one of AWS's: the provider would try again for minutes. */
function explainFailure(request: AwsRequest, operation: string, body: Buffer): AwsError {
  const what =
    operation ||
    new URLSearchParams(request.body.toString()).get("Action") ||
    `${request.method} ${request.url.pathname}`;
  const reason = body
    .toString()
    .replace(/<[^>]*>/g, " ")
    .replace(/\s+/g, " ")
    .trim()
    .slice(0, 200);
  return new AwsError(
    "UnknownOperationException",
    `Local AWS cannot do ${request.service} ${what}: ${reason}`,
  );
}

function asAwsError(error: unknown): AwsError {
  if (error instanceof AwsError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new AwsError("LocalAwsFailure", `Local AWS failed: ${reason}`);
}
