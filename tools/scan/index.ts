import { existsSync } from "node:fs";
import { join } from "node:path";
import { visible } from "../../shared/visible";
import { projectRoot, runCommand, UserError } from "../project";
import { plural } from "../review/phrase";
import { auditDependencies } from "./audit";
import type { Finding, Outcome } from "./finding";
import { iamFindings } from "./iam";
import { secretsBelow, secretsIn } from "./secrets";
import { type SynthesizedStack, synthesizedStacks } from "./synthesized";

/**
 * `npm run scan [-- SETTINGS]`: known holes of the dependencies, rights that the stacks of a settings file
 * (terraform.tfvars, else terraform.tfvars.example) give beyond the rules, and secrets in the stacks and in the
 * project's files. Everything is looked at, whatever is found on the way.
 */
runCommand(async () => {
  const [named, ...others] = process.argv.slice(2);
  if (others.length) throw new UserError("Name one file of settings, or none: npm run scan");
  const root = projectRoot();
  const own = "terraform.tfvars";
  const settings = named ?? (existsSync(own) ? own : join(root, "terraform.tfvars.example"));
  const stacks = synthesizedStacks(settings);
  const checks = await Promise.all([
    timed("dependencies", auditDependencies(root)),
    timed("rights", rights(stacks)),
    timed("secrets", secrets(root, stacks)),
  ]);
  for (const check of checks) tell(check);
  const failed = checks.filter(({ failure, findings }) => failure || findings.length);
  if (!failed.length) return 0;
  console.log(`\n${failed.length} of ${checks.length} checks failed.`);
  return 1;
});

interface Check extends Outcome {
  readonly name: string;
  readonly seconds: number;
  /** Why it could not look. */
  readonly failure?: string;
}

async function rights(stacks: Promise<readonly SynthesizedStack[]>): Promise<Outcome> {
  return { findings: (await stacks).flatMap(({ name, text }) => iamFindings(name, JSON.parse(text))) };
}

async function secrets(root: string, stacks: Promise<readonly SynthesizedStack[]>): Promise<Outcome> {
  const inStacks = stacks.then(
    (all) => all.flatMap(({ name, text }) => secretsIn(`stack ${name}, cdk.tf.json`, text)),
    // Why, is told with the rights.
    (): Finding[] => [
      { where: "stacks", what: "not looked through: there are none", mend: "Mend what is told above." },
    ],
  );
  return { findings: [...secretsBelow(root), ...(await inStacks)] };
}

async function timed(name: string, outcome: Promise<Outcome>): Promise<Check> {
  const start = performance.now();
  const seconds = () => (performance.now() - start) / 1000;
  try {
    return { name, ...(await outcome), seconds: seconds() };
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    return { name, findings: [], failure: error.message, seconds: seconds() };
  }
}

function tell({ name, seconds, failure, findings, notes = [] }: Check): void {
  const verdict = failure ? "not looked at" : findings.length ? plural(findings.length, "finding") : "sound";
  console.log(`${name}: ${verdict} (${seconds.toFixed(1)} s)`);
  for (const line of failure?.split("\n") ?? []) console.log(`  ${visible(line)}`);
  for (const { where, what, mend } of findings)
    console.log(`  ${visible(where)}: ${visible(what)}\n      ${visible(mend)}`);
  for (const note of notes) console.log(`  ${visible(note)}`);
}
