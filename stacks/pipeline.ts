import type { Construct } from "constructs";
import { Bucket, type IBucket } from "../modules/bucket";
import { BuildProject, type BuildProjectProps, type Report } from "../modules/build-project";
import { deliveryBoundaryArn, updateStatements } from "../modules/delivery-access";
import { capRoles } from "../modules/iam";
import { ImageRepository } from "../modules/image-repository";
import { type IKey, Key } from "../modules/key";
import { physicalName } from "../modules/naming";
import { type ApprovalStep, type BuildStep, Pipeline, type Stage } from "../modules/pipeline";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import { Source } from "../modules/source";
import { StateBucket } from "../modules/state-bucket";
import { Trial } from "../modules/trial";
import {
  type Approval,
  type EnvironmentSettings,
  type PipelineSettings,
  type PreviewTemplate,
  previewEnvironment,
  previewTemplates,
} from "../settings";
import {
  applyName,
  approvalName,
  artifactPrefix,
  DELIVERY_STACK,
  deliveryNames,
  deployRoleArn,
  IMAGE_ARTIFACT,
  IMAGE_VARIABLES,
  INSTALL,
  imageName,
  imageOf,
  ON_SYNTHESIZED,
  PLAN_ARTIFACT,
  PLAN_VARIABLES,
  pipelineName,
  pipelineStackName,
  planName,
  planRoleArn,
  releaseName,
  releaseRoleArn,
  repositoryName,
  stacksUpdatedBy,
  UPDATE_ACTION,
  UPDATED_FOR,
  variableOf,
  verifyName,
  verifyRoleArn,
} from "../shared/names";
import {
  ADDRESSES_FILE,
  PREVIEW,
  PREVIEW_ADDRESSES,
  PREVIEW_TAGS,
  previewRepositoryName,
  previewsOf,
  templateOf,
  templatePipelineName,
  templateStackName,
} from "../shared/previews";
import { IMAGES_VARIABLE } from "../shared/releases";

/**
 * Source; Install; Build, which checks, tests and synthesizes once, side by side; Update, which brings this very pipeline
 * up to date, and starts it anew where it changed; Trial, where the settings want one; then for each wave Plan, Approve
 * where somebody is to be asked, Deploy, which applies exactly the plans that were approved, Release, which moves traffic to
 * the new versions, and Verify, which brings back the old ones where the new do not pass. The environments of a wave go side
 * by side.
 *
 * A template of previews is the same without Update and for one environment, which only its variable names. It is never
 * run itself: the pipelines of previews are made like it, and use its builds and roles.
 */
export class PipelineStack extends SlipwayStack {
  private readonly name: string;
  private readonly key: IKey;
  private readonly artifacts: IBucket;
  private readonly artifactsBelow: string;
  private readonly state: StateBucket;

  constructor(
    scope: Construct,
    deployment: Deployment,
    private readonly pipeline: PipelineSettings,
    private readonly template?: PreviewTemplate,
  ) {
    const { settings } = deployment;
    const { account, region, project } = settings;
    super(scope, template ? templateStackName(template.name) : pipelineStackName(pipeline.name), deployment, {
      account,
      region,
      tags: template ? { [PREVIEW_TAGS.preview]: template.name } : { "slipway:pipeline": pipeline.name },
    });
    capRoles(this, deliveryBoundaryArn(settings));
    const delivery = deliveryNames(settings);
    const ordinary = pipelineName(settings, pipeline.name);
    this.name = template ? templatePipelineName(settings, template.name) : ordinary;
    this.key = Key.fromAlias(this, "delivery-key", delivery.keyAlias);
    this.artifacts = Bucket.fromName(template ? delivery.previewBucket : delivery.artifactBucket, this.key);
    this.artifactsBelow = template ? artifactsOfAll(this.name) : artifactPrefix(this.name);
    this.state = new StateBucket(this, "state", settings);

    const source = new Source(this, "source", {
      project,
      pipeline: this.name,
      account,
      region,
      source: settings.source,
      branch: template ? NO_BRANCH : pipeline.branch,
      paths: pipeline.paths,
      like: template && ordinary,
    });
    const { name } = new Pipeline(this, "pipeline", {
      name: this.name,
      account,
      source,
      variables: template
        ? { [PREVIEW.variable]: PREVIEW.unset }
        : { [UPDATED_FOR.variable]: UPDATED_FOR.unset },
      stages: [
        { name: "Install", steps: [this.install()], retry: true },
        {
          name: "Build",
          steps: [
            this.lint(),
            this.test(),
            this.scan(),
            this.synth(),
            ...Object.keys(settings.services).map((service) => this.image(service)),
          ],
        },
        ...(template
          ? this.wave("", [this.anyPreview(template)])
          : [{ name: "Update", steps: [this.update()] }, ...this.trial(), ...this.waves()]),
      ],
      executionMode: pipeline.execution === "queued" ? "QUEUED" : "SUPERSEDED",
      buildsAtOnce: pipeline.buildsAtOnce,
      artifacts: this.artifacts,
      artifactsBelow: this.artifactsBelow,
      key: this.key,
    });
    if (source.connectionArn && !template)
      this.output(
        "connection_arn",
        source.connectionArn,
        "The connection to the repository. Until somebody has finished its handshake, once, in the console (Developer Tools, Settings, Connections, Update pending connection), the source's action fails",
      );
    this.output("pipeline_name", name, "The pipeline");
    if (template) this.warnOfNeighbours(template);
  }

