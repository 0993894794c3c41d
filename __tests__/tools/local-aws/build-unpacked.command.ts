import { randomBytes } from "node:crypto";
import {
  appendFileSync,
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { unzipSync } from "fflate";
import { s3Source, s3Target } from "../../../tools/local-aws/builds/exchange";
import { filesBelow } from "../../../tools/local-aws/builds/files";
import { UnpackedArtifacts } from "../../../tools/local-aws/builds/unpacked";
import { FakeRole } from "./fake-role";

const home = mkdtempSync(join(tmpdir(), "slipway-unpacked-"));
afterAll(() => rmSync(home, { recursive: true, force: true }));

class CountingRole extends FakeRole {
  downloads = 0;
  forbidden = false;
  /** What downloads wait for. */
  held: Promise<void> = Promise.resolve();

  override async openObject(bucket: string, key: string) {
    if (this.forbidden) throw Object.assign(new Error("not authorized"), { name: "AccessDenied" });
    return super.openObject(bucket, key);
  }

  override async download(bucket: string, key: string, file: string) {
    this.downloads++;
    await this.held;
    return super.download(bucket, key, file);
  }
}

const PACKAGE = "node_modules/pack/index.js";
/** A large file for us, which cannot be packed small, and so makes its artifact one that is kept. */
const LARGE = randomBytes(1024 * 1024 + 1);
const LEAST_BYTES = 1024 * 1024;
let role: CountingRole;
let artifacts: UnpackedArtifacts;
let folders = 0;
beforeEach(() => {
  role = new CountingRole();
  artifacts = new UnpackedArtifacts(LEAST_BYTES);
});
afterEach(() => artifacts.stop());

const newFolder = () => {
  const folder = join(home, `${folders++}`);
  mkdirSync(folder);
  return folder;
};

/** What a build has made. */
function madeFolder(): string {
  const folder = newFolder();
  const write = (path: string, content: string | Buffer) => {
    mkdirSync(join(folder, dirname(path)), { recursive: true });
    writeFileSync(join(folder, path), content);
  };
  write("main.ts", "one");
  write("bin/large", LARGE);
  write(PACKAGE, "two");
  chmodSync(join(folder, PACKAGE), 0o755);
  mkdirSync(join(folder, "node_modules/.bin"));
  symlinkSync("../pack/index.js", join(folder, "node_modules/.bin/pack"));
  return folder;
}

const put = (folder: string, key: string) =>
  s3Target({
    bucket: "b",
    name: key,
    overrideName: false,
    packaging: "ZIP",
    buildArn: "arn:build",
    artifacts,
  }).take({ files: filesBelow(folder, true), scratch: newFolder() }, role, new AbortController().signal);

async function bring(key: string): Promise<string> {
  const folder = newFolder();
  await s3Source(`b/${key}`, "", undefined, artifacts).bring(folder, role, new AbortController().signal);
  return folder;
}

/** A build in the folder ends. @returns an inode, by which the folder of its packages is known again */
function end(folder: string): number {
  const { ino } = statSync(join(folder, "node_modules"));
  artifacts.takeBack(folder);
  rmSync(folder, { recursive: true });
  return ino;
}

const text = (folder: string, path: string) => readFileSync(join(folder, path), "utf8");

test("what one build has made, others get without unpacking it: packages and large files shared, the rest their own", async () => {
  const made = madeFolder();
  await put(made, "install");
  rmSync(made, { recursive: true });
  const [one, other] = await Promise.all([bring("install"), bring("install")]);
  expect(role.downloads).toBe(0);
  const ino = (folder: string, path: string) => statSync(join(folder, path)).ino;
  for (const path of [PACKAGE, "bin/large"]) expect(ino(one, path)).toBe(ino(other, path));
  expect(ino(one, "main.ts")).not.toBe(ino(other, "main.ts"));
  appendFileSync(join(one, "main.ts"), " changed");
  const third = await bring("install");
  expect([text(third, "main.ts"), text(third, PACKAGE)]).toEqual(["one", "two"]);
  expect(statSync(join(third, PACKAGE)).mode & 0o777).toBe(0o755);
  expect(readlinkSync(join(third, "node_modules/.bin/pack"))).toBe("../pack/index.js");
  expect(readFileSync(join(third, "bin/large")).equals(LARGE)).toBe(true);
});

test("what comes from elsewhere is fetched and unpacked once", async () => {
  await put(madeFolder(), "install");
  await artifacts.stop();
  artifacts = new UnpackedArtifacts(LEAST_BYTES);
  const folders = await Promise.all([bring("install"), bring("install")]);
  expect([role.downloads, ...folders.map((folder) => text(folder, PACKAGE))]).toEqual([1, "two", "two"]);
});

test("a role without the right to it is refused, also where it lies here", async () => {
  await put(madeFolder(), "install");
  role.forbidden = true;
  await expect(bring("install")).rejects.toThrow(/error while downloading key install.*AccessDenied/);
});

test("another object of the same key is another artifact", async () => {
  await put(madeFolder(), "install");
  await bring("install");
  const next = madeFolder();
  writeFileSync(join(next, PACKAGE), "new");
  await put(next, "install");
  expect(text(await bring("install"), PACKAGE)).toBe("new");
});

test("a build that writes into a package changes it for none that comes later, and its own artifact has the change", async () => {
  await put(madeFolder(), "install");
  const one = await bring("install");
  appendFileSync(join(one, PACKAGE), " changed");
  await put(one, "build");
  expect(text(await bring("install"), PACKAGE)).toBe("two");
  expect(text(await bring("build"), PACKAGE)).toBe("two changed");
});

test("what is packed again is a whole ZIP, whether its parts lay packed or not", async () => {
  await put(madeFolder(), "install");
  const folder = await bring("install");
  writeFileSync(join(folder, "new.txt"), "three");
  await put(folder, "build");
  const files = unzipSync(role.objects.get("b/build")!);
  const content = (path: string) => Buffer.from(files[path]!);
  expect(Object.keys(files).sort()).toEqual(
    ["main.ts", "bin/large", PACKAGE, "node_modules/.bin/pack", "new.txt"].sort(),
  );
  expect([content("main.ts"), content(PACKAGE), content("new.txt")].map(String)).toEqual([
    "one",
    "two",
    "three",
  ]);
  expect(content("bin/large").equals(LARGE)).toBe(true);
});

test("keeps the newest four, and nothing after its end", async () => {
  for (const key of ["1", "2", "3", "4", "5"]) await put(madeFolder(), key);
  await bring("5");
  expect(role.downloads).toBe(0);
  expect(text(await bring("1"), PACKAGE)).toBe("two");
  expect(role.downloads).toBe(1);
  const linked = join(await bring("5"), PACKAGE);
  const { nlink } = statSync(linked);
  await artifacts.stop();
  expect(statSync(linked).nlink).toBe(nlink - 1);
});

test("one that a build still lays out is removed only after that, however many came since", async () => {
  await put(madeFolder(), "install");
  await artifacts.stop();
  artifacts = new UnpackedArtifacts(LEAST_BYTES);
  let arrive = () => {};
  role.held = new Promise((resolve) => (arrive = resolve));
  const brought = bring("install");
  for (const key of ["1", "2", "3", "4"]) await put(madeFolder(), key);
  arrive();
  expect(text(await brought, PACKAGE)).toBe("two");
});

describe("the packages of a build that has ended", () => {
  beforeEach(() => put(madeFolder(), "install"));

  const BROKEN: [string, (folder: string) => void][] = [
    ["is as it was", () => {}],
    ["has a file more", (folder) => writeFileSync(join(folder, "node_modules/pack/more.js"), "more")],
    ["has a folder more", (folder) => mkdirSync(join(folder, "node_modules/other/sub"), { recursive: true })],
    ["lacks a file", (folder) => rmSync(join(folder, PACKAGE))],
    ["lacks a package", (folder) => rmSync(join(folder, dirname(PACKAGE)), { recursive: true })],
    [
      "has another file in its place",
      (folder) => {
        rmSync(join(folder, PACKAGE));
        writeFileSync(join(folder, PACKAGE), "owt");
      },
    ],
    ["has written into a file", (folder) => appendFileSync(join(folder, PACKAGE), " changed")],
    [
      "has a link to elsewhere in place of a file",
      (folder) => {
        rmSync(join(folder, PACKAGE));
        symlinkSync(join(folder, "main.ts"), join(folder, PACKAGE));
      },
    ],
    [
      "has a link to elsewhere in place of a folder",
      (folder) => {
        rmSync(join(folder, dirname(PACKAGE)), { recursive: true });
        symlinkSync(home, join(folder, dirname(PACKAGE)));
      },
    ],
    [
      "has another link",
      (folder) => {
        rmSync(join(folder, "node_modules/.bin/pack"));
        symlinkSync("/bin/sh", join(folder, "node_modules/.bin/pack"));
      },
    ],
    [
      "has a folder in place of a link",
      (folder) => {
        rmSync(join(folder, "node_modules/.bin/pack"));
        mkdirSync(join(folder, "node_modules/.bin/pack"));
      },
    ],
    ["has a folder that is closed", (folder) => chmodSync(join(folder, dirname(PACKAGE)), 0o500)],
  ];
  test.each(BROKEN)("are the next one's, as the artifact has them, where it %s", async (_, spoil) => {
    const fresh = await bring("install");
    const one = await bring("install");
    spoil(one);
    const ino = end(one);
    const next = await bring("install");
    expect(statSync(join(next, "node_modules")).ino).toBe(ino);
    const filesIn = (folder: string) => filesBelow(folder, true).map(({ path }) => path);
    expect(filesIn(next)).toEqual(filesIn(fresh));
    expect([text(next, "main.ts"), text(next, PACKAGE)]).toEqual(["one", "two"]);
    expect(readlinkSync(join(next, "node_modules/.bin/pack"))).toBe("../pack/index.js");
    expect(statSync(join(next, dirname(PACKAGE))).mode & 0o777).toBe(
      statSync(join(fresh, dirname(PACKAGE))).mode & 0o777,
    );
  });

  test("are not those of one that was given others, nor of one that has none any more", async () => {
    const other = madeFolder();
    writeFileSync(join(other, PACKAGE), "other");
    await put(other, "other");
    const ino = end(await bring("other"));
    const without = await bring("install");
    rmSync(join(without, "node_modules"), { recursive: true });
    artifacts.takeBack(without);
    const next = await bring("install");
    expect(statSync(join(next, "node_modules")).ino).not.toBe(ino);
    expect(text(next, PACKAGE)).toBe("two");
  });

  test("are nothing where only npm's list of them is there", async () => {
    const made = madeFolder();
    rmSync(join(made, "node_modules"), { recursive: true });
    mkdirSync(join(made, "node_modules"));
    writeFileSync(join(made, "node_modules/.package-lock.json"), "{}");
    await put(made, "build");
    const one = await bring("build");
    artifacts.takeBack(one);
    expect(text(one, "node_modules/.package-lock.json")).toBe("{}");
  });

  test("are those of an artifact that a build has made of them, too", async () => {
    const made = await bring("install");
    writeFileSync(join(made, "main.ts"), "new");
    await put(made, "again");
    const ino = end(made);
    const next = await bring("again");
    expect([statSync(join(next, "node_modules")).ino, text(next, "main.ts")]).toEqual([ino, "new"]);
  });

  test("are gone when Local AWS ends, and taken back no more", async () => {
    const [one, other] = [await bring("install"), await bring("install")];
    const { nlink } = statSync(join(other, PACKAGE));
    end(one);
    await artifacts.stop();
    artifacts.takeBack(other);
    // The artifact's own and the one that was kept.
    expect(statSync(join(other, PACKAGE)).nlink).toBe(nlink - 2);
  });
});

test("what cannot be kept unpacked fails no build, and is fetched by the next one", async () => {
  const made = madeFolder();
  await put(made, "install");
  const zip = join(home, "copy.zip");
  writeFileSync(zip, role.objects.get("b/install")!);
  const lost = [{ path: "lost", file: join(made, "lost") }];
  await artifacts.adopt({ bucket: "b", key: "install" }, "another etag", zip, lost);
  expect(text(await bring("install"), PACKAGE)).toBe("two");
});
