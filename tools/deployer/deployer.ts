import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inParallel } from "../../shared/parallel";
import { UserError } from "../project";
import { PlanError, readPlan } from "../review/plan";
import { type FailedPlan, type Review, review } from "../review/review";
import type { AppliedStacks, Basis } from "./applied";
import { appliesAtOnce, plansAtOnce } from "./capacity";
import { Initialization } from "./initialization";
import { inOrder, waves } from "./order";
import { type Changes, isNoChange, type Progress } from "./progress";
import { Stack, type StackOptions } from "./stack";
import { reversed, type SynthesizedStack } from "./stacks";

/** What became of a stack. */
export interface Result {
  readonly name: string;
  readonly outcome: "applied" | "unchanged" | "skipped" | "failed" | "left out";
  /** Where it was applied. */
  readonly changes?: Changes;
  /** Of one that is skipped: when it was applied as it is now. */
  readonly since?: Date;
  /** Terraform's own words. */
  readonly failure?: string;
  readonly warnings: readonly string[];
}

/** What happens to a stack. */
export type News =
  | { readonly stack: string; readonly is: "planning" }
  | { readonly stack: string; readonly is: "planned"; readonly failed: boolean }
  | {
      readonly stack: string;
      readonly is: "applying";
      /** Changes that are done. */
      readonly done: number;
      /** All that are planned. */
      readonly total: number;
      readonly step: "first" | "began" | "ended";
      /** Terraform's, of that step. */
      readonly words: string;
    }
  | { readonly stack: string; readonly is: "ended"; readonly result: Result };

/** All plans of a round, read as one. */
export interface PlannedRound {
  readonly reviewed: Review;
  /** Whether anything would be done. */
  readonly isEmpty: boolean;
}

export interface DeployerProps extends Pick<StackOptions, "env" | "signal"> {
  readonly stacks: readonly SynthesizedStack[];
  /** Takes them away, in the other order. @default false */
  readonly destroy?: boolean;
  /** Remembers what is applied. @default - it is not remembered */
  readonly applied?: AppliedStacks;
  /** Leaves out what is remembered as applied as it is now. @default false */
  readonly skipUnchanged?: boolean;
  /** So many stacks at once. @default - as many as cores and memory carry */
  readonly atOnce?: number;
  readonly onNews: (news: News) => void;
  /** Shows some stacks while they are planned, or applied. @default - nothing is shown */
  readonly during?: <T>(stacks: readonly string[], work: () => Promise<T>) => Promise<T>;
}

/**
 * Plans and applies many stacks: each after those that it stands on, side by side where none stands on the other, with
 * one `terraform init` for all.
 */
export class Deployer {
  private readonly initialization = new Initialization();
  private readonly results = new Map<string, Result>();
  private readonly isDestroy: boolean;
  private readonly ordered: readonly SynthesizedStack[];
  private isStopped = false;

  constructor(private readonly props: DeployerProps) {
    this.isDestroy = props.destroy ?? false;
    this.ordered = this.isDestroy ? reversed(props.stacks) : props.stacks;
  }

  /** Begins with no other stack. Those that it has begun with come to their end. */
  stop(): void {
    this.isStopped = true;
  }

  /** Plans all of them, as if all that they stand on was there already. Changes nothing. */
  async plan(): Promise<PlannedRound> {
    return withPlansFolder(async (folder) => read(await this.planAll(this.ordered, folder)));
  }

  /** Applies what is planned now, unasked. */
  async apply(): Promise<readonly Result[]> {
    await this.during(this.ordered, () =>
      inOrder(this.ordered, this.props.atOnce ?? appliesAtOnce(), async (synthesized) => {
        if (this.isStopped) return false;
        return (await this.skip(synthesized)) || this.applyOne(synthesized);
      }),
    );
    return this.all();
  }

  /**
   * Plans, asks, and applies just what was planned: a round for those that stand on nothing, one for those after them, and
   * so on, as these can be planned only then.
   *
   * @param ask gets a round's plans, and says whether they are applied
   */
  async applyAsked(ask: (round: PlannedRound) => Promise<boolean>): Promise<readonly Result[]> {
    await withPlansFolder((folder) => this.applyRounds(ask, folder));
    return this.all();
  }

  private async applyRounds(
    ask: (round: PlannedRound) => Promise<boolean>,
    plansFolder: string,
  ): Promise<void> {
    for (const wave of waves(this.ordered)) {
      if (this.isStopped) break;
      const left = wave.filter(({ dependencies }) => dependencies.every((name) => this.succeeded(name)));
      const skipped = await inParallel(left, plansAtOnce(), (one) => this.skip(one));
      const planned = await this.planAll(
        left.filter((_, index) => !skipped[index]),
        plansFolder,
      );
      const round = read(planned);
      for (const { synthesized, failure } of planned)
        if (failure !== undefined)
          this.end({ ...NOTHING, name: synthesized.name, outcome: "failed", failure });
      if (this.isStopped || (!round.isEmpty && !(await ask(round)))) break;
      const good = planned.flatMap(({ synthesized, file, failure, basis }) => {
        const { counts } = round.reviewed.plans.find(({ name }) => name === synthesized.name) ?? {};
        const plan = file === undefined ? undefined : { file, total: totalOf(counts), basis };
        return plan && failure === undefined ? [{ synthesized, plan }] : [];
      });
      await this.during(
        good.map(({ synthesized }) => synthesized),
        () =>
          inParallel(good, this.props.atOnce ?? appliesAtOnce(), async ({ synthesized, plan }) => {
            if (!this.isStopped) await this.applyOne(synthesized, plan);
          }),
      );
    }
  }

