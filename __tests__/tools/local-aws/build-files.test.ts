import { randomBytes } from "node:crypto";
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { unzipSync, zipSync } from "fflate";
import { collectFiles } from "../../../tools/local-aws/builds/files";
import { unpackZip, writeZip } from "../../../tools/local-aws/builds/zip";

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "slipway-test-")));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, content = path): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}
const spec = { files: ["**/*"], excludePaths: [], discardPaths: false, keepLinks: false };
const paths = (changes: object) => collectFiles(folder, { ...spec, ...changes }).map(({ path }) => path);

describe("files of an artifact", () => {
  beforeEach(() => {
    for (const path of ["my-build-1/a", "my-build-2/b", "my-build-2/sub/c", ".hidden", "other/d"])
      write(path);
  });

  // The examples of CodeBuild's own documentation.
  test.each<[string, object, string[]]>([
    ["all", {}, [".hidden", "my-build-1/a", "my-build-2/b", "my-build-2/sub/c", "other/d"]],
    ["of one folder, not below it", { files: ["my-build-2/*"] }, ["my-build-2/b"]],
    ["below one folder", { files: ["my-build-2/**/*"] }, ["my-build-2/b", "my-build-2/sub/c"]],
    ["below a base", { files: ["*/c"], baseDirectory: "my-build-2" }, ["sub/c"]],
    ["below all bases", { baseDirectory: "my-build*", discardPaths: true }, ["a", "b", "c"]],
    ["but some", { excludePaths: ["my-*/**", ".hidden"] }, ["other/d"]],
    ["named with a dot", { files: ["./other/d"] }, ["other/d"]],
  ])("%s", (_, changes, expected) => {
    expect(paths(changes)).toEqual(expected);
  });

  test("none, or no base, is a failure", () => {
    expect(() => paths({ files: ["nothing"] })).toThrow("no matching artifact paths found");
    expect(() => paths({ baseDirectory: "dist" })).toThrow("no matching base directory path found for dist");
  });
});

/** What goes through in pieces, and is no smaller when it is packed. */
const large = randomBytes(4.25 * 1024 * 1024);

async function pack(source: string, changes: object = {}): Promise<Buffer> {
  const zip = join(folder, "packed.zip");
  await writeZip(zip, collectFiles(join(folder, source), { ...spec, ...changes }));
  return readFileSync(zip);
}

async function unpack(content: Uint8Array, target: string): Promise<string> {
  const zip = join(folder, "to-unpack.zip");
  writeFileSync(zip, content);
  mkdirSync(join(folder, target), { recursive: true });
  await unpackZip(zip, join(folder, target));
  return join(folder, target);
}

test("a ZIP keeps permissions, follows links to files, and is the same each time", async () => {
  write("source/run.sh", "#!/bin/sh\n");
  chmodSync(join(folder, "source/run.sh"), 0o755);
  symlinkSync("run.sh", join(folder, "source/link"));
  symlinkSync("nowhere", join(folder, "source/broken"));
  const content = await pack("source");
  expect((await pack("source")).equals(content)).toBe(true);
  const target = await unpack(content, "target");
  expect(statSync(join(target, "run.sh")).mode & 0o777).toBe(0o755);
  expect(lstatSync(join(target, "link")).isFile()).toBe(true);
  expect(existsSync(join(target, "broken"))).toBe(false);
});

