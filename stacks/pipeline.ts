import type { Construct } from "constructs";
import { roleArn } from "../modules/arns";
import { Bucket } from "../modules/bucket";
import { BuildProject } from "../modules/build-project";
import { Key } from "../modules/key";
import { physicalName } from "../modules/naming";
import { Pipeline } from "../modules/pipeline";
import { type Deployment, SlipwayStack } from "../modules/slipway-stack";
import { Source } from "../modules/source";
import { StateBucket } from "../modules/state-bucket";
import type { PipelineSettings } from "../settings";
import { accessNames, deliveryNames } from "../shared/names";

export const pipelineStackName = (pipeline: string) => `pipeline-${pipeline}`;

/** Source, Build, then a stage a wave that deploys the wave's environments side by side. */
export class PipelineStack extends SlipwayStack {
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

    const source = new Source(this, "source", {
      ...common,
      project,
      source: settings.source,
      branch: pipeline.branch,
    });

    const build = new BuildProject(this, "build", {
      ...common,
      name: `${name}-build`,
      description: `Tests and builds ${project}`,
      buildspec: {
        version: 0.2,
        phases: {
          install: { commands: ["npm ci"] },
          build: { commands: ["npm run lint", "npm run test:unit"] },
        },
        artifacts: { files: ["**/*"] },
      },
    });
    artifacts.grantReadWrite(build.role);

    const deploy = new BuildProject(this, "deploy", {
      ...common,
      name: `${name}-deploy`,
      description: `Deploys the environments of ${name}`,
      timeoutMinutes: 60,
      buildspec: {
        version: 0.2,
        phases: { build: { commands: ['npm run deploy -- "$SLIPWAY_ENVIRONMENT"'] } },
      },
    });
    artifacts.grantReadWrite(deploy.role);
    const environments = pipeline.deploy.flat().map((environment) => settings.environments[environment]!);
    new StateBucket(this, "state", settings).grantReadWrite(
      deploy.role,
      environments.map(({ name }) => name),
    );
    deploy.role.allow({
      actions: ["sts:AssumeRole"],
      resources: environments.map((environment) =>
        roleArn(environment.account, accessNames(project, environment.name).deployRole),
      ),
    });

    const waves = pipeline.deploy.map((wave, index) => ({
      name: pipeline.deploy.length > 1 ? `Deploy-${index + 1}` : "Deploy",
      steps: wave.map((environment) => ({
        name: environment,
        project: deploy,
        input: "Build",
        variables: { SLIPWAY_ENVIRONMENT: environment },
      })),
    }));
    const { name: deployed } = new Pipeline(this, "pipeline", {
      name,
      account,
      source,
      stages: [{ name: "Build", steps: [{ name: "build", project: build, output: "Build" }] }, ...waves],
      artifacts,
      key,
    });
    this.output("pipeline_name", deployed, "The pipeline");
  }
}
