import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { synthesize } from "../validate/synthesize";

/** A stack as Terraform gets it. */
export interface SynthesizedStack {
  readonly name: string;
  /** The text of its `cdk.tf.json`. */
  readonly text: string;
}

/**
 * Every stack of a settings file, `bootstrap` among them.
 *
 * @throws UserError with what the settings or the stacks lack
 */
export async function synthesizedStacks(settings: string): Promise<SynthesizedStack[]> {
  const scratch = mkdtempSync(join(tmpdir(), "slipway-scan-"));
  try {
    const folders = await synthesize(settings, scratch);
    return folders.map((folder) => ({
      name: basename(folder),
      text: readFileSync(join(folder, "cdk.tf.json"), "utf8"),
    }));
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}
