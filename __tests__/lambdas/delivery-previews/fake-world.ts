import { createHash } from "node:crypto";
import type { PipelineDeclaration } from "@aws-sdk/client-codepipeline";
import type { SQSEvent } from "aws-lambda";
import { handleBatch } from "../../../lambdas/delivery-previews/batch";
import { createDesk } from "../../../lambdas/delivery-previews/desk";
import type { Repository } from "../../../lambdas/delivery-previews/repository";
import type { Task } from "../../../lambdas/delivery-previews/task";
import { PREVIEW, previewSlug } from "../../../shared/previews";

export const TOKEN = `ghp_${"madeUpToken".repeat(4)}`;
export const TEMPLATE = "hello-preview-main_dev";
const ROLE = "arn:aws:iam::111111111111:role/hello-preview-main_dev";

export const TASK: Task = {
  project: "hello",
  account: "111111111111",
  region: "eu-west-1",
  provider: "github-token",
  repository: "acme/hello",
  deployed: ["main"],
  rules: [
    {
      pattern: "feature/*",
      exclude: ["feature/secret*"],
      into: [],
      pipeline: "main",
      environment: "dev",
      ttlHours: 72,
      limit: 2,
    },
    {
      pattern: "pull_requests",
      exclude: [],
      into: ["main"],
      pipeline: "main",
      environment: "dev",
      ttlHours: 72,
      limit: 3,
    },
  ],
  templates: { main_dev: { pipeline: "hello-main", environment: "dev" } },
  trials: {},
  bucket: "hello-previews-111111111111-eu-west-1",
  stateBucket: "hello-state-111111111111-eu-west-1",
  teardown: "hello-delivery-teardown",
  topic: "arn:aws:sns:eu-west-1:111111111111:hello-notifications",
  tokenSecret: "hello/github-token",
  githubApi: "https://api.github.com",
};

const action = (name: string, provider: string, configuration: Record<string, string>) => ({
  name,
  actionTypeId:
    provider === "CodeBuild"
      ? { category: "Build" as const, owner: "AWS" as const, provider, version: "1" }
      : { category: "Source" as const, owner: "ThirdParty" as const, provider, version: "1" },
  namespace: name,
  configuration,
});

/** A template as it was deployed, with some of each field that a pipeline may have. */
export const template = (): PipelineDeclaration => ({
  name: TEMPLATE,
  roleArn: ROLE,
  artifactStore: { type: "S3", location: TASK.bucket },
  pipelineType: "V2",
  executionMode: "SUPERSEDED",
  stages: [
    {
      name: "Source",
      actions: [
        action("Source", "GitHub", {
          Owner: "acme",
          Repo: "hello",
          Branch: "main",
          OAuthToken: TOKEN,
          PollForSourceChanges: "false",
        }),
      ],
    },
    {
      name: "Release",
      actions: [action("release-pv-dev", "CodeBuild", { ProjectName: `${TEMPLATE}-release-pv-dev` })],
      onFailure: { result: "RETRY", retryConfiguration: { retryMode: "FAILED_ACTIONS" } },
    },
  ],
  variables: [
    { name: "UPDATED_FOR", defaultValue: "nothing" },
    { name: PREVIEW.variable, defaultValue: PREVIEW.unset },
  ],
  version: 3,
});

export interface FakeRun {
  readonly id: string;
  readonly environment: string;
  status: string;
  commit?: string;
  readonly token?: string;
  readonly started: Date;
  updated: Date;
}

interface FakePipeline {
  definition: PipelineDeclaration;
  readonly tags: { key?: string; value?: string }[];
  readonly created: Date;
  /** Oldest first. */
  readonly runs: FakeRun[];
}

interface FakeBuild {
  readonly id: string;
  readonly token?: string;
  readonly startTime: Date;
  buildStatus: string;
  readonly environment: { readonly environmentVariables: { name: string; value: string }[] };
}

/** What happens to an operation: it fails, or the invocation dies before it or after it. */
export type Fault = Error | "death before" | "death after" | undefined;

/** What an invocation that dies throws from then on, whatever it tries. */
class Death extends Error {}

export const awsError = (name: string, httpStatusCode = 400) =>
  Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });

// biome-ignore lint/suspicious/noExplicitAny: each operation has inputs and answers of its own.
type Loose = any;

