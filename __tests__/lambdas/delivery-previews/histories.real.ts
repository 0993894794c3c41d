import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BatchGetBuildsCommand,
  CodeBuildClient,
  CreateProjectCommand,
  ListBuildsForProjectCommand,
} from "@aws-sdk/client-codebuild";
import { CodeCommitClient } from "@aws-sdk/client-codecommit";
import {
  CodePipelineClient,
  CreatePipelineCommand,
  ListPipelineExecutionsCommand,
  ListPipelinesCommand,
  type PipelineDeclaration,
  type PipelineTriggerDeclaration,
} from "@aws-sdk/client-codepipeline";
import { DeleteObjectCommand, ListObjectsV2Command, S3Client } from "@aws-sdk/client-s3";
import { SNSClient } from "@aws-sdk/client-sns";
import { DeleteMessageBatchCommand, ReceiveMessageCommand, SQSClient } from "@aws-sdk/client-sqs";
import type { SQSEvent } from "aws-lambda";
import fc from "fast-check";
import { handleBatch } from "../../../lambdas/delivery-previews/batch";
import { createDesk } from "../../../lambdas/delivery-previews/desk";
import { createRepository } from "../../../lambdas/delivery-previews/repository";
import type { Task } from "../../../lambdas/delivery-previews/task";
import { PREVIEW, previewSlug, ruleOf } from "../../../shared/previews";
import { handInSource, type LocalAws, SOURCES_BUCKET, startLocalAws } from "../../../tools/local-aws";
import { call } from "../../../tools/local-aws/functions/client";
import { sourceKey } from "../../../tools/local-aws/pipelines/source";
import { LocalClients, region } from "../../support/local-aws";
import { motoServer } from "../../support/moto";
import { TASK, TOKEN } from "./fake-world";
import { BRANCHES, type Change, change, RULES, randomOf } from "./history";

// As histories.test.ts, but what the function asks is Local AWS, which throttles a tenth of it, and a repository at its host.

jest.setTimeout(10 * 60_000);

const BUILD = TASK.account;
const MINUTE = 60_000;
/** Until all builds and runs of a history have ended, in milliseconds. */
const PATIENCE = 2 * 60_000;
/** So many sweeps a quarter of an hour, or a day, apart repair all. */
const SWEEPS = 14;

/** Writes, or deletes, the state of the environment that a build is of. */
const STATE_SCRIPT = `
const { AWS_ENDPOINT_URL, AWS_ACCESS_KEY_ID, AWS_SESSION_TOKEN, SLIPWAY_PREVIEW } = process.env;
const [bucket, method] = process.argv.slice(2);
const headers = {
  authorization: "AWS4-HMAC-SHA256 Credential=" + AWS_ACCESS_KEY_ID +
    "/20260101/${region}/s3/aws4_request, SignedHeaders=host, Signature=0",
  "x-amz-security-token": AWS_SESSION_TOKEN,
};
const url = AWS_ENDPOINT_URL + "/" + bucket + "/" + SLIPWAY_PREVIEW + ".tfstate";
for (let tries = 0; tries < 20; tries++) {
  const { ok, status } = await fetch(url, { method, headers, body: method === "PUT" ? "{}" : undefined });
  if (ok) process.exit();
  if (status !== 503) throw new Error(method + " " + url + ": " + status);
}
throw new Error("S3 is too busy");
`;

let aws: LocalAws;
let clients: LocalClients;
let admin: ReturnType<typeof clientsOf>;
/** What the function asks with. */
let engine: ReturnType<typeof clientsOf>;
let folder: string;
beforeAll(async () => {
  aws = await startLocalAws({
    account: BUILD,
    motoServer: await motoServer(),
    faults: { throttle: 0.1, seed: 7 },
  });
  folder = mkdtempSync(join(tmpdir(), "slipway-histories-"));
  writeFileSync(join(folder, "state.mjs"), STATE_SCRIPT);
  clients = new LocalClients(aws.endpoint);
  admin = clientsOf(clients);
  // Local AWS throttles roles alone. Fewer tries than the function has: each of its steps is to meet one that failed.
  engine = clientsOf(await clients.as(BUILD, "previews"), { maxAttempts: 2 });
  await clients.createBucket(SOURCES_BUCKET);
});
afterAll(async () => {
  clients.destroy();
  await aws.stop();
  rmSync(folder, { recursive: true });
});

