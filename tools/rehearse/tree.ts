import { copyFileSync, existsSync, mkdirSync, realpathSync, renameSync, rmSync, symlinkSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { execa } from "execa";
import { UserError } from "../project";

/** What a rehearsal hands in as a commit. */
export interface Tree {
  readonly folder: string;
  /** The commit; of changes that are not committed, the tree's own id, which is the same for the same content. */
  readonly commit: string;
  /** The tree's own id, whatever commit it is of. */
  readonly content: string;
  readonly message: string;
  readonly author: string;
}

export interface TreeProps {
  /** The project, which is the top of a Git repository. */
  readonly project: string;
  /** @default - the working tree: what Git has, and what it does not ignore */
  readonly revision?: string;
  /** Where it is put, in place of whatever lies there. */
  readonly folder: string;
}

/**
 * Copies a tree of a Git repository. Nothing of the repository changes: what Git has to write goes to a scratch folder
 * beside the copy.
 *
 * @throws UserError where there is no repository, or no such commit in it
 */
export async function takeTree({ project, revision, folder }: TreeProps): Promise<Tree> {
  const scratch = `${folder}.git`;
  for (const one of [folder, scratch]) rmSync(one, { recursive: true, force: true });
  mkdirSync(join(scratch, "objects"), { recursive: true });
  mkdirSync(folder, { recursive: true });
  const plain = (...args: string[]) => execa("git", args, { cwd: project, reject: false });
  try {
    const top = await plain("rev-parse", "--show-toplevel", "--git-path", "objects");
    const [root = "", objects = ""] = top.stdout.split("\n");
    if (top.exitCode !== 0 || realpathSync(root) !== realpathSync(project)) {
      const found = top.exitCode === 0 ? `the repository's top is ${root}` : words(top);
      throw new UserError(
        `${project} is not the top of a Git repository (${found}), and a pipeline works on what that has. To rehearse what lies here, make it one: git init`,
      );
    }
    const git = async (...args: string[]) => {
      const result = await execa("git", args, {
        cwd: project,
        reject: false,
        env: {
          GIT_INDEX_FILE: join(scratch, "index"),
          GIT_OBJECT_DIRECTORY: join(scratch, "objects"),
          GIT_ALTERNATE_OBJECT_DIRECTORIES: resolve(project, objects),
        },
      });
      if (result.exitCode !== 0)
        throw new UserError(`The tree cannot be read: git ${args[0]}: ${words(result)}`);
      return result.stdout;
    };
    const head = await plain(
      "rev-parse",
      "--verify",
      "--quiet",
      "--end-of-options",
      `${revision ?? "HEAD"}^{commit}`,
    );
    const commit = head.exitCode === 0 ? head.stdout : undefined;
    if (revision !== undefined && !commit)
      throw new UserError(
        `--from-commit ${revision} is no commit of this repository. Name a branch, a tag or a commit that git log shows, or leave it out to rehearse the working tree.`,
      );
    if (commit) await git("read-tree", commit);
    if (revision === undefined) await git("add", "--all");
    const tree = await git("write-tree");
    await git("checkout-index", "--all", "--force", `--prefix=${folder}/`);
    if (commit && (await git("rev-parse", `${commit}^{tree}`)) === tree) {
      const [message = "", author = ""] = (await git("log", "-1", "--format=%s%n%an", commit)).split("\n");
      return { folder, commit, content: tree, message, author };
    }
    const since = commit ? `, with changes since ${commit.slice(0, 12)}` : ", of which nothing is committed";
    return { folder, commit: tree, content: tree, message: `The working tree${since}`, author: "" };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/**
 * Gives a copy the settings and the packages that it is deployed with. The pipeline finds the same settings in it.
 *
 * @param settings the user's own file
 * @returns what they were taken from, relative to where they were found
 * @throws UserError where there are none
 */
export function equip(tree: Tree, project: string, settings: string | undefined): string {
  const own = join(tree.folder, "terraform.tfvars");
  if (settings !== undefined) {
    if (!existsSync(settings))
      throw new UserError(`--settings ${settings}: there is no such file. Name one as terraform.tfvars is.`);
    copyFileSync(settings, own);
  } else if (!existsSync(own)) {
    const others = [join(project, "terraform.tfvars"), join(tree.folder, "terraform.tfvars.example")];
    const found = others.find((file) => existsSync(file));
    if (!found)
      throw new UserError(
        "There is neither terraform.tfvars nor terraform.tfvars.example in what is to be rehearsed: name a file of settings with --settings FILE.",
      );
    copyFileSync(found, own);
    if (found === others[1]) settings = "terraform.tfvars.example";
  }
  const packages = join(tree.folder, "node_modules");
  // A link of that name, which Git may take for a file.
  rmSync(packages, { recursive: true, force: true });
  // As a junction on Windows, where links need a right of their own.
  symlinkSync(join(project, "node_modules"), packages, "junction");
  return settings ?? "terraform.tfvars";
}

/** Moves what was bundled in a copy to one that comes in its place: what has not changed is not bundled again. */
export function handOnBundles(from: Tree, to: Tree): void {
  const bundles = ({ folder }: Tree) => join(folder, ".slipway/build");
  if (!existsSync(bundles(from))) return;
  mkdirSync(dirname(bundles(to)), { recursive: true });
  renameSync(bundles(from), bundles(to));
}

const words = ({ stderr, shortMessage }: { stderr?: string; shortMessage?: string }) =>
  (stderr || shortMessage || "it says nothing").trim();
