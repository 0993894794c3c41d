import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { CodeBuildClient } from "@aws-sdk/client-codebuild";
import {
  CodePipelineClient,
  ListPipelineExecutionsCommand,
  RetryStageExecutionCommand,
} from "@aws-sdk/client-codepipeline";
import { DescribeServicesCommand, ECSClient } from "@aws-sdk/client-ecs";
import { GetAliasCommand, GetFunctionConfigurationCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { Settings } from "../../settings";
import { LIVE_ALIAS, pipelineName, pipelineStackName, stateBucketName, stateKey } from "../../shared/names";
import { World, type Wrapper } from "../../tools/demo/world";
import { handInSource } from "../../tools/local-aws";
import { type ActionRun, type Clients, Execution, type Snapshot } from "../../tools/rehearse/execution";
import { Watch } from "../../tools/rehearse/watch";
import { projectSettings } from "../../tools/settings";
import { providerMirror, terraformEnvironment } from "../../tools/toolchain";
import { rehearsedProject } from "./rehearsed-project";
import { Roles } from "./roles";

/** How long a minute of a release takes. */
const MINUTE_MILLISECONDS = 1000;
const LOOK_MILLISECONDS = 200;

/** Nobody looks at how deploying goes on. */
const unseen = { output: "" } as Wrapper;

/** What users of an environment get. */
export interface Running {
  /** ARN of the service's task definition. */
  readonly service: string;
  /** Version of the function. */
  readonly fn: string;
}

interface RehearsedClients extends Clients {
  readonly codepipeline: CodePipelineClient;
  readonly codebuild: CodeBuildClient;
  readonly logs: CloudWatchLogsClient;
  readonly s3: S3Client;
}

/** A pipeline in a Local AWS that enforces IAM, deployed as `npm run rehearse` does, for tests to drive. */
export class RehearsedPipeline {
  readonly roles: Roles;

  private constructor(
    readonly settings: Settings,
    private readonly folder: string,
    private readonly world: World,
    readonly clients: RehearsedClients,
  ) {
    const { region, account } = settings;
    this.roles = new Roles({ endpoint: world.endpoint, region, account });
  }

  /**
   * @param text of its terraform.tfvars, with one pipeline
   * @param scripts what npm runs in place of the project's own
   * @param stacks what is deployed at last @default - the pipeline's
   */
  static async deploy(
    text: string,
    scripts: Readonly<Record<string, string>>,
    stacks?: readonly string[],
  ): Promise<RehearsedPipeline> {
    const folder = await rehearsedProject(text, scripts);
    const settings = await projectSettings(join(folder, "terraform.tfvars"));
    // Builds find them as well, and fetch nothing that is there.
    Object.assign(process.env, await terraformEnvironment());
    const mirror = providerMirror();
    if (mirror) process.env.SLIPWAY_PROVIDER_MIRROR = mirror;
    const world = new World({
      project: folder,
      folder,
      logFile: `${folder}.log`,
      settings,
      minuteMilliseconds: MINUTE_MILLISECONDS,
      enforceIam: true,
    });
    await world.start();
    const config = {
      endpoint: world.endpoint,
      region: settings.region,
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
    };
    const clients = {
      codepipeline: new CodePipelineClient(config),
      codebuild: new CodeBuildClient(config),
      logs: new CloudWatchLogsClient(config),
      s3: new S3Client({ ...config, forcePathStyle: true }),
    };
    const pipeline = new RehearsedPipeline(settings, folder, world, clients);
    const [name = ""] = Object.keys(settings.pipelines);
    try {
      await world.npm("bootstrap", [], unseen);
      await world.deploy(["access-*", "delivery"], unseen);
      await world.npm("connect", [], unseen);
      await world.deploy(["delivery", ...(stacks ?? [pipelineStackName(name)])], unseen);
    } catch (error) {
      await pipeline.stop();
      throw error;
    }
    return pipeline;
  }

  /** Ends it, and leaves nothing. */
  async end(): Promise<void> {
    await this.stop();
    rmSync(`${this.folder}.log`, { force: true });
  }

  /** The log of deploying stays: an error names it. */
  private async stop(): Promise<void> {
    for (const client of Object.values(this.clients)) client.destroy();
    await this.world.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  get endpoint(): string {
    return this.world.endpoint;
  }

  get name(): string {
    return pipelineName(this.settings, Object.keys(this.settings.pipelines)[0]!);
  }

  /** Changes a file of the working tree. */
  edit(file: string, change: (text: string) => string): void {
    const path = join(this.folder, file);
    const before = readFileSync(path, "utf8");
    const after = change(before);
    if (after === before) throw new Error(`${file} is as it was`);
    writeFileSync(path, after);
  }

  /** Adds a file to the working tree. */
  add(file: string, text: string): void {
    writeFileSync(join(this.folder, file), text);
  }

  async running(environment: string): Promise<Running> {
    const { ecs, lambda, cluster, service, fn } = await this.administer(environment);
    const { services: [found] = [] } = await ecs.send(
      new DescribeServicesCommand({ cluster, services: [service] }),
    );
    const { FunctionVersion = "" } = await lambda.send(
      new GetAliasCommand({ FunctionName: fn, Name: LIVE_ALIAS }),
    );
    const primary = found?.taskSets?.find(({ status }) => status === "PRIMARY");
    return { service: primary?.taskDefinition ?? "", fn: FunctionVersion };
  }

  /** Those of an environment's function, as it was deployed last. */
  async variablesOf(environment: string): Promise<Readonly<Record<string, string>>> {
    const { lambda, fn } = await this.administer(environment);
    const { Environment } = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: fn }));
    return Environment?.Variables ?? {};
  }

  /** An environment's service and function, and clients with its administrator's rights. */
  private async administer(environment: string) {
    const { settings } = this;
    const { account, region } = settings.environments[environment]!;
    const credentials = { accessKeyId: await this.roles.key(account), secretAccessKey: "local" };
    const config = { endpoint: this.world.endpoint, region, credentials };
    const cluster = `${settings.project}-${environment}`;
    return {
      ecs: new ECSClient(config),
      lambda: new LambdaClient(config),
      cluster,
      service: Object.keys(settings.services)[0]!,
      fn: `${cluster}-${Object.keys(settings.functions)[0]}`,
    };
  }

  async stateOf(stack: string): Promise<string> {
    const { Body } = await this.clients.s3.send(new GetObjectCommand(this.stateObject(stack)));
    return Body!.transformToString();
  }

  async setStateOf(stack: string, text: string): Promise<void> {
    await this.clients.s3.send(new PutObjectCommand({ ...this.stateObject(stack), Body: text }));
  }

  private stateObject(stack: string) {
    return { Bucket: stateBucketName(this.settings), Key: stateKey(stack) };
  }

  /** Ids of its executions, or of another pipeline's, the newest first. */
  async executions(pipelineName = this.name): Promise<string[]> {
    const { pipelineExecutionSummaries: all = [] } = await this.clients.codepipeline.send(
      new ListPipelineExecutionsCommand({ pipelineName }),
    );
    return all.map(({ pipelineExecutionId = "" }) => pipelineExecutionId);
  }

  /** Hands the working tree in, and starts the pipeline on it. */
  async release(commit: string): Promise<RehearsedExecution> {
    const { clients, settings, name } = this;
    const [{ branch } = { branch: "" }] = Object.values(settings.pipelines);
    await this.handIn(branch, commit);
    return new RehearsedExecution(clients, await Execution.start(clients, name, commit));
  }

  /** The execution that was started last, by whomever. */
  async newest(): Promise<RehearsedExecution> {
    const { clients, name } = this;
    const [id = ""] = await this.executions();
    return new RehearsedExecution(clients, await Execution.of(clients, name, id));
  }

  /** Hands the working tree in as a branch's newest commit. */
  async handIn(branch: string, commit: string): Promise<void> {
    const { clients, settings, folder } = this;
    const { repository } = settings.source;
    await handInSource({ s3: clients.s3, repository, branch, folder, commit, message: commit });
  }

  /** What failed of a pipeline's last execution, with the end of each log. */
  async failures(pipelineName: string): Promise<string> {
    const { clients } = this;
    const [id = ""] = await this.executions(pipelineName);
    const execution = await Execution.of(clients, pipelineName, id);
    const { actions } = await execution.read();
    const failed = actions.filter(({ status }) => status === "Failed");
    const told = failed.map(async ({ name, summary = "", build }) => {
      const lines = build ? await execution.logOf(build).next() : [];
      return [`${name}: ${summary}`, ...lines.slice(-40)].join("\n");
    });
    return (await Promise.all(told)).join("\n");
  }
}

