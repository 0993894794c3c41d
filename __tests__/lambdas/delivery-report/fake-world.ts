import { createHash } from "node:crypto";
import type { ActionExecutionDetail, PipelineExecutionSummary } from "@aws-sdk/client-codepipeline";
import type { SQSEvent } from "aws-lambda";
import { handleBatch } from "../../../lambdas/delivery-report/batch";
import { runStatus } from "../../../lambdas/delivery-report/messages/status";
import type { Task } from "../../../lambdas/delivery-report/task";
import type { Clients, Desk, Wording } from "../../../lambdas/delivery-report/tell";
import { tokenSecret } from "../../../shared/github-token";

export const ACCOUNT = "111111111111";
export const REGION = "eu-west-1";
export const BUCKET = "hello-reports-111111111111-eu-west-1";
export const ARTIFACTS = "hello-artifacts-111111111111-eu-west-1";
export const TOKEN = `ghp_${"madeUpToken".repeat(4)}`;
export const WEBHOOK = "https://chat.example.com/hooks/T000/B000/made-up-webhook";
export const PAGE_KEY = `arn:aws:kms:${REGION}:${ACCOUNT}:key/pages`;
export const PIPELINE = "hello-main";

export const TASK: Task = {
  project: "hello",
  account: ACCOUNT,
  region: REGION,
  provider: "github-token",
  repository: "acme/hello",
  pipelines: { main: { pipeline: PIPELINE, branch: "main", environments: ["dev"] } },
  bucket: BUCKET,
  topic: `arn:aws:sns:${REGION}:${ACCOUNT}:hello-notifications`,
  driftProject: "hello-delivery-drift",
  tokenSecret: "hello/github-token",
  chat: { secret: "hello/chat" },
  pages: { url: "https://pages.example.com", key: PAGE_KEY },
  statuses: true,
  githubApi: "https://api.github.com",
};

/** Stages of the pipeline, and their actions. */
export const STAGES: Readonly<Record<string, readonly string[]>> = {
  Source: ["Source"],
  Build: ["lint", "test"],
  Update: ["update"],
  Plan: ["plan-dev"],
  Approve: ["approve-dev"],
  Deploy: ["apply-dev"],
  Release: ["release-dev"],
  Verify: ["verify-dev"],
};

/** Wording that shows what was given. Statuses are worded as they are. */
export const PLAIN: Wording = {
  runMail: (run) => ({ subject: `${run.pipeline} ${run.status}`, text: JSON.stringify(run) }),
  approvalMail: (approval) => ({
    subject: `approval of ${approval.environment}`,
    text: JSON.stringify(approval),
  }),
  driftMail: (drift) => ({ subject: "drift", text: JSON.stringify(drift) }),
  runChat: (run) => ({ text: `run ${run.status}`, run }),
  approvalChat: (approval) => ({ text: "approval", approval }),
  driftChat: (drift) => ({ text: "drift", drift }),
  runStatus,
  runPage: (run) => `<!doctype html>${JSON.stringify(run)}`,
  overviewPage: (overview) => `<!doctype html>${JSON.stringify(overview)}`,
};

export interface FakeExecution {
  readonly id: string;
  status: string;
  summary?: string;
  stopReason?: string;
  readonly commit: string;
  readonly started: Date;
  updated: Date;
  readonly actions: ActionExecutionDetail[];
}

export interface FakeBuild {
  readonly log?: readonly string[];
  readonly reports?: readonly object[];
  readonly exported?: Readonly<Record<string, string>>;
  readonly status?: string;
  readonly complete?: boolean;
}

export interface FakeMail {
  readonly kind: string;
  readonly pipeline?: string;
  readonly subject: string;
  readonly text: string;
}

/** What an invocation that dies throws from then on, whatever it tries. */
class Death extends Error {}

export const awsError = (name: string, httpStatusCode = 400) =>
  Object.assign(new Error(name), { name, $metadata: { httpStatusCode } });

