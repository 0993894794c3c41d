import type { PipelineDeclaration } from "@aws-sdk/client-codepipeline";
import { inParallel } from "../../shared/parallel";
import {
  type PreviewRule,
  previewSlug,
  ruleOf,
  templateOf,
  templatePipelineName,
} from "../../shared/previews";
import { branchTag, canTrigger, cloneOf, credentialOf, differenceOf, taggedBranch } from "./clone";
import { type Desk, HOUR } from "./desk";
import { isRunning, type Run } from "./pipelines";
import { type Place, placeNamed, placeOf } from "./place";
import type { Kept, PreviewRecord } from "./records";
import type { Branch, PullRequest } from "./repository";
import { beginClosing, hasState, isTornDown, tearDown } from "./teardown";
import { tell } from "./tell";

/** Of what the next steps are to be taken: all that goes by a slug. */
export interface Subject {
  readonly slug: string;
  /** A branch that goes by it. @default - those that have a preview */
  readonly branch?: string;
}

/** A preview, as far as there is one. */
export interface Preview {
  readonly place: Place;
  /** Whether it has a pipeline. */
  readonly exists: boolean;
  readonly record?: Kept<PreviewRecord>;
  /** Its branch. @default - neither its record nor its pipeline says */
  readonly owner?: string;
}

/** Why a branch is to have a preview, and of what. */
interface Want {
  readonly rule: PreviewRule;
  readonly head: Branch;
  readonly pulls: readonly PullRequest[];
}

/** So long what is in progress may take to stop by itself; builds take no longer, an approval would wait for days. */
const STOPPING = 1.5 * HOUR;

/** So long a pipeline may take to start by itself, after it was made or its trigger was pulled. */
const STARTING = 3 * 60_000;

/** Records that are read at once. */
const AT_ONCE = 8;

/**
 * Takes the next steps towards what is to be: of each branch that is to have a preview one, of each other none. Asks what is
 * so, each time; may be called at any time, by several at once, and again after it died at any point. A step that takes
 * its time ends in an event, which calls it again; where that is lost, the sweep does.
 *
 * @param retry whether what failed is tried again, too
 * @throws Busy where somebody else is at the same, Error of what AWS or the repository refuse
 */
export async function converge(desk: Desk, { slug, branch }: Subject, retry: boolean): Promise<void> {
  const found = await findPreviews(desk, slug, branch);
  const wants = new Map<string, Want>();
  for (const one of new Set([...found.map(({ owner }) => owner), branch])) {
    const want = one === undefined ? undefined : await wantOf(desk, one);
    if (one !== undefined && want) wants.set(one, want);
  }
  const targetOf = ({ rule }: Want) => placeOf(desk.task, templateOf(rule), slug);

  // What is to go makes room for what is to come.
  const left: Preview[] = [];
  for (const preview of found) {
    const { owner = "", place } = preview;
    const want = wants.get(owner);
    const isMeant = want && targetOf(want).name === place.name;
    if (isMeant && isExpired(desk, preview, want)) {
      wants.delete(owner);
      const noted = await noteExpired(desk, preview, want);
      if (!(await close(desk, noted, { retry, keeps: true }))) left.push(preview);
    } else if (isMeant || !(await close(desk, preview, { retry, keeps: false }))) left.push(preview);
  }

  for (const [one, want] of wants) {
    const place = targetOf(want);
    const there = left.filter(({ place: { environment } }) => environment === place.environment);
    const own = there.find(({ owner, place: { name } }) => owner === one && name === place.name);
    if (there.some(({ owner = "" }) => owner !== one && wants.has(owner)))
      await refuse(desk, place, want, "the preview of another branch goes by the same short name");
    else if (there.some((other) => other !== own))
      desk.log.info("What its environment is taken by has to go first", { branch: one });
    else await open(desk, own ?? { place, exists: false, owner: one }, want);
  }
}

