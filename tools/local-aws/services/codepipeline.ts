import { randomUUID } from "node:crypto";
import { z } from "zod";
import { AwsError, type Scope } from "../aws-request";
import type { Publisher } from "../events/event";
import { pipelineEvents } from "../events/pipelines";
import { Actions, type ActionsProps } from "../pipelines/actions";
import { Engine } from "../pipelines/engine";
import { executionOperations, type KeptPipeline, withoutToken } from "./pipeline-executions";
import { checkStructure, declaration, type Pipeline } from "./pipeline-structure";
import { name, now, operationsOf, type Service, Store, smallPairs, smallTags, Tags } from "./service";

export interface PipelinesProps extends Omit<ActionsProps, "scope"> {
  /** Takes what becomes of executions. @default - nobody does */
  readonly events?: Publisher;
}

const webhook = z.looseObject({
  name,
  targetPipeline: name,
  targetAction: name,
  filters: z.array(z.looseObject({ jsonPath: name, matchEquals: z.string().optional() })),
  authentication: z.enum(["GITHUB_HMAC", "IP", "UNAUTHENTICATED"]),
  authenticationConfiguration: z.looseObject({
    AllowedIPRange: z.string().optional(),
    SecretToken: z.string().optional(),
  }),
});

interface Webhook {
  readonly arn: string;
  readonly url: string;
  readonly definition: z.output<typeof webhook>;
}

