import { join, resolve } from "node:path";
import { legible } from "../../shared/visible";
import { checkCaller } from "../caller";
import { synthesize } from "../cdktf";
import { projectRoot, runCommand, UserError } from "../project";
import { render } from "../review/render";
import type { Review } from "../review/review";
import { projectSettings } from "../settings";
import { terraform } from "../toolchain";
import { AppliedStacks } from "./applied";
import { Deployer, type PlannedRound, type Result } from "./deployer";
import { type Options, readOptions } from "./options";
import { resultText, Show } from "./show";
import { readStacks, type SynthesizedStack, select } from "./stacks";

/** Where a synth leaves the stacks. */
const OUTPUT = "cdktf.out";

/**
 * `npm run deploy -- STACK...`: plans the stacks, shows what would change, asks, and applies just that; each stack after
 * those that it stands on, and side by side where they do not.
 */
runCommand(async () => {
  const options = readOptions(process.argv.slice(2));
  const { plan, autoApprove, destroy } = options;
  if (!plan && !autoApprove && !process.stdin.isTTY)
    throw new UserError(
      "There is no terminal to ask whether to apply the plans. Only plan, with --plan, or add --auto-approve to apply them unasked.",
    );
  await checkCaller(await projectSettings());
  if (!options.synthesized) {
    const { exitCode, output } = await synthesize({ output: OUTPUT, onLine: () => {} });
    if (exitCode !== 0) throw new UserError(output);
  }
  const all = readStacks(resolve(OUTPUT));
  const stacks = select(all, options.patterns);
  if (destroy) checkNothingStandsOn(stacks, all);
  const abort = new AbortController();
  const deployer = await deployerOf(stacks, options, abort);
  if (plan) {
    const { reviewed } = await deployer.plan();
    console.log(textOf(reviewed));
    return reviewed.failed.length ? 1 : 0;
  }
  return tell(
    autoApprove ? await deployer.apply() : await deployer.applyAsked((round) => ask(round, abort.signal)),
  );
});

/** @throws UserError where a stack that is not meant stands on one that is */
function checkNothingStandsOn(meant: readonly SynthesizedStack[], all: readonly SynthesizedStack[]): void {
  const names = new Set(meant.map(({ name }) => name));
  const standing = all
    .filter(({ name, dependencies }) => !names.has(name) && dependencies.some((one) => names.has(one)))
    .map(({ name }) => name);
  if (standing.length)
    throw new UserError(
      `${standing.join(", ")} would be left without what ${standing.length > 1 ? "they stand" : "it stands"} on. Name ${standing.length > 1 ? "them" : "it"} as well: what is not deployed stays as it is. Nothing was destroyed.`,
    );
}

async function deployerOf(
  stacks: readonly SynthesizedStack[],
  options: Options,
  abort: AbortController,
): Promise<Deployer> {
  const show = new Show();
  const deployer = new Deployer({
    stacks,
    destroy: options.destroy,
    applied: new AppliedStacks(join(projectRoot(), ".slipway/applied"), (await terraform()).version),
    skipUnchanged: options.skipUnchanged,
    atOnce: options.atOnce,
    signal: abort.signal,
    onNews: show.tell,
    during: show.during,
  });
  // Each Terraform is told once, and comes to an end that leaves nothing locked. Once more, and it would not.
  for (const signal of ["SIGINT", "SIGTERM"])
    process.on(signal, () => {
      deployer.stop();
      abort.abort();
    });
  return deployer;
}

async function ask({ reviewed }: PlannedRound, signal: AbortSignal): Promise<boolean> {
  console.log(`\n${textOf(reviewed)}`);
  const { confirm } = await import("@inquirer/prompts");
  // Ctrl-C is a no as well, and SIGTERM.
  return confirm({ message: "Apply just this?", default: false }, { signal }).catch(() => false);
}

const textOf = (reviewed: Review) => render(reviewed, { format: "text", limit: 0, whole: "" }).text;

/** @returns the exit code */
function tell(results: readonly Result[]): number {
  for (const result of results) if (result.outcome === "left out") console.log(resultText(result));
  for (const words of new Set(results.flatMap(({ warnings }) => warnings))) {
    const warned = results.filter(({ warnings }) => warnings.includes(words)).map(({ name }) => name);
    console.log(`\n${warned.join(", ")}: warning: ${legible(words)}`);
  }
  for (const { name, failure } of results)
    if (failure !== undefined)
      console.error(`\n${name} failed, or not all of it was done.\n${legible(failure)}`);
  return results.every(({ outcome }) => outcome !== "failed" && outcome !== "left out") ? 0 : 1;
}
