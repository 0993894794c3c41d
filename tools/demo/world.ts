import { join } from "node:path";
import { stripVTControlCharacters } from "node:util";
import type { DefaultRenderer, ListrTaskWrapper, SimpleRenderer } from "listr2";
import type { Settings } from "../../settings";
import { type RunOptions, run, synthesize, tail } from "../cdktf";
import { type LocalAws, type LocalAwsProps, startLocalAws } from "../local-aws";
import { UserError } from "../project";
import { motoServer, providerMirror, terraform } from "../toolchain";
import { demoEnvironment } from "./environment";

/** Made up, of a token's form: nobody at GitHub is asked about it. */
const TOKEN = `ghp_${"LocalAws".repeat(5)}`.slice(0, 40);

/** A line on a screen. */
const LINE = 120;

export type Wrapper = ListrTaskWrapper<object, typeof DefaultRenderer, typeof SimpleRenderer>;

/** What is deployed from. */
export interface Place {
  /** The project whose code deploys. */
  readonly project: string;
  /** Where the commands run: with terraform.tfvars and cdktf.json. */
  readonly folder: string;
}

export interface WorldProps
  extends Pick<LocalAwsProps, "enforceIam" | "faults" | "log" | "minuteMilliseconds" | "reuse">,
    Pick<RunOptions, "signal">,
    Place {
  /** File that gets all that the commands print. */
  readonly logFile: string;
  readonly settings: Settings;
}

/** A Local AWS, and the commands that deploy there as users deploy to AWS. */
export class World {
  private aws?: LocalAws;
  private starting?: Promise<LocalAws>;
  /** Another one, from which it is deployed from then on. */
  place: Place;

  constructor(private readonly props: WorldProps) {
    this.place = props;
  }

  /** "" before it has started. */
  get endpoint(): string {
    return this.aws?.endpoint ?? "";
  }

  async start(): Promise<void> {
    const { settings, minuteMilliseconds, enforceIam, faults, reuse, log } = this.props;
    this.starting = motoServer().then((moto) =>
      startLocalAws({
        account: settings.account,
        motoServer: moto,
        minuteMilliseconds,
        enforceIam,
        faults,
        reuse,
        log,
      }),
    );
    this.aws = await this.starting;
  }

  /** Ends it, also one that has only begun to start. */
  async stop(): Promise<void> {
    const aws = await this.starting?.catch(() => undefined);
    await aws?.stop();
  }

  /** Runs `npm run SCRIPT`. @throws UserError with the end of what it printed */
  async npm(script: string, args: readonly string[], task: Wrapper): Promise<void> {
    const { logFile } = this.props;
    const command = [join(this.place.project, "tools/run.mjs"), `tools/${script}/index.ts`, ...args];
    const { exitCode, output } = await run(process.execPath, command, this.options(task));
    if (exitCode !== 0) throw new UserError(`${tail(output)}\nAll of it: ${logFile}`);
  }

  /** Synthesizes the stacks. @throws UserError with what it printed */
  async synthesize(task: Wrapper): Promise<void> {
    const { project } = this.place;
    const { exitCode, output } = await synthesize({ ...this.options(task), project });
    if (exitCode !== 0) throw new UserError(output);
  }

  /**
   * `npm run deploy`, unasked.
   *
   * @param args stacks, and options
   * @throws UserError with the end of what it printed
   */
  deploy(args: readonly string[], task: Wrapper): Promise<void> {
    return this.npm("deployer", [...args, "--auto-approve"], task);
  }

  /** For commands of one's own. */
  options(task?: Wrapper): RunOptions {
    const { logFile, settings, signal } = this.props;
    const env = demoEnvironment(process.env, {
      endpoint: this.endpoint,
      region: settings.region,
      githubToken: TOKEN,
    });
    const onLine = (line: string) => {
      // Where nothing can be overwritten, each line would stay: the log has them.
      if (task && process.stdout.isTTY) task.output = stripVTControlCharacters(line).slice(0, LINE);
    };
    return { cwd: this.place.folder, env, logFile, onLine, signal };
  }
}

/**
 * Finds what deploying needs, before anything is deployed.
 *
 * @returns the folder that the provider comes from; undefined where it comes from its registry
 * @throws UserError where something cannot be had
 */
export async function findTools(task: Wrapper): Promise<string | undefined> {
  const { product, version, from } = await terraform();
  await motoServer();
  const mirror = providerMirror();
  task.title += `: ${product} ${version} (${from}), provider from ${mirror ? "a mirror" : "its registry"}`;
  return mirror;
}
