import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { planEnvironments } from "./environments";
import { writePlans } from "./handover";

/**
 * `npm run review:plans -- FOLDER`: plans every environment and leaves the plans in a folder, for the trusted build
 * to review.
 */
runCommand(async () => {
  const [folder, ...others] = process.argv.slice(2);
  if (!folder || others.length) throw new UserError("Name a folder: npm run review:plans -- FOLDER");
  const settings = await projectSettings();
  const planned = await planEnvironments(settings, (line) => process.stderr.write(`${line}\n`));
  // Plans hold secrets.
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  for (const [name, content] of writePlans(planned))
    writeFileSync(join(folder, name), content, { mode: 0o600 });
  return 0;
});
