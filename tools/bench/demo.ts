import { join } from "node:path";
import { type Benchmark, seconds } from "./measure";

/** The demo from nothing to nothing. Most of it is Terraform's, and more of it the machine's: it is only told. */
export const benchmark: Benchmark = {
  name: "demo",
  isSlow: true,

  async run({ root, runs, log }) {
    const samples: number[] = [];
    for (let run = 1; run <= runs; run++) {
      log(`run ${run} of ${runs}`);
      samples.push(
        await seconds(process.execPath, [join(root, "tools/demo.mjs"), "--destroy"], { cwd: root }),
      );
    }
    return [{ what: "npm run demo -- --destroy", unit: "s", samples }];
  },
};
