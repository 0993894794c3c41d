import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Benchmark, type Measurement, processFigures } from "./measure";
import { scaledSettings } from "./scale-settings";

/** Environments, each with a pipeline of its own: about 300, 1,200, 5,000 and 20,000 resources. */
const SIZES = [1, 6, 28, 116] as const;
/** A synth of so many environments is its start. */
const START = SIZES[0];
const [SMALL, LARGE] = [SIZES[2], SIZES[3]];

interface Synth {
  readonly seconds: number;
  readonly megabytes: number;
  readonly resources: number;
}

/** The synth of ever more of our own stacks: what each further resource takes, and whether that grows. */
export const benchmark: Benchmark = {
  name: "scale",
  lookAt: "docs/speed.md#the-synth",

  async run({ root, runs: wanted, log }) {
    // The greatest takes as long as all other benchmarks' runs.
    const runs = Math.min(wanted, 3);
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
    const synthesize = async (environments: number): Promise<Synth> => {
      writeFileSync(join(folder, "terraform.tfvars"), scaledSettings(environments));
      rmSync(join(folder, "cdktf.out"), { recursive: true, force: true });
      const args = [join(root, "tools/run.mjs"), "main.ts"];
      const figures = await processFigures(process.execPath, args, { cwd: folder });
      return { ...figures, resources: resourcesIn(join(folder, "cdktf.out/stacks")) };
    };
    try {
      const synths = new Map<number, Synth[]>(SIZES.map((size) => [size, []]));
      // The settings' cache, and the bundle.
      for (const size of SIZES) await synthesize(size);
      for (let run = 1; run <= runs; run++) {
        log(`run ${run} of ${runs}`);
        for (const size of SIZES) synths.get(size)!.push(await synthesize(size));
      }
      const each = (size: number, figure: (synth: Synth, run: number) => number) =>
        synths.get(size)!.map(figure);
      const named = (size: number) =>
        `synth of ${synths.get(size)![0]!.resources.toLocaleString("en")} resources`;
      const perResource = (size: number) =>
        each(size, ({ seconds, resources }, run) => {
          const start = synths.get(START)![run]!;
          return ((seconds - start.seconds) * 1000) / (resources - start.resources);
        });
      const growth = each(LARGE, ({ megabytes, resources }, run) => {
        const small = synths.get(SMALL)![run]!;
        return ((megabytes - small.megabytes) * 1024) / (resources - small.resources);
      });
      return [
        ...SIZES.flatMap((size): Measurement[] => [
          { what: named(size), unit: "s", samples: each(size, ({ seconds }) => seconds) },
          { what: `${named(size)}, memory`, unit: "MB", samples: each(size, ({ megabytes }) => megabytes) },
        ]),
        {
          what: "each resource beyond the start",
          unit: "ms",
          samples: perResource(LARGE),
          budget: { value: 0.5 },
        },
        {
          what: `a resource, of ${named(LARGE)}`,
          unit: "ms",
          samples: perResource(LARGE),
          baseline: { what: `one, of ${named(SMALL)}`, samples: perResource(SMALL) },
          // Of what is quadratic it would be four; each stack holds all settings, by which it grows a little.
          budget: { ratio: 1.5 },
        },
        // From there on V8 keeps no more garbage than it must.
        { what: `each resource beyond ${named(SMALL)}`, unit: "KB", samples: growth, budget: { value: 7 } },
      ];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

/** Resources and data sources of all stacks. */
function resourcesIn(stacks: string): number {
  let count = 0;
  for (const stack of readdirSync(stacks)) {
    const { resource = {}, data = {} } = JSON.parse(readFileSync(join(stacks, stack, "cdk.tf.json"), "utf8"));
    for (const byName of [...Object.values(resource), ...Object.values(data)])
      count += Object.keys(byName as object).length;
  }
  return count;
}