  private planAll(stacks: readonly SynthesizedStack[], folder: string): Promise<Planned[]> {
    const { onNews, atOnce = plansAtOnce() } = this.props;
    return this.during(stacks, () =>
      inParallel(stacks, atOnce, async (synthesized) => {
        if (this.isStopped) return { synthesized };
        const { name: stack } = synthesized;
        onNews({ stack, is: "planning" });
        const terraform = this.stackOf(synthesized);
        const basis = await this.basisOf(synthesized, terraform);
        const file = join(folder, `${stack}.tfplan`);
        const plan = await terraform.plan(undefined, { destroy: this.isDestroy, file });
        onNews({ stack, is: "planned", failed: plan.failure !== undefined });
        return { synthesized, basis, ...plan };
      }),
    );
  }

  private during<T>(stacks: readonly SynthesizedStack[], work: () => Promise<T>): Promise<T> {
    const names = stacks.map(({ name }) => name);
    return this.props.during && names.length ? this.props.during(names, work) : work();
  }

  /** @returns whether it succeeded */
  private async applyOne(synthesized: SynthesizedStack, plan?: SavedPlan): Promise<boolean> {
    const { name, folder } = synthesized;
    const { onNews, applied } = this.props;
    const warnings: string[] = [];
    let [done, total] = [0, plan?.total ?? 0];
    let changes: Changes = { add: 0, change: 0, destroy: 0 };
    onNews(
      plan
        ? { stack: name, is: "applying", done, total, step: "first", words: "" }
        : { stack: name, is: "planning" },
    );
    const onProgress = (progress: Progress) => {
      if (progress.is === "planned") total = totalOf(progress.changes);
      if (progress.is === "applied") changes = progress.changes;
      if (progress.is === "warning") warnings.push(progress.words);
      if (progress.is === "ended") done++;
      if (progress.is === "began" || progress.is === "ended")
        onNews({ stack: name, is: "applying", done, total, step: progress.is, words: progress.words });
    };
    const terraform = this.stackOf(synthesized);
    const basis = plan ? plan.basis : await this.basisOf(synthesized, terraform);
    applied?.forget(folder);
    const failure = await terraform.deploy({ plan: plan?.file, destroy: this.isDestroy, onProgress });
    if (failure === undefined && basis) await applied?.remember(synthesized, basis);
    const outcome = failure !== undefined ? "failed" : isNoChange(changes) ? "unchanged" : "applied";
    this.end({ name, outcome, failure, changes, warnings });
    return failure === undefined;
  }

  /** @returns undefined where nothing will be remembered */
  private async basisOf(synthesized: SynthesizedStack, stack: Stack): Promise<Basis | undefined> {
    if (this.isDestroy || !this.props.applied) return undefined;
    // It chooses the provider, which belongs to the basis.
    await stack.initialize();
    return this.props.applied.basis(synthesized);
  }

  private async skip(synthesized: SynthesizedStack): Promise<boolean> {
    const { name } = synthesized;
    const { applied, skipUnchanged } = this.props;
    const since = skipUnchanged && !this.isDestroy ? await applied?.when(synthesized) : undefined;
    if (since) this.end({ ...NOTHING, name, outcome: "skipped", since });
    return since !== undefined;
  }

  private stackOf({ folder }: SynthesizedStack): Stack {
    const { env, signal } = this.props;
    return new Stack(folder, { env, signal, initialization: this.initialization });
  }

  private succeeded(name: string): boolean {
    const { outcome } = this.results.get(name) ?? { outcome: "left out" };
    return outcome !== "failed" && outcome !== "left out";
  }

  private end(result: Result): void {
    this.results.set(result.name, result);
    this.props.onNews({ stack: result.name, is: "ended", result });
  }

  /** In the order of the settings; what was not begun with was left out. */
  private all(): readonly Result[] {
    return this.props.stacks.map(
      ({ name }) => this.results.get(name) ?? { ...NOTHING, name, outcome: "left out" },
    );
  }
}

/** Of a stack that Terraform was not asked to apply. */
const NOTHING = { warnings: [] } as const;

interface SavedPlan {
  readonly file: string;
  /** Its changes. */
  readonly total: number;
  readonly basis?: Basis;
}

/** Plans hold secrets in clear text, and what is applied is just what was shown: they lie where no other run writes. */
async function withPlansFolder<T>(work: (folder: string) => Promise<T>): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), "slipway-plans-"));
  try {
    return await work(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const totalOf = ({ add, change, destroy }: Changes = { add: 0, change: 0, destroy: 0 }) =>
  add + change + destroy;

interface Planned {
  readonly synthesized: SynthesizedStack;
  /** The saved plan. */
  readonly file?: string;
  readonly json?: string;
  readonly failure?: string;
  readonly basis?: Basis;
}

/** @throws UserError where a plan is not understood: nobody could approve it */
function read(planned: readonly Planned[]): PlannedRound {
  const failed: FailedPlan[] = [];
  const plans = planned.flatMap(({ synthesized: { name }, json, failure }) => {
    if (failure !== undefined) failed.push({ name, failure });
    else if (json === undefined) failed.push({ name, failure: "It was not planned." });
    if (json === undefined) return [];
    try {
      return [readPlan(name, json)];
    } catch (error) {
      if (!(error instanceof PlanError)) throw error;
      throw new UserError(`The plan of ${name} is not understood, and so not for approval: ${error.message}`);
    }
  });
  const reviewed = review(plans, failed);
  const isEmpty = Object.values(reviewed.counts).every((count) => count === 0);
  return { reviewed, isEmpty };
}
