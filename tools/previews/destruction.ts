import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import type { EnvironmentSettings, Settings } from "../../settings";
import { deployRoleArn, stateBucketName, stateKey, stateKeyAlias } from "../../shared/names";
import { type RunResult, run } from "../cdktf";
import { wordsOf } from "../deployer/stack";
import { onlyAwsConfiguration, PROVIDER_VERSION, terraform } from "../toolchain";

/** Whoever deploys is waited for so long. */
const LOCK_TIMEOUT = "10m";

/** What says how far it is. What a plan shows beside it are the values of all that is destroyed. */
const PROGRESS = /^\S+: (Destroying|Destruction complete|Still destroying)|^Destroy complete!/;

export interface Destruction {
  readonly settings: Settings;
  /** The preview; its region is where its resources are. */
  readonly environment: EnvironmentSettings;
  /** Before what AWS has refused is tried once more: an interface of a task that has ended stays for a minute. */
  readonly pauseSeconds: number;
  readonly onLine: (line: string) => void;
}

/**
 * Destroys what a preview's state holds, by a configuration that holds nothing: the branch's own may be broken.
 *
 * @returns Terraform's words where it has not destroyed all of it
 */
export async function destroy(destruction: Destruction): Promise<string | undefined> {
  const { environment, pauseSeconds, onLine } = destruction;
  const scratch = mkdtempSync(join(tmpdir(), "slipway-teardown-"));
  const folder = join(scratch, environment.name);
  const commandLine = join(scratch, "terraform.rc");
  const { path } = await terraform();
  const ask = (command: string, ...switches: string[]) =>
    run(path, [command, "-no-color", "-input=false", ...switches], {
      cwd: folder,
      // Whatever the state names, no other provider is run with the right to destroy.
      env: { TF_IN_AUTOMATION: "1", TF_CLI_CONFIG_FILE: commandLine },
      onLine: (line) => {
        if (PROGRESS.test(line)) onLine(line);
      },
    });
  const destroyAll = () => ask("destroy", "-auto-approve", `-lock-timeout=${LOCK_TIMEOUT}`);
  try {
    mkdirSync(folder);
    writeFileSync(commandLine, onlyAwsConfiguration());
    writeFileSync(join(folder, "main.tf.json"), JSON.stringify(configurationOf(destruction), null, 2));
    const init = await ask("init");
    if (!succeeded(init)) return wordsOf(init);
    const first = await destroyAll();
    if (succeeded(first)) return undefined;
    const words = wordsOf(first);
    if (/acquiring the state lock/i.test(words)) return words;
    onLine(`Not all of it could be destroyed; tries once more in ${pauseSeconds} seconds.\n${words}`);
    await pause(1000 * pauseSeconds);
    const second = await destroyAll();
    return succeeded(second) ? undefined : wordsOf(second);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

const succeeded = ({ exitCode }: RunResult) => exitCode === 0;

/** Where the state is, and who destroys: as the environment's own stack has it (modules/slipway-stack.ts). */
function configurationOf({ settings, environment }: Destruction): object {
  const { account, region } = settings;
  const local = process.env.AWS_ENDPOINT_URL !== undefined;
  return {
    terraform: {
      required_version: ">= 1.11.0",
      required_providers: { aws: { source: "hashicorp/aws", version: PROVIDER_VERSION } },
      backend: {
        s3: {
          bucket: stateBucketName(settings),
          key: stateKey(environment.name),
          region,
          encrypt: true,
          kms_key_id: `arn:aws:kms:${region}:${account}:${stateKeyAlias(settings)}`,
          use_lockfile: true,
          ...(local && { use_path_style: true }),
        },
      },
    },
    provider: {
      aws: {
        region: environment.region,
        allowed_account_ids: [environment.account],
        assume_role: { role_arn: deployRoleArn(settings, environment), session_name: "slipway" },
        ...(local && { s3_use_path_style: true, max_retries: 3 }),
      },
    },
  };
}
