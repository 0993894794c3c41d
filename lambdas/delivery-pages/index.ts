import { Logger } from "@aws-lambda-powertools/logger";
import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import type { APIGatewayProxyEventV2, APIGatewayProxyStructuredResultV2, Context } from "aws-lambda";
import * as z from "../../shared/zod";
import { answer } from "./answer";

const logger = new Logger({ serviceName: "delivery-pages" });
const clients = { kms: new KMSClient(), s3: new S3Client() };

const name = z.string().check(z.minLength(1));
const variables = z.object({ PROJECT: name, BUCKET: name, SIGNING_KEY: name });

/** Shows a report page to those who come with a link that was signed and has not expired. */
export async function handler(
  event: APIGatewayProxyEventV2,
  context: Context,
): Promise<APIGatewayProxyStructuredResultV2> {
  logger.addContext(context);
  const { PROJECT, BUCKET, SIGNING_KEY } = variables.parse(process.env);
  const { method, sourceIp } = event.requestContext.http;
  try {
    const answered = await answer(
      clients,
      { project: PROJECT, bucket: BUCKET, key: SIGNING_KEY },
      {
        method,
        path: event.rawPath,
        query: event.queryStringParameters ?? {},
        cookies: event.cookies ?? [],
      },
      new Date(),
    );
    // Not the query: whoever has it may read the pages.
    logger.info("Answered", { method, path: event.rawPath, sourceIp, status: answered.statusCode });
    return answered;
  } catch (error) {
    logger.error("A page could not be shown", error as Error);
    throw error;
  }
}
