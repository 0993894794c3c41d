import { type CloudWatchLogsClient, GetLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import { BatchGetBuildsCommand, type CodeBuildClient } from "@aws-sdk/client-codebuild";
import {
  type ActionExecutionDetail,
  type CodePipelineClient,
  GetPipelineCommand,
  GetPipelineExecutionCommand,
  GetPipelineStateCommand,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  PutApprovalResultCommand,
  StartPipelineExecutionCommand,
  StopPipelineExecutionCommand,
} from "@aws-sdk/client-codepipeline";
import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { readActionRuns } from "../../shared/action-executions";

/** How AWS is asked. */
export interface Clients {
  readonly codepipeline: Pick<CodePipelineClient, "send">;
  readonly codebuild: Pick<CodeBuildClient, "send">;
  readonly logs: Pick<CloudWatchLogsClient, "send">;
  readonly s3: Pick<S3Client, "send">;
}

export interface ActionDeclared {
  readonly name: string;
  readonly isApproval: boolean;
}

export interface StageDeclared {
  readonly name: string;
  readonly actions: readonly ActionDeclared[];
  /** Whether it goes on after an action that failed. */
  readonly retries: boolean;
}

/** The last run of an action. */
export interface ActionRun {
  readonly stage: string;
  readonly name: string;
  readonly status: "InProgress" | "Succeeded" | "Failed" | "Abandoned";
  /** How many runs there were of it. */
  readonly tries: number;
  readonly started: Date;
  /** When it ended, or last told something. */
  readonly updated: Date;
  /** Id of its build. */
  readonly build?: string;
  /** Why it failed, or what the person who decided said. */
  readonly summary?: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly configuration: Readonly<Record<string, string>>;
  readonly artifacts: readonly { readonly bucket: string; readonly key: string }[];
}

/** An execution as it was at a moment. */
export interface Snapshot {
  readonly status: string;
  readonly summary?: string;
  readonly running: boolean;
  /** Of the stages that it has come to. */
  readonly stages: Readonly<Record<string, string>>;
  readonly actions: readonly ActionRun[];
  /** Of approvals that wait, by stage and action: who knows it may decide. */
  readonly tokens: Readonly<Record<string, string>>;
}

export const findAction = ({ actions }: Snapshot, stage: string, name: string) =>
  actions.find((run) => run.stage === stage && run.name === name);

/** One execution of a pipeline: what was declared when it started, how it fares, and what can be done with it. */
export class Execution {
  private constructor(
    private readonly clients: Clients,
    readonly pipeline: string,
    readonly id: string,
    readonly stages: readonly StageDeclared[],
  ) {}

  /** The stages of a pipeline as it is now. */
  static async declared({ codepipeline }: Clients, pipeline: string): Promise<StageDeclared[]> {
    const { pipeline: found } = await codepipeline.send(new GetPipelineCommand({ name: pipeline }));
    return (found?.stages ?? []).map(({ name = "", actions = [], onFailure }) => ({
      name,
      retries: onFailure?.result === "RETRY",
      actions: actions.map((action) => ({
        name: action.name ?? "",
        isApproval: action.actionTypeId?.category === "Approval",
      })),
    }));
  }

  /** Starts the pipeline on a commit. */
  static async start(clients: Clients, pipeline: string, commit: string): Promise<Execution> {
    const stages = await Execution.declared(clients, pipeline);
    const sources = stages[0]?.actions ?? [];
    const { pipelineExecutionId = "" } = await clients.codepipeline.send(
      new StartPipelineExecutionCommand({
        name: pipeline,
        // A pipeline of many branches does not start without.
        sourceRevisions: sources.map(({ name }) => ({
          actionName: name,
          revisionType: "COMMIT_ID",
          revisionValue: commit,
        })),
      }),
    );
    return new Execution(clients, pipeline, pipelineExecutionId, stages);
  }

  /** One that somebody else has started. */
  static async of(clients: Clients, pipeline: string, id: string): Promise<Execution> {
    return new Execution(clients, pipeline, id, await Execution.declared(clients, pipeline));
  }

  /** The execution that took the place of this one, because the pipeline had changed. */
  async successor(): Promise<Execution | undefined> {
    const { clients, pipeline, id } = this;
    const { pipelineExecutionSummaries: all = [] } = await clients.codepipeline.send(
      new ListPipelineExecutionsCommand({ pipelineName: pipeline }),
    );
    const own = all.findIndex(({ pipelineExecutionId }) => pipelineExecutionId === id);
    const next = all[own - 1]?.pipelineExecutionId;
    return next ? Execution.of(clients, pipeline, next) : undefined;
  }

  async read(): Promise<Snapshot> {
    const { codepipeline } = this.clients;
    const [{ pipelineExecution }, { stageStates = [] }, actions] = await Promise.all([
      codepipeline.send(
        new GetPipelineExecutionCommand({ pipelineName: this.pipeline, pipelineExecutionId: this.id }),
      ),
      codepipeline.send(new GetPipelineStateCommand({ name: this.pipeline })),
      this.actions(),
    ]);
    const { status = "InProgress", statusSummary: summary } = pipelineExecution ?? {};
    const stages: Record<string, string> = {};
    const tokens: Record<string, string> = {};
    // What the pipeline no longer has, the state does not tell of.
    for (const { stage } of actions) stages[stage] = statusOf(actions.filter((run) => run.stage === stage));
    for (const { stageName = "", latestExecution, actionStates = [] } of stageStates) {
      if (latestExecution?.pipelineExecutionId !== this.id) continue;
      stages[stageName] = latestExecution.status ?? "InProgress";
      for (const { actionName, latestExecution: latest } of actionStates)
        if (latest?.token) tokens[`${stageName}/${actionName}`] = latest.token;
    }
    return {
      status,
      summary,
      running: status === "InProgress" || status === "Stopping",
      stages,
      tokens,
      actions,
    };
  }

  async decide(stage: string, action: string, token: string, status: "Approved" | "Rejected"): Promise<void> {
    await this.clients.codepipeline.send(
      new PutApprovalResultCommand({
        pipelineName: this.pipeline,
        stageName: stage,
        actionName: action,
        token,
        result: { status, summary: `${status} in a rehearsal` },
      }),
    );
  }

  /** @param abandon whether what runs is ended; else it is waited for, and nothing after it is begun */
  async stop(reason: string, abandon: boolean): Promise<void> {
    await this.clients.codepipeline.send(
      new StopPipelineExecutionCommand({
        pipelineName: this.pipeline,
        pipelineExecutionId: this.id,
        abandon,
        reason,
      }),
    );
  }

  /** A file of a ZIP that an action left. */
  async artifactFile(run: ActionRun, file: string): Promise<string | undefined> {
    const { unzipSync } = await import("fflate");
    for (const { bucket, key } of run.artifacts) {
      const { Body } = await this.clients.s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      const files = unzipSync(await Body!.transformToByteArray(), { filter: ({ name }) => name === file });
      if (files[file]) return new TextDecoder().decode(files[file]);
    }
    return undefined;
  }

  logOf(build: string): BuildLog {
    return new BuildLog(this.clients, build);
  }

  /** The last run of each action, in the order in which they began. */
  private async actions(): Promise<ActionRun[]> {
    const runs = await readActionRuns((nextToken) =>
      this.clients.codepipeline.send(
        new ListActionExecutionsCommand({
          pipelineName: this.pipeline,
          filter: { pipelineExecutionId: this.id },
          nextToken,
        }),
      ),
    );
    return runs.map((all) => actionRun(all.at(-1)!, all.length));
  }
}

function actionRun(detail: ActionExecutionDetail, tries: number): ActionRun {
  const { input, output } = detail;
  const { externalExecutionId, externalExecutionSummary } = output?.executionResult ?? {};
  const isBuild = input?.actionTypeId?.provider === "CodeBuild";
  return {
    stage: detail.stageName ?? "",
    name: detail.actionName ?? "",
    status: (detail.status ?? "InProgress") as ActionRun["status"],
    tries,
    started: detail.startTime ?? new Date(),
    updated: detail.lastUpdateTime ?? new Date(),
    build: isBuild ? externalExecutionId : undefined,
    summary: externalExecutionSummary,
    variables: output?.outputVariables ?? {},
    configuration: input?.resolvedConfiguration ?? {},
    artifacts: (output?.outputArtifacts ?? []).flatMap(({ s3location }) =>
      s3location?.bucket && s3location.key ? [{ bucket: s3location.bucket, key: s3location.key }] : [],
    ),
  };
}

/** How a stage fares, by its actions' runs. */
function statusOf(runs: readonly ActionRun[]): string {
  for (const status of ["InProgress", "Failed", "Abandoned"])
    if (runs.some((run) => run.status === status)) return status === "Abandoned" ? "Stopped" : status;
  return "Succeeded";
}

/** The log of a build, which is read on from where it was read last. */
export class BuildLog {
  private group?: string;
  private stream?: string;
  private token?: string;

  constructor(
    private readonly clients: Clients,
    private readonly build: string,
  ) {}

  /** The lines that have come since the last call. */
  async next(): Promise<string[]> {
    if (!this.group) {
      const { builds = [] } = await this.clients.codebuild.send(
        new BatchGetBuildsCommand({ ids: [this.build] }),
      );
      this.group = builds[0]?.logs?.groupName;
      this.stream = builds[0]?.logs?.streamName;
    }
    const logGroupName = this.group;
    const logStreamName = this.stream;
    if (!logGroupName || !logStreamName) return [];
    const lines: string[] = [];
    for (;;) {
      const page = await this.clients.logs
        .send(
          new GetLogEventsCommand({
            logGroupName,
            logStreamName,
            startFromHead: true,
            nextToken: this.token,
          }),
        )
        .catch((error: Error) => {
          // A build that has not begun has none yet.
          if (error.name === "ResourceNotFoundException") return undefined;
          throw error;
        });
      const { events = [], nextForwardToken } = page ?? {};
      lines.push(...events.map(({ message = "" }) => message.trimEnd()));
      const atEnd = !events.length || !nextForwardToken || nextForwardToken === this.token;
      if (events.length) this.token = nextForwardToken;
      if (atEnd) return lines;
    }
  }
}
