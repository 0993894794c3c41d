import type { Context, SQSEvent } from "aws-lambda";
import { handler } from "../../../lambdas/delivery-report";
import { TASK } from "./fake-world";

const context = { getRemainingTimeInMillis: () => 60_000 } as Context;
const event = { Records: [{ messageId: "1", body: "no event" }] } as SQSEvent;
const { REPORT } = process.env;

beforeEach(() => {
  for (const stream of [process.stdout, process.stderr]) jest.spyOn(stream, "write").mockReturnValue(true);
});

afterEach(() => {
  jest.restoreAllMocks();
  if (REPORT === undefined) delete process.env.REPORT;
});

test("the function answers the queue which messages are not done with", async () => {
  process.env.REPORT = JSON.stringify(TASK);
  expect(await handler(event, context)).toEqual({ batchItemFailures: [] });
});

test("the function keeps all messages where its variables are wrong", async () => {
  process.env.REPORT = "{}";
  await expect(handler(event, context)).rejects.toThrow(/variables are wrong/);
});
