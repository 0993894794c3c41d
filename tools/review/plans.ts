import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { SettingsError } from "../../settings";
import { runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { type PlannedEnvironment, planEnvironments, SYNTH } from "./environments";
import { writePlans } from "./handover";

/**
 * `npm run review:plans -- FOLDER`: plans every environment and leaves the plans in a folder, for the trusted build
 * to review.
 */
runCommand(async () => {
  const [folder, ...others] = process.argv.slice(2);
  if (!folder || others.length) throw new UserError("Name a folder: npm run review:plans -- FOLDER");
  const planned = await planAll();
  // Plans hold secrets.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [name, content] of writePlans(planned))
    writeFileSync(join(folder, name), content, { mode: 0o600 });
  return 0;
});

/** Settings that are wrong are a failure of what is reviewed, and told there: a build's log has much else. */
async function planAll(): Promise<readonly PlannedEnvironment[]> {
  try {
    const settings = await projectSettings();
    return await planEnvironments(settings, (line) => process.stderr.write(`${line}\n`));
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    return [{ name: SYNTH, failure: error.message.trimEnd() }];
  }
}
