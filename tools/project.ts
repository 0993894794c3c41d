import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { inspect } from "node:util";

/** The project's own folder, found upwards from where the command runs (the demo runs in a folder of its own). */
export function projectRoot(from: string = process.cwd()): string {
  for (let folder = from; ; folder = dirname(folder)) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && JSON.parse(readFileSync(manifest, "utf8")).name === "slipway") return folder;
    if (dirname(folder) === folder) throw new UserError(`No Slipway project here or above: ${from}`);
  }
}

/** A mistake of the user's or of the machine's: told by its message alone, without a stack trace. */
export class UserError extends Error {
  override readonly name = "UserError";
}

/** Errors that tell all by their message. */
const FOR_PEOPLE = new Set(["UserError", "SettingsError"]);

/**
 * Runs a command's main function. A mistake of the user's is told by its message alone.
 *
 * @param failure exit code where it failed
 */
export async function runCommand(main: () => Promise<number>, failure = 1): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    const forPeople = error instanceof Error && FOR_PEOPLE.has(error.name);
    process.stderr.write(`${forPeople ? error.message.trimEnd() : inspect(error)}\n`);
    process.exitCode = failure;
  }
}
