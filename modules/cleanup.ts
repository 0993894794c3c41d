import { join } from "node:path";
import { Construct } from "constructs";
import type { Settings } from "../settings";
import { DELIVERY_STACK, pipelineName, planRoleArn, repositoryName } from "../shared/names";
import { environmentPrefix } from "./arns";
import type { Bucket } from "./bucket";
import type { IKey } from "./key";
import { physicalName } from "./naming";
import { ScheduledFunction } from "./scheduled-function";

/** What stays at least; docs/pipeline.md says so, too. */
const KEEP = { KEEP_HOURS: "24", KEEP_IMAGES: "30", KEEP_DAYS: "30" };

export interface CleanupProps {
  readonly settings: Settings;
  /** Folder with `delivery-cleanup.zip`. */
  readonly bundles: string;
  /** Where the pipelines keep their artifacts. */
  readonly artifacts: Bucket;
  readonly key: IKey;
  readonly alarmTopicArn: string;
}

/** Deletes, each night, the plans of executions that are over and the images that nothing needs any more. */
export class Cleanup extends Construct {
  constructor(scope: Construct, id: string, props: CleanupProps) {
    super(scope, id);
    const { settings, artifacts, key, alarmTopicArn } = props;
    const { project, account, region } = settings;
    const pipelines = Object.keys(settings.pipelines).map((pipeline) => pipelineName(settings, pipeline));
    const repositories = Object.fromEntries(
      Object.keys(settings.services).map((service) => [service, repositoryName(settings, service)]),
    );
    const environments = Object.values(settings.environments);

    const { grantee } = new ScheduledFunction(this, "function", {
      name: physicalName("function", project, DELIVERY_STACK, "cleanup"),
      description: "Deletes plans and images that nobody needs any more",
      archive: join(props.bundles, "delivery-cleanup.zip"),
      schedule: "cron(0 3 * * ? *)",
      // The most that Lambda gives. The first run may find months of them.
      timeoutSeconds: 900,
      memory: 512,
      variables: {
        PIPELINES: JSON.stringify(pipelines),
        ARTIFACT_BUCKET: artifacts.name,
        REPOSITORIES: JSON.stringify(repositories),
        ENVIRONMENTS: JSON.stringify(
          environments.map((environment) => ({
            region: environment.region,
            cluster: environmentPrefix(project, environment.name),
            planRole: planRoleArn(settings, environment),
          })),
        ),
        ...KEEP,
      },
      key,
      logRetentionDays: 365,
      alarmTopicArn,
    });

    grantee.allow(
      {
        actions: ["codepipeline:ListActionExecutions", "codepipeline:ListPipelineExecutions"],
        resources: pipelines.map((pipeline) => `arn:aws:codepipeline:${region}:${account}:${pipeline}`),
      },
      { actions: ["s3:ListBucketVersions"], resources: [artifacts.arn] },
      { actions: ["s3:DeleteObject", "s3:DeleteObjectVersion"], resources: [`${artifacts.arn}/*`] },
      {
        actions: ["ecr:BatchDeleteImage", "ecr:DescribeImages"],
        resources: Object.values(repositories).map(
          (name) => `arn:aws:ecr:${region}:${account}:repository/${name}`,
        ),
      },
      {
        actions: ["sts:AssumeRole"],
        resources: environments.map((environment) => planRoleArn(settings, environment)),
      },
    );
  }
}
