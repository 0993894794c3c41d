import { once } from "node:events";
import { createServer, type OutgoingHttpHeaders, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { checkToken } from "../../tools/connect/github";

const TOKEN = `ghp_${"a".repeat(36)}`;
let status = 200;
let headers: OutgoingHttpHeaders = {};
let server: Server;
let api: string;
beforeAll(async () => {
  server = createServer((_, response) => response.writeHead(status, headers).end("{}")).listen(
    0,
    "127.0.0.1",
  );
  await once(server, "listening");
  api = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

test("takes a token that GitHub knows", async () => {
  status = 200;
  await expect(checkToken(TOKEN, "acme/hello", { ask: true, api })).resolves.toBeUndefined();
});

test.each([
  [401, /does not know this token/],
  [403, /scope repo/],
  [404, /no acme\/hello/],
  [500, /answers 500/],
])("fails when GitHub answers %i, without the token in the message", async (code, message) => {
  status = code;
  const error: Error = await checkToken(TOKEN, "acme/hello", { ask: true, api }).then(
    () => new Error("taken"),
    (reason) => reason,
  );
  expect(error.message).toMatch(message);
  expect(error.message).not.toContain(TOKEN);
});

test("fails when it is no token, or GitHub is out of reach", async () => {
  await expect(checkToken("hunter2", "a/b", { ask: false })).rejects.toThrow(/not a GitHub token/);
  await expect(checkToken(TOKEN, "a/b", { ask: true, api: "http://127.0.0.1:1" })).rejects.toThrow(
    /cannot be reached/,
  );
});

test("fails when GitHub has had enough, and does not blame the token", async () => {
  [status, headers] = [403, { "x-ratelimit-remaining": "0" }];
  await expect(checkToken(TOKEN, "acme/hello", { ask: true, api })).rejects.toThrow(/too many requests/);
});
