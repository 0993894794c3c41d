import { createHash } from "node:crypto";
import {
  type CodePipelineClient,
  CreatePipelineCommand,
  DeletePipelineCommand,
  GetPipelineCommand,
  ListActionExecutionsCommand,
  ListPipelineExecutionsCommand,
  ListPipelinesCommand,
  ListTagsForResourceCommand,
  type PipelineDeclaration,
  type PipelineExecutionSummary,
  StartPipelineExecutionCommand,
  StopPipelineExecutionCommand,
  UpdatePipelineCommand,
} from "@aws-sdk/client-codepipeline";
import { readActionRuns } from "../../shared/action-executions";
import { releaseName } from "../../shared/names";
import { PREVIEW_ADDRESSES, PREVIEW_TAGS, previewsOf } from "../../shared/previews";
import { branchTag, TOKEN_KEY } from "./clone";
import { type Place, placeOfPipeline } from "./place";
import type { Task } from "./task";

/** How far back CodePipeline is asked for executions: its most on one page. */
const LISTED = 100;

/** One run of a preview's pipeline. */
export interface Run {
  readonly id: string;
  readonly status: string;
  readonly started: Date;
  readonly updated: Date;
  /** What it was run for. @default - it has not fetched its source, or could not */
  readonly commit?: string;
}

export const isRunning = ({ status }: Run) => status === "InProgress" || status === "Stopping";

/** The previews' pipelines in CodePipeline. What somebody else has done meanwhile is no failure here. */
export class Pipelines {
  constructor(
    private readonly client: Pick<CodePipelineClient, "send">,
    private readonly task: Task,
  ) {}

  /** Those that there are. */
  async all(): Promise<Place[]> {
    const places: Place[] = [];
    let nextToken: string | undefined;
    do {
      const page = await this.client.send(new ListPipelinesCommand({ nextToken }));
      for (const { name = "" } of page.pipelines ?? []) {
        const place = placeOfPipeline(this.task, name);
        if (place) places.push(place);
      }
      nextToken = page.nextToken;
    } while (nextToken);
    return places;
  }

  /** How a pipeline is defined; undefined where there is none. */
  async read(
    name: string,
  ): Promise<{ readonly definition: PipelineDeclaration; readonly created?: Date } | undefined> {
    return orNone(async () => {
      const { pipeline, metadata } = await this.client.send(new GetPipelineCommand({ name }));
      return { definition: pipeline!, created: metadata?.created };
    });
  }

  /** The tag that says of which branch it is. @default - it has none, or there is no such pipeline */
  async tagOf({ pipeline }: Place): Promise<string | undefined> {
    const { region, account } = this.task;
    const resourceArn = `arn:aws:codepipeline:${region}:${account}:${pipeline}`;
    const answer = await orNone(() => this.client.send(new ListTagsForResourceCommand({ resourceArn })));
    return answer?.tags?.find(({ key }) => key === PREVIEW_TAGS.branch)?.value;
  }

  /** The newest runs, newest first; none where there is no such pipeline. */
  async runs({ pipeline }: Place): Promise<Run[]> {
    const command = new ListPipelineExecutionsCommand({ pipelineName: pipeline, maxResults: LISTED });
    const answer = await orNone(() => this.client.send(command));
    return (answer?.pipelineExecutionSummaries ?? [])
      .map(runOf)
      .sort((a, b) => Number(b.started) - Number(a.started));
  }

  /** @returns whether it is made by this call: CodePipeline runs what is made. */
  async create(definition: PipelineDeclaration, { environment }: Place, branch: string): Promise<boolean> {
    const command = new CreatePipelineCommand({
      pipeline: definition,
      tags: [
        { key: PREVIEW_TAGS.preview, value: environment },
        { key: PREVIEW_TAGS.branch, value: branchTag(branch) },
      ],
    });
    return unless(["PipelineNameInUseException"], () =>
      withoutSecrets(definition, () => this.client.send(command)),
    );
  }

  async update(definition: PipelineDeclaration): Promise<void> {
    const command = new UpdatePipelineCommand({ pipeline: definition });
    await withoutSecrets(definition, () => this.client.send(command));
  }

  async delete({ pipeline }: Place): Promise<void> {
    await unless(GONE, () => this.client.send(new DeletePipelineCommand({ name: pipeline })));
  }

  /**
   * Starts a run, once for a commit after the run that was the newest.
   *
   * @returns whether there is one: there may be no room for another, or no pipeline any more
   */
  async start({ pipeline }: Place, commit: string, newest: Run | undefined): Promise<boolean> {
    const clientRequestToken = createHash("sha256")
      .update(`${pipeline} ${commit} ${newest?.id ?? "none"}`)
      .digest("hex");
    const command = new StartPipelineExecutionCommand({ name: pipeline, clientRequestToken });
    return unless([...GONE, "ConcurrentPipelineExecutionsLimitExceededException", "ConflictException"], () =>
      this.client.send(command),
    );
  }

  /** @param abandon whether what is running is not waited for */
  async stop({ pipeline }: Place, { id }: Run, abandon: boolean): Promise<void> {
    const command = new StopPipelineExecutionCommand({
      pipelineName: pipeline,
      pipelineExecutionId: id,
      abandon,
      reason: "The preview is being removed",
    });
    await unless([...GONE, ...STOPPED], () => this.client.send(command));
  }

  /** Where what a run released is reached. */
  async addresses({ pipeline, like }: Place, { id }: Run): Promise<string[]> {
    const actions = await readActionRuns((nextToken) =>
      this.client.send(
        new ListActionExecutionsCommand({
          pipelineName: pipeline,
          filter: { pipelineExecutionId: id },
          nextToken,
        }),
      ),
    );
    const action = releaseName(previewsOf(like));
    const release = actions.map((runs) => runs.at(-1)).find((run) => run?.actionName === action);
    const told = release?.output?.outputVariables?.[PREVIEW_ADDRESSES] ?? "";
    return told.split(/\s+/).filter(Boolean);
  }
}

function runOf({
  pipelineExecutionId: id = "",
  status = "InProgress",
  startTime: started = new Date(0),
  lastUpdateTime: updated = started,
  sourceRevisions = [],
}: PipelineExecutionSummary): Run {
  return { id, status, started, updated, commit: sourceRevisions[0]?.revisionId };
}

const GONE = [
  "PipelineNotFoundException",
  "PipelineExecutionNotFoundException",
  // Of tags.
  "ResourceNotFoundException",
];

/** It has ended, or somebody has stopped it already. */
const STOPPED = ["PipelineExecutionNotStoppableException", "DuplicatedStopRequestException"];

/** What CodePipeline does not take it may quote. */
async function withoutSecrets<T>({ stages = [] }: PipelineDeclaration, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const actions = stages.flatMap((stage) => stage.actions ?? []);
    for (const token of actions.flatMap(({ configuration }) => configuration?.[TOKEN_KEY] ?? []))
      (error as Error).message = (error as Error).message.replaceAll(token, "(hidden)");
    throw error;
  }
}

async function orNone<T>(ask: () => Promise<T>): Promise<T | undefined> {
  try {
    return await ask();
  } catch (error) {
    if (GONE.includes((error as Error).name)) return undefined;
    throw error;
  }
}

async function unless(names: readonly string[], work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work();
    return true;
  } catch (error) {
    if (names.includes((error as Error).name)) return false;
    throw error;
  }
}
