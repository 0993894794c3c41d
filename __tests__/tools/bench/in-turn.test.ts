import { inTurn } from "../../../tools/bench/measure";
import { syntheticPlan } from "../../../tools/bench/plan";
import { readPlan } from "../../../tools/review/plan";

test("two are run in turn, each as often before the other as after it, and their warm-ups are not counted", async () => {
  const ran: string[] = [];
  const figures = await inTurn(
    4,
    () => ran.push("a"),
    async () => ran.push("b"),
  );
  expect(ran.join("")).toBe("ab" + "ab" + "ba" + "ab" + "ba");
  // Each figure is how many had run by then: sample i belongs to sample i.
  expect(figures).toEqual({ a: [3, 6, 7, 10], b: [4, 5, 8, 9] });
});

test("a failure of one is a failure of both", async () => {
  const fail = () => Promise.reject(new Error("b failed"));
  await expect(inTurn(3, () => 1, fail)).rejects.toThrow("b failed");
});

test("the plan that reviews are measured with is one, as large as it says, with all that takes time", () => {
  const { resources } = readPlan("great", syntheticPlan(40));
  expect(resources).toHaveLength(40);
  const kinds = new Set(resources.map(({ change }) => change.actions.join()));
  expect([...kinds].sort()).toEqual(["create", "delete", "no-op", "update"]);
  expect(resources.every(({ change }) => change.beforeSensitive || change.afterSensitive)).toBe(true);
});