/** CodePipeline: its definitions and webhooks, and the executions of the definitions. */
export function codepipeline(props: PipelinesProps): Service {
  const pipelines = new Store<KeptPipeline>();
  /** Also of pipelines that were deleted. */
  const engines = new Set<Engine>();
  const stopping = new AbortController();
  const looking = new Set<Promise<void>>();
  const webhooks = new Store<Webhook>();
  const tags = new Tags();
  const define = operationsOf(() => "ValidationException");
  const arnOf = ({ region, account }: Scope, resource: string) =>
    `arn:aws:codepipeline:${region}:${account}:${resource}`;
  const find = (scope: Scope, pipeline: string) => {
    const kept = pipelines.in(scope).get(pipeline);
    if (kept) return kept;
    throw new AwsError(
      "PipelineNotFoundException",
      `Account '${scope.account}' does not have a pipeline with name '${pipeline}'`,
    );
  };
  const checkArn = (arn: string) => {
    if (!arn.startsWith("arn:")) throw new AwsError("InvalidArnException", `Invalid ARN: ${arn}`);
    if (!tags.has(arn)) throw new AwsError("ResourceNotFoundException", `Resource not found: ${arn}`);
  };
  const findWebhook = (scope: Scope, webhookName: string | undefined) => {
    if (!webhooks.in(scope).has(webhookName ?? ""))
      throw new AwsError("WebhookNotFoundException", `No webhook of the name '${webhookName}'`);
  };
  const describeWebhook = (hook: Webhook) => ({
    ...hook,
    tags: tags.of(hook.arn).map(([key, value]) => ({ key, value })),
  });

  const isCurrent = (scope: Scope, pipeline: Pipeline) =>
    pipelines.in(scope).get(pipeline.name)?.versions.at(-1) === pipeline;
  const open = (scope: Scope, pipeline: Pipeline) => {
    const actions = new Actions({ ...props, scope });
    const engine = new Engine(pipeline, {
      region: scope.region,
      perform: actions.perform,
      announce: actions.announce,
      listener: props.events && pipelineEvents(scope, props.events),
    });
    engines.add(engine);
    // As AWS does; but there only is something to start from where somebody has handed it in.
    const look = actions.hasSources(pipeline, stopping.signal).then((has) => {
      if (!has || stopping.signal.aborted || !isCurrent(scope, pipeline)) return;
      engine.begin({
        trigger: { triggerType: "CreatePipeline", triggerDetail: arnOf(scope, pipeline.name) },
      });
    });
    const looked = look.catch(() => {}).finally(() => looking.delete(looked));
    looking.add(looked);
    return engine;
  };

  return {
    api: "CodePipeline_20150709",
    async stop() {
      stopping.abort();
      await Promise.all([...looking, ...[...engines].map((engine) => engine.end())]);
    },
    operations: {
      ...executionOperations(define, find),
      CreatePipeline: define(
        z.looseObject({ pipeline: declaration, tags: smallTags.optional() }),
        ({ pipeline, tags: given = [] }, scope) => {
          checkStructure(pipeline);
          if (pipelines.in(scope).has(pipeline.name)) {
            throw new AwsError(
              "PipelineNameInUseException",
              `A pipeline with the name '${pipeline.name}' already exists in account '${scope.account}'`,
            );
          }
          const first = withDefaults(pipeline, 1);
          const engine = open(scope, first);
          pipelines
            .in(scope)
            .set(pipeline.name, { versions: [first], created: now(), updated: now(), engine });
          tags.put(arnOf(scope, pipeline.name), smallPairs(given));
          return { pipeline: hideTokens(first), tags: given };
        },
      ),
      GetPipeline: define(
        z.looseObject({ name, version: z.int().min(1).optional() }),
        ({ name, version }, scope) => {
          const { versions, created, updated } = find(scope, name);
          const pipeline = version === undefined ? versions.at(-1) : versions[version - 1];
          if (!pipeline) {
            throw new AwsError(
              "PipelineVersionNotFoundException",
              `Pipeline '${name}' has no version ${version}`,
            );
          }
          return {
            pipeline: hideTokens(pipeline),
            metadata: { pipelineArn: arnOf(scope, name), created, updated },
          };
        },
      ),
      UpdatePipeline: define(z.looseObject({ pipeline: declaration }), ({ pipeline }, scope) => {
        checkStructure(pipeline);
        const { versions, ...kept } = find(scope, pipeline.name);
        const next = withDefaults(pipeline, versions.length + 1);
        pipelines.in(scope).set(pipeline.name, { ...kept, versions: [...versions, next], updated: now() });
        kept.engine.update(next);
        return { pipeline: hideTokens(next) };
      }),
      // As AWS does: one that is not there counts as deleted.
      DeletePipeline: define(z.looseObject({ name }), ({ name }, scope) => {
        void pipelines.in(scope).get(name)?.engine.end();
        pipelines.in(scope).delete(name);
        tags.forget(arnOf(scope, name));
      }),
      ListPipelines: define(z.looseObject({}), (_, scope) => ({
        pipelines: [...pipelines.in(scope).values()].map(({ versions, created, updated }) => {
          const { name, version, pipelineType, executionMode } = versions.at(-1)!;
          return { name, version, pipelineType, executionMode, created, updated };
        }),
      })),
      ListTagsForResource: define(z.looseObject({ resourceArn: name }), ({ resourceArn }) => {
        checkArn(resourceArn);
        return { tags: tags.of(resourceArn).map(([key, value]) => ({ key, value })) };
      }),
      TagResource: define(
        z.looseObject({ resourceArn: name, tags: smallTags }),
        ({ resourceArn, tags: given }) => {
          checkArn(resourceArn);
          tags.put(resourceArn, smallPairs(given));
          return {};
        },
      ),
      UntagResource: define(
        z.looseObject({ resourceArn: name, tagKeys: z.array(name) }),
        ({ resourceArn, tagKeys }) => {
          checkArn(resourceArn);
          tags.remove(resourceArn, tagKeys);
          return {};
        },
      ),
      PutWebhook: define(
        z.looseObject({ webhook, tags: smallTags.optional() }),
        ({ webhook: definition, tags: given }, scope) => {
          find(scope, definition.targetPipeline);
          if (
            definition.authentication === "GITHUB_HMAC" &&
            !definition.authenticationConfiguration.SecretToken
          )
            throw new AwsError(
              "InvalidWebhookAuthenticationParametersException",
              "GITHUB_HMAC needs a SecretToken",
            );
          const before = webhooks.in(scope).get(definition.name);
          const arn = arnOf(scope, `webhook:${definition.name}`);
          const url = before?.url ?? `https://${scope.region}.webhooks.aws/trigger?t=${randomUUID()}&v=1`;
          const hook = { arn, url, definition };
          webhooks.in(scope).set(definition.name, hook);
          tags.put(arn, smallPairs(given));
          return { webhook: describeWebhook(hook) };
        },
      ),
      ListWebhooks: define(z.looseObject({}), (_, scope) => ({
        webhooks: [...webhooks.in(scope).values()].map(describeWebhook),
      })),
      DeleteWebhook: define(z.looseObject({ name }), ({ name }, scope) => {
        webhooks.in(scope).delete(name);
        tags.forget(arnOf(scope, `webhook:${name}`));
        return {};
      }),
      // There is no third party to register with: the webhook is kept, and nobody calls it.
      RegisterWebhookWithThirdParty: define(
        z.looseObject({ webhookName: name.optional() }),
        ({ webhookName }, scope) => {
          findWebhook(scope, webhookName);
          return {};
        },
      ),
      DeregisterWebhookWithThirdParty: define(
        z.looseObject({ webhookName: name.optional() }),
        ({ webhookName }, scope) => {
          findWebhook(scope, webhookName);
          return {};
        },
      ),
    },
  };
}

function withDefaults(pipeline: Pipeline, version: number): Pipeline {
  return { pipelineType: "V1", executionMode: "SUPERSEDED", ...pipeline, version };
}

function hideTokens(pipeline: Pipeline): Pipeline {
  return {
    ...pipeline,
    stages: pipeline.stages.map((stage) => ({
      ...stage,
      actions: stage.actions.map((action) =>
        action.configuration ? { ...action, configuration: withoutToken(action.configuration) } : action,
      ),
    })),
  };
}
