import { parseArgs } from "node:util";
import { UserError } from "../project";
import type { Benchmark } from "./measure";

/** What a user says about a run of the benchmarks. */
export interface Options {
  readonly benchmarks: readonly Benchmark[];
  /** Samples of each. */
  readonly runs: number;
  /** File that gets all samples. */
  readonly json: string;
  /** Whether a budget that is passed fails. */
  readonly isCheck: boolean;
}

const RUNS = 5;
/** Nobody waits for more; and a typing error shall not run for a day. */
const MOST_RUNS = 100;

/**
 * Reads the command line. By itself every benchmark runs that is not slow.
 *
 * @param known all benchmarks, in their order
 * @param json where the samples go where nobody says it
 * @throws UserError where it cannot be meant
 */
export function readOptions(args: readonly string[], known: readonly Benchmark[], json: string): Options {
  const slow = known.filter(({ isSlow }) => isSlow).map(({ name }) => name);
  const fail = (words: string): never => {
    throw new UserError(`${words}\n${usage(known, slow)}`);
  };
  const values = parse(args, slow, fail);
  const names = (values.only as string[] | undefined)?.flatMap((list) =>
    list.split(",").map((name) => name.trim()),
  );
  if (names && values.all) fail("--only names some of the benchmarks, and --all is all of them: give one.");
  for (const name of names ?? [])
    if (!known.some((one) => one.name === name)) fail(`There is no benchmark ${JSON.stringify(name)}.`);
  const runs = (values.runs as string | undefined) ?? String(RUNS);
  if (!/^\d{1,9}$/.test(runs) || Number(runs) < 1 || Number(runs) > MOST_RUNS)
    fail(`--runs is ${JSON.stringify(runs)}; it is a whole number from 1 to ${MOST_RUNS}.`);
  if (values.json === "") fail("--json names no file.");
  const asked = ({ name, isSlow = false }: Benchmark) =>
    Boolean(values.all) || values[name] === true || (names ? names.includes(name) : !isSlow);
  return {
    benchmarks: known.filter(asked),
    runs: Number(runs),
    json: (values.json as string | undefined) ?? json,
    isCheck: values.check === true,
  };
}

function parse(args: readonly string[], slow: readonly string[], fail: (words: string) => never) {
  const flag = { type: "boolean" } as const;
  try {
    return parseArgs({
      args: [...args],
      options: {
        ...Object.fromEntries(slow.map((name) => [name, flag])),
        only: { type: "string", multiple: true },
        runs: { type: "string" },
        json: { type: "string" },
        check: flag,
        all: flag,
      },
    }).values as Readonly<Record<string, string | boolean | readonly string[] | undefined>>;
  } catch (error) {
    return fail((error as Error).message);
  }
}

const usage = (known: readonly Benchmark[], slow: readonly string[]) =>
  `Usage: npm run bench -- [--only NAME[,NAME]] ${slow.map((name) => `[--${name}] `).join("")}[--all] [--runs N] [--json FILE] [--check]
NAME is one of ${known.map(({ name }) => name).join(", ")}.`;
