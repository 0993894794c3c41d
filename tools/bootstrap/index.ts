import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import {
  GetObjectCommand,
  HeadBucketCommand,
  HeadObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from "@aws-sdk/client-s3";
import { readSettings, type Settings } from "../../settings";
import { stateBucketName, stateKey } from "../../shared/names";
import { checkCaller } from "../caller";
import { cdktf, run, tail } from "../cdktf";
import { projectRoot, runCommand, UserError } from "../project";
import { terraform } from "../toolchain";

const STACK = "bootstrap";
/** Apart from the other stacks: a synth removes the folders of stacks that it did not make. */
const OUTPUT = ".slipway/bootstrap.out";

/**
 * `npm run bootstrap [-- --destroy]`: makes the bucket that holds all state. The stack is deployed with its
 * state in a local file, which then moves into the bucket; each step can be interrupted and run again.
 */
class Bootstrap {
  private readonly s3: S3Client;
  private readonly bucket: string;
  private readonly localState: string;

  constructor(settings: Settings) {
    this.bucket = stateBucketName(settings);
    this.s3 = new S3Client({
      region: settings.region,
      forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined,
    });
    // main.ts knows it by the same rule.
    this.localState = join(
      projectRoot(),
      ".slipway/bootstrap",
      `${settings.account}-${settings.region}.tfstate`,
    );
  }

  async deploy(): Promise<void> {
    if (await this.hasStateInBucket()) {
      await this.cdktf("deploy", "bucket");
    } else {
      if (!existsSync(this.localState) && (await this.hasBucket())) {
        throw new UserError(
          `The bucket ${this.bucket} is there, but no state of ${STACK} is in it, nor on this machine. If the bucket is yours and holds nothing that you need, delete it and run this again; otherwise take another project name.`,
        );
      }
      mkdirSync(dirname(this.localState), { recursive: true });
      await this.cdktf("deploy", "local");
      await this.moveState("bucket");
      if (!(await this.hasStateInBucket()))
        throw new UserError(`The state of ${STACK} did not arrive in ${this.bucket}: run this again.`);
      this.forgetLocalState();
    }
    console.log(`The Terraform state lies in ${this.bucket}.`);
  }

  async destroy(): Promise<void> {
    if (await this.hasStateInBucket()) {
      const stacks = await this.otherStacks();
      if (stacks.length) {
        throw new UserError(
          `The bucket ${this.bucket} holds the state of ${stacks.join(", ")}, which still have resources. Destroy them first: npx cdktf destroy '*'`,
        );
      }
      await this.cdktf("synth", "bucket");
      await this.init();
      mkdirSync(dirname(this.localState), { recursive: true });
      await this.moveState("local");
    } else if (!existsSync(this.localState)) {
      console.log(`There is no state bucket of this project (${this.bucket}): nothing to destroy.`);
      return;
    }
    // The bucket keeps old versions of states; it is emptied only where its own settings say so.
    await this.cdktf("deploy", "local", { SLIPWAY_FORCE_DESTROY: "1" });
    await this.cdktf("destroy", "local", { SLIPWAY_FORCE_DESTROY: "1" });
    this.forgetLocalState();
    // It says where the state was.
    rmSync(OUTPUT, { recursive: true, force: true });
    console.log(`${this.bucket} is gone, and with it all state.`);
  }

  private async moveState(to: "bucket" | "local"): Promise<void> {
    await this.cdktf("synth", to);
    await this.init("-migrate-state", "-force-copy");
  }

  private async init(...switches: string[]): Promise<void> {
    const { path } = await terraform();
    const cwd = join(OUTPUT, "stacks", STACK);
    const { exitCode, output } = await run(path, ["init", "-input=false", "-no-color", ...switches], {
      cwd,
      onLine: () => {},
    });
    if (exitCode !== 0) throw new UserError(`The state of ${STACK} could not be moved:\n${tail(output)}`);
  }

  private async cdktf(
    command: string,
    state: "bucket" | "local",
    env: Record<string, string> = {},
  ): Promise<void> {
    // cdktf makes the last folder of the path, and no other.
    mkdirSync(dirname(OUTPUT), { recursive: true });
    await cdktf([command, ...(command === "synth" ? [] : [STACK]), "--output", OUTPUT], {
      env: { ...env, SLIPWAY_APP: STACK, SLIPWAY_BOOTSTRAP_STATE: state },
    });
  }

  private forgetLocalState(): void {
    for (const file of [this.localState, `${this.localState}.backup`]) rmSync(file, { force: true });
  }

  private async hasBucket(): Promise<boolean> {
    return this.exists(() => this.s3.send(new HeadBucketCommand({ Bucket: this.bucket })));
  }

  private async hasStateInBucket(): Promise<boolean> {
    return this.exists(() =>
      this.s3.send(new HeadObjectCommand({ Bucket: this.bucket, Key: stateKey(STACK) })),
    );
  }

  private async exists(ask: () => Promise<unknown>): Promise<boolean> {
    try {
      await ask();
      return true;
    } catch (error) {
      const { name, $metadata } = error as { name: string; $metadata?: { httpStatusCode?: number } };
      if ($metadata?.httpStatusCode === 404) return false;
      if ($metadata?.httpStatusCode === 403) {
        throw new UserError(
          `The bucket ${this.bucket} may not be read with these credentials, or is somebody else's.`,
        );
      }
      throw new UserError(`The bucket ${this.bucket} cannot be asked for: ${name}.`);
    }
  }

  /** Stacks whose state in the bucket still has resources. */
  private async otherStacks(): Promise<string[]> {
    const stacks: string[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await this.s3.send(new ListObjectsV2Command({ Bucket: this.bucket, ContinuationToken }));
      for (const { Key = "" } of page.Contents ?? []) {
        if (!Key.endsWith(".tfstate") || Key === stateKey(STACK)) continue;
        const { Body } = await this.s3.send(new GetObjectCommand({ Bucket: this.bucket, Key }));
        const { resources = [] } = JSON.parse((await Body?.transformToString()) ?? "{}") as {
          resources?: { mode: string }[];
        };
        if (resources.some(({ mode }) => mode === "managed")) stacks.push(Key.replace(/\.tfstate$/, ""));
      }
      ContinuationToken = page.NextContinuationToken;
    } while (ContinuationToken);
    return stacks;
  }
}

runCommand(async () => {
  const { values } = parseArgs({ options: { destroy: { type: "boolean", default: false } } });
  const settings = await readSettings("terraform.tfvars", {
    cacheFolder: join(projectRoot(), ".slipway/cache"),
  });
  await checkCaller(settings);
  const bootstrap = new Bootstrap(settings);
  await (values.destroy ? bootstrap.destroy() : bootstrap.deploy());
  return 0;
});
