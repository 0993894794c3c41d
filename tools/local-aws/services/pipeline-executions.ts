import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import type { Checked } from "../pipelines/conditions";
import type { Engine, Transition } from "../pipelines/engine";
import type { ActionRun, Artifact, Execution, StageRun } from "../pipelines/execution";
import { HIDDEN_TOKEN } from "../pipelines/source";
import type { Pipeline } from "./pipeline-structure";
import { name, now, type Operation, type operationsOf } from "./service";

/** A pipeline as CodePipeline keeps it. */
export interface KeptPipeline {
  /** All versions; the last one is the current one. */
  readonly versions: readonly Pipeline[];
  readonly created: number;
  readonly updated: number;
  readonly engine: Engine;
}

const id = z.string().regex(/^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/);
const execution = z.looseObject({ pipelineName: name, pipelineExecutionId: id });
const transition = z.looseObject({
  pipelineName: name,
  stageName: name,
  transitionType: z.enum(["Inbound", "Outbound"]),
});
const page = z.looseObject({
  pipelineName: name,
  maxResults: z.int().min(1).max(100).default(100),
  nextToken: name.optional(),
});

/** CodePipeline's executions: starting, stopping, deciding, retrying and reading them. */
export function executionOperations(
  define: ReturnType<typeof operationsOf>,
  find: (scope: Scope, pipeline: string) => KeptPipeline,
): Record<string, Operation> {
  const findExecution = (scope: Scope, pipeline: string, executionId: string) => {
    const found = find(scope, pipeline).engine.find(executionId);
    if (found) return found;
    throw new AwsError(
      "PipelineExecutionNotFoundException",
      `Pipeline '${pipeline}' has no execution '${executionId}'`,
    );
  };
  // Which user or role of the account calls is not looked at.
  const caller = ({ account }: Scope) => `arn:aws:iam::${account}:root`;

  return {
    StartPipelineExecution: define(
      z.looseObject({
        name,
        variables: z
          .array(z.looseObject({ name, value: z.string().min(1).max(1000) }))
          .max(50)
          .default([]),
        clientRequestToken: z
          .string()
          .regex(/^[a-zA-Z0-9-]{1,128}$/)
          .optional(),
        sourceRevisions: z
          .array(
            z.looseObject({
              actionName: name,
              revisionType: z.enum(["COMMIT_ID", "IMAGE_DIGEST", "S3_OBJECT_VERSION_ID", "S3_OBJECT_KEY"]),
              revisionValue: z.string().min(1).max(1500),
            }),
          )
          .max(50)
          .default([]),
      }),
      ({ name: pipeline, variables, clientRequestToken, sourceRevisions }, scope) => {
        const { engine, versions } = find(scope, pipeline);
        checkRevisions(versions.at(-1)!, sourceRevisions);
        const { id: pipelineExecutionId } = engine.begin({
          trigger: { triggerType: "StartPipelineExecution", triggerDetail: caller(scope) },
          variables: Object.fromEntries(variables.map((one) => [one.name, one.value])),
          commits: Object.fromEntries(sourceRevisions.map((one) => [one.actionName, one.revisionValue])),
          token: clientRequestToken,
        });
        return { pipelineExecutionId };
      },
    ),
    StopPipelineExecution: define(
      execution.extend({ abandon: z.boolean().default(false), reason: z.string().max(200).optional() }),
      ({ pipelineName, pipelineExecutionId, abandon, reason }, scope) => {
        find(scope, pipelineName).engine.stop(pipelineExecutionId, abandon, reason);
        return { pipelineExecutionId };
      },
    ),
    RetryStageExecution: define(
      execution.extend({ stageName: name, retryMode: z.enum(["FAILED_ACTIONS", "ALL_ACTIONS"]) }),
      ({ pipelineName, pipelineExecutionId, stageName, retryMode }, scope) => {
        find(scope, pipelineName).engine.retry(stageName, pipelineExecutionId, retryMode);
        return { pipelineExecutionId };
      },
    ),
    OverrideStageCondition: define(
      execution.extend({ stageName: name, conditionType: z.enum(["BEFORE_ENTRY", "ON_SUCCESS"]) }),
      ({ pipelineName, pipelineExecutionId, stageName, conditionType }, scope) => {
        const which = conditionType === "BEFORE_ENTRY" ? "beforeEntry" : "onSuccess";
        find(scope, pipelineName).engine.override(stageName, pipelineExecutionId, which);
        return {};
      },
    ),
    RollbackStage: define(
      z.looseObject({ pipelineName: name, stageName: name, targetPipelineExecutionId: id }),
      ({ pipelineName, stageName, targetPipelineExecutionId }, scope) => {
        const { engine } = find(scope, pipelineName);
        const rollback = engine.rollBackTo(stageName, targetPipelineExecutionId, caller(scope));
        return { pipelineExecutionId: rollback.id };
      },
    ),
    DisableStageTransition: define(
      transition.extend({ reason: z.string().regex(/^[a-zA-Z0-9!@ ().*?-]{1,300}$/) }),
      ({ pipelineName, stageName, transitionType, reason }, scope) =>
        find(scope, pipelineName).engine.changeTransition(stageName, transitionType, caller(scope), reason),
    ),
    EnableStageTransition: define(transition, ({ pipelineName, stageName, transitionType }, scope) =>
      find(scope, pipelineName).engine.changeTransition(stageName, transitionType, caller(scope)),
    ),
    PutApprovalResult: define(
      z.looseObject({
        pipelineName: name,
        stageName: name,
        actionName: name,
        token: id,
        result: z.looseObject({ summary: z.string().max(512), status: z.enum(["Approved", "Rejected"]) }),
      }),
      ({ pipelineName, stageName, actionName, token, result }, scope) => {
        const { engine } = find(scope, pipelineName);
        engine.decide(stageName, actionName, token, { ...result, by: caller(scope) });
        return { approvedAt: now() };
      },
    ),
    GetPipelineExecution: define(execution, ({ pipelineName, pipelineExecutionId }, scope) => {
      const found = findExecution(scope, pipelineName, pipelineExecutionId);
      const { pipeline, trigger, variables } = found.props;
      return {
        pipelineExecution: {
          pipelineName,
          pipelineVersion: pipeline.version,
          pipelineExecutionId,
          status: found.status,
          statusSummary: found.statusSummary,
          artifactRevisions: revisionsOf(found).flatMap(({ action, revision }) =>
            (action.outputArtifacts ?? []).map((artifact) => ({
              name: artifact.name,
              revisionId: revision.id,
              revisionSummary: revision.summary,
              revisionUrl: revision.url,
              created: revision.created,
            })),
          ),
          variables: Object.entries(variables).map(([key, resolvedValue]) => ({ name: key, resolvedValue })),
          trigger,
          executionMode: pipeline.executionMode,
          ...typeOf(found),
        },
      };
    }),
    ListPipelineExecutions: define(
      page.extend({
        filter: z
          .looseObject({ succeededInStage: z.looseObject({ stageName: name.optional() }).optional() })
          .optional(),
      }),
      ({ pipelineName, filter, ...paging }, scope) => {
        const { engine, versions } = find(scope, pipelineName);
        const stage = filter?.succeededInStage?.stageName;
        const current = versions.at(-1);
        const asked = engine.executions.filter(
          ({ props, stages }) =>
            !stage || (props.pipeline === current && stages.get(stage)?.status === "Succeeded"),
        );
        const { items, nextToken } = pageOf(asked.reverse(), paging);
        return { pipelineExecutionSummaries: items.map(summaryOf), nextToken };
      },
    ),
    ListActionExecutions: define(
      page.extend({
        filter: z
          .looseObject({
            pipelineExecutionId: id.optional(),
            latestInPipelineExecution: z
              .looseObject({ pipelineExecutionId: id, startTimeRange: z.enum(["Latest", "All"]) })
              .optional(),
          })
          .optional(),
      }),
      ({ pipelineName, filter, ...paging }, scope) => {
        const { engine } = find(scope, pipelineName);
        const latest = filter?.latestInPipelineExecution;
        const asked = filter?.pipelineExecutionId ?? latest?.pipelineExecutionId;
        const executions = asked ? [findExecution(scope, pipelineName, asked)] : engine.executions;
        const runs = executions
          .flatMap(({ actions }) => actions)
          .filter((run) => latest?.startTimeRange !== "Latest" || run.startTime >= run.execution.resumeTime);
        const { items, nextToken } = pageOf(
          runs.sort((a, b) => b.startTime - a.startTime),
          paging,
        );
        return { actionExecutionDetails: items.map((run) => detailOf(run, scope)), nextToken };
      },
    ),
    GetPipelineState: define(z.looseObject({ name }), ({ name: pipelineName }, scope) => {
      const { versions, created, updated, engine } = find(scope, pipelineName);
      const { version, stages } = versions.at(-1)!;
      return {
        pipelineName,
        pipelineVersion: version,
        stageStates: stages.map((stage) => {
          const inbound = engine.inbound(stage.name).map((waiting) => ({
            pipelineExecutionId: waiting.id,
            status: waiting.status,
            type: typeOf(waiting).executionType,
          }));
          return {
            stageName: stage.name,
            inboundExecution: inbound[0],
            inboundExecutions: inbound,
            inboundTransitionState: transitionState(engine.transition(stage.name)),
            actionStates: stage.actions.map((action) => ({
              actionName: action.name,
              ...actionState(engine.latestAction(stage.name, action.name)),
            })),
            ...stageState(engine.latest(stage.name)),
          };
        }),
        created,
        updated,
      };
    }),
  };
}

