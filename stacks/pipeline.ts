import type { Construct } from "constructs";
import { Bucket, type IBucket } from "../modules/bucket";
import { BuildProject, type BuildProjectProps, type Report } from "../modules/build-project";
import { Key } from "../modules/key";
import { physicalName } from "../modules/naming";
import { type ApprovalStep, type BuildStep, Pipeline, type Stage, variableOf } from "../modules/pipeline";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import { Source } from "../modules/source";
import { StateBucket } from "../modules/state-bucket";
import { type ITopic, Topic } from "../modules/topic";
import type { Approval, EnvironmentSettings, PipelineSettings } from "../settings";
import { deliveryNames, deployRoleArn, PLAN_ARTIFACT, PLAN_VARIABLES, planRoleArn } from "../shared/names";

export const pipelineStackName = (pipeline: string) => `pipeline-${pipeline}`;

/**
 * Source; Install; Build, which checks, tests and synthesizes once, side by side; then for each wave Plan, Approve where
 * somebody is to be asked, and Deploy, which applies exactly the plans that were approved. The environments of a wave go
 * side by side.
 */
export class PipelineStack extends SlipwayStack {
  private readonly state: StateBucket;
  private readonly topic: ITopic;

  constructor(scope: Construct, deployment: Deployment, pipeline: PipelineSettings) {
    const { settings } = deployment;
    const { account, region, project } = settings;
    super(scope, pipelineStackName(pipeline.name), deployment, {
      account,
      region,
      tags: { "slipway:pipeline": pipeline.name },
    });
    const name = physicalName("pipeline", project, pipeline.name);
    const delivery = deliveryNames(settings);
    const key = Key.fromAlias(this, "delivery-key", delivery.keyAlias);
    const artifacts = Bucket.fromName(delivery.artifactBucket, key);
    const common = { account, region, key, logRetentionDays: 365 };

    this.topic = Topic.fromArn(`arn:aws:sns:${region}:${account}:${delivery.topic}`, key);
    this.state = new StateBucket(this, "state", settings);

    const source = new Source(this, "source", {
      ...common,
      project,
      source: settings.source,
      branch: pipeline.branch,
    });

    const props: StepProps = { name, common, artifacts };
    const install = this.buildStep("install", props, {
      description: "Fetches what the others need",
      commands: ["npm ci"],
      output: "Install",
      cache: artifacts,
    });
    const lint = this.buildStep("lint", props, {
      description: "Checks style and types",
      commands: ["npm run lint"],
      input: "Install",
    });
    const test = this.buildStep("test", props, {
      description: "Tests, and reports",
      commands: ["npm run test:report"],
      input: "Install",
      reports: REPORTS,
    });
    const synth = this.buildStep("synth", props, {
      description: "Synthesizes all stacks, once",
      commands: ["npm run synth"],
      input: "Install",
      output: "Build",
    });

    const waves = pipeline.deploy.flatMap((wave, index) => {
      const environments = wave.map((environment) => settings.environments[environment]!);
      return this.wave(pipeline.deploy.length > 1 ? `-${index + 1}` : "", environments, props);
    });

    const { name: deployed } = new Pipeline(this, "pipeline", {
      name,
      account,
      source,
      stages: [
        { name: "Install", steps: [install] },
        { name: "Build", steps: [lint, test, synth] },
        ...waves,
      ],
      executionMode: pipeline.execution === "queued" ? "QUEUED" : "SUPERSEDED",
      artifacts,
      key,
    });
    if (source.connectionArn)
      this.output(
        "connection_arn",
        source.connectionArn,
        "The connection to the repository. Until somebody has finished its handshake, once, in the console (Developer Tools, Settings, Connections, Update pending connection), the source's action fails",
      );
    this.output("pipeline_name", deployed, "The pipeline");
  }

  /** An action that runs scripts of this repository, on the source or on what an action before it left. */
  private buildStep(
    step: string,
    { name: pipeline, common, artifacts }: StepProps,
    { description, commands, input, output, reports, cache }: BuildStepProps,
  ): BuildStep {
    const project = new BuildProject(this, step, {
      ...common,
      name: physicalName("project", pipeline, step),
      description,
      reports,
      cache,
      buildspec: {
        version: 0.2,
        phases: { build: { commands } },
        // npm's commands are links.
        ...(output && { artifacts: { files: ["**/*"], "enable-symlinks": "yes" } }),
      },
    });
    artifacts.grantReadWrite(project.role);
    return { name: step, project, input, output };
  }

