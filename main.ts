import { dirname, join } from "node:path";
import { App } from "cdktf";
import { previewOfProcess, readSettings, SettingsError } from "./settings";
import { requestedStacks } from "./shared/requested-stacks";
import { createStacks } from "./stacks";
import { quickenSynth } from "./tools/synth/quick";

const isPlain = process.env.SLIPWAY_PLAIN_SYNTH === "1";

/** Reads the settings, builds the app, synthesizes. Run by every `cdktf` command (see cdktf.json). */
async function main(): Promise<void> {
  if (!isPlain) quickenSynth();
  // Not the folder that the command runs in: the demo has one of its own.
  const cache = join(dirname(process.argv[1]!), ".slipway");
  const settings = await readSettings("terraform.tfvars", { cacheFolder: join(cache, "cache") });
  const app = new App({ skipValidation: false });
  createStacks(app, {
    settings,
    functionBundles: join(cache, "build/functions"),
    local: process.env.AWS_ENDPOINT_URL !== undefined,
    disposable: process.env.SLIPWAY_FORCE_DESTROY === "1",
    only: process.env.SLIPWAY_APP === "bootstrap" ? "bootstrap" : "all but bootstrap",
    bootstrapState:
      process.env.SLIPWAY_BOOTSTRAP_STATE === "local"
        ? join(cache, "bootstrap", `${settings.account}-${settings.region}.tfstate`)
        : undefined,
    requested: requestedStacks(),
    preview: previewOfProcess(settings, process.env),
  });
  app.synth();
}

main().catch((error: unknown) => {
  if (error instanceof SettingsError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 1;
    return;
  }
  if (!isPlain) process.stderr.write("With SLIPWAY_PLAIN_SYNTH=1, it tells lines of the source.\n");
  throw error;
});