// biome-ignore lint/suspicious/noExplicitAny: each operation has inputs and answers of its own.
type Loose = any;

/** As much of AWS, GitHub and a chat as the function meets. */
export class FakeWorld {
  now = new Date("2026-11-20T12:00:00Z");
  task: Task = TASK;
  stages = STAGES;
  wording = PLAIN;
  /** Oldest first. */
  readonly executions: FakeExecution[] = [];
  readonly builds: Record<string, FakeBuild> = {};
  readonly testCases: Record<string, readonly object[]> = {};
  /** By "bucket/key". */
  readonly objects = new Map<string, { readonly body: string | Uint8Array; readonly type?: string }>();
  readonly secrets: Record<string, string | undefined> = {
    "hello/github-token": tokenSecret(TOKEN),
    "hello/chat": WEBHOOK,
  };

  readonly mails: FakeMail[] = [];
  readonly posts: Loose[] = [];
  readonly statuses: { readonly commit: string; readonly state: string; readonly target_url?: string }[] = [];
  readonly asked: string[] = [];
  /** What the function logs, a line each. */
  readonly log: string[] = [];
  /** Status of GitHub's and the chat's answers. */
  answers: { github?: number; chat?: number; githubHeaders?: Record<string, string> } = {};

  /** What an operation fails with before it does anything; "death" ends the invocation. */
  fault: (operation: string) => Error | "death" | undefined = () => undefined;
  /** What comes between two operations. */
  pause: () => Promise<void> = async () => {};

  seconds(count: number): void {
    this.now = new Date(this.now.getTime() + count * 1000);
  }

  /** An object of the reports' bucket. */
  json(key: string): Loose {
    const { body } = this.objects.get(`${BUCKET}/${key}`) ?? {};
    return body === undefined ? undefined : JSON.parse(String(body));
  }

  page(path: string): string | undefined {
    return this.objects.get(`${BUCKET}/${path}`)?.body.toString();
  }

  /** Handles messages as one invocation. @returns ids of those that go back to the queue */
  async deliver(
    events: readonly { readonly id: string; readonly body: string }[],
    timeLeft = 60_000,
  ): Promise<string[]> {
    const Records = events.map(({ id, body }) => ({ messageId: id, body })) as unknown as SQSEvent["Records"];
    const life = { isDead: false };
    const { batchItemFailures } = await handleBatch(this.desk(life), { Records }, () => timeLeft);
    return life.isDead ? events.map(({ id }) => id) : batchItemFailures.map((one) => one.itemIdentifier);
  }

  /** Handles one event. @returns whether it is done with */
  async hear(body: object | string): Promise<boolean> {
    const text = typeof body === "string" ? body : JSON.stringify(body);
    return (await this.deliver([{ id: "message-1", body: text }])).length === 0;
  }

  begin(id: string, commit: string): FakeExecution {
    const execution: FakeExecution = {
      id,
      status: "InProgress",
      commit,
      started: this.now,
      updated: this.now,
      actions: [],
    };
    this.executions.push(execution);
    return execution;
  }

  /** An action begins. */
  act(execution: FakeExecution, name: string, detail: Partial<ActionExecutionDetail> = {}): void {
    const [stage = ""] = Object.entries(this.stages).find(([, actions]) => actions.includes(name)) ?? [];
    const isApproval = name.startsWith("approve-");
    const isBuild = stage !== "Source" && !isApproval;
    const run = execution.actions.filter(({ actionName }) => actionName === name).length + 1;
    execution.actions.push({
      actionExecutionId: `${execution.id}-${name}-${run}`,
      stageName: stage,
      actionName: name,
      status: "InProgress",
      startTime: this.now,
      lastUpdateTime: this.now,
      input: {
        actionTypeId: isApproval
          ? { category: "Approval", owner: "AWS", provider: "Manual", version: "1" }
          : {
              category: isBuild ? "Build" : "Source",
              owner: "AWS",
              provider: isBuild ? "CodeBuild" : "GitHub",
              version: "1",
            },
      },
      output: isBuild
        ? { executionResult: { externalExecutionId: `hello-main-${name}:${execution.id}-${run}` } }
        : undefined,
      ...detail,
    });
  }

