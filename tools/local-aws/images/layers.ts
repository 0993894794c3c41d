import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  linkSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { isShared } from "../builds/unpacked";

/** What is done in less time is not worth a layer, in milliseconds: to lay one out takes as long. */
const LEAST_MILLISECONDS = 1000;
/** How many are kept. Each may take half a gigabyte. */
const MOST = 8;

const ROOT = "root";
const LINKED = "linked.json";

/** A file that a layer and the stages share; where one writes into it, the other has it, too. */
type Linked = readonly [path: string, modified: number, size: number];

/**
 * What commands of Dockerfiles left behind, as Docker keeps it: a command that would find the same as in a build before is
 * not run again.
 */
export class Layers {
  /**
   * @param folder for nothing else, on the disk of the stages
   * @param leastMilliseconds of what is kept
   */
  constructor(
    private readonly folder: string,
    readonly leastMilliseconds = LEAST_MILLISECONDS,
  ) {}

  /** Makes a stage's folder what a layer is. @returns whether there is one */
  take(key: string, root: string): boolean {
    const layer = join(this.folder, key);
    if (!existsSync(layer)) return false;
    const coming = `${root}.layer`;
    try {
      if (!isAsItWas(layer)) throw new Error("A stage has written into it.");
      copyTree(join(layer, ROOT), coming);
      utimesSync(layer, new Date(), new Date());
    } catch {
      // Or another build has just removed it, as the oldest.
      for (const one of [coming, layer]) rmSync(one, { recursive: true, force: true });
      return false;
    }
    rmSync(root, { recursive: true });
    renameSync(coming, root);
    return true;
  }

  /** Keeps a stage's folder as it is now. */
  keep(key: string, root: string): void {
    mkdirSync(this.folder, { recursive: true });
    const coming = mkdtempSync(join(this.folder, "coming-"));
    const linked = copyTree(root, join(coming, ROOT));
    writeFileSync(join(coming, LINKED), JSON.stringify(linked));
    try {
      renameSync(coming, join(this.folder, key));
    } catch {
      // Another build has kept the same meanwhile.
      rmSync(coming, { recursive: true });
    }
    this.forgetOldest();
  }

  private forgetOldest(): void {
    const layers = readdirSync(this.folder)
      .filter((name) => !name.startsWith("coming-"))
      .map((name) => join(this.folder, name))
      .sort((a, b) => statSync(b).mtimeMs - statSync(a).mtimeMs);
    for (const oldest of layers.slice(MOST)) rmSync(oldest, { recursive: true, force: true });
  }
}

/** A sum of data, such as the one before and what is done to it. */
export const sumOf = (...parts: readonly unknown[]): string =>
  createHash("sha256").update(JSON.stringify(parts)).digest("hex");

function isAsItWas(layer: string): boolean {
  const linked: readonly Linked[] = JSON.parse(readFileSync(join(layer, LINKED), "utf8"));
  return linked.every(([path, modified, size]) => {
    const stats = lstatSync(join(layer, ROOT, path));
    return stats.mtimeMs === modified && stats.size === size;
  });
}

/** Copies a folder; packages and large files are linked. @returns what is linked */
function copyTree(from: string, to: string, path = ""): Linked[] {
  mkdirSync(join(to, path));
  return readdirSync(join(from, path), { withFileTypes: true }).flatMap((entry): Linked[] => {
    const inner = path ? `${path}/${entry.name}` : entry.name;
    const [file, target] = [join(from, inner), join(to, inner)];
    if (entry.isDirectory()) return copyTree(from, to, inner);
    if (entry.isSymbolicLink()) {
      symlinkSync(readlinkSync(file), target);
      return [];
    }
    const { mtimeMs, size } = lstatSync(file);
    if (!isShared(inner, size)) {
      copyFileSync(file, target);
      return [];
    }
    linkSync(file, target);
    return [[inner, mtimeMs, size]];
  });
}
