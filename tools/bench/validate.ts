import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../project";
import { terraform, terraformEnvironment } from "../toolchain";
import { validateStacks } from "../validate/stacks";
import { synthesize } from "../validate/synthesize";
import { type Benchmark, inTurn, seconds } from "./measure";

/** What `npm run validate` asks Terraform about all stacks of the example, against asking about one after the other. */
export const benchmark: Benchmark = {
  name: "validate",
  // Half a minute a sample, most of it the baseline's.
  isSlow: true,

  async run({ root, runs, log }) {
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
    try {
      const stacks = await synthesize(join(root, "terraform.tfvars.example"), folder);
      const { path } = await terraform();
      const env = await terraformEnvironment();
      const all = async () => {
        log("all at once");
        const started = performance.now();
        const invalid = (await validateStacks(stacks)).filter(({ isValid }) => !isValid);
        const took = (performance.now() - started) / 1000;
        if (invalid.length)
          throw new UserError(
            `Not valid: ${invalid.map(({ stack }) => stack).join(", ")}. Run npm run validate.`,
          );
        return took;
      };
      const oneByOne = async () => {
        log("one by one");
        let took = 0;
        for (const cwd of stacks) {
          for (const args of [["init", "-backend=false", "-input=false"], ["validate"]])
            took += await seconds(path, args, { cwd, env });
          // As each is synthesized anew.
          for (const left of [".terraform", ".terraform.lock.hcl"])
            rmSync(join(cwd, left), { recursive: true, force: true });
        }
        return took;
      };
      const { a, b } = await inTurn(runs, all, oneByOne);
      return [
        {
          what: `validation of ${stacks.length} stacks`,
          unit: "s",
          samples: a,
          baseline: { what: "init and validate, one by one", samples: b },
          budget: { ratio: 0.2 },
        },
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