/** As much of AWS and of a repository as the function meets. */
export class FakeWorld {
  now = new Date("2026-11-20T12:00:00Z");
  task: Task = TASK;
  token: string | undefined = TOKEN;
  /** Heads by branch. */
  readonly branches = new Map<string, string>([["main", "c0ffee0"]]);
  /** When commits were made that were not made just now. */
  readonly committed = new Map<string, Date>();
  readonly pulls = new Map<number, { readonly branch: string; readonly into: string; isOpen: boolean }>();
  readonly comments = new Map<number, string>();
  readonly pipelines = new Map<string, FakePipeline>();
  /** Of the previews' bucket. */
  readonly objects = new Map<string, { readonly body: string; readonly etag: string }>();
  /** By environment, when its state was written. */
  readonly states = new Map<string, Date>();
  readonly builds: FakeBuild[] = [];
  readonly mails: { readonly Subject: string; readonly Message: string }[] = [];
  readonly asked: string[] = [];
  /** What the function logs, a line each. */
  readonly log: string[] = [];
  /** What CodePipeline and CodeBuild told EventBridge. */
  readonly events: object[] = [];

  fault: (operation: string) => Fault = () => undefined;
  /** What comes between two operations. */
  pause: () => Promise<void> = async () => {};
  runsFail: () => boolean = () => false;
  teardownsFail: () => boolean = () => false;
  /** Whether they take no longer. */
  teardownsEnd: () => boolean = () => true;

  private count = 0;

  constructor() {
    this.deploy(template());
  }

  /** Puts a pipeline where its stack would. */
  deploy(definition: PipelineDeclaration): void {
    this.pipelines.set(definition.name!, { definition, tags: [], created: this.now, runs: [] });
  }

  minutes(count: number): void {
    this.now = new Date(this.now.getTime() + count * 60_000);
  }

  /** Names of the previews' pipelines. */
  clones(): string[] {
    return [...this.pipelines.keys()].filter((name) => name.split("_").length === 3).sort();
  }

  runsOf(branch: string): FakeRun[] {
    return this.pipelines.get(cloneName(branch))?.runs ?? [];
  }

  record(branch: string): Loose {
    const { body } = this.objects.get(`records/main_dev_${previewSlug(branch)}.json`) ?? {};
    return body === undefined ? undefined : JSON.parse(body);
  }

  attempts(): string[] {
    return this.builds.map(({ buildStatus }) => buildStatus);
  }

  /** Handles one message as one invocation. @returns whether it is done with */
  async hear(message: object | string, timeLeft: () => number = () => 600_000): Promise<boolean> {
    const body = typeof message === "string" ? message : JSON.stringify(message);
    const Records = [{ messageId: "message-1", body }] as unknown as SQSEvent["Records"];
    const life = { isDead: false };
    const { batchItemFailures } = await handleBatch(this.desk(life), { Records }, timeLeft);
    return !life.isDead && batchItemFailures.length === 0;
  }

  hearOf(branch: string): Promise<boolean> {
    return this.hear({ slipway: "branch", branch });
  }

  sweep(): Promise<boolean> {
    return this.hear({ slipway: "sweep" });
  }

  /** Handles what EventBridge was told since. */
  async hearEvents(): Promise<void> {
    for (const event of this.events.splice(0)) await this.hear(event);
  }

  /** Runs and builds go one step on. */
  tick(): void {
    for (const [name, { definition, runs }] of this.pipelines)
      for (const run of runs) this.step(name, definition, run);
    for (const build of this.builds.filter(({ buildStatus }) => buildStatus === "IN_PROGRESS")) {
      if (!this.teardownsEnd()) continue;
      build.buildStatus = this.teardownsFail() ? "FAILED" : "SUCCEEDED";
      const variables = build.environment.environmentVariables;
      if (build.buildStatus === "SUCCEEDED")
        this.states.delete(variables.find(({ name }) => name === PREVIEW.variable)!.value);
      this.events.push(buildEvent(variables));
    }
  }

  private step(name: string, definition: PipelineDeclaration, run: FakeRun): void {
    if (!["InProgress", "Stopping"].includes(run.status)) return;
    run.updated = this.now;
    if (run.status === "Stopping") run.status = "Stopped";
    else if (run.commit === undefined) {
      const { Branch, BranchName = Branch } = sourceOf(definition);
      run.commit = this.branches.get(BranchName!);
      if (run.commit === undefined || run.token !== TOKEN) run.status = "Failed";
    } else {
      this.states.set(run.environment, this.now);
      run.status = this.runsFail() ? "Failed" : "Succeeded";
    }
    if (run.status !== "InProgress") this.events.push(pipelineEvent(name));
  }

  /** All that is under way ends, and is heard of. */
  async settle(): Promise<void> {
    for (let round = 0; round < 6; round++) {
      this.minutes(1);
      this.tick();
      await this.hearEvents();
    }
  }

