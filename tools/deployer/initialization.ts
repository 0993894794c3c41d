import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { RunResult } from "../cdktf";

/** What Terraform keeps in a stack's folder once it is initialized. */
const DATA = ".terraform";
const LOCK = ".terraform.lock.hcl";
/** Terraform's own note of the backend that it was initialized with. */
const BACKEND = join(DATA, "terraform.tfstate");
/** Ours, of the settings that it was initialized with. */
const MARK = join(DATA, "slipway.sha256");

const NOTHING_TO_DO: RunResult = { exitCode: 0, output: "", stdout: "", stderr: "" };

/** What a stack asks of Terraform itself: versions, providers, backend. */
interface TerraformSettings {
  readonly backend?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** Modules, which it keeps in the folder as well. */
  readonly module?: unknown;
  readonly [other: string]: unknown;
}

/**
 * `terraform init` once for many stacks: what it left for the first is copied to those that ask for the same and differ
 * only in where their state lies in the bucket. A stack that was initialized before with other settings is left to
 * Terraform, which says what became of its state.
 */
export class Initialization {
  /** Folder of a stack that Terraform has initialized. */
  private initialized?: string;
  private last: Promise<unknown> = Promise.resolve();

  /**
   * One after the other: where Terraform unpacks a provider, it locks nothing.
   *
   * @param folder the stack's
   * @param init runs `terraform init` there
   */
  of(folder: string, init: () => Promise<RunResult>): Promise<RunResult> {
    const result = this.last.then(() => this.initialize(folder, init));
    this.last = result.catch(() => {});
    return result;
  }

  private async initialize(folder: string, init: () => Promise<RunResult>): Promise<RunResult> {
    const settings = settingsOf(folder);
    if (isForTerraformAlone(settings)) return init();
    const sum = createHash("sha256").update(JSON.stringify(settings)).digest("hex");
    if (!isInitialized(folder, sum) && !this.copy(folder, settings, sum)) {
      const result = await init();
      if (result.exitCode !== 0 || !existsSync(join(folder, BACKEND))) return result;
      writeFileSync(join(folder, MARK), sum);
    }
    // A stack without providers leaves none to copy.
    if (isInitialized(folder, sum)) this.initialized ??= folder;
    return NOTHING_TO_DO;
  }

  /** @returns whether it could be copied */
  private copy(folder: string, settings: TerraformSettings, sum: string): boolean {
    const from = this.initialized;
    const key = settings.backend?.s3?.key;
    if (from === undefined || typeof key !== "string" || existsSync(join(folder, DATA))) return false;
    if (!isDeepStrictEqual(withoutKey(settingsOf(from)), withoutKey(settings))) return false;
    const backend = JSON.parse(readFileSync(join(from, BACKEND), "utf8"));
    backend.backend.config.key = key;
    // Of the first one's settings. Where it fits, Terraform looks no further: so it compares them, one by one.
    backend.backend.hash = 0;
    mkdirSync(join(folder, DATA));
    cpSync(join(from, DATA, "providers"), join(folder, DATA, "providers"), {
      recursive: true,
      verbatimSymlinks: true,
    });
    cpSync(join(from, LOCK), join(folder, LOCK));
    writeFileSync(join(folder, BACKEND), JSON.stringify(backend));
    writeFileSync(join(folder, MARK), sum);
    return true;
  }
}

function settingsOf(folder: string): TerraformSettings {
  const file = join(folder, "cdk.tf.json");
  const { terraform, module } = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  return { ...terraform, module };
}

/** Where its data lies elsewhere, switches of the user's go with each init, or it has more to fetch than providers. */
function isForTerraformAlone({ module }: TerraformSettings): boolean {
  const { TF_DATA_DIR, TF_CLI_ARGS, TF_CLI_ARGS_init } = process.env;
  return Boolean(TF_DATA_DIR || TF_CLI_ARGS || TF_CLI_ARGS_init || module);
}

function withoutKey({ backend, ...others }: TerraformSettings) {
  const { key: _, ...s3 } = backend?.s3 ?? {};
  return { ...others, backend: { ...backend, s3 } };
}

function isInitialized(folder: string, sum: string): boolean {
  const mark = join(folder, MARK);
  return (
    existsSync(mark) &&
    readFileSync(mark, "utf8") === sum &&
    existsSync(join(folder, LOCK)) &&
    existsSync(join(folder, BACKEND)) &&
    providersAreThere(join(folder, DATA, "providers"))
  );
}

/** Where they are links, what they lead to may have gone: host, namespace, name, version, platform. */
function providersAreThere(folder: string, depth = 5): boolean {
  if (!existsSync(folder)) return false;
  if (depth === 0) return true;
  const names = readdirSync(folder);
  return names.length > 0 && names.every((name) => providersAreThere(join(folder, name), depth - 1));
}
