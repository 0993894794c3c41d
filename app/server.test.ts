import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { hostname } from "node:os";
import { type App, createApp } from "./server";

describe("the service", () => {
  let app: App;
  let address: string;
  const lines: string[] = [];
  beforeAll(async () => {
    app = createApp({ log: (line) => lines.push(line) });
    app.server.listen(0, "127.0.0.1");
    await once(app.server, "listening");
    address = `http://127.0.0.1:${(app.server.address() as AddressInfo).port}`;
  });
  afterAll(() => app.stop());

  test("says who it is", async () => {
    expect(await (await fetch(address)).text()).toBe(hostname());
  });

  test("says what time it is, in whole seconds", async () => {
    const { message, timestamp } = (await (await fetch(`${address}/time?zone=any`)).json()) as Record<
      string,
      unknown
    >;
    expect(message).toBe("Automation for the People");
    expect(Number.isInteger(timestamp)).toBe(true);
    expect(Math.abs(Number(timestamp) - Date.now() / 1000)).toBeLessThan(5);
  });

  test("says that it is well", async () => {
    const response = await fetch(`${address}/health`);
    expect([response.status, await response.json()]).toEqual([200, { status: "ok" }]);
  });

  test.each(["/nothing", "/__proto__", "/constructor"])("has nothing at %s", async (path) => {
    expect((await fetch(address + path)).status).toBe(404);
  });

  test("can only be read", async () => {
    const response = await fetch(`${address}/time`, { method: "POST", body: "x" });
    expect([response.status, response.headers.get("allow")]).toEqual([405, "GET, HEAD"]);
    expect((await fetch(`${address}/time`, { method: "HEAD" })).status).toBe(200);
  });

  test("logs a line of JSON a request", async () => {
    await fetch(`${address}/health?token=secret`);
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(JSON.parse(lines.at(-1)!)).toMatchObject({ method: "GET", path: "/health", status: 200 });
  });
});
