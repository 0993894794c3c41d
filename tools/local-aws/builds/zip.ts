import {
  createReadStream,
  createWriteStream,
  mkdirSync,
  readlinkSync,
  realpathSync,
  type Stats,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { type FileHandle, open, readFile, stat } from "node:fs/promises";
import { dirname, isAbsolute, resolve, sep } from "node:path";
import { pipeline as joined, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { createGunzip, createGzip, gunzipSync, gzip, type ZlibOptions } from "node:zlib";
import { PhaseFailure } from "./buildspec";

// ZIP files of any number of files, without holding more than a few of these in memory. The checksum that a ZIP
// wants stands at the end of a gzip, at which zlib makes it faster than we could.

/** What is to be in a ZIP. */
export interface ZipEntry {
  /** In the ZIP. */
  readonly path: string;
  readonly file: string;
  /** Whether it goes in as the link that it is. @default - what it leads to does */
  readonly link?: boolean;
}

/** Files that are packed at a time. */
const SIDE_BY_SIDE = 32;
/** Larger ones go through in pieces. */
const WHOLE_BYTES = 4 * 1024 * 1024;
/** How long others may have to wait while files are unpacked. */
const BUSY_MILLISECONDS = 20;
/** No path is longer, so no link's target is. */
const LONGEST_TARGET = 4096;
/** What 32 bits hold. More would need another format of the entries. */
const MOST_BYTES = 0xffffffff;

const UNIX = 3;
const FORMAT = 0o170000;
const LINK = 0o120000;
const STORED = 0;
const DEFLATED = 8;
/** Names are UTF-8. */
const FLAGS = 0x0800;
/** 1 January 1980, the earliest that a ZIP can hold: the same files give the same bytes. */
const DATE = 0x0021;

const GZIP_HEAD = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 3]);
const GZIP_TAIL_BYTES = 8;
const GZIP_BYTES = GZIP_HEAD.length + GZIP_TAIL_BYTES;
const FAST: ZlibOptions = { level: 1 };
const gzipAll = promisify<Buffer, ZlibOptions, Buffer>(gzip);

const clientError = (message: string) => new PhaseFailure("CLIENT_ERROR", message);

interface Directory {
  readonly name: Buffer;
  readonly mode: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly at: number;
}

/** A file as it lies in a ZIP. */
export interface PackedFile extends Packed {
  readonly zip: string;
}

/**
 * Writes files, with their permissions, into a ZIP.
 *
 * @param find whether a file lies packed already: it is taken from there. @default - none does
 */
export async function writeZip(
  zip: string,
  entries: readonly ZipEntry[],
  find: (stats: Stats) => PackedFile | undefined = () => undefined,
): Promise<void> {
  const output = await open(zip, "w");
  const others = new Map<string, Blocks>();
  try {
    const directory: Directory[] = [];
    const written = new Pieces(output);
    for await (const { entry, mode, content, lies } of packAll(entries, find)) {
      const described = { name: Buffer.from(entry.path), mode, at: written.length };
      let sizes: Sizes;
      if (lies) {
        sizes = { crc: lies.crc, packed: lies.packed, size: lies.size };
        await written.add(localHeader({ ...described, ...sizes }));
        if (!others.has(lies.zip)) others.set(lies.zip, new Blocks(await open(lies.zip, "r")));
        await addPacked(written, others.get(lies.zip)!, lies);
      } else if (content) {
        sizes = { ...tailOf(content.subarray(-GZIP_TAIL_BYTES)), packed: content.length - GZIP_BYTES };
        await written.add(localHeader({ ...described, ...sizes }));
        await written.add(content.subarray(GZIP_HEAD.length, -GZIP_TAIL_BYTES));
      } else {
        // What stands before a large file is only known after it.
        await written.add(localHeader({ ...described, crc: 0, packed: 0, size: 0 }));
        sizes = await addLarge(written, entry.file);
        await written.replace(described.at, localHeader({ ...described, ...sizes }));
      }
      if (written.length > MOST_BYTES)
        throw clientError(`the artifact is larger than 4 GB, at ${entry.path}`);
      directory.push({ ...described, ...sizes });
    }
    const at = written.length;
    for (const entry of directory) await written.add(directoryEntry(entry));
    await written.add(endOfDirectory(directory.length, written.length - at, at));
    await written.flush();
  } finally {
    await Promise.all([output, ...[...others.values()].map(({ file }) => file)].map((file) => file.close()));
  }
}

