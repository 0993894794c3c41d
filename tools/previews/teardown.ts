import { setTimeout as pause } from "node:timers/promises";
import { type EnvironmentSettings, previewEnvironment, type Settings } from "../../settings";
import { deployRoleArn } from "../../shared/names";
import { isTrial, previewNamed } from "../../shared/previews";
import { shortened } from "../../shared/visible";
import { checkCaller } from "../caller";
import { runCommand, UserError } from "../project";
import { projectSettings } from "../settings";
import { destroy } from "./destruction";
import { deleteImages } from "./images";
import { PreviewState } from "./state";
import { retireTaskDefinitions } from "./task-definitions";

/** Before what AWS has refused is tried once more, and before somebody else is looked for again. */
const SECONDS = Number(process.env.SLIPWAY_TEARDOWN_SECONDS ?? 60);

/** So often somebody else is waited for. */
const WAITS = 10;

/** So much is told of what is left. */
const MOST_CHARACTERS = 2000;

/**
 * `npm run preview:teardown -- ENVIRONMENT`: destroys what the state of a preview or a trial holds, and removes that
 * state and its images. Ends with 0 where nothing is left.
 */
runCommand(async () => {
  const [name, ...others] = process.argv.slice(2);
  if (!name || others.length)
    throw new UserError("Name a preview's environment: npm run preview:teardown -- pv-dev-login-3f9a2c");
  const settings = await projectSettings();
  const { of, slug } = previewOf(settings, name);
  await checkCaller(settings);
  const destroyed = await destroyResources(settings, of, slug);
  // A trial's images are its pipeline's.
  const images = isTrial(slug) ? 0 : await deleteImages(settings, name);
  console.log(
    destroyed === undefined && images === 0
      ? `There is nothing of ${name}.`
      : `${name} is gone: ${destroyed ?? 0} resources were destroyed, and ${images} images deleted.`,
  );
  return 0;
});

/** @throws UserError where the name is not a preview's: nothing else is ever destroyed here */
function previewOf({ environments }: Settings, name: string): { of: string; slug: string } {
  const names = Object.keys(environments);
  const preview = previewNamed(name, names);
  if (!preview)
    throw new UserError(
      `${JSON.stringify(name)} is no preview's name: that is pv-ENVIRONMENT-SLUG, with one of ${names.join(", ")}, as pv-${names[0]}-login-3f9a2c. Nothing was removed.`,
    );
  return preview;
}

/**
 * @returns how many there were; undefined where there is no state
 * @throws UserError where one of them is left
 */
async function destroyResources(settings: Settings, of: string, slug: string): Promise<number | undefined> {
  const preview = previewEnvironment(settings, of, slug);
  const { name } = preview;
  const state = new PreviewState(settings, name);
  const hasDied = await waitForOthers(state, name);
  const held = await state.read();
  if (hasDied) tellOfLost(preview, held?.region);
  if (!held) return undefined;
  if (held.addresses.length) {
    const environment = { ...preview, region: held.region ?? preview.region };
    console.log(`Destroys ${held.addresses.length} resources of ${name} in ${environment.region}.`);
    await destroyAll(settings, environment, state);
    await retireTaskDefinitions(settings, environment, held.families);
  }
  await state.remove();
  return held.addresses.length;
}

/**
 * @returns whether who worked on it last has died
 * @throws UserError where somebody works on it for long
 */
async function waitForOthers(state: PreviewState, name: string): Promise<boolean> {
  for (let time = 0; ; time++) {
    const lock = await state.lock();
    if (!lock) return false;
    if (lock.isDead) {
      await state.unlock();
      return true;
    }
    if (time === 0) console.log(`${name} is being worked on since ${lock.since.toISOString()}; waits.`);
    if (time === WAITS)
      throw new UserError(
        `${name} is still being worked on. Nothing was removed. Wait until that has ended, and run this again; two hours after it has died, this goes on without it.`,
      );
    await pause(1000 * SECONDS);
  }
}

/** Terraform notes what it has made when AWS has answered: what died before that has left it to nobody. */
function tellOfLost({ name, account, region }: EnvironmentSettings, where = region): void {
  console.log(
    `Something has died while it worked on ${name}. What it was just making may be in no state, and then it stays, and may cost: look in the account ${account}, and remove it by hand.
  aws resourcegroupstaggingapi get-resources --region ${where} --tag-filters Key=slipway:environment,Values=${name}`,
  );
}

async function destroyAll(
  settings: Settings,
  environment: EnvironmentSettings,
  state: PreviewState,
): Promise<void> {
  const { name } = environment;
  const failure = await destroy({
    settings,
    environment,
    pauseSeconds: SECONDS,
    onLine: (line) => console.log(line),
  });
  const left = (await state.read())?.addresses ?? [];
  if (failure === undefined && left.length === 0) return;
  throw new UserError(
    `${name} is not gone: ${left.length} resources are left (${shortened(left.join(", "), MOST_CHARACTERS)}).
${failure ?? "Somebody has deployed it meanwhile."}
Run this again. Where the same is refused again, remove it by hand in the account ${environment.account}, region ${environment.region}; what this may do there, the role ${deployRoleArn(settings, environment)} says.`,
  );
}
