import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { zipSync } from "fflate";
import { collectFiles, unzipInto, zipFiles } from "../../../tools/local-aws/builds/files";

let folder: string;
beforeEach(() => {
  folder = realpathSync(mkdtempSync(join(tmpdir(), "slipway-test-")));
});
afterEach(() => rmSync(folder, { recursive: true }));

function write(path: string, content = path): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), content);
}
const spec = { files: ["**/*"], excludePaths: [], discardPaths: false };
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

test("a ZIP keeps permissions, follows links to files, and is the same each time", async () => {
  write("source/run.sh", "#!/bin/sh\n");
  chmodSync(join(folder, "source/run.sh"), 0o755);
  symlinkSync("run.sh", join(folder, "source/link"));
  symlinkSync("nowhere", join(folder, "source/broken"));
  const files = collectFiles(join(folder, "source"), spec);
  const content = await zipFiles(files);
  expect(Buffer.from(await zipFiles(files)).equals(Buffer.from(content))).toBe(true);
  const target = join(folder, "target");
  await unzipInto(target, content);
  expect(statSync(join(target, "run.sh")).mode & 0o777).toBe(0o755);
  expect(lstatSync(join(target, "link")).isFile()).toBe(true);
  expect(existsSync(join(target, "broken"))).toBe(false);
});

const unix = (mode: number) => ({ os: 3, attrs: mode * 0x10000 });

test("a link in a ZIP becomes one", async () => {
  const content = zipSync({
    "bin/tool": [Buffer.from("../lib/tool"), unix(0o120777)],
    "lib/tool": Buffer.from("x"),
  });
  await unzipInto(folder, content);
  expect(readFileSync(join(folder, "bin/tool"), "utf8")).toBe("x");
});

test.each<[string, Parameters<typeof zipSync>[0]]>([
  ["above it", { "../evil": Buffer.from("x") }],
  ["from the root", { "/tmp/slipway-evil": Buffer.from("x") }],
  ["through a link", { a: [Buffer.from(".."), unix(0o120777)], "a/evil": Buffer.from("x") }],
  [
    "by a link through a link",
    { a: [Buffer.from(".."), unix(0o120777)], "a/evil": [Buffer.from("x"), unix(0o120777)] },
  ],
])("a ZIP writes nothing outside of its folder: %s", async (_, entries) => {
  const inner = join(folder, "inner");
  mkdirSync(inner);
  await expect(unzipInto(inner, zipSync(entries))).rejects.toThrow();
  expect(existsSync(join(folder, "evil"))).toBe(false);
  expect(existsSync("/tmp/slipway-evil")).toBe(false);
});

test("what is no ZIP is told", async () => {
  await expect(unzipInto(folder, Buffer.from("hello"))).rejects.toThrow("the source is not a ZIP file");
});
