import { copyFileSync, mkdtempSync, readdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { run, tail } from "../cdktf";
import { projectRoot, runCommand, UserError } from "../project";
import { terraform } from "../toolchain";

/**
 * `npm run validate [-- SETTINGS]`: synthesizes every stack of a settings file (terraform.tfvars.example), and
 * has Terraform and the AWS provider look at each. Needs no account.
 */
runCommand(async () => {
  const root = projectRoot();
  const settings = process.argv[2] ?? join(root, "terraform.tfvars.example");
  const folder = mkdtempSync(join(tmpdir(), "slipway-validate-"));
  copyFileSync(settings, join(folder, "terraform.tfvars"));
  const { path } = await terraform();
  const invalid: string[] = [];
  for (const app of ["bootstrap", "stacks"]) {
    const outdir = join(folder, app);
    const synth = await run(process.execPath, [join(root, "tools/run.mjs"), "main.ts"], {
      cwd: folder,
      env: { CDKTF_OUTDIR: outdir, SLIPWAY_APP: app },
      onLine: () => {},
    });
    if (synth.exitCode !== 0) throw new UserError(synth.output);
    for (const stack of readdirSync(join(outdir, "stacks"))) {
      const options = { cwd: join(outdir, "stacks", stack), onLine: () => {} };
      const init = await run(path, ["init", "-backend=false", "-input=false", "-no-color"], options);
      if (init.exitCode !== 0) throw new UserError(`${stack} cannot be initialized:\n${tail(init.output)}`);
      const { exitCode, output } = await run(path, ["validate", "-no-color"], options);
      console.log(`${stack}: ${exitCode === 0 ? "valid" : `not valid\n${output}`}`);
      if (exitCode !== 0) invalid.push(stack);
    }
  }
  return invalid.length ? 1 : 0;
});
