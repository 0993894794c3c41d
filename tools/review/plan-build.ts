import { createReadStream, statSync } from "node:fs";
import { setTimeout as wait } from "node:timers/promises";
import { CloudWatchLogsClient, GetLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  BatchGetBuildsCommand,
  type Build,
  CodeBuildClient,
  StartBuildCommand,
  StopBuildCommand,
} from "@aws-sdk/client-codebuild";
import { DeleteObjectCommand, GetObjectCommand, PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import type { Settings } from "../../settings";
import { deliveryNames, OUTPUT_ARCHIVE, reviewNames } from "../../shared/names";
import { UserError } from "../project";
import type { PlannedEnvironment } from "./environments";
import { readPlans } from "./handover";

/** Nobody waits on less. */
const POLL_MILLISECONDS = 3_000;

/** Of a build that failed, so many lines are told. */
const LAST_LINES = 40;

/** What stands for all environments where their build did not come to its end. */
const BUILD = "plan build";

/** A pull request's plans, made by a build that has neither the token nor the right to change anything. */
export class PlanBuild {
  private readonly s3: S3Client;
  private readonly builds: CodeBuildClient;
  private readonly logs: CloudWatchLogsClient;
  private readonly bucket: string;
  private readonly names: ReturnType<typeof reviewNames>;

  constructor(private readonly settings: Settings) {
    const { region } = settings;
    this.s3 = new S3Client({ region, forcePathStyle: process.env.AWS_ENDPOINT_URL !== undefined });
    this.builds = new CodeBuildClient({ region });
    this.logs = new CloudWatchLogsClient({ region });
    this.bucket = deliveryNames(settings).artifactBucket;
    this.names = reviewNames(settings);
  }

  /**
   * Plans what an archive holds.
   *
   * @param archive file with the pull request's tree
   * @param id tells this review from all others
   * @param log gets a line for each step
   */
  async run(archive: string, id: string, log: (line: string) => void): Promise<PlannedEnvironment[]> {
    const source = `${this.names.sources}/${id}.zip`;
    await this.s3.send(
      new PutObjectCommand({
        Bucket: this.bucket,
        Key: source,
        Body: createReadStream(archive),
        ContentLength: statSync(archive).size,
      }),
    );
    try {
      const started = await this.start(source);
      log(`Plans in ${started}`);
      const build = await this.end(started);
      return build.buildStatus === "SUCCEEDED"
        ? await this.plansOf(build)
        : [{ name: BUILD, failure: await this.failureOf(build) }];
    } finally {
      await this.s3.send(new DeleteObjectCommand({ Bucket: this.bucket, Key: source }));
    }
  }

  private async start(source: string): Promise<string> {
    const { build } = await this.builds.send(
      new StartBuildCommand({
        projectName: this.names.planProject,
        sourceLocationOverride: `${this.bucket}/${source}`,
      }),
    );
    if (!build?.id) throw new UserError(`${this.names.planProject} did not start.`);
    return build.id;
  }

  /** Waits for its end; where nobody does any more, it is stopped. */
  private async end(id: string): Promise<Build> {
    const stop = () => void this.builds.send(new StopBuildCommand({ id })).catch(() => {});
    process.once("SIGTERM", stop).once("SIGINT", stop);
    try {
      for (;;) {
        const { builds = [] } = await this.builds.send(new BatchGetBuildsCommand({ ids: [id] }));
        const [build] = builds;
        if (!build) throw new UserError(`The build ${id} is not there any more.`);
        // Its status alone may come before the last of its log.
        if (build.buildComplete) return build;
        await wait(POLL_MILLISECONDS);
      }
    } finally {
      process.off("SIGTERM", stop).off("SIGINT", stop);
    }
  }

  private async plansOf({ id = "" }: Build): Promise<PlannedEnvironment[]> {
    const key = `${this.names.plans}/${id.slice(id.indexOf(":") + 1)}/${OUTPUT_ARCHIVE}`;
    const which = { Bucket: this.bucket, Key: key };
    try {
      const { Body } = await this.s3.send(new GetObjectCommand(which));
      return readPlans(await Body!.transformToByteArray(), Object.keys(this.settings.environments));
    } catch (error) {
      return [{ name: BUILD, failure: `Its plans cannot be read. ${(error as Error).message}` }];
    } finally {
      // They hold secrets; and they are of no use to anybody else.
      await this.s3.send(new DeleteObjectCommand(which));
    }
  }

  private async failureOf({ buildStatus, logs, phases = [] }: Build): Promise<string> {
    const why = phases.flatMap(({ phaseType, contexts = [] }) =>
      contexts.flatMap(({ message }) => (message ? `${phaseType}: ${message}` : [])),
    );
    const { events = [] } = await this.logs
      .send(
        new GetLogEventsCommand({
          logGroupName: logs?.groupName,
          logStreamName: logs?.streamName,
          limit: LAST_LINES,
          startFromHead: false,
        }),
      )
      .catch(() => ({ events: [] }));
    const lines = events.map(({ message = "" }) => message.trimEnd());
    return [`The build ended with ${buildStatus}.`, ...why, ...lines].join("\n");
  }
}
