import {
  type ActionExecutionDetail,
  type CodePipelineClient,
  GetPipelineCommand,
  type GetPipelineCommandOutput,
  GetPipelineExecutionCommand,
  GetPipelineStateCommand,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  type PipelineExecution,
  type PipelineExecutionSummary,
} from "@aws-sdk/client-codepipeline";
import { readActionRuns } from "../../shared/action-executions";
import type { RunStatus } from "../../shared/run-report";

type Client = Pick<CodePipelineClient, "send">;

/** How far back CodePipeline is asked for executions: its most on one page. */
const LISTED = 100;

/** How long an approval waits where the pipeline does not say (user guide, "Quotas in AWS CodePipeline"). */
const APPROVAL_MINUTES = 7 * 24 * 60;

/** The last run of an action. */
export interface ActionRun {
  /** Of this run of it. */
  readonly id: string;
  readonly stage: string;
  readonly name: string;
  readonly isApproval: boolean;
  readonly status: "InProgress" | "Succeeded" | "Failed" | "Abandoned";
  readonly started: Date;
  /** When the first run of it began. */
  readonly firstStarted: Date;
  /** The run of it that this one was tried again after. @default - it is the first one */
  readonly before?: ActionRun;
  /** When it ended, or last told something. */
  readonly updated: Date;
  /** Id of its build. */
  readonly build?: string;
  /** Why it failed, or what the person who decided said. */
  readonly summary?: string;
  readonly variables: Readonly<Record<string, string>>;
  readonly artifacts: readonly { readonly bucket: string; readonly key: string }[];
}

/** How an execution fares, as CodePipeline tells it at a moment. */
export interface Execution {
  /** In CodePipeline. */
  readonly pipeline: string;
  readonly id: string;
  readonly status: RunStatus;
  readonly ended: boolean;
  /** Whether CodePipeline ended it, because the pipeline was changed meanwhile. */
  readonly isCancelled: boolean;
  readonly reason?: string;
  readonly version?: number;
  readonly revisions: NonNullable<PipelineExecution["artifactRevisions"]>;
  /** In the order in which they began. */
  readonly actions: readonly ActionRun[];
}

export interface DeclaredStage {
  readonly name: string;
  readonly actions: readonly { readonly name: string; readonly approvalMinutes: number }[];
}

/** The pipeline was changed while it ran. */
const CANCELLED = "Cancelled";

const STATUS: Readonly<Record<string, RunStatus>> = {
  Succeeded: "succeeded",
  Failed: "failed",
  Stopped: "stopped",
  [CANCELLED]: "stopped",
  Superseded: "superseded",
};

/** How an execution fares; undefined where there is none of that id any more. */
export async function readExecution(
  client: Client,
  pipeline: string,
  id: string,
): Promise<Execution | undefined> {
  // First whether it has ended: of one that had, the actions that are read next are all.
  const found = await orNone(readState(client, pipeline, id));
  if (!found) return undefined;
  const actions = await readActions(client, pipeline, id);
  const { status = "", statusSummary, artifactRevisions = [], pipelineVersion } = found;
  const ended = STATUS[status];
  const isAsked = actions.some((run) => run.isApproval && run.status === "InProgress");
  return {
    pipeline,
    id,
    status: ended ?? (isAsked ? "waiting" : "running"),
    ended: ended !== undefined,
    isCancelled: status === CANCELLED,
    reason: statusSummary,
    version: pipelineVersion,
    revisions: artifactRevisions,
    actions,
  };
}

/** Whether an execution has ended. */
export async function hasEnded(client: Client, { pipeline, id }: Execution): Promise<boolean> {
  return STATUS[(await readState(client, pipeline, id)).status ?? ""] !== undefined;
}

/** The stages of a pipeline, as it was when the execution began. */
export async function readStages(client: Client, { pipeline, version }: Execution): Promise<DeclaredStage[]> {
  let answer: GetPipelineCommandOutput;
  try {
    answer = await client.send(new GetPipelineCommand({ name: pipeline, version }));
  } catch (error) {
    if ((error as Error).name !== "PipelineVersionNotFoundException") throw error;
    answer = await client.send(new GetPipelineCommand({ name: pipeline }));
  }
  return (answer.pipeline?.stages ?? []).map(({ name = "", actions = [] }) => ({
    name,
    actions: actions.map((action) => ({
      name: action.name ?? "",
      approvalMinutes: action.timeoutInMinutes ?? APPROVAL_MINUTES,
    })),
  }));
}

/** The newest executions of a pipeline, newest first. */
export async function readNewest(client: Client, pipeline: string): Promise<PipelineExecutionSummary[]> {
  const command = new ListPipelineExecutionsCommand({ pipelineName: pipeline, maxResults: LISTED });
  return (await client.send(command)).pipelineExecutionSummaries ?? [];
}

/** What an approval that waits is answered with; undefined where it waits no more. */
export async function readToken(
  client: Client,
  { pipeline, id }: Execution,
  { stage, name }: ActionRun,
): Promise<string | undefined> {
  const { stageStates = [] } = await client.send(new GetPipelineStateCommand({ name: pipeline }));
  const state = stageStates.find(
    ({ stageName, latestExecution }) => stageName === stage && latestExecution?.pipelineExecutionId === id,
  );
  const token = state?.actionStates?.find(({ actionName }) => actionName === name)?.latestExecution?.token;
  // It becomes part of an address.
  return /^[\w-]{1,200}$/.test(token ?? "") ? token : undefined;
}

async function readState(client: Client, pipeline: string, id: string): Promise<PipelineExecution> {
  const command = new GetPipelineExecutionCommand({ pipelineName: pipeline, pipelineExecutionId: id });
  return (await client.send(command)).pipelineExecution ?? {};
}

async function readActions(client: Client, pipeline: string, id: string): Promise<ActionRun[]> {
  const runs = await readActionRuns((nextToken) =>
    client.send(
      new ListActionExecutionsCommand({
        pipelineName: pipeline,
        filter: { pipelineExecutionId: id },
        nextToken,
      }),
    ),
  );
  return runs.map(([first, ...more]) =>
    more.reduce((before, detail) => actionRun(detail, before), actionRun(first)),
  );
}

function actionRun(detail: ActionExecutionDetail, before?: ActionRun): ActionRun {
  const { input, output, startTime: started = new Date(0), lastUpdateTime: updated = started } = detail;
  const { externalExecutionId, externalExecutionSummary, errorDetails } = output?.executionResult ?? {};
  const { category, provider } = input?.actionTypeId ?? {};
  return {
    id: detail.actionExecutionId ?? "",
    stage: detail.stageName ?? "",
    name: detail.actionName ?? "",
    isApproval: category === "Approval",
    status: (detail.status ?? "InProgress") as ActionRun["status"],
    started,
    firstStarted: before?.firstStarted ?? started,
    before,
    updated,
    build: provider === "CodeBuild" ? externalExecutionId : undefined,
    summary: errorDetails?.message ?? externalExecutionSummary,
    variables: output?.outputVariables ?? {},
    artifacts: (output?.outputArtifacts ?? []).flatMap(({ s3location }) =>
      s3location?.bucket && s3location.key ? [{ bucket: s3location.bucket, key: s3location.key }] : [],
    ),
  };
}

async function orNone<T>(answer: Promise<T>): Promise<T | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (GONE.includes((error as Error).name)) return undefined;
    throw error;
  }
}

const GONE = ["PipelineExecutionNotFoundException", "PipelineNotFoundException"];