  private desk(life: { isDead: boolean }) {
    const operate = async <T>(operation: string, work: () => T): Promise<T> => {
      await this.pause();
      const fault = life.isDead ? "death before" : this.fault(operation);
      if (fault === "death before") {
        life.isDead = true;
        throw new Death();
      }
      if (fault instanceof Error) throw fault;
      this.asked.push(operation);
      const result = work();
      if (fault === "death after") {
        life.isDead = true;
        throw new Death();
      }
      await this.pause();
      return result;
    };
    const client = {
      send: (command: Loose) => {
        const operation = command.constructor.name.replace(/Command$/, "");
        // What is given and what is got are copies, as over a network.
        return operate(operation, () =>
          structuredClone((this as Loose)[`on${operation}`](structuredClone(command.input))),
        ).then((answer) => (operation === "GetObject" ? withBody(answer) : answer));
      },
    } as Loose;
    const open = () =>
      [...this.pulls].flatMap(([number, { branch, into, isOpen }]) =>
        isOpen ? [{ number, branch, into }] : [],
      );
    const branches = () => [...this.branches].map(([name, commit]) => ({ name, commit }));
    const repository: Repository = {
      branch: (name) => operate("branch", () => branches().find((one) => one.name === name)),
      branches: () => operate("branches", branches),
      committedAt: (commit) => operate("committedAt", () => this.committed.get(commit) ?? this.now),
      pullRequestsFrom: (branch) =>
        operate("pullRequestsFrom", () => open().filter((one) => one.branch === branch)),
      pullRequests: () => operate("pullRequests", open),
      say: (number, text, { onlyInPlace } = {}) =>
        operate("say", () => {
          if (!onlyInPlace || this.comments.has(number)) this.comments.set(number, text);
        }),
    };
    return createDesk({
      task: this.task,
      clients: { codepipeline: client, codebuild: client, s3: client, sns: client },
      repository,
      token: this.token,
      now: () => this.now,
      log: { info: this.logs("info"), warn: this.logs("warn"), error: this.logs("error") },
    });
  }

  private logs(level: string) {
    return (message: unknown, ...extra: unknown[]): void => {
      this.log.push(`${level} ${message} ${JSON.stringify(extra)}`);
    };
  }

  private found(name: string): FakePipeline {
    const pipeline = this.pipelines.get(name);
    if (!pipeline) throw awsError("PipelineNotFoundException");
    return pipeline;
  }

  private begin({ definition, runs }: FakePipeline): FakeRun {
    const run: FakeRun = {
      id: `run-${++this.count}`,
      environment: definition.variables!.find(({ name }) => name === PREVIEW.variable)!.defaultValue!,
      status: "InProgress",
      // Connections take none.
      token: "OAuthToken" in sourceOf(definition) ? sourceOf(definition).OAuthToken : TOKEN,
      started: this.now,
      updated: this.now,
    };
    runs.push(run);
    return run;
  }

  onListPipelines({ nextToken }: Loose) {
    const names = [...this.pipelines.keys()];
    const from = Number(nextToken ?? 0);
    return {
      pipelines: names.slice(from, from + 2).map((name) => ({ name })),
      nextToken: from + 2 < names.length ? String(from + 2) : undefined,
    };
  }

  onGetPipeline({ name }: Loose) {
    const { definition, created } = this.found(name);
    const pipeline = structuredClone(definition);
    const source = sourceOf(pipeline);
    if (source.OAuthToken) source.OAuthToken = "****";
    return { pipeline, metadata: { created } };
  }

  onListTagsForResource({ resourceArn }: Loose) {
    const pipeline = this.pipelines.get(resourceArn.split(":").at(-1));
    if (!pipeline) throw awsError("ResourceNotFoundException");
    return { tags: pipeline.tags };
  }

  onCreatePipeline({ pipeline: definition, tags }: Loose) {
    if (this.pipelines.has(definition.name)) throw awsError("PipelineNameInUseException");
    const made = { definition: { ...definition, version: 1 }, tags, created: this.now, runs: [] };
    this.pipelines.set(definition.name, made);
    this.begin(made);
    return {};
  }

  onUpdatePipeline({ pipeline: definition }: Loose) {
    const found = this.found(definition.name);
    found.definition = { ...definition, version: found.definition.version! + 1 };
    for (const run of found.runs) if (run.status === "InProgress") run.status = "Cancelled";
    return {};
  }

  onDeletePipeline({ name }: Loose) {
    this.pipelines.delete(name);
    return {};
  }

  private readonly requests = new Map<string, string>();

  onStartPipelineExecution({ name, clientRequestToken }: Loose) {
    const pipeline = this.found(name);
    const before = this.requests.get(clientRequestToken);
    if (before) return { pipelineExecutionId: before };
    for (const run of pipeline.runs) if (run.status === "InProgress") run.status = "Superseded";
    const { id } = this.begin(pipeline);
    this.requests.set(clientRequestToken, id);
    return { pipelineExecutionId: id };
  }

