// Runs commands for tools.ts beside it, one after the other: `node tools-host.mjs PROJECT`, with a channel to whoever starts it.
import { join, resolve } from "node:path";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

const [root] = process.argv.slice(2);
const { bundleCommand, compiledBundle } = await import(pathToFileURL(join(root, "tools/bundle.mjs")).href);

const EVENTS = ["SIGINT", "SIGTERM", "SIGHUP", "exit", "uncaughtException", "unhandledRejection"];
/** What listens before any command runs. */
const own = new Map(EVENTS.map((event) => [event, process.rawListeners(event)]));
/** Commands that were run here, by their files. */
const commands = new Map();
let running;

process.on("message", async ({ file, args, cwd, env, input }) => {
  if (!commands.has(file)) commands.set(file, compiledBundle(await bundleCommand(file)));
  running = commands.get(file);
  // Nothing else keeps this process alive from here on, so that a command ends here as it does by itself.
  process.channel.unref();
  for (const key of Object.keys(process.env)) delete process.env[key];
  Object.assign(process.env, { AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true" }, env);
  process.chdir(cwd);
  process.argv = [process.execPath, resolve(root, file), ...args];
  process.exitCode = undefined;
  const stdin = Readable.from(input ? [Buffer.from(input)] : [], { objectMode: false });
  Object.defineProperty(process, "stdin", { value: stdin, configurable: true });
  try {
    // With its packages, as new modules each time: a command finds nothing of the last one's.
    running.run();
  } catch (error) {
    console.error(error);
    process.exitCode = 1;
  }
});

process.on("beforeExit", () => {
  if (!running) return;
  const { keep } = running;
  running = undefined;
  const exitCode = process.exitCode ?? 0;
  for (const [event, before] of own)
    for (const listener of process.rawListeners(event).filter((one) => !before.includes(one))) {
      if (event === "exit") listener(exitCode);
      process.removeListener(event, listener);
    }
  keep();
  process.channel.ref();
  process.send({ exitCode });
});
// Whoever started this has gone.
process.on("disconnect", () => process.exit());
