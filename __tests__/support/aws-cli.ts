import { once } from "node:events";
import { delimiter, join } from "node:path";
import { createInterface } from "node:readline";
import { execa, execaSync } from "execa";

/** What came of a command. */
interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The AWS CLI of this machine. Where it is a package of a Python, one process of that loads it once and runs all commands,
 * one after the other; where it is a program that brings a Python along, each is a process.
 */
export class AwsCli {
  private last: Promise<unknown> = Promise.resolve();

  private constructor(
    private readonly execute: (args: readonly string[]) => Promise<Outcome>,
    /** Ends it. */
    readonly stop: () => Promise<void>,
  ) {}

  static isThere = (): boolean => !execaSync("aws", ["--version"], { reject: false }).failed;

  /** @param env all variables of its commands */
  static async start(env: Readonly<Record<string, string | undefined>>): Promise<AwsCli> {
    const path = [join(__dirname, "aws-cli"), env.PYTHONPATH].filter(Boolean).join(delimiter);
    const kept = execa("aws", ["--version"], {
      env: { ...env, PYTHONPATH: path, PYTHONDONTWRITEBYTECODE: "1" },
      extendEnv: false,
      buffer: false,
      stderr: "ignore",
      reject: false,
    });
    const lines = createInterface(kept.stdout);
    const [first] = await Promise.race([once(lines, "line"), kept.then(() => [])]);
    if (first !== "ready") {
      await kept;
      const each = (args: readonly string[]) => execa("aws", args, { env, extendEnv: false, reject: false });
      return new AwsCli(
        async (args) => {
          const { exitCode = 1, stdout, stderr } = await each(args);
          return { code: exitCode, stdout, stderr };
        },
        async () => {},
      );
    }
    return new AwsCli(
      async (args) => {
        kept.stdin.write(`${JSON.stringify(args)}\n`);
        const [line] = await Promise.race([once(lines, "line"), kept.then(() => [])]);
        if (line === undefined) throw new Error(`The AWS CLI has ended: aws ${args.join(" ")}`);
        return JSON.parse(line) as Outcome;
      },
      async () => {
        kept.stdin.end();
        await kept;
      },
    );
  }

  /**
   * Runs a command, such as `codebuild list-builds`.
   *
   * @returns its answer
   * @throws Error with what it says where it fails
   */
  async run(...args: readonly string[]): Promise<unknown> {
    const outcome = this.last.then(() => this.execute([...args, "--output", "json"]));
    this.last = outcome.catch(() => {});
    const { code, stdout, stderr } = await outcome;
    if (code !== 0) throw new Error(`aws ${args.join(" ")} ends with ${code}: ${stderr}`);
    return stdout.trim() ? JSON.parse(stdout) : {};
  }
}
