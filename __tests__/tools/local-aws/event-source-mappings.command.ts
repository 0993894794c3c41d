import { FunctionsBed } from "./functions-bed";
import { until } from "./until";
import { BUILD } from "./upstream";

const QUEUE = `arn:aws:sqs:eu-west-1:${BUILD}:jobs`;
const PATH = "/2015-03-31/event-source-mappings";

/** What SQS answers, by the operation. */
let sqs: Record<string, { readonly status?: number; readonly content: object }>;
let bed: FunctionsBed;
beforeEach(async () => {
  sqs = { GetQueueAttributes: { content: { Attributes: { VisibilityTimeout: "30" } } } };
  bed = new FunctionsBed();
  const moto = bed.upstream;
  bed.upstream = (incoming, response, body) => {
    const operation = String(incoming.headers["x-amz-target"]).split(".")[1] ?? "";
    const own = sqs[operation];
    if (/^Action=(Publish|ListSubscriptions)/.test(body.toString())) return response.end("<X/>");
    if (!own) return moto(incoming, response, body);
    bed.calls.push([String(incoming.headers["x-amz-target"]), JSON.parse(body.toString())]);
    response.writeHead(own.status ?? 200).end(JSON.stringify(own.content));
  };
  await bed.start();
  await bed.create({ "index.js": "exports.handler = async () => {};" });
});
afterEach(() => bed.stop());

async function ask(method: string, path: string, input?: object) {
  const response = await bed.lambda(method, path, input);
  const text = await response.text();
  return { status: response.status, content: text ? JSON.parse(text) : undefined };
}
const create = (more: object = {}) =>
  ask("POST", PATH, { FunctionName: "hello", EventSourceArn: QUEUE, ...more });
const received = () => bed.calls.filter(([target]) => target.endsWith("ReceiveMessage"));

test("keeps a mapping as it was given, changes it and takes it away", async () => {
  const given = {
    BatchSize: 5,
    MaximumBatchingWindowInSeconds: 2,
    FunctionResponseTypes: ["ReportBatchItemFailures"],
    ScalingConfig: { MaximumConcurrency: 2 },
  };
  const created = await create(given);
  expect([created.status, created.content.State]).toEqual([202, "Creating"]);
  const { UUID } = created.content;
  const kept = {
    ...given,
    UUID,
    EventSourceArn: QUEUE,
    EventSourceMappingArn: `arn:aws:lambda:eu-west-1:${BUILD}:event-source-mapping:${UUID}`,
    FunctionArn: `arn:aws:lambda:eu-west-1:${BUILD}:function:hello`,
    LastModified: expect.any(Number),
    State: "Enabled",
    StateTransitionReason: "USER_INITIATED",
  };
  expect(await ask("GET", `${PATH}/${UUID}`)).toEqual({ status: 200, content: kept });
  const change = { BatchSize: 1, ScalingConfig: {}, FunctionResponseTypes: [], Enabled: false };
  expect((await ask("PUT", `${PATH}/${UUID}`, change)).content.State).toBe("Updating");
  const { ScalingConfig: _, ...rest } = kept;
  expect((await ask("GET", `${PATH}/${UUID}`)).content).toEqual({
    ...rest,
    BatchSize: 1,
    FunctionResponseTypes: [],
    State: "Disabled",
  });
  expect((await ask("DELETE", `${PATH}/${UUID}`)).content.State).toBe("Deleting");
  expect((await ask("GET", `${PATH}/${UUID}`)).status).toBe(404);
});

test("lists mappings by their queue and by their function, however that is named", async () => {
  const { UUID } = (await create()).content;
  const found = async (query: string) => {
    const { content } = await ask("GET", `${PATH}/?${query}`);
    return content.EventSourceMappings.map((one: { UUID: string }) => one.UUID);
  };
  expect(await found("")).toEqual([UUID]);
  expect(await found(`FunctionName=arn:aws:lambda:eu-west-1:${BUILD}:function:hello`)).toEqual([UUID]);
  expect(await found("FunctionName=other")).toEqual([]);
  expect(await found(`EventSourceArn=${QUEUE}x`)).toEqual([]);
});

test("keeps tags", async () => {
  const { EventSourceMappingArn } = (await create({ Tags: { a: "1", b: "2" } })).content;
  const path = `/2017-03-31/tags/${encodeURIComponent(EventSourceMappingArn)}`;
  await ask("POST", path, { Tags: { b: "3" } });
  await ask("DELETE", `${path}?tagKeys=a`);
  expect((await ask("GET", path)).content).toEqual({ Tags: { b: "3" } });
});

test.each<[string, object, number, string]>([
  ["has no such function", { FunctionName: "other" }, 404, "Function not found"],
  ["is of no queue", { EventSourceArn: "arn:aws:kinesis:eu-west-1:1:stream/x" }, 400, "queues alone"],
  ["has batches too large for no window", { BatchSize: 11 }, 400, "Maximum batch window in seconds"],
  ["has one batch at once", { ScalingConfig: { MaximumConcurrency: 1 } }, 400, "ScalingConfig"],
  ["has no such answer", { FunctionResponseTypes: ["Report"] }, 400, "FunctionResponseTypes"],
  ["has a filter that is none", { FilterCriteria: { Filters: [{ Pattern: "{" }] } }, 400, "Event pattern"],
])("refuses a mapping that %s", async (_, more, status, message) => {
  const { status: answered, content } = await create(more);
  expect([answered, content.message]).toEqual([status, expect.stringContaining(message)]);
});

test("refuses a second mapping of a queue to a function", async () => {
  const { UUID } = (await create()).content;
  const { status, content } = await create();
  expect([status, content.message]).toEqual([409, expect.stringContaining(UUID)]);
});

test("refuses a queue that shows its messages again before the function has ended", async () => {
  sqs.GetQueueAttributes = { content: { Attributes: { VisibilityTimeout: "2" } } };
  expect((await create()).content.message).toBe(
    "Queue visibility timeout: 2 seconds is less than Function timeout: 3 seconds",
  );
});

test("refuses a queue that is not there, or that the function's role may not read", async () => {
  sqs.ReceiveMessage = { status: 403, content: {} };
  expect((await create()).content.message).toContain("execution role does not have permissions");
  sqs.GetQueueAttributes = { status: 400, content: {} };
  expect((await create()).content.message).toContain("NonExistentQueue");
});

test("looks at a queue that gets a message, and at those of a topic, but not while it is disabled", async () => {
  const { UUID } = (await create()).content;
  // The check, and the first look.
  await until(() => received().length === 2);
  const send = (queue: string) =>
    bed.call("AmazonSQS.SendMessage", { QueueUrl: `http://sqs/${BUILD}/${queue}`, MessageBody: "x" });
  await send("other");
  await send("jobs");
  await until(() => received().length === 3);
  await bed.form("sns", {
    Action: "Publish",
    TopicArn: "arn:aws:sns:eu-west-1:111111111111:it",
    Message: "x",
  });
  await until(() => received().length === 4);
  await ask("PUT", `${PATH}/${UUID}`, { Enabled: false });
  const before = received().length;
  await send("jobs");
  await new Promise((resolve) => setTimeout(resolve, 200));
  expect(received()).toHaveLength(before);
});
