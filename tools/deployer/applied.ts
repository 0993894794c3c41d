import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import { SAVED_PLAN } from "./stack";
import type { SynthesizedStack } from "./stacks";
import { backendOf, versionOf, versionSchema } from "./state";

const basisSchema = z.object({
  /** Of all that Terraform was given. */
  given: z.string(),
  /** States of the stacks that it stands on: what is read of them is in no file. */
  foundations: z.array(versionSchema),
});
/** What an apply comes from. */
export type Basis = z.infer<typeof basisSchema>;

/** What is known of a stack's last apply from here. */
const recordSchema = z.object({
  basis: basisSchema,
  /** The one that it left. */
  state: versionSchema,
  /** ISO time. */
  at: z.string(),
});
type Applied = z.infer<typeof recordSchema>;

type StackOnOthers = Pick<SynthesizedStack, "folder" | "foundations">;

/** What of a stack's folder is Terraform's own. The lock is not: it names the provider. */
const TERRAFORMS = /^(\.terraform($|[\\/])|terraform\.tfstate|\.terraform\.tfstate)/;

/**
 * Remembers what was applied from this machine, so that a stack which is the same may be left out: the same synthesized
 * files, variables, Terraform and provider, and states, its own and those of the stacks that it stands on, that nobody
 * has written since. What somebody changed in AWS by hand is not seen that way.
 */
export class AppliedStacks {
  /**
   * @param folder where it is remembered
   * @param terraform version of the Terraform that applies
   */
  constructor(
    private readonly folder: string,
    private readonly terraform: string,
  ) {}

  /** @returns when it was applied as it is now; undefined where it was not, or that cannot be told */
  async when(stack: StackOnOthers): Promise<Date | undefined> {
    const file = this.fileOf(stack.folder);
    const record = existsSync(file) ? readRecord(file) : undefined;
    if (!record || record.basis.given !== this.given(stack.folder)) return undefined;
    const [basis, state] = await Promise.all([this.basis(stack), versionOf(stack.folder)]);
    const isSame = isDeepStrictEqual(basis, record.basis) && isDeepStrictEqual(state, record.state);
    return isSame ? new Date(record.at) : undefined;
  }

  /** @returns what an initialized stack would be applied from now; undefined where that cannot be told */
  async basis({ folder, foundations }: StackOnOthers): Promise<Basis | undefined> {
    const states = await Promise.all(foundations.map(versionOf));
    const known = states.filter((state) => state !== undefined);
    return known.length === states.length ? { given: this.given(folder), foundations: known } : undefined;
  }

  /**
   * Remembers that a stack was applied just now.
   *
   * @param basis as it was when it was planned: where it has changed since, that was not applied, and nothing is remembered
   */
  async remember(stack: StackOnOthers, basis: Basis): Promise<void> {
    const [now, state] = await Promise.all([this.basis(stack), versionOf(stack.folder)]);
    if (!state || !isDeepStrictEqual(now, basis)) return;
    const record: Applied = { basis, state, at: new Date().toISOString() };
    mkdirSync(this.folder, { recursive: true });
    writeFileSync(this.fileOf(stack.folder), JSON.stringify(record));
  }

  /** For one that is being changed: what it will be is not known before it has succeeded. */
  forget(stack: string): void {
    rmSync(this.fileOf(stack), { force: true });
  }

  private given(stack: string): string {
    const hash = createHash("sha256").update(`${this.terraform}\0`);
    const variables = Object.entries(process.env).filter(([name]) =>
      /^TF_(VAR_|CLI_ARGS|WORKSPACE$)/.test(name),
    );
    hash.update(JSON.stringify(variables.sort(([a], [b]) => a.localeCompare(b))));
    for (const path of readdirSync(stack, { recursive: true, encoding: "utf8" }).sort()) {
      const file = join(stack, path);
      if (TERRAFORMS.test(path) || path === SAVED_PLAN || !statSync(file).isFile()) continue;
      hash.update(`\0${path}\0`).update(readFileSync(file));
    }
    return hash.digest("hex");
  }

  /** The same stack's of another account or endpoint is another one. */
  private fileOf(stack: string): string {
    const where = JSON.stringify([backendOf(stack), process.env.AWS_ENDPOINT_URL]);
    return join(
      this.folder,
      `${basename(stack)}-${createHash("sha256").update(where).digest("hex").slice(0, 16)}.json`,
    );
  }
}

function readRecord(file: string): Applied | undefined {
  try {
    return recordSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  } catch {
    // Of an interrupted write, or another version: as if it was never applied.
    return undefined;
  }
}
