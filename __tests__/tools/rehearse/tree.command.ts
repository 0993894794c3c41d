import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { equip, handOnBundles, type Tree, takeTree } from "../../../tools/rehearse/tree";

let project: string;
let copies: string;
beforeEach(async () => {
  project = mkdtempSync(join(tmpdir(), "slipway-tree-"));
  copies = mkdtempSync(join(tmpdir(), "slipway-copies-"));
  await git("init", "--quiet");
  write({ "index.ts": "one", "sub/deep.ts": "deep", ".gitignore": "*.log\nnode_modules/\n" });
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "The first");
});
afterEach(() => {
  for (const folder of [project, copies]) rmSync(folder, { recursive: true });
});

const git = async (...args: string[]) => {
  const who = ["-c", "user.name=somebody", "-c", "user.email=somebody@example.com"];
  return (await execa("git", [...who, ...args], { cwd: project })).stdout;
};

function write(files: Record<string, string>, folder = project): void {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
}

const take = (revision?: string) => takeTree({ project, revision, folder: join(copies, "source") });
const read = (name: string) => readFileSync(join(copies, "source", name), "utf8");

test("takes the commit that is checked out, where nothing was changed", async () => {
  const tree = await take();
  expect(tree).toMatchObject({
    commit: await git("rev-parse", "HEAD"),
    message: "The first",
    author: "somebody",
  });
  expect(read("sub/deep.ts")).toBe("deep");
});

test("leaves nothing of what lay there before, as of a rehearsal that was killed and had the same process id", async () => {
  write({ "source/old.ts": "old", "source.git/index": "old" }, copies);
  await take();
  expect(readdirSync(join(copies, "source")).sort()).toEqual([".gitignore", "index.ts", "sub"]);
});

test("takes what is changed and new with it, and nothing that Git ignores or that was removed", async () => {
  write({ "index.ts": "two", "new.ts": "new", "noise.log": "x", "node_modules/a.js": "x" });
  rmSync(join(project, "sub"), { recursive: true });
  const { commit, message } = await take();
  expect(readdirSync(join(copies, "source")).sort()).toEqual([".gitignore", "index.ts", "new.ts"]);
  expect([read("index.ts"), read("new.ts")]).toEqual(["two", "new"]);
  expect(commit).toMatch(/^[0-9a-f]{40}$/);
  expect(message).toBe(
    `The working tree, with changes since ${(await git("rev-parse", "HEAD")).slice(0, 12)}`,
  );
});

test("gives another content another id, and the same content the same", async () => {
  write({ "index.ts": "two" });
  const [first, again] = [await take(), await take()];
  write({ "index.ts": "three" });
  expect(again.commit).toBe(first.commit);
  expect((await take()).commit).not.toBe(first.commit);
});

test("changes nothing of the repository, nor leaves anything beside the copy", async () => {
  write({ "index.ts": "two", "new.ts": "new" });
  const before = [await git("status", "--porcelain"), await git("count-objects")];
  await take();
  expect([await git("status", "--porcelain"), await git("count-objects")]).toEqual(before);
  expect(readdirSync(copies)).toEqual(["source"]);
});

test("takes another commit whatever the working tree is", async () => {
  await git("tag", "v1");
  write({ "index.ts": "two", "new.ts": "new" });
  await git("add", "--all");
  await git("commit", "--quiet", "--message", "The second");
  write({ "index.ts": "three" });
  expect(await take("v1")).toMatchObject({ commit: await git("rev-parse", "v1"), message: "The first" });
  expect([read("index.ts"), existsSync(join(copies, "source/new.ts"))]).toEqual(["one", false]);
});

test("takes what is there before anything was committed", async () => {
  rmSync(join(project, ".git"), { recursive: true });
  await git("init", "--quiet");
  const { message } = await take();
  expect(message).toBe("The working tree, of which nothing is committed");
  expect(read("index.ts")).toBe("one");
});

test("says what to do where there is no such commit, or no repository with its top here", async () => {
  await expect(take("v9")).rejects.toThrow(/--from-commit v9 is no commit.*Name a branch, a tag/);
  await expect(take("--all")).rejects.toThrow(/--from-commit --all is no commit/);
  await expect(takeTree({ project: join(project, "sub"), folder: join(copies, "source") })).rejects.toThrow(
    /not the top of a Git repository \(the repository's top is /,
  );
  rmSync(join(project, ".git"), { recursive: true });
  await expect(take()).rejects.toThrow(/not the top of a Git repository.*git init/);
});

describe("the settings of a copy", () => {
  const settings = () => read("terraform.tfvars");
  const given = async (file?: string) => equip(await take(), project, file);

  test("are its own", async () => {
    write({ "terraform.tfvars": "own", "terraform.tfvars.example": "example" });
    expect([await given(), settings()]).toEqual(["terraform.tfvars", "own"]);
  });

  test("are the user's file where one is named", async () => {
    write({ "terraform.tfvars": "own", "other.tfvars": "other" });
    await given(join(project, "other.tfvars"));
    expect(settings()).toBe("other");
  });

  test("are the example's where there are no others", async () => {
    write({ "terraform.tfvars.example": "example" });
    expect([await given(), settings()]).toEqual(["terraform.tfvars.example", "example"]);
  });

  test("are asked for where there are none, or where the file that is named is not there", async () => {
    await expect(given()).rejects.toThrow(/neither terraform\.tfvars nor .*--settings FILE/);
    await expect(given("/no/such.tfvars")).rejects.toThrow(
      "--settings /no/such.tfvars: there is no such file",
    );
  });
});

test("hands on what was bundled in the copy before", () => {
  const [from, to] = ["1", "2"].map((name) => ({ folder: join(copies, name) }) as Tree) as [Tree, Tree];
  write({ "1/.slipway/build/main.cjs": "bundled", "2/index.ts": "two" }, copies);
  handOnBundles(from, to);
  expect(readFileSync(join(copies, "2/.slipway/build/main.cjs"), "utf8")).toBe("bundled");
  // Of one in which nothing was.
  handOnBundles(from, to);
  expect(readdirSync(join(copies, "2")).sort()).toEqual([".slipway", "index.ts"]);
});
