import { Logger } from "@aws-lambda-powertools/logger";
import { CloudWatchLogsClient } from "@aws-sdk/client-cloudwatch-logs";
import { CodeBuildClient } from "@aws-sdk/client-codebuild";
import { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import { KMSClient } from "@aws-sdk/client-kms";
import { S3Client } from "@aws-sdk/client-s3";
import { SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SNSClient } from "@aws-sdk/client-sns";
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import { handleBatch } from "./batch";
import { approvalChat, driftChat, runChat } from "./messages/chat";
import { approvalMail, driftMail, runMail } from "./messages/mail";
import { runStatus } from "./messages/status";
import { overviewPage } from "./pages/overview";
import { runPage } from "./pages/run";
import { readTask } from "./task";
import type { Clients, Desk, Wording } from "./tell";

const logger = new Logger({ serviceName: "delivery-report" });

// CodePipeline answers many questions at once with "slow down".
const PATIENT = { maxAttempts: 8 };
/** Kept from one batch to the next, with their connections. */
const clients: Clients = {
  codepipeline: new CodePipelineClient(PATIENT),
  codebuild: new CodeBuildClient(PATIENT),
  logs: new CloudWatchLogsClient(PATIENT),
  s3: new S3Client(PATIENT),
  sns: new SNSClient(PATIENT),
  secrets: new SecretsManagerClient(PATIENT),
  kms: new KMSClient(PATIENT),
  fetch,
};

const WORDING: Wording = {
  approvalChat,
  approvalMail,
  driftChat,
  driftMail,
  overviewPage,
  runChat,
  runMail,
  runPage,
  runStatus,
};

/**
 * Tells of runs of pipelines, and of drift, what the queue's events point at: by mail, chat, commit status and page. An
 * event is a hint alone; what is told is what AWS says then. What could not be told goes back to the queue.
 */
export async function handler(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  logger.addContext(context);
  const desk: Desk = {
    task: readTask(process.env),
    clients,
    wording: WORDING,
    now: () => new Date(),
    log: logger,
  };
  return handleBatch(desk, event, () => context.getRemainingTimeInMillis());
}