test("a ZIP keeps those links that stay in it, where it is to", async () => {
  write("outside", "not ours");
  write("source/node_modules/tool/cli.js", "#!/usr/bin/env node\n");
  mkdirSync(join(folder, "source/node_modules/.bin"));
  const links: [string, string][] = [
    ["node_modules/.bin/tool", "../tool/cli.js"],
    ["all", "node_modules"],
    ["broken", "nowhere"],
    ["copied", "../outside"],
    ["absolute", join(folder, "outside")],
    ["left-out", ".."],
  ];
  for (const [link, target] of links) symlinkSync(target, join(folder, "source", link));
  const target = await unpack(await pack("source", { keepLinks: true }), "target");
  const kept = links.slice(0, 3).map(([link]) => [link, readlinkSync(join(target, link))]);
  expect(kept).toEqual(links.slice(0, 3));
  expect(readFileSync(join(target, "all/.bin/tool"), "utf8")).toBe("#!/usr/bin/env node\n");
  for (const copied of ["copied", "absolute"]) {
    expect(lstatSync(join(target, copied)).isFile()).toBe(true);
    expect(readFileSync(join(target, copied), "utf8")).toBe("not ours");
  }
  expect(existsSync(join(target, "left-out"))).toBe(false);
});

test("a ZIP holds what others read: large files, empty ones, names of all letters", async () => {
  mkdirSync(join(folder, "source"));
  writeFileSync(join(folder, "source/large"), large);
  write("source/näme ☂", "");
  const content = await pack("source");
  const files = unzipSync(content);
  expect(Object.keys(files)).toEqual(["large", "näme ☂"]);
  expect(Buffer.from(files.large!).equals(large)).toBe(true);
  const target = await unpack(content, "target");
  expect(readFileSync(join(target, "large")).equals(large)).toBe(true);
  expect(readFileSync(join(target, "näme ☂"), "utf8")).toBe("");
});

test.each<[string, 0 | 6]>([
  ["packed", 6],
  ["stored", 0],
])("files of others' ZIPs are unpacked, small and large: %s", async (_, level) => {
  const target = await unpack(zipSync({ "a/b": Buffer.from("small"), large }, { level }), "target");
  expect(readFileSync(join(target, "a/b"), "utf8")).toBe("small");
  expect(readFileSync(join(target, "large")).equals(large)).toBe(true);
});

const unix = (mode: number) => ({ os: 3, attrs: mode * 0x10000 });
const link = (target: string): [Uint8Array, object] => [Buffer.from(target), unix(0o120777)];

test("a link in a ZIP becomes one", async () => {
  const target = await unpack(
    zipSync({ "bin/tool": link("../lib/tool"), "lib/tool": Buffer.from("x") }),
    "target",
  );
  expect(readFileSync(join(target, "bin/tool"), "utf8")).toBe("x");
});

test.each<[string, Parameters<typeof zipSync>[0], string]>([
  ["an entry above it", { "../evil": Buffer.from("x") }, "an entry that leaves its folder: ../evil"],
  ["an entry from the root", { "/tmp/slipway-evil": Buffer.from("x") }, "an entry that leaves its folder"],
  ["an entry of another system", { "..\\evil": Buffer.from("x") }, "an entry that leaves its folder"],
  ["an entry through a link", { a: link("."), "a/evil": Buffer.from("x") }, "EEXIST"],
  ["a link above it", { a: link("..") }, "a link that leads out of its folder: a to .."],
  ["a link from the root", { a: link("/etc") }, "a link that leads out of its folder: a to /etc"],
  [
    "a link that leads out by another one",
    { "b/c": link(".."), d: link("b/c/../secret") },
    "a link that leads out of its folder: d to ",
  ],
])("a ZIP writes and links nothing outside of its folder: %s", async (_, entries, message) => {
  write("secret");
  await expect(unpack(zipSync(entries), "inner")).rejects.toThrow(message);
  expect(existsSync(join(folder, "evil"))).toBe(false);
  expect(existsSync("/tmp/slipway-evil")).toBe(false);
});

test("what is no ZIP, or a broken one, is told", async () => {
  await expect(unpack(Buffer.from("hello"), "target")).rejects.toThrow("the source is not a ZIP file");
  write("source/a", "some text that is packed");
  const content = await pack("source");
  content[40] = content[40]! ^ 0xff;
  await expect(unpack(content, "target")).rejects.toThrow("the source is not a ZIP file (a: ");
});
