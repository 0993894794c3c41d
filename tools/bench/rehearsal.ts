import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { tail } from "../cdktf";
import { UserError } from "../project";
import { type Benchmark, seconds } from "./measure";

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
        { what: "rehearsal, all of it new", unit: "s", samples: [cold] },
        { what: "rehearsal, warm", unit: "s", samples: [warm], budget: { value: 180 } },
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function rehearseTwice(project: string, log: (line: string) => void): Promise<[number, number]> {
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
    const times: number[] = [];
    log("the first one");
    for await (const line of createInterface(rehearsal.stdout)) {
      const { succeeded, seconds: took } = JSON.parse(line) as { succeeded: boolean; seconds: number };
      if (!succeeded) break;
      times.push(took);
      if (times.length === 2) return [times[0]!, times[1]!];
      log("the second one");
      appendFileSync(join(project, "app/index.ts"), "// Changed.\n");
    }
    throw new UserError(`The rehearsal failed:\n${tail(said)}`);
  } finally {
    rehearsal.kill("SIGINT");
    await ended;
  }
}
