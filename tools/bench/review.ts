import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Benchmark, type Measurement, processFigures } from "./measure";
import { syntheticPlan } from "./plan";

/** How many changes a review must bear, in 2 s and 300 MB: somebody waits for it. */
const CHANGES = 10_000;
/** Twice as many shall take twice as long: the time a change, of the greatest against the second. */
const SIZES = [2_500, 5_000, CHANGES, 20_000] as const;
const [SMALL, LARGE] = [5_000, 20_000];

/** The review of great plans: its time, its memory, and how both grow. */
export const benchmark: Benchmark = {
  name: "review",
  lookAt: "docs/speed.md#the-review",

  async run({ root, runs, log }) {
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
    try {
      const file = (changes: number) => join(folder, `${changes}.json`);
      for (const changes of [0, ...SIZES]) writeFileSync(file(changes), syntheticPlan(changes));
      const review = (changes: number) =>
        processFigures(
          process.execPath,
          [join(root, "tools/run.mjs"), "tools/review/index.ts", file(changes)],
          { cwd: root },
        );
      await review(0);
      const seconds = new Map<number, number[]>();
      const perChange = new Map<number, number[]>();
      const megabytes: number[] = [];
      for (let run = 1; run <= runs; run++) {
        log(`run ${run} of ${runs}`);
        // Of the same time as the others, since it is taken off them.
        const start = await review(0);
        for (const changes of SIZES) {
          const figures = await review(changes);
          append(seconds, changes, figures.seconds);
          append(perChange, changes, ((figures.seconds - start.seconds) * 1000) / changes);
          if (changes === CHANGES) megabytes.push(figures.megabytes);
        }
      }
      return [
        ...SIZES.map((changes): Measurement => {
          const time = { what: named(changes), unit: "s", samples: seconds.get(changes)! } as const;
          return changes === CHANGES ? { ...time, budget: { value: 2 } } : time;
        }),
        { what: `${named(CHANGES)}, memory`, unit: "MB", samples: megabytes, budget: { value: 300 } },
        {
          what: `a change of ${LARGE.toLocaleString("en")}`,
          unit: "ms",
          samples: perChange.get(LARGE)!,
          baseline: { what: `one of ${SMALL.toLocaleString("en")}`, samples: perChange.get(SMALL)! },
          budget: { ratio: 1.3 },
        },
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const named = (changes: number) => `review of ${changes.toLocaleString("en")} changes`;

function append(lists: Map<number, number[]>, key: number, value: number): void {
  lists.set(key, [...(lists.get(key) ?? []), value]);
}
