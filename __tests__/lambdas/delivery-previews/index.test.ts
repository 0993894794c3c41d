import type { Context, SQSEvent } from "aws-lambda";
import { handler } from "../../../lambdas/delivery-previews";
import { TASK } from "./fake-world";

const context = { getRemainingTimeInMillis: () => 60_000 } as Context;
const event = { Records: [{ messageId: "1", body: "no hint" }] } as SQSEvent;
const { PREVIEWS } = process.env;

beforeEach(() => {
  for (const stream of [process.stdout, process.stderr]) jest.spyOn(stream, "write").mockReturnValue(true);
});

afterEach(() => {
  jest.restoreAllMocks();
  if (PREVIEWS === undefined) delete process.env.PREVIEWS;
});

test("the function answers the queue which messages are not done with", async () => {
  process.env.PREVIEWS = JSON.stringify({ ...TASK, provider: "codecommit", tokenSecret: undefined });
  expect(await handler(event, context)).toEqual({ batchItemFailures: [] });
});

test("the function keeps all messages where there is no token for GitHub", async () => {
  process.env.PREVIEWS = JSON.stringify({ ...TASK, tokenSecret: undefined });
  await expect(handler(event, context)).rejects.toThrow(/npm run connect/);
});

test("the function keeps all messages where its variables are wrong", async () => {
  process.env.PREVIEWS = "{}";
  await expect(handler(event, context)).rejects.toThrow(/variables are wrong/);
});
