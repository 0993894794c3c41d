import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UserError } from "../project";
import { budgetOf } from "./function-budgets";
import { type Benchmark, inTurn, type Measurement, seconds } from "./measure";

/** The functions as they are deployed: how large they are, and what they do before they can begin. */
export const benchmark: Benchmark = {
  name: "functions",
  lookAt: "docs/speed.md#functions",

  async run({ root, runs, log }) {
    log("bundles the functions");
    const bundle = `import { bundleFunctions } from "./tools/functions.mjs"; await bundleFunctions();`;
    await seconds(process.execPath, ["--input-type=module", "-e", bundle], { cwd: root });
    const folder = mkdtempSync(join(tmpdir(), "slipway-bench-"));
    try {
      const empty = join(folder, "index.js");
      writeFileSync(empty, "exports.handler = async () => {};\n");
      const measurements: Measurement[] = [];
      const functions = readdirSync(join(root, "lambdas"), { withFileTypes: true });
      for (const { name } of functions.filter((entry) => entry.isDirectory())) {
        log(`loads ${name}`);
        const archive = join(root, ".slipway/build/functions", `${name}.zip`);
        const code = join(root, ".slipway/build/functions", name, "index.js");
        const { kilobytes, ratio, reason } = budgetOf(name);
        const { a, b } = await inTurn(
          runs,
          () => loading(code),
          () => loading(empty),
        );
        measurements.push(
          { what: `bundle of ${name}`, ...sizeOf(code), budget: { value: kilobytes }, reason },
          { what: `archive of ${name}`, ...sizeOf(archive) },
          {
            what: `start of ${name}`,
            unit: "ms",
            samples: a,
            baseline: { what: "an empty function", samples: b },
            budget: { ratio },
            reason,
          },
        );
      }
      return measurements;
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

const sizeOf = (file: string) => ({ unit: "KB", samples: [statSync(file).size / 1024] }) as const;

const TELL = `const { user, system } = process.cpuUsage(); process.stdout.write(String((user + system) / 1000));`;

/**
 * Milliseconds of processor time of a new process until a function's handler is there. Not those of a clock, which say as
 * much of what else the machine does.
 *
 * @throws UserError where the function cannot be loaded
 */
function loading(file: string): number {
  // What Lambda sets that a function's code reads as it is loaded, and what modules/function.ts sets.
  const env = {
    AWS_REGION: "eu-central-1",
    AWS_LAMBDA_FUNCTION_NAME: "bench",
    AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED: "true",
    NODE_OPTIONS: "--enable-source-maps",
  };
  const load = `if (typeof require(process.argv[1]).handler !== "function") throw new Error("It has no handler"); ${TELL}`;
  try {
    return Number(
      execFileSync(process.execPath, ["-e", load, file], { env, encoding: "utf8", stdio: "pipe" }),
    );
  } catch (error) {
    const { stderr = "" } = error as { readonly stderr?: string };
    throw new UserError(`${file} cannot be loaded as a function:\n${stderr.trim()}`);
  }
}
