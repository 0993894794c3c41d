import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { execa } from "execa";
import { projectRoot, UserError } from "../project";

export const MOTO_VERSION = "5.2.1";
/** Local AWS knows what these releases answer, and where that has to be mended. */
const FITTING = "5.2.";
const LEAST_PYTHON = [3, 9] as const;

/**
 * `moto_server` from PATH where its release fits, or from an environment of the project's own, which is made first
 * if need be.
 *
 * @throws UserError where there is no Python, or moto cannot be installed
 */
export async function motoServer(): Promise<string> {
  if (await fits("moto_server")) return "moto_server";
  const folder = join(projectRoot(), ".slipway/tools", `moto-${MOTO_VERSION}`);
  const bin = process.platform === "win32" ? "Scripts" : "bin";
  const server = join(folder, bin, "moto_server");
  // One that an interrupted install left, or whose Python has gone since, does not.
  if (await fits(server)) return server;

  const python = await findPython();
  rmSync(folder, { recursive: true, force: true });
  const requirement = `moto[all,server]==${MOTO_VERSION}`;
  const steps: [string, string[]][] = [
    [python, ["-m", "venv", folder]],
    [
      join(folder, bin, "python"),
      ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", requirement],
    ],
  ];
  for (const [command, args] of steps) {
    const { failed, all } = await execa(command, args, { reject: false, all: true });
    if (failed) {
      rmSync(folder, { recursive: true, force: true });
      const last = String(all ?? "")
        .trim()
        .split("\n")
        .slice(-5)
        .join("\n  ");
      throw new UserError(
        `moto ${MOTO_VERSION}, which Local AWS stands on, could not be installed:\n  ${last}\nInstall it by hand: python3 -m pip install '${requirement}', with moto_server on PATH.`,
      );
    }
  }
  return server;
}

/**
 * Whether a `moto_server` is of a release that fits, and has what its server needs.
 *
 * It has no switch that tells its release, and may be a script, a program or a version manager's stand-in. But
 * whatever Python it starts loads our `sitecustomize` first, and that asks.
 */
async function fits(command: string): Promise<boolean> {
  const probe = mkdtempSync(join(tmpdir(), "slipway-moto-"));
  try {
    writeFileSync(
      join(probe, "sitecustomize.py"),
      "import os, flask, moto\nprint('moto ' + moto.__version__, flush=True)\nos._exit(0)\n",
    );
    const path = [probe, process.env.PYTHONPATH].filter(Boolean).join(delimiter);
    const { stdout } = await execa(command, ["--help"], { reject: false, env: { PYTHONPATH: path } });
    return String(stdout).startsWith(`moto ${FITTING}`);
  } finally {
    rmSync(probe, { recursive: true, force: true });
  }
}

async function findPython(): Promise<string> {
  const looked: string[] = [];
  for (const command of ["python3", "python"]) {
    const { stdout, failed } = await execa(
      command,
      ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
      { reject: false },
    );
    if (failed) continue;
    const [major = 0, minor = 0] = String(stdout).trim().split(".").map(Number);
    if (major === LEAST_PYTHON[0] && minor >= LEAST_PYTHON[1]) return command;
    looked.push(`${command} is ${major}.${minor}`);
  }
  throw new UserError(
    `Local AWS needs Python ${LEAST_PYTHON.join(".")} or newer${looked.length ? ` (${looked.join(", ")})` : ", and there is none on PATH"}.
  Debian, Ubuntu:  sudo apt-get install python3 python3-venv
  macOS:           brew install python
  Windows:         winget install Python.Python.3.12`,
  );
}