const clientsOf = (of: LocalClients, more: object = {}) => ({
  codebuild: of.of(CodeBuildClient, more),
  codecommit: of.of(CodeCommitClient, more),
  codepipeline: of.of(CodePipelineClient, more),
  s3: of.of(S3Client, more),
  sns: of.of(SNSClient, more),
  sqs: of.of(SQSClient, more),
});

const sleep = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** What an invocation that has died throws from then on, whatever it tries. */
class Death extends Error {
  override readonly message = "It has died";
}

/** Time that passes faster at times, for the function and for what AWS tells it of time. */
class Clock {
  private readonly jumps: { readonly at: number; readonly by: number }[] = [];

  readonly now = () => this.timeOf(new Date());

  /** What somebody takes for a time that has passed. */
  timeOf(real: Date): Date {
    const passed = this.jumps.filter(({ at }) => at <= real.getTime());
    return new Date(passed.reduce((time, { by }) => time + by, real.getTime()));
  }

  minutes(count: number): void {
    this.jumps.push({ at: Date.now(), by: count * MINUTE });
  }

  /** An answer, with all its times. */
  within(answer: unknown): unknown {
    if (answer instanceof Date) return this.timeOf(answer);
    if (Array.isArray(answer)) return answer.map((one) => this.within(one));
    if (answer?.constructor?.name !== "Object") return answer;
    return Object.fromEntries(Object.entries(answer).map(([key, value]) => [key, this.within(value)]));
  }
}

type Provider = Task["provider"];

const SOURCES = {
  "github-token": {
    actionTypeId: { category: "Source", owner: "ThirdParty", provider: "GitHub", version: "1" },
    configuration: { Branch: "main", OAuthToken: TOKEN },
  },
  connection: {
    actionTypeId: { category: "Source", owner: "AWS", provider: "CodeStarSourceConnection", version: "1" },
    configuration: { BranchName: "main" },
  },
  codecommit: {
    actionTypeId: { category: "Source", owner: "AWS", provider: "CodeCommit", version: "1" },
    configuration: { BranchName: "main" },
  },
} as const;

/** Of a connection. Nothing pulls it at Local AWS, so that the function has to start what was not started. */
const TRIGGER: PipelineTriggerDeclaration = {
  providerType: "CodeStarSourceConnection",
  gitConfiguration: { sourceActionName: "Source", push: [{ branches: { includes: ["main"] } }] },
};

/** More branches than the rules let in, so that something has to go for others to come. */
const BEGINNING: readonly Change[] = BRANCHES.flatMap((branch) => [
  { what: "push", branch },
  ...(branch.startsWith("fix/") ? [{ what: "open" as const, branch }] : []),
]);

let histories = 0;

/** A project of its own at Local AWS, and what happens to it. */
class History {
  private readonly project = `p${++histories}`;
  private readonly repository: string;
  private readonly task: Task;
  private readonly clock = new Clock();
  private readonly queue: string[] = [];
  private queueUrl = "";
  private commits = 0;
  /** Heads by branch, and pull requests by their branch. */
  private readonly branches = new Map<string, string>();
  private readonly pulls = new Map<string, { readonly number: number; isOpen: boolean }>();
  private trouble = true;
  readonly passed: string[] = [];
  readonly log: string[] = [];

  constructor(
    private readonly provider: Provider,
    private readonly random: () => number,
  ) {
    const { project } = this;
    this.repository = provider === "codecommit" ? project : `acme/${project}`;
    this.task = {
      ...TASK,
      project,
      provider,
      repository: this.repository,
      rules: RULES,
      templates: { main_dev: { pipeline: `${project}-main`, environment: "dev" } },
      bucket: `${project}-previews`,
      stateBucket: `${project}-state`,
      teardown: `${project}-delivery-teardown`,
      githubApi: `${aws.endpoint}/local-aws/github`,
    };
  }

  private readonly flag = (what: string) => join(folder, `${this.project}-${what}`);
  private readonly template = () => `${this.project}-preview-main_dev`;
  readonly cloneOf = (branch: string) => `${this.template()}_${previewSlug(branch)}`;
  private readonly environmentOf = (branch: string) => `pv-dev-${previewSlug(branch)}`;

