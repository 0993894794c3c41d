// Runs commands for tools.ts beside it, one after the other: `node tools-host.mjs PROJECT`, with a channel to whoever starts it.
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

const [root] = process.argv.slice(2);
const { bundle, output } = await import(pathToFileURL(join(root, "tools/bundle.mjs")).href);

const EVENTS = ["SIGINT", "SIGTERM", "SIGHUP", "exit", "uncaughtException", "unhandledRejection"];
/** What listens before any command runs. */
const own = new Map(EVENTS.map((event) => [event, process.rawListeners(event)]));
let runs = 0;
let isRunning = false;
let isSettled = true;

process.on("message", async ({ file, args, cwd, env, input }) => {
  isRunning = true;
  isSettled = false;
  // Nothing else keeps this process alive from here on, so that a command ends here as it does by itself.
  process.channel.unref();
  const name = file.replace(/\.ts$/, "").replace(/\W+/g, "-");
  const outfile = join(output, "tests", `${name}.mjs`);
  await bundle(join(root, file), outfile, { format: "esm", packages: "external" });
  for (const key of Object.keys(process.env)) delete process.env[key];
  Object.assign(process.env, { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" }, env);
  process.chdir(cwd);
  process.argv = [process.execPath, resolve(root, file), ...args];
  process.exitCode = undefined;
  const stdin = Readable.from(input ? [Buffer.from(input)] : [], { objectMode: false });
  Object.defineProperty(process, "stdin", { value: stdin, configurable: true });
  try {
    // As another module each time, so that a command finds nothing of the last one's.
    await import(`${pathToFileURL(outfile).href}?${++runs}`);
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
  isSettled = true;
});

process.on("beforeExit", () => {
  if (!isRunning) return;
  isRunning = false;
  // Node's own code for a module that waits for what never comes.
  const exitCode = isSettled ? (process.exitCode ?? 0) : 13;
  for (const [event, before] of own)
    for (const listener of process.rawListeners(event).filter((one) => !before.includes(one))) {
      if (event === "exit") listener(exitCode);
      process.removeListener(event, listener);
    }
  process.channel.ref();
  process.send({ exitCode });
});
// Whoever started this has gone.
process.on("disconnect", () => process.exit());
