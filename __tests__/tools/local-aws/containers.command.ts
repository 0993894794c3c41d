import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ContainerLog } from "../../../tools/local-aws/containers/log";
import { PrivateNetwork } from "../../../tools/local-aws/containers/network";
import { programOf } from "../../../tools/local-aws/containers/program";
import type { LocalImage } from "../../../tools/local-aws/images/image";

/** Ports that no system gives out by itself: another test's server may have any of those. */
const [LISTENING, REACHED] = [18_871, 18_872];

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "slipway-containers-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("private addresses", () => {
  test("are given once only, from the end of the range, and again when they are free", () => {
    const network = new PrivateNetwork();
    const [one, two] = [network.take("10.0.1.0/24"), network.take("10.0.1.0/24")];
    expect([one, two]).toEqual(["10.0.1.254", "10.0.1.253"]);
    network.release(one);
    expect(network.take("10.0.1.0/24")).toBe(one);
    expect(network.take("192.168.0.0/16")).toBe("192.168.255.254");
  });

  test("run out", () => {
    const network = new PrivateNetwork();
    for (let count = 0; count < 11; count++) network.take("10.0.0.16/28");
    expect(() => network.take("10.0.0.16/28")).toThrow("no address of 10.0.0.16/28 is free");
  });

  test("lead to this machine, port by port, until they are released", () => {
    const network = new PrivateNetwork();
    network.route("10.0.0.9", { 80: 4000, 9000: 4001 });
    network.route("10.0.0.9", { 80: 4000 });
    const at = (port: number) => network.resolve("10.0.0.9", port);
    expect([at(80), at(9000)]).toEqual([
      { host: "127.0.0.1", port: 4000 },
      { host: "10.0.0.9", port: 9000 },
    ]);
    network.release("10.0.0.9");
    expect(at(80)).toEqual({ host: "10.0.0.9", port: 80 });
  });

  /** Runs a program that sees the network. */
  const run = (network: PrivateNetwork, code: string, ports = {}) => {
    const NODE_OPTIONS = network.join(join(folder, "with space"), ports);
    const env = { PATH: process.env.PATH, NODE_OPTIONS };
    const { stdout, stderr } = spawnSync(process.execPath, ["-e", code], { env, encoding: "utf8" });
    expect(stderr).toBe("");
    return stdout;
  };

  test.each([
    ["a number", `server.listen(8080, "0.0.0.0", done)`],
    ["a number in text", `server.listen("8080", done)`],
    ["options", `server.listen({ port: 8080 }, done)`],
  ])("a program that listens on its container's port by %s gets another, of this machine alone", (_, code) => {
    const program = `const server = require("http").createServer();
      const done = () => { console.log(JSON.stringify(server.address())); server.close(); };
      ${code};`;
    const printed = run(new PrivateNetwork(), program, { 8080: LISTENING });
    expect(JSON.parse(printed)).toMatchObject({ address: "127.0.0.1", port: LISTENING });
  });

  test("a program reaches addresses of the network by all of Node's ways, and others as they are", () => {
    const network = new PrivateNetwork();
    network.route("10.0.0.9", { 80: REACHED });
    const program = `const net = require("net"), http = require("http");
      const server = http.createServer((q, r) => r.end(q.headers.host)).listen(${REACHED}, "127.0.0.1", async () => {
        const text = (url) => new Promise((resolve) => http.get(url, (r) => r.setEncoding("utf8").on("data", resolve)));
        const said = [await (await fetch("http://10.0.0.9/")).text(), await text("http://10.0.0.9/")];
        said.push(await text("http://127.0.0.1:${REACHED}/"));
        await new Promise((resolve) => net.connect(80, "10.0.0.9", resolve).unref());
        await new Promise((resolve) => new net.Socket().connect({ host: "10.0.0.9", port: 80 }, resolve).unref());
        console.log(said.join(" "));
        process.exit();
      });`;
    expect(run(network, program)).toBe(`10.0.0.9 10.0.0.9 127.0.0.1:${REACHED}\n`);
  });

  test("a table is rewritten when a route changes, and not once its process has left", () => {
    const network = new PrivateNetwork();
    network.join(folder);
    const routes = () => JSON.parse(readFileSync(join(folder, "network.json"), "utf8")).routes;
    network.route("10.0.0.9", { 80: 4000 });
    expect(routes()).toEqual({ "10.0.0.9:80": 4000 });
    network.leave(folder);
    network.release("10.0.0.9");
    expect(routes()).toEqual({ "10.0.0.9:80": 4000 });
  });
});

describe("what a container runs", () => {
  const image = (more: Partial<LocalImage> = {}): LocalImage => ({
    root: folder,
    command: ["node", "/app/index.js"],
    workingDirectory: "/app",
    environment: { PATH: "/image/bin", MODE: "production" },
    ...more,
  });
  const find = (found?: LocalImage) => ({ find: () => found });

  test.each([
    "node:22",
    "library/node:22-alpine",
    "docker.io/library/node",
    "public.ecr.aws/docker/library/node:22-alpine",
    `node@sha256:${"a".repeat(64)}`,
  ])("an official image of Node, %s, is this machine's Node", (name) => {
    const program = programOf({ image: name, command: ["node", "-e", "1"] }, find(), folder);
    expect(program).toEqual({ args: [process.execPath, "-e", "1"], cwd: folder, environment: {} });
  });

  test.each([
    "evil.example/node:22",
    "acme/node",
    "public.ecr.aws/acme/node:22",
    "nginx:1",
  ])("%s is not there", (name) => {
    expect(() => programOf({ image: name }, find(), folder)).toThrow(
      /^CannotPullContainerError: .* is not there/,
    );
  });

  test("an image of ours runs in its folder, by its own command, with its variables but the search path", () => {
    mkdirSync(join(folder, "app"));
    writeFileSync(join(folder, "app/index.js"), "");
    expect(programOf({ image: "x" }, find(image()), "/home")).toEqual({
      args: [process.execPath, join(folder, "app/index.js")],
      cwd: join(folder, "app"),
      environment: { MODE: "production" },
    });
  });

  test("a container's own command takes the image's place, and no path leads out of the image", () => {
    const definition = { image: "x", entryPoint: ["node"], command: ["/../../etc/passwd", "other.js"] };
    const program = programOf(definition, find(image({ workingDirectory: "/../.." })), "/home");
    expect(program).toMatchObject({
      args: [process.execPath, "/../../etc/passwd", "other.js"],
      cwd: join(folder, "/"),
    });
  });
});

test("a container's log is its lines, also the last one that has no end", async () => {
  const lines: string[] = [];
  const log = new ContainerLog(async (events) => {
    lines.push(...events.map(({ message }) => message));
  });
  for (const text of ["one\ntw", "o\n", "thr", "ee"]) log.print(text);
  await log.close();
  expect(lines).toEqual(["one", "two", "three"]);
});
