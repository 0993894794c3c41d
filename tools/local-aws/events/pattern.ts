import { BlockList, isIP } from "node:net";
import { AwsError, type Fields, isFields } from "../aws-request";

/** Whether an event is one that a rule waits for. Never fails, whatever the event is. */
export type Pattern = (event: unknown) => boolean;

/** Whether one value of an event's field is one that is wanted. */
type Test = (value: unknown) => boolean;

/** Characters that PutRule takes at most. */
const LONGEST = 4096;

/**
 * Reads an event pattern: a field's values, or what they have to be like, by all operators of EventBridge.
 *
 * @throws AwsError in EventBridge's name where it is none
 */
export function readPattern(text: string): Pattern {
  if (text.length > LONGEST) throw invalid(`it has more than ${LONGEST} characters`);
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch (error) {
    throw invalid((error as Error).message);
  }
  if (!isFields(content)) throw invalid("Filter is not an object");
  const matches = readFields(content, "");
  return (event) => isFields(event) && matches(event);
}

function readFields(pattern: Fields, path: string): (fields: Fields) => boolean {
  const entries = Object.entries(pattern);
  if (!entries.length) throw invalid(`Empty objects are not allowed${path && ` (at ${path})`}`);
  const all = entries.map(([key, wanted]) => readField(key, wanted, path ? `${path}.${key}` : key));
  return (fields) => all.every((matches) => matches(fields));
}

function readField(key: string, wanted: unknown, path: string): (fields: Fields) => boolean {
  const own = (fields: Fields) => (Object.hasOwn(fields, key) ? flat(fields[key]) : []);
  if (key === "$or") {
    if (!Array.isArray(wanted) || wanted.length < 2 || !wanted.every(isFields))
      throw invalid(`"$or" must be a list of two objects or more (at ${path})`);
    const alternatives = wanted.map((one, index) => readFields(one, `${path}[${index}]`));
    return (fields) => alternatives.some((matches) => matches(fields));
  }
  if (Array.isArray(wanted)) {
    if (!wanted.length) throw invalid(`Empty arrays are not allowed (at ${path})`);
    const tests = wanted.filter((one) => !isAbsence(one)).map((one) => readTest(one, path));
    const mayBeAbsent = tests.length < wanted.length;
    return (fields) => {
      const values = own(fields).filter((value) => !isFields(value));
      return values.length ? values.some((value) => tests.some((test) => test(value))) : mayBeAbsent;
    };
  }
  if (!isFields(wanted)) throw invalid(`"${key}" must be an object or an array (at ${path})`);
  const matches = readFields(wanted, path);
  return (fields) => {
    // Of a list, one object has to have all that is wanted.
    const objects = own(fields).filter(isFields);
    return objects.length ? objects.some(matches) : matches({});
  };
}

const isAbsence = (wanted: unknown) => JSON.stringify(wanted) === '{"exists":false}';

function readTest(wanted: unknown, path: string): Test {
  if (!isFields(wanted)) {
    if (Array.isArray(wanted))
      throw invalid(`Match value must be String, number, true, false, or null (at ${path})`);
    return (value) => value === wanted;
  }
  const [[operator, operand] = ["", undefined], ...more] = Object.entries(wanted);
  if (more.length) throw invalid(`Only one key allowed in match expression (at ${path})`);
  const read = Object.hasOwn(OPERATORS, operator) ? OPERATORS[operator] : undefined;
  if (!read) throw invalid(`Unrecognized match type ${operator} (at ${path})`);
  return read(operand, path);
}

const OPERATORS: Readonly<Record<string, (operand: unknown, path: string) => Test>> = {
  prefix: (operand, path) => onText(operand, path, (text, start) => text.startsWith(start)),
  suffix: (operand, path) => onText(operand, path, (text, end) => text.endsWith(end)),
  "equals-ignore-case": (operand, path) => sameIgnoringCase(textIn(operand, path)),
  wildcard: (operand, path) => wildcard(textIn(operand, path), path),
  "anything-but": anythingBut,
  numeric,
  cidr,
  exists(operand, path) {
    if (operand !== true) throw invalid(`exists must be true or false (at ${path})`);
    return () => true;
  },
};

/** Of `prefix` and `suffix`, which take `{"equals-ignore-case": …}`, too. */
function onText(operand: unknown, path: string, holds: (text: string, part: string) => boolean): Test {
  const anyCase = isFields(operand) && Object.keys(operand).join() === "equals-ignore-case";
  const part = textIn(anyCase ? operand["equals-ignore-case"] : operand, path);
  return anyCase
    ? (value) => typeof value === "string" && holds(value.toLowerCase(), part.toLowerCase())
    : (value) => typeof value === "string" && holds(value, part);
}

function sameIgnoringCase(wanted: string): Test {
  const lower = wanted.toLowerCase();
  return (value) => typeof value === "string" && value.toLowerCase() === lower;
}

