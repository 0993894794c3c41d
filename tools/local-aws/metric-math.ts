// The part of CloudWatch's metric math that alarms use: numbers, ids of other queries, + - * / and brackets, FILL(m, n),
// IF(a > b, m, n), and MAX, MIN, SUM and AVG of [a, b].

/** One value for one period; nothing where nothing was measured. */
export type Value = number | undefined;

const TOKEN = /\s*(?:(\d+(?:\.\d+)?(?:e[+-]?\d+)?)|([A-Za-z_]\w*)|([<>]=?|[!=]=|[-+*/()[\],]))/iy;

const OF_LIST: Readonly<Record<string, (values: readonly number[]) => number>> = {
  MAX: (values) => Math.max(...values),
  MIN: (values) => Math.min(...values),
  SUM: (values) => values.reduce((sum, value) => sum + value, 0),
  AVG: (values) => values.reduce((sum, value) => sum + value, 0) / values.length,
};

const COMPARE: Readonly<Record<string, (a: number, b: number) => boolean>> = {
  ">": (a, b) => a > b,
  "<": (a, b) => a < b,
  ">=": (a, b) => a >= b,
  "<=": (a, b) => a <= b,
  "==": (a, b) => a === b,
  "!=": (a, b) => a !== b,
};

/**
 * Works an expression out for one period.
 *
 * @param find the value of another query, by its id
 * @throws Error where it is more than this knows
 */
export function calculate(expression: string, find: (id: string) => Value): Value {
  return new Calculation(expression, find).result();
}

class Calculation {
  private readonly tokens: readonly string[];
  private at = 0;

  constructor(
    private readonly expression: string,
    private readonly find: (id: string) => Value,
  ) {
    this.tokens = [...this.split()];
  }

  result(): Value {
    const value = this.sum();
    if (this.at < this.tokens.length) throw this.unknown();
    return value;
  }

  private *split(): Generator<string> {
    const { expression } = this;
    const text = expression.trimEnd();
    TOKEN.lastIndex = 0;
    for (let from = 0; from < text.length; from = TOKEN.lastIndex) {
      TOKEN.lastIndex = from;
      const [, number, word, sign] = TOKEN.exec(text) ?? [];
      const token = number ?? word ?? sign;
      if (!token) throw this.unknown();
      yield token;
    }
  }

  private sum(): Value {
    let value = this.product();
    for (let sign = this.take("+", "-"); sign; sign = this.take("+", "-")) {
      const right = this.product();
      value = both(value, right, (a, b) => (sign === "+" ? a + b : a - b));
    }
    return value;
  }

  private product(): Value {
    let value = this.factor();
    for (let sign = this.take("*", "/"); sign; sign = this.take("*", "/")) {
      const right = this.factor();
      value = both(value, right, (a, b) => (sign === "*" ? a * b : b === 0 ? undefined : a / b));
    }
    return value;
  }

  private factor(): Value {
    if (this.take("-")) return both(0, this.factor(), (a, b) => a - b);
    if (this.take("(")) {
      const value = this.sum();
      this.expect(")");
      return value;
    }
    const token = this.tokens[this.at++];
    if (token === undefined || /^[^\w]/.test(token)) throw this.unknown();
    if (/^\d/.test(token)) return Number(token);
    if (!this.take("(")) return this.find(token);
    const value = this.call(token.toUpperCase());
    this.expect(")");
    return value;
  }

  private call(name: string): Value {
    if (name === "FILL") {
      const value = this.sum();
      this.expect(",");
      // Read in any case, so that what follows it is.
      const instead = this.sum();
      return value ?? instead;
    }
    if (name === "IF") {
      const condition = this.comparison();
      this.expect(",");
      const then = this.sum();
      this.expect(",");
      const otherwise = this.sum();
      return condition === undefined ? undefined : condition ? then : otherwise;
    }
    const combine = OF_LIST[name];
    if (!combine) throw this.unknown();
    const list: Value[] = [];
    this.expect("[");
    do list.push(this.sum());
    while (this.take(","));
    this.expect("]");
    const there = list.filter((value) => value !== undefined);
    return there.length ? combine(there) : undefined;
  }

  /** Not 0 where it holds. */
  private comparison(): Value {
    const left = this.sum();
    const sign = this.take(...Object.keys(COMPARE));
    if (!sign) return left;
    const holds = COMPARE[sign]!;
    return both(left, this.sum(), (a, b) => (holds(a, b) ? 1 : 0));
  }

  private take(...signs: readonly string[]): string | undefined {
    const token = this.tokens[this.at];
    if (token === undefined || !signs.includes(token)) return undefined;
    this.at++;
    return token;
  }

  private expect(sign: string): void {
    if (!this.take(sign)) throw this.unknown();
  }

  private unknown(): Error {
    return new Error(`Local AWS does not know the metric math '${this.expression}'`);
  }
}

function both(a: Value, b: Value, combine: (a: number, b: number) => Value): Value {
  return a === undefined || b === undefined ? undefined : combine(a, b);
}
