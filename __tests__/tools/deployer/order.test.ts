import { setImmediate } from "node:timers/promises";
import fc from "fast-check";
import { inOrder, type Ordered, type Outcome, waves } from "../../../tools/deployer/order";
import { tries } from "../../support/effort";

const item = (name: string, ...dependencies: string[]): Ordered => ({ name, dependencies });

/** Items of which each stands on some of those before it, listed in any order, and whether the work for each succeeds. */
const graphs = fc
  .array(
    fc.record({
      dependsOn: fc.array(fc.nat({ max: 11 }), { maxLength: 4 }),
      succeeds: fc.boolean(),
      turns: fc.nat({ max: 3 }),
    }),
    {
      maxLength: 12,
    },
  )
  .map((nodes) =>
    nodes.map(({ dependsOn, ...rest }, index) => ({
      name: `stack-${index}`,
      dependencies: index === 0 ? [] : [...new Set(dependsOn.map((other) => `stack-${other % index}`))],
      ...rest,
    })),
  )
  .chain((nodes) => fc.shuffledSubarray(nodes, { minLength: nodes.length }));

describe("inOrder", () => {
  test("begins nothing before all that it stands on has succeeded, never more than allowed, and leaves out just what stands on a failure", async () => {
    await fc.assert(
      fc.asyncProperty(graphs, fc.integer({ min: 1, max: 4 }), async (items, most) => {
        const succeeded = new Set<string>();
        const begun: string[] = [];
        let running = 0;
        const outcomes = await inOrder(items, most, async ({ name, dependencies, succeeds, turns }) => {
          begun.push(name);
          expect(dependencies.filter((one) => !succeeded.has(one))).toEqual([]);
          expect(++running).toBeLessThanOrEqual(most);
          for (let turn = 0; turn < turns; turn++) await setImmediate();
          running--;
          if (succeeds) succeeded.add(name);
          return succeeds;
        });
        const expected = new Map<string, Outcome>();
        const find = ({ name, dependencies, succeeds }: (typeof items)[number]): Outcome => {
          const below = dependencies.map((one) => find(items.find((other) => other.name === one)!));
          const own = succeeds ? "succeeded" : "failed";
          const outcome = below.every((one) => one === "succeeded") ? own : "left out";
          expected.set(name, outcome);
          return outcome;
        };
        items.forEach(find);
        expect(Object.fromEntries(outcomes)).toEqual(Object.fromEntries(expected));
        expect(begun.sort()).toEqual(
          [...expected].flatMap(([name, one]) => (one === "left out" ? [] : name)).sort(),
        );
      }),
      { numRuns: tries(60) },
    );
  });

  test("works side by side on what stands on nothing that is not done", async () => {
    const steps: string[] = [];
    await inOrder(
      [item("above", "slow"), item("slow"), item("other"), item("above-other", "other")],
      9,
      async ({ name }) => {
        steps.push(`${name} begins`);
        for (let turn = 0; turn < (name === "slow" ? 20 : 1); turn++) await setImmediate();
        steps.push(`${name} ends`);
        return true;
      },
    );
    expect(steps.indexOf("above-other ends")).toBeLessThan(steps.indexOf("slow ends"));
  });

  test("fails with what is thrown once those that have begun are done, and begins no other", async () => {
    const done: string[] = [];
    const working = inOrder([item("throws"), item("slow"), item("later", "slow")], 2, async ({ name }) => {
      if (name === "throws") throw new Error("no Terraform");
      for (let turn = 0; turn < 5; turn++) await setImmediate();
      done.push(name);
      return true;
    });
    await expect(working).rejects.toThrow("no Terraform");
    expect(done).toEqual(["slow"]);
  });

  test("ends at once where there is nothing to do", async () => {
    expect(await inOrder([], 3, () => Promise.reject(new Error("never")))).toEqual(new Map());
  });
});

describe("waves", () => {
  test("puts each right after the last of what it stands on", () => {
    fc.assert(
      fc.property(graphs, (items) => {
        const waveOf = new Map(
          waves(items).flatMap((wave, index) => wave.map(({ name }) => [name, index] as const)),
        );
        expect(waveOf.size).toBe(items.length);
        for (const { name, dependencies } of items)
          expect(waveOf.get(name)).toBe(Math.max(-1, ...dependencies.map((one) => waveOf.get(one)!)) + 1);
      }),
      { numRuns: tries(100) },
    );
  });

  test("fails where some stand on each other, and names them", () => {
    expect(() => waves([item("a"), item("b", "c"), item("c", "b")])).toThrow("In a circle: b, c");
  });
});
