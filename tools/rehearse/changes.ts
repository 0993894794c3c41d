import { lstatSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { execa } from "execa";

export interface ChangesProps {
  /** The top of a Git repository. */
  readonly project: string;
  /** Files that count, whatever Git says of them. */
  readonly besides: readonly string[];
  /** How often it is looked at, in milliseconds. @default 500 */
  readonly every?: number;
}

/**
 * Tells when files change that Git has or would take. They are looked at every now and then: what tells of changes by
 * itself tells of all packages and of all that is built, too.
 */
export class Changes {
  private known?: string;
  private readonly every: number;

  constructor(private readonly props: ChangesProps) {
    this.every = props.every ?? 500;
  }

  /** The files as they are now are known: a later change of them counts. */
  async mark(): Promise<void> {
    this.known = await this.look();
  }

  /** Waits until they are others than those that are known, and have come to rest. */
  async next(signal: AbortSignal): Promise<void> {
    let before = this.known;
    while (!signal.aborted) {
      const now = await this.look();
      if (now !== this.known && now === before) return;
      before = now;
      await pause(this.every, undefined, { signal }).catch(() => {});
    }
  }

  /** The same for the same files; what is known where Git does not answer, which is busy then. */
  private async look(): Promise<string | undefined> {
    const { project, besides } = this.props;
    const listed = await execa("git", ["ls-files", "-z", "--cached", "--others", "--exclude-standard"], {
      cwd: project,
      reject: false,
    });
    if (listed.exitCode !== 0) return this.known;
    const paths = listed.stdout.split("\0").filter(Boolean);
    return [...paths.map((path) => join(project, path)), ...besides]
      .map((path) => {
        const { mtimeMs = 0, size = -1, mode = 0 } = lstatSync(path, { throwIfNoEntry: false }) ?? {};
        return `${path}\0${mtimeMs}\0${size}\0${mode}`;
      })
      .join("\n");
  }
}