/** Goes to a file in larger pieces than it comes in. */
class Pieces {
  length = 0;
  private held: Buffer[] = [];
  private heldBytes = 0;

  constructor(private readonly output: FileHandle) {}

  async add(piece: Buffer): Promise<void> {
    this.held.push(piece);
    this.heldBytes += piece.length;
    this.length += piece.length;
    if (this.heldBytes > WHOLE_BYTES) await this.flush();
  }

  async replace(at: number, piece: Buffer): Promise<void> {
    await this.flush();
    await this.output.write(piece, 0, piece.length, at);
  }

  async flush(): Promise<void> {
    const all = Buffer.concat(this.held);
    this.held = [];
    this.heldBytes = 0;
    await this.output.write(all, 0, all.length, this.length - all.length);
  }
}

/** Packs some ahead, and gives them in their order. */
async function* packAll(entries: readonly ZipEntry[], find: (stats: Stats) => PackedFile | undefined) {
  const ahead: ReturnType<typeof pack>[] = [];
  for (const entry of entries) {
    const packing = pack(entry, find);
    // It may fail before its turn comes.
    packing.catch(() => {});
    ahead.push(packing);
    if (ahead.length >= SIDE_BY_SIDE) yield await ahead.shift()!;
  }
  for (const one of ahead) yield await one;
}

async function pack(
  entry: ZipEntry,
  find: (stats: Stats) => PackedFile | undefined,
): Promise<{ entry: ZipEntry; mode: number; content?: Buffer; lies?: PackedFile }> {
  if (entry.link) {
    const target = Buffer.from(readlinkSync(entry.file));
    return { entry, mode: LINK | 0o777, content: await gzipAll(target, FAST) };
  }
  const stats = statSync(entry.file);
  const mode = stats.mode & 0xffff;
  const lies = find(stats);
  if (lies?.method === DEFLATED) return { entry, mode, lies };
  const content = stats.size > WHOLE_BYTES ? undefined : await gzipAll(await readFile(entry.file), FAST);
  return { entry, mode, content };
}

type Sizes = Pick<Directory, "crc" | "packed" | "size">;

/** What the end of a gzip tells. */
const tailOf = (tail: Buffer) => ({ crc: tail.readUInt32LE(0), size: tail.readUInt32LE(4) });

async function addLarge(written: Pieces, file: string): Promise<Sizes> {
  const { size } = await stat(file);
  if (size > MOST_BYTES) throw clientError(`${file} is larger than 4 GB`);
  let head = GZIP_HEAD.length;
  let packed = 0;
  let held: Buffer = Buffer.alloc(0);
  // Whose failure is told where its output is read.
  const packing = joined(createReadStream(file), createGzip(FAST), () => {});
  for await (const chunk of packing as AsyncIterable<Buffer>) {
    held = Buffer.concat([held, chunk.subarray(head)]);
    head -= Math.min(head, chunk.length);
    const ready = held.subarray(0, Math.max(0, held.length - GZIP_TAIL_BYTES));
    await written.add(ready);
    packed += ready.length;
    held = held.subarray(ready.length);
  }
  return { ...tailOf(held), packed };
}

const LOCAL = 0x04034b50;
const LOCAL_BYTES = 30;
const CENTRAL = 0x02014b50;
const CENTRAL_BYTES = 46;
const END = 0x06054b50;
const END_BYTES = 22;
const END64 = 0x06064b50;
const END64_BYTES = 56;
const LOCATOR64 = 0x07064b50;
const LOCATOR64_BYTES = 20;
/** A longer comment is none. */
const LONGEST_COMMENT = 0xffff;

function localHeader({ name, crc, packed, size }: Directory): Buffer {
  const head = Buffer.alloc(LOCAL_BYTES);
  head.writeUInt32LE(LOCAL, 0);
  head.writeUInt16LE(20, 4);
  writeCommon(head.subarray(6), { crc, packed, size, name });
  return Buffer.concat([head, name]);
}

