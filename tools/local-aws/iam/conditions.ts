import type { Condition } from "../../review/access/policy";

/** What a request tells of itself. Keys are in lower case. */
export interface Context {
  /** A key that is not there is absent from the request, as AWS documents it for the action. */
  readonly values: ReadonlyMap<string, readonly string[]>;
  /** Keys that the request may have, and Local AWS cannot tell: nothing is guessed of them. */
  readonly unknown?: RegExp;
}

export interface ConditionOptions {
  readonly effect: "Allow" | "Deny";
  /** Whether `${…}` is a variable: in policies of the version 2012-10-17. */
  readonly variables: boolean;
  /** Gets a word on what was not looked at. @default - nobody */
  readonly tell?: (word: string) => void;
}

/** Keys whose value, or absence, Local AWS knows of every request. */
const KNOWN_KEYS = new RegExp(
  `^(${[
    "aws:(currenttime|epochtime|principalaccount|principalarn|principalisawsservice|principaltype|requestedregion)",
    "aws:(principaltag|requesttag|resourcetag)/.*",
    "aws:(resourceaccount|securetransport|sourceaccount|sourcearn|sourceowner|tagkeys|viaawsservice)",
    "iam:(awsservicename|passedtoservice|permissionsboundary|policyarn|resourcetag/.*)",
    "kms:(calleraccount|encryptioncontext:.*|encryptioncontextkeys|macalgorithm|viaservice)",
    "lambda:(functionarn|sourcefunctionarn)",
    "route53:changeresourcerecordsets(actions|normalizedrecordnames|recordtypes)",
    "s3:(delimiter|if-match|if-none-match|prefix|resourceaccount)",
    "s3:(x-amz-acl|x-amz-copy-source|x-amz-server-side-encryption)",
    "s3:x-amz-server-side-encryption-aws-kms-key-id",
    "sts:(externalid|rolesessionname)",
  ].join("|")})$`,
);

type Test = (pattern: string, value: string, context?: Context) => boolean;

const numbers =
  (read: (text: string) => number, holds: (value: number, limit: number) => boolean): Test =>
  (limit, value) => {
    const [a, b] = [read(value), read(limit)];
    return !Number.isNaN(a) && !Number.isNaN(b) && holds(a, b);
  };

/** The parts of an ARN are matched each by itself: a `*` does not reach into the next. */
const arnLike: Test = (pattern, value, context) => {
  const split = (arn: string) => /^([^:]*):([^:]*):([^:]*):([^:]*):([^:]*):(.+)$/s.exec(arn)?.slice(1);
  const [wanted, given] = [split(pattern), split(value)];
  return !!wanted && !!given && wanted.every((part, index) => glob(part, given[index]!, context));
};

/** A date, or seconds since 1970. */
const readDate = (text: string) => (/^\d+$/.test(text) ? Number(text) * 1000 : Date.parse(text));
const readNumber = (text: string) => (text.trim() ? Number(text) : Number.NaN);

/** Operators by their name in small letters, without a negation, a set and "IfExists". */
const TESTS: ReadonlyMap<string, Test> = new Map<string, Test>([
  ["stringequals", (wanted, value, context) => glob(wanted, value, context, false)],
  [
    "stringequalsignorecase",
    (wanted, value, context) => glob(wanted.toLowerCase(), value.toLowerCase(), context, false),
  ],
  ["stringlike", (wanted, value, context) => glob(wanted, value, context)],
  ["binaryequals", (wanted, value) => wanted === value],
  ["bool", (wanted, value) => wanted.toLowerCase() === value.toLowerCase()],
  ["arnequals", arnLike],
  ["arnlike", arnLike],
  ...(
    [
      ["numeric", readNumber],
      ["date", readDate],
    ] as const
  ).flatMap(([kind, read]): [string, Test][] => [
    [`${kind}equals`, numbers(read, (value, limit) => value === limit)],
    [`${kind}lessthan`, numbers(read, (value, limit) => value < limit)],
    [`${kind}lessthanequals`, numbers(read, (value, limit) => value <= limit)],
    [`${kind}greaterthan`, numbers(read, (value, limit) => value > limit)],
    [`${kind}greaterthanequals`, numbers(read, (value, limit) => value >= limit)],
  ]),
]);

