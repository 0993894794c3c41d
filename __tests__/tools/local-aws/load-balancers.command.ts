import { once } from "node:events";
import { createServer, type RequestListener, request, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Action } from "@aws-sdk/client-elastic-load-balancing-v2";
import { PrivateNetwork } from "../../../tools/local-aws/containers/network";
import { Front, type Served } from "../../../tools/local-aws/load-balancers/front";
import { TargetPool } from "../../../tools/local-aws/load-balancers/target-pool";
import { until } from "./until";

const servers: Server[] = [];
const pools: TargetPool[] = [];
const served: Served[] = [];
let front: Front;
let pool: TargetPool;
beforeEach(async () => {
  served.length = 0;
  const network = new PrivateNetwork();
  pool = new TargetPool({ network });
  pools.push(pool);
  front = new Front({
    network,
    poolOf: (group) => (group === "web" ? pool : undefined),
    onServed: (one) => served.push(one),
    idleMilliseconds: 300,
  });
  await front.open();
  listen({ Type: "forward", TargetGroupArn: "web" });
});
afterEach(() => {
  front.close();
  for (const one of pools.splice(0)) one.stop();
  for (const server of servers.splice(0)) {
    server.close();
    server.closeAllConnections();
  }
});

function listen(...defaultActions: Action[]): void {
  front.listener = { arn: "listener", protocol: "HTTP", port: 80, rules: [], defaultActions };
}

async function target(answer: RequestListener): Promise<number> {
  const server = createServer(answer).listen(0, "127.0.0.1");
  servers.push(server);
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** Puts servers into the group. */
async function serve(...answers: RequestListener[]): Promise<number[]> {
  const ports = await Promise.all(answers.map(target));
  pool.update(
    { HealthCheckPath: "/health", HealthyThresholdCount: 2, UnhealthyThresholdCount: 2 },
    ports.map((port) => ({ id: "127.0.0.1", port })),
  );
  return ports;
}

const url = (path = "/") => `http://127.0.0.1:${front.port}${path}`;
const statusOf = async (path?: string) => (await fetch(url(path))).status;

test("a request reaches the target as it was sent, and tells who asked and how", async () => {
  const seen: object[] = [];
  await serve(async ({ method, url, headers, ...rest }, response) => {
    void rest;
    if (url !== "/health") seen.push({ method, url, headers });
    response.setHeader("set-cookie", ["a=1", "b=2"]).writeHead(201).end("made");
  });
  const answer = await fetch(url("/a%2Fb?c=d"), {
    method: "POST",
    body: "x",
    headers: { "x-forwarded-for": "10.1.1.1", "x-forwarded-proto": "https" },
  });
  expect([answer.status, await answer.text(), answer.headers.getSetCookie()]).toEqual([
    201,
    "made",
    ["a=1", "b=2"],
  ]);
  expect(seen).toMatchObject([
    {
      method: "POST",
      url: "/a%2Fb?c=d",
      headers: {
        host: `127.0.0.1:${front.port}`,
        "x-forwarded-for": "10.1.1.1, 127.0.0.1",
        "x-forwarded-proto": "http",
        "x-forwarded-port": "80",
      },
    },
  ]);
  expect(served).toEqual([{ group: "web", status: 201, seconds: expect.any(Number) }]);
});

test("an answer comes before it has ended, and a request goes on before it has", async () => {
  await serve((incoming, response) => {
    if (incoming.url === "/health") return void response.end();
    incoming.on("data", (data) => response.write(`got ${data} `));
    incoming.on("end", () => response.end("done"));
  });
  const outgoing = request(url(), { method: "POST" });
  outgoing.write("one");
  const [response] = await once(outgoing, "response");
  const [first] = await once(response, "data");
  expect(String(first)).toBe("got one ");
  outgoing.end("two");
  let rest = "";
  for await (const data of response) rest += data;
  expect(rest).toBe("got two done");
});

test("fails as a load balancer of AWS does: without targets, with one that breaks, with one that is silent", async () => {
  expect(await statusOf()).toBe(503);
  await serve(({ url, socket }, response) => {
    if (url === "/health") response.end();
    else if (url === "/breaks") socket.destroy();
  });
  expect(await statusOf("/breaks")).toBe(502);
  expect(await statusOf("/silent")).toBe(504);
  expect(served.map(({ status }) => status)).toEqual([undefined, undefined]);
});

test("asks only healthy targets, and all where none is healthy", async () => {
  let good = false;
  const [well, ill] = await serve(
    (_, response) => response.end("well"),
    ({ url }, response) => response.writeHead(url === "/health" && !good ? 500 : 200).end("ill"),
  );
  const state = (port = 0) => pool.find("127.0.0.1", port)?.health;
  expect(state(ill)?.state).toBe("initial");
  await until(() => state(well)?.state === "healthy" && state(ill)?.state === "unhealthy");
  expect(state(ill)).toMatchObject({
    reason: "Target.ResponseCodeMismatch",
    description: "Health checks failed with these codes: [500]",
  });
  const words = async () =>
    new Set(await Promise.all([1, 2, 3, 4].map(async () => (await fetch(url())).text())));
  expect(await words()).toEqual(new Set(["well"]));
  pool.update({ UnhealthyThresholdCount: 2 }, [{ id: "127.0.0.1", port: ill! }]);
  expect(await words()).toEqual(new Set(["ill"]));
  good = true;
  await until(() => state(ill)?.state === "healthy");
});

test("a target that nobody listens on is unhealthy", async () => {
  const [port] = await serve((_, response) => response.end());
  servers[0]?.close();
  servers[0]?.closeAllConnections();
  await until(() => pool.find("127.0.0.1", port!)?.health.reason === "Target.FailedHealthChecks");
  expect(await statusOf()).toBe(502);
});

test("redirects, answers by itself, and says 503 without a listener", async () => {
  listen({
    Type: "redirect",
    RedirectConfig: { Host: "shop.test", Protocol: "HTTPS", Port: "443", StatusCode: "HTTP_301" },
  });
  const { status, headers } = await fetch(url("/a?b"), { redirect: "manual" });
  expect([status, headers.get("location")]).toEqual([301, "https://shop.test/a?b"]);
  listen({
    Type: "fixed-response",
    FixedResponseConfig: { StatusCode: "404", ContentType: "text/plain", MessageBody: "nobody" },
  });
  expect([await statusOf(), await (await fetch(url())).text()]).toEqual([404, "nobody"]);
  front.listener = undefined;
  expect(await statusOf()).toBe(503);
});

test("nobody gets past an action that asks to sign in", async () => {
  await serve((_, response) => response.end());
  listen({ Type: "authenticate-oidc" }, { Type: "forward", TargetGroupArn: "web" });
  expect(await statusOf()).toBe(500);
});