function directoryEntry({ name, mode, crc, packed, size, at }: Directory): Buffer {
  const head = Buffer.alloc(CENTRAL_BYTES);
  head.writeUInt32LE(CENTRAL, 0);
  head.writeUInt16LE((UNIX << 8) | 20, 4);
  head.writeUInt16LE(20, 6);
  writeCommon(head.subarray(8), { crc, packed, size, name });
  head.writeUInt32LE(mode * 0x10000, 38);
  head.writeUInt32LE(at, 42);
  return Buffer.concat([head, name]);
}

function writeCommon(head: Buffer, { crc, packed, size, name }: Sizes & Pick<Directory, "name">): void {
  head.writeUInt16LE(FLAGS, 0);
  head.writeUInt16LE(DEFLATED, 2);
  head.writeUInt16LE(DATE, 6);
  head.writeUInt32LE(crc, 8);
  head.writeUInt32LE(packed, 12);
  head.writeUInt32LE(size, 16);
  head.writeUInt16LE(name.length, 20);
}

/** More entries than 16 bits count need an end of the longer form before the other. */
function endOfDirectory(entries: number, bytes: number, at: number): Buffer {
  const end = Buffer.alloc(END_BYTES);
  end.writeUInt32LE(END, 0);
  end.writeUInt16LE(Math.min(entries, 0xffff), 8);
  end.writeUInt16LE(Math.min(entries, 0xffff), 10);
  end.writeUInt32LE(bytes, 12);
  end.writeUInt32LE(at, 16);
  if (entries < 0xffff) return end;
  const end64 = Buffer.alloc(END64_BYTES);
  end64.writeUInt32LE(END64, 0);
  end64.writeBigUInt64LE(BigInt(END64_BYTES - 12), 4);
  end64.writeUInt16LE((UNIX << 8) | 45, 12);
  end64.writeUInt16LE(45, 14);
  end64.writeBigUInt64LE(BigInt(entries), 24);
  end64.writeBigUInt64LE(BigInt(entries), 32);
  end64.writeBigUInt64LE(BigInt(bytes), 40);
  end64.writeBigUInt64LE(BigInt(at), 48);
  const locator = Buffer.alloc(LOCATOR64_BYTES);
  locator.writeUInt32LE(LOCATOR64, 0);
  locator.writeBigUInt64LE(BigInt(at + bytes), 8);
  locator.writeUInt32LE(1, 16);
  return Buffer.concat([end64, locator, end]);
}

interface Packed {
  readonly name: string;
  /** Unix's, or 0. */
  readonly mode: number;
  readonly method: number;
  readonly crc: number;
  readonly packed: number;
  readonly size: number;
  readonly at: number;
}

/**
 * Unpacks a ZIP into a folder, with permissions and links.
 *
 * @param only names of its files. @default - all of them
 * @throws PhaseFailure where it is none, or something of it would come to lie, or lead, outside of the folder
 */
export async function unpackZip(zip: string, folder: string, only?: ReadonlySet<string>): Promise<void> {
  const input = await open(zip, "r");
  try {
    const packed = new Blocks(input);
    const made = new Set<string>();
    const make = (path: string) => {
      if (!made.has(path)) mkdirSync(path, { recursive: true });
      made.add(path);
    };
    const links: [name: string, path: string, target: string][] = [];
    let pause = Date.now() + BUSY_MILLISECONDS;
    for (const entry of await readDirectory(input)) {
      const { name, mode } = entry;
      if (only && !only.has(name)) continue;
      const path = resolve(folder, name);
      if (name.includes("\\") || isAbsolute(name) || !isInside(folder, path))
        throw clientError(`the ZIP has an entry that leaves its folder: ${name}`);
      if ((mode & FORMAT) === LINK) {
        if (entry.size > LONGEST_TARGET) throw notZip(`${name} is no link`);
        links.push([name, path, (await readContent(packed, entry)).toString()]);
      } else if (name.endsWith("/")) make(path);
      else {
        make(dirname(path));
        await unpack(packed, zip, entry, path);
      }
      if (Date.now() < pause) continue;
      await setImmediate();
      pause = Date.now() + BUSY_MILLISECONDS;
    }
    // Last, so that nothing is ever written through one; those in links' places last of all.
    for (const [name, path, target] of links.sort(([, a], [, b]) => b.length - a.length)) {
      if (!isInside(folder, resolve(dirname(path), target))) throw leadsOut(name, target);
      make(dirname(path));
      symlinkSync(target, path);
    }
    // By way of another link one may still lead elsewhere.
    const real = realpathSync.native(folder);
    for (const [name, path] of links) {
      const end = realPath(path);
      if (end !== undefined && !isInside(real, end)) throw leadsOut(name, end);
    }
  } finally {
    await input.close();
  }
}