/** The previews that go by a slug. */
async function findPreviews(desk: Desk, slug: string, branch: string | undefined): Promise<Preview[]> {
  const { task, pipelines, records, repository } = desk;
  const names = (await records.names()).flatMap((name) => placeNamed(task, name) ?? []);
  const made = await pipelines.all();
  const places = new Map(
    [...names, ...made].filter((one) => one.slug === slug).map((one) => [one.name, one]),
  );
  const previews: Preview[] = [];
  for (const place of places.values()) {
    const exists = made.some(({ name }) => name === place.name);
    const record = await records.read(place.name);
    previews.push({ place, exists, record, owner: record?.value.branch ?? (await taggedOwner(place)) });
  }
  return previews;

  async function taggedOwner(place: Place): Promise<string | undefined> {
    const tag = (await pipelines.tagOf(place)) ?? "";
    if (branch !== undefined && (tag === "" || tag === branchTag(branch))) return branch;
    // A long name is but a sum in its tag.
    const branches = async () => (await repository.branches()).map(({ name }) => name);
    return taggedBranch(tag) ?? (await branches()).find((name) => previewSlug(name) === slug);
  }
}

async function wantOf({ task, repository }: Desk, branch: string): Promise<Want | undefined> {
  const head = await repository.branch(branch);
  if (!head) return undefined;
  const pulls = await repository.pullRequestsFrom(branch);
  const rule = ruleOf(task.rules, task.deployed, { branch, pullRequestsInto: pulls.map(({ into }) => into) });
  return rule && { rule, head, pulls };
}

const goesAt = ({ pushedAt }: PreviewRecord, { ttlHours }: PreviewRule) =>
  new Date(Date.parse(pushedAt) + ttlHours * HOUR);

/** Whether nobody has pushed for so long that the preview is to go, or has gone. */
function isExpired({ now }: Desk, { record }: Preview, { rule, head }: Want): boolean {
  if (record?.value.commit !== head.commit) return false;
  return record.value.expired === head.commit || now() > goesAt(record.value, rule);
}

async function noteExpired({ records }: Desk, preview: Preview, { head }: Want): Promise<Preview> {
  const { record, place } = preview;
  if (!record || record.value.expired === head.commit) return preview;
  const value = { ...record.value, expired: head.commit };
  return { ...preview, record: await records.write(place.name, value, record) };
}

interface CloseProps {
  readonly retry: boolean;
  /** Whether its record stays, so that it does not come back before somebody pushes. */
  readonly keeps: boolean;
}

/** Takes the next step towards a preview's end. @returns whether nothing of it is left */
async function close(desk: Desk, preview: Preview, { retry, keeps }: CloseProps): Promise<boolean> {
  const { records, closings, pipelines } = desk;
  const { place, exists, record } = preview;
  const isLeft = exists || (await hasState(desk, place.environment));
  let closing = await closings.read(place.environment);
  if (!isLeft && !closing && keeps && !record?.value.holds) return true;
  if (isLeft || closing) {
    closing ??= await beginClosing(desk, place);
    if (exists && (await stopRuns(desk, place))) return false;
    const progress = await tearDown(desk, place, closing, { needsBuild: exists, retry });
    if (progress === "stuck") await say("stuck");
    if (progress !== "gone") return false;
  }
  if (exists) await pipelines.delete(place);
  desk.log.info("The preview is gone", { branch: preview.owner, pipeline: place.pipeline });
  await say(keeps ? "expired" : "gone");
  if (record && keeps)
    await records.write(place.name, { ...record.value, holds: false, started: undefined }, record);
  else if (record) await records.remove(place.name, record);
  if (closing) await closings.remove(place.environment, closing);
  return true;

  async function say(state: "stuck" | "expired" | "gone"): Promise<void> {
    const numbers = Object.keys(record?.value.told ?? {}).map(Number);
    await tell(desk, numbers, place, { branch: preview.owner ?? "", state }, { onlyInPlace: true });
  }
}

/** Has all runs stop. @returns whether one still goes on */
async function stopRuns({ pipelines, now }: Desk, place: Place): Promise<boolean> {
  const running = (await pipelines.runs(place)).filter(isRunning);
  for (const run of running) {
    const isOverdue = now().getTime() - run.updated.getTime() > STOPPING;
    if (run.status === "InProgress" || isOverdue) await pipelines.stop(place, run, run.status === "Stopping");
  }
  return running.length > 0;
}

