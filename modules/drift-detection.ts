import { CloudwatchEventRule } from "@cdktf/provider-aws/lib/cloudwatch-event-rule";
import { CloudwatchEventTarget } from "@cdktf/provider-aws/lib/cloudwatch-event-target";
import { Construct } from "constructs";
import type { Settings } from "../settings";
import { artifactPrefix, deliveryNames, pipelineName, planRoleArn } from "../shared/names";
import type { Bucket } from "./bucket";
import { BuildProject } from "./build-project";
import { ASKING_AWS } from "./build-script";
import { Role } from "./iam";
import type { IKey } from "./key";
import { physicalName } from "./naming";
import { StateBucket } from "./state-bucket";

export interface DriftDetectionProps {
  readonly settings: Settings;
  /** Where the pipelines keep their artifacts. */
  readonly artifacts: Bucket;
  /** Where reports go, below `drift/`. */
  readonly reports: Bucket;
  readonly key: IKey;
  /** When it looks, as EventBridge writes it, in UTC. @default "cron(0 4 * * ? *)": each night at four */
  readonly schedule?: string;
}

/**
 * Compares each environment, on a schedule, with exactly what was last applied to it: with the synthesized stack,
 * the packages and the Terraform that its pipeline kept. A build that has no source and may change nothing: it plans. Makes
 * nothing where no pipeline deploys anything.
 */
export class DriftDetection extends Construct {
  constructor(
    scope: Construct,
    id: string,
    private readonly props: DriftDetectionProps,
  ) {
    super(scope, id);
    const deployedBy = this.deployedBy();
    if (Object.keys(deployedBy).length > 0) this.schedule(this.createBuild(deployedBy));
  }

  /** By environment, the pipelines that deploy it, as CodePipeline calls them. */
  private deployedBy(): Record<string, string[]> {
    const { settings } = this.props;
    const found: Record<string, string[]> = {};
    for (const { name, deploy } of Object.values(settings.pipelines))
      for (const environment of new Set(deploy.flat()))
        found[environment] = [...(found[environment] ?? []), pipelineName(settings, name)];
    return found;
  }

  private createBuild(deployedBy: Readonly<Record<string, readonly string[]>>): BuildProject {
    const { settings, artifacts, reports, key } = this.props;
    const { account, region, project } = settings;
    const build = new BuildProject(this, "build", {
      name: deliveryNames(settings).driftProject,
      description: `Compares the environments of ${project} with what was released to them`,
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
            REPORT_BUCKET: reports.name,
            DEPLOYED_BY: JSON.stringify(deployedBy),
          },
          "exported-variables": ["DRIFT_RESULT"],
        },
        phases: { build: { commands: [`node - <<'END'\n${LOOK}END`, ". ./variables.sh"] } },
      },
    });
    const pipelines = [...new Set(Object.values(deployedBy).flat())];
    build.role.allow({
      actions: ["codepipeline:ListActionExecutions"],
      resources: pipelines.map((pipeline) => `arn:aws:codepipeline:${region}:${account}:${pipeline}`),
    });
    for (const pipeline of pipelines) artifacts.grantRead(build.role, `${artifactPrefix(pipeline)}${BUILD}/`);
    reports.grantWrite(build.role, "drift/");
    const environments = Object.keys(deployedBy);
    new StateBucket(this, "state", settings).grantRead(build.role, environments);
    build.role.allow({
      actions: ["sts:AssumeRole"],
      resources: environments.map((name) => planRoleArn(settings, settings.environments[name]!)),
    });
    return build;
  }

  private schedule(build: BuildProject): void {
    const { settings, schedule = "cron(0 4 * * ? *)" } = this.props;
    const name = deliveryNames(settings).driftProject;
    const rule = new CloudwatchEventRule(this, "schedule", {
      name: physicalName("eventRule", name),
      description: `Starts ${name}`,
      scheduleExpression: schedule,
    });
    const role = new Role(this, "start-role", {
      name: physicalName("iamRole", name, "start"),
      description: `Starts ${name}, and nothing else`,
      service: "events.amazonaws.com",
      sourceAccount: settings.account,
    });
    role.allow({ actions: ["codebuild:StartBuild"], resources: [build.arn] });
    new CloudwatchEventTarget(this, "start", {
      rule: rule.name,
      arn: build.arn,
      roleArn: role.arn,
      dependsOn: role.ready,
    });
  }
}

/** The artifact that a pipeline's synth leaves: all that planning takes. */
const BUILD = "Build";

/**
 * What the build runs. Of each environment it finds the newest apply that succeeded, fetches the tree that it was given (one
 * for all environments that it was applied to), and has `npm run drift` compare there. What of it fails for one environment
 * is told of that one. In the end DRIFT_RESULT is the key of the report in the bucket, or "none" where there is nothing to
 * tell.
 */
