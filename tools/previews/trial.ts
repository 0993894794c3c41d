import { randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { stripVTControlCharacters } from "node:util";
import { execa } from "execa";
import { previewEnvironment, type Settings } from "../../settings";
import { PLAN_ARTIFACT } from "../../shared/names";
import { PREVIEW, PREVIEW_REGION, trialSlug } from "../../shared/previews";
import { tail } from "../cdktf";
import { runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import type { TRIAL_STEPS, TrialResult } from "./trial-result";

/** So much is kept of what a step said last. */
const LAST_LINES = 20;
const LAST_CHARACTERS = 4000;

/**
 * `npm run trial -- ENVIRONMENT REGION [FOLDER]`: deploys an environment under a name of the trial's own in a region,
 * releases in it the images that IMAGES names, runs the acceptance tests, and takes all of it away again, whatever
 * happened. Leaves what came of it in `FOLDER/REGION.json`, and ends with 0: the report of all regions fails.
 */
runCommand(async () => {
  const [of, region, folder = "trial", ...others] = process.argv.slice(2);
  if (!of || !region || others.length)
    throw new UserError("Name an environment and a region: npm run trial -- dev eu-west-1");
  const settings = await projectSettings();
  checkNames(settings, of, region);
  const { TRIAL_EXECUTION, CODEBUILD_BUILD_ID } = process.env;
  const slug = trialSlug(TRIAL_EXECUTION || CODEBUILD_BUILD_ID || randomUUID(), region);
  const { name } = previewEnvironment(settings, of, slug, region);
  console.log(`Tries ${of} in ${region}, as ${name}.`);
  const started = Date.now();
  const outcome = await tried(name, region);
  const result: TrialResult = {
    region,
    ...outcome,
    seconds: Math.round((Date.now() - started) / 1000),
    log: logOf(settings, CODEBUILD_BUILD_ID),
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${region}.json`), `${JSON.stringify(result, null, 2)}\n`);
  console.log(`${of} in ${region}: ${result.result}${result.step ? ` at ${result.step}` : ""}.`);
  return 0;
});

/** @throws UserError where there is no such environment, or it is no region */
function checkNames({ environments }: Settings, of: string, region: string): void {
  if (!Object.hasOwn(environments, of))
    throw new UserError(
      `There is no environment ${JSON.stringify(of)} in terraform.tfvars: it has ${Object.keys(environments).join(", ")}. Nothing was tried.`,
    );
  if (!/^[a-z]{2,3}(-[a-z]+)+-\d$/.test(region))
    throw new UserError(
      `${JSON.stringify(region)} is no region of AWS: name one as eu-west-1. Nothing was tried.`,
    );
}

type Step = (typeof TRIAL_STEPS)[number];

/** Why a step failed. */
type Failure = { readonly step: Step; readonly why: string };

/** Goes through the steps until one fails, and takes away in any case what they made. */
async function tried(name: string, region: string): Promise<Pick<TrialResult, "result" | "step" | "why">> {
  const interrupted = interruption();
  const environment: Record<string, string> = { [PREVIEW.variable]: name, [PREVIEW_REGION]: region };
  const run = (step: Step, args: readonly string[], more: Record<string, string> = {}) =>
    failureOf(step, args, { ...environment, ...more }, step === "teardown" ? undefined : interrupted);
  const plan = resolve("plan");
  // A saved plan of another trial must not be found.
  rmSync(plan, { recursive: true, force: true });
  const failure =
    (await run("synth", ["synth"])) ??
    (await run("plan", ["plan", "--", name, plan])) ??
    (await run("apply", ["apply", "--", name, plan], { PLAN_SHA256: hashIn(plan) })) ??
    (await run("release", ["release", "--", name, resolve("release")])) ??
    (await run("verify", ["verify", "--", name]));
  const left = await run("teardown", ["preview:teardown", "--", name]);
  if (failure && left) return { result: "failed", step: failure.step, why: `${failure.why}\n${left.why}` };
  return failure || left ? { result: "failed", ...(failure ?? left) } : { result: "passed" };
}

/**
 * Runs one of the commands that pipelines run, as they run it.
 *
 * @returns undefined where it succeeded
 */
async function failureOf(
  step: Step,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  cancelSignal: AbortSignal | undefined,
): Promise<Failure | undefined> {
  if (cancelSignal?.aborted) return { step, why: STOPPED };
  const { failed, exitCode, stdout, stderr, shortMessage } = await execa(
    "npm",
    ["run", "--silent", ...args],
    {
      env,
      stdin: "ignore",
      stdout: ["inherit", "pipe"],
      stderr: ["inherit", "pipe"],
      reject: false,
      cancelSignal,
      // A Terraform that is ended at once knows nothing of what it has just made.
      forceKillAfterDelay: false,
    },
  );
  if (!failed) return undefined;
  if (cancelSignal?.aborted) return { step, why: STOPPED };
  const said = stderr.trim() || stdout.trim() || (exitCode === undefined ? shortMessage : "");
  const why = said || `npm run ${args[0]} ended with exit code ${exitCode}, and said nothing.`;
  return { step, why: tail(stripVTControlCharacters(why), LAST_LINES).slice(-LAST_CHARACTERS) };
}

const STOPPED = "Somebody has stopped it.";

/** What `npm run plan` has left for `npm run apply`, which says what is wrong where there is none. */
function hashIn(folder: string): string {
  const file = join(folder, PLAN_ARTIFACT.variables);
  const variables = existsSync(file) ? readFileSync(file, "utf8") : "";
  return /^export PLAN_SHA256='([0-9a-f]{64})'$/m.exec(variables)?.[1] ?? "";
}

/** Aborted when the command is told to end, as CodeBuild does when somebody stops a build. */
function interruption(): AbortSignal {
  const controller = new AbortController();
  // npm passes on what the terminal sent already: it may come twice.
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => controller.abort());
  return controller.signal;
}

/** @param build of CodeBuild, as `project:id` */
function logOf({ account, region }: Settings, build: string | undefined): string | undefined {
  if (!build) return undefined;
  const [project] = build.split(":");
  return `https://${region}.console.aws.amazon.com/codesuite/codebuild/${account}/projects/${project}/build/${encodeURIComponent(build)}/log?region=${region}`;
}
