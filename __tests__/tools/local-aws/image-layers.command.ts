import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { type BuildRequest, buildImage } from "../../../tools/local-aws/images/build";
import { Layers } from "../../../tools/local-aws/images/layers";

let folder: string;
let printed: string[];
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "slipway-layers-"));
  printed = [];
});
afterEach(() => rmSync(folder, { recursive: true }));

/** Writes what is never the same twice. */
const DRAW = `node -e 'require("fs").writeFileSync("drawn", require("crypto").randomUUID())'`;

const FILES = { "package.json": "{}", "app/index.js": "1" };

interface Changes extends Partial<BuildRequest> {
  readonly files?: Readonly<Record<string, string>>;
  readonly lines?: readonly string[];
  readonly image?: string;
}

let builds = 0;

/** Builds an image that draws after it has copied a package.json, in a context and scratch folder of its own. */
function build({ files = {}, lines = [], image = "node:22", ...changes }: Changes = {}) {
  const home = join(folder, `${++builds}`);
  const all = {
    ...FILES,
    ...files,
    Dockerfile: [
      `FROM ${image} AS build`,
      "WORKDIR /build",
      "COPY package.json ./",
      ...(lines.length ? lines : [`RUN ${DRAW}`]),
      "COPY app app",
      "RUN cat drawn app/index.js > both",
    ].join("\n"),
  };
  for (const [path, content] of Object.entries(all)) {
    mkdirSync(dirname(join(home, path)), { recursive: true });
    writeFileSync(join(home, path), content);
  }
  mkdirSync(join(home, "scratch"));
  const { root } = buildImage({
    context: home,
    dockerfile: join(home, "Dockerfile"),
    platform: "linux/amd64",
    buildArguments: new Map(),
    labels: new Map(),
    scratch: join(home, "scratch"),
    layers: new Layers(join(folder, "layers"), 0),
    environment: process.env,
    print: (line) => printed.push(line),
    ...changes,
  });
  const read = (path: string) => readFileSync(join(root, "build", path), "utf8");
  return { root, read, drawn: read("drawn"), both: read("both") };
}

test("a command that finds the same as in a build before is not run again, and those after what is new are", () => {
  const first = build();
  const second = build({ files: { "app/index.js": "2" } });
  expect(second.drawn).toBe(first.drawn);
  expect(second.both).toBe(`${first.drawn}2`);
  expect(printed.filter((line) => line.startsWith("Not run again"))).toHaveLength(1);
  expect(build().both).toBe(first.both);
});

test.each<[string, Changes]>([
  ["a file that was copied before it", { files: { "package.json": '{"name":"x"}' } }],
  ["the command", { lines: [`RUN true; ${DRAW}`] }],
  ["a command before it", { lines: ["RUN true", `RUN ${DRAW}`] }],
  ["its folder", { lines: ["WORKDIR inner", `RUN ${DRAW} && cp drawn ..`, "WORKDIR .."] }],
  ["a variable", { lines: ["ENV A=1", `RUN ${DRAW}`] }],
  ["its shell", { lines: ['SHELL ["/bin/bash", "-c"]', `RUN ${DRAW}`] }],
  ["the base image", { image: "node:20" }],
])("a command is run again where %s is another", (_, changes) => {
  const { drawn } = build();
  const changed = build(changes);
  expect(changed.drawn).not.toBe(drawn);
  expect(build(changes).drawn).toBe(changed.drawn);
});

test("a command is run again where an argument of the build is another", () => {
  const lines = ["ARG WHAT", `RUN ${DRAW}`];
  const { drawn } = build({ lines, buildArguments: new Map([["WHAT", "1"]]) });
  expect(build({ lines, buildArguments: new Map([["WHAT", "2"]]) }).drawn).not.toBe(drawn);
  expect(build({ lines, buildArguments: new Map([["WHAT", "1"]]) }).drawn).toBe(drawn);
});

test("what a later command or a build changes is no other build's", () => {
  const lines = [
    `RUN ${DRAW} && mkdir -p node_modules/a && cp drawn node_modules/a/index.js && ln -s drawn link`,
  ];
  const first = build({ lines });
  writeFileSync(join(first.root, "build/drawn"), "of this build");
  const second = build({ lines });
  expect(second.drawn).toBe(first.drawn);
  expect([second.read("link"), second.read("node_modules/a/index.js")]).toEqual([first.drawn, first.drawn]);

  // Packages are shared, so that this reaches the layer: it is made anew.
  writeFileSync(join(second.root, "build/node_modules/a/index.js"), "hacked");
  const third = build({ lines });
  expect(third.drawn).not.toBe(first.drawn);
  expect(third.read("node_modules/a/index.js")).toBe(third.drawn);
});

test("a command that fails, or that takes no time, leaves no layer", () => {
  expect(() => build({ lines: ["RUN exit 3"] })).toThrow("exit code 3");
  // No machine is so busy that it takes a minute.
  build({ lines: [`RUN ${DRAW}`], layers: new Layers(join(folder, "layers"), 60_000) });
  expect(() => readdirSync(join(folder, "layers"))).toThrow("ENOENT");
});

test("of many layers those are kept that were used last", () => {
  const first = build();
  const drawn = [0, 1, 2, 3].map((number) => {
    const one = build({ files: { "package.json": `${number}` } });
    // Taken, and so used.
    expect(build().drawn).toBe(first.drawn);
    return one.drawn;
  });
  expect(readdirSync(join(folder, "layers"))).toHaveLength(8);
  expect(build({ files: { "package.json": "3" } }).drawn).toBe(drawn[3]);
  expect(build({ files: { "package.json": "0" } }).drawn).not.toBe(drawn[0]);
});
