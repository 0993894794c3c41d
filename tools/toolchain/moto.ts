import { existsSync, rmSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { projectRoot, UserError } from "../project";

export const MOTO_VERSION = "5.2.1";
const LEAST_PYTHON = [3, 9] as const;

/**
 * `moto_server` from PATH, or from an environment of the project's own, which is made first if need be.
 *
 * @throws UserError where there is no Python, or moto cannot be installed
 */
export async function motoServer(): Promise<string> {
  const { exitCode } = await execa("moto_server", ["--help"], { reject: false });
  if (exitCode === 0) return "moto_server";
  const folder = join(projectRoot(), ".slipway/tools", `moto-${MOTO_VERSION}`);
  const bin = process.platform === "win32" ? "Scripts" : "bin";
  const server = join(folder, bin, "moto_server");
  if (existsSync(server)) return server;

  const python = await findPython();
  // What an interrupted install left is no environment.
  rmSync(folder, { recursive: true, force: true });
  const steps: [string, string[]][] = [
    [python, ["-m", "venv", folder]],
    [
      join(folder, bin, "python"),
      ["-m", "pip", "install", "--disable-pip-version-check", "--quiet", `moto[all,server]==${MOTO_VERSION}`],
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
        `moto ${MOTO_VERSION}, which Local AWS stands on, could not be installed:\n  ${last}\nInstall it by hand: python3 -m pip install 'moto[all,server]==${MOTO_VERSION}', with moto_server on PATH.`,
      );
    }
  }
  return server;
}

async function findPython(): Promise<string> {
  const looked: string[] = [];
  for (const command of ["python3", "python"]) {
    const { stdout, failed } = await execa(
      command,
      ["-c", "import sys; print('%d.%d' % sys.version_info[:2])"],
      {
        reject: false,
      },
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
