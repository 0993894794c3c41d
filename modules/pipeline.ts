import { Codepipeline } from "@cdktf/provider-aws/lib/codepipeline";
import { Construct } from "constructs";
import { artifactPrefix } from "../shared/names";
import type { IBucket } from "./bucket";
import type { BuildProject } from "./build-project";
import { Role } from "./iam";
import type { IKey } from "./key";
import { NAME_LIMITS } from "./naming";
import type { Source } from "./source";

/** The limits that CodePipeline sets (user guide, "Quotas in AWS CodePipeline"). */
const LIMITS = { stages: 50, actionsPerStage: 50, configurationValue: 1000 } as const;

/** The artifact that the source's action gives. */
const SOURCE_ARTIFACT = "Source";
const SOURCE_ACTION = "Source";

/** One build that a stage runs. */
export interface BuildStep {
  readonly name: string;
  readonly project: BuildProject;
  /** The artifact that it works on. @default - the source */
  readonly input?: string;
  /** Artifacts beside it, each in the folder CODEBUILD_SRC_DIR_<artifact>. @default - none */
  readonly besides?: readonly string[];
  /** The artifact that it gives. @default - none */
  readonly output?: string;
  /** Environment variables of this step alone. @default - none */
  readonly variables?: Readonly<Record<string, string>>;
  /** Whether it waits for all others of its stage. @default false */
  readonly after?: boolean;
}

/** A person who has to say yes. */
export interface ApprovalStep {
  readonly name: string;
  /** What they are told; may hold variables. */
  readonly message: string;
  /** Address of what they should read first; may hold variables. */
  readonly link: string;
}

/** A stage: its steps run side by side. */
export interface Stage {
  readonly name: string;
  /** What a variable must be; else the stage is skipped. @default - it is never skipped */
  readonly onlyIf?: { readonly variable: string; readonly is: string };
  /** Whether what failed in it is tried once more, because a network may fail. @default false */
  readonly retry?: boolean;
  readonly steps: readonly (BuildStep | ApprovalStep)[];
}

export interface PipelineProps {
  readonly name: string;
  readonly account: string;
  readonly source: Source;
  readonly stages: readonly Stage[];
  /** Variables of an execution, with what they are where nobody sets them; in the namespace `variables`. @default - none */
  readonly variables?: Readonly<Record<string, string>>;
  /** Whether a newer execution takes the place of those that wait. @default "SUPERSEDED" */
  readonly executionMode?: "SUPERSEDED" | "QUEUED";
  /**
   * Builds of a stage that run side by side at most; the others wait for them. One beyond CodeBuild's quota fails.
   * @default - all
   */
  readonly buildsAtOnce?: number;
  readonly artifacts: IBucket;
  /** How the paths of its artifacts begin. @default - as CodePipeline begins those of a pipeline of that name */
  readonly artifactsBelow?: string;
  readonly key: IKey;
}

/** Stages of steps, as a CodePipeline: this knows what an action looks like, and the stack what happens. */
export class Pipeline extends Construct {
  readonly name: string;

  constructor(scope: Construct, id: string, props: PipelineProps) {
    super(scope, id);
    checkLimits(props);
    const role = new Role(this, "role", {
      name: props.name,
      description: `Runs the pipeline ${props.name}`,
      service: "codepipeline.amazonaws.com",
      sourceAccount: props.account,
    });
    props.artifacts.grantReadWrite(role, props.artifactsBelow ?? artifactPrefix(props.name));
    props.source.grantFetch(role);
    const steps = props.stages.flatMap((stage) => stage.steps);
    const projects = new Set(steps.flatMap((step) => ("project" in step ? step.project.arn : [])));
    role.allow({
      actions: ["codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild"],
      resources: [...projects],
    });

    const pipeline = new Codepipeline(this, "pipeline", {
      name: props.name,
      roleArn: role.arn,
      pipelineType: "V2",
      executionMode: props.executionMode ?? "SUPERSEDED",
      artifactStore: [
        { type: "S3", location: props.artifacts.name, encryptionKey: { type: "KMS", id: props.key.arn } },
      ],
      stage: [
        { name: "Source", action: [sourceAction(props.source)] },
        ...props.stages.map(({ name, onlyIf, retry, steps }) => ({
          name,
          action: inOrder(steps, props.buildsAtOnce),
          ...(onlyIf && { beforeEntry: skipUnless(onlyIf) }),
          ...(retry && { onFailure: RETRY }),
        })),
      ],
      ...(props.source.trigger && { trigger: [triggerOf(props.source.trigger)] }),
      variable: Object.entries(props.variables ?? {}).map(([variable, defaultValue]) => ({
        name: variable,
        defaultValue,
      })),
      dependsOn: role.ready,
    });
    this.name = pipeline.name;
    props.source.startOnPush({ name: props.name, arn: pipeline.arn });
  }
}

