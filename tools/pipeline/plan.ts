import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PLAN_ARTIFACT, type PLAN_VARIABLES, planRoleArn } from "../../shared/names";
import { Stack } from "../deployer/stack";
import { runCommand, UserError } from "../project";
import { costText } from "../review/cost";
import { verdict } from "../review/layout";
import { plainText } from "../review/phrase";
import { toJson } from "../review/review";
import { readEnvironment } from "./environment";
import { planAndReview, type ReviewedPlan } from "./reviewed-plan";

/** An approval's message takes a thousand characters, and says more than this. */
const LONGEST_SUMMARY = 400;

/**
 * `npm run plan -- ENVIRONMENT FOLDER`: plans an environment's synthesized stack with the role that only reads, and
 * leaves in the folder the plan to be approved and applied, what it means, and its hash.
 */
runCommand(async () => {
  const [name, folder, ...others] = process.argv.slice(2);
  if (!name || !folder || others.length)
    throw new UserError("Name an environment and a folder for its plan: npm run plan -- dev plan");
  const { settings, environment, folder: stack } = await readEnvironment(name);
  const planned = await planAndReview(new Stack(stack), name, planRoleArn(settings, environment));
  const { file, reviewed, text } = planned;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const write = (artifact: string, content: string) => writeFileSync(join(folder, artifact), content);
  copyFileSync(file, join(folder, PLAN_ARTIFACT.plan));
  const lock = join(stack, ".terraform.lock.hcl");
  if (existsSync(lock)) copyFileSync(lock, join(folder, PLAN_ARTIFACT.providers));
  write(PLAN_ARTIFACT.reviewText, text);
  write(PLAN_ARTIFACT.reviewJson, `${toJson(reviewed)}\n`);
  write(PLAN_ARTIFACT.variables, variables(planned, sha256(file)));
  console.log(text);
  return 0;
});

const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

/**
 * Assignments for a shell. That something drifted is no risk of the plan's: it only sets right what was configured.
 * The words are the plan's and hostile, so each is one quoted word.
 */
function variables({ reviewed, isEmpty }: ReviewedPlan, hash: string): string {
  const summary = plainText(verdict(reviewed)).slice(0, LONGEST_SUMMARY);
  const assignments: Record<(typeof PLAN_VARIABLES)[number], string> = {
    PLAN_SHA256: hash,
    PLAN_SUMMARY: summary,
    PLAN_RISKS: reviewed.risks.join(",") || "none",
    PLAN_IS_RISKY: reviewed.risks.some((risk) => risk !== "drift") ? "yes" : "no",
    PLAN_IS_EMPTY: isEmpty ? "yes" : "no",
    PLAN_COST: reviewed.plans.map(({ cost }) => costText(cost)).join("; "),
    PLAN_BUILD: encodeURIComponent(process.env.CODEBUILD_BUILD_ID ?? "none"),
  };
  return Object.entries(assignments)
    .map(([key, value]) => `export ${key}='${value.replaceAll("'", "'\\''")}'\n`)
    .join("");
}
