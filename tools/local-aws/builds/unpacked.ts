import {
  copyFileSync,
  type Dirent,
  linkSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  type Stats,
  statSync,
  symlinkSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { BuildProcesses } from "./processes";
import type { ServiceRole } from "./role";
import { type PackedFile, packedFiles, unpackZip, writeZip, type ZipEntry } from "./zip";

/** Smaller artifacts are packed and unpacked in no time. */
const LEAST_BYTES = 5 * 1024 * 1024;
/** How many are kept: those of two executions beside each other. Each may take a gigabyte. */
const MOST = 4;
/** How long others may have to wait while files are linked. */
const BUSY_MILLISECONDS = 20;
/** What a build would rather replace than write into. */
const PACKAGES = /(^|\/)node_modules\//;
/** Where nearly all of them are. */
const PACKAGES_FOLDER = "node_modules";
/** A file of one of these: npm's own list, which lies beside them, is not worth a folder that is kept. */
const OF_PACKAGE = new RegExp(`^${PACKAGES_FOLDER}/[^/]+/`);
/** The owner may look into a folder and change it. */
const OPEN = 0o700;
/** Of how many builds that have ended the packages are kept: of those that a stage runs side by side. */
const MOST_SPARE = 6;
/** So are larger files: programs and bundles. */
const LARGE_BYTES = 1024 * 1024;

/**
 * The artifacts of pipelines, unpacked. Nearly all of an artifact are packages of ten thousands of files, which each
 * action would unpack anew and pack again. So each artifact is unpacked once, the folders of builds link to its packages
 * and large files, and what a build packs of these is taken as it lies packed already. All other files are each build's own.
 */
export class UnpackedArtifacts {
  /** By `bucket/key@etag`; those that were asked for last come last. */
  private readonly kept = new Map<string, Promise<Unpacked>>();
  private readonly packed = new Map<number, Known>();
  /** Others came since; they are removed as soon as nobody can be using them. */
  private readonly old: Unpacked[] = [];
  /** How many lay out, or pack. */
  private busy = 0;
  /** Over when nothing is being laid out any more. */
  private turn: Promise<void> = Promise.resolve();
  /** Packages of builds that have ended, and which these are: to look through their folders takes a third of making them. */
  private spare: { readonly packages: string; readonly folder: string }[] = [];
  /** Which packages folders of builds have got. */
  private readonly laidOut = new Map<string, string>();
  private processes?: BuildProcesses;
  private made = 0;

  /** @param leastBytes smaller artifacts are unpacked as they come */
  constructor(private readonly leastBytes = LEAST_BYTES) {}

  /** Lays an artifact out in an empty folder. @returns false where it is too small: it is to be unpacked as it comes */
  async bring(
    { bucket, key }: Place,
    folder: string,
    role: ServiceRole,
    signal: AbortSignal,
  ): Promise<boolean> {
    // By the role, each time: it may have no right to what another one has fetched.
    const { etag, size } = await role.openObject(bucket, key, signal);
    if (size < this.leastBytes) return false;
    const name = `${bucket}/${key}@${etag}`;
    let unpacked = this.kept.get(name);
    if (!unpacked) {
      const home = this.newHome();
      // Others wait for it as well: that one of them is stopped must not fail them.
      unpacked = role.download(bucket, key, join(home, ZIP)).then(() => Unpacked.of(home, this.packed));
      this.keep(name, unpacked);
    }
    this.kept.delete(name);
    this.kept.set(name, unpacked);
    const found = unpacked;
    await this.using(async () => {
      const all = await found;
      // One after the other: all at once, the first build would begin when the last one can.
      const turn = this.turn.then(() => all.layOut(folder, signal, this.takeSpare(all)));
      this.turn = turn.catch(() => {});
      await turn;
      this.laidOut.set(folder, all.packages);
    });
    return true;
  }

  /** Takes the packages of a build that has ended. Whoever gets them, gets them as the artifact has them. */
  takeBack(build: string): void {
    const packages = this.laidOut.get(build);
    this.laidOut.delete(build);
    if (!packages || !this.processes || this.spare.length >= MOST_SPARE) return;
    const folder = join(this.processes.folder, `spare${this.made++}`);
    try {
      renameSync(join(build, PACKAGES_FOLDER), folder);
      this.spare.push({ packages, folder });
    } catch {
      // They go with their build.
    }
  }

  private takeSpare({ packages }: Unpacked): string | undefined {
    const found = this.spare.find((one) => one.packages === packages);
    this.spare = this.spare.filter((one) => one !== found);
    return found?.folder;
  }

  /** Packs files, of which some may lie packed here already. */
  pack(zip: string, files: readonly ZipEntry[]): Promise<void> {
    return this.using(() => writeZip(zip, files, this.find));
  }

  /**
   * Takes over what a build has packed, whose folder is about to go. Where it cannot, as on a full disk, the next one
   * fetches it.
   *
   * @param zip goes away from where it is
   */
  async adopt({ bucket, key }: Place, etag: string, zip: string, files: readonly ZipEntry[]): Promise<void> {
    if (statSync(zip).size < this.leastBytes) return;
    const home = this.newHome();
    try {
      renameSync(zip, join(home, ZIP));
      const pause = pauses();
      const folders = new Set<string>();
      for (const { path, file, link } of files) {
        await pause();
        const to = join(home, FILES, path);
        const folder = dirname(to);
        if (!folders.has(folder)) mkdirSync(folder, { recursive: true });
        folders.add(folder);
        const stats = lstatSync(file);
        if (link) symlinkSync(readlinkSync(file), to);
        else if (!stats.isSymbolicLink() && isShared(path, stats.size)) linkSync(file, to);
        else copyFileSync(file, to);
      }
    } catch {
      rmSync(home, { recursive: true, force: true });
      return;
    }
    this.keep(`${bucket}/${key}@${etag}`, Unpacked.of(home, this.packed, true));
  }

  /** How a file lies packed, where it is one of an artifact's and has not changed since. */
  private readonly find = (stats: Stats): PackedFile | undefined => {
    const known = this.packed.get(stats.ino);
    return known && isSame(known, stats) ? known.packed : undefined;
  };

  async stop(): Promise<void> {
    await this.processes?.end();
  }

  private newHome(): string {
    // Its folder goes with us, however we end.
    this.processes ??= new BuildProcesses();
    const home = join(this.processes.folder, `${this.made++}`);
    mkdirSync(home);
    return home;
  }

  private keep(name: string, unpacked: Promise<Unpacked>): void {
    this.kept.set(name, unpacked);
    unpacked.catch(() => this.kept.delete(name));
    for (const [oldest, one] of this.kept) {
      if (this.kept.size <= MOST) break;
      this.kept.delete(oldest);
      void one.then((old) => this.old.push(old)).catch(() => {});
    }
  }

  private async using<T>(work: () => Promise<T>): Promise<T> {
    this.busy++;
    try {
      return await work();
    } finally {
      this.busy--;
      if (!this.busy) for (const one of this.old.splice(0)) one.remove(this.packed);
    }
  }
}

interface Place {
  readonly bucket: string;
  readonly key: string;
}

interface Known {
  readonly packed: PackedFile;
  readonly modified: number;
  readonly size: number;
}

const ZIP = "artifact.zip";
const FILES = "files";

/** Whether folders of builds share a file, by a link. @param size in bytes */
export const isShared = (path: string, size: number) => PACKAGES.test(path) || size > LARGE_BYTES;
const isSame = ({ modified, size }: Known, stats: Stats) => stats.mtimeMs === modified && stats.size === size;

/** An artifact that lies unpacked in a folder of ours. */
class Unpacked {
  /** The same for artifacts that share all their packages; "" for one that has none. */
  readonly packages: string;

  private constructor(
    private readonly home: string,
    private readonly folders: readonly string[],
    /** Path, and what the build's folder and ours share: where one writes into such a file, the other has it, too. */
    private readonly shared: readonly (readonly [path: string, ino: number, known: Known])[],
    private readonly own: readonly string[],
    private readonly links: readonly (readonly [path: string, target: string])[],
  ) {
    const inos = shared.filter(([path]) => OF_PACKAGE.test(path)).map(([, ino]) => ino);
    this.packages = inos.length ? `${inos.length}:${inos.reduce((sum, ino) => sum + ino)}` : "";
  }

  /** @param isLaidOut whether the files are there already */
  static async of(home: string, packed: Map<number, Known>, isLaidOut = false): Promise<Unpacked> {
    const [zip, files] = [join(home, ZIP), join(home, FILES)];
    if (!isLaidOut) {
      mkdirSync(files);
      await unpackZip(zip, files);
    }
    const folders = new Set<string>();
    const shared: [string, number, Known][] = [];
    const own: string[] = [];
    const links: [string, string][] = [];
    for (const file of await packedFiles(zip)) {
      const { name } = file;
      folders.add(name.endsWith("/") ? name : dirname(name));
      if (name.endsWith("/")) continue;
      const stats = lstatSync(join(files, name));
      if (stats.isSymbolicLink()) links.push([name, readlinkSync(join(files, name))]);
      else if (!isShared(name, stats.size)) own.push(name);
      else {
        const known = { packed: { ...file, zip }, modified: stats.mtimeMs, size: stats.size };
        shared.push([name, stats.ino, known]);
        packed.set(stats.ino, known);
      }
    }
    return new Unpacked(home, [...folders], shared, own, links);
  }

  /** @param spare packages of another build, which become this one's. @default - all are laid out anew */
  async layOut(folder: string, signal: AbortSignal, spare?: string): Promise<void> {
    const files = join(this.home, FILES);
    const pause = pauses(signal);
    const there = new Set<string>();
    if (spare)
      try {
        await this.lookThrough(spare, there, pause);
        renameSync(spare, join(folder, PACKAGES_FOLDER));
      } catch {
        // It goes when we end.
        there.clear();
      }
    for (const one of this.folders) if (!there.has(one)) mkdirSync(join(folder, one), { recursive: true });
    for (const path of this.own) copyFileSync(join(files, path), join(folder, path));
    const changed: string[] = [];
    for (const [path, , known] of this.shared) {
      if (there.has(path)) continue;
      const file = join(files, path);
      if (isSame(known, statSync(file))) linkSync(file, join(folder, path));
      else changed.push(path);
      await pause();
    }
    for (const [path, target] of this.links) if (!there.has(path)) symlinkSync(target, join(folder, path));
    // A build has written into them after all: this one gets them as they were.
    if (changed.length) await unpackZip(join(this.home, ZIP), folder, new Set(changed));
  }

  /**
   * Takes away from another build's packages what is not as it is here.
   *
   * @param there gets the paths of all that is
   */
  private async lookThrough(spare: string, there: Set<string>, pause: () => Promise<void>): Promise<void> {
    const folders = new Set<string>();
    for (const one of this.folders)
      for (let path = one.replace(/\/$/, ""); path !== "." && !folders.has(path); path = dirname(path))
        folders.add(path);
    const shared = new Map(this.shared.map(([path, ino, known]) => [path, { ino, known }]));
    const links = new Map(this.links);
    const isAsHere = (path: string, file: string, entry: Dirent): boolean => {
      if (entry.isDirectory()) return folders.has(path) && (lstatSync(file).mode & OPEN) === OPEN;
      if (entry.isSymbolicLink()) return links.get(path) === readlinkSync(file);
      const wanted = shared.get(path);
      if (!wanted || !entry.isFile()) return false;
      const stats = lstatSync(file);
      return stats.ino === wanted.ino && isSame(wanted.known, stats);
    };
    const look = async (folder: string, inner: string): Promise<void> => {
      await pause();
      for (const entry of readdirSync(folder, { withFileTypes: true })) {
        const [path, file] = [`${inner}/${entry.name}`, join(folder, entry.name)];
        if (isAsHere(path, file, entry)) {
          there.add(path);
          if (entry.isDirectory()) await look(file, path);
        } else rmSync(file, { recursive: true });
      }
    };
    await look(spare, PACKAGES_FOLDER);
  }

  remove(packed: Map<number, Known>): void {
    for (const [, ino, known] of this.shared) if (packed.get(ino) === known) packed.delete(ino);
    rmSync(this.home, { recursive: true, force: true });
  }
}

/** Lets others have their turn, where it is due. */
function pauses(signal?: AbortSignal): () => Promise<void> {
  let next = Date.now() + BUSY_MILLISECONDS;
  return async () => {
    if (Date.now() < next) return;
    signal?.throwIfAborted();
    await setImmediate();
    next = Date.now() + BUSY_MILLISECONDS;
  };
}
