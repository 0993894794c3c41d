import { existsSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { type RunOptions, type RunResult, run } from "./cdktf";
import { terraform, withoutFrame } from "./toolchain";

/** What came of planning a stack: a plan, a failure, or both where Terraform failed on its way. */
export interface StackPlan {
  /** The saved plan. */
  readonly file?: string;
  /** As `terraform show -json` writes it. It holds secrets in clear text. */
  readonly json?: string;
  /** Terraform's own words. */
  readonly failure?: string;
}

/** What came of asking for a stack's outputs. */
export interface StackOutputs {
  /** Values by name, without those that are marked as sensitive; none where nothing is deployed. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** Terraform's own words. */
  readonly failure?: string;
}

const outputsSchema = z.record(z.string(), z.object({ sensitive: z.boolean(), value: z.unknown() }));

/** The saved plan, in the stack's folder. */
const PLAN = "slipway.tfplan";

/** Another deploy is waited for so long. */
const LOCK_TIMEOUT = "10m";

/** A synthesized stack, as Terraform works on it. */
export class Stack {
  private initialized?: Promise<RunResult>;

  /** @param folder where `cdktf synth` has put it */
  constructor(private readonly folder: string) {}

  initialize(): Promise<RunResult> {
    this.initialized ??= this.terraform("init", ["-input=false"]);
    return this.initialized;
  }

  /**
   * Plans without a lock, so that nobody who deploys has to wait.
   *
   * @param role role to plan with in the stack's account; the caller's own rights where it is not given
   */
  async plan(role?: string): Promise<StackPlan> {
    const init = await this.initialize();
    if (init.exitCode !== 0) return { failure: wordsOf(init) };
    const switches = ["-input=false", "-lock=false", `-out=${PLAN}`, ...providerRole(role)];
    const plan = await this.terraform("plan", switches);
    const failure = plan.exitCode === 0 ? {} : { failure: wordsOf(plan) };
    const file = join(this.folder, PLAN);
    // Terraform keeps what it had planned when it failed.
    if (!existsSync(file)) return failure;
    const show = await this.terraform("show", ["-json", PLAN]);
    if (show.exitCode !== 0) return { failure: wordsOf(show) };
    return { file, json: show.stdout, ...failure };
  }

  /**
   * Applies a saved plan: that, and nothing that is planned anew.
   *
   * @param file its absolute path
   * @param options.role role to apply with in the stack's account; the caller's own rights where it is not given
   */
  async apply(
    file: string,
    { role, onLine }: { readonly role?: string; readonly onLine: (line: string) => void },
  ): Promise<RunResult> {
    const init = await this.initialize();
    if (init.exitCode !== 0) return init;
    const switches = ["-input=false", `-lock-timeout=${LOCK_TIMEOUT}`, ...providerRole(role), file];
    return this.terraform("apply", switches, { onLine });
  }

  /** What the stack's last deploy put out. */
  async outputs(): Promise<StackOutputs> {
    const init = await this.initialize();
    if (init.exitCode !== 0) return { failure: wordsOf(init) };
    const output = await this.terraform("output", ["-json"]);
    if (output.exitCode !== 0) return { failure: wordsOf(output) };
    const values = Object.entries(outputsSchema.parse(JSON.parse(output.stdout)))
      .filter(([, { sensitive }]) => !sensitive)
      .map(([name, { value }]) => [name, value]);
    return { values: Object.fromEntries(values) };
  }

  private async terraform(
    command: string,
    args: readonly string[],
    { onLine = () => {} }: Pick<RunOptions, "onLine"> = {},
  ): Promise<RunResult> {
    const { path } = await terraform();
    return run(path, [command, "-no-color", ...args], {
      cwd: this.folder,
      env: { TF_IN_AUTOMATION: "1" },
      onLine,
    });
  }
}

/** It is not stored in a plan, and so given again with each command. */
const providerRole = (role: string | undefined) => (role ? [`-var=provider_role_arn=${role}`] : []);

/** What a command says of its failure, without the frame that Terraform draws around it. */
export function wordsOf({ stderr, output, exitCode }: RunResult): string {
  const said = withoutFrame(stderr.trim() || output.trim());
  return said || `It ended with exit code ${exitCode}, and said nothing.`;
}