  /** The last run of an action ends, or tells something. */
  end(
    execution: FakeExecution,
    name: string,
    status: ActionExecutionDetail["status"],
    output: ActionExecutionDetail["output"] = {},
  ): void {
    const index = execution.actions.findLastIndex(({ actionName }) => actionName === name);
    const before = execution.actions[index]!;
    execution.actions[index] = {
      ...before,
      status,
      lastUpdateTime: this.now,
      output: {
        ...before.output,
        ...output,
        executionResult: { ...before.output?.executionResult, ...output?.executionResult },
      },
    };
    execution.updated = this.now;
  }

  finish(execution: FakeExecution, status: string, summary?: string): void {
    execution.status = status;
    execution.summary = summary;
    execution.updated = this.now;
  }

  private desk(life: { isDead: boolean }): Desk {
    const operate = async <T>(operation: string, work: () => T): Promise<T> => {
      await this.pause();
      const fault = life.isDead ? "death" : this.fault(operation);
      if (fault === "death") {
        life.isDead = true;
        throw new Death();
      }
      if (fault) throw fault;
      this.asked.push(operation);
      const result = work();
      await this.pause();
      return result;
    };
    const send = (command: Loose) => {
      const operation = command.constructor.name.replace(/Command$/, "");
      return operate(operation, () => (this as Loose)[`on${operation}`](command.input));
    };
    const client = { send } as Loose;
    const clients: Clients = {
      codepipeline: client,
      codebuild: client,
      logs: client,
      s3: client,
      sns: client,
      secrets: client,
      kms: client,
      fetch: ((url: string, init: RequestInit) =>
        operate(url.startsWith(WEBHOOK) ? "chat" : `github ${init.method}`, () =>
          this.onFetch(url, init),
        )) as typeof fetch,
    };
    return {
      task: this.task,
      clients,
      wording: this.wording,
      now: () => this.now,
      log: { info: this.logs("info"), warn: this.logs("warn"), error: this.logs("error") },
    };
  }

  private logs(level: string) {
    return (message: unknown, ...extra: unknown[]): void => {
      this.log.push(`${level} ${message} ${JSON.stringify(extra)}`);
    };
  }

  private onFetch(url: string, { body, headers }: RequestInit): Response {
    const given = body ? JSON.parse(String(body)) : undefined;
    if (url === WEBHOOK) {
      const { chat: status = 200 } = this.answers;
      if (status === 200) this.posts.push(given);
      return new Response("ok", { status });
    }
    const { github: status = 200, githubHeaders = {} } = this.answers;
    const [, what, commit = ""] = /\/repos\/acme\/hello\/(\w+)\/(\w+)$/.exec(url)!;
    if (new Headers(headers).get("authorization") !== `Bearer ${TOKEN}`)
      return new Response("", { status: 401 });
    if (status !== 200) return new Response("{}", { status, headers: githubHeaders });
    if (what === "commits")
      return Response.json({ commit: { author: { name: "Ada Example", date: "2026-11-20T11:00:00Z" } } });
    this.statuses.push({ commit, ...given });
    return Response.json({}, { status: 201 });
  }

  onGetPipelineExecution({ pipelineExecutionId }: Loose) {
    const found = this.executions.find(({ id }) => id === pipelineExecutionId);
    if (!found) throw awsError("PipelineExecutionNotFoundException");
    const isKnown = found.actions.some(
      ({ actionName, status }) => actionName === "Source" && status === "Succeeded",
    );
    return {
      pipelineExecution: {
        pipelineName: PIPELINE,
        pipelineVersion: 1,
        pipelineExecutionId,
        status: found.status,
        statusSummary: found.summary,
        artifactRevisions: isKnown
          ? [{ name: "Source", revisionId: found.commit, revisionSummary: "Greet people by name" }]
          : [],
      },
    };
  }

