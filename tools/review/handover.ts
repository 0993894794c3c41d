import { unzipSync } from "fflate";
import { type PlannedEnvironment, SYNTH } from "./environments";

// How plans go from the build that makes them to the build that reviews them: `<name>.json` is a plan, and
// `<name>.txt` what Terraform said where it failed. The first build runs what anybody wrote: its files are hostile.

const FILE = /^([a-z0-9-]{1,64})\.(json|txt)$/;

/** More nobody makes, and a bomb is no plan. */
const MOST_FILES = 200;
const MOST_BYTES = 512 * 1024 * 1024;

export function writePlans(planned: readonly PlannedEnvironment[]): [file: string, content: string][] {
  return planned.flatMap(({ name, plan, failure }) => [
    ...(plan === undefined ? [] : [[`${name}.json`, plan] as [string, string]]),
    ...(failure === undefined ? [] : [[`${name}.txt`, failure] as [string, string]]),
  ]);
}

/**
 * Reads the archive of such files.
 *
 * @param expected environments that must be among them: one that is not is told as failed, never left out
 * @throws Error where it is no archive, or none of such files
 */
export function readPlans(archive: Uint8Array, expected: readonly string[]): PlannedEnvironment[] {
  let [files, bytes] = [0, 0];
  const content = unzipSync(archive, {
    filter: ({ name, originalSize }) => {
      files += 1;
      bytes += originalSize;
      if (!FILE.test(name)) throw new Error(`It holds a file of another name: ${JSON.stringify(name)}`);
      if (files > MOST_FILES || bytes > MOST_BYTES) throw new Error("It holds more than plans ever have.");
      return true;
    },
  });
  const planned = new Map<string, { name: string; plan?: string; failure?: string }>();
  for (const [file, bytesOf] of Object.entries(content)) {
    const [, name = "", kind] = FILE.exec(file) ?? [];
    const environment = planned.get(name) ?? { name };
    planned.set(name, environment);
    environment[kind === "json" ? "plan" : "failure"] = new TextDecoder().decode(bytesOf);
  }
  // Where the stacks cannot be synthesized, that is told once for all.
  const told = planned.has(SYNTH);
  for (const name of expected)
    if (!planned.has(name) && !told)
      planned.set(name, { name, failure: "No plan was made: the pull request's settings do not have it." });
  return [...planned.values()];
}
