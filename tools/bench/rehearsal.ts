import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { tail } from "../cdktf";
import { UserError } from "../project";
import type { RehearsalRecord } from "../rehearse/report";
import { type Benchmark, type Measurement, seconds } from "./measure";

/**
 * A rehearsal of this project as it is committed, with its own packages, tests and two environments; and the next one,
 * after a change of the service, when all is warm. One sample of each: they take minutes.
 */
export const benchmark: Benchmark = {
  name: "rehearsal",
  isSlow: true,

  async run({ root, log }) {
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
    try {
      log("cloning, and installing");
      const project = join(folder, "project");
      await seconds("git", ["clone", "--quiet", root, project], { cwd: root });
      await seconds("npm", ["ci", "--no-audit", "--no-fund"], { cwd: project });
      const [cold, warm] = await rehearseTwice(project, log);
      return [
        { what: "rehearsal, all of it new", unit: "s", samples: [cold.seconds] },
        { what: "rehearsal, warm", unit: "s", samples: [warm.seconds], budget: { value: 180 } },
        ...stagesOf(warm),
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** How long each stage took: its longest action, since they go side by side. */
const stagesOf = ({ executions }: RehearsalRecord): Measurement[] =>
  executions.flatMap(({ stages }) =>
    stages.map(({ name, actions }) => ({
      what: `rehearsal, warm: ${name}`,
      unit: "s",
      samples: [Math.max(...actions.map(({ seconds = 0 }) => seconds))],
    })),
  );

/** @returns what came of both: one of which all is new, and one that is warm */
async function rehearseTwice(
  project: string,
  log: (line: string) => void,
): Promise<[RehearsalRecord, RehearsalRecord]> {
  const rehearsal = spawn(
    process.execPath,
    [join(project, "tools/run.mjs"), "tools/rehearse/index.ts", ...["--watch", "--approve", "--json", "-"]],
    { cwd: project, stdio: ["ignore", "pipe", "pipe"] },
  );
  const ended = once(rehearsal, "exit");
  let said = "";
  rehearsal.stderr.setEncoding("utf8").on("data", (text: string) => {
    said += text;
  });
  try {
    let cold: RehearsalRecord | undefined;
    log("the first one");
    for await (const line of createInterface(rehearsal.stdout)) {
      const record = JSON.parse(line) as RehearsalRecord;
      if (!record.succeeded) break;
      if (cold) return [cold, record];
      cold = record;
      log("the second one");
      appendFileSync(join(project, "app/index.ts"), "// Changed.\n");
    }
    throw new UserError(`The rehearsal failed:\n${tail(said)}`);
  } finally {
    rehearsal.kill("SIGINT");
    await ended;
  }
}
