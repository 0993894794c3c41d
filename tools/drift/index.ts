import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { planRoleArn } from "../../shared/names";
import { inParallel } from "../../shared/parallel";
import { legible } from "../../shared/visible";
import { plansAtOnce } from "../deployer/capacity";
import { Initialization } from "../deployer/initialization";
import { Stack } from "../deployer/stack";
import { readEnvironment } from "../pipeline/environment";
import { runCommand, UserError } from "../project";
import { render } from "../review/render";
import { type Comparison, compare, reportOf } from "./compare";

const USAGE = "Usage: npm run drift -- ENVIRONMENT... [--report FOLDER]";

/**
 * `npm run drift -- ENVIRONMENT...`: plans environments from the stacks that are synthesized here, with the roles that
 * only read, and tells what differs from them. Nothing is changed, and nobody who deploys has to wait.
 *
 * @returns 0: nothing differs; 2: something does; 1: one of them could not be planned
 */
async function main(): Promise<number> {
  const { environments, folder } = parse(process.argv.slice(2));
  // Each named wrongly is told before the first is planned.
  const read = [];
  for (const name of new Set(environments)) read.push({ name, ...(await readEnvironment(name)) });
  if (folder !== undefined) makeFolder(folder);
  const initialization = new Initialization();
  const comparisons = await inParallel(
    read,
    plansAtOnce(),
    async ({ name, settings, environment, folder: stack }): Promise<[string, Comparison]> => {
      const role = planRoleArn(settings, environment);
      const { json, failure } = await new Stack(stack, { initialization }).plan(role);
      return [name, compare({ name, plan: json, failure })];
    },
  );
  for (const [name, comparison] of comparisons) process.stdout.write(told(name, comparison));
  if (folder !== undefined) {
    const report = reportOf(read[0]!.settings.project, new Date(), comparisons);
    writeFileSync(join(folder, "drift.json"), `${JSON.stringify(report, null, 2)}\n`);
  }
  const found = new Set(comparisons.map(([, { is }]) => is));
  return found.has("failed") ? 1 : found.has("drifted") ? 2 : 0;
}

function parse(args: string[]): { environments: string[]; folder?: string } {
  try {
    const { values, positionals } = parseArgs({
      args,
      allowPositionals: true,
      options: { report: { type: "string" } },
    });
    if (positionals.length === 0) throw new Error("No environment is named.");
    if (values.report === "") throw new Error("--report is empty; it is a folder.");
    return { environments: positionals, folder: values.report };
  } catch (error) {
    throw new UserError(`${(error as Error).message}\n${USAGE}`);
  }
}

/** Before all is planned for a report that cannot be kept. */
function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch (error) {
    throw new UserError(
      `--report ${folder} cannot be made: ${(error as Error).message}. Name a folder that is there, or can be.`,
    );
  }
}

function told(name: string, comparison: Comparison): string {
  switch (comparison.is) {
    case "as released":
      return `${name} is as it was released.\n`;
    case "failed":
      return `${name} cannot be planned.\n${legible(comparison.reason)}\n`;
    case "drifted": {
      const { text } = render(comparison.reviewed, { format: "text", limit: 0, whole: "" });
      return `${name} is not as it was released: ${comparison.summary}.\n\n${text}`;
    }
  }
}

runCommand(main);
