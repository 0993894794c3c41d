import { UserError } from "../project";
import { type Context, wordsOf } from "./context";
import { Deployments } from "./deployments";
import type { ReleaseRecord } from "./record";
import type { Change, Releasable } from "./releasable";

/**
 * Releases services and functions side by side, and all or nothing: where one fails, those that had been released are
 * brought back.
 *
 * @throws UserError where one failed
 */
export async function release(
  subjects: readonly Releasable[],
  record: ReleaseRecord,
  context: Context,
): Promise<void> {
  const { environment, interrupted, tell } = context;
  for (const subject of subjects) record.note(subject, { done: "waiting" });
  const outcomes = await Promise.all(
    subjects.map(async (subject) => ({
      subject,
      isReleased: await attempt(subject, record, context, () => releaseOne(subject, record, context)),
    })),
  );
  const names = (kept: (outcome: (typeof outcomes)[number]) => boolean) =>
    outcomes
      .filter(kept)
      .map(({ subject }) => subject.name)
      .join(", ");
  if (outcomes.every(({ isReleased }) => isReleased)) return;
  const released = outcomes
    .map(({ subject }) => subject)
    .filter((subject) => record.entry(subject).done === "released");
  const failed = `${environment} is not released: ${names(({ isReleased }) => !isReleased)} failed, as told above.`;
  const others = released.map(({ name }) => name).join(", ");
  if (!released.length) throw new UserError(`${failed} Mend the cause, and release the change anew.`);
  const bringThemBack = `npm run release -- ${environment} --back FOLDER, with the record that this release leaves, brings back what it can.`;
  if (interrupted.aborted)
    throw new UserError(`${failed} ${others} had been released before, and stays. ${bringThemBack}`);
  tell(`All or nothing: brings back what had been released beside it: ${others}.`);
  const back = await Promise.all(released.map((subject) => bringOneBack(subject, record, context)));
  throw new UserError(
    back.every((isBack) => isBack)
      ? `${failed} What had been released beside it is back as it was: ${others}. Mend the cause, and release the change anew.`
      : `${failed} Not all that had been released beside it is back, as told above. ${bringThemBack}`,
  );
}

/**
 * Brings back what a release did, where that still runs.
 *
 * @throws UserError where not all is back
 */
export async function bringBack(
  subjects: readonly Releasable[],
  record: ReleaseRecord,
  context: Context,
): Promise<void> {
  const back = await Promise.all(subjects.map((subject) => bringOneBack(subject, record, context)));
  if (!back.every((isBack) => isBack))
    throw new UserError(`Not all of ${context.environment} is as it was before the release, as told above.`);
}

/**
 * Looks whether a release stands: tests that pass on what was before it say nothing of it.
 *
 * @throws UserError where what was before it runs again
 */
export async function checkStands(
  subjects: readonly Releasable[],
  record: ReleaseRecord,
  { environment }: Context,
): Promise<void> {
  const gone: string[] = [];
  for (const subject of subjects) {
    const { before, after } = record.entry(subject);
    if (before && after && before !== after && (await subject.running()) === before) gone.push(subject.name);
  }
  if (gone.length)
    throw new UserError(
      `${gone.join(" and ")} of ${environment} ${gone.length > 1 ? "run" : "runs"} what was there before this release: it was brought back. Nothing was tested. Mend what failed then, and release the change anew.`,
    );
}

/** @returns whether the new version runs */
async function releaseOne(subject: Releasable, record: ReleaseRecord, context: Context): Promise<boolean> {
  const { name, group } = subject;
  const { tell } = context;
  const deployments = new Deployments(context);
  await deployments.waitUntilIdle(subject);
  const before = await subject.running();
  const made = await subject.make(before);
  if (made.version === undefined) {
    noteWhatRuns(subject, { before: made.before, after: before }, record, context);
    return true;
  }
  const change: Change = { before, after: made.version };
  const appSpec = subject.appSpec(change, { checked: true });
  record.keep(subject, { ...made.files, "appspec.json": appSpec });

  await deployments.wakeCheck(subject);
  if (made.isFirst)
    tell(
      `${name}: its users have the placeholder. All traffic moves at once, so that nobody gets it any longer than needed.`,
    );

  // An alarm that the old version set off must not keep away the version that mends it.
  const alarms = await deployments.alarmsOf(subject);
  for (const alarm of alarms)
    tell(
      `${name}: WARNING: the alarm ${alarm.name} is on already (${alarm.reason}). It cannot stop this release; the others can.`,
    );
  const others = group.alarms.filter((alarm) => !alarms.some(({ name }) => name === alarm));
  if (context.interrupted.aborted) throw new UserError("It was interrupted before its traffic moved.");
  const deployment = await deployments.create(subject, appSpec, {
    description: `Releases ${made.version}`.slice(0, 256),
    ...(made.isFirst && { deploymentConfigName: subject.atOnce }),
    ...(alarms.length && {
      overrideAlarmConfiguration: { enabled: others.length > 0, alarms: others.map((name) => ({ name })) },
    }),
  });
  record.note(subject, { ...change, deployment, done: "releasing" });
  tell(`${name}: releases ${made.version}, deployment ${deployment}`);

  const info = await deployments.follow(subject, deployment);
  if (info.status === "Succeeded") {
    record.note(subject, { done: "released" });
    tell(`${name}: ${made.version} is released.`);
    return true;
  }
  const reasons = await deployments.reasonsOf(subject, info);
  tell(
    [
      `${name}: the release of ${made.version} failed.`,
      ...reasons,
      ...(await whatBecame(subject, { before, deployment }, record, context)),
    ].join(`\n${name}:   `),
  );
  return false;
}