const LOOK = String.raw`${ASKING_AWS}
const { spawnSync } = require("node:child_process");
const { existsSync, mkdirSync, readFileSync, writeFileSync } = require("node:fs");
const { dirname, join, resolve } = require("node:path");

const { PROJECT, REPORT_BUCKET, DEPLOYED_BY, CODEBUILD_BUILD_ID = "" } = process.env;
const deployedBy = JSON.parse(DEPLOYED_BY);
const report = { project: PROJECT, when: new Date().toISOString(), environments: [], failures: [] };
const fail = (environment, reason) => {
  console.log(environment + " cannot be compared: " + reason);
  report.failures.push({ environment, reason });
};

const applyOf = (pipeline, environment) => {
  const isApply = ({ actionName, status }) =>
    actionName === "apply-" + environment && (status === "Succeeded" || status === "InProgress");
  try {
    const newest = newestAction(pipeline, isApply);
    return newest ? [{ ...newest, pipeline }] : [];
  } catch (error) {
    // It is in the settings, and was not deployed yet.
    if (error.message.includes("PipelineNotFoundException")) return [];
    throw error;
  }
};
const newestApply = (environment) =>
  newestFirst(deployedBy[environment].flatMap((pipeline) => applyOf(pipeline, environment)))[0];

// What an apply was given: that of a rollback is of another execution.
const fetched = new Map();
const fetchTree = ({ pipeline, pipelineExecutionId: execution, input }) => {
  const built = (input?.inputArtifacts ?? []).find(({ name }) => name === "${BUILD}");
  if (!built) throw new Error("the apply of the execution " + execution + " of " + pipeline + " was given no ${BUILD}");
  const { bucket, key } = built.s3location;
  const object = "s3://" + bucket + "/" + key;
  if (fetched.has(object)) return fetched.get(object);
  const tree = resolve("trees", key);
  mkdirSync(dirname(tree), { recursive: true });
  try {
    run("aws", "s3", "cp", "--only-show-errors", object, tree + ".zip");
  } catch (error) {
    throw new Error("what " + pipeline + " kept of its execution " + execution + " cannot be fetched (" +
      error.message + "). It is kept for 90 days: run the pipeline once more");
  }
  run("unzip", "-q", tree + ".zip", "-d", tree);
  fetched.set(object, tree);
  return tree;
};

const trees = new Map();
const compared = new Map();
for (const environment of Object.keys(deployedBy)) {
  try {
    const newest = newestApply(environment);
    if (!newest) {
      console.log("Nothing was released to " + environment + " yet: there is nothing to compare.");
      continue;
    }
    if (newest.status === "InProgress") {
      console.log(environment + " is being deployed: it is compared the next time.");
      continue;
    }
    const tree = fetchTree(newest);
    compared.set(environment, newest.actionExecutionId);
    if (existsSync(join(tree, "tools/drift"))) trees.set(tree, [...(trees.get(tree) ?? []), environment]);
    else console.log("What was released to " + environment + " is older than this: it is compared after its next release.");
  } catch (error) {
    fail(environment, error.message);
  }
}

// A deployment waits for nobody, and what it has half done is no drift.
const stands = ({ environment }) => {
  if (newestApply(environment)?.actionExecutionId === compared.get(environment)) return true;
  console.log(environment + " was deployed meanwhile: it is compared the next time.");
  return false;
};

for (const [tree, environments] of trees) {
  const args = ["run", "--silent", "drift", "--", ...environments, "--report", tree + ".report"];
  const { status, error } = spawnSync("npm", args, { cwd: tree, stdio: ["ignore", "inherit", "inherit"] });
  try {
    const found = JSON.parse(readFileSync(join(tree + ".report", "drift.json"), "utf8"));
    const [drifted, failed] = [found.environments, found.failures].map((all) => all.filter(stands));
    report.environments.push(...drifted);
    report.failures.push(...failed);
  } catch (problem) {
    const how = error
      ? error.message
      : problem.code === "ENOENT"
        ? "it ended with " + status + " and left no report: see this build's log"
        : problem.message;
    for (const environment of environments) fail(environment, "npm run drift: " + how);
  }
}

let result = "none";
if (report.environments.length + report.failures.length > 0) {
  result = "drift/" + CODEBUILD_BUILD_ID.replace(/^.*:/, "") + ".json";
  writeFileSync("drift.json", JSON.stringify(report));
  run("aws", "s3", "cp", "--only-show-errors", "--content-type", "application/json",
    "drift.json", "s3://" + REPORT_BUCKET + "/" + result);
}
writeFileSync("variables.sh", "export DRIFT_RESULT='" + result + "'\n");
console.log("DRIFT_RESULT is " + result);
`;
