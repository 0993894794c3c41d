import { execa } from "execa";
import { terraform, terraformEnvironment } from "../../tools/toolchain";

/** Terraform in a folder, with the credentials of Local AWS's build account. */
export async function terraformIn(folder: string, endpoint: string) {
  const { path } = await terraform();
  const env = {
    ...(await terraformEnvironment()),
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
  };
  return (...args: string[]) => execa(path, [...args, "-no-color"], { cwd: folder, env });
}