  /** Roles cannot keep a preview off all that is in its account: services attach what they are told to. */
  private warnOfNeighbours({ environment: { name, account } }: PreviewTemplate): void {
    const { settings } = this;
    const others = Object.values(settings.environments).filter((one) => one.account === account);
    const neighbours = [
      ...(settings.account === account ? ["the pipelines themselves"] : []),
      ...others.map((one) => one.name).filter((other) => other !== name),
    ];
    if (neighbours.length)
      this.output(
        "warning_previews",
        `Previews of ${name} are in one account with ${neighbours.join(", ")}: whoever may push a branch can put load balancers and tasks into their networks, and change HTTP APIs there. Give ${name} an account of its own`,
        "What is not safe here",
      );
  }

  /** What is tried before anything is deployed. */
  private trial(): Stage[] {
    const { settings, pipeline, artifacts, state, key } = this;
    const { trial } = pipeline;
    if (!trial) return [];
    const common = { settings, pipeline, artifacts, state, key };
    const tried = released(settings.environments[trial.environment]!);
    return [new Trial(this, "trial", { ...common, trial, released: tried, input: "Install" }).stage];
  }

  private waves(): Stage[] {
    const { deploy } = this.pipeline;
    return deploy.flatMap((wave, index) =>
      this.wave(
        deploy.length > 1 ? `-${index + 1}` : "",
        wave.map((environment) => this.settings.environments[environment]!),
      ),
    );
  }

  /** What stands for any of a template's previews. */
  private anyPreview({ environment: { name } }: PreviewTemplate): EnvironmentSettings {
    return { ...previewEnvironment(this.settings, name, ""), name: previewsOf(name) };
  }

  private install(): BuildStep {
    return this.step(INSTALL.action, {
      description: "Fetches and bundles what the others need",
      commands: INSTALL.commands,
      output: "Install",
      without: UNREAD,
      cache: { bucket: this.artifacts, paths: FETCHED },
    });
  }

  private lint(): BuildStep {
    return this.step("lint", {
      description: "Checks style and types",
      commands: ["npm run lint"],
      input: "Install",
      cache: { bucket: this.artifacts, paths: [KNOWN_TYPES] },
    });
  }

  private test(): BuildStep {
    return this.step("test", {
      description: "Tests, and reports",
      commands: ["npm run test:report"],
      input: "Install",
      reports: REPORTS,
    });
  }

  private scan(): BuildStep {
    return this.step("scan", {
      description: "Looks for known faults in packages, wide permissions and secrets",
      commands: ["npm run --silent scan"],
      input: "Install",
    });
  }

  /** The commit's image: its digest is told to whoever releases it. */
  private image(service: string): BuildStep {
    const { settings } = this;
    const image = this.step(imageName(service), {
      description: `Builds the image of ${service}`,
      commands: [
        `npm run --silent image -- ${service}`,
        `. ${IMAGE_ARTIFACT.folder}/${IMAGE_ARTIFACT.variables}`,
      ],
      input: "Install",
      output: `Image_${service.replaceAll("-", "_")}`,
      folder: IMAGE_ARTIFACT.folder,
      exports: IMAGE_VARIABLES,
      variables: { COMMIT, ...this.whichPreview() },
      containers: true,
    });
    const repository = (this.template ? previewRepositoryName : repositoryName)(settings, service);
    ImageRepository.fromName(repository, settings).grantPush(image.project.role);
    return image;
  }

