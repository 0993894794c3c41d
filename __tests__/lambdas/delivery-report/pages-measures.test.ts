import { measures } from "../../../lambdas/delivery-report/pages/measures";
import type { EnvironmentOutcome, RunSummary } from "../../../shared/run-report";

const HOUR = 3600;
const at = (hours: number) => new Date(Date.UTC(2026, 10, 1) + hours * HOUR * 1000).toISOString();

/** A commit that came to prod so at an hour, made so many hours before. */
const deployed = (
  id: string,
  hour: number,
  outcome: EnvironmentOutcome,
  made: number | undefined = 1,
): RunSummary => ({
  pipeline: "main",
  execution: `${id}-${hour}`,
  status: outcome === "verified" ? "succeeded" : "failed",
  started: at(hour - 0.5),
  commit: { id, branch: "main", message: id, when: made === undefined ? undefined : at(hour - made) },
  stageSeconds: {},
  environments: { prod: { outcome, when: at(hour) } },
});

test("knows nothing of an environment to which nothing was deployed", () => {
  expect(measures([deployed("a", 1, "verified")], "dev")).toEqual({
    current: undefined,
    health: "unknown",
    when: undefined,
    deployments: 0,
    leadSeconds: undefined,
    failureRate: undefined,
    restoreSeconds: undefined,
  });
});

describe("lead time", () => {
  const lead = (...runs: RunSummary[]) => measures(runs, "prod").leadSeconds;

  test("is the median from a commit to when it was verified", () => {
    expect(
      lead(
        deployed("a", 10, "verified", 1),
        deployed("b", 20, "verified", 9),
        deployed("c", 30, "verified", 2),
      ),
    ).toBe(2 * HOUR);
    expect(lead(deployed("a", 10, "verified", 1), deployed("b", 20, "verified", 2))).toBe(1.5 * HOUR);
  });

  test("counts a commit the first time that it was verified, and not where it failed before", () => {
    expect(
      lead(
        deployed("a", 10, "failed", 1),
        deployed("a", 12, "verified", 3),
        deployed("a", 50, "verified", 41),
      ),
    ).toBe(3 * HOUR);
  });

  test("leaves out a commit of which nobody knows when it was made, or that was made later", () => {
    const unknown = deployed("a", 10, "verified");
    const commit = { ...unknown.commit, when: undefined };
    expect(lead({ ...unknown, commit }, deployed("b", 11, "verified", -5))).toBeUndefined();
  });
});

describe("failure rate", () => {
  test("is the share of what failed or was brought back, of all that came to the environment", () => {
    const runs = [
      deployed("a", 1, "verified"),
      deployed("b", 2, "failed"),
      deployed("c", 3, "brought-back"),
      deployed("d", 4, "verified"),
    ];
    const elsewhere = { ...deployed("e", 5, "failed"), environments: {} };
    expect(measures([...runs, elsewhere], "prod")).toMatchObject({ failureRate: 0.5, deployments: 4 });
  });
});

describe("time to restore", () => {
  const restore = (...runs: RunSummary[]) => measures(runs, "prod").restoreSeconds;

  test("lasts from the first failure to the next good version", () => {
    expect(
      restore(deployed("a", 1, "failed"), deployed("b", 3, "failed"), deployed("c", 6, "verified")),
    ).toBe(5 * HOUR);
    expect(restore(deployed("a", 1, "failed"), deployed("b", 3, "brought-back"))).toBe(2 * HOUR);
  });

  test("is none where a run brought the version before back itself, or where nothing is restored yet", () => {
    expect(
      restore(deployed("a", 1, "verified"), deployed("b", 2, "brought-back"), deployed("c", 9, "verified")),
    ).toBe(undefined);
    expect(restore(deployed("a", 1, "failed"))).toBeUndefined();
  });
});

describe("which commit is where", () => {
  const current = (...runs: RunSummary[]) => {
    const found = measures(runs, "prod").current;
    return found && [found.commit.id, found.since];
  };

  test("is the last one that was verified, since it was first, in whatever order the runs come", () => {
    const runs = [deployed("a", 1, "verified"), deployed("b", 2, "verified"), deployed("b", 3, "verified")];
    expect(current(...runs)).toEqual(["b", at(2)]);
    expect(current(...runs.reverse())).toEqual(["b", at(2)]);
  });

  test("stays the one before while others are brought back, and not while they fail", () => {
    const [before, after] = [deployed("a", 1, "verified"), deployed("a", 9, "verified")];
    expect(current(before, deployed("b", 5, "brought-back"), after)).toEqual(["a", at(1)]);
    expect(current(before, deployed("b", 5, "failed"), after)).toEqual(["a", at(9)]);
  });
});

test("health is how the last deployment came out", () => {
  const runs = [deployed("a", 1, "failed"), deployed("b", 2, "verified"), deployed("c", 3, "brought-back")];
  expect(measures(runs.slice(0, 1), "prod")).toMatchObject({ health: "failed", when: at(1) });
  expect(measures(runs.slice(0, 2), "prod")).toMatchObject({ health: "verified", when: at(2) });
  expect(measures(runs, "prod")).toMatchObject({ health: "brought-back", when: at(3) });
});
