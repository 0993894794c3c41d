import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readSettings, type Settings } from "../../settings";
import { ROOT } from "../support/settings";

/** What an example leaves out. */
const REST: Readonly<Record<string, string>> = {
  project: '"hello"',
  region: '"eu-west-1"',
  account: '"111111111111"',
  git: '{ provider = "github-token", repository = "acme/hello" }',
  functions: "{ hello = {} }",
  environments: '{ dev = { account = "222222222222" }, prod = { account = "333333333333" } }',
  pipelines: '{ main = { branch = "main", deploy = [["dev"], ["prod"]] } }',
};

/** The text of a document, by its path in the project. */
export const textOf = (document: string): string => readFileSync(join(ROOT, document), "utf8");

/** The examples of settings in a document. */
export const examplesIn = (text: string): string[] =>
  [...text.matchAll(/^```hcl\n(.*?)^```$/gms)].map(([, example = ""]) => example);

/** The settings of an example. @throws SettingsError */
export async function readExample(example: string): Promise<Settings> {
  const rest = Object.entries(REST).filter(([key]) => !new RegExp(`^${key}\\s*=`, "m").test(example));
  const folder = mkdtempSync(join(tmpdir(), "slipway-example-"));
  try {
    const file = join(folder, "terraform.tfvars");
    writeFileSync(file, [...rest.map(([key, value]) => `${key} = ${value}`), example].join("\n"));
    return await readSettings(file);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
