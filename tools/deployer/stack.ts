import { existsSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { z } from "zod";
import { type RunOptions, type RunResult, run } from "../cdktf";
import { UserError } from "../project";
import { terraform, withoutFrame } from "../toolchain";
import { Initialization } from "./initialization";
import { type Progress, readProgress } from "./progress";

/** What came of planning a stack: a plan, a failure, or both where Terraform failed on its way. */
export interface StackPlan {
  /** The saved plan. It holds secrets in clear text. */
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

/** As Terraform prints them, and as they are in a state, which says of one that is not sensitive nothing. */
const outputsSchema = z.record(
  z.string(),
  z.object({ sensitive: z.boolean().default(false), value: z.unknown() }),
);
const version = z.literal(4);
const stateSchema = z.object({ version, outputs: outputsSchema });
const resourceSchema = z.object({
  mode: z.enum(["managed", "data"]),
  module: z.string().optional(),
  type: z.string(),
  name: z.string(),
  instances: z.array(z.object({ index_key: z.union([z.string(), z.number()]).optional() })),
});
const resourcesSchema = z.object({ version, resources: z.array(resourceSchema) });

/** The saved plan in the stack's folder, where no other file is asked for. */
export const SAVED_PLAN = "slipway.tfplan";

/** Another deploy is waited for so long. */
const LOCK_TIMEOUT = "10m";

export interface StackOptions extends Pick<RunOptions, "env" | "logFile" | "signal"> {
  /** Of the stacks that it is initialized with. @default - it is initialized by itself */
  readonly initialization?: Initialization;
}

export interface ApplyOptions {
  /** Role to apply with in the stack's account. @default - the caller's own rights */
  readonly role?: string;
  /** Gets each line that Terraform prints for people. @default - nobody */
  readonly onLine?: (line: string) => void;
}

export interface PlanOptions {
  /** Plans to take away all that the stack has. @default false */
  readonly destroy?: boolean;
  /** Absolute path of the saved plan. @default - in the stack's folder, where the next plan takes its place */
  readonly file?: string;
}

export interface DeployOptions {
  /** A saved plan: that is applied, and nothing that is planned anew. @default - what is planned now */
  readonly plan?: string;
  /** Takes away all that the stack has, in place of bringing it up to date. @default false */
  readonly destroy?: boolean;
  readonly onProgress: (progress: Progress) => void;
}

/** A synthesized stack, as Terraform works on it. */
export class Stack {
  readonly name: string;
  private readonly initialization: Initialization;
  private initialized?: Promise<RunResult>;

  /** @param folder where `cdktf synth` has put it */
  constructor(
    readonly folder: string,
    private readonly options: StackOptions = {},
  ) {
    this.name = basename(folder);
    this.initialization = options.initialization ?? new Initialization();
  }

  initialize(): Promise<RunResult> {
    this.initialized ??= this.initialization.of(this.folder, () => this.terraform("init", ["-input=false"]));
    return this.initialized;
  }

  /**
   * Plans without a lock, so that nobody who deploys has to wait.
   *
   * @param role role to plan with in the stack's account; the caller's own rights where it is not given
   */
  async plan(role?: string, options: PlanOptions = {}): Promise<StackPlan> {
    const { destroy = false, file = join(this.folder, SAVED_PLAN) } = options;
    const init = await this.initialize();
    if (init.exitCode !== 0) return { failure: wordsOf(init) };
    const switches = ["-input=false", "-lock=false", `-out=${file}`, ...providerRole(role)];
    // Of an earlier plan: where this one fails, it would be taken for what came of it.
    rmSync(file, { force: true });
    const plan = await this.terraform("plan", destroy ? ["-destroy", ...switches] : switches);
    const failure = plan.exitCode === 0 ? {} : { failure: wordsOf(plan) };
    // Terraform keeps what it had planned when it failed.
    if (!existsSync(file)) return failure;
    const show = await this.terraform("show", ["-json", file]);
    if (show.exitCode !== 0) return { failure: wordsOf(show) };
    return { file, json: show.stdout, ...failure };
  }

  /**
   * Applies a saved plan: that, and nothing that is planned anew.
   *
   * @param file its absolute path
   */
  async apply(file: string, { role, onLine }: ApplyOptions = {}): Promise<RunResult> {
    const init = await this.initialize();
    if (init.exitCode !== 0) return init;
    return this.terraform("apply", [...APPLY, ...providerRole(role), file], { onLine });
  }

  /**
   * Brings the stack up to date, with the caller's own rights, and tells each step.
   *
   * @returns Terraform's own words where it failed
   */
  async deploy({ plan, destroy = false, onProgress }: DeployOptions): Promise<string | undefined> {
    const init = await this.initialize();
    if (init.exitCode !== 0) return wordsOf(init);
    const errors: string[] = [];
    const onLine = (line: string) => {
      const progress = readProgress(line);
      if (progress?.is === "error") errors.push(progress.words);
      else if (progress) onProgress(progress);
    };
    const what = plan ? [plan] : ["-auto-approve"];
    const result = await this.terraform(
      destroy && !plan ? "destroy" : "apply",
      ["-json", ...APPLY, ...what],
      {
        onLine,
      },
    );
    if (result.exitCode === 0) return undefined;
    if (errors.length) return errors.join("\n\n");
    // Its log is for programs: where it was killed, that tells nobody why.
    const output = result.output.split("\n").filter((line) => !line.startsWith("{"));
    return wordsOf({ ...result, output: output.join("\n") });
  }

  /** Whether a plan, without a lock, is empty. @throws UserError with Terraform's own words */
  async isUpToDate(): Promise<boolean> {
    const init = await this.initialize();
    const plan =
      init.exitCode === 0
        ? await this.terraform("plan", ["-detailed-exitcode", "-input=false", "-lock=false"])
        : init;
    if (plan.exitCode === 0 || plan.exitCode === 2) return plan.exitCode === 0;
    throw new UserError(`${this.name} cannot be planned.\n${wordsOf(plan)}`);
  }

  /** What the stack's last deploy put out: its state says, and where that is not to be had, Terraform does, or why it cannot. */
  async outputs(): Promise<StackOutputs> {
    const state = await this.inState(stateSchema);
    if (state) return { values: valuesOf(state.outputs) };
    const init = await this.initialize();
    if (init.exitCode !== 0) return { failure: wordsOf(init) };
    const output = await this.terraform("output", ["-json"]);
    if (output.exitCode !== 0) return { failure: wordsOf(output) };
    return { values: valuesOf(outputsSchema.parse(JSON.parse(output.stdout))) };
  }

  /** Addresses of what its state holds, data sources too. @throws UserError where it cannot be read */
  async resources(): Promise<string[]> {
    const state = await this.inState(resourcesSchema);
    if (state) return state.resources.flatMap(addressesOf);
    const init = await this.initialize();
    const list = init.exitCode === 0 ? await this.terraform("state list", []) : init;
    if (list.exitCode !== 0) throw new UserError(`What ${this.name} holds cannot be read.\n${wordsOf(list)}`);
    return list.stdout.split("\n").filter(Boolean);
  }

  /** What its state says, where it has this form. */
  private async inState<T>(schema: z.ZodType<T>): Promise<T | undefined> {
    // Most commands never ask, and need no client of S3.
    const { readState } = await import("./state");
    return schema.safeParse(await readState(this.folder, this.options.env)).data;
  }

  private async terraform(
    command: string,
    args: readonly string[],
    { onLine = () => {} }: Pick<RunOptions, "onLine"> = {},
  ): Promise<RunResult> {
    const { path } = await terraform();
    const { env, logFile, signal } = this.options;
    return run(path, [...command.split(" "), "-no-color", ...args], {
      cwd: this.folder,
      env: { ...env, TF_IN_AUTOMATION: "1" },
      logFile,
      signal,
      hearsOnlySignal: signal !== undefined,
      onLine,
    });
  }
}

function valuesOf(outputs: z.infer<typeof outputsSchema>): Record<string, unknown> {
  const told = Object.entries(outputs).filter(([, { sensitive }]) => !sensitive);
  return Object.fromEntries(told.map(([name, { value }]) => [name, value]));
}

/** As Terraform lists them. */
function addressesOf({ mode, module, type, name, instances }: z.infer<typeof resourceSchema>): string[] {
  const address = [module, mode === "data" && mode, type, name].filter(Boolean).join(".");
  return instances.map(({ index_key: key }) =>
    key === undefined ? address : `${address}[${JSON.stringify(key)}]`,
  );
}

const APPLY = ["-input=false", `-lock-timeout=${LOCK_TIMEOUT}`];

/** It is not stored in a plan, and so given again with each command. */
const providerRole = (role: string | undefined) => (role ? [`-var=provider_role_arn=${role}`] : []);

/** What a command says of its failure, without the frame that Terraform draws around it. */
export function wordsOf({ stderr, output, exitCode }: RunResult): string {
  const said = withoutFrame(stderr.trim() || output.trim());
  return said || `It ended with exit code ${exitCode}, and said nothing.`;
}