/** Takes the next step towards a preview of the branch's head. */
async function open(desk: Desk, preview: Preview, want: Want): Promise<void> {
  const { task, pipelines, records, closings, token } = desk;
  const { place, exists } = preview;
  // It came back while it was going: what goes is not stopped halfway.
  const closing = await closings.read(place.environment);
  if (await isTornDown(desk, place, closing)) return;
  const template = await pipelines.read(templatePipelineName(task, place.template));
  if (!template)
    return refuse(
      desk,
      place,
      want,
      `what it is to be made like is not deployed yet: the next run of ${place.ordinary} does that`,
    );
  const definition = cloneOf(template.definition, {
    name: place.pipeline,
    branch: want.head.name,
    environment: place.environment,
    token,
  });
  const before = preview.record;
  const value = nextRecord(desk, preview, want, closing !== undefined);
  // Also where nothing in it is new, before a pipeline is made: who is about to delete the record has to see that.
  const isWritten = !before || !exists || JSON.stringify(value) !== JSON.stringify(before.value);
  const record = isWritten ? await records.write(place.name, value, before) : before;
  if (!exists && (await countOthers(desk, place, want)) >= want.rule.limit) {
    await records.remove(place.name, record);
    const { limit, pattern, ttlHours } = want.rule;
    return refuse(
      desk,
      place,
      want,
      `there are ${limit} previews of ${pattern} already, which is the most. It is tried again each quarter of an hour, until ${ttlHours} hours after the last commit, and with the next push`,
    );
  }
  if (closing) await closings.remove(place.environment, closing);
  if (exists) return bringUp(desk, place, want, record, definition);

  try {
    const isMade = await pipelines.create(definition, place, want.head.name);
    desk.log.info(isMade ? "The preview is made" : "The preview is there already", {
      branch: want.head.name,
      pipeline: place.pipeline,
    });
  } catch (error) {
    if ((error as Error).name !== "LimitExceededException") throw error;
    await records.remove(place.name, record);
    return refuse(desk, place, want, "AWS allows the account no more pipelines");
  }
  await tellOfRun(desk, place, want, record, undefined);
}

/** What is known of a preview that is to be, from what was known. */
function nextRecord(
  { token, now }: Desk,
  { record, exists, place }: Preview,
  { rule, head }: Want,
  wasClosing: boolean,
): PreviewRecord {
  const before = record?.value;
  const isAnew = !before || !exists || wasClosing;
  const at = now().toISOString();
  return {
    branch: head.name,
    rule: rule.pattern,
    holds: true,
    commit: head.commit,
    pushedAt: before?.commit === head.commit ? before.pushedAt : at,
    openedAt: isAnew ? at : before.openedAt,
    started: isAnew ? undefined : before.started,
    // One that is made gets the token; one that is there has what it was given.
    credential: exists ? before?.credential : credentialOf(place.pipeline, token),
    difference: exists ? before?.difference : undefined,
    told: before?.told ?? {},
  };
}

/** The rule's places that others take. To be asked after one's own is taken: of two for the last one, both see the other. */
async function countOthers({ task, records, pipelines }: Desk, place: Place, want: Want): Promise<number> {
  const others = (await records.names()).filter((name) => name !== place.name && placeNamed(task, name));
  const known = await inParallel(others, AT_ONCE, async (name) => [name, await records.read(name)] as const);
  const made = (await pipelines.all()).map(({ name }) => name);
  const taken = new Set(
    known.flatMap(([name, record]) =>
      record?.value.rule === want.rule.pattern && (record.value.holds || made.includes(name)) ? [name] : [],
    ),
  );
  // Of a pipeline without a record it is not known by which rule it is: it may be this one.
  const recorded = new Set(known.flatMap(([name, record]) => (record ? [name] : [])));
  for (const name of made)
    if (name !== place.name && name.startsWith(`${place.template}_`) && !recorded.has(name)) taken.add(name);
  return taken.size;
}