  async prepare(): Promise<this> {
    const { bucket, stateBucket, teardown } = this.task;
    for (const name of [bucket, stateBucket]) await clients.createBucket(name);
    const state = (method: string) => `node ${join(folder, "state.mjs")} ${stateBucket} ${method}`;
    const failing = (what: string) => `test ! -e ${this.flag(what)}`;
    await this.createBuild(this.template(), "CODEPIPELINE", [state("PUT"), failing("runs")]);
    // So long that branches come back meanwhile.
    await this.createBuild(teardown, "NO_SOURCE", ["sleep 1", failing("teardowns"), state("DELETE")]);
    const pipeline = this.templatePipeline();
    await admin.codepipeline.send(new CreatePipelineCommand({ pipeline }));
    await this.listen();
    await this.happen({ what: "push", branch: "main" });
    return this;
  }

  private async createBuild(name: string, type: "CODEPIPELINE" | "NO_SOURCE", commands: readonly string[]) {
    await admin.codebuild.send(
      new CreateProjectCommand({
        name,
        serviceRole: `arn:aws:iam::${BUILD}:role/build`,
        source: { type, buildspec: JSON.stringify({ version: "0.2", phases: { build: { commands } } }) },
        artifacts: { type: type === "NO_SOURCE" ? "NO_ARTIFACTS" : type },
        environment: { type: "LINUX_CONTAINER", image: "i", computeType: "BUILD_GENERAL1_SMALL" },
        logsConfig: { cloudWatchLogs: { status: "DISABLED" } },
      }),
    );
  }

  private templatePipeline(): PipelineDeclaration {
    const { actionTypeId, configuration } = SOURCES[this.provider];
    const repositories: Readonly<Record<Provider, Record<string, string>>> = {
      "github-token": { Owner: "acme", Repo: this.project },
      connection: {
        ConnectionArn: `arn:aws:codestar-connections:${region}:${BUILD}:connection/1`,
        FullRepositoryId: this.repository,
      },
      codecommit: { RepositoryName: this.repository },
    };
    const variables = [{ name: PREVIEW.variable, value: `#{variables.${PREVIEW.variable}}` }];
    return {
      name: this.template(),
      roleArn: `arn:aws:iam::${BUILD}:role/pipeline`,
      artifactStore: { type: "S3", location: this.task.bucket },
      pipelineType: "V2",
      executionMode: "SUPERSEDED",
      variables: [{ name: PREVIEW.variable, defaultValue: PREVIEW.unset }],
      ...(this.provider === "connection" && { triggers: [TRIGGER] }),
      stages: [
        {
          name: "Source",
          actions: [
            {
              name: "Source",
              actionTypeId,
              configuration: { ...configuration, ...repositories[this.provider] },
              outputArtifacts: [{ name: "Code" }],
            },
          ],
        },
        {
          name: "Deploy",
          actions: [
            {
              name: "apply-pv-dev",
              actionTypeId: { category: "Build", owner: "AWS", provider: "CodeBuild", version: "1" },
              configuration: {
                ProjectName: this.template(),
                EnvironmentVariables: JSON.stringify(variables),
              },
              inputArtifacts: [{ name: "Code" }],
            },
          ],
        },
      ],
    };
  }

  /** As modules/previews.ts does it. */
  private async listen(): Promise<void> {
    const caller = { endpoint: aws.endpoint, region, accessKey: "local" };
    const QueueName = `${this.project}-delivery-previews.fifo`;
    const Attributes = { FifoQueue: "true", ContentBasedDeduplication: "true" };
    const created = await call(caller, "sqs", "AmazonSQS.CreateQueue", { QueueName, Attributes });
    this.queueUrl = String(created.QueueUrl);
    const patterns = {
      pipelines: {
        source: ["aws.codepipeline"],
        "detail-type": ["CodePipeline Pipeline Execution State Change"],
        detail: { pipeline: [{ prefix: `${this.project}-preview-` }] },
      },
      teardowns: {
        source: ["aws.codebuild"],
        "detail-type": ["CodeBuild Build State Change"],
        detail: { "project-name": [this.task.teardown] },
      },
      repository: { source: ["aws.codecommit"], resources: [{ suffix: `:${this.repository}` }] },
    };
    for (const [name, pattern] of Object.entries(patterns)) {
      const Rule = `${this.project}-${name}`;
      await call(caller, "events", "AWSEvents.PutRule", {
        Name: Rule,
        EventPattern: JSON.stringify(pattern),
      });
      const Targets = [
        {
          Id: "queue",
          Arn: `arn:aws:sqs:${region}:${BUILD}:${QueueName}`,
          SqsParameters: { MessageGroupId: name },
        },
      ];
      await call(caller, "events", "AWSEvents.PutTargets", { Rule, Targets });
    }
  }

