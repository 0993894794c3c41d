import { spawn } from "node:child_process";
import { createWriteStream, mkdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { projectRoot, UserError } from "./project";
import { cdktfSwitches, terraformEnvironment } from "./toolchain";

export interface RunOptions {
  /** Folder that holds cdktf.json and terraform.tfvars. @default - this one */
  readonly cwd?: string;
  /** Beside the process's own. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** File that gets everything the command prints. @default - it is printed here */
  readonly logFile?: string;
  /** Gets each line that the command prints. @default - nobody */
  readonly onLine?: (line: string) => void;
  /** Ends the command. @default - it comes to its end */
  readonly signal?: AbortSignal;
  /** Keeps from it what a terminal or a runner sends to all processes at once: told twice, Terraform leaves its lock. @default false */
  readonly hearsOnlySignal?: boolean;
}

export interface RunResult {
  readonly exitCode: number;
  /** All that it printed, as it came; "" where it was printed here. */
  readonly output: string;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a command, in the environment that `cdktf` and Terraform need. */
export async function run(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<RunResult> {
  const { cwd, env, logFile, onLine, signal, hearsOnlySignal = false } = options;
  const bin = join(projectRoot(), "node_modules/.bin");
  const tools = await terraformEnvironment();
  const all = {
    ...process.env,
    ...tools,
    ...env,
    PATH: `${bin}${delimiter}${tools.PATH ?? process.env.PATH}`,
  };
  const quiet = logFile !== undefined || onLine !== undefined;
  const child = spawn(command, args, {
    cwd,
    env: Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)),
    stdio: ["inherit", quiet ? "pipe" : "inherit", quiet ? "pipe" : "inherit"],
    detached: hearsOnlySignal && process.platform !== "win32",
  });
  const end = () => child.kill();
  if (signal?.aborted) end();
  signal?.addEventListener("abort", end, { once: true });
  const output: string[] = [];
  const parts = { stdout: [] as string[], stderr: [] as string[] };
  if (logFile) mkdirSync(dirname(logFile), { recursive: true });
  const log = logFile ? createWriteStream(logFile, { flags: "a" }) : undefined;
  for (const name of ["stdout", "stderr"] as const) {
    let begun = "";
    const tell = (line: string) => {
      if (line.trim()) onLine?.(line.trim());
    };
    child[name]
      ?.setEncoding("utf8")
      .on("data", (chunk: string) => {
        log?.write(chunk);
        output.push(chunk);
        parts[name].push(chunk);
        const lines = `${begun}${chunk}`.split("\n");
        begun = lines.pop() ?? "";
        for (const line of lines) tell(line);
      })
      .on("end", () => tell(begun));
  }
  const exitCode = await new Promise<number>((resolve, reject) => {
    child.on("error", (error) => reject(new UserError(`${command} does not run: ${error.message}`)));
    child.on("close", (code) => resolve(code ?? 1));
  });
  log?.end();
  signal?.removeEventListener("abort", end);
  return { exitCode, output: output.join(""), stdout: parts.stdout.join(""), stderr: parts.stderr.join("") };
}

/** `cdktf deploy` or `destroy`, without questions. @throws UserError with the end of what it printed */
export async function cdktf(args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const [command = ""] = args;
  const switches = command === "synth" ? [] : ["--auto-approve", ...cdktfSwitches()];
  const result = await run("cdktf", [...args, ...switches], options);
  if (result.exitCode !== 0) {
    const where = options.logFile ? ` All of it: ${options.logFile}` : "";
    throw new UserError(`cdktf ${args.join(" ")} failed.${where}\n${tail(result.output)}`);
  }
  return result;
}

export interface SynthOptions extends RunOptions {
  /** Which stacks: all that the settings make, or the one that they stand on. @default "stacks" */
  readonly app?: "stacks" | "bootstrap";
  /** Folder of the project whose stacks they are. @default - this one */
  readonly project?: string;
  /** @default - where cdktf looks for them, below `cwd` */
  readonly output?: string;
}

/** Synthesizes stacks of the settings in `cwd`, by the project's app alone. */
export function synthesize(options: SynthOptions = {}): Promise<RunResult> {
  const { app = "stacks", project = projectRoot(), output, ...others } = options;
  const env = { ...others.env, SLIPWAY_APP: app, ...(output !== undefined && { CDKTF_OUTDIR: output }) };
  return run(process.execPath, [join(project, "tools/run.mjs"), "main.ts"], { ...others, env });
}

/** The end of an output, where the error stands. */
export function tail(output: string, lines = 30): string {
  return output.trimEnd().split("\n").slice(-lines).join("\n");
}
