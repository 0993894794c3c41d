import { AwsError } from "../aws-request";
import {
  type Input,
  now,
  type Scope,
  type Service,
  Store,
  Tags,
  tagOperations,
  tagPairs,
  text,
} from "./service";

interface Declaration {
  name: string;
  version: number;
  stages: {
    name: string;
    actions: { actionTypeId: { category: string }; configuration?: Record<string, string> }[];
  }[];
  [field: string]: unknown;
}

interface Pipeline {
  readonly declaration: Declaration;
  readonly created: number;
  readonly updated: number;
}

/** What AWS shows in place of a token. */
const HIDDEN = "****";

/** CodePipeline's definitions: creating, reading, changing and deleting them. */
export function codepipeline(): Service {
  const pipelines = new Store<Pipeline>();
  const tags = new Tags();
  const arnOf = ({ region, account }: Scope, name: string) =>
    `arn:aws:codepipeline:${region}:${account}:${name}`;
  const find = (scope: Scope, name: string) => {
    const pipeline = pipelines.in(scope).get(name);
    if (!pipeline) {
      throw new AwsError(
        "PipelineNotFoundException",
        `Account '${scope.account}' does not have a pipeline with name '${name}'`,
      );
    }
    return pipeline;
  };

  return {
    targets: ["CodePipeline_20150709"],
    operations: {
      CreatePipeline(input, scope) {
        const declaration = { ...readDeclaration(input), version: 1 };
        if (pipelines.in(scope).has(declaration.name)) {
          throw new AwsError(
            "PipelineNameInUseException",
            `A pipeline with the name '${declaration.name}' already exists in account '${scope.account}'`,
          );
        }
        pipelines.in(scope).set(declaration.name, { declaration, created: now(), updated: now() });
        tags.put(arnOf(scope, declaration.name), tagPairs(input.tags));
        return { pipeline: hideTokens(declaration), tags: input.tags ?? [] };
      },
      GetPipeline(input, scope) {
        const name = text(input, "name");
        const { declaration, created, updated } = find(scope, name);
        return {
          pipeline: hideTokens(declaration),
          metadata: { pipelineArn: arnOf(scope, name), created, updated },
        };
      },
      UpdatePipeline(input, scope) {
        const given = readDeclaration(input);
        const { declaration: before, created } = find(scope, given.name);
        const declaration = { ...given, version: before.version + 1 };
        pipelines.in(scope).set(given.name, { declaration, created, updated: now() });
        return { pipeline: hideTokens(declaration) };
      },
      DeletePipeline(input, scope) {
        const name = text(input, "name");
        pipelines.in(scope).delete(name);
        tags.forget(arnOf(scope, name));
        return {};
      },
      ListPipelines(_, scope) {
        return {
          pipelines: [...pipelines.in(scope).values()].map(({ declaration, created, updated }) => ({
            name: declaration.name,
            version: declaration.version,
            pipelineType: declaration.pipelineType ?? "V1",
            executionMode: declaration.executionMode ?? "SUPERSEDED",
            created,
            updated,
          })),
        };
      },
      ...tagOperations(tags, "camelCase"),
    },
  };
}

function readDeclaration(input: Input): Declaration {
  const pipeline = input.pipeline as Declaration | undefined;
  if (!pipeline?.name)
    throw new AwsError(
      "ValidationException",
      "Value null at 'pipeline' failed to satisfy constraint: Member must not be null",
    );
  const invalid = (message: string) => new AwsError("InvalidStructureException", message);
  const { stages = [] } = pipeline;
  if (stages.length < 2) throw invalid("Pipeline must contain at least two stages");
  for (const [index, stage] of stages.entries()) {
    const names = stage.actions.map((action) => (action as unknown as { name: string }).name);
    if (new Set(names).size < names.length)
      throw invalid(`Stage ${stage.name} has two actions of the same name`);
    for (const { actionTypeId } of stage.actions) {
      if ((actionTypeId.category === "Source") !== (index === 0)) {
        throw invalid(
          index === 0
            ? `Pipeline stage ${stage.name} must contain only source actions`
            : `Pipeline stage ${stage.name} must not contain source actions`,
        );
      }
    }
  }
  return pipeline;
}

function hideTokens(declaration: Declaration): Declaration {
  return {
    ...declaration,
    stages: declaration.stages.map((stage) => ({
      ...stage,
      actions: stage.actions.map((action) =>
        action.configuration?.OAuthToken
          ? { ...action, configuration: { ...action.configuration, OAuthToken: HIDDEN } }
          : action,
      ),
    })),
  };
}
