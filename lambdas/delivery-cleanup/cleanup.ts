import type { CodePipelineClient } from "@aws-sdk/client-codepipeline";
import type { ECRClient } from "@aws-sdk/client-ecr";
import type { S3Client } from "@aws-sdk/client-s3";
import { type Execution, readExecutions } from "./executions";
import { deleteImages, type Keep, type Reason, readImages, sortOut } from "./images";
import { deletePlans } from "./plans";
import { Problems } from "./problems";
import { type Environment, readImagesInUse, type UsageClients } from "./usage";

const HOUR = 60 * 60 * 1000;
const DAY = 24 * HOUR;

/** Of what is older nothing is left to delete: the bucket itself deletes artifacts after 90 days. */
const READ_DAYS = 95;

export interface Clients extends UsageClients {
  readonly codepipeline: CodePipelineClient;
  readonly s3: S3Client;
  readonly ecr: ECRClient;
}

/** What is tidied up, and what stays. */
export interface Task {
  readonly pipelines: readonly string[];
  /** The bucket of the pipelines' artifacts. */
  readonly artifactBucket: string;
  /** The repository of each service's images. */
  readonly repositories: Readonly<Record<string, string>>;
  /** Where the services run. */
  readonly environments: readonly Environment[];
  /** For how long plans stay after their execution's end. */
  readonly keepHours: number;
  /** How many images of a repository stay in any case. */
  readonly keepImages: number;
  /** For how long images stay in any case. */
  readonly keepDays: number;
}

/** What was done, and what could not be. */
export interface Outcome {
  readonly plansDeleted: number;
  readonly imagesDeleted: number;
  /** How many images stay, by reason. */
  readonly imagesKept: Readonly<Record<Reason | "partOfOthers", number>>;
  readonly problems: readonly string[];
}

/** Deletes the plans of executions that are over, and images that nothing needs. Never throws: what fails is told. */
export async function cleanUp(clients: Clients, task: Task, now: Date): Promise<Outcome> {
  const problems = new Problems();
  const executions = await problems.collect(
    "No plan and no image is deleted, because it cannot be told what is being deployed",
    () => readAllExecutions(clients, task, ago(now, READ_DAYS * DAY)),
  );
  if (!executions) return { ...NOTHING, problems: problems.list };

  // First: what is being deployed was read just now.
  const images = await cleanUpImages(clients, task, executions, now, problems);
  const plansDeleted = await problems.collect("The plans are not deleted", () =>
    deletePlans(
      {
        ...clients,
        bucket: task.artifactBucket,
        executions,
        endedBefore: ago(now, task.keepHours * HOUR),
      },
      problems,
    ),
  );
  return { ...images, plansDeleted: plansDeleted ?? 0, problems: problems.list };
}

const NOTHING: Omit<Outcome, "problems"> = {
  plansDeleted: 0,
  imagesDeleted: 0,
  imagesKept: { inUse: 0, beingDeployed: 0, newest: 0, young: 0, partOfOthers: 0 },
};

const ago = (now: Date, milliseconds: number) => new Date(now.getTime() - milliseconds);

async function readAllExecutions(
  { codepipeline }: Clients,
  { pipelines }: Task,
  since: Date,
): Promise<Execution[]> {
  const executions: Execution[] = [];
  for (const pipeline of pipelines) executions.push(...(await readExecutions(codepipeline, pipeline, since)));
  return executions;
}

async function cleanUpImages(
  clients: Clients,
  task: Task,
  executions: readonly Execution[],
  now: Date,
  problems: Problems,
): Promise<Pick<Outcome, "imagesDeleted" | "imagesKept">> {
  const imagesKept = { ...NOTHING.imagesKept };
  let imagesDeleted = 0;
  const inUse = await readAllImagesInUse(clients, task, problems);
  if (!inUse) return { imagesDeleted, imagesKept };

  const keep: Keep = {
    inUse,
    commits: executions.flatMap(({ ended, commits }) => (ended ? [] : commits)),
    newest: task.keepImages,
    since: ago(now, task.keepDays * DAY),
  };
  for (const repository of Object.values(task.repositories)) {
    await problems.collect(`The images of ${repository} are not deleted`, async () => {
      const { kept, unneeded } = sortOut(repository, await readImages(clients.ecr, repository), keep);
      for (const [reason, count] of Object.entries(kept)) imagesKept[reason as Reason] += count;
      const { deleted, partOfOthers, failures } = await deleteImages(clients.ecr, repository, unneeded);
      imagesDeleted += deleted;
      imagesKept.partOfOthers += partOfOthers;
      for (const failure of failures) problems.add(`An image of ${repository} is not deleted: ${failure}`);
    });
  }
  return { imagesDeleted, imagesKept };
}

/** Undefined where one environment cannot be read: any image could be what it runs. */
async function readAllImagesInUse(
  clients: Clients,
  { environments, repositories }: Task,
  problems: Problems,
): Promise<string[] | undefined> {
  const services = Object.keys(repositories);
  if (!services.length) return [];
  const inUse: (string[] | undefined)[] = [];
  for (const environment of environments)
    inUse.push(
      await problems.collect(
        `No image is deleted, because it cannot be told what ${environment.cluster} runs`,
        () => readImagesInUse(clients, environment, services),
      ),
    );
  return inUse.every((images) => images !== undefined) ? inUse.flat() : undefined;
}
