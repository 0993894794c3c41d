import { once } from "node:events";
import { mkdirSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { CodeBuildClient } from "@aws-sdk/client-codebuild";
import { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { Listr, ListrLogger, type ListrTask, PRESET_TIMER, ProcessOutput } from "listr2";
import type { PipelineSettings, Settings } from "../../settings";
import { pipelineName, pipelineStackName, stateBucketName, stateKey } from "../../shared/names";
import { World, type Wrapper } from "../demo/world";
import { handInSource } from "../local-aws";
import { projectRoot, runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { motoServer, providerMirror, terraform, terraformEnvironment } from "../toolchain";
import { type Clients, Execution } from "./execution";
import { type Options, readOptions } from "./options";
import {
  addressesIn,
  type ExecutionRecord,
  type RehearsalRecord,
  recordExecution,
  reportText,
  succeeded,
} from "./report";
import { nobodyToAsk, type Screen, Show } from "./show";
import { equip, type Tree, takeTree } from "./tree";

/** A pipeline that goes on changing itself would go on for ever. */
const MOST_EXECUTIONS = 3;

/** A pipeline's stacks, deployed to a Local AWS of its own, and one execution of it. */
class Rehearsal {
  private readonly project = projectRoot();
  private readonly home = join(this.project, ".slipway/rehearsals");
  /** Two beside each other have different ones; by the process it is known whether somebody still needs it. */
  private readonly folder = join(this.home, `${process.pid}`);
  private readonly logFile = `${this.folder}.log`;
  private readonly started = new Date();
  private readonly abort = new AbortController();
  private tree!: Tree;
  private settings!: Settings;
  private pipeline!: PipelineSettings;
  private world?: World;
  private clients?: Clients & { readonly all: readonly { destroy(): void }[] };

  constructor(
    private readonly options: Options,
    private readonly screen: Screen,
  ) {}

  /** What makes it ready to start. */
  preparation(): ListrTask[] {
    return [
      { title: "What is rehearsed", task: (_, task) => this.take(task) },
      { title: "Terraform and the emulator", task: (_, task) => this.findTools(task) },
      { title: "Local AWS", task: (_, task) => this.startAws(task) },
      { title: "bootstrap", task: (_, task) => this.deployer.npm("bootstrap", [], task) },
      { title: "access-*, delivery", task: (_, task) => this.deploy(["access-*", "delivery"], task) },
      { title: "connect", task: (_, task) => this.deployer.npm("connect", [], task) },
      {
        // `delivery` once more: what needs the token is made now.
        title: "delivery, the pipeline",
        task: (_, task) => this.deploy(["delivery", pipelineStackName(this.pipeline.name)], task),
      },
      { title: "The commit", task: (_, task) => this.handIn(task) },
    ];
  }

  /** Runs the pipeline to its end. */
  async run(): Promise<RehearsalRecord> {
    const clients = this.clients!;
    const { decision, until } = this.options;
    const executions: ExecutionRecord[] = [];
    let next: Execution | undefined = await Execution.start(clients, this.pipelineName, this.tree.commit);
    while (next && executions.length < MOST_EXECUTIONS) {
      const execution: Execution = next;
      const { snapshot, logs, stopped } = await new Show(execution, { decision, until }, this.screen).run();
      executions.push(recordExecution(execution, snapshot, logs));
      const replaced = !stopped && ["Stopped", "Cancelled"].includes(snapshot.status);
      next = replaced ? await execution.successor() : undefined;
      if (next) this.screen.print("\nThe pipeline has changed, and starts anew as it is now:\n");
    }
    return {
      version: 1,
      pipeline: this.pipelineName,
      commit: this.tree.commit,
      succeeded: succeeded(executions.at(-1)!, until),
      until,
      started: this.started.toISOString(),
      seconds: Math.round((Date.now() - Number(this.started)) / 1000),
      executions,
      deployed: await this.deployed(clients),
    };
  }

  report(record: RehearsalRecord): string {
    return reportText(record, this.settings);
  }

  /** What to export to look around. */
  get exports(): string {
    return `  export AWS_ENDPOINT_URL=${this.deployer.endpoint}
  export AWS_ACCESS_KEY_ID=local AWS_SECRET_ACCESS_KEY=local AWS_REGION=${this.settings.region}`;
  }

  /** Ends all of it. @param keepLog whether what deploying printed is still needed */
  async end(keepLog: boolean): Promise<void> {
    this.abort.abort();
    for (const client of this.clients?.all ?? []) client.destroy();
    await this.world?.stop();
    rmSync(this.folder, { recursive: true, force: true });
    if (!keepLog) rmSync(this.logFile, { force: true });
  }

  /** It has started when anything is deployed. */
  private get deployer(): World {
    return this.world!;
  }

  private get pipelineName(): string {
    return pipelineName(this.settings, this.pipeline.name);
  }

  private async take(task: Wrapper): Promise<void> {
    const { project, options } = this;
    forget(this.home);
    rmSync(this.logFile, { force: true });
    this.tree = await takeTree({
      project,
      revision: options.fromCommit,
      folder: join(this.folder, "source"),
    });
    const from = equip(this.tree, project, options.settings && resolve(options.settings));
    this.settings = await projectSettings(join(this.tree.folder, "terraform.tfvars"));
    this.pipeline = choosePipeline(this.settings, options.pipeline);
    this.checkApprovals();
    const { commit, message } = this.tree;
    task.title = `${this.pipelineName} with ${commit.slice(0, 12)} (${message}), settings of ${from}`;
  }

  /** Before minutes have gone by. */
  private checkApprovals(): void {
    const { decision, until } = this.options;
    if (decision || until || this.screen.isTerminal) return;
    const asks = this.pipeline.deploy
      .flat()
      .filter((name) => this.settings.environments[name]?.approval !== "never");
    if (asks.length) throw nobodyToAsk(`the approval of ${asks.join(" and of ")}`);
  }

  private async findTools(task: Wrapper): Promise<void> {
    const { product, version, from } = await terraform();
    await motoServer();
    // Builds find them as well, and fetch nothing that is there.
    Object.assign(process.env, await terraformEnvironment());
    const mirror = providerMirror();
    if (mirror) process.env.SLIPWAY_PROVIDER_MIRROR = mirror;
    task.title += `: ${product} ${version} (${from}), provider from ${mirror ? "a mirror" : "its registry"}`;
  }

  private async startAws(task: Wrapper): Promise<void> {
    const { settings, logFile } = this;
    this.world = new World({
      project: this.tree.folder,
      folder: this.tree.folder,
      logFile,
      settings,
      minuteMilliseconds: this.options.minuteMilliseconds,
      faults: this.options.faults,
      // One that passes with a missing grant would be worth nothing.
      enforceIam: true,
      signal: this.abort.signal,
    });
    await this.world.start();
    const config = {
      endpoint: this.world.endpoint,
      region: settings.region,
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
    };
    const codepipeline = new CodePipelineClient(config);
    const codebuild = new CodeBuildClient(config);
    const logs = new CloudWatchLogsClient(config);
    const s3 = new S3Client({ ...config, forcePathStyle: true });
    this.clients = { codepipeline, codebuild, logs, s3, all: [codepipeline, codebuild, logs, s3] };
    task.title += ` at ${this.world.endpoint}`;
  }

  private deploy(stacks: string[], task: Wrapper): Promise<void> {
    return this.deployer.cdktf(["deploy", ...stacks], task);
  }

  private async handIn(task: Wrapper): Promise<void> {
    const { tree, settings, pipeline } = this;
    await this.checkNames();
    await handInSource({
      ...tree,
      s3: this.clients!.s3 as S3Client,
      repository: settings.source.repository,
      branch: pipeline.branch,
    });
    task.title = `${settings.source.repository}, branch ${pipeline.branch}: handed in`;
  }

  /** @throws UserError where an option names what the pipeline has not */
  private async checkNames(): Promise<void> {
    const { until, faults } = this.options;
    const stages = await Execution.declared(this.clients!, this.pipelineName);
    const names = stages.map(({ name }) => name);
    if (until !== undefined && !names.includes(until))
      throw new UserError(
        `--until ${until}: ${this.pipelineName} has no such stage. It has ${names.join(", ")}.`,
      );
    const actions = stages.flatMap((stage) => stage.actions.filter(({ isApproval }) => !isApproval));
    if (faults.kill !== undefined && !actions.some(({ name }) => name === faults.kill))
      throw new UserError(
        `--fault kill=${faults.kill}: ${this.pipelineName} has no such action with a build. It has ${actions.map(({ name }) => name).join(", ")}.`,
      );
  }

  /** What the environments' states put out as addresses. */
  private async deployed({ s3 }: Clients): Promise<Record<string, Record<string, string>>> {
    const deployed: Record<string, Record<string, string>> = {};
    for (const name of this.pipeline.deploy.flat()) {
      const state = await s3
        .send(new GetObjectCommand({ Bucket: stateBucketName(this.settings), Key: stateKey(name) }))
        .then(({ Body }) => Body!.transformToString())
        .catch((error: Error) => {
          if (error.name === "NoSuchKey") return undefined;
          throw error;
        });
      const addresses = state === undefined ? {} : addressesIn(state);
      if (Object.keys(addresses).length) deployed[name] = addresses;
    }
    return deployed;
  }
}

/** @throws UserError where there is none of this name */
function choosePipeline({ pipelines }: Settings, name: string | undefined): PipelineSettings {
  const chosen = name ?? Object.keys(pipelines)[0];
  if (chosen !== undefined && Object.hasOwn(pipelines, chosen)) return pipelines[chosen]!;
  if (chosen === undefined) throw new UserError("The settings have no pipeline: add one to pipelines.");
  throw new UserError(
    `There is no pipeline ${JSON.stringify(name)} in the settings: they have ${Object.keys(pipelines).join(", ")}.`,
  );
}

/** Removes what rehearsals left whose process was killed. */
function forget(home: string): void {
  mkdirSync(home, { recursive: true });
  for (const name of readdirSync(home)) {
    const [, pid] = /^(\d+)(\.log)?$/.exec(name) ?? [];
    if (pid && !isRunning(Number(pid))) rmSync(join(home, name), { recursive: true, force: true });
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // Somebody else's.
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}

/** @param toStderr whether the standard output is for the record alone */
function screenOf(toStderr: boolean): Screen {
  const stream = toStderr ? process.stderr : process.stdout;
  const common = {
    timer: PRESET_TIMER,
    ...(toStderr && {
      logger: new ListrLogger({ processOutput: new ProcessOutput(process.stderr, process.stderr) }),
    }),
  };
  return {
    isTerminal: Boolean(process.stdin.isTTY && stream.isTTY),
    listr: {
      // Ctrl-C is ours: it stops Local AWS too.
      registerSignalListeners: false,
      rendererOptions: common,
      fallbackRendererOptions: common,
      fallbackRendererCondition: () => !stream.isTTY,
    },
    print: (text) => stream.write(`${text}\n`),
    async ask(message) {
      const { confirm } = await import("@inquirer/prompts");
      return confirm({ message, default: false }, { output: stream }).catch((error: Error) => {
        if (error.name !== "ExitPromptError") throw error;
        return undefined;
      });
    },
  };
}

/** `npm run rehearse`: runs a whole pipeline on this machine, on Local AWS, with what lies here as the commit. */
runCommand(async () => {
  const options = readOptions(process.argv.slice(2));
  const { json, keep } = options;
  if (process.platform === "win32")
    throw new UserError("A rehearsal runs builds, and those need /bin/sh: on Windows, run it within WSL.");
  const screen = screenOf(json === "-");
  const rehearsal = new Rehearsal(options, screen);
  let stopped = false;
  let deployed = false;
  const interrupted = once(process, "SIGINT").then(() => {
    stopped = true;
  });
  process.once("SIGTERM", () => process.emit("SIGINT"));
  // Once more changes nothing: it stops already.
  process.on("SIGINT", () => {});
  const stop = interrupted.then(() => {
    throw new UserError("Stopped.");
  });
  stop.catch(() => {});
  try {
    await Promise.race([new Listr(rehearsal.preparation(), screen.listr).run(), stop]).catch(
      (error: Error) => {
        throw new UserError(stopped ? "Stopped." : error.message);
      },
    );
    deployed = true;
    const record = await Promise.race([rehearsal.run(), stop]);
    screen.print(`\n${rehearsal.report(record)}`);
    if (json !== undefined) {
      const text = `${JSON.stringify(record, null, 2)}\n`;
      if (json === "-") process.stdout.write(text);
      else writeFileSync(json, text);
    }
    if (keep) {
      screen.print(
        `\nLocal AWS runs until Ctrl-C, and forgets everything then. To look around, in another terminal:\n\n${rehearsal.exports}`,
      );
      await interrupted;
    }
    return record.succeeded ? 0 : 1;
  } finally {
    // Where deploying failed, the error names the log.
    await rehearsal.end(!deployed && !stopped);
  }
});
