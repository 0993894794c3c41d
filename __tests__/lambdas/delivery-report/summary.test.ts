import { environmentOutcome, historyOf, withSummary } from "../../../lambdas/delivery-report/summary";
import type { RunSummary } from "../../../shared/run-report";

const at = (minute: number) => new Date(Date.UTC(2026, 10, 20, 12, minute)).toISOString();

const run = (minute: number, given: Partial<RunSummary> = {}): RunSummary => ({
  pipeline: "main",
  execution: `run-${minute}`,
  status: "succeeded",
  started: at(minute),
  ended: at(minute + 10),
  commit: { id: String(minute), branch: "main", message: "Greet" },
  stageSeconds: {},
  environments: {},
  ...given,
});

describe("the runs of a pipeline", () => {
  test("come newest first, and are the hundred newest", () => {
    let runs: readonly RunSummary[] = [];
    for (let minute = 0; minute < 102; minute++) runs = withSummary(runs, run((minute * 7) % 102));
    expect(runs.length).toBe(100);
    expect(runs.slice(0, 3).map(({ execution }) => execution)).toEqual(["run-101", "run-100", "run-99"]);
  });

  test("know of each run what came last, and not what somebody slow read before", () => {
    const waiting = run(1, { status: "waiting", ended: undefined });
    const failed = run(1, { status: "failed", ended: at(5) });
    const retried = run(1, { ended: at(9) });
    expect(withSummary([waiting], failed)).toEqual([failed]);
    expect(withSummary([failed], waiting)).toEqual([failed]);
    expect(withSummary([failed], retried)).toEqual([retried]);
    expect(withSummary([retried], failed)).toEqual([retried]);
  });
});

describe("what earlier runs tell of one", () => {
  test("is of those that began before it", () => {
    const runs = [run(3, { lines: 90 }), run(2, { lines: 80 }), run(1, { lines: 70 })];
    expect(historyOf(runs, at(3), "main")).toMatchObject({ lines: 80, commit: "2" });
  });

  test("is of the last ten times that a stage succeeded, whether or not its run did", () => {
    const runs = Array.from({ length: 12 }, (_, index) =>
      run(20 - index, { status: "failed", stageSeconds: { Build: index < 10 ? 10 * (index + 1) : 9000 } }),
    );
    expect(historyOf(runs, at(30), "main").medians).toEqual({ Build: 55 });
  });

  test("is the last commit that succeeded, of the same branch", () => {
    const commit = { id: "feature", branch: "feature", message: "" };
    const runs = [run(4, { status: "failed" }), run(3, { commit }), run(2)];
    expect(historyOf(runs, at(9), "main").commit).toBe("2");
    expect(historyOf(runs, at(9), "feature").commit).toBe("feature");
    expect(historyOf(runs, at(9), "new").commit).toBeUndefined();
  });
});

describe("an environment", () => {
  const step = (status: "InProgress" | "Succeeded" | "Failed" | "Abandoned") => ({
    status,
    updated: new Date(at(1)),
  });
  const good = step("Succeeded");
  test.each([
    ["to which nothing was deployed has no outcome", {}, undefined],
    [
      "that is being tested has none yet",
      { apply: good, release: good, verify: step("InProgress") },
      undefined,
    ],
    ["whose run was stopped in between has none", { apply: good, release: step("Abandoned") }, undefined],
    ["that passed its tests is verified", { apply: good, release: good, verify: good }, "verified"],
    ["whose plan was not applied has failed", { apply: step("Failed") }, "failed"],
    ["whose release failed has failed", { apply: good, release: step("Failed") }, "failed"],
  ])("%s", (_, steps, outcome) => {
    expect(environmentOutcome({ ...steps, isBroughtBack: false })?.outcome).toBe(outcome);
  });

  test("whose release was taken back is told so", () => {
    const steps = { apply: good, release: good, verify: step("Failed"), isBroughtBack: true };
    expect(environmentOutcome(steps)).toEqual({ outcome: "brought-back", when: at(1) });
  });
});
