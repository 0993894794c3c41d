import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { delimiter, dirname, isAbsolute, join } from "node:path";
import { projectRoot } from "../project";
import { providerMirror } from "./mirror";
import { terraform } from "./terraform";

// What the commands of this project run: found on the machine where it fits, else brought along.
export { providerMirror } from "./mirror";
export { motoServer } from "./moto";
export { type Terraform, terraform } from "./terraform";

/** Environment for `cdktf` and Terraform: the Terraform that fits, quiet, and the provider from a mirror if there is one. */
export async function terraformEnvironment(): Promise<Record<string, string>> {
  const { path } = await terraform();
  const mirror = providerMirror();
  const environment: Record<string, string> = { CHECKPOINT_DISABLE: "1", TERRAFORM_BINARY_NAME: path };
  if (isAbsolute(path)) environment.PATH = `${dirname(path)}${delimiter}${process.env.PATH ?? ""}`;
  const configured = process.env.TF_CLI_CONFIG_FILE;
  if (configured && existsSync(configured)) return environment;
  // Also where there is no mirror: the variable may name a file that is not there, and Terraform warns of it.
  const file = join(projectRoot(), ".slipway/terraform.rc");
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(
    file,
    mirror ? mirrorConfiguration(mirror) : "# No mirror was found: Terraform asks its registry.\n",
  );
  if (mirror || configured) environment.TF_CLI_CONFIG_FILE = file;
  return environment;
}

/** Switches of `cdktf` that fit: locking asks the registry, mirror or not. */
export const cdktfSwitches = () => (providerMirror() ? ["--skip-provider-lock"] : []);

function mirrorConfiguration(mirror: string): string {
  const providers = JSON.stringify(["registry.terraform.io/hashicorp/*"]);
  return `provider_installation {
  filesystem_mirror {
    path    = ${JSON.stringify(mirror)}
    include = ${providers}
  }
  direct {
    exclude = ${providers}
  }
}
`;
}
