import type { Scope } from "../aws-request";
import type {
  ActionChange,
  ActionRun,
  Artifact,
  Execution,
  ExecutionChange,
  Listener,
} from "../pipelines/execution";
import type { Occurrence, Publisher } from "./event";

/** Tells of executions as EventBridge does. */
export function pipelineEvents(scope: Scope, events: Publisher): Listener {
  return {
    pipeline: (execution, change) => events.publish(scope, pipelineEvent(scope, execution, change)),
    stage: (execution, stage, change) => events.publish(scope, stageEvent(scope, execution, stage, change)),
    action: (run, change) => events.publish(scope, actionEvent(scope, run, change)),
  };
}

/** As CodePipeline's user guide tells of "CodePipeline Pipeline Execution State Change". */
function pipelineEvent(scope: Scope, execution: Execution, state: ExecutionChange): Occurrence {
  const { triggerType, triggerDetail } = execution.props.trigger;
  return eventOf(scope, execution, "Pipeline", {
    // Of an execution that goes on, AWS does not say again what began it.
    ...(state === "STARTED" && {
      "execution-trigger": { "trigger-type": triggerType, "trigger-detail": triggerDetail },
    }),
    state,
  });
}

/** As CodePipeline's user guide tells of "CodePipeline Stage Execution State Change". */
function stageEvent(scope: Scope, execution: Execution, stage: string, state: ExecutionChange): Occurrence {
  return eventOf(scope, execution, "Stage", { stage, state });
}

/** As CodePipeline's user guide tells of "CodePipeline Action Execution State Change". */
function actionEvent(scope: Scope, run: ActionRun, state: ActionChange): Occurrence {
  const { category, owner, provider, version } = run.action.actionTypeId;
  const { revision, external, error, summary } = run;
  const result = {
    "external-execution-url": external?.url ?? revision?.url,
    "external-execution-summary": error?.message ?? summary ?? revision?.summary,
    "external-execution-id": external?.id ?? revision?.id,
    "error-code": error?.code,
  };
  return eventOf(scope, run.execution, "Action", {
    stage: run.stage,
    "action-execution-id": run.id,
    action: run.action.name,
    ...(state !== "STARTED" && Object.values(result).some(Boolean) && { "execution-result": result }),
    ...(run.inputs.length && { "input-artifacts": run.inputs.map(artifactOf) }),
    ...(state === "SUCCEEDED" && run.outputs.length && { "output-artifacts": run.outputs.map(artifactOf) }),
    state,
    region: run.action.region ?? scope.region,
    type: { owner, provider, category, version },
  });
}

const artifactOf = ({ name, bucket, key }: Artifact) => ({ name, s3location: { bucket, key } });

function eventOf(
  { account, region }: Scope,
  execution: Execution,
  kind: "Pipeline" | "Stage" | "Action",
  detail: Record<string, unknown>,
): Occurrence {
  const { name, version } = execution.props.pipeline;
  return {
    source: "aws.codepipeline",
    detailType: `CodePipeline ${kind} Execution State Change`,
    resources: [`arn:aws:codepipeline:${region}:${account}:${name}`],
    detail: {
      pipeline: name,
      "execution-id": execution.id,
      "start-time": new Date(execution.startTime * 1000).toISOString(),
      ...detail,
      version,
      "pipeline-execution-attempt": execution.attempt,
    },
  };
}
