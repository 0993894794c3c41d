import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot, runCommand } from "../project";
import { validateStacks } from "./stacks";
import { synthesize } from "./synthesize";

/** As a shell tells that a command was interrupted. */
const INTERRUPTED = 130;

/**
 * `npm run validate [-- SETTINGS]`: synthesizes every stack of a settings file (terraform.tfvars.example), and
 * has Terraform and the AWS provider look at each. Needs no account.
 *
 * @returns 0: all are valid, 1: one is not
 */
runCommand(async () => {
  const settings = process.argv[2] ?? join(projectRoot(), "terraform.tfvars.example");
  const stop = new AbortController();
  // npm passes on what the terminal sent already: it may come twice.
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => stop.abort());
  const folder = mkdtempSync(join(tmpdir(), "slipway-validate-"));
  try {
    const verdicts = await validateStacks(await synthesize(settings, folder, stop.signal), stop.signal);
    for (const { stack, isValid, words } of verdicts)
      console.log([`${stack}: ${isValid ? "valid" : "not valid"}`, ...words].join("\n\n"));
    return verdicts.every(({ isValid }) => isValid) ? 0 : 1;
  } catch (error) {
    if (stop.signal.aborted) return INTERRUPTED;
    throw error;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
});