  /** The repository goes on; what is told of it may be lost, or come twice. */
  private async happen({ what, branch }: Change): Promise<void> {
    const pull = this.pulls.get(branch);
    const isThere = this.branches.has(branch);
    if (what === "sweep") return this.tell(JSON.stringify({ slipway: "sweep" }));
    if (what === "push") {
      const commit = (++this.commits).toString(16).padStart(40, "0");
      const { repository } = this;
      // What a push brings is there before anybody hears of it.
      await handInSource({
        ...{ s3: admin.s3, repository, branch, commit, message: "" },
        folder: join(__dirname, "../../support"),
      });
      this.branches.set(branch, commit);
      await this.act({ do: "push", branch, commit });
    } else if (what === "delete" && isThere && branch !== "main") {
      this.branches.delete(branch);
      // CodeCommit's pull requests outlive their branch.
      if (pull && this.provider !== "codecommit") pull.isOpen = false;
      await this.act({ do: "delete", branch });
      const Key = sourceKey(this.repository, branch);
      await admin.s3.send(new DeleteObjectCommand({ Bucket: SOURCES_BUCKET, Key }));
    } else if (what === "open" && isThere && branch !== "main" && !pull?.isOpen) {
      const [opened] = await this.act({ do: "open", branch, into: "main" });
      this.pulls.set(branch, { number: opened!.number!, isOpen: true });
    } else if (what === "close" && pull?.isOpen) {
      pull.isOpen = false;
      await this.act({ do: "close", number: pull.number });
    }
  }

  private async act(what: object): Promise<{ branch: string; number?: number }[]> {
    const provider = this.provider === "codecommit" ? "codecommit" : "github";
    const response = await fetch(`${aws.endpoint}/local-aws/repository`, {
      method: "POST",
      body: JSON.stringify({ provider, region, repository: this.repository, ...what }),
    });
    const { changes, message } = (await response.json()) as {
      changes?: { branch: string; number?: number }[];
      message?: string;
    };
    if (!changes) throw new Error(message);
    // As the webhook does; CodeCommit's events come by the queue.
    if (provider === "github")
      for (const { branch, number } of changes)
        this.tell(
          JSON.stringify(
            number ? { slipway: "pull-request", number, branch } : { slipway: "branch", branch },
          ),
        );
    return changes;
  }

  private tell(message: string): void {
    if (!this.trouble || this.random() < 0.2) return;
    this.queue.push(message, ...(this.random() < 0.2 ? [message] : []));
  }

  private async pass(): Promise<void> {
    this.clock.minutes(7);
    for (const what of ["runs", "teardowns"]) this.fails(what, this.random() < 0.25);
    await sleep(this.random() * 400);
    await this.hearEvents();
  }

  private fails(what: string, does: boolean): void {
    if (does) writeFileSync(this.flag(what), "");
    else rmSync(this.flag(what), { force: true });
  }

