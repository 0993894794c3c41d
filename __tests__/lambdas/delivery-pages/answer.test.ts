import { createHmac } from "node:crypto";
import type { VerifyMacCommand } from "@aws-sdk/client-kms";
import { answer, type Clients } from "../../../lambdas/delivery-pages/answer";
import { LINK_SECONDS, signedText } from "../../../shared/page-links";

const NOW = new Date("2026-03-01T12:00:00Z");
const SECONDS = NOW.getTime() / 1000;
const SITE = { project: "hello", bucket: "reports", key: "arn:key" };
const RUN = "runs/main/3f1c8e0a-0000-4000-8000-000000000001.html";

const sign = (text: string) => createHmac("sha256", "known to KMS alone").update(text).digest("hex");
const passOf = (expires: number, project = "hello") => ({
  expires: String(expires),
  signature: sign(signedText(project, expires)),
});

let asked: string[];
const pages: Record<string, string> = { "index.html": "<h1>All</h1>", [RUN]: "<h1>One</h1>" };
const refusal = (name: string) => Object.assign(new Error(name), { name });
const clients: Clients = {
  kms: {
    async send(command: unknown) {
      const { KeyId, MacAlgorithm, Message, Mac } = (command as VerifyMacCommand).input;
      asked.push("kms");
      expect({ KeyId, MacAlgorithm }).toEqual({ KeyId: SITE.key, MacAlgorithm: "HMAC_SHA_256" });
      if (sign(Buffer.from(Message!).toString()) !== Buffer.from(Mac!).toString("hex"))
        throw refusal("KMSInvalidMacException");
      return { MacValid: true };
    },
  } as Clients["kms"],
  s3: {
    async send({ input }: { input: { Bucket: string; Key: string } }) {
      asked.push(`${input.Bucket}/${input.Key}`);
      const html = pages[input.Key];
      if (html === undefined) throw refusal("AccessDenied");
      return { Body: { transformToString: async () => html } };
    },
  } as unknown as Clients["s3"],
};
beforeEach(() => {
  asked = [];
});

const ask = (request: Partial<Parameters<typeof answer>[2]>) =>
  answer(clients, SITE, { method: "GET", path: `/${RUN}`, query: {}, cookies: [], ...request }, NOW);

test("a link that was signed shows its page, and keeps on to the other pages by a cookie", async () => {
  const pass = passOf(SECONDS + 60);
  const { statusCode, headers, body, cookies } = await ask({ query: pass });
  expect({ statusCode, body }).toEqual({ statusCode: 200, body: "<h1>One</h1>" });
  expect(headers).toMatchObject({
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "content-security-policy": expect.stringContaining("default-src 'none'"),
  });
  expect(cookies).toEqual([
    `slipway_pages=${pass.expires}.${pass.signature}; Max-Age=60; Path=/; HttpOnly; Secure; SameSite=Lax`,
  ]);
  const cookie = cookies![0]!.split(";")[0]!;
  const next = await ask({ path: "/", cookies: ["other=1", cookie] });
  expect(next).toMatchObject({ statusCode: 200, body: "<h1>All</h1>" });
  expect(next.cookies).toBeUndefined();
});

test.each([
  ["no signature", {}, "open by the links"],
  ["half of one", { expires: String(SECONDS + 60) }, "not whole"],
  ["another's signature", { ...passOf(SECONDS + 60), signature: sign("something else") }, "not one of ours"],
  ["a signature for another project", passOf(SECONDS + 60, "hell"), "not one of ours"],
  [
    "a later end than was signed",
    { ...passOf(SECONDS + 60), expires: String(SECONDS + 61) },
    "not one of ours",
  ],
  ["a signature that has expired", passOf(SECONDS), "has expired"],
  ["a longer time than links have", passOf(SECONDS + LINK_SECONDS + 1), "not one of ours"],
  ["no number as its end", { ...passOf(SECONDS + 60), expires: "1e9" }, "not one of ours"],
])("is refused with %s", async (_, query, why) => {
  const { statusCode, body, cookies } = await ask({ query });
  expect({ statusCode, body, cookies }).toEqual({
    statusCode: 403,
    body: expect.stringContaining(why),
    cookies: undefined,
  });
  expect(asked.filter((one) => one !== "kms")).toEqual([]);
});

test("a cookie that has expired is refused", async () => {
  const { expires, signature } = passOf(SECONDS - 1);
  expect((await ask({ cookies: [`slipway_pages=${expires}.${signature}`] })).statusCode).toBe(403);
});

test.each([
  "/state/main/runs.json",
  "/drift/x.json",
  "/../index.html",
  "/runs/main/../../state/x.html",
  "/runs/Main/x.html",
])("shows no %s, which is no page, and does not ask for it", async (path) => {
  expect((await ask({ path, query: passOf(SECONDS + 60) })).statusCode).toBe(404);
  expect(asked).toEqual(["kms"]);
});

test("says of a page that is gone that it is", async () => {
  const { statusCode, body } = await ask({ path: "/runs/main/gone.html", query: passOf(SECONDS + 60) });
  expect({ statusCode, body }).toEqual({ statusCode: 404, body: expect.stringContaining("kept for a year") });
});

test("changes nothing for anybody, and asks nobody then", async () => {
  expect((await ask({ method: "POST", query: passOf(SECONDS + 60) })).statusCode).toBe(405);
  expect(asked).toEqual([]);
  expect(await ask({ method: "HEAD", query: passOf(SECONDS + 60) })).toMatchObject({
    statusCode: 200,
    body: "",
  });
});

test("fails where KMS does not answer: nobody is let in then", async () => {
  const broken = { ...clients, kms: { send: async () => Promise.reject(refusal("ThrottlingException")) } };
  const request = { method: "GET", path: `/${RUN}`, query: passOf(SECONDS + 60), cookies: [] };
  await expect(answer(broken as unknown as Clients, SITE, request, NOW)).rejects.toThrow(
    "ThrottlingException",
  );
});
