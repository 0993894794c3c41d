import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "./settings";
import type { SynthesizedStack } from "./synthesized";
import { runTool } from "./tools";

/**
 * Every stack of a settings file, `bootstrap` among them, synthesized by main.ts as its users do. That is quicker than to
 * load the constructs into a test's process.
 */
export async function synthesizeFile(
  settings = join(ROOT, "terraform.tfvars.example"),
): Promise<Record<string, SynthesizedStack>> {
  const folder = mkdtempSync(join(tmpdir(), "slipway-synth-"));
  copyFileSync(settings, join(folder, "terraform.tfvars"));
  const stacks: Record<string, SynthesizedStack> = {};
  for (const app of ["bootstrap", "stacks"]) {
    const output = join(folder, app);
    const env = { CDKTF_OUTDIR: output, SLIPWAY_APP: app };
    const { exitCode, stderr } = await runTool("main.ts", [], { cwd: folder, env });
    if (exitCode !== 0) throw new Error(`${settings} cannot be synthesized:\n${stderr}`);
    for (const name of readdirSync(join(output, "stacks")))
      stacks[name] = JSON.parse(readFileSync(join(output, "stacks", name, "cdk.tf.json"), "utf8"));
  }
  rmSync(folder, { recursive: true });
  return stacks;
}