  private async hearEvents(): Promise<void> {
    const sqs = admin.sqs;
    for (;;) {
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl: this.queueUrl, MaxNumberOfMessages: 10, WaitTimeSeconds: 0 }),
      );
      if (Messages.length === 0) return;
      for (const { Body = "" } of Messages) this.tell(Body);
      await sqs.send(
        new DeleteMessageBatchCommand({
          QueueUrl: this.queueUrl,
          Entries: Messages.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle })),
        }),
      );
    }
  }

  /** Handles up to three messages side by side, in any order; what failed comes again. */
  private async deliver(during: Change | undefined): Promise<void> {
    const taken = Array.from({ length: Math.min(3, this.queue.length) }, () => {
      return this.queue.splice(Math.floor(this.random() * this.queue.length), 1)[0]!;
    });
    const hear = async (message: string) => {
      if (!(await this.hear(message)) && this.random() < 0.7) this.queue.push(message);
    };
    const meanwhile = async () => {
      await sleep(this.random() * 200);
      if (during) await this.happen(during);
    };
    await Promise.all([...taken.map(hear), meanwhile()]);
    await this.checkLimits();
  }

  /** Handles one message as one invocation. @returns whether it is done with */
  private async hear(body: string): Promise<boolean> {
    const life = { isDead: false };
    const mayDie = () => {
      if (this.trouble && this.random() < 0.02) life.isDead = true;
      if (life.isDead) throw new Death();
    };
    const mortal = <T extends { send: (command: never) => Promise<unknown> }>(client: T) =>
      ({
        send: async (command: never) => {
          if (life.isDead) throw new Death();
          const answer = await client.send(command);
          mayDie();
          return this.clock.within(answer);
        },
      }) as unknown as T;
    const mortalFetch = async (...given: Parameters<typeof fetch>) => {
      if (life.isDead) throw new Death();
      const answer = await fetch(...given);
      mayDie();
      return answer;
    };
    const token = this.provider === "codecommit" ? undefined : TOKEN;
    const logs =
      (level: string) =>
      (message: unknown, { error: _, ...more }: Record<string, unknown> = {}) => {
        this.log.push(`${level} ${message} ${JSON.stringify(more)}`);
      };
    const desk = createDesk({
      task: this.task,
      clients: {
        codepipeline: mortal(engine.codepipeline),
        codebuild: mortal(engine.codebuild),
        s3: mortal(engine.s3),
        sns: mortal(engine.sns),
      },
      repository: createRepository(
        this.task,
        { codecommit: mortal(engine.codecommit), fetch: mortalFetch },
        token,
      ),
      token,
      now: this.clock.now,
      log: { info: logs("info"), warn: logs("warn"), error: logs("error") } as never,
    });
    const Records = [{ messageId: "1", body }] as unknown as SQSEvent["Records"];
    const { batchItemFailures } = await handleBatch(desk, { Records }, () => 600_000);
    return !life.isDead && batchItemFailures.length === 0;
  }

  async live(changes: readonly Change[]): Promise<this> {
    const coming = [...BEGINNING, ...changes];
    for (let one = coming.shift(); one; one = coming.shift()) {
      await this.happen(one);
      while (this.random() < 0.7) {
        if (this.random() < 0.6) await this.pass();
        await this.deliver(this.random() < 0.3 ? coming.shift() : undefined);
      }
    }
    return this;
  }

  /** Nothing happens any more, nobody tells of anything, and sweeps alone go on. */
  async end(): Promise<this> {
    if (this.passed.length > 0) return this;
    this.trouble = false;
    for (const what of ["runs", "teardowns"]) this.fails(what, false);
    let isRight = false;
    for (let round = 0; round < SWEEPS; round++) {
      // What has failed often is tried but once a day.
      this.clock.minutes(round < 6 ? 15 : 25 * 60);
      const wasRight = isRight;
      await this.hear(JSON.stringify({ slipway: "sweep" }));
      await this.rest();
      isRight = (await this.problems()).length === 0;
      // And stays so. What is throttled still may keep a sweep from taking back what it has begun.
      if (wasRight && isRight) break;
    }
    return this;
  }

  /** Until what runs has ended. */
  private async rest(): Promise<void> {
    const codebuild = admin.codebuild;
    for (const deadline = Date.now() + PATIENCE; Date.now() < deadline; await sleep(100)) {
      const { ids = [] } = await codebuild.send(
        new ListBuildsForProjectCommand({ projectName: this.task.teardown, sortOrder: "DESCENDING" }),
      );
      const { builds = [] } = ids.length
        ? await codebuild.send(new BatchGetBuildsCommand({ ids: ids.slice(0, 100) }))
        : {};
      const runs = await Promise.all((await this.clones()).map((name) => this.runs(name)));
      const isRunning =
        builds.some(({ buildStatus }) => buildStatus === "IN_PROGRESS") ||
        runs.flat().some(({ status = "" }) => ["InProgress", "Stopping"].includes(status));
      if (!isRunning) return;
    }
    throw new Error(`${this.project} does not come to rest`);
  }

  private async clones(): Promise<string[]> {
    const { pipelines = [] } = await admin.codepipeline.send(new ListPipelinesCommand({}));
    return pipelines.map(({ name = "" }) => name).filter((name) => name.startsWith(`${this.template()}_`));
  }

  /** Newest first. */
  private async runs(pipelineName: string) {
    const { pipelineExecutionSummaries = [] } = await admin.codepipeline.send(
      new ListPipelineExecutionsCommand({ pipelineName }),
    );
    return pipelineExecutionSummaries.toSorted((a, b) => Number(b.startTime) - Number(a.startTime));
  }

  private async keys(Bucket: string, Prefix: string): Promise<string[]> {
    const { Contents = [] } = await admin.s3.send(new ListObjectsV2Command({ Bucket, Prefix }));
    return Contents.map(({ Key = "" }) => Key);
  }

  private async checkLimits(): Promise<void> {
    const clones = await this.clones();
    const over = (branches: readonly string[], limit: number) =>
      branches.filter((branch) => clones.includes(this.cloneOf(branch))).length > limit;
    // In this history a branch is of one rule alone.
    if (over(BRANCHES.slice(0, 3), RULES[0]!.limit) || over(BRANCHES.slice(3), RULES[1]!.limit))
      this.passed.push(clones.join(" "));
  }

  /** Branches with a preview by a rule. */
  private wanted(pattern: string): string[] {
    return [...this.branches.keys()].filter((branch) => {
      const pullRequestsInto = this.pulls.get(branch)?.isOpen ? ["main"] : [];
      return ruleOf(RULES, TASK.deployed, { branch, pullRequestsInto })?.pattern === pattern;
    });
  }

  /** In what it is not as it should be. */
  async problems(): Promise<string[]> {
    const problems = this.passed.map((clones) => `Beyond the limit: ${clones}`);
    const clones = await this.clones();
    const previewed = BRANCHES.filter((branch) => clones.includes(this.cloneOf(branch)));
    const expectSame = (what: string, are: readonly string[], expected: readonly string[]) => {
      const [one, other] = [are, expected].map((all) => JSON.stringify(all.toSorted()));
      if (one !== other) problems.push(`${what} are ${one}, and should be ${other}`);
    };
    for (const { pattern, limit } of RULES) {
      const wanted = this.wanted(pattern);
      const have = wanted.filter((branch) => previewed.includes(branch)).length;
      if (have !== Math.min(limit, wanted.length))
        problems.push(`${have} of ${wanted.length} have one by ${pattern}: ${wanted}`);
    }
    const all = RULES.flatMap(({ pattern }) => this.wanted(pattern));
    const entitled = previewed.filter((branch) => all.includes(branch));
    expectSame("The pipelines", clones, entitled.map(this.cloneOf));
    for (const branch of entitled) {
      const [newest] = await this.runs(this.cloneOf(branch));
      const commit = newest?.sourceRevisions?.[0]?.revisionId;
      if (commit !== this.branches.get(branch))
        problems.push(`${branch} was run for ${commit} last, and is at ${this.branches.get(branch)}`);
    }
    const { bucket, stateBucket } = this.task;
    const environments = entitled.map(this.environmentOf);
    expectSame(
      "The states",
      await this.keys(stateBucket, ""),
      environments.map((name) => `${name}.tfstate`),
    );
    const slugs = entitled.map(previewSlug);
    expectSame(
      "The records",
      await this.keys(bucket, "records/"),
      slugs.map((slug) => `records/main_dev_${slug}.json`),
    );
    return problems.map((problem) => `${this.provider}: ${problem}`);
  }
}

const past = fc.record({
  changes: fc.array(change, { minLength: 6, maxLength: 14, size: "max" }),
  seed: fc.integer(),
});

test("whatever happens, and fails, in the end each branch that is to have a preview has one, and nothing else is left", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(past, { minLength: 6, maxLength: 6 }), async (pasts) => {
      const providers = ["github-token", "connection", "codecommit"] as const;
      const ended = await Promise.all(
        pasts.map(async ({ changes, seed }, index) => {
          const history = await new History(providers[index % 3]!, randomOf(seed)).prepare();
          return (await history.live(changes)).end();
        }),
      );
      const told = await Promise.all(
        ended.map(async (history) => {
          const problems = await history.problems();
          return problems.length > 0 ? [...problems, ...history.log] : [];
        }),
      );
      expect(told.flat()).toEqual([]);
    }),
    // Six that wait side by side take no longer than one. What takes so long is not tried again in a shorter form.
    { numRuns: 1, endOnFailure: true },
  );
});