/** Brings a preview that there is up to date, and has it run for the branch's head. */
async function bringUp(
  desk: Desk,
  place: Place,
  want: Want,
  record: Kept<PreviewRecord>,
  definition: PipelineDeclaration,
): Promise<void> {
  const { pipelines, records, token } = desk;
  const found = await pipelines.read(place.pipeline);
  if (!found) return;
  let current = record;
  const credential = credentialOf(place.pipeline, token);
  const difference = differenceOf(found.definition, definition);
  // What does not go away by a change is but how CodePipeline writes it; and each change ends runs.
  const isToChange = difference !== undefined && difference !== record.value.difference;
  if (isToChange || record.value.credential !== credential) {
    await pipelines.update(definition);
    current = await records.write(place.name, { ...current.value, credential, difference }, current);
  }
  const runs = await pipelines.runs(place);
  const openedAt = new Date(current.value.openedAt);
  const [newest] = runs.filter(({ started }) => started >= openedAt);
  const step = nextRun(desk, want, current.value, newest, {
    created: found.created,
    isTriggered: Boolean(definition.triggers?.length) && canTrigger(want.head.name),
  });
  const isStarted = step === "start" && (await pipelines.start(place, want.head.commit, runs[0]));
  if (isStarted) desk.log.info("The preview is being deployed", { branch: want.head.name });
  if (isStarted || step === "started")
    current = await records.write(place.name, { ...current.value, started: want.head.commit }, current);
  await tellOfRun(desk, place, want, current, isStarted ? undefined : newest);
}

/** What is to be done so that the head is run once: CodePipeline runs by itself what is made, and what has a trigger. */
function nextRun(
  { now }: Desk,
  { head }: Want,
  { started, pushedAt, openedAt }: PreviewRecord,
  newest: Run | undefined,
  { created, isTriggered }: { readonly created?: Date; readonly isTriggered: boolean },
): "start" | "started" | "nothing" {
  // The pipeline was changed beneath it.
  const isCancelled = newest?.status === "Cancelled";
  if (started === head.commit) return isCancelled ? "start" : "nothing";
  if (newest?.commit === head.commit && !isCancelled && newest.status !== "Superseded") return "started";
  if (newest && isRunning(newest) && newest.commit === undefined) return "nothing";
  const isYoung = (since: Date) => now().getTime() - since.getTime() < STARTING;
  if (!newest && created && created >= new Date(openedAt) && isYoung(created)) return "nothing";
  if (newest && isTriggered && isYoung(new Date(pushedAt))) return "nothing";
  return "start";
}

/** Tells the pull requests how the preview fares, those that do not know. */
async function tellOfRun(
  desk: Desk,
  place: Place,
  { rule, head, pulls }: Want,
  record: Kept<PreviewRecord>,
  run: Run | undefined,
): Promise<void> {
  const state = stateOf(run);
  const until = goesAt(record.value, rule);
  const key = [state, run?.id ?? head.commit, until.toISOString()].join(" ");
  const due = pulls.filter(({ number }) => record.value.told[number] !== key);
  if (!state || due.length === 0) return;
  const told = await tell(
    desk,
    due.map(({ number }) => number),
    place,
    {
      branch: head.name,
      state,
      commit: run?.commit ?? head.commit,
      addresses: run && state === "ready" ? await desk.pipelines.addresses(place, run) : undefined,
      goesAt: until,
    },
  );
  if (told.length === 0) return;
  const all = { ...record.value.told, ...Object.fromEntries(told.map((number) => [String(number), key])) };
  await desk.records.write(place.name, { ...record.value, told: all }, record);
}

function stateOf(run: Run | undefined): "building" | "ready" | "failed" | undefined {
  if (!run || isRunning(run)) return "building";
  const states: Readonly<Record<string, "ready" | "failed">> = { Succeeded: "ready", Failed: "failed" };
  return states[run.status];
}

async function refuse(desk: Desk, place: Place, { head, pulls }: Want, why: string): Promise<void> {
  desk.log.warn("The branch gets no preview", { branch: head.name, why });
  const numbers = pulls.map(({ number }) => number);
  await tell(desk, numbers, place, { branch: head.name, state: "refused", why });
}
