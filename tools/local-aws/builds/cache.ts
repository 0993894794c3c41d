import { cpSync, mkdirSync, rmSync } from "node:fs";
import { isAbsolute, join, normalize, relative } from "node:path";
import { PhaseFailure } from "./buildspec";
import { collectFiles } from "./files";
import type { BuildLog } from "./log";
import type { ServiceRole } from "./role";
import { unpackZip, writeZip } from "./zip";

/** Where a project keeps what its builds fetched. */
export interface CachePlace {
  readonly bucket: string;
  readonly key: string;
}

/**
 * What the builds of a project keep for the next one, in S3. It makes them quicker and changes no outcome: what goes wrong with
 * it is told in the log, and the build goes on.
 */
export class BuildCache {
  constructor(
    private readonly place: CachePlace,
    private readonly role: ServiceRole,
    private readonly log: BuildLog,
  ) {}

  /** Lays out what the last build kept; what the source brought stays. */
  async restore(folder: string, scratch: string, signal: AbortSignal): Promise<void> {
    const { bucket, key } = this.place;
    const [zip, cached] = [join(scratch, "cache.zip"), join(scratch, "cache")];
    try {
      await this.role.download(bucket, key, zip, undefined, signal);
      mkdirSync(cached);
      await unpackZip(zip, cached);
      cpSync(cached, folder, { recursive: true, force: false, verbatimSymlinks: true });
      this.log.say("The cache of the last build is laid out");
    } catch (error) {
      const { name, message } = error as Error;
      this.log.say(name === "NoSuchKey" ? "There is no cache yet" : `Unable to download cache: ${message}`);
    } finally {
      for (const one of [zip, cached]) rmSync(one, { recursive: true, force: true });
    }
  }

  /** Keeps the paths in the source's folder that the patterns name. What lies elsewhere is this machine's own, and stays there. */
  async keep(
    patterns: readonly string[],
    folder: string,
    scratch: string,
    signal: AbortSignal,
  ): Promise<void> {
    const { bucket, key } = this.place;
    const inside = patterns
      .map((pattern) => (isAbsolute(pattern) ? relative(folder, pattern) : normalize(pattern)))
      .filter((pattern) => !pattern.startsWith(".."));
    const zip = join(scratch, "cache.zip");
    try {
      const files = collectFiles(folder, {
        files: inside,
        excludePaths: [],
        discardPaths: false,
        keepLinks: true,
      });
      await writeZip(zip, files);
      await this.role.upload(bucket, key, zip, {}, signal);
      this.log.say(`Kept ${files.length} file(s) as cache`);
    } catch (error) {
      if (!(error instanceof PhaseFailure))
        this.log.say(`Unable to upload cache: ${(error as Error).message}`);
      else this.log.say("No file is there to be kept as cache");
    } finally {
      rmSync(zip, { force: true });
    }
  }
}
