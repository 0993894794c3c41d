import { z } from "zod";
import { AwsError } from "../aws-request";

// The form of a pipeline's declaration, and what CodePipeline asks of its parts together.

const partName = z.string().regex(/^[A-Za-z0-9.@\-_]{1,100}$/);
const artifactName = z.string().regex(/^[a-zA-Z0-9_-]{1,100}$/);
const artifacts = z.array(z.looseObject({ name: artifactName })).optional();

const action = z.looseObject({
  name: partName,
  actionTypeId: z.looseObject({
    category: z.enum(["Source", "Build", "Deploy", "Test", "Invoke", "Approval", "Compute"]),
    owner: z.enum(["AWS", "ThirdParty", "Custom"]),
    provider: z.string().regex(/^[0-9A-Za-z_-]{1,35}$/),
    version: z.string().regex(/^[0-9A-Za-z_-]{1,9}$/),
  }),
  runOrder: z.int().min(1).max(999).optional(),
  configuration: z.record(z.string().min(1).max(50), z.string().min(1).max(1000)).optional(),
  inputArtifacts: artifacts,
  outputArtifacts: artifacts,
  namespace: z
    .string()
    .regex(/^[A-Za-z0-9@\-_]{1,100}$/)
    .optional(),
  timeoutInMinutes: z.int().min(5).max(86_400).optional(),
});

const ruleDeclaration = z.looseObject({
  name: partName,
  ruleTypeId: z.looseObject({ provider: z.string() }),
  configuration: z.record(z.string(), z.string()).optional(),
});
const conditions = z.array(
  z.looseObject({
    result: z.enum(["ROLLBACK", "FAIL", "RETRY", "SKIP"]).optional(),
    rules: z.array(ruleDeclaration).min(1).max(5).optional(),
  }),
);
const retryMode = z.enum(["FAILED_ACTIONS", "ALL_ACTIONS"]);
const stage = z.looseObject({
  name: partName,
  actions: z.array(action),
  beforeEntry: z.looseObject({ conditions }).optional(),
  onSuccess: z.looseObject({ conditions }).optional(),
  onFailure: z
    .looseObject({
      result: z.enum(["ROLLBACK", "FAIL", "RETRY", "SKIP"]).optional(),
      retryConfiguration: z.looseObject({ retryMode: retryMode.optional() }).optional(),
      conditions: conditions.optional(),
    })
    .optional(),
});

const store = z.looseObject({ type: z.enum(["S3"]), location: z.string().min(3).max(63) });

export const declaration = z.looseObject({
  name: partName,
  roleArn: z.string().regex(/^arn:aws(-[\w]+)*:iam::[0-9]{12}:role\/.*/),
  artifactStore: store.optional(),
  artifactStores: z.record(z.string(), store).optional(),
  stages: z.array(stage),
  version: z.int().optional(),
  pipelineType: z.enum(["V1", "V2"]).optional(),
  executionMode: z.enum(["QUEUED", "SUPERSEDED", "PARALLEL"]).optional(),
  variables: z
    .array(
      z.looseObject({
        name: z.string().regex(/^[A-Za-z0-9@\-_]{1,128}$/),
        defaultValue: z.string().min(1).max(1000).optional(),
      }),
    )
    .max(50)
    .optional(),
  triggers: z
    .array(
      z.looseObject({
        providerType: z.enum(["CodeStarSourceConnection"]),
        gitConfiguration: z.looseObject({ sourceActionName: partName }),
      }),
    )
    .max(50)
    .optional(),
});

export type Pipeline = z.output<typeof declaration>;
export type StageDeclaration = z.output<typeof stage>;
export type ActionDeclaration = z.output<typeof action>;
export type Conditions = z.output<typeof conditions>;
export type RetryMode = z.output<typeof retryMode>;

/** What each limit of CodePipeline allows at most. */
const MOST_STAGES = 50;
const MOST_ACTIONS_IN_A_STAGE = 50;

/**
 * Checks what only shows in the whole: order, names, artifacts and what a type of pipeline may hold.
 *
 * @throws AwsError InvalidStructureException, or the exception that AWS has for the part
 */