function sourceAction(source: Source) {
  return {
    name: SOURCE_ACTION,
    category: "Source",
    owner: source.owner,
    provider: source.provider,
    version: source.version,
    namespace: SOURCE_ACTION,
    outputArtifacts: [SOURCE_ARTIFACT],
    configuration: source.configuration,
  };
}

function triggerOf({ branches, paths }: NonNullable<Source["trigger"]>) {
  const push = {
    branches: { includes: [...branches] },
    ...(paths?.length && { filePaths: { includes: [...paths] } }),
  };
  return {
    providerType: "CodeStarSourceConnection",
    gitConfiguration: { sourceActionName: SOURCE_ACTION, push: [push] },
  };
}

/** Steps side by side: nothing is waited for but a free build, and by those that come after all others. */
function inOrder(steps: Stage["steps"], buildsAtOnce = steps.length) {
  const comesAfter = (step: BuildStep | ApprovalStep) => "project" in step && step.after;
  const others = steps.filter((step) => !comesAfter(step)).length;
  return steps.map((step, index) => ({
    ...actionOf(step),
    runOrder: comesAfter(step)
      ? 1 + Math.ceil(others / buildsAtOnce)
      : "project" in step
        ? 1 + Math.floor(index / buildsAtOnce)
        : 1,
  }));
}

/** A stage whose rule does not hold is skipped (user guide, "VariableCheck"). */
const skipUnless = ({ variable, is }: NonNullable<Stage["onlyIf"]>) => ({
  condition: {
    result: "SKIP",
    rule: [
      {
        name: "only-if",
        ruleTypeId: { category: "Rule", owner: "AWS", provider: "VariableCheck", version: "1" },
        configuration: { Variable: variable, Value: is, Operator: "EQ" },
      },
    ],
  },
});

const RETRY = { result: "RETRY", retryConfiguration: { retryMode: "FAILED_ACTIONS" } };

const actionOf = (step: BuildStep | ApprovalStep) =>
  "project" in step ? buildAction(step) : approvalAction(step);

function approvalAction({ name, message, link }: ApprovalStep) {
  return {
    name,
    category: "Approval",
    owner: "AWS",
    provider: "Manual",
    version: "1",
    // Who is to hear of it, is told by what reports on runs.
    configuration: { CustomData: message, ExternalEntityLink: link },
  };
}

function buildAction({ name, project, input, besides = [], output, variables = {} }: BuildStep) {
  const primary = input ?? SOURCE_ARTIFACT;
  const environment = Object.entries(variables).map(([key, value]) => ({
    name: key,
    value,
    type: "PLAINTEXT",
  }));
  return {
    name,
    category: "Build",
    owner: "AWS",
    provider: "CodeBuild",
    version: "1",
    // Its variables are asked for by its name.
    namespace: name,
    inputArtifacts: [primary, ...besides],
    ...(output && { outputArtifacts: [output] }),
    configuration: {
      ProjectName: project.name,
      ...(besides.length && { PrimarySource: primary }),
      ...(environment.length && { EnvironmentVariables: JSON.stringify(environment) }),
    },
  };
}

/** @throws Error in the user's words, where CodePipeline would refuse the pipeline */
function checkLimits({ name, stages }: PipelineProps): void {
  const problems: string[] = [];
  const names = stages.flatMap(({ steps }) => steps.map((step) => step.name));
  const twice = names.find((one, index) => names.indexOf(one) < index);
  if (twice) problems.push(`two actions are named ${twice}: their variables could not be told apart`);
  const stageTwice = stages.find(
    (one, index) => stages.findIndex((other) => other.name === one.name) < index,
  );
  if (stageTwice) problems.push(`two stages are named ${stageTwice.name}`);
  if (name.length > NAME_LIMITS.pipeline)
    problems.push(`its name has more than ${NAME_LIMITS.pipeline} characters`);
  if (stages.length + 1 > LIMITS.stages) {
    problems.push(
      `it has ${stages.length + 1} stages, of at most ${LIMITS.stages}: put environments side by side in fewer waves`,
    );
  }
  for (const stage of stages) {
    if (stage.steps.length > LIMITS.actionsPerStage) {
      problems.push(
        `stage ${stage.name} has ${stage.steps.length} actions, of at most ${LIMITS.actionsPerStage}: split its wave`,
      );
    }
    for (const step of stage.steps) {
      const long = Object.entries(actionOf(step).configuration).find(
        ([, value]) => value.length > LIMITS.configurationValue,
      );
      if (long)
        problems.push(
          `action ${step.name}: ${long[0]} has more than ${LIMITS.configurationValue} characters`,
        );
    }
  }
  if (problems.length) throw new Error(`Pipeline ${name} does not fit CodePipeline: ${problems.join("; ")}.`);
}
