import { Logger } from "@aws-lambda-powertools/logger";
import { CodeBuildClient } from "@aws-sdk/client-codebuild";
import { CodeCommitClient } from "@aws-sdk/client-codecommit";
import { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import { S3Client } from "@aws-sdk/client-s3";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { SNSClient } from "@aws-sdk/client-sns";
import type { Context, SQSBatchResponse, SQSEvent } from "aws-lambda";
import { tokenOf } from "../../shared/github-token";
import { handleBatch } from "./batch";
import { createDesk } from "./desk";
import { createRepository } from "./repository";
import { readTask } from "./task";

const logger = new Logger({ serviceName: "delivery-previews" });

// CodePipeline answers many questions at once with "slow down".
const PATIENT = { maxAttempts: 8 };
/** Kept from one batch to the next, with their connections. */
const clients = {
  codepipeline: new CodePipelineClient(PATIENT),
  codebuild: new CodeBuildClient(PATIENT),
  s3: new S3Client(PATIENT),
  sns: new SNSClient(PATIENT),
};
const codecommit = new CodeCommitClient(PATIENT);
const secrets = new SecretsManagerClient(PATIENT);

/**
 * Gives branches and pull requests their previews, and takes them away again, by what the queue's messages point at. A
 * message is a hint alone; what is done follows from what the repository and AWS say then. What could not be done goes
 * back to the queue.
 *
 * @throws Error where the function's variables are wrong or GitHub's token cannot be read
 */
export async function handler(event: SQSEvent, context: Context): Promise<SQSBatchResponse> {
  logger.addContext(context);
  const task = readTask(process.env);
  const token = await readToken(task.tokenSecret);
  const desk = createDesk({
    task,
    clients,
    repository: createRepository(task, { codecommit, fetch }, token),
    token,
    now: () => new Date(),
    log: logger,
  });
  return handleBatch(desk, event, () => context.getRemainingTimeInMillis());
}

/** Reads it anew each time: somebody may just have changed it. */
async function readToken(secret: string | undefined): Promise<string | undefined> {
  if (secret === undefined) return undefined;
  try {
    const answer = await secrets.send(new GetSecretValueCommand({ SecretId: secret }));
    return tokenOf(answer.SecretString ?? "") || undefined;
  } catch (error) {
    // What is said of a text that is no JSON shows some of it.
    throw new Error(
      `GitHub's token cannot be read from ${secret} (${(error as Error).name}): npm run connect`,
    );
  }
}