  onListActionExecutions({ filter, nextToken }: Loose) {
    const { actions } = this.executions.find(({ id }) => id === filter.pipelineExecutionId)!;
    const newestFirst = [...actions].reverse();
    const from = Number(nextToken ?? 0);
    return {
      actionExecutionDetails: newestFirst.slice(from, from + 5),
      nextToken: from + 5 < newestFirst.length ? String(from + 5) : undefined,
    };
  }

  onListPipelineExecutions() {
    const pipelineExecutionSummaries: PipelineExecutionSummary[] = [...this.executions]
      .reverse()
      .map(({ id, status, commit, started, updated, stopReason }) => ({
        pipelineExecutionId: id,
        status: status as PipelineExecutionSummary["status"],
        startTime: started,
        lastUpdateTime: updated,
        sourceRevisions: [{ actionName: "Source", revisionId: commit }],
        stopTrigger: stopReason === undefined ? undefined : { reason: stopReason },
      }));
    return { pipelineExecutionSummaries };
  }

  onGetPipeline() {
    const stages = Object.entries(this.stages).map(([name, actions]) => ({
      name,
      actions: actions.map((action) => ({ name: action })),
    }));
    return { pipeline: { name: PIPELINE, stages } };
  }

  onGetPipelineState() {
    const { id, actions } = this.executions.at(-1)!;
    return {
      stageStates: Object.entries(this.stages).map(([stageName, names]) => ({
        stageName,
        latestExecution: { pipelineExecutionId: id },
        actionStates: names.map((actionName) => {
          const waits = actions.some((one) => one.actionName === actionName && one.status === "InProgress");
          return {
            actionName,
            latestExecution: waits && actionName.startsWith("approve-") ? { token: "token-1" } : {},
          };
        }),
      })),
    };
  }

  onBatchGetBuilds({ ids }: Loose) {
    return {
      builds: ids
        .filter((id: string) => this.builds[id])
        .map((id: string) => {
          const { exported = {}, reports = [], status = "SUCCEEDED", complete = true } = this.builds[id]!;
          return {
            id,
            buildStatus: status,
            buildComplete: complete,
            endTime: complete ? this.now : undefined,
            logs: { groupName: `/slipway/${id.split(":")[0]}`, streamName: id },
            reportArns: reports.map((_, index) => `${id}/${index}`),
            exportedEnvironmentVariables: Object.entries(exported).map(([name, value]) => ({ name, value })),
          };
        }),
    };
  }

  onGetLogEvents({ logStreamName, nextToken }: Loose) {
    const { log } = this.builds[logStreamName]!;
    if (!log) throw awsError("ResourceNotFoundException");
    return {
      events: nextToken ? [] : log.slice(-400).map((message) => ({ message: `${message}\n` })),
      nextBackwardToken: "b/1",
    };
  }

  onBatchGetReports({ reportArns }: Loose) {
    return {
      reports: reportArns.map((arn: string) => {
        const [build = "", index] = arn.split("/");
        return { arn, ...this.builds[build]!.reports![Number(index)] };
      }),
    };
  }

  onDescribeTestCases({ reportArn, filter, maxResults }: Loose) {
    const cases = (this.testCases[reportArn] ?? []).filter((one: Loose) => one.status === filter.status);
    return { testCases: cases.slice(0, maxResults) };
  }

  onGetSecretValue({ SecretId }: Loose) {
    const SecretString = this.secrets[SecretId];
    if (SecretString === undefined) throw awsError("ResourceNotFoundException");
    return { SecretString };
  }

  onGenerateMac({ KeyId, Message }: Loose) {
    if (KeyId !== PAGE_KEY) throw new Error(`There is no key ${KeyId}`);
    return { Mac: createHash("sha256").update(Message).digest() };
  }

