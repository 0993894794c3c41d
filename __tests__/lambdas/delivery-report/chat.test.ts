import { postToChat } from "../../../lambdas/delivery-report/chat";

const LOCAL = "http://127.0.0.1:4566";

/** What was posted to an address, and where. */
async function posted(address: string, local?: string): Promise<string[]> {
  const asked: string[] = [];
  const fetcher = (async (url: string) => {
    asked.push(url);
    return new Response("ok");
  }) as typeof fetch;
  await postToChat(fetcher, address, "hello/chat-webhook", { text: "hello" }, local);
  return asked;
}

test.each([
  "https://hooks.slack.com/services/T0/B0/made-up",
  `${LOCAL}/local-aws/chat`,
])("posts to %s where AWS is local", async (address) => {
  expect(await posted(address, LOCAL)).toEqual([address]);
});

test.each([
  ["clear text", "http://chat.example.com/hook"],
  ["another port of this machine", "http://127.0.0.1:4567/local-aws/chat"],
  ["an address that only begins so", `${LOCAL}@chat.example.com/hook`],
  ["a host that only begins so", "http://127.0.0.1:4566.example.com/hook"],
  ["no address", "made-up"],
])("posts to no %s, and does not tell it", async (_, address) => {
  for (const local of [LOCAL, undefined]) {
    const refusal = await posted(address, local).catch((error: Error) => error.message);
    expect(refusal).toMatch(/hello\/chat-webhook holds no address.*beginning with https/);
    expect(refusal).not.toContain(address);
  }
});

test("posts to nobody in clear text where AWS is not local", async () => {
  await expect(posted(`${LOCAL}/local-aws/chat`)).rejects.toThrow(/beginning with https/);
});
