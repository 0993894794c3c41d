import { checkTogether } from "./checks";
import { fill } from "./defaults";
import { readHcl } from "./hcl";
import { checkLiterals } from "./literals";
import { Problems, SettingsError } from "./problems";
import type { Settings } from "./types";
import { checkValues } from "./validate";

export * from "./previews";
export { type Place, SettingsError, type SettingsProblem } from "./problems";
export { SETTINGS_KEYS } from "./schema";
export * from "./types";

export interface ReadSettingsOptions {
  /** The folder in which parsed files are kept, by content. @default - none: the file is parsed each time */
  readonly cacheFolder?: string;
}

/**
 * Reads a file of settings, checks it, and fills in the defaults.
 *
 * @throws SettingsError - with all problems of the file at once
 */
export async function readSettings(file: string, options: ReadSettingsOptions = {}): Promise<Settings> {
  const { values, outline } = await readHcl(file, options.cacheFolder);
  const problems = new Problems(outline.placeOf);
  checkLiterals(values, outline, problems);
  const sound = checkValues(values, outline, problems);
  const settings = fill(sound, values);
  checkTogether(settings, sound, problems);

  const found = problems.list();
  if (found.length > 0) throw new SettingsError(file, found);
  return freeze(settings);
}

function freeze<T>(value: T): T {
  if (typeof value !== "object" || value === null) return value;
  Object.values(value).forEach(freeze);
  return Object.freeze(value);
}
