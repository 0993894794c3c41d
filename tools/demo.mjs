// `npm run demo`: works on a fresh clone, where no package is installed yet.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { ensureInstalled, root } from "./install.mjs";

ensureInstalled();
const demo = spawn(
  process.execPath,
  [join(root, "tools/run.mjs"), "tools/demo/index.ts", ...process.argv.slice(2)],
  { cwd: root, stdio: "inherit" },
);
// The demo itself decides when it has tidied up; that Ctrl-C reaches it from the terminal as well does no harm.
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => demo.kill(signal));
const [status] = await once(demo, "exit");
process.exit(status ?? 1);
