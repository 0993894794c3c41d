import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { projectRoot } from "../project";
import { isPacked, PROVIDER, providerMirror, providersIn } from "./mirror";
import { terraform } from "./terraform";

// What the commands of this project run: found on the machine where it fits, else brought along.
export { fetchProvider, PROVIDER_VERSION, providerMirror } from "./mirror";
export { motoServer } from "./moto";
export { type Terraform, terraform, withoutFrame } from "./terraform";

/**
 * Environment for `cdktf` and Terraform: the Terraform that fits, quiet, and the provider from a mirror if there is
 * one, else fetched once into the project's folder for all stacks.
 */
export async function terraformEnvironment(): Promise<Record<string, string>> {
  const { path } = await terraform();
  const environment: Record<string, string> = {
    CHECKPOINT_DISABLE: "1",
    TERRAFORM_BINARY_NAME: path,
    // Go collects garbage less often: a fifth of a plan's processor time, for 90 MB.
    GOGC: process.env.GOGC ?? "400",
  };
  if (isAbsolute(path)) environment.PATH = `${dirname(path)}${delimiter}${process.env.PATH ?? ""}`;
  return { ...environment, ...providerEnvironment(providerMirror()) };
}

/** The same provider, as OpenTofu finds it. */
const OPENTOFU_PROVIDER = "registry.opentofu.org/hashicorp/aws";

/** Switches of `cdktf` that fit: locking asks the registry, mirror or not. */
export const cdktfSwitches = () => (providerMirror() ? ["--skip-provider-lock"] : []);

/** The file by which the user says where providers come from; none, where it is named and not there. */
export function userConfiguration(): string | undefined {
  const { TF_CLI_CONFIG_FILE: file } = process.env;
  return file && existsSync(file) ? file : undefined;
}

/** Where Terraform gets its providers from, and where it keeps those that it fetched. */
function providerEnvironment(mirror: string | undefined): Record<string, string> {
  const own = join(projectRoot(), ".slipway");
  const { TF_CLI_CONFIG_FILE: configured, TF_PLUGIN_CACHE_DIR: cache } = process.env;
  const environment: Record<string, string> = {};
  const respected = userConfiguration() !== undefined;
  if (!respected && (mirror || configured)) {
    // Also where there is no mirror: the variable names a file that is not there, and Terraform warns of it.
    environment.TF_CLI_CONFIG_FILE = join(own, "terraform.rc");
    const none = "# No mirror was found: Terraform asks its registry.\n";
    writeWhereNew(environment.TF_CLI_CONFIG_FILE, mirror ? mirrorConfiguration(mirror) : none);
  }
  if (cache) mkdirSync(cache, { recursive: true });
  else if (mirror && !respected && !isPacked(mirror)) {
    // Linked from the mirror: a copy of a link in between helps nobody. cdktf would make one below the home folder.
    environment.CDKTF_DISABLE_PLUGIN_CACHE_ENV = "true";
  } else {
    environment.TF_PLUGIN_CACHE_DIR = join(own, "plugins");
    // Else each new stack unpacks it once more, over one that may be running, which fails ("text file busy").
    environment.TF_PLUGIN_CACHE_MAY_BREAK_DEPENDENCY_LOCK_FILE = "true";
    mkdirSync(environment.TF_PLUGIN_CACHE_DIR, { recursive: true });
  }
  return environment;
}

/** A Terraform that runs at the same time must never read half a file. */
function writeWhereNew(file: string, content: string): void {
  if (existsSync(file) && readFileSync(file, "utf8") === content) return;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** Providers that the mirror does not hold are still fetched. */
function mirrorConfiguration(mirror: string): string {
  const providers = JSON.stringify(providersIn(mirror));
  return installation([
    ["filesystem_mirror", `path    = ${JSON.stringify(mirror)}`, `include = ${providers}`],
    ["direct", `exclude = ${providers}`],
  ]);
}

/**
 * What lets Terraform fetch and run the AWS provider and no other, whatever a state names: of a state that is not trusted.
 *
 * @returns text of a configuration of Terraform's command line
 */
export function onlyAwsConfiguration(): string {
  const mirror = providerMirror();
  const include = (...providers: readonly string[]) =>
    `include = [${providers.map((one) => JSON.stringify(one)).join(", ")}]`;
  return installation([
    mirror
      ? ["filesystem_mirror", `path    = ${JSON.stringify(mirror)}`, include(PROVIDER)]
      : ["direct", include(PROVIDER, OPENTOFU_PROVIDER)],
  ]);
}

/** @param methods each its kind and its settings */
function installation(methods: readonly (readonly [kind: string, ...settings: readonly string[]])[]): string {
  const blocks = methods.map(
    ([kind, ...settings]) => `  ${kind} {\n${settings.map((setting) => `    ${setting}\n`).join("")}  }\n`,
  );
  return `provider_installation {\n${blocks.join("")}}\n`;
}
