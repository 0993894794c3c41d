import { Construct } from "constructs";
import { previewEnvironment, previewedEnvironments, previewTemplates, type Settings } from "../settings";
import { artifactPrefix, deliveryNames, deployRoleArn, pipelineName } from "../shared/names";
import { PREVIEW, previewRepositoryName, previewsOf } from "../shared/previews";
import type { Bucket } from "./bucket";
import { BuildProject } from "./build-project";
import { ASKING_AWS } from "./build-script";
import type { IKey } from "./key";
import { StateBucket } from "./state-bucket";

export interface PreviewTeardownProps {
  readonly settings: Settings;
  /** Where the ordinary pipelines keep their artifacts. */
  readonly artifacts: Bucket;
  readonly key: IKey;
}

/**
 * Destroys what a preview or a trial has, by a build that whoever starts it tells two names: SLIPWAY_PREVIEW, the
 * environment; and PIPELINE, the ordinary pipeline that it was made like. A build that has no source: it fetches the
 * synthesized tree of that pipeline.
 */
export class PreviewTeardown extends Construct {
  readonly build: BuildProject;

  constructor(
    scope: Construct,
    id: string,
    private readonly props: PreviewTeardownProps,
  ) {
    super(scope, id);
    const { settings, key } = props;
    const { account, region, project } = settings;
    this.build = new BuildProject(this, "build", {
      name: deliveryNames(settings).teardownProject,
      description: `Destroys previews of ${project} whose branches are gone`,
      account,
      region,
      key,
      source: { from: "nowhere" },
      timeoutMinutes: 60,
      logRetentionDays: 365,
      buildspec: {
        version: 0.2,
        env: {
          variables: {
            PROJECT: project,
            [PREVIEW.variable]: PREVIEW.unset,
            PIPELINE: "none",
          },
        },
        phases: { build: { commands: [`node - <<'END'\n${TEAR_DOWN}END`] } },
      },
    });
    this.grantTrees();
    this.grantEnds();
  }

  /** The trees that it works in: what ordinary pipelines have synthesized. */
  private grantTrees(): void {
    const { settings, artifacts } = this.props;
    const { role } = this.build;
    const pipelines = this.pipelines();
    role.allow({
      actions: ["codepipeline:ListActionExecutions"],
      resources: pipelines.map(
        (pipeline) => `arn:aws:codepipeline:${settings.region}:${settings.account}:${pipeline}`,
      ),
    });
    for (const pipeline of pipelines) artifacts.grantRead(role, `${artifactPrefix(pipeline)}${BUILD}/`);
  }

  /** All that a preview may leave behind, and nothing that is no preview's. */
  private grantEnds(): void {
    const { settings } = this.props;
    const { account, region } = settings;
    const { role } = this.build;
    const environments = [...previewedEnvironments(settings)];
    new StateBucket(this, "state", settings).grantReadWrite(
      role,
      environments.map((environment) => `${previewsOf(environment)}-*`),
    );
    role.allow({
      actions: ["sts:AssumeRole"],
      resources: environments.map((name) => deployRoleArn(settings, previewEnvironment(settings, name, ANY))),
    });
    role.allow({
      actions: ["ecr:BatchDeleteImage", "ecr:DescribeImages"],
      resources: Object.keys(settings.services).map(
        (service) =>
          `arn:aws:ecr:${region}:${account}:repository/${previewRepositoryName(settings, service)}`,
      ),
    });
  }

  /** Those that previews or trials are made like, as CodePipeline calls them. */
  private pipelines(): string[] {
    const { settings } = this.props;
    const trials = Object.values(settings.pipelines).filter(({ trial }) => trial);
    const all = [...previewTemplates(settings).map(({ pipeline }) => pipeline), ...trials];
    return [...new Set(all.map(({ name }) => pipelineName(settings, name)))];
  }
}

/** Some preview: their roles are the same. */
const ANY = "any";

/** The artifact that a pipeline's synth leaves: all that destroying takes. */
const BUILD = "Build";

/**
 * What the build runs. The names come from an event's handler, and are looked at before anything else: they become
 * arguments and paths. The tree is an ordinary pipeline's: the branch's own may be broken, and must not get the rights to
 * destroy others.
 */
const TEAR_DOWN = String.raw`${ASKING_AWS}
const { spawnSync } = require("node:child_process");
const { existsSync, mkdirSync } = require("node:fs");
const { dirname, join, resolve } = require("node:path");

const { PROJECT, SLIPWAY_PREVIEW, PIPELINE } = process.env;
const end = (message) => {
  console.log(message);
  process.exit(1);
};
const check = (variable, pattern) => {
  const value = process.env[variable] || "";
  if (value.length > 100 || !pattern.test(value))
    end(variable + " is " + JSON.stringify(value) + ": it must match " + pattern + ". Nothing was destroyed.");
};
check("SLIPWAY_PREVIEW", /^pv-[a-z0-9]+(-[a-z0-9]+)+$/);
check("PIPELINE", new RegExp("^" + PROJECT + "-[a-z0-9-]+$"));

const fetchTree = (pipeline) => {
  const isSynth = ({ actionName, status }) => actionName === "synth" && status === "Succeeded";
  const newest = newestAction(pipeline, isSynth);
  if (!newest) throw new Error("it has synthesized nothing yet");
  const built = (newest.output?.outputArtifacts ?? []).find(({ name }) => name === "${BUILD}");
  if (!built) throw new Error("its synth has left no ${BUILD}");
  const { bucket, key } = built.s3location;
  const tree = resolve("trees", pipeline);
  mkdirSync(dirname(tree), { recursive: true });
  run("aws", "s3", "cp", "--only-show-errors", "s3://" + bucket + "/" + key, tree + ".zip");
  run("unzip", "-q", tree + ".zip", "-d", tree);
  if (!existsSync(join(tree, "tools/previews"))) throw new Error("what it has synthesized is older than previews");
  return tree;
};

let tree;
try {
  tree = fetchTree(PIPELINE);
} catch (error) {
  end("There is no synthesized tree of " + PIPELINE + " to tear " + SLIPWAY_PREVIEW + " down with: " + error.message +
    "\nRun " + PIPELINE + " once, then start this build again with the same variables; or wait, it is tried again.");
}
const args = ["run", "--silent", "preview:teardown", "--", SLIPWAY_PREVIEW];
const { status, error } = spawnSync("npm", args, { cwd: tree, stdio: ["ignore", "inherit", "inherit"] });
if (error) console.log("npm does not run: " + error.message);
process.exitCode = status ?? 1;
`;
