import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";

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

/** Runs a command's main function; a mistake of the user's ends it with exit code 1 and its message alone. */
export async function runCommand(main: () => Promise<number>): Promise<void> {
  try {
    process.exitCode = await main();
  } catch (error) {
    if (!(error instanceof Error && FOR_PEOPLE.has(error.name))) throw error;
    process.stderr.write(`${error.message.trimEnd()}\n`);
    process.exitCode = 1;
  }
}
