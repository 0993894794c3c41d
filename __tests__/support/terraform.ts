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

/** How a plan begins: what its marks mean. */
const LEGEND = /^\S+ (create|destroy|update in-place|read|destroy and then create.*|create replacement.*)$/;

/**
 * What an apply says that it changes, as its plan marks it: a line a resource, block or attribute. Where that is what it was
 * to change and nothing else, a plan before it was empty.
 */
export function changesIn({ stdout }: { readonly stdout: string }): string[] {
  const lines = stdout.split("\n").map((line) => line.trim().replace(/ {2,}/g, " "));
  const marked = lines.filter((line) => /^([~+-]|[-+]\/[-+]) /.test(line) && !LEGEND.test(line));
  return marked.map((line) => line.replace(/ \{$/, ""));
}
