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

/** Runs a command's main function; a {@link UserError} ends it with exit code 1 and its message. */
export async function runCommand(main: () => Promise<number | undefined>): Promise<void> {
  try {
    process.exitCode = (await main()) ?? 0;
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
  }
}
