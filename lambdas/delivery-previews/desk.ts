import type { Logger } from "@aws-lambda-powertools/logger";
import type { CodeBuildClient } from "@aws-sdk/client-codebuild";
import type { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import type { S3Client } from "@aws-sdk/client-s3";
import type { SNSClient } from "@aws-sdk/client-sns";
import { Pipelines } from "./pipelines";
import { type Closing, type PreviewRecord, Records } from "./records";
import type { Repository } from "./repository";
import type { Task } from "./task";

export interface Clients {
  readonly codepipeline: Pick<CodePipelineClient, "send">;
  readonly codebuild: Pick<CodeBuildClient, "send">;
  readonly s3: Pick<S3Client, "send">;
  readonly sns: Pick<SNSClient, "send">;
}

/** What all steps work with. */
export interface Desk {
  readonly task: Task;
  readonly clients: Clients;
  readonly repository: Repository;
  /** GitHub's, for sources that take one. @default - there is none */
  readonly token?: string;
  readonly pipelines: Pipelines;
  readonly records: Records<PreviewRecord>;
  readonly closings: Records<Closing>;
  readonly now: () => Date;
  readonly log: Pick<Logger, "info" | "warn" | "error">;
}

export const createDesk = (desk: Omit<Desk, "pipelines" | "records" | "closings">): Desk => ({
  ...desk,
  pipelines: new Pipelines(desk.clients.codepipeline, desk.task),
  records: Records.ofPreviews(desk.clients.s3, desk.task.bucket),
  closings: Records.ofClosings(desk.clients.s3, desk.task.bucket),
});

/** What an hour, and a day, are in milliseconds. */
export const HOUR = 3_600_000;
export const DAY = 24 * HOUR;
