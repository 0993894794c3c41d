import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import type { EnvironmentSettings, Settings } from "../../settings";
import { planRoleArn } from "../../shared/names";
import { type RunResult, run } from "../cdktf";
import { inParallel } from "../parallel";
import { projectRoot } from "../project";
import { terraform } from "../toolchain";

/** What came of planning an environment: a plan, a failure, or both where Terraform failed on its way. */
export interface PlannedEnvironment {
  readonly name: string;
  /** As `terraform show -json` writes it. It holds secrets in clear text. */
  readonly plan?: string;
  /** Terraform's own words. */
  readonly failure?: string;
}

/** What stands for all environments where the stacks cannot even be synthesized. */
const SYNTH = "synth";

/** Each Terraform and its provider take half a gigabyte. */
const SIDE_BY_SIDE = Math.min(4, Math.max(2, availableParallelism()));

/**
 * Plans every environment, side by side: with the role that only reads, and without a lock, so that nobody who
 * deploys has to wait. Never throws for what stands in the configuration: that is a failure, and told.
 *
 * @param log gets a line for each step
 */
export async function planEnvironments(
  settings: Settings,
  log: (line: string) => void,
): Promise<PlannedEnvironment[]> {
  // Only its owner may look into it, and it goes: plans hold secrets.
  const folder = mkdtempSync(join(tmpdir(), "slipway-plans-"));
  try {
    log("Synthesizes the stacks");
    const synth = await run(process.execPath, [join(projectRoot(), "tools/run.mjs"), "main.ts"], {
      env: { CDKTF_OUTDIR: folder, SLIPWAY_APP: undefined },
      onLine: () => {},
    });
    if (synth.exitCode !== 0) return [{ name: SYNTH, failure: wordsOf(synth) }];
    const plans = Object.values(settings.environments).map(
      (environment) =>
        new EnvironmentPlan(
          environment,
          planRoleArn(settings, environment),
          join(folder, "stacks", environment.name),
        ),
    );
    // Where the provider has to be fetched, one does it, and the others find it.
    const fetched = plans[0]?.initialize();
    return await inParallel(plans, SIDE_BY_SIDE, async (plan) => {
      await fetched;
      const planned = await plan.make();
      log(`${planned.name}: ${planned.failure ? "cannot be planned" : "planned"}`);
      return planned;
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** One environment's stack, synthesized, on its way to a plan. */
class EnvironmentPlan {
  private initialized?: Promise<RunResult>;

  constructor(
    private readonly environment: EnvironmentSettings,
    private readonly role: string,
    private readonly folder: string,
  ) {}

  initialize(): Promise<RunResult> {
    this.initialized ??= this.terraform("init", "-input=false");
    return this.initialized;
  }

  async make(): Promise<PlannedEnvironment> {
    const { name } = this.environment;
    const init = await this.initialize();
    if (init.exitCode !== 0) return { name, failure: wordsOf(init) };
    const file = "slipway.tfplan";
    const plan = await this.terraform(
      "plan",
      "-input=false",
      "-lock=false",
      `-out=${file}`,
      `-var=provider_role_arn=${this.role}`,
    );
    const failure = plan.exitCode === 0 ? {} : { failure: wordsOf(plan) };
    // Terraform keeps what it had planned when it failed.
    if (!existsSync(join(this.folder, file))) return { name, ...failure };
    const show = await this.terraform("show", "-json", file);
    if (show.exitCode !== 0) return { name, failure: wordsOf(show) };
    return { name, plan: show.stdout, ...failure };
  }

  private async terraform(command: string, ...switches: string[]): Promise<RunResult> {
    const { path } = await terraform();
    return run(path, [command, ...switches, "-no-color"], {
      cwd: this.folder,
      env: { TF_IN_AUTOMATION: "1" },
      onLine: () => {},
    });
  }
}

/** What a command says of its failure, without the frame that Terraform draws around it. */
function wordsOf({ stderr, output, exitCode }: RunResult): string {
  const said = (stderr.trim() || output.trim()).replace(/^[╷│╵] ?/gm, "").trim();
  return said || `It ended with exit code ${exitCode}, and said nothing.`;
}
