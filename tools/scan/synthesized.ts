import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execa } from "execa";
import { projectRoot, UserError } from "../project";

/** A stack as Terraform gets it. */
export interface SynthesizedStack {
  readonly name: string;
  /** The text of its `cdk.tf.json`. */
  readonly text: string;
}

/**
 * Every stack of a settings file, `bootstrap` among them. They are synthesized into a folder of their own, beside
 * whatever else is synthesized.
 *
 * @throws UserError with what the settings or the stacks lack
 */
export async function synthesizedStacks(settings: string): Promise<SynthesizedStack[]> {
  if (!existsSync(settings)) throw new UserError(`There is no file ${settings}.`);
  const folder = mkdtempSync(join(tmpdir(), "slipway-scan-"));
  try {
    copyFileSync(settings, join(folder, "terraform.tfvars"));
    const stacks: SynthesizedStack[] = [];
    for (const app of ["bootstrap", "stacks"]) {
      const output = join(folder, app);
      const { failed, all } = await execa(
        process.execPath,
        [join(projectRoot(), "tools/run.mjs"), "main.ts"],
        { cwd: folder, reject: false, all: true, env: { CDKTF_OUTDIR: output, SLIPWAY_APP: app } },
      );
      if (failed) throw new UserError(`The stacks cannot be synthesized.\n${String(all ?? "").trim()}`);
      for (const name of readdirSync(join(output, "stacks")))
        stacks.push({ name, text: readFileSync(join(output, "stacks", name, "cdk.tf.json"), "utf8") });
    }
    return stacks;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