/** Commits alone: sources here are repositories. */
function checkRevisions(
  { name: pipeline }: Pipeline,
  revisions: readonly { actionName: string; revisionType: string }[],
): void {
  const stray = revisions.find(({ revisionType }) => revisionType !== "COMMIT_ID");
  if (!stray) return;
  throw new AwsError(
    "ValidationException",
    `The source action '${stray.actionName}' of ${pipeline} takes a revision of type COMMIT_ID, not ${stray.revisionType}`,
  );
}

/** Tokens are positions. */
function pageOf<T>(
  all: readonly T[],
  { maxResults, nextToken = "0" }: { readonly maxResults: number; readonly nextToken?: string },
): { items: readonly T[]; nextToken?: string } {
  const from = Number(nextToken);
  if (!Number.isInteger(from) || from < 0)
    throw new AwsError("InvalidNextTokenException", `Invalid nextToken: ${nextToken}`);
  const next = from + maxResults;
  return { items: all.slice(from, next), nextToken: next < all.length ? String(next) : undefined };
}

/** What the sources' actions of an execution found at last, or those of the one that a rollback goes back to. */
function revisionsOf({ props, actions: own }: Execution) {
  const actions = props.rollback?.target.actions ?? own;
  const last = new Map(actions.map((run) => [run.action.name, run]));
  return [...last.values()].flatMap(({ action, revision }) => (revision ? { action, revision } : []));
}

