import type { AwsRequest } from "../../../tools/local-aws/aws-request";
import { posts } from "../../../tools/local-aws/posts";
import type { CodeCommit } from "../../../tools/local-aws/services/codecommit";
import { authorization, Bed, BUILD } from "./upstream";

let bed: Bed;
beforeEach(async () => {
  bed = await new Bed().start();
});
afterEach(() => bed.stop());

const STATUS = "/local-aws/github/repos/acme/shop/statuses/c0ffee";
const TOKEN = "github_pat_made_up";
const post = async (path: string, body: unknown, headers: Record<string, string> = {}) => {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  const response = await fetch(`${bed.endpoint}${path}`, { method: "POST", body: text, headers });
  const answer = await response.text();
  return { status: response.status, answer: answer.startsWith("{") ? JSON.parse(answer) : answer };
};
const told = async () => (await fetch(`${bed.endpoint}/local-aws/posts`)).json();

test("takes the status of a commit as GitHub does, and tells of it without the token", async () => {
  const body = {
    state: "success",
    context: "slipway/prod",
    description: "Live",
    target_url: "https://x.test",
  };
  const { status, answer } = await post(STATUS, body, { authorization: `Bearer ${TOKEN}` });
  expect(status).toBe(201);
  expect(answer).toMatchObject({ ...body, id: expect.any(Number), url: `${bed.endpoint}${STATUS}` });
  const all = await told();
  expect(all).toEqual([
    {
      when: expect.stringMatching(/^\d{4}-.+Z$/),
      to: "github",
      path: "/repos/acme/shop/statuses/c0ffee",
      body,
      authorized: true,
      status: 201,
    },
  ]);
  expect(JSON.stringify(all)).not.toContain(TOKEN);
});

test.each<[string, unknown, Record<string, string>, number, string]>([
  ["has no token", { state: "success" }, {}, 401, "Requires authentication"],
  ["is no JSON", "state", { authorization: "token x" }, 400, "Problems parsing JSON"],
  ["has no such state", { state: "done" }, { authorization: "token x" }, 422, "Validation Failed"],
  [
    "says too much",
    { state: "error", description: "x".repeat(141) },
    { authorization: "token x" },
    422,
    "Validation Failed",
  ],
])("refuses a status that %s", async (_, body, headers, status, message) => {
  expect(await post(STATUS, body, headers)).toMatchObject({
    status,
    answer: { message, status: String(status) },
  });
  const authorized = "authorization" in headers;
  expect(await told()).toMatchObject([{ to: "github", authorized, status }]);
});

test("knows no commit", async () => {
  const response = await fetch(`${bed.endpoint}/local-aws/github/repos/acme/shop/commits/c0ffee`);
  expect(response.status).toBe(404);
  expect(await response.json()).toMatchObject({ message: "Not Found", status: "404" });
  expect(await told()).toEqual([]);
});

test.each<[string, unknown, number, string]>([
  ["a text", { text: "It is live" }, 200, "ok"],
  ["blocks", { blocks: [{ type: "divider" }] }, 200, "ok"],
  ["neither", { username: "slipway" }, 400, "invalid_payload"],
  ["an empty text", { text: "" }, 400, "invalid_payload"],
  ["no JSON", "payload", 400, "invalid_payload"],
])("takes for a message to the chat what has %s", async (_, body, status, answer) => {
  expect(await post("/local-aws/chat", body)).toEqual({ status, answer });
  expect(await told()).toMatchObject([{ to: "chat", path: "/", body, authorized: false, status }]);
});

test("keeps the newest thousand", async () => {
  // Not by the gateway: a thousand requests take longer than all else here.
  const { answer } = posts({ endpoint: () => "", codecommit: {} as CodeCommit, account: BUILD });
  const ask = (method: string, path: string, body = "") => {
    const url = new URL(path, "http://127.0.0.1");
    return answer!({ method, url, headers: {}, body: Buffer.from(body) } as AwsRequest);
  };
  for (let number = 0; number <= 1000; number++)
    await ask("POST", "/local-aws/chat", JSON.stringify({ text: String(number) }));
  const all = (await ask("GET", "/local-aws/posts"))?.body?.toString() ?? "";
  const texts = (JSON.parse(all) as { body: { text: string } }[]).map(({ body }) => Number(body.text));
  expect(texts).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
});

test("answers what it does not know itself, and leaves a bucket of that name to S3", async () => {
  const response = await fetch(`${bed.endpoint}/local-aws/other`);
  expect([response.status, await response.json()]).toEqual([
    404,
    { message: "Local AWS answers nothing at GET /local-aws/other" },
  ]);
  const object = await fetch(`${bed.endpoint}/local-aws/posts`, {
    headers: { authorization: authorization("s3") },
  });
  expect(await object.text()).toBe("moto");
});
