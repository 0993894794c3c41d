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

/** A bracket that is open. Parentheses belong to expressions, in which no keys are looked for. */
interface Open {
  readonly kind: "map" | "list" | "other";
  readonly path: Path;
  /** The path of the value that comes next. */
  next: Path;
}

const TOKENS =
  /(?<space>[^\S\n]+)|(?<newline>\n)|(?<comment>#[^\n]*|\/\/[^\n]*|\/\*[\s\S]*?(?:\*\/|$))|(?<heredoc><<-?(?<tag>[\w-]+)[^\n]*\n(?:[\s\S]*?\n)??[^\S\n]*\k<tag>(?=\s|$))|(?<text>"(?:[^"\\\n]|\\.)*"?)|(?<number>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)|(?<name>[\p{ID_Start}_][\p{ID_Continue}-]*)|(?<sign>==|=>|[\s\S])/gu;

/**
 * Reads where things stand in an HCL file of plain values. Whether the file is valid is the parser's business:
 * of an invalid one, or of one with expressions, the outline may be incomplete, but making it never fails.
 */
export function outline(text: string): Outline {
  const { tokens, comments } = tokenize(text);
  const places = new Map<string, Place>();
  const numbers = new Map<string, string>();
  const repeated: Path[] = [];
  const blocks: string[] = [];
  const open: Open[] = [{ kind: "map", path: [], next: [] }];
  let depth = 0;

  tokens.forEach((token, i) => {
    const inside = open.at(-1)!;
    const after = tokens[i + 1]?.text;
    if (token.kind === "sign") {
      if ("{[(".includes(token.text)) {
        if (inside.kind === "list") note(places, inside.next, token.line);
        const kind = token.text === "{" ? "map" : token.text === "[" ? "list" : "other";
        open.push({ kind, path: inside.next, next: kind === "list" ? [...inside.next, 0] : inside.next });
        depth = Math.max(depth, open.length - 1);
      } else if ("}])".includes(token.text)) {
        if (open.length > 1) open.pop();
      } else if (token.text === "," && inside.kind === "list") {
        inside.next = [...inside.path, (inside.next.at(-1) as number) + 1];
      }
      return;
    }
    if (inside.kind === "map" && (after === "=" || after === ":")) {
      inside.next = [...inside.path, token.kind === "text" ? unquote(token.text) : token.text];
      if (places.has(id(inside.next))) repeated.push(inside.next);
      note(places, inside.next, token.line);
      return;
    }
    if (inside.kind === "list") note(places, inside.next, token.line);
    if (token.kind === "number") numbers.set(id(inside.next), token.text);
    const startsLine = tokens[i - 1]?.line !== token.line;
    if (open.length === 1 && token.kind === "name" && startsLine && tokens[i - 1]?.text !== "=") {
      if (after === "{" || tokens[i + 1]?.kind === "text") {
        blocks.push(token.text);
        inside.next = [token.text];
        note(places, inside.next, token.line);
      }
    }
  });

  return {
    placeOf(path) {
      for (let length = path.length; length > 0; length--) {
        const place = places.get(id(path.slice(0, length)));
        if (place) return place;
      }
      return undefined;
    },
    writtenNumber: (path) => numbers.get(id(path)),
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

// A list of a path's steps tells "a.b" from "a" and "b"; and a Map, unlike an object, takes any key.
const id = (path: Path) => JSON.stringify(path);

function note(places: Map<string, Place>, path: Path, line: number): void {
  if (!places.has(id(path))) places.set(id(path), { line });
}

function unquote(text: string): string {
  try {
    return JSON.parse(text);
  } catch {
    return text.slice(1, -1);
  }
}
