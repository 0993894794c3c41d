import type { APIGatewayProxyEventV2, Context } from "aws-lambda";
import { handler } from "../../../lambdas/delivery-webhook";

const WEBHOOK = JSON.stringify({
  project: "hello",
  region: "eu-west-1",
  repository: "acme/hello",
  secret: "hello/github-webhook",
  pipelines: {},
});

/** An event of API Gateway's. */
const eventOf = (method: string, changes: Partial<APIGatewayProxyEventV2> = {}) =>
  ({
    requestContext: { http: { method, sourceIp: "192.0.2.1" } },
    headers: {},
    isBase64Encoded: false,
    ...changes,
  }) as APIGatewayProxyEventV2;
const context = { awsRequestId: "1" } as Context;

let printed: string;
beforeEach(() => {
  process.env.WEBHOOK = WEBHOOK;
  printed = "";
  for (const stream of [process.stdout, process.stderr])
    jest.spyOn(stream, "write").mockImplementation((line) => {
      printed += String(line);
      return true;
    });
});
afterEach(() => {
  delete process.env.WEBHOOK;
  jest.restoreAllMocks();
});

test("answers as API Gateway wants it, also what has no body", async () => {
  expect(await handler(eventOf("GET"), context)).toMatchObject({ statusCode: 405 });
  expect(await handler(eventOf("POST"), context)).toEqual({
    statusCode: 401,
    headers: { "content-type": "text/plain; charset=utf-8" },
    body: "Unauthorized\n",
  });
});

test("takes a body's bytes from base64", async () => {
  const body = Buffer.alloc(4 * 1024 * 1024, " ").toString("base64");
  expect(await handler(eventOf("POST", { body, isBase64Encoded: true }), context)).toMatchObject({
    statusCode: 401,
  });
  expect(await handler(eventOf("POST", { body }), context)).toMatchObject({ statusCode: 413 });
});

test("logs who asked and what the answer was, and nothing that came along", async () => {
  const headers = { "x-hub-signature-256": "made-up", "x-github-event": "made-up" };
  await handler(eventOf("POST", { body: "made-up", headers }), context);
  expect(printed).toMatch(/"sourceIp":"192\.0\.2\.1","status":401/);
  expect(printed).not.toContain("made-up");
});

test("fails, for the alarm to tell, where its variables are wrong", async () => {
  process.env.WEBHOOK = "{}";
  await expect(handler(eventOf("POST"), context)).rejects.toThrow(/environment variables are wrong/);
});
