import { join } from "node:path";
import { type Benchmark, seconds } from "./measure";

/** The quick loop's tests, all of them: somebody waits for them before each push. */
export const benchmark: Benchmark = {
  name: "tests",
  lookAt: "docs/speed.md#the-tests",

  async run({ root, runs, log }) {
    const all = () =>
      seconds(process.execPath, [join(root, "node_modules/jest/bin/jest.js"), "--selectProjects", "unit"], {
        cwd: root,
      });
    log("warming up");
    await all();
    const samples: number[] = [];
    for (let run = 1; run <= runs; run++) {
      log(`run ${run} of ${runs}`);
      samples.push(await all());
    }
    return [{ what: "npm run test:unit", unit: "s", samples, budget: { value: 10 } }];
  },
};
