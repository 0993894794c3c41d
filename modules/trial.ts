import { Construct } from "constructs";
import {
  type EnvironmentSettings,
  type PipelineSettings,
  previewEnvironment,
  type Settings,
} from "../settings";
import {
  artifactPrefix,
  deployRoleArn,
  pipelineName,
  planRoleArn,
  releaseRoleArn,
  verifyRoleArn,
} from "../shared/names";
import { previewEnvironmentName } from "../shared/previews";
import type { IBucket } from "./bucket";
import { BuildProject, type BuildProjectProps } from "./build-project";
import type { IKey } from "./key";
import { physicalName } from "./naming";
import type { BuildStep, Stage } from "./pipeline";
import type { StateBucket } from "./state-bucket";

export interface TrialProps {
  readonly settings: Settings;
  readonly pipeline: PipelineSettings;
  readonly trial: NonNullable<PipelineSettings["trial"]>;
  /** Variables that tell a release what it is of. */
  readonly released: Readonly<Record<string, string>>;
  /** The installed tree, which is synthesized once more: for a name and a region of the trial's own. */
  readonly input: string;
  /** The pipeline's; results go from build to build in it, because an action takes no more than five artifacts. */
  readonly artifacts: IBucket;
  readonly state: StateBucket;
  readonly key: IKey;
}

/**
 * A stage that tries an environment before it is deployed: under names of the trial's own it deploys it in each region
 * side by side, releases there the images of this execution, runs the acceptance tests, and takes all away again. What came
 * of it in all of them, the stage's last action tells, and fails where one has.
 */
export class Trial extends Construct {
  readonly stage: Stage;
  private readonly name: string;
  /** Where the results of one execution are. */
  private readonly results: string;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: TrialProps,
  ) {
    super(scope, id);
    const { settings, pipeline, artifacts, trial } = props;
    this.name = pipelineName(settings, pipeline.name);
    this.results = `s3://${artifacts.name}/${artifactPrefix(this.name)}trial/$TRIAL_EXECUTION/`;
    const environment = settings.environments[trial.environment]!;
    const build = this.tryOut(environment);
    const tries = trial.regions.map((region) =>
      this.step(`trial-${region}`, build, { TRIAL_REGION: region, ...props.released }),
    );
    this.stage = { name: "Trial", steps: [...tries, this.report()] };
  }

  /** One project for all regions. */
  private tryOut(environment: EnvironmentSettings): BuildProject {
    const { settings, state } = this.props;
    const build = this.build("trial", {
      description: `Tries ${environment.name} under names of its own, and takes it away`,
      commands: [
        `npm run --silent trial -- ${environment.name} "$TRIAL_REGION" trial`,
        `aws s3 cp --only-show-errors "trial/$TRIAL_REGION.json" "${this.results}"`,
      ],
      // A deploy, a release, its tests, and the end of all of it; over before the sweep takes it for dead.
      timeoutMinutes: 170,
    });
    // Trials' names begin so, and but some of branches'.
    state.grantReadWrite(build.role, [`${previewEnvironmentName(environment.name, "t")}*`]);
    const any = previewEnvironment(settings, environment.name, "t");
    build.role.allow({
      actions: ["sts:AssumeRole"],
      resources: [planRoleArn, deployRoleArn, releaseRoleArn, verifyRoleArn].map((arnOf) =>
        arnOf(settings, any),
      ),
    });
    return build;
  }

  private report(): BuildStep {
    const { trial } = this.props;
    const name = "trial-report";
    const build = this.build(name, {
      description: `Tells what came of the trial of ${trial.environment}`,
      commands: [
        `aws s3 cp --only-show-errors --recursive "${this.results}" trial/`,
        `npm run --silent trial:report -- trial ${trial.regions.join(" ")}`,
      ],
      reports: [
        {
          name: "trial",
          type: "TEST",
          format: "JUNITXML",
          folder: ".slipway/reports",
          file: "trial.xml",
        },
      ],
    });
    return { ...this.step(name, build), after: true };
  }

  private step(name: string, project: BuildProject, variables: BuildStep["variables"] = {}): BuildStep {
    const { input } = this.props;
    return { name, project, input, variables: { TRIAL_EXECUTION: EXECUTION, ...variables } };
  }

  private build(
    name: string,
    {
      commands,
      ...props
    }: Pick<BuildProjectProps, "description" | "reports" | "timeoutMinutes"> & {
      readonly commands: readonly string[];
    },
  ): BuildProject {
    const { settings, artifacts, key } = this.props;
    const { account, region } = settings;
    const build = new BuildProject(this, name, {
      ...props,
      name: physicalName("project", this.name, name),
      account,
      region,
      key,
      // Builds' logs tell who tried what.
      logRetentionDays: 365,
      buildspec: { version: 0.2, phases: { build: { commands } } },
    });
    // What is tried may hold a provider or a package of anybody's: it changes nothing that is deployed later.
    artifacts.grantRead(build.role, `${artifactPrefix(this.name)}${this.props.input}/`);
    artifacts.grantReadWrite(build.role, `${artifactPrefix(this.name)}trial/`);
    return build;
  }
}

/** The execution, which names what is tried in it. */
const EXECUTION = "#{codepipeline.PipelineExecutionId}";
