import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, relative } from "node:path";
import { parseArgs } from "node:util";
import { Listr, type ListrTask } from "listr2";
import type { Settings } from "../../settings";
import { inParallel } from "../../shared/parallel";
import { plansAtOnce } from "../deployer/capacity";
import { Stack } from "../deployer/stack";
import { minuteMilliseconds } from "../local-aws";
import { projectRoot, runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { type StackSummary, summarize, table } from "./summary";
import { Interruption, listrOptions, lookAround } from "./terminal";
import { findTools, World, type Wrapper } from "./world";

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
      { title: "bootstrap", task: (_, task) => this.deployer.npm("bootstrap", [], task) },
      { title: "The stacks", task: (_, task) => this.deployer.synthesize(task) },
      {
        title: "Deploy",
        task: (_, task) =>
          // Neither stands on the other, and much of either is waiting.
          task.newListr([this.environments(), this.pipelines()], { concurrent: true }),
      },
      { title: "Plans again: every one must be empty", task: (_, task) => this.planAll(task) },
      ...(destroy
        ? [
            {
              title: "destroy *",
              task: (_: object, task: Wrapper) => this.deployer.deploy(["*", "--destroy"], task),
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

  private environments(): ListrTask {
    const names = Object.keys(this.settings.environments);
    return {
      title: "access-*, environments",
      task: (_, task) => this.deployer.deploy(["access-*", ...names, "--synthesized"], task),
    };
  }

  private pipelines(): ListrTask {
    const deploy = (...stacks: string[]): ListrTask => ({
      title: stacks.join(", "),
      task: (_, task) => this.deployer.deploy([...stacks, "--synthesized"], task),
    });
    return {
      title: "delivery, pipelines",
      task: (_, task) =>
        task.newListr(
          [
            deploy("delivery"),
            { title: "connect", task: (_, task) => this.deployer.npm("connect", [], task) },
            // `delivery` once more: what needs the token is made now.
            deploy("delivery", "pipeline-*"),
          ],
          { concurrent: false },
        ),
    };
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
    const stacks = ["cdktf.out", ".slipway/bootstrap.out"].flatMap((output) => {
      const folder = join(this.folder, output, "stacks");
      return readdirSync(folder).map((name) => new Stack(join(folder, name), this.deployer.options()));
    });
    const planned = await inParallel(stacks, plansAtOnce(), async (stack) => {
      const { values, failure } = await stack.outputs();
      if (!values) throw new UserError(`What ${stack.name} put out cannot be read:\n${failure}`);
      this.stacks.push(summarize(stack.name, this.settings, await stack.resources(), values));
      return { name: stack.name, isEmpty: await stack.isUpToDate() };
    });
    const changed = planned.filter(({ isEmpty }) => !isEmpty).map(({ name }) => name);
    if (changed.length)
      throw new UserError(
        `The plans of ${changed.join(", ")} are not empty. What they would change: ${this.log}`,
      );
    this.stacks.sort((a, b) => a.name.localeCompare(b.name));
    task.title += ` (${stacks.length} are)`;
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
