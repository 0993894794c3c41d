import { existsSync } from "node:fs";
import { join } from "node:path";
import type { EnvironmentSettings, Settings } from "../../settings";
import { UserError } from "../project";
import { projectSettings } from "../settings";
import { Stack } from "../stack";

/** Where `cdktf synth` puts the stacks. */
const STACKS = "cdktf.out/stacks";

/**
 * The environment that a command of the pipeline works on, and its synthesized stack's folder.
 *
 * @throws UserError where there is no such environment, or nothing was synthesized
 */
export async function readEnvironment(
  name: string,
): Promise<{ settings: Settings; environment: EnvironmentSettings; folder: string }> {
  const settings = await projectSettings();
  const environment = Object.hasOwn(settings.environments, name) ? settings.environments[name] : undefined;
  if (!environment)
    throw new UserError(
      `There is no environment ${JSON.stringify(name)} in terraform.tfvars: it has ${Object.keys(settings.environments).join(", ")}.`,
    );
  return { settings, environment, folder: stackFolder(name) };
}

/** Folder of a synthesized stack. @throws UserError where it was not synthesized */
export function stackFolder(stack: string): string {
  const folder = join(process.cwd(), STACKS, stack);
  if (!existsSync(folder))
    throw new UserError(`The stack ${stack} is not in ${STACKS}: synthesize it first, with npm run synth.`);
  return folder;
}

/**
 * What an environment's last deploy put out, by name; empty where nothing is deployed.
 *
 * @param folder its synthesized stack's
 * @throws UserError with Terraform's words where it cannot be read
 */
export async function readOutputs(name: string, folder: string): Promise<Readonly<Record<string, unknown>>> {
  const { values, failure } = await new Stack(folder).outputs();
  if (!values) throw new UserError(`What ${name} put out cannot be read.\n${failure}`);
  return values;
}
