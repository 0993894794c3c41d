import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readSettings, type Settings } from "../../settings";

/** The folder of the project. */
export const ROOT = join(__dirname, "../..");

/** The settings of terraform.tfvars.example. */
export const exampleSettings = (): Promise<Settings> => readSettings(join(ROOT, "terraform.tfvars.example"));

/** The text of terraform.tfvars.example. */
export const exampleText = (): string => readFileSync(join(ROOT, "terraform.tfvars.example"), "utf8");
