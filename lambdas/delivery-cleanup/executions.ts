import {
  type CodePipelineClient,
  ListActionExecutionsCommand,
  paginateListPipelineExecutions,
} from "@aws-sdk/client-codepipeline";
import { readActionRuns } from "../../shared/action-executions";

/** What nothing follows any more. A state that is not among them may still need its artifacts. */
const ENDED: readonly (string | undefined)[] = ["Succeeded", "Failed", "Stopped", "Superseded", "Cancelled"];

/** One run of a pipeline. */
export interface Execution {
  readonly pipeline: string;
  readonly id: string;
  readonly ended: boolean;
  /** When it last changed: of one that ended, when that was. */
  readonly changed: Date;
  /** The commits that it was started for. */
  readonly commits: readonly string[];
}

/** An object in a bucket that an action was given, or gave. */
export interface Artifact {
  readonly bucket: string;
  readonly key: string;
  /** The action that gave it. @default - it was given to an action */
  readonly from?: string;
}

/** The executions of a pipeline, as far as any of them changed since then; none of one that is not deployed yet. */
export async function readExecutions(
  codepipeline: CodePipelineClient,
  pipeline: string,
  since: Date,
): Promise<Execution[]> {
  const executions: Execution[] = [];
  try {
    const pages = paginateListPipelineExecutions({ client: codepipeline }, { pipelineName: pipeline });
    for await (const { pipelineExecutionSummaries = [] } of pages) {
      const page = pipelineExecutionSummaries.map((summary) => ({
        pipeline,
        id: summary.pipelineExecutionId!,
        ended: ENDED.includes(summary.status),
        changed: summary.lastUpdateTime ?? summary.startTime ?? new Date(),
        commits: (summary.sourceRevisions ?? []).flatMap(({ revisionId }) => revisionId ?? []),
      }));
      executions.push(...page);
      // The newest come first.
      if (page.length && page.every(({ changed }) => changed < since)) break;
    }
  } catch (error) {
    if ((error as Error).name !== "PipelineNotFoundException") throw error;
  }
  return executions.filter(({ ended, changed }) => !ended || changed >= since);
}

/** All that the actions of an execution were given, and gave. */
export async function readArtifacts(
  codepipeline: CodePipelineClient,
  { pipeline, id }: Execution,
): Promise<Artifact[]> {
  const artifacts: Artifact[] = [];
  const runs = await readActionRuns((nextToken) =>
    codepipeline.send(
      new ListActionExecutionsCommand({
        pipelineName: pipeline,
        filter: { pipelineExecutionId: id },
        nextToken,
      }),
    ),
  );
  for (const { actionName, input, output } of runs.flat()) {
    for (const { s3location } of input?.inputArtifacts ?? []) add(s3location);
    for (const { s3location } of output?.outputArtifacts ?? []) add(s3location, actionName);
  }
  return artifacts;

  function add(location: { bucket?: string; key?: string } | undefined, from?: string): void {
    if (location?.bucket && location.key)
      artifacts.push({ bucket: location.bucket, key: location.key, from });
  }
}