/** One execution, and how tests see and drive it. */
export class RehearsedExecution {
  private readonly watch: Watch;

  constructor(
    private readonly clients: RehearsedClients,
    readonly execution: Execution,
  ) {
    this.watch = new Watch(() => execution.read(), LOOK_MILLISECONDS);
  }

  until<T>(find: (snapshot: Snapshot) => T | undefined): Promise<T> {
    return this.watch.until(find);
  }

  /** Waits until a stage is over, and where it failed until it may be tried again. */
  async stage(name: string): Promise<Snapshot> {
    return this.until((snapshot) => {
      const { stages, running } = snapshot;
      const over = running ? stages[name] === "Succeeded" || stages[name] === "Skipped" : true;
      return over ? snapshot : undefined;
    });
  }

  /** Approves, once it is asked. @throws Error where it ends without asking */
  async approve(stage: string, action: string): Promise<void> {
    const token = await this.until(
      ({ tokens, running }) => tokens[`${stage}/${action}`] ?? (running ? undefined : ""),
    );
    if (!token) throw new Error(`Nobody was asked for ${action}`);
    await this.execution.decide(stage, action, token, "Approved");
  }

  /** Waits until the execution is over. */
  async end(): Promise<Snapshot> {
    return this.until((snapshot) => (snapshot.running ? undefined : snapshot));
  }

  /** The execution that went on in the place of this one. @throws Error where none did */
  async successor(): Promise<RehearsedExecution> {
    const next = await this.execution.successor();
    if (!next) throw new Error(`Nothing goes on in the place of ${this.execution.id}`);
    return new RehearsedExecution(this.clients, next);
  }

  async retry(stage: string): Promise<void> {
    const { pipeline, id } = this.execution;
    const input = { pipelineName: pipeline, stageName: stage, pipelineExecutionId: id };
    await this.clients.codepipeline.send(
      new RetryStageExecutionCommand({ ...input, retryMode: "FAILED_ACTIONS" }),
    );
  }

  /** What a user is shown of an action: its summary and the log of its build, as one line. */
  async shown(run: ActionRun | undefined): Promise<string> {
    const lines = run?.build ? await this.execution.logOf(run.build).next() : [];
    // Terraform breaks and frames what it says.
    return [run?.summary ?? "", ...lines].join("\n").replace(/[\s│]+/g, " ");
  }
}
