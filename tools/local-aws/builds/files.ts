import { readdirSync, statSync } from "node:fs";
import { basename, isAbsolute, join, relative, sep } from "node:path";
import minimatch from "minimatch";
import { type ArtifactSpec, PhaseFailure } from "./buildspec";
import { staysInside, type ZipEntry } from "./zip";

const clientError = (message: string) => new PhaseFailure("CLIENT_ERROR", message);

/**
 * The files that a buildspec names, in the order of their paths.
 *
 * @param folder the source's
 * @throws PhaseFailure where there is none
 */
export function collectFiles(folder: string, spec: Omit<ArtifactSpec, "name">): ZipEntry[] {
  const found = new Map<string, ZipEntry>();
  const [isAsked, isExcluded] = [matcher(spec.files), matcher(spec.excludePaths)];
  for (const base of baseFolders(folder, spec.baseDirectory)) {
    for (const entry of filesBelow(base, spec.keepLinks && !spec.discardPaths)) {
      if (!isAsked(entry.path) || isExcluded(entry.path)) continue;
      const path = spec.discardPaths ? basename(entry.path) : entry.path;
      found.set(path, { ...entry, path });
    }
  }
  if (!found.size) throw clientError("no matching artifact paths found");
  return [...found.values()].sort((a, b) => (a.path < b.path ? -1 : 1));
}

/** Files of all names count, and no character is special but those of patterns. */
const LITERAL = { dot: true, nonegate: true, nocomment: true };

function matcher(patterns: readonly string[]): (path: string) => boolean {
  const all = patterns.map((pattern) => new minimatch.Minimatch(pattern.replace(/^(\.?\/)+/, ""), LITERAL));
  return (path) => all.some((one) => one.match(path));
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

/**
 * All files below a folder. Links to files count as files; links to folders could lead anywhere.
 *
 * @param keepLinks whether links that stay in the folder are kept as such
 * @param skips whether something is left out, by its path
 */
export function filesBelow(
  folder: string,
  keepLinks: boolean,
  skips: (path: string) => boolean = () => false,
): ZipEntry[] {
  const below = (inner: string): ZipEntry[] =>
    readdirSync(join(folder, inner), { withFileTypes: true }).flatMap((entry) => {
      const path = inner ? `${inner}/${entry.name}` : entry.name;
      const file = join(folder, path);
      if (skips(path)) return [];
      if (entry.isDirectory()) return below(path);
      if (entry.isFile()) return { path, file };
      if (!entry.isSymbolicLink()) return [];
      if (keepLinks && staysInside(folder, file)) return { path, file, link: true };
      return statSync(file, { throwIfNoEntry: false })?.isFile() ? { path, file } : [];
    });
  return below("");
}
