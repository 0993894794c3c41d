import type { Context, LambdaFunctionURLEvent, LambdaFunctionURLHandler } from "aws-lambda";
import { handler } from "../../lambdas/hello";

/** What a function's address hands to the function (payload format 2.0), for a caller that signs. */
const EVENT: LambdaFunctionURLEvent = {
  version: "2.0",
  routeKey: "$default",
  rawPath: "/",
  rawQueryString: "",
  headers: {
    "x-amzn-trace-id": "Root=1-6740a1f2-5f1e1a0c3c9d4c2d1b7e6a55",
    "x-forwarded-proto": "https",
    "x-forwarded-port": "443",
    "x-forwarded-for": "203.0.113.7",
    host: "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws",
    accept: "*/*",
    "user-agent": "curl/8.5.0",
  },
  requestContext: {
    accountId: "222222222222",
    apiId: "abcdefghijklmnopqrstuvwxyz012345",
    domainName: "abcdefghijklmnopqrstuvwxyz012345.lambda-url.eu-west-1.on.aws",
    domainPrefix: "abcdefghijklmnopqrstuvwxyz012345",
    http: {
      method: "GET",
      path: "/",
      protocol: "HTTP/1.1",
      sourceIp: "203.0.113.7",
      userAgent: "curl/8.5.0",
    },
    requestId: "2f1f7c1e-6f0e-4a3c-9d5b-0f4f8c1f2a3b",
    routeKey: "$default",
    stage: "$default",
    time: "21/Nov/2026:04:30:00 +0000",
    timeEpoch: 1795235400000,
  },
  isBase64Encoded: false,
};

const invoke = (as: LambdaFunctionURLHandler, event = EVENT) =>
  as(event, { functionName: "hello-dev-hello", awsRequestId: "1" } as Context, () => {});

/** Lines of the log. */
let lines: string[];

beforeEach(() => {
  lines = [];
  jest.spyOn(process.stdout, "write").mockImplementation((line) => {
    lines.push(String(line));
    return true;
  });
});
afterEach(() => {
  jest.restoreAllMocks();
  delete process.env.PROJECT;
  delete process.env.AWS_LAMBDA_FUNCTION_VERSION;
});

test("says which project and which version answers", async () => {
  process.env.PROJECT = "hello";
  process.env.AWS_LAMBDA_FUNCTION_VERSION = "7";
  expect(await invoke(handler)).toEqual({
    statusCode: 200,
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: "hello from hello - v7",
  });
});

test("says so where no version was published", async () => {
  process.env.AWS_LAMBDA_FUNCTION_VERSION = "$LATEST";
  expect(await invoke(handler)).toMatchObject({ body: "hello from slipway - v$LATEST" });
});

test("writes one line a request, without what may be secret", async () => {
  await invoke(handler, {
    ...EVENT,
    rawQueryString: "key=hunter2",
    queryStringParameters: { key: "hunter2" },
    headers: { authorization: "hunter2" },
    body: "hunter2",
  });
  expect(lines).toHaveLength(1);
  expect(JSON.parse(lines[0]!)).toMatchObject({
    level: "INFO",
    message: "Answered",
    service: "hello",
    method: "GET",
    path: "/",
    status: 200,
    version: "$LATEST",
    function_name: "hello-dev-hello",
  });
  expect(lines[0]).not.toContain("hunter2");
});

test("answers who calls it by hand, with any event", async () => {
  const byHand = {} as LambdaFunctionURLEvent;
  expect(await invoke(handler, byHand)).toMatchObject({ statusCode: 200 });
});
