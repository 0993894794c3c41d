/** Longer ones are no names of anything; they are compared as they stand, so that nobody can make this slow. */
const LONGEST = 256;

/** About a tenth of a second, and far more than the policies of a real plan need. */
const MOST_STEPS = 10_000_000;

/** What a token may be beside a UTF-16 unit: any text, any unit; a variable is a number below these. */
const ANY = -1;
const ONE = -2;

/**
 * What comparisons may cost together, and what they have read so far: each pattern is read once. With nothing left,
 * every answer is the one that tells too much, never the one that hides.
 */
export class Effort {
  private readonly read = new Map<string, Int32Array>();
  private readonly arns = new Map<string, readonly string[] | undefined>();
  private readonly variables = new Map<string, number>();

  constructor(private left = MOST_STEPS) {}

  /** Adds to what it may be. */
  allow(steps: number): void {
    this.left += steps;
  }

  /** Takes these steps, and says whether any is left. */
  spend(steps: number): boolean {
    this.left = Math.max(0, this.left - steps);
    return this.left > 0;
  }

  /** What a pattern consists of, as numbers. */
  tokens(pattern: string, variables: boolean): Int32Array {
    const key = variables && pattern.includes("${") ? `\${${pattern}` : pattern;
    let tokens = this.read.get(key);
    if (!tokens) {
      tokens = Int32Array.from(tokenize(pattern, variables, (name) => this.variable(name)));
      this.read.set(key, tokens);
      this.spend(pattern.length);
    }
    return tokens;
  }

  /** The six parts of an ARN, which may be patterns; undefined of what is none. */
  partsOfArn(arn: string): readonly string[] | undefined {
    if (!this.arns.has(arn)) {
      const [, start, resource] = /^((?:[^:]*:){5})(.+)$/s.exec(arn) ?? [];
      this.arns.set(arn, start === undefined ? undefined : [...start.split(":").slice(0, -1), resource!]);
    }
    return this.arns.get(arn);
  }

  private variable(name: string): number {
    const known = this.variables.get(name) ?? ONE - 1 - this.variables.size;
    this.variables.set(name, known);
    return known;
  }
}

/**
 * A pattern of IAM's: `*` is any text, `?` any character, `${name}` a value that only the request knows, and
 * `${*}`, `${?}`, `${$}` these characters themselves (IAM user guide, "Policy variables").
 */
function tokenize(pattern: string, variables: boolean, variable: (name: string) => number): number[] {
  const found: number[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const end = variables && pattern.startsWith("${", at) ? pattern.indexOf("}", at) : -1;
    if (end > 0) {
      const name = pattern.slice(at + 2, end);
      // A variable with all its text is one token: it equals itself alone.
      found.push(/^[*?$]$/.test(name) ? name.charCodeAt(0) : variable(name));
      at = end;
    } else if (pattern[at] === "*") {
      if (found.at(-1) !== ANY) found.push(ANY);
    } else {
      found.push(pattern[at] === "?" ? ONE : pattern.charCodeAt(at));
    }
  }
  return found;
}

export interface PatternOptions {
  /** Whether `${…}` is a variable: in policies of the version 2012-10-17. @default false */
  readonly variables?: boolean;
  /** @default as much as one comparison of its own may take */
  readonly effort?: Effort;
}

/** What of a pattern stands for itself, up to the first that may not. A pattern covers only what starts like that. */
export const literalStart = (pattern: string): string => /^[^*?$]*/.exec(pattern)![0];

/** Whether `general` matches all that `special` does. In doubt it says no. */
export function covers(
  general: string,
  special: string,
  { variables = false, effort = new Effort() }: PatternOptions = {},
): boolean {
  if (general === "*" || general === special) return true;
  if (general.length > LONGEST || special.length > LONGEST) return false;
  if (!/[*?$]/.test(general)) return false;
  return follow(effort.tokens(general, variables), effort.tokens(special, variables), effort);
}

/** Whether a text can be matched by both. In doubt it says yes. */
export function overlap(a: string, b: string, { effort = new Effort() }: PatternOptions = {}): boolean {
  if (a === "*" || b === "*" || a === b) return true;
  if (a.length > LONGEST || b.length > LONGEST || a.includes("${") || b.includes("${")) return true;
  const [left, right] = [effort.tokens(a, false), effort.tokens(b, false)];
  if (!effort.spend(left.length * right.length)) return true;
  // Which starts of `right` can be matched by what of `left` was looked at, and by a token more.
  let [reached, next] = [new Uint8Array(right.length + 1), new Uint8Array(right.length + 1)];
  reached[0] = 1;
  for (let at = 0; right[at] === ANY; at++) reached[at + 1] = 1;
  for (const token of left) {
    let before = token === ANY ? reached[0]! : 0;
    next[0] = before;
    for (let at = 1; at <= right.length; at++) {
      const other = right[at - 1]!;
      // A `*` takes any number of the other's tokens, none among them.
      if (token === ANY || other === ANY) before |= reached[at]!;
      else before = other === token || other === ONE || token === ONE ? reached[at - 1]! : 0;
      next[at] = before;
    }
    [reached, next] = [next, reached];
  }
  return reached[right.length] === 1;
}

/** Matches tokens against tokens, where `general`'s `*` takes any of them. */
function follow(general: Int32Array, special: Int32Array, effort: Effort): boolean {
  let [g, s, steps] = [0, 0, 0];
  let [star, starAt] = [-1, 0];
  const fits = (one: number, other: number) => (one === ONE ? other >= 0 || other === ONE : one === other);
  while (s < special.length) {
    steps++;
    if (g < general.length && general[g] === ANY) {
      star = g++;
      starAt = s;
    } else if (g < general.length && fits(general[g]!, special[s]!)) {
      g++;
      s++;
    } else if (star >= 0) {
      g = star + 1;
      s = ++starAt;
    } else {
      break;
    }
  }
  if (!effort.spend(steps) || s < special.length) return false;
  while (general[g] === ANY) g++;
  return g === general.length;
}
