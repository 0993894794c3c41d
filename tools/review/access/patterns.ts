/** Longer ones are no names of anything; they are compared as they stand, so that nobody can make this slow. */
const LONGEST = 2048;

/** One character, or what stands for others. */
type Token = string | typeof ANY | typeof ONE;
const ANY = Symbol("*");
const ONE = Symbol("?");

/**
 * A pattern of IAM's: `*` is any text, `?` any character, `${name}` a value that only the request knows, and
 * `${*}`, `${?}`, `${$}` these characters themselves (IAM user guide, "Policy variables").
 */
function tokens(pattern: string, variables: boolean): Token[] {
  const found: Token[] = [];
  for (let at = 0; at < pattern.length; at++) {
    const variable = variables && pattern.startsWith("${", at) ? pattern.indexOf("}", at) : -1;
    if (variable > 0) {
      const name = pattern.slice(at + 2, variable);
      // A variable with all its text is one token: it equals itself alone.
      found.push(/^[*?$]$/.test(name) ? name : `\${${name}}`);
      at = variable;
    } else if (pattern[at] === "*") {
      if (found.at(-1) !== ANY) found.push(ANY);
    } else {
      found.push(pattern[at] === "?" ? ONE : pattern[at]!);
    }
  }
  return found;
}

export interface PatternOptions {
  /** Whether `${…}` is a variable: in policies of the version 2012-10-17. @default false */
  readonly variables?: boolean;
}

/** Whether `general` matches all that `special` does. In doubt it says no. */
export function covers(
  general: string,
  special: string,
  { variables = false }: PatternOptions = {},
): boolean {
  if (general === "*" || general === special) return true;
  if (general.length > LONGEST || special.length > LONGEST) return false;
  if (!/[*?$]/.test(general)) return false;
  return follow(tokens(general, variables), tokens(special, variables), (g, s) =>
    g === ONE ? s !== ANY && !(typeof s === "string" && s.length > 1) : g === s,
  );
}

/** Whether a text can be matched by both. In doubt it says yes. */
export function overlap(a: string, b: string): boolean {
  if (a === "*" || b === "*" || a === b) return true;
  if (a.length > LONGEST || b.length > LONGEST || a.includes("${") || b.includes("${")) return true;
  const [left, right] = [tokens(a, false), tokens(b, false)];
  // How far of `right` can be matched by what of `left` was looked at.
  let reached = closure(new Set([0]), right);
  for (const token of left) {
    const next = new Set<number>();
    if (token === ANY && reached.size)
      for (let to = Math.min(...reached); to <= right.length; to++) next.add(to);
    for (const at of token === ANY ? [] : reached) {
      const other = right[at];
      if (other === ANY) next.add(at);
      else if (other !== undefined && (other === ONE || token === ONE || other === token)) next.add(at + 1);
    }
    reached = closure(next, right);
  }
  return reached.has(right.length);
}

const closure = (positions: Set<number>, pattern: readonly Token[]): Set<number> => {
  for (const at of positions) if (pattern[at] === ANY) positions.add(at + 1);
  return positions;
};

/** Matches tokens against tokens, where `general`'s `*` takes any of them. */
function follow(
  general: readonly Token[],
  special: readonly Token[],
  fits: (g: Token, s: Token) => boolean,
): boolean {
  let [g, s] = [0, 0];
  let [star, starAt] = [-1, 0];
  while (s < special.length) {
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
      return false;
    }
  }
  while (general[g] === ANY) g++;
  return g === general.length;
}