  private synth(): BuildStep {
    return this.step("synth", {
      description: "Synthesizes all stacks, once, and bundles what deploys them",
      commands: ["npm run synth", `npm run --silent bundle -- ${ON_SYNTHESIZED.join(" ")}`],
      input: "Install",
      output: "Build",
      // Bundles need no packages. They ask npm's list of these, which stays, whether they are of them.
      without: ["node_modules/*/**/*", "node_modules/.bin/**/*"],
      variables: this.whichPreview(),
    });
  }

  /** Which environment a template's builds work on, each run tells them: none is known before. */
  private whichPreview(): Readonly<Record<string, string>> {
    return this.template ? { [PREVIEW.variable]: PREVIEW_OF_RUN } : {};
  }

  /** An environment as commands name it. */
  private wordFor({ name }: EnvironmentSettings): string {
    return this.template ? `"$${PREVIEW.variable}"` : name;
  }

  /**
   * The stacks of an environment; of a template, those of any branch, which end in a dash and six characters. Those of
   * trials do not: the build of a trial reads its state, and writes what is deployed next.
   */
  private stacksOf({ name }: EnvironmentSettings): string[] {
    return [this.template ? `${name}-*-??????` : name];
  }

  private update(): BuildStep {
    const { settings } = this;
    const { name } = this.pipeline;
    const update = this.step(UPDATE_ACTION, {
      description: "Brings the pipeline up to date",
      commands: [`npm run --silent update -- ${name}`],
      input: "Build",
      timeoutMinutes: 60,
      variables: {
        EXECUTION_ID: "#{codepipeline.PipelineExecutionId}",
        REVISION: COMMIT,
        [UPDATED_FOR.variable]: variableOf({ name: "variables" }, UPDATED_FOR.variable),
      },
    });
    const { role } = update.project;
    const stacks = stacksUpdatedBy(settings, name);
    const templates = previewTemplates(settings).filter(({ pipeline }) => pipeline.name === name);
    // By one pattern for all templates: what a role may be told in all is limited.
    const ofTemplates = templateStackName(templateOf({ pipeline: name, environment: "*" }));
    this.state.grantReadWrite(role, [
      ...stacks.filter((stack) => !templates.some((template) => stack === templateStackName(template.name))),
      ...(templates.length ? [ofTemplates] : []),
    ]);
    role.allow(
      ...updateStatements(settings, {
        pipeline: name,
        templates: templates.map((template) => template.name),
        withDelivery: stacks.includes(DELIVERY_STACK),
        withConnection: settings.source.provider === "connection",
      }),
    );
    return update;
  }

  /** The stages of environments that go side by side. */
  private wave(number: string, environments: readonly EnvironmentSettings[]): Stage[] {
    const asked = (approval: Approval) => environments.filter((one) => one.approval === approval);
    const always = asked("always").map((environment) => this.approve(environment));
    return [
      { name: `Plan${number}`, steps: environments.map((environment) => this.plan(environment)) },
      ...(always.length ? [{ name: `Approve${number}`, steps: always }] : []),
      // A stage is skipped as a whole, so each has its own.
      ...asked("risky").map((environment) => ({
        name: `Approve${number}-${environment.name}`,
        onlyIf: { variable: planVariable(environment, "PLAN_IS_RISKY"), is: "yes" },
        steps: [this.approve(environment)],
      })),
      { name: `Deploy${number}`, steps: environments.map((environment) => this.apply(environment)) },
      { name: `Release${number}`, steps: environments.map((environment) => this.release(environment)) },
      { name: `Verify${number}`, steps: environments.map((environment) => this.verify(environment)) },
    ];
  }

  private plan(environment: EnvironmentSettings): BuildStep {
    const { name } = environment;
    const plan = this.step(planName(name), {
      description: `Plans ${name}, and changes nothing`,
      commands: [
        `npm run --silent plan -- ${this.wordFor(environment)} plan`,
        `. plan/${PLAN_ARTIFACT.variables}`,
      ],
      input: "Build",
      output: planArtifact(name),
      folder: "plan",
      exports: PLAN_VARIABLES,
      variables: this.whichPreview(),
    });
    const { role } = plan.project;
    this.state.grantRead(role, this.stacksOf(environment));
    role.allow({ actions: ["sts:AssumeRole"], resources: [planRoleArn(this.settings, environment)] });
    return plan;
  }

  private approve(environment: EnvironmentSettings): ApprovalStep {
    const { name } = environment;
    const { account, region } = this.settings;
    const told = (variable: (typeof PLAN_VARIABLES)[number]) =>
      variableOf({ name: planName(name) }, variable);
    const builds = `https://${region}.console.aws.amazon.com/codesuite/codebuild/${account}/projects`;
    return {
      name: approvalName(name),
      message: `${this.name}: ${this.template ? PREVIEW_OF_RUN : name}. ${told("PLAN_SUMMARY")} Costs: ${told("PLAN_COST")}. What it means in full is in the log of the action ${planName(name)}. Approved is the plan with SHA-256 ${told("PLAN_SHA256")}, and no other.`,
      link: `${builds}/${this.projectName(planName(name))}/build/${told("PLAN_BUILD")}/log?region=${region}`,
    };
  }

