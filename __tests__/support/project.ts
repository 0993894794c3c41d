import { mkdirSync, mkdtempSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exampleText, ROOT } from "./settings";

/**
 * A folder in which commands run as in a project of its own.
 *
 * @param settings text of its terraform.tfvars
 */
export function temporaryProject(settings = exampleText()): string {
  const folder = mkdtempSync(join(tmpdir(), "slipway-project-"));
  writeFileSync(join(folder, "package.json"), '{"name": "slipway"}');
  writeFileSync(join(folder, "terraform.tfvars"), settings);
  // Reading the same settings once more is most of what a short command takes.
  mkdirSync(join(ROOT, ".slipway/cache"), { recursive: true });
  mkdirSync(join(folder, ".slipway"));
  symlinkSync(join(ROOT, ".slipway/cache"), join(folder, ".slipway/cache"));
  return folder;
}