function anythingBut(operand: unknown, path: string): Test {
  if (isFields(operand)) {
    const [[operator, given] = ["", undefined], ...more] = Object.entries(operand);
    if (more.length || !["prefix", "suffix", "equals-ignore-case", "wildcard"].includes(operator))
      throw invalid(
        `Unsupported anything-but pattern: ${Object.keys(operand).join(", ") || "nothing"} (at ${path})`,
      );
    const tests = listIn(given, path).map((one) => readTest({ [operator]: one }, path));
    return (value) => typeof value === "string" && !tests.some((test) => test(value));
  }
  const unwanted = listIn(operand, path);
  const stray = unwanted.find((one) => typeof one !== "string" && typeof one !== "number");
  if (stray !== undefined) throw invalid(`Inside anything-but, values are strings and numbers (at ${path})`);
  return (value) => !unwanted.includes(value);
}

const COMPARISONS: Readonly<Record<string, (value: number, bound: number) => boolean>> = {
  "<": (value, bound) => value < bound,
  "<=": (value, bound) => value <= bound,
  "=": (value, bound) => value === bound,
  ">=": (value, bound) => value >= bound,
  ">": (value, bound) => value > bound,
};
/** Beyond it EventBridge compares no numbers. */
const LARGEST = 5_000_000_000;

function numeric(operand: unknown, path: string): Test {
  const given = Array.isArray(operand) ? operand : [];
  const bounds: [string, number][] = [];
  for (let index = 0; index < given.length; index += 2) bounds.push([given[index], given[index + 1]]);
  const known = bounds.every(
    ([sign, bound]) =>
      typeof sign === "string" &&
      Object.hasOwn(COMPARISONS, sign) &&
      typeof bound === "number" &&
      Math.abs(bound) <= LARGEST,
  );
  const [low, high] = bounds;
  const isRange = low && high && /^>/.test(low[0]) && /^</.test(high[0]) && low[1] < high[1];
  if (!known || !low || bounds.length > 2 || (high && !isRange)) {
    throw invalid(
      `numeric must be a comparison, as ["<", 5], or a range, as [">=", 0, "<", 5], of numbers up to ${LARGEST} (at ${path})`,
    );
  }
  return (value) =>
    typeof value === "number" && bounds.every(([sign, bound]) => COMPARISONS[sign]?.(value, bound));
}

function cidr(operand: unknown, path: string): Test {
  const [, network = "", bits] = /^([^/]+)\/(\d{1,3})$/.exec(textIn(operand, path)) ?? [];
  const family = familyOf(network);
  if (!family || Number(bits) > (family === "ipv4" ? 32 : 128))
    throw invalid(`Malformed CIDR, one '/' required: ${String(operand)} (at ${path})`);
  const block = new BlockList();
  block.addSubnet(network, Number(bits), family);
  return (value) => typeof value === "string" && familyOf(value) === family && block.check(value, family);
}

const familyOf = (address: string) =>
  ({ 4: "ipv4", 6: "ipv6" })[isIP(address)] as "ipv4" | "ipv6" | undefined;

/** `*` stands for any text; `\*` is a star and `\\` a backslash. */
function wildcard(text: string, path: string): Test {
  if (/(^|[^\\])(\\\\)*\\([^*\\]|$)/.test(text))
    throw invalid(`Invalid escape character at ${path}: ${text}`);
  // Not a regular expression: several stars would make it slow for a text that somebody else wrote.
  const parts = [""];
  for (const [found] of text.matchAll(/\\[*\\]|\*|[^\\*]+/g)) {
    if (found === "*") parts.push("");
    else parts[parts.length - 1] += found.startsWith("\\") ? found.slice(1) : found;
  }
  if (parts.slice(1, -1).includes("")) throw invalid(`Consecutive wildcard characters at ${path}: ${text}`);
  const [first = "", ...rest] = parts;
  const last = rest.pop();
  return (value) => {
    if (typeof value !== "string") return false;
    if (last === undefined) return value === first;
    if (!value.startsWith(first)) return false;
    let at = first.length;
    for (const part of rest) {
      const found = value.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return value.length - last.length >= at && value.endsWith(last);
  };
}

function textIn(operand: unknown, path: string): string {
  if (typeof operand === "string") return operand;
  throw invalid(`Match pattern must be a string, not ${JSON.stringify(operand)} (at ${path})`);
}

function listIn(operand: unknown, path: string): unknown[] {
  const list = Array.isArray(operand) ? operand : [operand];
  if (!list.length) throw invalid(`Empty arrays are not allowed (at ${path})`);
  return list;
}

/** All that lists hold, however deep they are. */
function flat(value: unknown): unknown[] {
  const values: unknown[] = [];
  const left = [value];
  while (left.length) {
    const one = left.pop();
    if (Array.isArray(one)) for (const inner of one) left.push(inner);
    else if (one !== undefined) values.push(one);
  }
  return values;
}

const invalid = (reason: string) =>
  new AwsError("InvalidEventPatternException", `Event pattern is not valid. Reason: ${reason}`);
