import { join } from "node:path";
import { ROOT } from "./settings";

/** The configuration of this project's unit tests, for jest in another folder. */
export function unitProjectIn(folder: string) {
  const [unit] = require(join(ROOT, "jest.config.js")).projects;
  const config = JSON.stringify(unit)
    .replaceAll("<rootDir>", ROOT)
    .replaceAll("@swc/jest", require.resolve("@swc/jest"));
  return { ...JSON.parse(config), rootDir: folder };
}
