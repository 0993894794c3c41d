import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { XMLBuilder } from "fast-xml-parser";
import { visible } from "../../shared/visible";
import { runCommand, UserError } from "../project";
import { type TrialResult, trialResultSchema } from "./trial-result";

const REPORTS = ".slipway/reports";

/**
 * `npm run trial:report -- FOLDER REGION...`: prints what came of a trial in each region, and leaves it in
 * `.slipway/reports/trial.xml` for CodeBuild's report.
 *
 * @returns 1 where one has failed, or has left nothing
 */
runCommand(async () => {
  const [folder, ...regions] = process.argv.slice(2);
  if (!folder || regions.length === 0)
    throw new UserError(
      "Name the folder of the results, and the regions: npm run trial:report -- trial eu-west-1 us-east-1",
    );
  const results = regions.map((region) => readResult(folder, region));
  console.log(table(results));
  for (const { region, step, why } of results)
    if (why)
      console.log(
        ["", `${region}${step ? `, ${step}` : ""}:`, ...safe(why).map((line) => `  ${line}`)].join("\n"),
      );
  mkdirSync(REPORTS, { recursive: true });
  writeFileSync(join(REPORTS, "trial.xml"), junit(results));
  return results.every(({ result }) => result === "passed") ? 0 : 1;
});

/** What a trial has left. One that left nothing may have left its environment, too: it has failed. */
function readResult(folder: string, region: string): TrialResult {
  const file = join(folder, `${region}.json`);
  const failed = { region, result: "failed", seconds: 0 } as const;
  if (!existsSync(file))
    return {
      ...failed,
      why: "It has left no result: its build has died. What it made is taken away three hours later.",
    };
  try {
    const result = trialResultSchema.parse(JSON.parse(readFileSync(file, "utf8")));
    if (result.region === region) return result;
    return { ...failed, why: `${file} is of another region: ${visible(result.region)}.` };
  } catch {
    return {
      ...failed,
      why: `${file} is not what this version of the project leaves. Release a change anew.`,
    };
  }
}

function table(results: readonly TrialResult[]): string {
  const rows = [
    ["region", "result", "failed at", "minutes", "log"],
    ...results.map(({ region, result, step, seconds, log }) => [
      region,
      result,
      step ?? "",
      (seconds / 60).toFixed(1),
      visible(log ?? ""),
    ]),
  ];
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]!))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

/** Words of commands are hostile: they may hold what moves a terminal's cursor, and what XML does not take. */
function safe(words: string): string[] {
  return words.split("\n").map(visible);
}

/** As a test of each region. */
function junit(results: readonly TrialResult[]): string {
  const builder = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: "@", format: true });
  const failures = results.filter(({ result }) => result === "failed").length;
  return builder.build({
    testsuites: {
      testsuite: {
        "@name": "trial",
        "@tests": results.length,
        "@failures": failures,
        testcase: results.map(({ region, result, step, why, seconds, log }) => ({
          "@classname": "trial",
          "@name": region,
          "@time": seconds,
          ...(result === "failed" && {
            failure: {
              "@message": step ? `failed at ${step}` : "failed",
              "#text": [...safe(why ?? ""), ...(log ? [visible(log)] : [])].join("\n"),
            },
          }),
        })),
      },
    },
  });
}
