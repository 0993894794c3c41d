import type { Path, Place } from "./problems";

/** What a settings file shows of itself before, and beside, being parsed. */
export interface Outline {
  /** The place of a value's key, or of the nearest thing around it that has one. */
  placeOf(path: Path): Place | undefined;
  /** A number as it is written: parsed, it would lose its leading zeros. */
  writtenNumber(path: Path): string | undefined;
  /** Keys given twice in one map; HCL itself takes the last one of them without a word. */
  readonly repeated: readonly Path[];
  /** Top-level keys written as blocks (`git { … }`), which Terraform refuses in a file of values. */
  readonly blocks: readonly string[];
  readonly comments: readonly { readonly text: string; readonly line: number }[];
  /** How deep brackets of any kind nest. */
  readonly depth: number;
}

interface Token {
  readonly kind: "name" | "text" | "number" | "sign";
  readonly text: string;
  readonly line: number;
}

/** A value, by its key in what is around it: a file's paths would take the square of its depth. */
class Value {
  readonly inside = new Map<string | number, Value>();
  place?: Place;
  number?: string;

  constructor(
    private readonly key?: string | number,
    private readonly around?: Value,
  ) {}

  at(key: string | number): Value {
    const value = this.inside.get(key) ?? new Value(key, this);
    this.inside.set(key, value);
    return value;
  }

  note(line: number): void {
    this.place ??= { line };
  }

  path(): Path {
    const path: (string | number)[] = [];
    for (let one: Value = this; one.around; one = one.around) path.unshift(one.key!);
    return path;
  }
}

/** A bracket that is open. Parentheses belong to expressions, in which no keys are looked for. */
interface Open {
  readonly kind: "map" | "list" | "other";
  readonly value: Value;
  /** The value that comes next, and in a list its index. */
  next: Value;
  index: number;
}

const TOKENS =
  /(?<space>[^\S\n]+)|(?<newline>\n)|(?<comment>#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<heredoc><<-?(?<tag>[\w-]+)[^\n]*\n(?:[\s\S]*?\n)??[^\S\n]*\k<tag>(?=\s|$))|(?<text>"(?:[^"\\\n]|\\.)*"?)|(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<name>[\p{ID_Start}_][\p{ID_Continue}-]*)|(?<sign>==|=>|[\s\S])/gu;

/**
 * Reads where things stand in an HCL file of plain values. Whether the file is valid is the parser's business:
 * of an invalid one, or of one with expressions, the outline may be incomplete, but making it never fails.
 */
export function outline(text: string): Outline {
  const { tokens, comments } = tokenize(text);
  const all = new Value();
  const repeated: Path[] = [];
  const blocks: string[] = [];
  const open: Open[] = [{ kind: "map", value: all, next: all, index: 0 }];
  let depth = 0;

  tokens.forEach((token, i) => {
    const inside = open.at(-1)!;
    const after = tokens[i + 1]?.text;
    if (token.kind === "sign") {
      if ("{[(".includes(token.text)) {
        if (inside.kind === "list") inside.next.note(token.line);
        const kind = token.text === "{" ? "map" : token.text === "[" ? "list" : "other";
        const value = inside.next;
        open.push({ kind, value, next: kind === "list" ? value.at(0) : value, index: 0 });
        depth = Math.max(depth, open.length - 1);
      } else if ("}])".includes(token.text)) {
        if (open.length > 1) open.pop();
      } else if (token.text === "," && inside.kind === "list") {
        inside.next = inside.value.at(++inside.index);
      }
      return;
    }
    if (inside.kind === "map" && (after === "=" || after === ":")) {
      inside.next = inside.value.at(token.kind === "text" ? unquote(token.text) : token.text);
      if (inside.next.place) repeated.push(inside.next.path());
      inside.next.note(token.line);
      return;
    }
    if (inside.kind === "list") inside.next.note(token.line);
    if (token.kind === "number") inside.next.number = token.text;
    const startsLine = tokens[i - 1]?.line !== token.line;
    if (open.length === 1 && token.kind === "name" && startsLine && tokens[i - 1]?.text !== "=") {
      if (after === "{" || tokens[i + 1]?.kind === "text") {
        blocks.push(token.text);
        inside.next = all.at(token.text);
        inside.next.note(token.line);
      }
    }
  });

  return {
    placeOf(path) {
      let place: Place | undefined;
      let value: Value | undefined = all;
      for (const key of path) {
        value = value.inside.get(key);
        if (!value) break;
        place = value.place ?? place;
      }
      return place;
    },
    writtenNumber: (path) =>
      path.reduce<Value | undefined>((value, key) => value?.inside.get(key), all)?.number,
    repeated,
    blocks,
    comments,
    depth,
  };
}

function tokenize(text: string) {
  const tokens: Token[] = [];
  const comments: { text: string; line: number }[] = [];
  let line = 1;
  for (const match of text.matchAll(TOKENS)) {
    const [token] = match;
    const groups = match.groups!;
    if (groups.comment !== undefined) {
      token.split("\n").forEach((part, i) => {
        comments.push({ text: part, line: line + i });
      });
    } else if (groups.heredoc !== undefined || groups.text !== undefined) {
      tokens.push({ kind: "text", text: token, line });
    } else if (groups.number !== undefined) tokens.push({ kind: "number", text: token, line });
    else if (groups.name !== undefined) tokens.push({ kind: "name", text: token, line });
    else if (groups.sign !== undefined) tokens.push({ kind: "sign", text: token, line });
    if (token.includes("\n")) line += token.split("\n").length - 1;
  }
  return { tokens, comments };
}

function unquote(text: string): string {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(1, -1);
  }
}
