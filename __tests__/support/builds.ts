import { setTimeout as pause } from "node:timers/promises";
import { CloudWatchLogsClient, GetLogEventsCommand } from "@aws-sdk/client-cloudwatch-logs";
import {
  BatchGetBuildsCommand,
  type Build,
  CodeBuildClient,
  CreateProjectCommand,
  StartBuildCommand,
} from "@aws-sdk/client-codebuild";
import { PutObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { zipSync } from "fflate";
import type { LocalClients } from "./local-aws";

export interface BuildOfFiles {
  /** Of the project, which is made. */
  readonly name: string;
  /** Takes the source. */
  readonly bucket: string;
  readonly files: Readonly<Record<string, string | Buffer>>;
  readonly commands: readonly string[];
  readonly variables?: Readonly<Record<string, string>>;
}

/** Runs commands in a build of these files. @returns the build's status, and what its log says */
export async function runInBuild(
  clients: LocalClients,
  { name, bucket, files, commands, variables = {} }: BuildOfFiles,
): Promise<{ status: string | undefined; log: string }> {
  const contents = Object.entries(files).map(([path, content]) => [path, Buffer.from(content)]);
  const source = { Bucket: bucket, Key: `${name}.zip`, Body: zipSync(Object.fromEntries(contents)) };
  await clients.of(S3Client).send(new PutObjectCommand(source));
  const codebuild = clients.of(CodeBuildClient);
  await codebuild.send(
    new CreateProjectCommand({
      name,
      serviceRole: "arn:aws:iam::111111111111:role/build",
      source: {
        type: "S3",
        location: `${bucket}/${name}.zip`,
        buildspec: JSON.stringify({ version: 0.2, phases: { build: { commands } } }),
      },
      artifacts: { type: "NO_ARTIFACTS" },
      environment: {
        type: "LINUX_CONTAINER",
        image: "standard:7.0",
        computeType: "BUILD_GENERAL1_SMALL",
        environmentVariables: Object.entries(variables).map(([key, value]) => ({ name: key, value })),
      },
    }),
  );
  const { build } = await codebuild.send(new StartBuildCommand({ projectName: name }));
  const ended = await waitForBuild(codebuild, build!.id!);
  return { status: ended.buildStatus, log: await logOf(clients, ended) };
}

/** @throws where the build ends before the condition is met */
export async function waitForBuild(
  codebuild: CodeBuildClient,
  id: string,
  condition: (build: Build) => boolean | undefined = ({ buildComplete }) => buildComplete,
): Promise<Build> {
  for (;;) {
    const { builds: [build] = [] } = await codebuild.send(new BatchGetBuildsCommand({ ids: [id] }));
    if (build && condition(build)) return build;
    if (build?.buildComplete) throw new Error(`It ended before: ${JSON.stringify(build.phases)}`);
    await pause(100);
  }
}

/** What a build's log says in the clients' account. */
export async function logOf(clients: LocalClients, { logs }: Build): Promise<string> {
  const { groupName: logGroupName, streamName: logStreamName } = logs!;
  const { events = [] } = await clients
    .of(CloudWatchLogsClient)
    .send(new GetLogEventsCommand({ logGroupName, logStreamName, startFromHead: true }));
  return events.map(({ message }) => message).join("");
}