  onStopPipelineExecution({ pipelineName, pipelineExecutionId, abandon }: Loose) {
    const run = this.found(pipelineName).runs.find(({ id }) => id === pipelineExecutionId);
    if (!run) throw awsError("PipelineExecutionNotFoundException");
    if (run.status === "Stopping" && !abandon) throw awsError("DuplicatedStopRequestException");
    if (!["InProgress", "Stopping"].includes(run.status))
      throw awsError("PipelineExecutionNotStoppableException");
    run.status = abandon ? "Stopped" : "Stopping";
    run.updated = this.now;
    return {};
  }

  onListPipelineExecutions({ pipelineName }: Loose) {
    const pipelineExecutionSummaries = this.found(pipelineName).runs.map(
      ({ id, status, commit, started, updated }) => ({
        pipelineExecutionId: id,
        status,
        startTime: started,
        lastUpdateTime: updated,
        sourceRevisions: commit ? [{ actionName: "Source", revisionId: commit }] : [],
      }),
    );
    return { pipelineExecutionSummaries: pipelineExecutionSummaries.reverse() };
  }

  onListActionExecutions() {
    return {
      actionExecutionDetails: [
        {
          stageName: "Release",
          actionName: "release-pv-dev",
          startTime: this.now,
          output: {
            outputVariables: { PREVIEW_ADDRESSES: "https://pv.example.com https://api.example.com" },
          },
        },
      ],
    };
  }

  onListBuildsForProject() {
    return { ids: this.builds.map(({ id }) => id).reverse() };
  }

  onBatchGetBuilds({ ids }: Loose) {
    if (ids.length === 0) throw awsError("InvalidInputException");
    return { builds: this.builds.filter(({ id }) => ids.includes(id)) };
  }

  onStartBuild({ idempotencyToken: token, environmentVariablesOverride }: Loose) {
    if (token && this.builds.some((build) => build.token === token)) return {};
    this.builds.push({
      id: `hello-delivery-teardown:${++this.count}`,
      token,
      startTime: this.now,
      buildStatus: "IN_PROGRESS",
      environment: { environmentVariables: environmentVariablesOverride },
    });
    return {};
  }

  onListObjectsV2({ Bucket, Prefix, Delimiter }: Loose) {
    const all: { Key: string; LastModified?: Date }[] =
      Bucket === this.task.stateBucket
        ? [...this.states].map(([name, LastModified]) => ({ Key: `${name}.tfstate`, LastModified }))
        : [...this.objects.keys()].map((Key) => ({ Key }));
    const under = all.filter(({ Key }) => Key.startsWith(Prefix));
    return {
      Contents: under.filter(({ Key }) => !Delimiter || !Key.slice(Prefix.length).includes(Delimiter)),
    };
  }

  onGetObject({ Key }: Loose) {
    const found = this.objects.get(Key);
    if (!found) throw awsError("NoSuchKey", 404);
    return { text: found.body, ETag: found.etag };
  }

  onPutObject({ Key, Body, IfMatch, IfNoneMatch }: Loose) {
    this.check(Key, IfMatch, IfNoneMatch);
    const etag = createHash("md5")
      .update(`${Body} ${++this.count}`)
      .digest("hex");
    this.objects.set(Key, { body: Body, etag });
    return { ETag: etag };
  }

  onDeleteObject({ Key, IfMatch }: Loose) {
    this.check(Key, IfMatch);
    this.objects.delete(Key);
    return {};
  }

  private check(key: string, match?: string, none?: string): void {
    const found = this.objects.get(key);
    if (match && !found) throw awsError("NoSuchKey", 404);
    if ((match && found?.etag !== match) || (none && found)) throw awsError("PreconditionFailed", 412);
  }

  onPublish({ Subject, Message }: Loose) {
    this.mails.push({ Subject, Message });
    return {};
  }
}

/** The configuration of a pipeline's source. */
const sourceOf = ({ stages }: PipelineDeclaration) => stages![0]!.actions![0]!.configuration!;

const withBody = ({ text, ETag }: Loose) => ({ ETag, Body: { transformToString: async () => text } });

export const cloneName = (branch: string) => `${TEMPLATE}_${previewSlug(branch)}`;
export const environmentOf = (branch: string) => `pv-dev-${previewSlug(branch)}`;

export const pipelineEvent = (pipeline: string) => ({
  source: "aws.codepipeline",
  "detail-type": "CodePipeline Pipeline Execution State Change",
  detail: { pipeline, "execution-id": "run-1", state: "SUCCEEDED" },
});

export const buildEvent = (variables: readonly object[]) => ({
  source: "aws.codebuild",
  "detail-type": "CodeBuild Build State Change",
  detail: {
    "project-name": TASK.teardown,
    "additional-information": {
      environment: {
        "environment-variables": variables.map((variable) => ({ ...variable, type: "PLAINTEXT" })),
      },
    },
  },
});