  private apply(environment: EnvironmentSettings): BuildStep {
    const { name } = environment;
    const apply = this.step(applyName(name), {
      description: `Applies the approved plan of ${name}`,
      commands: [
        `npm run --silent apply -- ${this.wordFor(environment)} "$CODEBUILD_SRC_DIR_${planArtifact(name)}"`,
      ],
      input: "Build",
      besides: [planArtifact(name)],
      variables: {
        PLAN_SHA256: planVariable(environment, "PLAN_SHA256"),
        PLAN_IS_EMPTY: planVariable(environment, "PLAN_IS_EMPTY"),
        ...this.whichPreview(),
      },
      timeoutMinutes: 60,
    });
    const { role } = apply.project;
    this.state.grantReadWrite(role, this.stacksOf(environment));
    role.allow({ actions: ["sts:AssumeRole"], resources: [deployRoleArn(this.settings, environment)] });
    return apply;
  }

  private release(environment: EnvironmentSettings): BuildStep {
    const { name } = environment;
    const release = this.step(releaseName(name), {
      description: `Releases the new versions in ${name}`,
      commands: [
        `npm run --silent release -- ${this.wordFor(environment)} ${RELEASE_FOLDER}`,
        ...(this.template ? [`. ${RELEASE_FOLDER}/${ADDRESSES_FILE}`] : []),
      ],
      input: "Build",
      output: releaseArtifact(name),
      folder: RELEASE_FOLDER,
      exports: this.template && [PREVIEW_ADDRESSES],
      variables: { ...released(environment), ...this.whichPreview() },
      timeoutMinutes: releaseMinutes(environment),
    });
    this.grantRelease(release, environment);
    return release;
  }

  private grantRelease({ project: { role } }: BuildStep, environment: EnvironmentSettings): void {
    this.state.grantRead(role, this.stacksOf(environment));
    role.allow({
      actions: ["sts:AssumeRole"],
      resources: [releaseRoleArn(this.settings, environment)],
    });
  }

  private verify(environment: EnvironmentSettings): BuildStep {
    const { name } = environment;
    const which = this.wordFor(environment);
    const released = `"$CODEBUILD_SRC_DIR_${releaseArtifact(name)}"`;
    const verify = this.step(verifyName(name), {
      description: `Tests what is deployed in ${name}`,
      commands: [
        // The tests need the packages, and all else what was synthesized.
        'rm -rf .slipway/build && mv "$CODEBUILD_SRC_DIR_Build/.slipway/build" .slipway && mv "$CODEBUILD_SRC_DIR_Build/cdktf.out" .',
        // A retry after the way back would find the old version, and it well.
        `npm run --silent release -- ${which} --stands ${released}`,
        `npm run --silent verify -- ${which} || { npm run --silent release -- ${which} --back ${released}; exit 1; }`,
      ],
      input: "Install",
      besides: ["Build", releaseArtifact(name)],
      reports: [report("acceptance", "acceptance.xml")],
      variables: this.whichPreview(),
      // Bringing back is a release as well.
      timeoutMinutes: 60,
    });
    this.grantRelease(verify, environment);
    verify.project.role.allow({
      actions: ["sts:AssumeRole"],
      resources: [verifyRoleArn(this.settings, environment)],
    });
    return verify;
  }

  private projectName(step: string): string {
    return physicalName("project", this.name, step);
  }

  /** An action that runs scripts of this repository, on the source or on what an action before it left. */
  private step(name: string, props: StepProps): BuildStep {
    const { commands, input, besides, output, folder, without, exports, variables, ...others } = props;
    const { account, region } = this.settings;
    const project = new BuildProject(this, name, {
      ...others,
      name: this.projectName(name),
      account,
      region,
      key: this.key,
      logRetentionDays: LOG_RETENTION_DAYS,
      buildspec: {
        version: 0.2,
        ...(exports && { env: { "exported-variables": exports } }),
        phases: { build: { commands } },
        ...(output && {
          artifacts: {
            files: ["**/*"],
            ...(without && { "exclude-paths": without }),
            // npm's commands are links.
            ...(folder ? { "base-directory": folder } : { "enable-symlinks": "yes" as const }),
          },
        }),
      },
    });
    // Not another pipeline's: what that deploys is in them, and nothing else is looked at before it is.
    this.artifacts.grantReadWrite(project.role, this.artifactsBelow);
    return { name, project, input, besides, output, variables };
  }
}

