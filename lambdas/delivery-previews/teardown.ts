import { createHash } from "node:crypto";
import {
  BatchGetBuildsCommand,
  type Build,
  ListBuildsForProjectCommand,
  StartBuildCommand,
} from "@aws-sdk/client-codebuild";
import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { PublishCommand } from "@aws-sdk/client-sns";
import { logUrl } from "../../shared/console-links";
import { stateKey } from "../../shared/names";
import { PREVIEW } from "../../shared/previews";
import { DAY, type Desk } from "./desk";
import type { Place } from "./place";
import type { Closing, Kept } from "./records";

/** How often what failed is tried again before people are told; from then on it is tried once a day. */
const RETRIES = 3;

/** An environment that is to be destroyed. */
export type Remains = Pick<Place, "environment" | "ordinary">;

export interface TeardownProps {
  /** Whether a build must have succeeded, also where there is no state: it removes images, too. */
  readonly needsBuild: boolean;
  /** Whether what failed is tried again. */
  readonly retry: boolean;
}

/** How far the end of an environment is. A stuck one failed too often, and people were told. */
export type TeardownProgress = "running" | "gone" | "failed" | "stuck";

/** Whoever was about to start a build so many milliseconds ago, and has not, has died. */
const DEAD_AFTER = 5 * 60 * 1000;

/**
 * Whether a teardown of the environment runs, or is about to.
 *
 * @param closing as it was before the call
 */
export async function isTornDown(
  desk: Desk,
  { environment }: Remains,
  closing: Kept<Closing> | undefined,
): Promise<boolean> {
  const builds = await readBuilds(desk, environment);
  if (builds.some(({ buildStatus }) => buildStatus === "IN_PROGRESS")) return true;
  const { attempt } = closing?.value ?? {};
  if (!closing || !attempt || buildsSince(builds, closing).length > attempt.after) return false;
  return desk.now().getTime() - Date.parse(attempt.at) < DEAD_AFTER;
}

/** Whether there is a state of the environment. */
export async function hasState({ clients, task }: Desk, environment: string): Promise<boolean> {
  const key = stateKey(environment);
  const command = new ListObjectsV2Command({ Bucket: task.stateBucket, Prefix: key, MaxKeys: 2 });
  const { Contents = [] } = await clients.s3.send(command);
  return Contents.some(({ Key }) => Key === key);
}

/** Notes that an environment is to go: what was built of it before says nothing of its end. */
export async function beginClosing(
  { closings, now }: Desk,
  { environment }: Remains,
): Promise<Kept<Closing>> {
  const begun = await closings.read(environment);
  return begun ?? closings.write(environment, { since: now().toISOString(), told: 0 });
}

/** Takes the next step towards an environment's end, after {@link beginClosing}. */
export async function tearDown(
  desk: Desk,
  remains: Remains,
  closing: Kept<Closing>,
  { needsBuild, retry }: TeardownProps,
): Promise<TeardownProgress> {
  const { environment } = remains;
  const builds = await readBuilds(desk, environment);
  if (builds.some(({ buildStatus }) => buildStatus === "IN_PROGRESS")) return "running";
  const since = buildsSince(builds, closing);
  const isDone = since[0]?.buildStatus === "SUCCEEDED" || !needsBuild;
  if (isDone && !(await hasState(desk, environment))) return "gone";
  const lastGood = since.findIndex(({ buildStatus }) => buildStatus === "SUCCEEDED");
  const failed = lastGood < 0 ? since : since.slice(0, lastGood);
  const isStuck = failed.length > RETRIES;
  const told = isStuck ? await tellStuck(desk, remains, closing, failed) : closing;
  const isDayOver = desk.now().getTime() - Number(failed[0]?.startTime) >= DAY;
  if (failed.length === 0 || (retry && (!isStuck || isDayOver))) {
    await start(desk, remains, told, since.length);
    return "running";
  }
  return isStuck ? "stuck" : "failed";
}

/** @param before how many there were: of those that see the same of them, one starts the next */
async function start(
  { clients, task, closings, log, now }: Desk,
  { environment, ordinary }: Remains,
  closing: Kept<Closing>,
  before: number,
): Promise<void> {
  // Whoever would have the preview back has to see it, or to be seen.
  const attempt = { at: now().toISOString(), after: before };
  await closings.write(environment, { ...closing.value, attempt }, closing);
  log.info("The environment is being destroyed", { environment, attempt: before + 1 });
  const variables = { [PREVIEW.variable]: environment, PIPELINE: ordinary };
  await clients.codebuild.send(
    new StartBuildCommand({
      projectName: task.teardown,
      idempotencyToken: createHash("sha256")
        .update(`${environment} ${closing.value.since} ${before}`)
        .digest("hex"),
      environmentVariablesOverride: Object.entries(variables).map(([name, value]) => ({
        name,
        value,
        type: "PLAINTEXT",
      })),
    }),
  );
}

const buildsSince = (builds: readonly Build[], { value: { since } }: Kept<Closing>) =>
  builds.filter(({ startTime }) => Number(startTime) >= Date.parse(since));

/** The teardowns of an environment, newest first, as far as they are among the newest hundred of all. */
async function readBuilds({ clients, task }: Desk, environment: string): Promise<Build[]> {
  const { ids = [] } = await clients.codebuild.send(
    new ListBuildsForProjectCommand({ projectName: task.teardown, sortOrder: "DESCENDING" }),
  );
  // CodeBuild does not take none.
  if (ids.length === 0) return [];
  const { builds = [] } = await clients.codebuild.send(new BatchGetBuildsCommand({ ids: ids.slice(0, 100) }));
  return builds
    .filter(({ environment: { environmentVariables = [] } = {} as NonNullable<Build["environment"]> }) =>
      environmentVariables.some(({ name, value }) => name === PREVIEW.variable && value === environment),
    )
    .sort((a, b) => Number(b.startTime) - Number(a.startTime));
}

/** Tells people of each failure, of which there is but one a day. */
async function tellStuck(
  desk: Desk,
  { environment }: Remains,
  closing: Kept<Closing>,
  failed: readonly Build[],
): Promise<Kept<Closing>> {
  const { task, clients, closings, log } = desk;
  if (closing.value.told >= failed.length) return closing;
  log.error("The environment cannot be destroyed", { environment, failures: failed.length });
  await clients.sns.send(
    new PublishCommand({
      TopicArn: task.topic,
      Subject: `${task.project}: ${environment} cannot be removed`.slice(0, 100),
      Message: [
        `The preview ${environment} is to be removed, and its teardown has failed ${failed.length} times.`,
        "What it has goes on, and costs.",
        "",
        `The last log: ${logUrl(task, failed[0]!.id ?? "")}`,
        "",
        "Mend what the log names. It is tried again once a day; to try at once:",
        `  aws codebuild retry-build --id ${failed[0]!.id}`,
      ].join("\n"),
    }),
  );
  // Rather told twice than never.
  return closings.write(environment, { ...closing.value, told: failed.length }, closing);
}
