import { ListObjectsV2Command } from "@aws-sdk/client-s3";
import { stateKey } from "../../shared/names";
import { isPreviewName, previewSlug, previewsOf, ruleOf, templateOf } from "../../shared/previews";
import { converge, type Subject } from "./converge";
import { type Desk, HOUR } from "./desk";
import { placeNamed, placeOf } from "./place";
import { beginClosing, type Remains, tearDown } from "./teardown";

/** A trial that is at work writes its state more often. */
const TRIAL = 3 * HOUR;

/** Of so many branches without a preview it is asked when somebody worked on them last; of the others by later sweeps. */
const ASKED = 100;

/** How often it is swept. */
const QUARTER = HOUR / 4;

/** What a step takes at most, or nearly; where less is left, the rest is the next sweep's. */
const MILLISECONDS_FOR_STEP = 20_000;

/**
 * Repairs what no event, or a lost one, told of: goes through all branches, pull requests, pipelines, records and states, and
 * takes the next step for each that there is something to do for. What is to go is first. A branch whose time to live has
 * passed since its last commit gets no preview by a sweep: of those that nobody works on any more there are many.
 *
 * @param timeLeft milliseconds that the function still has
 * @throws Error of what could not be done, after all the rest was
 */
export async function sweep(desk: Desk, timeLeft: () => number): Promise<void> {
  const { log } = desk;
  const steps = await readSteps(desk);
  const failures: string[] = [];
  let done = 0;
  for (const { what, run } of steps) {
    if (timeLeft() < MILLISECONDS_FOR_STEP) break;
    done++;
    try {
      await run();
    } catch (error) {
      log.error(`Not repaired: ${(error as Error).message}`, { ...what, error: error as Error });
      failures.push(`${JSON.stringify(what)}: ${(error as Error).message}`);
    }
  }
  log.info("Swept", { steps: steps.length, failures: failures.length });
  if (done < steps.length) log.warn("There was no time for the rest", { rest: steps.length - done });
  if (failures.length)
    throw new Error([`${failures.length} of ${done} steps failed.`, ...failures].join("\n"));
}

interface Step {
  readonly what: Subject | { readonly environment: string };
  readonly run: () => Promise<void>;
}

async function readSteps(desk: Desk): Promise<Step[]> {
  const { task, repository, pipelines, records, closings } = desk;
  // States first: what has one then has had a record for long.
  const states = await readStates(desk);
  const endings = await closings.names();
  const made = await pipelines.all();
  const recorded = (await records.names()).flatMap((name) => placeNamed(task, name) ?? []);
  const places = [...made, ...recorded];
  const pulls = await repository.pullRequests();
  const wanted = (await repository.branches()).flatMap(({ name: branch, commit }) => {
    const pullRequestsInto = pulls.filter((pull) => pull.branch === branch).map(({ into }) => into);
    const rule = ruleOf(task.rules, task.deployed, { branch, pullRequestsInto });
    const slug = previewSlug(branch);
    return rule ? [{ ...placeOf(task, templateOf(rule), slug), rule, branch, commit }] : [];
  });

  const known = new Set(places.map(({ environment }) => environment));
  const remains = new Set([...states, ...endings]);
  const orphans = [...remains].filter((environment) => !known.has(environment));
  const slugs = new Set(places.map(({ slug }) => slug));
  const wantedSlugs = new Set(wanted.map(({ slug }) => slug));
  const unwanted = [...slugs].filter((slug) => !wantedSlugs.has(slug));
  const there = wanted.filter(({ slug }) => slugs.has(slug));
  const missing = wanted.filter(({ slug }) => !slugs.has(slug));
  const names = new Set(made.map(({ name }) => name));
  return [
    ...orphans.map((environment) => ({
      what: { environment },
      run: () => bury(desk, remainsOf(desk, environment)),
    })),
    ...unwanted.map((slug) => ({ what: { slug }, run: () => converge(desk, { slug }, true) })),
    ...there.map(({ slug, branch, commit, name, environment }) => ({
      what: { slug, branch },
      run: async () => {
        const isLeft = names.has(name) || remains.has(environment);
        const record = isLeft ? undefined : await records.read(name);
        const isOver = record && record.value.expired === commit && !record.value.holds;
        if (!isOver) await converge(desk, { slug, branch }, true);
      },
    })),
    ...inTurn(desk, missing).map(({ slug, branch, commit, rule }) => ({
      what: { slug, branch },
      run: async () => {
        const committed = await repository.committedAt(commit);
        const isAlive = committed && desk.now().getTime() - committed.getTime() < rule.ttlHours * HOUR;
        if (isAlive) await converge(desk, { slug, branch }, true);
      },
    })),
  ];
}

/** Some of all, and others the next time. */
function inTurn<T>({ now }: Desk, all: readonly T[]): T[] {
  const first = (Math.floor(now().getTime() / QUARTER) * ASKED) % Math.max(all.length, 1);
  return [...all.slice(first), ...all.slice(0, first)].slice(0, ASKED);
}

const STATE_END = stateKey("");

/** The environments of previews, and of trials that died, that have a state. */
async function readStates({ clients, task, now }: Desk): Promise<string[]> {
  const environments: string[] = [];
  let token: string | undefined;
  do {
    const page = await clients.s3.send(
      new ListObjectsV2Command({
        Bucket: task.stateBucket,
        Prefix: previewsOf(""),
        ContinuationToken: token,
      }),
    );
    for (const { Key = "", LastModified } of page.Contents ?? []) {
      if (!Key.endsWith(STATE_END)) continue;
      const environment = Key.slice(0, -STATE_END.length);
      // Whatever else was put there is nobody's to destroy.
      if (!isPreviewName(environment)) continue;
      const isAtWork = isTrial(environment) && now().getTime() - Number(LastModified) < TRIAL;
      if (!isAtWork) environments.push(environment);
    }
    token = page.NextContinuationToken;
  } while (token);
  return environments;
}

/** A branch's slug has fewer characters behind its last dash. */
const isTrial = (environment: string) => /-t[0-9a-f]{10}$/.test(environment);

/** How an environment without a pipeline is destroyed: any tree of the settings that it is of will do. */
function remainsOf({ task }: Desk, environment: string): Remains {
  const isLike = (like: string) => environment.startsWith(`${previewsOf(like)}-`);
  const [, trial] = Object.entries(task.trials).find(([like]) => isLike(like)) ?? [];
  const templates = Object.values(task.templates);
  const template = templates.find((one) => isLike(one.environment)) ?? templates[0];
  const ordinary = (isTrial(environment) ? trial : undefined) ?? template?.pipeline ?? trial ?? NONE;
  return { environment, ordinary };
}

/** The teardown takes this for a pipeline that there is not. */
const NONE = "none";

/** Takes the next step towards the end of an environment that has neither pipeline nor record. */
async function bury(desk: Desk, remains: Remains): Promise<void> {
  const closing = await beginClosing(desk, remains);
  const progress = await tearDown(desk, remains, closing, { needsBuild: false, retry: true });
  if (progress === "gone") await desk.closings.remove(remains.environment, closing);
}
