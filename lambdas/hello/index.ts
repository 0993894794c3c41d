import type { APIGatewayProxyStructuredResultV2 } from "aws-lambda";

/** Answers the function's address: which project this is, and which published version of the function. */
export async function handler(): Promise<APIGatewayProxyStructuredResultV2> {
  const { PROJECT = "slipway", AWS_LAMBDA_FUNCTION_VERSION: version = "$LATEST" } = process.env;
  return {
    statusCode: 200,
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: `hello from ${PROJECT} - v${version}`,
  };
}
