import { mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { checkCaller } from "../caller";
import { cdktf, run, tail } from "../cdktf";
import { projectRoot, runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { terraform } from "../toolchain";
import { Bootstrap, type Commands, STACK } from "./bootstrap";
import { S3StateBucket } from "./state-bucket";

/** Apart from the other stacks: a synth removes the folders of stacks that it did not make. */
const OUTPUT = ".slipway/bootstrap.out";

const commands: Commands = {
  async cdktf(command, state, { disposable = false } = {}) {
    // cdktf makes the last folder of the path, and no other.
    mkdirSync(dirname(OUTPUT), { recursive: true });
    await cdktf([command, ...(command === "synth" ? [] : [STACK]), "--output", OUTPUT], {
      env: {
        SLIPWAY_APP: STACK,
        SLIPWAY_BOOTSTRAP_STATE: state,
        ...(disposable ? { SLIPWAY_FORCE_DESTROY: "1" } : {}),
      },
    });
  },
  async init(...switches) {
    const { path } = await terraform();
    const { exitCode, output } = await run(path, ["init", "-input=false", "-no-color", ...switches], {
      cwd: join(OUTPUT, "stacks", STACK),
      onLine: () => {},
    });
    if (exitCode !== 0) throw new UserError(`The state of ${STACK} could not be moved:\n${tail(output)}`);
  },
  forget: () => rmSync(OUTPUT, { recursive: true, force: true }),
};

async function askWhetherToDestroy(bucket: string): Promise<boolean> {
  if (!process.stdin.isTTY) {
    throw new UserError(
      `There is no terminal to ask whether to destroy ${bucket}: add --auto-approve to do it unasked.`,
    );
  }
  const { confirm } = await import("@inquirer/prompts");
  const message = `Destroy ${bucket}, and with it all state of this project and its history?`;
  // Ctrl-C is a no as well.
  return confirm({ message, default: false }).catch(() => false);
}

/** `npm run bootstrap [-- --destroy [--auto-approve]]`: makes or destroys the bucket that holds all state. */
runCommand(async () => {
  const { values } = parseArgs({
    options: {
      destroy: { type: "boolean", default: false },
      "auto-approve": { type: "boolean", default: false },
    },
  });
  const root = projectRoot();
  const settings = await projectSettings();
  await checkCaller(settings);
  const bucket = new S3StateBucket(settings);
  // main.ts knows it by the same rule.
  const localState = join(root, ".slipway/bootstrap", `${settings.account}-${settings.region}.tfstate`);
  const bootstrap = new Bootstrap({ bucket, commands, localState });
  if (!values.destroy) {
    await bootstrap.deploy();
    console.log(`The Terraform state lies in ${bucket.name}.`);
    return 0;
  }
  const destroyed = await bootstrap.destroy(async () =>
    values["auto-approve"] ? true : askWhetherToDestroy(bucket.name),
  );
  console.log(
    destroyed
      ? `${bucket.name} is gone, and with it all state.`
      : `There is no state bucket of this project (${bucket.name}): nothing to destroy.`,
  );
  return 0;
});
