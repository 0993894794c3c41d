import { Logger } from "@aws-lambda-powertools/logger";
import { CodeBuildClient } from "@aws-sdk/client-codebuild";
import { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SQSClient } from "@aws-sdk/client-sqs";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from "aws-lambda";
import { receive } from "./receive";
import { Signatures } from "./signature";
import { readTask } from "./task";

const logger = new Logger({ serviceName: "delivery-webhook" });
const clients = {
  pipelines: new CodePipelineClient(),
  builds: new CodeBuildClient(),
  queues: new SQSClient(),
};
const secrets = new SecretsManagerClient();
/** Kept from one delivery to the next: it knows the secret. */
let signatures: Signatures | undefined;

/**
 * Hears from GitHub what happens in the repository, and starts pipelines and reviews, and tells the previews.
 *
 * @throws where not all was done: GitHub gets 500 then, and an alarm tells
 */
export async function handler(
  { requestContext, headers, body = "", isBase64Encoded }: APIGatewayProxyEventV2,
  context: Context,
): Promise<APIGatewayProxyStructuredResultV2> {
  logger.addContext(context);
  const task = readTask(process.env);
  signatures ??= new Signatures(secrets, task.secret);
  const { method, sourceIp } = requestContext.http;
  try {
    const { status, text } = await receive(
      { task, signatures, clients, log: logger },
      { method, headers, body, isBase64: isBase64Encoded },
      new Date(),
    );
    // Neither body nor signature: the one may hold what the repository keeps to itself.
    logger.info("Answered", { method, sourceIp, status });
    return {
      statusCode: status,
      headers: { "content-type": "text/plain; charset=utf-8" },
      body: `${text}\n`,
    };
  } catch (error) {
    logger.error("A delivery could not be taken", error as Error);
    throw error;
  }
}
