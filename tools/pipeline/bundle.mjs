// `npm run bundle -- SCRIPT|FILE ...`: bundles what scripts of this project run, so that they need no time for it when they do,
// and no packages.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bundleCommand, root } from "../bundle.mjs";

const { scripts } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const names = process.argv.slice(2);
const fileOf = (name) => {
  const command = name.endsWith(".ts") ? `node tools/run.mjs ${name}` : scripts[name];
  return /(?:^|\s)node tools\/run\.mjs (\S+)$/.exec(command ?? "")?.[1];
};
const unknown = names.filter((name) => !fileOf(name));
if (unknown.length || !names.length) {
  const wanted =
    "scripts of package.json that run a file of this project, or files: npm run bundle -- plan main.ts";
  console.error(unknown.length ? `Not ${unknown.join(", ")}, but ${wanted}` : `Name ${wanted}`);
  process.exit(1);
}
await Promise.all(names.map((name) => bundleCommand(fileOf(name))));
