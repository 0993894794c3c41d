import { existsSync } from "node:fs";
import { join } from "node:path";
import { type EnvironmentSettings, environmentNamed, type Settings } from "../../settings";
import { PREVIEW, PREVIEW_REGION } from "../../shared/previews";
import { Stack } from "../deployer/stack";
import { UserError } from "../project";
import { projectSettings } from "../settings";

/** Where `cdktf synth` puts the stacks. */
const STACKS = "cdktf.out/stacks";

/** What to do where a template's builds are run for no preview. */
export const ONLY_A_TEMPLATE = `${PREVIEW.variable} is "${PREVIEW.unset}": this is the pipeline that those of previews are made like, and it is not run itself. Push to a branch that the settings' previews mean: its preview's own pipeline is made, and started.`;

/**
 * The environment that a command of the pipeline works on, and its synthesized stack's folder.
 *
 * @param name of a preview, too
 * @throws UserError where there is no such environment, or nothing was synthesized
 */
export async function readEnvironment(
  name: string,
): Promise<{ settings: Settings; environment: EnvironmentSettings; folder: string }> {
  const settings = await projectSettings();
  const environment = environmentNamed(settings, name, process.env[PREVIEW_REGION] || undefined);
  if (!environment && name === PREVIEW.unset) throw new UserError(ONLY_A_TEMPLATE);
  if (!environment)
    throw new UserError(
      `There is no environment ${JSON.stringify(name)} in terraform.tfvars: it has ${Object.keys(settings.environments).join(", ")}.`,
    );
  const synth = environment.preview ? `${PREVIEW.variable}=${name} npm run synth` : undefined;
  return { settings, environment, folder: stackFolder(name, synth) };
}

/** What to do where an environment is not deployed, or was by another version. */
export const howToDeploy = ({ name, preview }: Pick<EnvironmentSettings, "name" | "preview">): string =>
  preview
    ? "Its pipeline deploys it: push again."
    : `Deploy it as it is synthesized now: npx cdktf deploy ${name}`;

/**
 * Folder of a synthesized stack.
 *
 * @param synth the command that synthesizes it
 * @throws UserError where it was not synthesized
 */
export function stackFolder(stack: string, synth = "npm run synth"): string {
  const folder = join(process.cwd(), STACKS, stack);
  if (!existsSync(folder))
    throw new UserError(`The stack ${stack} is not in ${STACKS}: synthesize it first, with ${synth}.`);
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
