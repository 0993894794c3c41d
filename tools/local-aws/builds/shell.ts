import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { BuildProcesses } from "./processes";

export interface ShellProps {
  readonly processes: BuildProcesses;
  readonly shell: "sh" | "bash";
  /** Where the first command starts. */
  readonly cwd: string;
  readonly environment: Readonly<Record<string, string>>;
}

const IDENTIFIER = /^[A-Za-z_]\w*$/;

/**
 * Runs commands as CodeBuild does: each as a script of its own, which takes up the folder and the variables that
 * the one before it left.
 */
export class BuildShell {
  /** Whether no phase of the build, and no command of this one, has failed so far. */
  succeeding = true;
  private readonly folder: string;
  private readonly state: { readonly directory: string; readonly variables: string };

  private constructor(private readonly props: ShellProps) {
    this.folder = join(props.processes.folder, "tmp");
    mkdirSync(this.folder, { recursive: true });
    this.state = { directory: join(this.folder, "dir.txt"), variables: join(this.folder, "env.sh") };
  }

  static async open(props: ShellProps): Promise<BuildShell> {
    const shell = new BuildShell(props);
    writeFileSync(shell.state.directory, props.cwd);
    writeFileSync(shell.state.variables, "", { mode: 0o600 });
    await shell.start(":", props.environment, () => {});
    return shell;
  }

  /** @returns the exit code */
  run(command: string, onOutput: (text: string) => void): Promise<number> {
    // All other variables are in the state, also those that a command took away.
    const { PATH = "" } = this.props.environment;
    return this.start(command, { PATH }, onOutput);
  }

  /** Texts in which the shell has put in variables and commands' outputs. */
  async expand(texts: readonly string[]): Promise<string[]> {
    if (!texts.some((text) => /[$`\\]/.test(text))) return [...texts];
    const files = texts.map((_, index) => join(this.folder, `text-${index}`));
    const script = texts.map((text, index) => `cat > ${quote(files[index]!)} <<SLIPWAY\n${text}\nSLIPWAY`);
    await this.run(script.join("\n"), () => {});
    return files.map((file) => readFileSync(file, "utf8").replace(/\n$/, ""));
  }

  /** Values of those variables that are set. */
  async values(names: readonly string[]): Promise<[string, string][]> {
    const asked = names.filter((name) => IDENTIFIER.test(name));
    if (!asked.length) return [];
    const file = (name: string) => join(this.folder, `value-${name}`);
    const script = asked.map(
      (name) => `if [ "\${${name}+set}" ]; then printf 1%s "$${name}"; fi > ${quote(file(name))}`,
    );
    await this.run(script.join("\n"), () => {});
    return asked.flatMap((name): [string, string][] => {
      const text = readFileSync(file(name), "utf8");
      return text ? [[name, text.slice(1)]] : [];
    });
  }

  private start(
    command: string,
    env: Readonly<Record<string, string>>,
    onOutput: (text: string) => void,
  ): Promise<number> {
    const script = join(this.folder, "script.sh");
    const directory = quote(this.state.directory);
    const variables = quote(this.state.variables);
    writeFileSync(
      script,
      `cd "$(cat ${directory})"
. ${variables}; export CODEBUILD_BUILD_SUCCEEDING=${this.succeeding ? 1 : 0}
set -a
${command}
CODEBUILD_LAST_EXIT=$?
export -p > ${variables}
pwd > ${directory}
exit $CODEBUILD_LAST_EXIT
`,
      { mode: 0o600 },
    );
    return this.props.processes.run([this.props.shell, script], { cwd: this.props.cwd, env }, onOutput);
  }
}

const quote = (text: string) => `'${text.replace(/'/g, "'\\''")}'`;