export function checkStructure(pipeline: Pipeline): void {
  const invalid = (message: string) => new AwsError("InvalidStructureException", message);
  const { stages } = pipeline;
  if (stages.length < 2) {
    throw invalid(
      `Pipeline '${pipeline.name}' has ${stages.length} stage(s). There should be a minimum of two stages in a pipeline`,
    );
  }
  if (stages.length > MOST_STAGES)
    throw new AwsError("LimitExceededException", `A pipeline has at most ${MOST_STAGES} stages`);
  if (!pipeline.artifactStore === !pipeline.artifactStores)
    throw invalid("Give exactly one of artifactStore and artifactStores");
  const twice = repeated(stages.map(({ name }) => name));
  if (twice) throw invalid(`Stage name '${twice}' is used more than once`);
  for (const [index, stage] of stages.entries()) checkStage(stage, index);
  checkArtifacts(pipeline);

  const namespaces = repeated(stages.flatMap(({ actions }) => actions.flatMap((a) => a.namespace ?? [])));
  if (namespaces) throw invalid(`Namespace '${namespaces}' is used more than once`);
  checkType(pipeline);
  checkRollbacks(pipeline);
}

function checkStage(stage: Pipeline["stages"][number], index: number): void {
  const { name, actions } = stage;
  if (!actions.length)
    throw new AwsError("InvalidStageDeclarationException", `Stage '${name}' has no actions`);
  if (actions.length > MOST_ACTIONS_IN_A_STAGE)
    throw new AwsError("LimitExceededException", `A stage has at most ${MOST_ACTIONS_IN_A_STAGE} actions`);
  const twice = repeated(actions.map((action) => action.name));
  if (twice) {
    throw new AwsError(
      "InvalidStructureException",
      `Action name '${twice}' is used more than once in stage '${name}'`,
    );
  }
  const sources = actions.filter(({ actionTypeId }) => actionTypeId.category === "Source");
  if (index === 0 && sources.length < actions.length) {
    throw new AwsError(
      "InvalidStructureException",
      "Pipeline should start with a stage that only contains source actions",
    );
  }
  if (index > 0 && sources.length) {
    throw new AwsError(
      "InvalidStructureException",
      `Action '${sources[0]?.name}' in stage '${name}': only the first stage may contain source actions`,
    );
  }
}

/** Each input must come out of an action that runs before; no two actions may give one artifact. */
function checkArtifacts({ stages }: Pipeline): void {
  const available = new Set<string>();
  for (const stage of stages) {
    const orders = [...new Set(stage.actions.map(({ runOrder = 1 }) => runOrder))].sort((a, b) => a - b);
    for (const order of orders) {
      const together = stage.actions.filter(({ runOrder = 1 }) => runOrder === order);
      for (const action of together) {
        const missing = action.inputArtifacts?.find(({ name }) => !available.has(name));
        if (missing) {
          throw new AwsError(
            "InvalidStructureException",
            `Input artifact '${missing.name}' of action '${action.name}' is not an output of an action that runs before`,
          );
        }
      }
      for (const { name: artifact } of together.flatMap(({ outputArtifacts }) => outputArtifacts ?? [])) {
        if (available.has(artifact)) {
          throw new AwsError(
            "InvalidStructureException",
            `Output artifact name '${artifact}' is used more than once`,
          );
        }
        available.add(artifact);
      }
    }
  }
}

/** Executions side by side have nothing to go back to. */
function checkRollbacks({ executionMode, stages }: Pipeline): void {
  if (executionMode !== "PARALLEL") return;
  const found = stages.find(({ onFailure, onSuccess }) =>
    [onFailure, ...(onFailure?.conditions ?? []), ...(onSuccess?.conditions ?? [])].some(
      (one) => one?.result === "ROLLBACK",
    ),
  );
  if (!found) return;
  throw new AwsError(
    "ValidationException",
    `Stage '${found.name}' has the result ROLLBACK, which a pipeline of mode PARALLEL does not support`,
  );
}

/** V1 knows neither variables, triggers, conditions nor other modes than SUPERSEDED. */
function checkType(pipeline: Pipeline): void {
  const { pipelineType = "V1", executionMode = "SUPERSEDED", variables, triggers, stages } = pipeline;
  if (pipelineType === "V2") {
    const sources = stages[0]?.actions.map(({ name }) => name) ?? [];
    const stray = triggers?.find(({ gitConfiguration: g }) => !sources.includes(g.sourceActionName));
    if (stray) {
      throw new AwsError(
        "ValidationException",
        `The trigger's source action '${stray.gitConfiguration.sourceActionName}' does not exist`,
      );
    }
    return;
  }
  const conditions = stages.some(
    ({ beforeEntry, onSuccess, onFailure }) => beforeEntry || onSuccess || onFailure,
  );
  const used = [
    variables?.length && "variables",
    triggers?.length && "triggers",
    conditions && "stage conditions",
    executionMode !== "SUPERSEDED" && `execution mode ${executionMode}`,
  ].filter(Boolean);
  if (used.length) {
    throw new AwsError("ValidationException", `Pipelines of type V1 do not support ${used.join(", ")}`);
  }
}

function repeated(names: readonly string[]): string | undefined {
  return names.find((name, index) => names.indexOf(name) < index);
}