function typeOf({ props: { rollback } }: Execution) {
  if (!rollback) return { executionType: "STANDARD" };
  return {
    executionType: "ROLLBACK",
    rollbackMetadata: { rollbackTargetPipelineExecutionId: rollback.target.id },
  };
}

const transitionState = (changed: Transition | undefined) => ({
  enabled: changed?.reason === undefined,
  lastChangedBy: changed?.by,
  lastChangedAt: changed?.at,
  disabledReason: changed?.reason,
});

function summaryOf(one: Execution) {
  return {
    pipelineExecutionId: one.id,
    status: one.status,
    statusSummary: one.statusSummary,
    startTime: one.startTime,
    lastUpdateTime: one.lastUpdateTime,
    sourceRevisions: revisionsOf(one).map(({ action, revision }) => ({
      actionName: action.name,
      revisionId: revision.id,
      revisionSummary: revision.summary,
      revisionUrl: revision.url,
    })),
    trigger: one.props.trigger,
    stopTrigger: one.stopReason === undefined ? undefined : { reason: one.stopReason },
    executionMode: one.props.pipeline.executionMode,
    ...typeOf(one),
  };
}

const artifactDetail = ({ name: artifact, bucket, key }: Artifact) => ({
  name: artifact,
  s3location: { bucket, key },
});