/** What is read of a file piece by piece, mostly one after the other, is read in larger pieces. */
class Blocks {
  private block: Buffer = Buffer.alloc(0);
  private start = 0;

  constructor(readonly file: FileHandle) {}

  async read(at: number, length: number): Promise<Buffer> {
    if (at < this.start || at + length > this.start + this.block.length) {
      const { size } = await this.file.stat();
      this.block = await readAt(this.file, at, Math.max(length, Math.min(WHOLE_BYTES, size - at)));
      this.start = at;
    }
    return this.block.subarray(at - this.start, at - this.start + length);
  }
}

const leadsOut = (name: string, target: string) =>
  clientError(`the ZIP has a link that leads out of its folder: ${name} to ${target}`);

const isInside = (folder: string, path: string) => `${path}${sep}`.startsWith(`${folder}${sep}`);

/** Where a path leads in the end; nowhere if that is not there. */
function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path);
  } catch {
    return undefined;
  }
}

/** Whether a link leads to a place in the folder, also in a copy of it. */
export function staysInside(folder: string, link: string): boolean {
  const target = readlinkSync(link);
  if (isAbsolute(target) || !isInside(folder, resolve(dirname(link), target))) return false;
  const end = realPath(link);
  return end === undefined || isInside(realpathSync.native(folder), end);
}

/**
 * Small files are unpacked and written at once: of many thousands each, promises and other threads would cost
 * more than the work.
 */
async function unpack(from: Blocks, zip: string, entry: Packed, path: string): Promise<void> {
  const mode = entry.mode & 0o777 ? (entry.mode & 0o777) | 0o600 : 0o666;
  if (Math.max(entry.size, entry.packed) <= WHOLE_BYTES) {
    writeFileSync(path, await readContent(from, entry), { mode });
    return;
  }
  const start = await dataStart(from, entry);
  const content = createReadStream(zip, { start, end: start + entry.packed - 1 });
  const output = createWriteStream(path, { mode });
  if (entry.method === STORED) return pipeline(content, output);
  const framed = async function* () {
    yield GZIP_HEAD;
    yield* content;
    yield gzipTail(entry);
  };
  await pipeline(Readable.from(framed()), createGunzip(), output).catch((error: Error) => {
    throw notZip(error.message);
  });
}

async function readContent(from: Blocks, entry: Packed): Promise<Buffer> {
  const packed = await from.read(await dataStart(from, entry), entry.packed);
  if (entry.method === STORED) return packed;
  const framed = Buffer.concat([GZIP_HEAD, packed, gzipTail(entry)]);
  try {
    // No entry may turn out to be more than it says.
    return gunzipSync(framed, { maxOutputLength: Math.max(entry.size, 1) });
  } catch (error) {
    throw notZip(`${entry.name}: ${(error as Error).message}`);
  }
}

/** By it zlib tells a broken entry. */
function gzipTail({ crc, size }: Packed): Buffer {
  const tail = Buffer.alloc(GZIP_TAIL_BYTES);
  tail.writeUInt32LE(crc, 0);
  tail.writeUInt32LE(size % 0x100000000, 4);
  return tail;
}

async function dataStart(from: Blocks, { at, name }: Packed): Promise<number> {
  const head = await from.read(at, LOCAL_BYTES);
  if (head.readUInt32LE(0) !== LOCAL) throw notZip(`${name} is not where the directory says`);
  return at + LOCAL_BYTES + head.readUInt16LE(26) + head.readUInt16LE(28);
}

