import { UserError } from "../../project";

/** One instruction of a Dockerfile, its lines as one. */
export interface Instruction {
  /** Of its first line, from 1. */
  readonly line: number;
  /** In capitals. */
  readonly name: string;
  readonly flags: ReadonlyMap<string, string>;
  /** What follows the name and the flags, with nothing of it read yet. */
  readonly text: string;
}

/** Instructions that may have flags before what they say. */
const WITH_FLAGS: ReadonlySet<string> = new Set(["ADD", "COPY", "FROM", "RUN"]);
const KNOWN: ReadonlySet<string> = new Set([
  ...WITH_FLAGS,
  ...["ARG", "CMD", "ENTRYPOINT", "ENV", "EXPOSE", "HEALTHCHECK", "LABEL", "MAINTAINER", "SHELL"],
  ...["STOPSIGNAL", "USER", "VOLUME", "WORKDIR"],
]);
const HEREDOC = /(^|\s)\d*<<-?["']?[A-Za-z_]\w*["']?(\s|$)/;

/**
 * Reads the instructions of a Dockerfile.
 *
 * @throws UserError for what Local AWS does not know, with its line
 */
export function parseDockerfile(content: string): Instruction[] {
  const lines = content.replace(/^\uFEFF/, "").split(/\r?\n/);
  const instructions: Instruction[] = [];
  for (let index = 0; index < lines.length; index++) {
    if (/^\s*#\s*escape\s*=\s*[^\\\s]/i.test(lines[index] ?? "") && !instructions.length)
      throw failure(index + 1, "escape", "is fixed to \\ in Local AWS. Take the line away.");
    if (isBlank(lines[index])) continue;
    const line = index + 1;
    let text = lines[index] ?? "";
    while (/\\[ \t]*$/.test(text) && index + 1 < lines.length) {
      text = text.replace(/\\[ \t]*$/, "");
      // Comments and empty lines may stand between the lines of one instruction.
      do index++;
      while (index < lines.length && isBlank(lines[index]));
      text += lines[index] ?? "";
    }
    instructions.push(readInstruction(text.trim(), line));
  }
  return instructions;
}

const isBlank = (line = "") => /^\s*(#|$)/.test(line);

function readInstruction(content: string, line: number): Instruction {
  const [, given = "", rest = ""] = /^(\S+)\s*([\s\S]*)$/.exec(content) ?? [];
  const name = given.toUpperCase();
  if (!KNOWN.has(name)) {
    const known = [...KNOWN].sort().join(", ");
    throw failure(line, given, `is not known to Local AWS. It knows ${known}.`);
  }
  const flags = new Map<string, string>();
  let text = rest;
  while (WITH_FLAGS.has(name)) {
    const [whole, flag, value = ""] = /^--([a-z-]+)(?:=(\S*))?(?:\s+|$)/.exec(text) ?? [];
    if (whole === undefined || !flag) break;
    flags.set(flag, value);
    text = text.slice(whole.length);
  }
  if (["RUN", "COPY", "ADD"].includes(name) && HEREDOC.test(text) && !listIn(text))
    throw failure(
      line,
      name,
      "has a heredoc (<<), which Local AWS does not know. Put the text into a file, and COPY it.",
    );
  if (!text && name !== "CMD" && name !== "ENTRYPOINT") throw failure(line, name, "says nothing more.");
  return { line, name, flags, text };
}

/** What is wrong with an instruction, as it is told. */
export function failure(line: number, name: string, problem: string): UserError {
  return new UserError(`Dockerfile, line ${line}: ${name} ${problem}`);
}

/** The words of a list in JSON, where the text is one: all else is a shell's. */
export function listIn(text: string): string[] | undefined {
  if (!text.startsWith("[")) return undefined;
  try {
    const content: unknown = JSON.parse(text);
    return Array.isArray(content) && content.every((word) => typeof word === "string") ? content : undefined;
  } catch {
    return undefined;
  }
}

/** The words of a text, with their quotes: white space between quotes, or behind a `\`, parts nothing. */
export function wordsIn(text: string): string[] {
  return text.match(/(?:\\[\s\S]|"(?:\\[\s\S]|[^"\\])*"|'[^']*'|[^\s"'\\]|["'\\])+/g) ?? [];
}

/** `NAME=value NAME=value`, or the old `NAME the rest`, without their quotes, and with variables put in. */
export function pairsIn({ text, line, name }: Instruction, values: Values): [string, string][] {
  const words = wordsIn(text);
  const where = { line, name };
  if (!words[0]?.includes("=")) {
    const [, key = "", rest = ""] = /^(\S+)\s+([\s\S]*)$/.exec(text) ?? [];
    if (!key) throw failure(line, name, `has no value: ${text}. Write ${name} NAME=value.`);
    return [[key, expand(rest, values, where)]];
  }
  return words.map((word) => {
    const at = word.indexOf("=");
    if (at < 1) throw failure(line, name, `has no NAME=value, but ${word}.`);
    return [expand(word.slice(0, at), values, where), expand(word.slice(at + 1), values, where)];
  });
}

/** Variables that instructions may name. */
export type Values = ReadonlyMap<string, string>;

/** Takes the quotes of a word away, and puts in its variables, but between single quotes. */
export function expand(word: string, values: Values, where: Pick<Instruction, "line" | "name">): string {
  let out = "";
  let quoted = false;
  for (let at = 0; at < word.length; at++) {
    const char = word[at] ?? "";
    if (char === '"') quoted = !quoted;
    else if (char === "'" && !quoted) {
      const end = word.indexOf("'", at + 1);
      if (end < 0) throw failure(where.line, where.name, `has a quote that does not end: ${word}`);
      out += word.slice(at + 1, end);
      at = end;
    } else if (char === "\\" && at + 1 < word.length) {
      const next = word[++at] ?? "";
      out += quoted && !/["$\\]/.test(next) ? `\\${next}` : next;
    } else if (char === "$") {
      const { value, length } = variableAt(word.slice(at), values, where);
      out += value;
      at += length - 1;
    } else out += char;
  }
  if (quoted) throw failure(where.line, where.name, `has a quote that does not end: ${word}`);
  return out;
}

function variableAt(text: string, values: Values, where: Pick<Instruction, "line" | "name">) {
  const [plain, named = ""] = /^\$(\w+)/.exec(text) ?? [];
  if (plain) return { value: values.get(named) ?? "", length: plain.length };
  if (!text.startsWith("${")) return { value: "$", length: 1 };
  const length = closingBrace(text) + 1;
  const inner = text.slice(2, length - 1);
  const [, name = "", colon, operator, other = ""] = /^(\w+)(?:(:?)([-+])([\s\S]*))?$/.exec(inner) ?? [];
  if (!length || !name)
    throw failure(
      where.line,
      where.name,
      `has a variable that Local AWS cannot read: ${text}. It knows $NAME, \${NAME}, \${NAME:-other} and \${NAME:+other}.`,
    );
  const given = values.get(name);
  const isThere = given !== undefined && !(colon && given === "");
  if (!operator) return { value: given ?? "", length };
  if (operator === "-") return { value: isThere ? (given ?? "") : expand(other, values, where), length };
  return { value: isThere ? expand(other, values, where) : "", length };
}

/** Where the brace that a text's `${` opens is closed; -1 where it is not. */
function closingBrace(text: string): number {
  let depth = 0;
  for (let at = 1; at < text.length; at++) {
    if (text[at] === "{") depth++;
    else if (text[at] === "}" && --depth === 0) return at;
  }
  return -1;
}
