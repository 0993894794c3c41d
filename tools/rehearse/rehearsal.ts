import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { CodeBuildClient } from "@aws-sdk/client-codebuild";
import { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetQueueAttributesCommand, GetQueueUrlCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { ListrTask } from "listr2";
import type { PipelineSettings, Settings } from "../../settings";
import {
  DELIVERY_STACK,
  deliveryNames,
  pipelineName,
  stacksUpdatedBy,
  stateBucketName,
  stateKey,
  UPDATE_ACTION,
} from "../../shared/names";
import { lookAround } from "../demo/terminal";
import { findTools, World, type Wrapper } from "../demo/world";
import { handInSource, type Mail } from "../local-aws";
import { projectRoot, UserError } from "../project";
import { projectSettings } from "../settings";
import { terraformEnvironment } from "../toolchain";
import { Changes } from "./changes";
import { type Clients, Execution } from "./execution";
import type { Options } from "./options";
import {
  addressesIn,
  type ExecutionRecord,
  type RehearsalRecord,
  recordExecution,
  reportText,
  succeeded,
} from "./report";
import { inputsOf } from "./reuse";
import { nobodyToAsk, type Screen, Show } from "./show";
import { BOOTSTRAP, checkNames, type Stacks, synthesize } from "./stacks";
import { equip, handOnBundles, type Tree, takeTree } from "./tree";

/** A pipeline that goes on changing itself would go on for ever. */
const MOST_EXECUTIONS = 3;

/** How long is waited at most until all is told, and how often is looked, in milliseconds. */
const TELLING_MILLISECONDS = 30_000;
const LOOK_MILLISECONDS = 500;

/** What one run is about. */
interface Subject {
  readonly tree: Tree;
  readonly settings: Settings;
  readonly pipeline: PipelineSettings;
  /** The file that the settings are of. */
  readonly from: string;
  /** The same for the same content and settings. */
  readonly identity: string;
}

/**
 * A pipeline's stacks, deployed to a Local AWS of its own, and runs of it: {@link preparation}, then {@link run}, and that
 * again after {@link change}.
 */
export class Rehearsal {
  private readonly project = projectRoot();
  private readonly home = join(this.project, ".slipway/rehearsals");
  /** Two beside each other have different ones; by the process it is known whether somebody still needs it. */
  private readonly folder = join(this.home, `${process.pid}`);
  private readonly logFile = `${this.folder}.log`;
  private readonly abort = new AbortController();
  private readonly changes: Changes;
  private started = new Date();
  private number = 0;
  /** "" before it is taken. */
  private commit = "";
  private subject!: Subject;
  /** Of the last run, where it succeeded. */
  private cameThrough?: string;
  private world?: World;
  private clients?: Clients & { readonly sqs: SQSClient; readonly all: readonly { destroy(): void }[] };
  private stacks!: Stacks;
  /** Sums of the stacks that are deployed, by name. */
  private readonly deployed = new Map<string, string>();
  /** The runs that builds are from which were not run again. */
  private readonly reused = new Map<string, number>();

  constructor(
    private readonly options: Options,
    private readonly screen: Screen,
  ) {
    const { settings } = options;
    const file = settings === undefined ? join(this.project, "terraform.tfvars") : resolve(settings);
    this.changes = new Changes({ project: this.project, besides: [file] });
  }

  /** What makes a run ready to start: the first deploys all that the pipeline stands on, others what has changed. */
  preparation(): ListrTask[] {
    this.number++;
    this.started = new Date();
    this.commit = "";
    this.cameThrough = undefined;
    const taking: ListrTask = { title: "What is rehearsed", task: (_, task) => this.take(task) };
    const handingIn: ListrTask = { title: "The commit", task: (_, task) => this.handIn(task) };
    if (this.number > 1)
      return [
        taking,
        { title: "The stacks", task: (_, task) => this.synthesize(task) },
        { title: "What was deployed by hand", task: (_, task) => this.deployChanges(task) },
        handingIn,
      ];
    return [
      taking,
      { title: "Terraform and the emulator", task: (_, task) => this.findTools(task) },
      { title: "Local AWS", task: (_, task) => this.startAws(task) },
      { title: "The stacks", task: (_, task) => this.synthesize(task) },
      { title: BOOTSTRAP, task: (_, task) => this.deployer.npm("bootstrap", [], task) },
      { title: "access-*, delivery", task: (_, task) => this.deploy(["access-*", DELIVERY_STACK], task) },
      // With a token that is made up.
      { title: "connect", task: (_, task) => this.deployer.npm("connect", [], task) },
      {
        // `delivery` once more: what needs the token is made now.
        title: "delivery, the pipeline",
        task: async (_, task) => {
          const stacks = [...new Set([DELIVERY_STACK, ...this.updatedByItself])];
          await this.deploy(stacks, task);
          for (const name of this.byHand(...stacks)) this.isDeployed(name);
        },
      },
      handingIn,
    ];
  }

  /** Runs the pipeline to its end. */
  async run(): Promise<RehearsalRecord> {
    const clients = this.clients!;
    const { until } = this.options;
    const executions: ExecutionRecord[] = [];
    let next: Execution | undefined = await Execution.start(
      clients,
      this.pipelineName,
      this.subject.tree.commit,
    );
    while (next && executions.length < MOST_EXECUTIONS) {
      const execution: Execution = next;
      const { record, isReplaced } = await this.show(execution);
      executions.push(record);
      next = isReplaced ? await execution.successor() : undefined;
      if (next) this.screen.print("\nThe pipeline has changed, and starts anew as it is now:\n");
    }
    const updated = executions.some(({ stages }) =>
      stages.some(({ actions }) =>
        actions.some(({ name, status }) => name === UPDATE_ACTION && status === "Succeeded"),
      ),
    );
    if (updated) for (const name of this.updatedByItself) this.isDeployed(name);
    const came = succeeded(executions.at(-1)!, until);
    if (came) this.cameThrough = this.subject.identity;
    return {
      ...this.record(),
      succeeded: came,
      executions,
      deployed: await this.addresses(clients),
      mails: await this.mails(),
    };
  }

  /** The record of a run that was not made ready. */
  failure(problem: string): RehearsalRecord {
    return { ...this.record(), succeeded: false, problem, executions: [], deployed: {}, mails: [] };
  }

  report(record: RehearsalRecord): string {
    return reportText(record, this.subject.settings, this.options.mails);
  }

  /** What to export to look around. */
  get exports(): string {
    return lookAround(this.deployer.endpoint, this.subject.settings.region);
  }

  /** Waits for a change; of one to what the last run came through with already, for the next. */
  async change(): Promise<void> {
    while (!this.abort.signal.aborted) {
      await this.changes.next(this.abort.signal);
      if (this.abort.signal.aborted) return;
      await this.changes.mark();
      const folder = join(this.folder, "changed");
      try {
        if ((await this.read(folder)).identity !== this.cameThrough) return;
        this.screen.print(`Nothing is otherwise than in run ${this.number}.`);
      } catch {
        // The run tells.
        return;
      } finally {
        rmSync(folder, { recursive: true, force: true });
      }
    }
  }

  /** Ends all of it. @param keepLog whether what deploying printed is still needed */
  async end(keepLog: boolean): Promise<void> {
    this.abort.abort();
    for (const client of this.clients?.all ?? []) client.destroy();
    try {
      await this.world?.stop();
    } finally {
      rmSync(this.folder, { recursive: true, force: true });
      if (!keepLog) rmSync(this.logFile, { force: true });
    }
  }

  private record() {
    return {
      version: 1,
      ...(this.options.watch && { run: this.number }),
      pipeline: this.pipelineName,
      commit: this.commit,
      until: this.options.until,
      started: this.started.toISOString(),
      seconds: Math.round((Date.now() - Number(this.started)) / 1000),
    } as const;
  }

  /** @returns with whether another execution goes on in its place */
  private async show(execution: Execution): Promise<{ record: ExecutionRecord; isReplaced: boolean }> {
    const { reused, screen, options } = this;
    const { decision, until } = options;
    try {
      const told = () => this.allTold();
      const shown = await new Show(execution, { decision, until, reused, told }, screen).run();
      const { snapshot, logs, stopped } = shown;
      // Up to the update, and that has started the pipeline anew: nobody waits for it.
      if (stopped) await giveUp(await execution.successor());
      return {
        record: recordExecution(execution, snapshot, logs, reused),
        isReplaced: !stopped && ["Stopped", "Cancelled"].includes(snapshot.status),
      };
    } catch (error) {
      await giveUp(execution);
      throw error;
    }
  }

  /** It has started when anything is deployed. */
  private get deployer(): World {
    return this.world!;
  }

  private get pipelineName(): string {
    return pipelineName(this.subject.settings, this.subject.pipeline.name);
  }

  private get updatedByItself(): string[] {
    return stacksUpdatedBy(this.subject.settings, this.subject.pipeline.name);
  }

  private async take(task: Wrapper): Promise<void> {
    const { number, subject: before } = this;
    const folder = join(this.folder, `${number}`);
    if (number === 1) {
      forget(this.home);
      rmSync(this.logFile, { force: true });
      // What changes from here on is taken once more.
      if (this.options.watch) await this.changes.mark();
    }
    try {
      const subject = await this.read(folder);
      this.commit = subject.tree.commit;
      if (before) checkSame(before, subject);
      this.checkApprovals(subject);
      this.subject = subject;
    } catch (error) {
      rmSync(folder, { recursive: true, force: true });
      throw error;
    }
    if (before) {
      this.deployer.place = { project: folder, folder };
      handOnBundles(before.tree, this.subject.tree);
      rmSync(before.tree.folder, { recursive: true, force: true });
    }
    const { tree, from } = this.subject;
    const { commit, message } = tree;
    const run = this.options.watch ? `run ${number}: ` : "";
    task.title = `${run}${this.pipelineName} with ${commit.slice(0, 12)} (${message}), settings of ${from}`;
  }

  private async read(folder: string): Promise<Subject> {
    const { project, options } = this;
    const tree = await takeTree({ project, revision: options.fromCommit, folder });
    const from = equip(tree, project, options.settings && resolve(options.settings));
    const file = join(folder, "terraform.tfvars");
    const settings = await projectSettings(file);
    // Another one that comes first by now is not the one that is deployed.
    const name = options.pipeline ?? this.subject?.pipeline.name;
    const sum = createHash("sha256").update(readFileSync(file)).digest("hex");
    const pipeline = choosePipeline(settings, name);
    return { tree, settings, pipeline, from, identity: `${tree.content} ${sum}` };
  }

  /** Before minutes have gone by. */
  private checkApprovals({ pipeline, settings }: Subject): void {
    const { decision, until } = this.options;
    if (decision || until || this.screen.isTerminal) return;
    const asks = pipeline.deploy.flat().filter((name) => settings.environments[name]?.approval !== "never");
    if (asks.length) throw nobodyToAsk(`the approval of ${asks.join(" and of ")}`);
  }

  private async findTools(task: Wrapper): Promise<void> {
    const mirror = await findTools(task);
    // Builds find them as well, and fetch nothing that is there.
    Object.assign(process.env, await terraformEnvironment());
    if (mirror) process.env.SLIPWAY_PROVIDER_MIRROR = mirror;
  }

  private async startAws(task: Wrapper): Promise<void> {
    const { logFile, options } = this;
    const { settings, tree } = this.subject;
    const reuse = {
      inputs: inputsOf,
      current: () => this.number,
      reused: (build: string, from: number) => void this.reused.set(build, from),
    };
    this.world = new World({
      project: tree.folder,
      folder: tree.folder,
      logFile,
      settings,
      minuteMilliseconds: options.minuteMilliseconds,
      faults: options.faults,
      // One that passes with a missing grant would be worth nothing.
      enforceIam: true,
      reuse: options.watch ? reuse : undefined,
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
    const sqs = new SQSClient(config);
    this.clients = { codepipeline, codebuild, logs, s3, sqs, all: [codepipeline, codebuild, logs, s3, sqs] };
    task.title += ` at ${this.world.endpoint}`;
  }

  private async synthesize(task: Wrapper): Promise<void> {
    const { folder } = this.subject.tree;
    this.stacks = await synthesize(folder, this.deployer.options(task));
    checkNames(this.options, this.pipelineName, this.stacks.names(this.subject.pipeline.name));
    task.title += `: ${this.stacks.sums.size} synthesized`;
  }

  private deploy(stacks: readonly string[], task: Wrapper): Promise<void> {
    return this.deployer.deploy(stacks, task);
  }

  /** Stacks that a pipeline does not deploy. @param besides others that it stands on */
  private byHand(...besides: readonly string[]): string[] {
    const access = [...this.stacks.sums.keys()].filter((name) => name.startsWith("access-"));
    return [BOOTSTRAP, ...access, ...besides];
  }

  private hasChanged(name: string): boolean {
    return this.stacks.sums.get(name) !== this.deployed.get(name);
  }

  private isDeployed(name: string): void {
    this.deployed.set(name, this.stacks.sums.get(name) ?? "");
  }

  /** What the pipeline brings up to date itself is left to it. */
  private async deployChanges(task: Wrapper): Promise<void> {
    const own = this.updatedByItself;
    const all = this.byHand(...(own.includes(DELIVERY_STACK) ? [] : [DELIVERY_STACK]));
    const changed = all.filter((name) => this.hasChanged(name));
    const left = own.filter((name) => this.hasChanged(name));
    task.title += `: ${changed.length ? `${changed.join(", ")} again` : "unchanged"}`;
    if (left.length) task.title += `; ${left.join(", ")}: left to the pipeline`;
    if (changed.includes(BOOTSTRAP)) {
      await this.deployer.npm("bootstrap", [], task);
      this.isDeployed(BOOTSTRAP);
    }
    const others = changed.filter((name) => name !== BOOTSTRAP);
    if (!others.length) return;
    await this.deploy(others, task);
    for (const name of others) this.isDeployed(name);
  }

  private async handIn(task: Wrapper): Promise<void> {
    const { tree, settings, pipeline } = this.subject;
    await handInSource({
      ...tree,
      s3: this.clients!.s3 as S3Client,
      repository: settings.source.repository,
      branch: pipeline.branch,
    });
    task.title = `${settings.source.repository}, branch ${pipeline.branch}: handed in`;
  }

  /** What the environments' states put out as addresses. */
  private async addresses({ s3 }: Clients): Promise<Record<string, Record<string, string>>> {
    const { settings, pipeline } = this.subject;
    const found: Record<string, Record<string, string>> = {};
    for (const name of pipeline.deploy.flat()) {
      const state = await s3
        .send(new GetObjectCommand({ Bucket: stateBucketName(settings), Key: stateKey(name) }))
        .then(({ Body }) => Body!.transformToString())
        .catch((error: Error) => {
          if (error.name === "NoSuchKey") return undefined;
          throw error;
        });
      const addresses = state === undefined ? {} : addressesIn(state);
      if (Object.keys(addresses).length) found[name] = addresses;
    }
    return found;
  }

  /** Waits until what reports on runs has nothing left to tell; not for ever, as what cannot be told stays. */
  private async allTold(): Promise<void> {
    const { sqs } = this.clients!;
    const { reportQueue: QueueName } = deliveryNames(this.subject.settings);
    const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
    const left = async () => {
      const { Attributes = {} } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] }),
      );
      return (
        Number(Attributes.ApproximateNumberOfMessages) +
        Number(Attributes.ApproximateNumberOfMessagesNotVisible)
      );
    };
    const end = Date.now() + TELLING_MILLISECONDS;
    // Twice: an event may be on its way to the queue.
    for (let empty = 0; empty < 2 && Date.now() < end; await pause(LOOK_MILLISECONDS))
      empty = (await left()) ? 0 : empty + 1;
  }

  /** What was sent since this run began, when all is told. */
  private async mails(): Promise<RehearsalRecord["mails"]> {
    await this.allTold();
    const response = await fetch(`${this.deployer.endpoint}/local-aws/mail`);
    const all = (await response.json()) as Mail[];
    const since = this.started.toISOString();
    return all
      .filter(({ when }) => when >= since)
      .map(({ to, subject, text, when }) => ({ to, subject, text, when }));
  }
}

/** Ends what the next run would have to wait for. It may have ended by itself. */
async function giveUp(execution: Execution | undefined): Promise<void> {
  await execution?.stop("Nobody follows it any more", true).catch(() => {});
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

/** @throws UserError where what is deployed would have to be deployed anew, under other names or elsewhere */
function checkSame({ settings: before }: Subject, { settings: now }: Subject): void {
  for (const name of ["project", "account", "region"] as const)
    if (now[name] !== before[name])
      throw new UserError(
        `${name} is ${JSON.stringify(now[name])} now, and was ${JSON.stringify(before[name])}: nothing of what is deployed goes on under it. End this with Ctrl-C, and start it again.`,
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
