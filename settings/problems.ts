/** The keys and list positions that lead to a value. */
export type Path = readonly (string | number)[];

/** Where in the file something stands; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column?: number;
}

/** One thing that is wrong with a settings file. */
export interface SettingsProblem {
  /** `environments.prod.approval`; empty where the file as a whole is meant. */
  readonly key: string;
  /** What the file gives there, as people would write it; absent where it gives nothing or must not be shown. */
  readonly given?: string;
  /** What is wrong, as a sentence. */
  readonly what: string;
  /** The values that are allowed. */
  readonly allowed?: string;
  /** What to do about it, as a sentence. */
  readonly mend: string;
  /** The place of the value, or of what it is missing from. */
  readonly place?: Place;
}

/** The settings cannot be used. The message is the whole text for people: no stack trace is needed. */
export class SettingsError extends Error {
  override readonly name = "SettingsError";

  constructor(
    readonly file: string,
    readonly problems: readonly SettingsProblem[],
  ) {
    super(report(file, problems));
  }
}

function report(file: string, problems: readonly SettingsProblem[]): string {
  const blocks = problems.map(({ key, what, allowed, mend, place }) => {
    const at = place && `line ${place.line}${place.column ? `, column ${place.column}` : ""}`;
    const where = key && at ? `${key} (${at}): ` : key || at ? `${key || at}: ` : "";
    return [
      `  ${where}${what}`,
      ...(allowed ? [`    Allowed: ${allowed}.`] : []),
      `    Mend: ${mend.replaceAll("\n", "\n      ")}`,
    ].join("\n");
  });
  const count = problems.length === 1 ? "a problem" : `${problems.length} problems`;
  return `${file} has ${count}:\n\n${blocks.join("\n\n")}\n`;
}

/** Collects problems, one a cause: what follows from a problem that is known already is left out. */
export class Problems {
  private readonly found: SettingsProblem[] = [];
  private readonly known: Path[] = [];

  constructor(private readonly placeOf: (path: Path) => Place | undefined) {}

  /**
   * @param about - The values that the problem is drawn from, if not only the one at `path`; when one of them
   * is known to be wrong, the problem is left out.
   */
  add(path: Path, problem: Omit<SettingsProblem, "key" | "place">, about: readonly Path[] = []): void {
    if ([path, ...about].some((value) => this.knows(value))) return;
    this.known.push(path);
    this.found.push({ key: printPath(path), ...problem, place: this.placeOf(path) });
  }

  /** Adds what is wrong with a line that holds no value. */
  addAtLine(line: number, problem: Omit<SettingsProblem, "key" | "place">): void {
    this.found.push({ key: "", ...problem, place: { line } });
  }

  /** Says that whatever is wrong at `path` is told by another problem. */
  cover(path: Path): void {
    this.known.push(path);
  }

  /** All problems in the order of the file; what has no place comes first. */
  list(): SettingsProblem[] {
    return [...this.found].sort((a, b) => (a.place?.line ?? 0) - (b.place?.line ?? 0));
  }

  /** Whether the value at `path`, or one around it, is known to be wrong. */
  private knows(path: Path): boolean {
    return this.known.some(
      (known) => known.length <= path.length && known.every((step, i) => step === path[i]),
    );
  }
}

/** `environments.prod`, `previews["feature/*"]`, `pipelines.main.deploy[0][1]`. */
export function printPath(path: Path): string {
  return path
    .map((step, i) => {
      if (typeof step === "number") return `[${step}]`;
      if (!/^[\w-]{1,60}$/.test(step)) return `[${print(step)}]`;
      return i === 0 ? step : `.${step}`;
    })
    .join("");
}

/** A value as people would write it, or its kind where that is long. */
export function print(value: unknown): string {
  if (value === undefined || value === null) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a map";
  if (typeof value !== "string") return String(value);
  return JSON.stringify(value.length > 60 ? `${value.slice(0, 57)}…` : value);
}

/** `"a", "b"`. */
export const printAll = (values: readonly unknown[]): string => values.map(print).join(", ");

/** The one of `candidates` that was probably meant, or undefined. */
export function nearest(given: unknown, candidates: readonly string[]): string | undefined {
  if (typeof given !== "string" || given.length > 60) return undefined;
  const plain = (text: string) => text.toLowerCase().replace(/[^a-z0-9]/g, "");
  const ranked = candidates
    .map((candidate) => ({ candidate, distance: editDistance(plain(given), plain(candidate)) }))
    .filter(({ candidate, distance }) => distance <= Math.max(1, Math.floor(candidate.length / 3)))
    .sort((a, b) => a.distance - b.distance);
  return ranked[0]?.candidate;
}

/** How many characters must be put in, taken out, replaced or swapped to make one text of the other. */
function editDistance(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= from.length; i++) {
    const row = [i];
    for (let j = 1; j <= to.length; j++) {
      const replace = rows[i - 1]![j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      const swapped = i > 1 && j > 1 && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      const swap = swapped ? rows[i - 2]![j - 2]! + 1 : replace;
      row.push(Math.min(replace, swap, rows[i - 1]![j]! + 1, row[j - 1]! + 1));
    }
    rows.push(row);
  }
  return rows[from.length]![to.length]!;
}
