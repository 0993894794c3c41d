import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname } from "node:path";
import { UserError } from "../project";
import type { StateBucket } from "./state-bucket";

export const STACK = "bootstrap";

/** Where the stack's own state is. */
export type StatePlace = "bucket" | "local";

/** The commands that change something. */
export interface Commands {
  /** `cdktf`, of the stack with its state in that place. `disposable`: buckets are emptied when they are destroyed. */
  cdktf(
    command: "deploy" | "destroy" | "synth",
    state: StatePlace,
    options?: { readonly disposable?: boolean },
  ): Promise<void>;
  /** `terraform init` of what was synthesized last. */
  init(...switches: string[]): Promise<void>;
  /** Forgets what was synthesized, and with it where Terraform believes the state to be. */
  forget(): void;
}

export interface BootstrapProps {
  readonly bucket: StateBucket;
  readonly commands: Commands;
  /** File of the stack's state while there is no bucket. */
  readonly localState: string;
}

/**
 * Makes the bucket that holds all state: deployed with its state in a local file, which then moves into the bucket.
 * Wherever it is interrupted, the next run goes on from what is there; the bucket's state counts more than the file.
 */
export class Bootstrap {
  constructor(private readonly props: BootstrapProps) {}

  async deploy(): Promise<void> {
    const { bucket, commands, localState } = this.props;
    // An interrupted run may have left off between the two places.
    commands.forget();
    if (await bucket.holds(STACK)) {
      await commands.cdktf("deploy", "bucket");
    } else {
      if (!existsSync(localState) && (await bucket.exists())) {
        throw new UserError(
          `The bucket ${bucket.name} is there, but no state of ${STACK} is in it, nor on this machine. If the bucket is yours and holds nothing that you need, delete it and run this again; otherwise take another project name.`,
        );
      }
      mkdirSync(dirname(localState), { recursive: true });
      await commands.cdktf("deploy", "local");
      await this.moveState("bucket");
      if (!(await bucket.holds(STACK)))
        throw new UserError(`The state of ${STACK} did not arrive in ${bucket.name}: run this again.`);
    }
    this.forgetLocalState();
  }

  /**
   * @param confirm asked once before anything changes
   * @returns whether there was anything to destroy
   */
  async destroy(confirm: () => Promise<boolean>): Promise<boolean> {
    const { bucket, commands, localState } = this.props;
    const inBucket = await bucket.holds(STACK);
    if (!inBucket && !existsSync(localState)) return false;
    const stacks = inBucket ? (await bucket.stacksWithResources()).filter((stack) => stack !== STACK) : [];
    if (stacks.length) {
      throw new UserError(
        `The bucket ${bucket.name} holds the state of ${stacks.join(", ")}, which still have resources. Destroy them first: npx cdktf destroy '*'`,
      );
    }
    if (!(await confirm())) throw new UserError("Nothing was destroyed.");
    commands.forget();
    mkdirSync(dirname(localState), { recursive: true });
    if (inBucket) {
      await commands.cdktf("synth", "bucket");
      await commands.init();
      await this.moveState("local");
    }
    // The bucket keeps old versions of states; it is emptied only where its own settings say so.
    await commands.cdktf("deploy", "local", { disposable: true });
    await commands.cdktf("destroy", "local", { disposable: true });
    this.forgetLocalState();
    commands.forget();
    return true;
  }

  private async moveState(to: StatePlace): Promise<void> {
    await this.props.commands.cdktf("synth", to);
    await this.props.commands.init("-migrate-state", "-force-copy");
  }

  private forgetLocalState(): void {
    const { localState } = this.props;
    for (const file of [localState, `${localState}.backup`]) rmSync(file, { force: true });
  }
}
