import { setTimeout as pause } from "node:timers/promises";
import { zipSync } from "fflate";
import { AwsError } from "../../../tools/local-aws/aws-request";
import { Engine } from "../../../tools/local-aws/pipelines/engine";
import { ActionFailure } from "../../../tools/local-aws/pipelines/execution";
import { executionOperations } from "../../../tools/local-aws/services/pipeline-executions";
import type { Pipeline } from "../../../tools/local-aws/services/pipeline-structure";
import { operationsOf } from "../../../tools/local-aws/services/service";
import type { Clients } from "../../../tools/rehearse/execution";

/** How long a build takes: longer than whoever watches waits between two looks. */
const BUILD_MILLISECONDS = 15;

/** What becomes of an action's builds, one after the other. */
export interface FakeBuild {
  readonly fails?: boolean;
  readonly log?: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
}

export interface FakeStage {
  readonly name: string;
  /** Builds, by their action's name. An approval is "approval". */
  readonly actions: Readonly<Record<string, readonly FakeBuild[] | "approval">>;
  readonly retries?: boolean;
  readonly skipped?: boolean;
}

const type = (category: string, provider: string) => ({ category, owner: "AWS", provider, version: "1" });

/** CodePipeline as Local AWS has it, of whose builds a test says what becomes. */
export class FakeAws implements Clients {
  readonly decisions: string[] = [];
  /** Actions in the order in which they began. */
  readonly begun: string[] = [];
  private readonly logsOf = new Map<string, readonly string[]>();
  private readonly engine: Engine;
  private readonly operations: ReturnType<typeof executionOperations>;
  private readonly pipeline: Pipeline;

  constructor(
    stages: readonly FakeStage[],
    private readonly files: Readonly<Record<string, string>> = {},
  ) {
    const tries = new Map<string, number>();
    this.pipeline = {
      name: "hello-main",
      roleArn: "arn:aws:iam::111111111111:role/pipeline",
      pipelineType: "V2",
      executionMode: "SUPERSEDED",
      artifactStore: { type: "S3", location: "artifacts" },
      version: 1,
      stages: stages.map(declare),
    } as unknown as Pipeline;
    this.engine = new Engine(this.pipeline, {
      region: "eu-west-1",
      perform: async ({ action, tell }) => {
        this.begun.push(action.name);
        const attempt = tries.get(action.name) ?? 0;
        tries.set(action.name, attempt + 1);
        const all = stages.flatMap((stage) => Object.entries(stage.actions));
        const [, given] = all.find(([name]) => name === action.name) ?? [];
        const build = (given as readonly FakeBuild[] | undefined)?.[attempt] ?? {};
        const id = `${action.name}:${attempt}`;
        this.logsOf.set(id, build.log ?? []);
        tell({ id, url: "" });
        await pause(BUILD_MILLISECONDS);
        if (build.fails) throw new ActionFailure("JobFailed", "Build terminated with state: FAILED");
        return { variables: build.variables };
      },
    });
    const kept = { versions: [this.pipeline], created: 0, updated: 0, engine: this.engine };
    this.operations = executionOperations(
      operationsOf(() => "ValidationException"),
      () => kept,
    );
  }

  end = () => this.engine.end();

  // biome-ignore lint/suspicious/noExplicitAny: each command has an answer of its own.
  private readonly send = async (command: any): Promise<any> => {
    const name = command.constructor.name.replace(/Command$/, "");
    const { input } = command;
    if (name === "GetPipeline") return { pipeline: this.pipeline };
    if (name === "BatchGetBuilds")
      return { builds: [{ logs: { groupName: "g", streamName: input.ids[0] } }] };
    if (name === "GetLogEvents") {
      const log = this.logsOf.get(input.logStreamName) ?? [];
      const from = Number(input.nextToken ?? 0);
      return {
        events: log.slice(from).map((message) => ({ message: `${message}\n` })),
        nextForwardToken: String(log.length),
      };
    }
    if (name === "GetObject") {
      const all = Object.entries(this.files).map(([file, text]) => [file, new TextEncoder().encode(text)]);
      return { Body: { transformToByteArray: async () => zipSync(Object.fromEntries(all)) } };
    }
    if (name === "PutApprovalResult") this.decisions.push(`${input.actionName}: ${input.result.status}`);
    const operation = this.operations[name];
    if (!operation) throw new Error(`The fake has no ${name}`);
    try {
      return dated(operation(input, { account: "111111111111", region: "eu-west-1" }));
    } catch (error) {
      // As the SDK names it.
      throw error instanceof AwsError ? Object.assign(error, { name: error.code }) : error;
    }
  };

  readonly codepipeline = { send: this.send };
  readonly codebuild = { send: this.send };
  readonly logs = { send: this.send };
  readonly s3 = { send: this.send };
}

function declare({ name, actions, retries, skipped }: FakeStage) {
  const condition = {
    result: "SKIP",
    rules: [
      {
        name: "never",
        ruleTypeId: { category: "Rule", owner: "AWS", provider: "VariableCheck", version: "1" },
        configuration: { Variable: "#{codepipeline.PipelineExecutionId}", Value: "none", Operator: "EQ" },
      },
    ],
  };
  return {
    name,
    ...(retries && { onFailure: { result: "RETRY", retryConfiguration: { retryMode: "FAILED_ACTIONS" } } }),
    ...(skipped && { beforeEntry: { conditions: [condition] } }),
    actions: Object.entries(actions).map(([action, what]) => ({
      name: action,
      namespace: action,
      ...(what === "approval"
        ? {
            actionTypeId: type("Approval", "Manual"),
            configuration: { CustomData: "hello-main: #{plan-prod.PLAN_SUMMARY}" },
          }
        : { actionTypeId: type("Build", "CodeBuild"), outputArtifacts: [{ name: `${action}-out` }] }),
    })),
  };
}

/** As the SDK gives what AWS says in seconds. */
function dated(answer: unknown): unknown {
  return JSON.parse(JSON.stringify(answer ?? {}), (key, value) =>
    typeof value === "number" && /(Time|created|updated)$/.test(key) ? new Date(value * 1000) : value,
  );
}
