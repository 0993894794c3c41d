import { shortened, visible } from "../../shared/visible";
import type { AttributeChange } from "./attributes";
import type { Body, Item, Layout, Section } from "./layout";
import type { Phrase } from "./phrase";

/** What a format looks like; what is shown is decided elsewhere. */
export interface Printer {
  opening(layout: Layout): string;
  /** What stands around a section's items. */
  frame(section: Section): { readonly open: string; readonly close: string };
  /** One item, with its body or without. */
  item(item: Item, section: Section, whole: boolean): string;
  /** Many items by their names alone. */
  names(head: Phrase, names: readonly string[]): string;
  /** Our own words, on a line. */
  remark(text: string): string;
}

/** A name is cut here, a value there: what is longer nobody compares by eye. */
export const LONGEST_NAME = 240;
const LONGEST_VALUE = 500;
const MOST_LINES = 400;

export const shortName = (text: string) => shortened(text, LONGEST_NAME);

/** A body as lines that begin with what they are: " ", "-", "+" or "!". */
export function bodyLines(body: Body): string[] {
  if ("text" in body)
    return cut(body.text.split(/\r?\n/).map((line) => shortened(visible(line), LONGEST_VALUE)));
  const later = body.attributes.filter(isOnlyLater).map(({ path }) => visible(shortName(path)));
  const lines = body.attributes.filter((change) => !isOnlyLater(change)).flatMap(changeLines);
  return cut(
    later.length ? [...lines, shortened(`+ (known after apply): ${later.join(", ")}`, LONGEST_VALUE)] : lines,
  );
}

const cut = (lines: string[]) =>
  lines.length > MOST_LINES
    ? [...lines.slice(0, MOST_LINES), `  … ${lines.length - MOST_LINES} more lines`]
    : lines;

const isOnlyLater = ({ kind, after, forcesReplacement }: AttributeChange) =>
  kind === "add" && after === "(known after apply)" && !forcesReplacement;

function changeLines({ path, before, after, lines, note, forcesReplacement }: AttributeChange): string[] {
  const name = visible(shortName(path));
  const value = (text: string) => shortened(visible(text), LONGEST_VALUE);
  const forces = forcesReplacement ? "  # forces replacement" : "";
  if (lines)
    return [`! ${name}:${forces}`, ...lines.map((line) => `${line[0] ?? " "}   ${value(line.slice(1))}`)];
  if (note) return [`! ${name}${after === undefined ? "" : ` = ${value(after)}`} (${note})${forces}`];
  // Of two long values, from where they differ.
  const skipped = before !== undefined && after !== undefined ? skippable(before, after) : 0;
  const rest = (text: string) => (skipped ? `… ${value(text.slice(skipped))}` : value(text));
  return [
    ...(before === undefined ? [] : [`- ${name} = ${rest(before)}${after === undefined ? forces : ""}`]),
    ...(after === undefined ? [] : [`+ ${name} = ${rest(after)}${forces}`]),
  ];
}

/** So much of what two values have in common stays before their difference. */
const CONTEXT = 60;

/** Characters at the beginning that two values have in common and that would hide where they differ. */
function skippable(a: string, b: string): number {
  let same = 0;
  while (same < a.length && same < b.length && a[same] === b[same]) same++;
  return same > LONGEST_VALUE - CONTEXT ? same - CONTEXT : 0;
}

export function append<K, V>(lists: Map<K, V[]>, key: K, value: V): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

/** So many ranges stand behind one name. */
const RANGES_A_NAME = 20;

/** Names that differ in their last number alone, as one with ranges: `thing[0-9, 12]`. */
export function foldRanges(names: readonly string[]): string[] {
  const numbered = new Map<string, number[]>();
  const folded: string[] = [];
  for (const name of names) {
    const [, stem, index] = /^(.+)\[(\d{1,9})\]$/s.exec(name) ?? [];
    if (stem === undefined) folded.push(shortName(name));
    else append(numbered, stem, Number(index));
  }
  for (const [stem, indexes] of numbered) {
    const runs: [number, number][] = [];
    for (const index of indexes.sort((a, b) => a - b)) {
      const last = runs.at(-1);
      if (last && index - last[1] <= 1) last[1] = index;
      else runs.push([index, index]);
    }
    const ranges = runs.map(([from, to]) => (from === to ? `${from}` : `${from}-${to}`));
    for (let at = 0; at < ranges.length; at += RANGES_A_NAME)
      folded.push(`${shortName(stem)}[${ranges.slice(at, at + RANGES_A_NAME).join(", ")}]`);
  }
  return folded;
}
