import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { type AddressInfo, connect, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSync } from "esbuild";
import { ROOT } from "../support/settings";

describe("the process", () => {
  const file = join(mkdtempSync(join(tmpdir(), "slipway-app-")), "index.js");
  beforeAll(() => {
    buildSync({ entryPoints: [join(ROOT, "app/index.ts")], bundle: true, platform: "node", outfile: file });
  });

  const start = (env: Record<string, string>) =>
    spawn(process.execPath, [file], {
      env: { PATH: process.env.PATH, ...env },
      stdio: ["ignore", "pipe", "pipe"],
    });

  test("answers the request that it is in before it ends", async () => {
    const app = start({ PORT: "0" });
    const [line] = await once(app.stdout, "data");
    const socket = connect(JSON.parse(String(line)).address.port, "127.0.0.1");
    await once(socket, "connect");
    socket.write("GET /health HTTP/1.1\r\nhost: a\r\n");
    await new Promise((resolve) => setTimeout(resolve, 100));
    app.kill("SIGTERM");
    await new Promise((resolve) => setTimeout(resolve, 100));
    socket.write("\r\n");
    const [answer] = await once(socket, "data");
    expect(String(answer)).toMatch(/^HTTP\/1\.1 503 [\s\S]*connection: close[\s\S]*stopping/i);
    expect((await once(app, "exit"))[0]).toBe(0);
  });

  test.each([
    "SIGTERM",
    "SIGINT",
  ] as const)("ends at once on %s when nobody waits for an answer", async (signal) => {
    const app = start({ PORT: "0" });
    const [line] = await once(app.stdout, "data");
    const { port } = JSON.parse(String(line)).address;
    // One that was answered and is kept, and one that never asked.
    const kept = connect(port, "127.0.0.1");
    kept.write("GET /health HTTP/1.1\r\nhost: a\r\n\r\n");
    expect(String((await once(kept, "data"))[0])).toMatch(/^HTTP\/1\.1 200/);
    const silent = connect(port, "127.0.0.1").on("error", () => {});
    await once(silent, "connect");
    await new Promise((resolve) => setTimeout(resolve, 100));
    const started = Date.now();
    app.kill(signal);
    expect((await once(app, "exit"))[0]).toBe(0);
    expect(Date.now() - started).toBeLessThan(3000);
    kept.destroy();
    silent.destroy();
  });

  test.each([
    "http",
    "",
    "70000",
    "-1",
    "80.5",
  ])("fails when PORT is %p, which is no port, and says so", async (PORT) => {
    const app = start({ PORT });
    const [message] = await once(app.stderr, "data");
    expect(String(message)).toContain(`PORT=${PORT} is not a port`);
    expect((await once(app, "exit"))[0]).toBe(1);
  });

  test("fails when the port is taken, without a trace", async () => {
    const other = createServer().listen(0);
    await once(other, "listening");
    const { port } = other.address() as AddressInfo;
    const app = start({ PORT: String(port) });
    const [message] = await once(app.stderr, "data");
    expect(String(message)).toMatch(new RegExp(`^Port ${port} cannot be listened on: .*EADDRINUSE.*\n$`));
    expect((await once(app, "exit"))[0]).toBe(1);
    other.close();
  });
});
