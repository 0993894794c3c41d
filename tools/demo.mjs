// `npm run demo`: works on a fresh clone, where no package is installed yet.
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { ensureInstalled, root } from "./install.mjs";

ensureInstalled();
// Ctrl-C goes to both; the demo itself decides when it has tidied up.
process.on("SIGINT", () => {});
const { status } = spawnSync(
  process.execPath,
  [join(root, "tools/run.mjs"), "tools/demo/index.ts", ...process.argv.slice(2)],
  {
    cwd: root,
    stdio: "inherit",
  },
);
process.exit(status ?? 1);