/** What is to be released runs: the same commit may have released it, in a release that did not see its end. */
function noteWhatRuns(
  subject: Releasable,
  { before, after }: Partial<Change> & Pick<Change, "after">,
  record: ReleaseRecord,
  { tell }: Context,
): void {
  const { name } = subject;
  if (before) {
    tell(
      `${name}: runs it already (${after}), released by the same commit; nothing is released. Before that it ran ${before}.`,
    );
    record.note(subject, { before, after, done: "released" });
  } else {
    tell(`${name}: runs it already (${after}); nothing is released.`);
    record.note(subject, { before: after, after, done: "runs already" });
  }
}

/** What runs after a release failed, in lines for people. */
async function whatBecame(
  subject: Releasable,
  { before, deployment }: { readonly before: string; readonly deployment: string },
  record: ReleaseRecord,
  context: Context,
): Promise<string[]> {
  // Told to end, the command has no time to see it.
  if (context.interrupted.aborted) return ["CodeDeploy goes on alone to bring the old version back."];
  const rollback = await new Deployments(context).rollbackOf(deployment);
  const running = await subject.running();
  const by = rollback ? ` (rollback ${rollback.deploymentId}: ${rollback.status})` : "";
  if (running !== before)
    return [
      `It was NOT brought back: ${running} runs${by}. Bring it back: npm run release -- ${context.environment} --back FOLDER, with the record that this release leaves.`,
    ];
  record.note(subject, { done: "failed" });
  return [`Its users have ${before}, as before${by}. Mend the cause, and release the change anew.`];
}

/** @returns whether the version of before runs */
async function bringOneBack(subject: Releasable, record: ReleaseRecord, context: Context): Promise<boolean> {
  const { name, atOnce } = subject;
  const { tell } = context;
  const { before, after, done } = record.entry(subject);
  if (!before || !after || (done !== "released" && done !== "releasing")) {
    tell(`${name}: nothing was released of it, and nothing is brought back.`);
    return true;
  }
  return attempt(subject, undefined, context, async () => {
    const deployments = new Deployments(context);
    await deployments.waitUntilIdle(subject);
    const running = await subject.running();
    if (running === before) {
      tell(`${name}: ${before} runs already, as before the release.`);
      return true;
    }
    if (running !== after) {
      tell(
        `${name}: is left alone: ${running} runs, which is neither what was released nor what was before.`,
      );
      return false;
    }
    // Without checks: those came with the new version. Without alarms: the new version may have set them off.
    const deployment = await deployments.create(
      subject,
      subject.appSpec({ before: after, after: before }, { checked: false }),
      {
        description: `Back to ${before}`.slice(0, 256),
        deploymentConfigName: atOnce,
        overrideAlarmConfiguration: { enabled: false, alarms: [] },
        autoRollbackConfiguration: { enabled: false },
      },
    );
    tell(`${name}: goes back to ${before}, deployment ${deployment}`);
    const info = await deployments.follow(subject, deployment, { isWayBack: true });
    if ((await subject.running()) !== before) {
      if (context.interrupted.aborted) {
        tell(`${name}: interrupted; the deployment ${deployment} goes on alone.`);
        return false;
      }
      const reasons = await deployments.reasonsOf(subject, info);
      tell([`${name}: did not go back.`, ...reasons].join(`\n${name}:   `));
      return false;
    }
    if (subject.kind === "service" && info.instanceTerminationWaitTimeStarted)
      await deployments.endWait(subject, deployment);
    record.note(subject, { done: "brought back" });
    tell(`${name}: is back at ${before}.`);
    return true;
  });
}

/** Does something that must not keep the others from their end. @returns its result; false where it failed, which is told */
async function attempt(
  subject: Releasable,
  record: ReleaseRecord | undefined,
  context: Context,
  work: () => Promise<boolean>,
): Promise<boolean> {
  try {
    return await work();
  } catch (error) {
    context.tell(`${subject.name}: ${wordsOf(error, context)}`);
    // What is on its way may still become what runs.
    if (record?.entry(subject).done === "waiting") record.note(subject, { done: "failed" });
    return false;
  }
}