async function readAt(input: FileHandle, at: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await input.read(Buffer.alloc(length), 0, length, at);
  if (bytesRead < length) throw notZip("it ends too early");
  return buffer;
}

/** What a ZIP holds, and where. */
export async function packedFiles(zip: string): Promise<readonly Packed[]> {
  const input = await open(zip, "r");
  try {
    return await readDirectory(input);
  } finally {
    await input.close();
  }
}

async function addPacked(written: Pieces, from: Blocks, entry: Packed): Promise<void> {
  const start = await dataStart(from, entry);
  for (let done = 0; done < entry.packed; done += WHOLE_BYTES)
    await written.add(await from.read(start + done, Math.min(WHOLE_BYTES, entry.packed - done)));
}

const notZip = (why: string) => clientError(`the source is not a ZIP file (${why})`);

async function readDirectory(input: FileHandle): Promise<Packed[]> {
  const { size } = await input.stat();
  const tail = await readAt(
    input,
    Math.max(0, size - END_BYTES - LONGEST_COMMENT),
    Math.min(size, END_BYTES + LONGEST_COMMENT),
  );
  const end = tail.lastIndexOf(Buffer.from("PK\x05\x06"));
  if (end < 0 || end + END_BYTES > tail.length) throw notZip("it has no directory");
  let bytes = tail.readUInt32LE(end + 12);
  let at = tail.readUInt32LE(end + 16);
  const locator = end - LOCATOR64_BYTES;
  if (locator >= 0 && tail.readUInt32LE(locator) === LOCATOR64) {
    const end64 = await readAt(input, Number(tail.readBigUInt64LE(locator + 8)), END64_BYTES);
    bytes = Number(end64.readBigUInt64LE(40));
    at = Number(end64.readBigUInt64LE(48));
  }
  if (at + bytes > size) throw notZip("it ends too early");
  const directory = await readAt(input, at, bytes);
  const entries: Packed[] = [];
  for (let from = 0; from + CENTRAL_BYTES <= directory.length; ) {
    if (directory.readUInt32LE(from) !== CENTRAL) throw notZip("its directory is broken");
    const [name = 0, extra = 0, comment = 0] = [28, 30, 32].map((offset) =>
      directory.readUInt16LE(from + offset),
    );
    const next = from + CENTRAL_BYTES + name + extra + comment;
    if (next > directory.length) throw notZip("its directory is broken");
    entries.push(readEntry(directory.subarray(from, next), name, extra));
    from = next;
  }
  return entries;
}

function readEntry(head: Buffer, nameLength: number, extraLength: number): Packed {
  const name = head.toString("utf8", CENTRAL_BYTES, CENTRAL_BYTES + nameLength);
  const method = head.readUInt16LE(10);
  if (head.readUInt16LE(8) & 1) throw notZip(`${name} is encrypted`);
  if (method !== STORED && method !== DEFLATED) throw notZip(`${name} is packed by method ${method}`);
  const [packed = 0, size = 0, at = 0] = [20, 24, 42].map((offset) => head.readUInt32LE(offset));
  const extra = head.subarray(CENTRAL_BYTES + nameLength, CENTRAL_BYTES + nameLength + extraLength);
  const long = longValues(extra);
  // What does not fit into its place stands in the extra field, in this order.
  const value = (short: number) => (short === MOST_BYTES ? (long.shift() ?? short) : short);
  return {
    name,
    mode: head[5] === UNIX ? head.readUInt16LE(40) : 0,
    method,
    crc: head.readUInt32LE(16),
    size: value(size),
    packed: value(packed),
    at: value(at),
  };
}

function longValues(extra: Buffer): number[] {
  for (let at = 0; at + 4 <= extra.length; ) {
    const length = extra.readUInt16LE(at + 2);
    const end = Math.min(at + 4 + length, extra.length);
    const values: number[] = [];
    if (extra.readUInt16LE(at) === 1) {
      for (let one = at + 4; one + 8 <= end; one += 8) values.push(Number(extra.readBigUInt64LE(one)));
      return values;
    }
    at = end;
  }
  return [];
}
