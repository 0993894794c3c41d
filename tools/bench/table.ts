import type { Measurement } from "./measure";

/** What a measurement comes to. */
export interface Verdict {
  readonly median: number;
  /** Median of the ratios of each sample to its own of the baseline; undefined where there is none. */
  readonly ratio?: number;
  /** By how much of the budget it is over it: 0.1 is a tenth. Undefined where it is within, or where there is none. */
  readonly overBy?: number;
}

/** What is measured, and by which benchmark. */
export interface Result extends Measurement {
  readonly benchmark: string;
}

export function median(samples: readonly number[]): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)];
  if (upper === undefined) throw new Error("No samples have no median.");
  return Number.isInteger(middle) ? (sorted[middle - 1]! + upper) / 2 : upper;
}

/** @throws Error where the benchmark measured nothing, or its pairs are none */
export function judge(measurement: Measurement): Verdict {
  const { what, samples, baseline, budget } = measurement;
  if (samples.length === 0 || ![...samples, ...(baseline?.samples ?? [])].every(Number.isFinite))
    throw new Error(`${what}: a sample is no figure: ${samples.join(", ") || "there is none"}.`);
  if (baseline && baseline.samples.length !== samples.length)
    throw new Error(`${what}: ${samples.length} samples and ${baseline.samples.length} of its baseline.`);
  if (budget && "ratio" in budget && !baseline)
    throw new Error(`${what}: its budget is a ratio, and it is compared with nothing.`);
  const ratio = baseline && median(samples.map((sample, index) => sample / baseline.samples[index]!));
  const verdict = { median: median(samples), ...(ratio !== undefined && { ratio }) };
  if (!budget) return verdict;
  const [value, most] = "ratio" in budget ? [ratio!, budget.ratio] : [verdict.median, budget.value];
  // A ratio to nothing is none, and over every budget.
  return value <= most ? verdict : { ...verdict, overBy: value / most - 1 };
}

const HEADINGS = ["what", "min", "median", "max", "unit", "ratio", "budget", "verdict"] as const;

/** All results as one table: below what is compared, its baseline, and why a budget of its own. */
export function table(results: readonly Result[]): string {
  const rows = results.flatMap((result): (readonly string[] | string)[] => {
    const { what, samples, unit, baseline, reason } = result;
    const verdict = judge(result);
    return [
      [
        what,
        ...spread(samples),
        unit,
        verdict.ratio === undefined ? "" : `${figure(verdict.ratio)} ×`,
        budgetOf(result),
        verdictOf(result, verdict),
      ],
      ...(baseline ? [[`  to ${baseline.what}`, ...spread(baseline.samples), unit, "", "", ""]] : []),
      ...(reason ? [`  (${reason})`] : []),
    ];
  });
  const lines = [HEADINGS, ...rows];
  const widths = HEADINGS.map((_, column) =>
    Math.max(...lines.map((line) => (typeof line === "string" ? 0 : line[column]!.length))),
  );
  return lines
    .map((line) => {
      if (typeof line === "string") return line;
      const cells = line.map((cell, column) =>
        isFigure(column) ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      );
      return cells.join("  ").trimEnd();
    })
    .join("\n");
}

/** What is over its budget, in a sentence each: by how much, and what to look at. */
export function failures(results: readonly Result[], lookAt: (benchmark: string) => string): string[] {
  return results.flatMap((result) => {
    const { overBy, ratio, median: middle } = judge(result);
    if (overBy === undefined) return [];
    const { what, unit, baseline, budget, benchmark } = result;
    const is =
      budget && "ratio" in budget
        ? `${figure(ratio!)} times ${baseline!.what}, and may be ${limit(budget.ratio)}`
        : `${figure(middle)} ${unit}, and may be ${budgetOf(result).slice(2)}`;
    return [`${what} is ${is}: ${percent(overBy)} over. Look at ${lookAt(benchmark)}.`];
  });
}

/** Where the figures come from: only ratios mean something elsewhere. */
export interface Machine {
  /** ISO 8601. */
  readonly date: string;
  readonly node: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
}

/** All that was measured, with every sample, as JSON: what a later run is compared with. */
export function toJson(
  machine: Machine,
  results: readonly Result[],
  failed: readonly { readonly benchmark: string; readonly why: string }[],
): string {
  const measurements = results.map((result) => ({ ...result, ...judge(result) }));
  return `${JSON.stringify({ version: 1, ...machine, measurements, failed }, null, 2)}\n`;
}

const isFigure = (column: number) => ["min", "median", "max", "ratio"].includes(HEADINGS[column]!);

const spread = (samples: readonly number[]) =>
  [Math.min(...samples), median(samples), Math.max(...samples)].map(figure);

/** Three digits that mean something, and all of those before the point. */
function figure(value: number): string {
  if (value === 0 || !Number.isFinite(value)) return String(value);
  const decimals = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en", { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** As it was written: 0.2 is no 0.200. */
const limit = (value: number) => value.toLocaleString("en", { maximumFractionDigits: 6 });

const budgetOf = ({ budget, unit }: Measurement) =>
  budget ? ("ratio" in budget ? `≤ ${limit(budget.ratio)} ×` : `≤ ${limit(budget.value)} ${unit}`) : "";

const percent = (part: number) => {
  const rounded = Math.round(part * 100);
  return rounded === 0 ? "less than 1 %" : `${limit(rounded)} %`;
};

const verdictOf = ({ budget }: Measurement, { overBy }: Verdict) =>
  budget ? (overBy === undefined ? "ok" : `over by ${percent(overBy)}`) : "";
