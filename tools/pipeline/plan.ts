import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PLAN_ARTIFACT, planRoleArn } from "../../shared/names";
import { runCommand, UserError } from "../project";
import { verdict } from "../review/layout";
import { plainText } from "../review/phrase";
import { type Plan, PlanError, readPlan } from "../review/plan";
import { render } from "../review/render";
import { type Review, review, toJson } from "../review/review";
import { Stack } from "../stack";
import { readEnvironment } from "./environment";

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
  const { file, json, failure } = await new Stack(stack).plan(planRoleArn(settings, environment));
  // A plan that failed on its way is none to approve.
  if (failure !== undefined || file === undefined || json === undefined)
    throw new UserError(`${name} cannot be planned.\n${failure ?? "Terraform left no plan."}`);

  const reviewed = review([understood(name, json)]);
  const { text } = render(reviewed, { format: "text", limit: 0, whole: "" });
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const write = (artifact: string, content: string) => writeFileSync(join(folder, artifact), content);
  copyFileSync(file, join(folder, PLAN_ARTIFACT.plan));
  const lock = join(stack, ".terraform.lock.hcl");
  if (existsSync(lock)) copyFileSync(lock, join(folder, PLAN_ARTIFACT.providers));
  write(PLAN_ARTIFACT.reviewText, text);
  write(PLAN_ARTIFACT.reviewJson, `${toJson(reviewed)}\n`);
  write(PLAN_ARTIFACT.variables, variables(reviewed, sha256(file)));
  console.log(text);
  return 0;
});

/** @throws UserError where the review does not understand the plan: nobody could approve it */
function understood(name: string, json: string): Plan {
  try {
    return readPlan(name, json);
  } catch (error) {
    if (!(error instanceof PlanError)) throw error;
    throw new UserError(`The plan of ${name} is not reviewed, and so not for approval: ${error.message}`);
  }
}

const sha256 = (file: string) => createHash("sha256").update(readFileSync(file)).digest("hex");

/**
 * Assignments for a shell. That something drifted is no risk of the plan's: it only sets right what was configured.
 * The words are the plan's and hostile, so each is one quoted word.
 */
function variables(reviewed: Review, hash: string): string {
  const summary = plainText(verdict(reviewed)).slice(0, LONGEST_SUMMARY);
  const assignments = {
    PLAN_SHA256: hash,
    PLAN_SUMMARY: summary,
    PLAN_RISKS: reviewed.risks.join(",") || "none",
    PLAN_IS_RISKY: reviewed.risks.some((risk) => risk !== "drift") ? "yes" : "no",
  };
  return Object.entries(assignments)
    .map(([key, value]) => `export ${key}='${value.replaceAll("'", "'\\''")}'\n`)
    .join("");
}