  onGetObject({ Bucket, Key }: Loose) {
    const found = this.objects.get(`${Bucket}/${Key}`);
    if (!found) throw awsError("NoSuchKey", 404);
    const { body } = found;
    return {
      ETag: etagOf(body),
      ContentLength: body.length,
      Body: {
        transformToString: async () => String(body),
        transformToByteArray: async () => (typeof body === "string" ? Buffer.from(body) : body),
      },
    };
  }

  onPutObject({ Bucket, Key, Body, ContentType, IfMatch, IfNoneMatch }: Loose) {
    const found = this.objects.get(`${Bucket}/${Key}`);
    if (IfNoneMatch === "*" && found) throw awsError("PreconditionFailed", 412);
    if (IfMatch !== undefined && !found) throw awsError("NoSuchKey", 404);
    if (IfMatch !== undefined && IfMatch !== etagOf(found!.body)) throw awsError("PreconditionFailed", 412);
    this.objects.set(`${Bucket}/${Key}`, { body: Body, type: ContentType });
    return {};
  }

  onPublish({ Subject, Message, MessageAttributes: attributes }: Loose) {
    this.mails.push({
      kind: attributes.kind.StringValue,
      pipeline: attributes.pipeline?.StringValue,
      subject: Subject,
      text: Message,
    });
    return {};
  }
}

const etagOf = (body: string | Uint8Array) => `"${createHash("md5").update(body).digest("hex")}"`;

/** As EventBridge tells of an execution (CodePipeline user guide, "Monitoring CodePipeline events"). */
export const pipelineEvent = (execution: string, state: string, pipeline = PIPELINE) => ({
  version: "0",
  id: "01234567-EXAMPLE",
  "detail-type": "CodePipeline Pipeline Execution State Change",
  source: "aws.codepipeline",
  account: ACCOUNT,
  time: "2026-11-20T12:00:00Z",
  region: REGION,
  resources: [`arn:aws:codepipeline:${REGION}:${ACCOUNT}:${pipeline}`],
  detail: {
    pipeline,
    "execution-id": execution,
    "start-time": "2026-11-20T12:00:00.000Z",
    state,
    version: 1.0,
    "pipeline-execution-attempt": 1.0,
  },
});

export const stageEvent = (execution: string, stage: string, state: string) => {
  const { detail, ...event } = pipelineEvent(execution, state);
  return {
    ...event,
    "detail-type": "CodePipeline Stage Execution State Change",
    detail: { ...detail, stage },
  };
};

export const actionEvent = (execution: string, stage: string, action: string, state: string) => {
  const { detail, ...event } = pipelineEvent(execution, state);
  return {
    ...event,
    "detail-type": "CodePipeline Action Execution State Change",
    detail: {
      ...detail,
      stage,
      "action-execution-id": "2f1a2b3c-EXAMPLE",
      action,
      region: REGION,
      type: { owner: "AWS", provider: "CodeBuild", category: "Build", version: "1" },
    },
  };
};

/** As EventBridge tells of a build (CodeBuild user guide, "Build notifications input format reference"). */
export const buildEvent = (build: string, status: string) => ({
  version: "0",
  id: "c030038d-EXAMPLE",
  "detail-type": "CodeBuild Build State Change",
  source: "aws.codebuild",
  account: ACCOUNT,
  time: "2026-11-20T12:00:00Z",
  region: REGION,
  resources: [`arn:aws:codebuild:${REGION}:${ACCOUNT}:build/${build}`],
  detail: {
    "build-status": status,
    "project-name": build.split(":")[0],
    "build-id": `arn:aws:codebuild:${REGION}:${ACCOUNT}:build/${build}`,
    "additional-information": { initiator: "rule/hello-delivery-drift" },
    "current-phase": "COMPLETED",
    "current-phase-context": "[]",
    version: "1",
  },
});
