import { createHash } from "node:crypto";
import {
  chmodSync,
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
} from "node:fs";
import { basename, dirname, join, posix, sep } from "node:path";
import minimatch from "minimatch";
import { UserError } from "../../project";

/** Names as Go's filepath.Match reads them, which is what Docker uses. */
const PATTERN = { dot: true, nocomment: true, nonegate: true, noext: true, nobrace: true };
const WILDCARD = /[*?[]/;

/** Folder that files are copied from: the context of a build, or the root of a stage. */
export interface CopySource {
  readonly folder: string;
  /** As a message calls it. */
  readonly title: string;
  /** @default - nothing is left out */
  readonly ignore?: Ignore;
}

/** What of a context a build does not see. */
export interface Ignore {
  file(path: string): boolean;
  /** Whether a folder is left out with all that is in it. */
  whole(path: string): boolean;
}

/** Reads the .dockerignore that counts for a Dockerfile: its own, or the context's. */
export function readIgnore(context: string, dockerfile: string): Ignore | undefined {
  const file = [`${dockerfile}.dockerignore`, join(context, ".dockerignore")].find((one) => existsSync(one));
  if (!file) return undefined;
  const rules = readFileSync(file, "utf8")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line && !line.startsWith("#"))
    .map((line) => {
      const kept = line.startsWith("!");
      const pattern = posix.normalize(line.replace(/^!\s*/, "")).replace(/^\/+|\/+$/g, "");
      return { kept, pattern };
    });
  const isIgnored = (path: string) => {
    const parts = path.split("/");
    // A rule about a folder is one about all that is in it.
    const all = parts.map((_, index) => parts.slice(0, index + 1).join("/"));
    const last = rules.findLast(({ pattern }) => all.some((one) => minimatch(one, pattern, PATTERN)));
    return last !== undefined && !last.kept;
  };
  const mayKeepIn = (folder: string) =>
    rules.some(({ kept, pattern }) => {
      const [literal = ""] = pattern.split(WILDCARD);
      const leadsOn = literal !== pattern && `${folder}/`.startsWith(literal);
      return kept && (leadsOn || literal.startsWith(`${folder}/`));
    });
  return { file: isIgnored, whole: (path) => isIgnored(path) && !mayKeepIn(path) };
}

/**
 * An absolute path of an image, from one that may be relative to a folder of it. A slash at its end stays.
 *
 * @throws UserError where it leads above the image's root
 */
export function pathInImage(folder: string, given: string): string {
  const parts: string[] = [];
  for (const part of posix.isAbsolute(given) ? given.split("/") : `${folder}/${given}`.split("/")) {
    if (part === ".." && parts.pop() === undefined)
      throw new UserError(`names ${given}, which leaves the image: its root is /.`);
    if (part && part !== "." && part !== "..") parts.push(part);
  }
  const end = /(^|\/)\.{0,2}$/.test(given) && parts.length ? "/" : "";
  return `/${parts.join("/")}${end}`;
}

/**
 * Where a path of an image lies on this machine.
 *
 * @param path absolute, inside the image
 * @throws UserError where it leaves the image, also by a link
 */
export function inside(root: string, path: string): string {
  const target = join(root, posix.normalize(posix.join("/", path)));
  let there = target;
  while (!lstatSync(there, { throwIfNoEntry: false })) there = dirname(there);
  if (!leadsInto(root, there))
    throw new UserError(`${path} leaves the image, by a link. Links must stay in it, and be relative.`);
  return target;
}

/** Whether a path that is there is in a folder when all links are followed. */
function leadsInto(folder: string, path: string): boolean {
  const [outer, inner] = [realpathSync(folder), existsSync(path) ? realpathSync(path) : ""];
  return inner === outer || inner.startsWith(`${outer}${sep}`);
}

export interface Copy {
  /** As COPY names them, each a path or a pattern. */
  readonly sources: readonly string[];
  /** Absolute, inside the image; a folder where it ends with a slash. */
  readonly destination: string;
  /** Permissions of what is copied. @default - those that it has */
  readonly mode?: number;
}

/** Hears of what is copied: where to, inside the image, and what. */
export type OnCopied = (
  target: string,
  kind: "folder" | "file" | "link",
  content?: string,
  mode?: number,
) => void;

/**
 * Copies as COPY does: of a folder what is in it, a file into a folder or as the destination.
 *
 * @throws UserError where a source is not there, or a path leaves what it belongs to
 */