  /** The stages of environments that go side by side. */
  private wave(number: string, environments: readonly EnvironmentSettings[], props: StepProps): Stage[] {
    const asked = (approval: Approval) => environments.filter((one) => one.approval === approval);
    const approve = (environment: EnvironmentSettings) => this.approvalStep(environment, props);
    const always = asked("always").map(approve);
    return [
      { name: `Plan${number}`, steps: environments.map((environment) => this.planStep(environment, props)) },
      ...(always.length ? [{ name: `Approve${number}`, steps: always }] : []),
      // A stage is skipped as a whole, so each has its own.
      ...asked("risky").map((environment) => ({
        name: `Approve${number}-${environment.name}`,
        onlyIf: { variable: planVariable(environment, "PLAN_IS_RISKY"), is: "yes" },
        steps: [approve(environment)],
      })),
      {
        name: `Deploy${number}`,
        steps: environments.map((environment) => this.applyStep(environment, props)),
      },
    ];
  }

  private planStep(
    environment: EnvironmentSettings,
    { name: pipeline, common, artifacts }: StepProps,
  ): BuildStep {
    const { name } = environment;
    const plan = new BuildProject(this, `plan-${name}`, {
      ...common,
      name: physicalName("project", pipeline, "plan", name),
      description: `Plans ${name}, and changes nothing`,
      buildspec: {
        version: 0.2,
        env: { "exported-variables": PLAN_VARIABLES },
        phases: {
          build: {
            commands: [`npm run --silent plan -- ${name} plan`, `. plan/${PLAN_ARTIFACT.variables}`],
          },
        },
        artifacts: { files: ["**/*"], "base-directory": "plan" },
      },
    });
    artifacts.grantReadWrite(plan.role);
    this.state.grantRead(plan.role, [name]);
    plan.role.allow({ actions: ["sts:AssumeRole"], resources: [planRoleArn(this.settings, environment)] });
    return { name: planName(name), project: plan, input: "Build", output: planArtifact(name) };
  }

  private applyStep(
    environment: EnvironmentSettings,
    { name: pipeline, common, artifacts }: StepProps,
  ): BuildStep {
    const { name } = environment;
    const apply = new BuildProject(this, `apply-${name}`, {
      ...common,
      name: physicalName("project", pipeline, "apply", name),
      description: `Applies the approved plan of ${name}`,
      timeoutMinutes: 60,
      buildspec: {
        version: 0.2,
        phases: {
          build: {
            commands: [`npm run --silent apply -- ${name} "$CODEBUILD_SRC_DIR_${planArtifact(name)}"`],
          },
        },
      },
    });
    artifacts.grantReadWrite(apply.role);
    this.state.grantReadWrite(apply.role, [name]);
    apply.role.allow({ actions: ["sts:AssumeRole"], resources: [deployRoleArn(this.settings, environment)] });
    return {
      name: `apply-${name}`,
      project: apply,
      input: "Build",
      besides: [planArtifact(name)],
      variables: { PLAN_SHA256: planVariable(environment, "PLAN_SHA256") },
    };
  }

  private approvalStep(environment: EnvironmentSettings, { name: pipeline }: StepProps): ApprovalStep {
    const { name } = environment;
    const [summary, hash] = [
      planVariable(environment, "PLAN_SUMMARY"),
      planVariable(environment, "PLAN_SHA256"),
    ];
    return {
      name: `approve-${name}`,
      message: `${pipeline}: ${name}. ${summary} What it means in full is in the log of the action ${planName(name)}. Approved is the plan with SHA-256 ${hash}, and no other.`,
      topic: this.topic,
    };
  }
}

/** What `npm run test:report` leaves. */
const REPORTS: readonly Report[] = [
  { name: "unit", type: "TEST", format: "JUNITXML", folder: ".slipway/reports", file: "unit.xml" },
  {
    name: "coverage",
    type: "CODE_COVERAGE",
    format: "CLOVERXML",
    folder: ".slipway/reports",
    file: "clover.xml",
  },
];

interface BuildStepProps
  extends Pick<BuildProjectProps, "reports" | "cache">,
    Pick<BuildStep, "input" | "output"> {
  readonly description: string;
  readonly commands: readonly string[];
}

type CommonProps = Pick<BuildProjectProps, "account" | "region" | "key" | "logRetentionDays">;

interface StepProps {
  readonly name: string;
  readonly common: CommonProps;
  readonly artifacts: IBucket;
}

const planName = (environment: string) => `plan-${environment}`;

/** Also the name of a shell's variable. */
const planArtifact = (environment: string) => `Plan_${environment.replaceAll("-", "_")}`;

/** What an environment's plan tells the actions after it. */
const planVariable = ({ name }: EnvironmentSettings, variable: (typeof PLAN_VARIABLES)[number]) =>
  variableOf({ name: planName(name) }, variable);
