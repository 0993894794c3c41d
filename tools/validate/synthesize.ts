import { copyFileSync, existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { projectRoot, UserError } from "../project";

/**
 * Synthesizes every stack of a settings file, `bootstrap` among them, beside whatever else is synthesized.
 *
 * @param to an empty folder
 * @param cancelSignal ends it early
 * @returns the folder of each stack, named as its stack
 * @throws UserError with what the settings or the stacks lack
 */
export async function synthesize(
  settings: string,
  to: string,
  cancelSignal?: AbortSignal,
): Promise<string[]> {
  if (!existsSync(settings))
    throw new UserError(
      `There is no file ${settings}. Name a file of settings, such as terraform.tfvars.example.`,
    );
  copyFileSync(settings, join(to, "terraform.tfvars"));
  const stacks: string[] = [];
  for (const app of ["bootstrap", "stacks"]) {
    const output = join(to, app);
    const { failed, all } = await execa(process.execPath, [join(projectRoot(), "tools/run.mjs"), "main.ts"], {
      cwd: to,
      reject: false,
      all: true,
      env: { CDKTF_OUTDIR: output, SLIPWAY_APP: app },
      cancelSignal,
    });
    if (failed) throw new UserError(`The stacks cannot be synthesized.\n${all.trim()}`);
    stacks.push(...readdirSync(join(output, "stacks")).map((stack) => join(output, "stacks", stack)));
  }
  return stacks;
}
