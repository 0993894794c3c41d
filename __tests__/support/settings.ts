import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Settings } from "../../settings";

/** The folder of the project. */
export const ROOT = join(__dirname, "../..");

let example: Promise<Settings> | undefined;

/** The settings of terraform.tfvars.example, read once for a file of tests: nobody can change them. */
export function exampleSettings(): Promise<Settings> {
  example ??= readExample();
  return example;
}

async function readExample(): Promise<Settings> {
  // Loaded here, not by all that only take the text.
  const { readSettings } = await import("../../settings");
  return frozen(await readSettings(join(ROOT, "terraform.tfvars.example")));
}

/** A value that nobody can change, however deep. */
export function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

/** Names of its stacks. */
export const EXAMPLE_STACKS: readonly string[] = [
  "access-dev",
  "access-prod",
  "bootstrap",
  "delivery",
  "dev",
  "pipeline-main",
  "pipeline-preview-main_dev",
  "prod",
];

/** The text of terraform.tfvars.example. */
export const exampleText = (): string => readFileSync(join(ROOT, "terraform.tfvars.example"), "utf8");
