import type { EnvironmentOutcome, RunSummary } from "../../../shared/run-report";

/** How well an environment is delivered to, by what is known of the last runs; as DORA's four keys mean it. */
export interface Measures {
  /** The commit that was last verified there, and since when it is there without a break. @default - none was */
  readonly current?: {
    readonly commit: RunSummary["commit"];
    readonly since: string;
  };
  /**
   * How the last deployment came out: "failed" where nobody knows what users have, "brought-back" where they have the
   * version before, "unknown" where there was none.
   */
  readonly health: "verified" | "failed" | "brought-back" | "unknown";
  /** When the last deployment came out so. @default - there was none */
  readonly when?: string;
  /** How many deployments all this is made of. */
  readonly deployments: number;
  /**
   * Lead time for changes, in seconds: the median of the time from when a commit was made to when it was verified there, of the first
   * time that it was. Of the commits of a push, the last one counts, for of no other it is known when it was made.
   *
   * @default - no commit's time is known
   */
  readonly leadSeconds?: number;
  /** Change failure rate: of all deployments the share, 0 to 1, that failed or was brought back. @default - there was none */
  readonly failureRate?: number;
  /**
   * Time to restore, in seconds: the median of the time from when a deployment failed to when users had a good version again, by
   * another run. What went back within its own run left nothing to restore. What is not restored yet is not in it.
   *
   * @default - nothing had to be restored
   */
  readonly restoreSeconds?: number;
}

interface Deployment {
  readonly commit: RunSummary["commit"];
  readonly outcome: EnvironmentOutcome;
  readonly when: string;
}

/**
 * @param summaries of all pipelines that deploy there, in any order
 */
export function measures(summaries: readonly RunSummary[], environment: string): Measures {
  const deployments = summaries
    .flatMap(({ commit, environments }): Deployment[] =>
      Object.hasOwn(environments, environment) ? [{ commit, ...environments[environment]! }] : [],
    )
    .sort((one, other) => Date.parse(one.when) - Date.parse(other.when));
  const last = deployments.at(-1);
  const bad = deployments.filter(({ outcome }) => outcome !== "verified");
  return {
    current: currentOf(deployments),
    health: last?.outcome ?? "unknown",
    when: last?.when,
    deployments: deployments.length,
    leadSeconds: median(leadTimes(deployments)),
    failureRate: last && bad.length / deployments.length,
    restoreSeconds: median(restoreTimes(deployments)),
  };
}

function currentOf(deployments: readonly Deployment[]): Measures["current"] {
  const last = deployments.findLast(({ outcome }) => outcome === "verified");
  if (!last) return undefined;
  let since = last.when;
  for (const { commit, outcome, when } of deployments.slice(0, deployments.indexOf(last)).reverse()) {
    // What was brought back has left what was there.
    if (outcome === "brought-back") continue;
    if (outcome === "failed" || commit.id !== last.commit.id) break;
    since = when;
  }
  return { commit: last.commit, since };
}

function leadTimes(deployments: readonly Deployment[]): number[] {
  const seen = new Set<string>();
  return deployments.flatMap(({ commit, outcome, when }) => {
    if (outcome !== "verified" || seen.has(commit.id)) return [];
    seen.add(commit.id);
    const seconds = commit.when === undefined ? Number.NaN : secondsFrom(commit.when, when);
    // Its author's clock may be wrong.
    return seconds >= 0 ? [seconds] : [];
  });
}

function restoreTimes(deployments: readonly Deployment[]): number[] {
  const times: number[] = [];
  let failed: string | undefined;
  for (const { outcome, when } of deployments) {
    if (outcome === "failed") failed ??= when;
    else if (failed !== undefined) {
      times.push(secondsFrom(failed, when));
      failed = undefined;
    }
  }
  return times;
}

const secondsFrom = (from: string, to: string) => (Date.parse(to) - Date.parse(from)) / 1000;

function median(values: readonly number[]): number | undefined {
  if (!values.length) return undefined;
  const sorted = values.toSorted((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1]! + sorted[middle]!) / 2;
}
