import { GetObjectCommand, type S3Client } from "@aws-sdk/client-s3";
import { unzipSync } from "fflate";
import {
  RELEASE_RECORD,
  type ReleaseContent,
  type ReleaseEntry,
  releaseRecord,
} from "../../shared/release-record";
import { broughtBack, type ReleaseReport } from "../../shared/run-report";
import type { ActionRun } from "./execution";
import type { Redaction } from "./redact";

/** Bytes; more a record never has. */
const LARGEST_ARCHIVE = 5_000_000;
const LARGEST_RECORD = 1_000_000;
/** Services and functions that are told of. */
const MOST = 50;
const LONGEST_LINE = 300;

export interface ReleaseActions {
  readonly release: ActionRun;
  /** Of the release; complete lines. */
  readonly releaseLog: readonly string[];
  /** How Verify ended. @default - it was not come to */
  readonly verify?: ActionRun["status"];
  /** Of Verify where it failed, each time that it was tried after the release. */
  readonly verifyLog: readonly string[];
}

/** What became of a release, as its record tells it. */
export async function readRelease(
  s3: Pick<S3Client, "send">,
  environment: string,
  { release, releaseLog, verify, verifyLog }: ReleaseActions,
  redaction: Redaction,
): Promise<ReleaseReport | undefined> {
  if (release.status === "InProgress") return undefined;
  const found =
    release.status === "Succeeded"
      ? await recordIn(s3, release, environment)
      : recordOf(releaseLog, environment);
  const entries = Object.entries({ ...found?.services, ...found?.functions }).slice(0, MOST);
  const linesOf = (change = (one: ReleaseEntry) => one) =>
    entries.map(([name, one]) => redaction.line(lineOf(name, change(one)), LONGEST_LINE));
  const outcome = outcomeOf(
    release.status === "Succeeded",
    entries.map(([, one]) => one),
  );
  if (outcome !== "released") return { environment, outcome, lines: linesOf() };
  // What was released and does not pass, Verify brings back. It stays so where a retry passes: that tests what is back.
  if (verifyLog.some((line) => line.trim() === broughtBack(environment)))
    return { environment, outcome: "brought-back", lines: linesOf(backAgain) };
  return { environment, outcome: verify === "Failed" ? "failed" : outcome, lines: linesOf() };
}

function outcomeOf(succeeded: boolean, entries: readonly ReleaseEntry[]): ReleaseReport["outcome"] {
  if (succeeded)
    return entries.length && entries.every(({ done }) => done === "runs already") ? "unchanged" : "released";
  const isOnItsWay = entries.some(({ done }) => done === "releasing" || done === "released");
  const isBack = entries.some(
    ({ done, deployment }) => done === "brought back" || (done === "failed" && deployment),
  );
  return isBack && !isOnItsWay ? "brought-back" : "failed";
}

const backAgain = (one: ReleaseEntry): ReleaseEntry => ({
  ...one,
  done: one.done === "released" ? "brought back" : one.done,
});

/** A version as people tell it: of a task definition the name and number, of a function the number. */
const short = (version: string) => /[^/]*$/.exec(version)![0];

function lineOf(name: string, { before, after, done }: ReleaseEntry): string {
  const old = before === undefined ? "what ran before" : short(before);
  const fresh = after === undefined ? "the new version" : short(after);
  const said: Readonly<Record<ReleaseEntry["done"], string>> = {
    waiting: "nothing was released",
    releasing: `the release of ${fresh} did not see its end`,
    released: before === after ? `${fresh} is released` : `${fresh} is released, in the place of ${old}`,
    "runs already": `${fresh} runs already`,
    failed: `${fresh} failed; its users have ${old}`,
    "brought back": `${fresh} was taken back; its users have ${old}`,
  };
  return `${name}: ${said[done]}`;
}

/** The record in the artifact that a release gave; undefined where that is gone. */
async function recordIn(
  s3: Pick<S3Client, "send">,
  { artifacts }: ActionRun,
  environment: string,
): Promise<ReleaseContent | undefined> {
  for (const { bucket, key } of artifacts) {
    try {
      const { Body, ContentLength = 0 } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
      if (ContentLength > LARGEST_ARCHIVE) continue;
      const archive = await Body!.transformToByteArray();
      const files = unzipSync(archive, {
        filter: ({ name, originalSize }) => name === RELEASE_RECORD && originalSize <= LARGEST_RECORD,
      });
      const found =
        files[RELEASE_RECORD] && recordFrom(new TextDecoder().decode(files[RELEASE_RECORD]), environment);
      if (found) return found;
    } catch (error) {
      // The clean-up deletes artifacts, and one that is no archive keeps no report away. Whoever may not list a bucket
      // is told of a missing object that it may not read it.
      const { name, $metadata } = error as Error & { $metadata?: object };
      if ($metadata && name !== "NoSuchKey" && name !== "AccessDenied") throw error;
    }
  }
  return undefined;
}

/** The record on a line of a log. */
function recordOf(log: readonly string[], environment: string): ReleaseContent | undefined {
  for (const line of [...log].reverse()) {
    const found = line.startsWith("{") ? recordFrom(line, environment) : undefined;
    if (found) return found;
  }
  return undefined;
}

function recordFrom(text: string, environment: string): ReleaseContent | undefined {
  try {
    const { data } = releaseRecord.safeParse(JSON.parse(text));
    return data?.environment === environment ? data : undefined;
  } catch {
    return undefined;
  }
}