/**
 * The source of a template: a name that no branch has, because CodePipeline starts a pipeline that is made, and what is
 * started so goes no further.
 */
const NO_BRANCH = "slipway-preview-template";

/** The preview that a run is for. */
const PREVIEW_OF_RUN = variableOf({ name: "variables" }, PREVIEW.variable);

/**
 * How the paths of the artifacts begin of all pipelines that are made like a template: as {@link artifactPrefix}, but what
 * follows a short name is theirs. Not the whole bucket: which previews there are is noted in it, and not for their code to say.
 */
const artifactsOfAll = (template: string) => artifactPrefix(template).replace(/\/$/, "");

/** What is released; each kind of source tells it by this name. */
const COMMIT = variableOf({ name: "Source" }, "CommitId");

/** Tells a release what it is of: the images that the execution has built, and the commit. */
function released({ services }: EnvironmentSettings): Readonly<Record<string, string>> {
  const images = Object.keys(services).map(imageOf);
  return { ...(images.length && { [IMAGES_VARIABLE]: images.join(" ") }), COMMIT };
}

/** Builds' logs tell who released what. */
const LOG_RETENTION_DAYS = 365;

/** Where npm, in CodeBuild's image, and `npm run toolchain` keep what they fetched. */
const FETCHED = ["/root/.npm/**/*", ".slipway/mirror/**/*", ".slipway/tools/**/*"];

/**
 * A third of what packages weigh, which no build reads: what jsii gives to other languages, programs of Windows, tests of
 * cdktf's own, and types for TypeScript before 4.0.
 */
const UNREAD = [
  "node_modules/**/.jsii",
  "node_modules/**/prebuilds/win32-*/**/*",
  "node_modules/@cdktf/*/**/__tests__/**/*",
  "node_modules/**/dist-types/ts3.4/**/*",
];

/** What the compiler keeps of files that it has checked, and finds again by what is in them (tsconfig.json). */
const KNOWN_TYPES = ".slipway/cache/types.tsbuildinfo";

const FOLDER_OF_REPORTS = ".slipway/reports";

/** Results of tests. */
const report = (name: string, file: string): Report => ({
  name,
  type: "TEST",
  format: "JUNITXML",
  folder: FOLDER_OF_REPORTS,
  file,
});

/** What `npm run test:report` leaves. */
const REPORTS: readonly Report[] = [
  report("unit", "unit.xml"),
  {
    name: "coverage",
    type: "CODE_COVERAGE",
    format: "CLOVERXML",
    folder: FOLDER_OF_REPORTS,
    file: "clover.xml",
  },
];

interface StepProps
  extends Pick<BuildProjectProps, "description" | "reports" | "cache" | "containers" | "timeoutMinutes">,
    Pick<BuildStep, "input" | "besides" | "output" | "variables"> {
  readonly commands: readonly string[];
  /** The folder that the output is made of. @default - all of it, links too */
  readonly folder?: string;
  /** Files that the output goes without. @default - none */
  readonly without?: readonly string[];
  /** Variables that later actions may use. @default - none */
  readonly exports?: readonly string[];
}

/** Also names of a shell's variables. */
const planArtifact = (environment: string) => `Plan_${environment.replaceAll("-", "_")}`;
const releaseArtifact = (environment: string) => `Release_${environment.replaceAll("-", "_")}`;

/** Where a release leaves its record. */
const RELEASE_FOLDER = "release";

/** How long a release takes at most: its steps, then the old tasks' time, and what comes before and between. */
function releaseMinutes({ serviceRelease, functionRelease, bakeMinutes }: EnvironmentSettings): number {
  const shifting = (release: string) =>
    Number(/(\d+)-minutes?$/.exec(release)?.[1] ?? 0) * (release.startsWith("linear") ? 10 : 1);
  const longest = Math.max(shifting(serviceRelease) + bakeMinutes, shifting(functionRelease));
  // A deployment that is brought back, and one before it that is waited for.
  return Math.min(2 * longest + 120, LONGEST_BUILD_MINUTES);
}

/** CodeBuild's limit. */
const LONGEST_BUILD_MINUTES = 2160;

/** What an environment's plan tells the actions after it. */
const planVariable = ({ name }: EnvironmentSettings, variable: (typeof PLAN_VARIABLES)[number]) =>
  variableOf({ name: planName(name) }, variable);