function detailOf(run: ActionRun, { region }: Scope) {
  const { pipeline } = run.execution.props;
  const { actionTypeId, configuration = {}, namespace, roleArn } = run.action;
  return {
    pipelineExecutionId: run.execution.id,
    actionExecutionId: run.id,
    pipelineVersion: pipeline.version,
    stageName: run.stage,
    actionName: run.action.name,
    startTime: run.startTime,
    lastUpdateTime: run.lastUpdateTime,
    updatedBy: run.updatedBy,
    status: run.status,
    input: {
      actionTypeId,
      configuration: withoutToken(configuration),
      resolvedConfiguration: withoutToken(run.configuration ?? {}),
      roleArn,
      region: run.action.region ?? region,
      inputArtifacts: run.inputs.map(artifactDetail),
      namespace,
    },
    output: {
      outputArtifacts: run.status === "Succeeded" ? run.outputs.map(artifactDetail) : [],
      executionResult: {
        externalExecutionId: run.external?.id ?? run.revision?.id,
        externalExecutionSummary: run.summary ?? run.error?.message ?? run.revision?.summary,
        externalExecutionUrl: run.external?.url ?? run.revision?.url,
        errorDetails: run.error,
      },
      outputVariables: run.variables ?? {},
    },
  };
}

/** An action's configuration as AWS shows it. */
export function withoutToken(configuration: Readonly<Record<string, string>>): Record<string, string> {
  return configuration.OAuthToken ? { ...configuration, OAuthToken: HIDDEN_TOKEN } : { ...configuration };
}

function stageState(run: StageRun | undefined) {
  if (!run) return {};
  const { execution: one, status, automaticRetries, manualRetries, lastRetry } = run;
  return {
    latestExecution: { pipelineExecutionId: one.id, status, type: typeOf(one).executionType },
    beforeEntryConditionState: conditionState(run.beforeEntry),
    onSuccessConditionState: conditionState(run.onSuccess),
    onFailureConditionState: conditionState(run.onFailure),
    retryStageMetadata: lastRetry && {
      autoStageRetryAttempt: automaticRetries,
      manualStageRetryAttempt: manualRetries,
      latestRetryTrigger: lastRetry,
    },
  };
}

function conditionState(checked: Checked | undefined) {
  if (!checked) return undefined;
  const statusOf = (succeeded: boolean) => (succeeded ? "Succeeded" : "Failed");
  return {
    latestExecution: { status: checked.status },
    conditionStates: checked.conditions.map((rules) => ({
      latestExecution: { status: statusOf(rules.every(({ succeeded }) => succeeded)) },
      ruleStates: rules.map((rule) => ({
        ruleName: rule.name,
        latestExecution: { status: statusOf(rule.succeeded), summary: rule.summary },
      })),
    })),
  };
}

function actionState(run: ActionRun | undefined) {
  if (!run) return {};
  const { revision, external, status } = run;
  return {
    currentRevision: revision && {
      revisionId: revision.id,
      revisionChangeId: revision.id,
      created: revision.created,
    },
    revisionUrl: revision?.url,
    latestExecution: {
      actionExecutionId: run.id,
      status,
      summary: run.summary || revision?.summary,
      lastStatusChange: run.lastUpdateTime,
      // Nobody needs one that was used.
      token: status === "InProgress" ? run.token : undefined,
      lastUpdatedBy: run.updatedBy,
      externalExecutionId: external?.id ?? revision?.id,
      externalExecutionUrl: external?.url ?? revision?.url,
      errorDetails: run.error,
    },
  };
}
