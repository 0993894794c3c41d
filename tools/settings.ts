import { join } from "node:path";
import { readSettings, type Settings } from "../settings";
import { projectRoot } from "./project";

/**
 * The settings that a command works with: terraform.tfvars of the folder that it runs in.
 *
 * @param file another file of settings
 * @throws SettingsError that tells all its problems
 */
export const projectSettings = (file = "terraform.tfvars"): Promise<Settings> =>
  readSettings(file, { cacheFolder: join(projectRoot(), ".slipway/cache") });
