import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  RELEASE_RECORD,
  type ReleaseContent,
  type ReleaseEntry,
  releaseRecord,
} from "../../shared/release-record";
import { UserError } from "../project";
import type { Releasable } from "./releasable";

/** What a release did, in a folder: all that it takes to bring back what was before. */
export class ReleaseRecord {
  private constructor(
    private readonly folder: string,
    private readonly content: ReleaseContent,
  ) {}

  /** Begins a release's; what an earlier one left in the folder's `releases.json` is gone. */
  static begin(folder: string, environment: string): ReleaseRecord {
    const record = new ReleaseRecord(folder, { environment, services: {}, functions: {} });
    record.save();
    return record;
  }

  /** @throws UserError where the folder has none of this environment */
  static read(folder: string, environment: string): ReleaseRecord {
    const file = join(folder, RELEASE_RECORD);
    if (!existsSync(file))
      throw new UserError(
        `There is no ${file}: npm run release -- ${environment} FOLDER leaves it, and it says what to bring back.`,
      );
    let content: ReleaseContent;
    try {
      content = releaseRecord.parse(JSON.parse(readFileSync(file, "utf8")));
    } catch {
      throw new UserError(`${file} is not what npm run release leaves. Nothing was brought back.`);
    }
    if (content.environment !== environment)
      throw new UserError(
        `${file} is of a release of ${content.environment}, and not of ${environment}. Nothing was brought back.`,
      );
    return new ReleaseRecord(folder, content);
  }

  /** Names of what may have been released, as one kind. */
  namesOf(kind: Releasable["kind"]): string[] {
    return Object.keys(this.content[`${kind}s`]);
  }

  entry({ kind, name }: Pick<Releasable, "kind" | "name">): ReleaseEntry {
    const entries = this.content[`${kind}s`];
    return Object.hasOwn(entries, name) ? entries[name]! : { done: "waiting" };
  }

  /** Adds to what is known. It is written at once, so that it is there whatever happens next. */
  note(subject: Pick<Releasable, "kind" | "name">, news: Partial<ReleaseEntry>): void {
    this.content[`${subject.kind}s`][subject.name] = { ...this.entry(subject), ...news };
    this.save();
  }

  /** Writes what a version was made of, beside. */
  keep({ name }: Pick<Releasable, "name">, files: Readonly<Record<string, object>>): void {
    mkdirSync(join(this.folder, name), { recursive: true });
    for (const [file, content] of Object.entries(files))
      writeFileSync(join(this.folder, name, file), `${JSON.stringify(content, undefined, 2)}\n`);
  }

  /** All of it on one line: {@link read} takes it as the file's. */
  get line(): string {
    return JSON.stringify(this.content);
  }

  private save(): void {
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(join(this.folder, RELEASE_RECORD), `${JSON.stringify(this.content, undefined, 2)}\n`);
  }
}
