import { Logger } from "@aws-lambda-powertools/logger";
import type { APIGatewayProxyStructuredResultV2, Context, LambdaFunctionURLEvent } from "aws-lambda";

const logger = new Logger({ serviceName: "hello" });

/** Answers the function's address: which project this is, and which published version of the function. */
export async function handler(
  event: LambdaFunctionURLEvent,
  context: Context,
): Promise<APIGatewayProxyStructuredResultV2> {
  const { PROJECT = "slipway", AWS_LAMBDA_FUNCTION_VERSION: version = "$LATEST" } = process.env;
  logger.addContext(context);
  // Not the query, the headers or the body: they are the caller's, and may hold secrets. A call by hand has none of it.
  const { method, path } = event?.requestContext?.http ?? {};
  logger.info("Answered", { method, path, status: 200, version });
  return {
    statusCode: 200,
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: `hello from ${PROJECT} - v${version}`,
  };
}
