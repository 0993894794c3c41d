import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { Listr, type ListrTask } from "listr2";
import type { Settings } from "../../settings";
import { inParallel } from "../../shared/parallel";
import { run, tail } from "../cdktf";
import { minuteMilliseconds } from "../local-aws";
import { projectRoot, runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { terraform } from "../toolchain";
import { readOutputs, type StackSummary, summarize, table } from "./summary";
import { Interruption, listrOptions, lookAround } from "./terminal";
import { findTools, foundationTasks, SIDE_BY_SIDE, World, type Wrapper } from "./world";

/** The example settings, deployed to Local AWS in a folder of their own. */
class Demo {
  private readonly root = projectRoot();
  /** Where the commands run, with settings and a cdktf.json as a user's project has them. */
  private readonly folder = join(this.root, ".slipway/demo");
  private readonly log = join(this.folder, "demo.log");
  private readonly abort = new AbortController();
  private settings!: Settings;
  private world?: World;
  readonly stacks: StackSummary[] = [];

  /** @param minute how long a minute of a release takes, in milliseconds */
  constructor(private readonly minute: number) {}

  tasks(destroy: boolean): ListrTask[] {
    return [
      { title: "Terraform and the emulator", task: (_, task) => this.findTools(task) },
      { title: "Local AWS", task: (_, task) => this.startAws(task) },
      ...foundationTasks(() => this.deployer),
      {
        // `delivery` once more: what needs the token is made now.
        title: "delivery, pipeline-*, environments",
        task: (_, task) =>
          this.deployer.cdktf(
            ["deploy", "delivery", "pipeline-*", ...Object.keys(this.settings.environments)],
            task,
          ),
      },
      { title: "Plans again: every one must be empty", task: (_, task) => this.planAll(task) },
      ...(destroy
        ? [
            {
              title: "destroy *",
              task: (_: object, task: Wrapper) => this.deployer.cdktf(["destroy", "*"], task),
            },
            {
              title: "destroy bootstrap",
              task: (_: object, task: Wrapper) =>
                this.deployer.npm("bootstrap", ["--destroy", "--auto-approve"], task),
            },
          ]
        : []),
    ];
  }

  get endpoint(): string {
    return this.world?.endpoint ?? "";
  }

  get region(): string {
    return this.settings.region;
  }

  /** Ends Local AWS, and the commands that deploy there. */
  async stop(): Promise<void> {
    this.abort.abort();
    await this.world?.stop();
  }

  private get example(): string {
    return join(this.root, "terraform.tfvars.example");
  }

  private async findTools(task: Wrapper): Promise<void> {
    this.settings = await projectSettings(this.example);
    await findTools(task);
  }

  private async startAws(task: Wrapper): Promise<void> {
    // Local AWS keeps nothing from one run to the next, so neither do we.
    rmSync(this.folder, { recursive: true, force: true });
    rmSync(
      join(this.root, ".slipway/bootstrap", `${this.settings.account}-${this.settings.region}.tfstate`),
      { force: true },
    );
    mkdirSync(this.folder, { recursive: true });
    copyFileSync(this.example, join(this.folder, "terraform.tfvars"));
    const runner = relative(this.folder, join(this.root, "tools/run.mjs"));
    writeFileSync(
      join(this.folder, "cdktf.json"),
      JSON.stringify({
        language: "typescript",
        app: `node ${runner} main.ts`,
        projectId: "demo",
        sendCrashReports: "false",
      }),
    );
    this.world = new World({
      project: this.root,
      folder: this.folder,
      logFile: this.log,
      settings: this.settings,
      minuteMilliseconds: this.minute,
      signal: this.abort.signal,
    });
    await this.world.start();
    task.title += ` at ${this.endpoint}`;
  }

  /** It has started when anything is deployed. */
  private get deployer(): World {
    return this.world!;
  }

  private async planAll(task: Wrapper): Promise<void> {
    const folders = ["cdktf.out", ".slipway/bootstrap.out"].flatMap((output) => {
      const stacks = join(this.folder, output, "stacks");
      return readdirSync(stacks).map((name) => ({ name, cwd: join(stacks, name) }));
    });
    const changed: string[] = [];
    await inParallel(folders, SIDE_BY_SIDE, async ({ name, cwd }) => {
      if (!(await this.plan(name, cwd))) changed.push(name);
    });
    if (changed.length)
      throw new UserError(
        `The plans of ${changed.join(", ")} are not empty. What they would change: ${this.log}`,
      );
    this.stacks.sort((a, b) => a.name.localeCompare(b.name));
    task.title += ` (${folders.length} are)`;
  }

  /** @returns whether the plan is empty */
  private async plan(name: string, cwd: string): Promise<boolean> {
    const { path } = await terraform();
    const options = { ...this.deployer.options(), cwd };
    const { exitCode, output } = await run(
      path,
      ["plan", "-detailed-exitcode", "-input=false", "-no-color", "-lock=false"],
      options,
    );
    if (exitCode === 1) throw new UserError(`${name} cannot be planned:\n${tail(output)}`);
    const outputs = await run(path, ["output", "-json", "-no-color"], options);
    const state = await run(path, ["state", "list", "-no-color"], options);
    this.stacks.push(summarize(name, this.settings, state.output, readOutputs(outputs.output)));
    return exitCode === 0;
  }
}

runCommand(async () => {
  const { values } = parseArgs({
    options: { destroy: { type: "boolean", default: false }, minute: { type: "string", default: "5" } },
  });
  const demo = new Demo(minuteMilliseconds(values.minute));
  const interruption = new Interruption();
  try {
    const tasks = new Listr(interruption.guard(demo.tasks(values.destroy)), listrOptions());
    await interruption.orDone(tasks.run()).catch((error: Error) => {
      throw new UserError(error.message);
    });
    console.log(`\n${table(demo.stacks)}\n`);
    if (values.destroy) return 0;
    console.log(`Local AWS runs until Ctrl-C, and forgets everything then. A minute of a release takes ${values.minute} s there. To look around, in another terminal:

${lookAround(demo.endpoint, demo.region)}
  aws codepipeline list-pipelines`);
    await interruption.done;
    return 0;
  } finally {
    await demo.stop();
  }
});
