import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { type AsyncZippable, unzip, zip } from "fflate";
import minimatch from "minimatch";
import { type ArtifactSpec, PhaseFailure } from "./buildspec";

/** A file that a build made, under its path in the artifact. */
export interface BuiltFile {
  readonly path: string;
  readonly file: string;
}

const clientError = (message: string) => new PhaseFailure("CLIENT_ERROR", message);

/**
 * The files that a buildspec names, in the order of their paths.
 *
 * @param folder the source's
 * @throws PhaseFailure where there is none
 */
export function collectFiles(folder: string, spec: ArtifactSpec): BuiltFile[] {
  const found = new Map<string, string>();
  for (const base of baseFolders(folder, spec.baseDirectory)) {
    for (const path of filesBelow(base)) {
      if (!matches(path, spec.files) || matches(path, spec.excludePaths)) continue;
      found.set(spec.discardPaths ? basename(path) : path, join(base, path));
    }
  }
  if (!found.size) throw clientError("no matching artifact paths found");
  const files = [...found].map(([path, file]) => ({ path, file }));
  return files.sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Files of all names count, and no character is special but those of patterns. */
const LITERAL = { dot: true, nonegate: true, nocomment: true };

function matches(path: string, patterns: readonly string[]): boolean {
  return patterns.some((pattern) => minimatch(path, pattern.replace(/^(\.?\/)+/, ""), LITERAL));
}

/** The folders that a base directory stands for, which may be a pattern. */
function baseFolders(folder: string, given = "."): string[] {
  const isFolder = (path: string) => statSync(path, { throwIfNoEntry: false })?.isDirectory();
  const path = isAbsolute(given) ? given : join(folder, given);
  if (isFolder(path)) return [path];
  const pattern = relative(folder, path).split(sep).join("/");
  const found = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory() && minimatch(entry.name, pattern, LITERAL))
    .map(({ name }) => join(folder, name));
  if (!found.length) throw clientError(`no matching base directory path found for ${given}`);
  return found.sort();
}

/** Paths of all files below a folder. Links to files count as files; links to folders could lead anywhere. */
function filesBelow(folder: string, inner = ""): string[] {
  return readdirSync(join(folder, inner), { withFileTypes: true }).flatMap((entry) => {
    const path = inner ? `${inner}/${entry.name}` : entry.name;
    if (entry.isDirectory()) return filesBelow(folder, path);
    if (entry.isFile()) return [path];
    const isLinkToFile =
      entry.isSymbolicLink() && statSync(join(folder, path), { throwIfNoEntry: false })?.isFile();
    return isLinkToFile ? [path] : [];
  });
}

/** The earliest moment that a ZIP can hold: the same files give the same bytes. */
const EPOCH = new Date(1980, 0, 1);
const UNIX = 3;

/** Files as a ZIP, with their permissions. */
export function zipFiles(files: readonly BuiltFile[]): Promise<Uint8Array> {
  const entries = files.map(({ path, file }): [string, AsyncZippable[string]] => {
    const attrs = (statSync(file).mode & 0xffff) * 0x10000;
    return [path, [readFileSync(file), { mtime: EPOCH, os: UNIX, attrs, level: 1 }]];
  });
  return new Promise((done, fail) => {
    zip(Object.fromEntries(entries), (error, content) => (error ? fail(error) : done(content)));
  });
}

/**
 * Unpacks a ZIP into a folder, with permissions and links.
 *
 * @throws PhaseFailure where it is none, or an entry would come to lie outside of the folder
 */
export async function unzipInto(folder: string, content: Uint8Array): Promise<void> {
  const files = await unzipAll(content);
  const modes = unixModes(Buffer.from(content.buffer, content.byteOffset, content.byteLength));
  const links: [string, string][] = [];
  for (const [name, data] of Object.entries(files)) {
    const path = resolve(folder, name);
    if (name.includes("\\") || isAbsolute(name) || !`${path}${sep}`.startsWith(`${folder}${sep}`))
      throw clientError(`the ZIP has an entry that leaves its folder: ${name}`);
    const mode = modes.get(name) ?? 0;
    if ((mode & FORMAT) === LINK) {
      links.push([path, Buffer.from(data).toString()]);
      continue;
    }
    if (name.endsWith("/")) {
      mkdirSync(path, { recursive: true });
      continue;
    }
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, data);
    if (mode & 0o777) chmodSync(path, (mode & 0o777) | 0o600);
  }
  // Last, and the longest path first, so that nothing is ever written through one.
  for (const [path, target] of links.sort(([a], [b]) => b.length - a.length)) {
    mkdirSync(dirname(path), { recursive: true });
    symlinkSync(target, path);
  }
}

const FORMAT = 0o170000;
const LINK = 0o120000;

function unzipAll(content: Uint8Array): Promise<Record<string, Uint8Array>> {
  return new Promise((done, fail) => {
    try {
      unzip(content, (error, files) => (error ? fail(notZip(error)) : done(files)));
    } catch (error) {
      fail(notZip(error as Error));
    }
  });
}

const notZip = (error: Error) => clientError(`the source is not a ZIP file (${error.message})`);

/** Unix permissions and kinds of a ZIP's entries: they stand in its directory, which fflate keeps to itself. */
function unixModes(content: Buffer): Map<string, number> {
  const modes = new Map<string, number>();
  const end = content.lastIndexOf(Buffer.from("PK\x05\x06"));
  let at = end < 0 ? content.length : content.readUInt32LE(end + 16);
  while (at + 46 <= content.length && content.readUInt32LE(at) === 0x02014b50) {
    const [name, extra, comment] = [28, 30, 32].map((offset) => content.readUInt16LE(at + offset));
    const path = content.toString("utf8", at + 46, at + 46 + name!);
    if (content[at + 5] === UNIX) modes.set(path, content.readUInt16LE(at + 40));
    at += 46 + name! + extra! + comment!;
  }
  return modes;
}