/**
 * Whether a request meets a condition, as the IAM user guide says under "Condition operators" and "Multivalued context
 * keys". What cannot be told allows nothing, and denies.
 */
export function meets(condition: Condition, context: Context, options: ConditionOptions): boolean {
  const { effect, variables, tell } = options;
  const { operator, key, values: wanted } = condition;
  const { set, negated, base, ifExists } = readOperator(operator);
  if (base === "ipaddress") {
    tell?.(`${condition.text}: addresses are not looked at`);
    return effect === "Allow";
  }
  const test = TESTS.get(base);
  if ((!test && base !== "null") || !KNOWN_KEYS.test(key) || context.unknown?.test(key)) {
    const taken = effect === "Deny" ? "denies" : "allows nothing";
    tell?.(`${condition.text}: Local AWS cannot tell, so the statement ${taken}`);
    return effect === "Deny";
  }
  const given = context.values.get(key);
  if (!test) return wanted.some((value) => (value.toLowerCase() === "true") === (given === undefined));
  if (!given?.length) return ifExists || set === "forallvalues:" || (negated && set === "");
  const isWanted = (value: string) =>
    wanted.some((pattern) => test(pattern, value, variables ? context : undefined));
  if (set === "forallvalues:") return given.every((value) => isWanted(value) !== negated);
  if (set === "foranyvalue:") return given.some((value) => isWanted(value) !== negated);
  return given.some(isWanted) !== negated;
}

function readOperator(written: string) {
  const [, set = "", operator = "", ifExists] = /^(forallvalues:|foranyvalue:)?(.*?)(ifexists)?$/s.exec(
    written,
  )!;
  const negated = /^(string|arn|numeric|date)not|^notip/.test(operator);
  return {
    set,
    negated,
    base: negated ? operator.replace("not", "") : operator,
    ifExists: ifExists !== undefined,
  };
}

const ANY = -1;
const ONE = -2;

/**
 * Whether a text is what a pattern of IAM's stands for: `*` is any text, `?` any character, and, where a context is
 * given, `${name}` the request's value, as it stands. A variable that the request lacks stands for nothing at all.
 *
 * @param wild whether `*` and `?` are more than themselves
 */
export function glob(pattern: string, text: string, context?: Context, wild = true): boolean {
  if (wild && pattern === "*") return true;
  const tokens = tokensOf(pattern, context, wild);
  if (!tokens) return false;
  let [at, read, star, starAt] = [0, 0, -1, 0];
  while (read < text.length) {
    const token = tokens[at];
    if (token === ANY) {
      star = at++;
      starAt = read;
    } else if (token === ONE || token === text.charCodeAt(read)) {
      at++;
      read++;
    } else if (star >= 0) {
      at = star + 1;
      read = ++starAt;
    } else {
      return false;
    }
  }
  while (tokens[at] === ANY) at++;
  return at === tokens.length;
}

function tokensOf(pattern: string, context: Context | undefined, wild: boolean): number[] | undefined {
  const tokens: number[] = [];
  const write = (text: string) => {
    for (let index = 0; index < text.length; index++) tokens.push(text.charCodeAt(index));
  };
  for (let at = 0; at < pattern.length; at++) {
    const end = context && pattern.startsWith("${", at) ? pattern.indexOf("}", at) : -1;
    if (end > 0) {
      const value = variableValue(pattern.slice(at + 2, end), context!);
      if (value === undefined) return undefined;
      write(value);
      at = end;
    } else if (wild && (pattern[at] === "*" || pattern[at] === "?")) {
      tokens.push(pattern[at] === "*" ? ANY : ONE);
    } else {
      tokens.push(pattern.charCodeAt(at));
    }
  }
  return tokens;
}

/** Of a variable, as `aws:PrincipalTag/team`, or `aws:PrincipalTag/team, 'none'` with what to take where it is absent. */
function variableValue(variable: string, { values, unknown }: Context): string | undefined {
  if (/^[*?$]$/.test(variable)) return variable;
  const [, name = "", fallback] = /^([^,]*?)\s*(?:,\s*'(.*)')?$/s.exec(variable)!;
  const key = name.toLowerCase();
  if (!KNOWN_KEYS.test(key) || unknown?.test(key)) return undefined;
  const given = values.get(key);
  // Of many values, none is the value.
  return given ? (given.length === 1 ? given[0] : undefined) : fallback;
}