export function copyInto(
  root: string,
  from: CopySource,
  { sources, destination, mode }: Copy,
  onCopied: OnCopied,
): void {
  const found = sources.flatMap((source) => matching(from, source));
  const target = inside(root, destination);
  const many = found.length > 1;
  const intoFolder = destination.endsWith("/") || statSync(target, { throwIfNoEntry: false })?.isDirectory();
  if (many && !intoFolder)
    throw new UserError(
      `takes several files, so its destination is a folder and must end with a slash: ${destination}/`,
    );
  for (const path of found) {
    const file = join(from.folder, path);
    // A link that is named counts as what it leads to.
    if (statSync(file).isDirectory()) copyFolder(root, from, path, target, onCopied, mode);
    else
      copyFile(root, realpathSync(file), intoFolder ? join(target, basename(path)) : target, onCopied, mode);
  }
}

/** Paths in the source's folder. */
function matching({ folder, title, ignore }: CopySource, given: string): string[] {
  const path = posix.normalize(given).replace(/^\/+|\/+$/g, "") || ".";
  if (path === ".." || path.startsWith("../"))
    throw new UserError(`names ${given}, which leaves ${title}. Sources are relative to it, and stay in it.`);
  const found = path.split("/").reduce<string[]>(
    (parents, part) =>
      parents.flatMap((parent) => {
        const step = (name: string) => (parent === "." ? name : `${parent}/${name}`);
        if (!WILDCARD.test(part)) return existsSync(join(folder, parent, part)) ? [step(part)] : [];
        if (!statSync(join(folder, parent)).isDirectory()) return [];
        const names = readdirSync(join(folder, parent)).sort();
        return names.filter((name) => minimatch(name, part, PATTERN)).map(step);
      }),
    ["."],
  );
  const seen = found.filter((one) => one === "." || !ignore?.whole(one));
  const files = seen.filter((one) => statSync(join(folder, one)).isDirectory() || !ignore?.file(one));
  if (!files.length) {
    const hidden = found.length ? ", because .dockerignore leaves it out" : "";
    throw new UserError(`names ${given}, which is not in ${title}${hidden}.`);
  }
  for (const one of files)
    if (!leadsInto(folder, join(folder, one)))
      throw new UserError(`names ${given}, a link that leaves ${title}.`);
  return files.map((one) => (one.startsWith("./") ? one.slice(2) : one));
}

function copyFolder(
  root: string,
  from: CopySource,
  path: string,
  target: string,
  onCopied: OnCopied,
  mode?: number,
): void {
  // Here, too: what was copied before may have been a link.
  inside(root, imagePath(root, target));
  mkdirSync(target, { recursive: true });
  onCopied(imagePath(root, target), "folder");
  for (const entry of readdirSync(join(from.folder, path), { withFileTypes: true })) {
    const inner = path === "." ? entry.name : `${path}/${entry.name}`;
    const [file, to] = [join(from.folder, inner), join(target, entry.name)];
    if (entry.isDirectory()) {
      if (!from.ignore?.whole(inner)) copyFolder(root, from, inner, to, onCopied, mode);
    } else if (!from.ignore?.file(inner)) {
      if (entry.isSymbolicLink()) copyLink(root, file, to, onCopied);
      else if (entry.isFile()) copyFile(root, file, to, onCopied, mode);
      else throw new UserError(`cannot take ${inner}, which is neither a file nor a folder.`);
    }
  }
  // Rules of .dockerignore may leave a folder with nothing in it: Docker leaves it out, too.
  const left = from.ignore?.file(path) && path !== "." && !readdirSync(target).length;
  if (left) rmSync(target, { recursive: true });
}

function copyFile(root: string, file: string, target: string, onCopied: OnCopied, mode?: number): void {
  inside(root, dirname(imagePath(root, target)));
  mkdirSync(dirname(target), { recursive: true });
  // Not through a link that is there: it could lead anywhere.
  if (lstatSync(target, { throwIfNoEntry: false })?.isSymbolicLink()) rmSync(target);
  copyFileSync(file, target, constants.COPYFILE_FICLONE);
  if (mode !== undefined) chmodSync(target, mode);
  const digest = createHash("sha256").update(readFileSync(target)).digest("hex");
  onCopied(imagePath(root, target), "file", digest, statSync(target).mode);
}

function copyLink(root: string, link: string, target: string, onCopied: OnCopied): void {
  rmSync(target, { recursive: true, force: true });
  symlinkSync(readlinkSync(link), target);
  onCopied(imagePath(root, target), "link", readlinkSync(link));
}

const imagePath = (root: string, target: string) => `/${target.slice(root.length + 1)}`;
