import { Logger } from "@aws-lambda-powertools/logger";
import { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import { ECRClient } from "@aws-sdk/client-ecr";
import { ECSClient } from "@aws-sdk/client-ecs";
import { S3Client } from "@aws-sdk/client-s3";
import { STSClient } from "@aws-sdk/client-sts";
import type { Context } from "aws-lambda";
import { jsonText } from "../../shared/json-text";
import * as z from "../../shared/zod";
import { type Clients, cleanUp, type Outcome, type Task } from "./cleanup";

const logger = new Logger({ serviceName: "delivery-cleanup" });

/** How many problems the log and the error name; there may be one for each execution. */
const TOLD = 20;

/**
 * Deletes what the pipelines left that nobody needs any more. Run once a day.
 *
 * @throws where something could not be done, after all the rest was
 */
export async function handler(_event: unknown, context: Context): Promise<Outcome> {
  logger.addContext(context);
  const outcome = await cleanUp(createClients(), readTask(process.env), new Date());
  const { problems, ...counts } = outcome;
  logger.info("Cleaned up", {
    ...counts,
    problemCount: problems.length,
    problems: problems.slice(0, TOLD),
  });
  if (problems.length)
    throw new Error(["Not everything is cleaned up.", ...problems.slice(0, TOLD)].join("\n"));
  return outcome;
}

const name = z.string().check(z.minLength(1));
const count = z.coerce.number().check(z.int(), z.minimum(1));

const variables = z.object({
  PIPELINES: z.pipe(jsonText, z.array(name)),
  ARTIFACT_BUCKET: name,
  REPOSITORIES: z.pipe(jsonText, z.record(name, name)),
  ENVIRONMENTS: z.pipe(jsonText, z.array(z.object({ region: name, cluster: name, planRole: name }))),
  KEEP_HOURS: count,
  KEEP_IMAGES: count,
  KEEP_DAYS: count,
});

/** @throws Error that names the environment variables that are not what they should be */
function readTask(environment: NodeJS.ProcessEnv): Task {
  const { success, error, data } = variables.safeParse(environment);
  if (!success) throw new Error(`The function's environment variables are wrong:\n${z.prettifyError(error)}`);
  return {
    pipelines: data.PIPELINES,
    artifactBucket: data.ARTIFACT_BUCKET,
    repositories: data.REPOSITORIES,
    environments: data.ENVIRONMENTS,
    keepHours: data.KEEP_HOURS,
    keepImages: data.KEEP_IMAGES,
    keepDays: data.KEEP_DAYS,
  };
}

function createClients(): Clients {
  // CodePipeline answers many questions at once with "slow down".
  const patient = { maxAttempts: 8 };
  return {
    codepipeline: new CodePipelineClient(patient),
    s3: new S3Client(patient),
    ecr: new ECRClient(patient),
    sts: new STSClient(patient),
    ecs: (region, credentials) => new ECSClient({ ...patient, region, credentials }),
  };
}
