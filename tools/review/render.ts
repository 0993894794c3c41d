import { type Item, type Layout, layOut, type Section } from "./layout";
import { markdown } from "./markdown";
import { codes, plural } from "./phrase";
import { append, LONGEST_NAME, type Printer } from "./printer";
import type { Review } from "./review";
import { text } from "./text";

const PRINTERS: Readonly<Record<"markdown" | "text", Printer>> = { markdown, text };

export interface RenderOptions {
  readonly format: "markdown" | "text";
  /** Bytes that the review may have; 0 is any number. */
  readonly limit: number;
  /** Where a reader finds what was left out, in our words. */
  readonly whole: string;
}

export interface Rendered {
  readonly text: string;
  /** Whether what must not be left out alone has more bytes than the limit. */
  readonly over: boolean;
}

/** What is said of an item. */
type Detail = "nothing" | "line" | "whole";

/** Room for a sentence that says what was left out. */
const REMARK_BYTES = 300;

const bytes = (words: string) => Buffer.byteLength(words);

/**
 * A review in a format. Under a limit everything that is destructive, widens access or failed has at least its name;
 * then come its details, then the others' lines, then the others' attributes, the most telling first.
 */
export function render(review: Review, options: RenderOptions): Rendered {
  const { sections, ...layout } = layOut(review);
  const page = new Page({ ...layout, sections }, PRINTERS[options.format], options);
  return page.print();
}

class Page {
  private readonly detail = new Map<Item, Detail>();
  /** Sections whose items have names alone. */
  private readonly named = new Set<Section>();
  private used: number;

  constructor(
    private readonly layout: Layout,
    private readonly printer: Printer,
    private readonly options: RenderOptions,
  ) {
    this.used = bytes(printer.opening(layout)) + REMARK_BYTES + bytes(options.whole);
  }

  print(): Rendered {
    if (this.options.limit === 0) {
      for (const { items } of this.layout.sections) for (const item of items) this.detail.set(item, "whole");
    } else {
      this.fill();
    }
    const whole = this.assemble();
    return { text: whole, over: this.options.limit > 0 && bytes(whole) > this.options.limit };
  }

  /** Decides what is said of each item, within the limit. */
  private fill(): void {
    const { sections } = this.layout;
    const must = sections.filter(({ items }) => items.some(({ rank }) => rank === 0));
    for (const section of sections) this.used += this.frameBytes(section);
    for (const section of must)
      for (const item of section.items)
        if (item.rank === 0) this.raise(item, section, "line", { anyway: true });
    // The names of what must not be left out, where not even their lines have room.
    const nameable = must.filter(({ items }) =>
      items.some(({ rank, names }) => rank === 0 && names.length > 0),
    );
    for (const section of nameable.sort((a, b) => b.items.length - a.items.length)) {
      if (this.used <= this.options.limit) break;
      this.nameOnly(section);
    }
    const all = sections.flatMap((section) => section.items.map((item) => ({ item, section })));
    const byRank = [...all].sort((a, b) => a.item.rank - b.item.rank);
    for (const { item, section } of byRank)
      if (item.rank === 0 && !this.named.has(section)) this.raise(item, section, "whole");
    for (const detail of ["line", "whole"] as const)
      for (const { item, section } of byRank)
        if (item.rank > 0 && !this.raise(item, section, detail) && this.used >= this.options.limit) break;
  }

  /** Says more of an item, if there is room. */
  private raise(
    item: Item,
    section: Section,
    to: Exclude<Detail, "nothing">,
    { anyway = false } = {},
  ): boolean {
    const now = this.detail.get(item) ?? "nothing";
    if (now === to) return true;
    if (!anyway && now === "nothing" && !this.hasRoomForName(item)) return false;
    const more =
      this.itemBytes(item, section, to) - (now === "nothing" ? 0 : this.itemBytes(item, section, now));
    if (!anyway && this.used + more > this.options.limit) return false;
    this.detail.set(item, to);
    this.used += more;
    return true;
  }

  /** Of many items most have no room, and their names alone tell so: a line is longer, and takes time to be laid out. */
  private hasRoomForName({ names: [name = ""] }: Item): boolean {
    return this.used + Math.min(name.length, LONGEST_NAME) <= this.options.limit;
  }

  private nameOnly(section: Section): void {
    for (const item of section.items.filter(({ names }) => names.length > 0)) {
      const now = this.detail.get(item) ?? "nothing";
      if (now !== "nothing") this.used -= this.itemBytes(item, section, now);
      this.detail.delete(item);
    }
    this.named.add(section);
    this.used += bytes(this.names(section));
  }

  private names({ items }: Section): string {
    const must = items.filter(({ rank, names }) => rank === 0 && names.length > 0);
    return [...grouped(must, ({ group, stacks }) => JSON.stringify([group, stacks]))]
      .map(([, [first, ...others]]) => {
        const { group, stacks } = first!;
        const names = new Set([first!, ...others].flatMap((item) => item.names));
        return this.printer.names(stacks ? [...codes(stacks, Infinity), `: ${group}`] : [group], [...names]);
      })
      .join("");
  }

  private itemBytes(item: Item, section: Section, detail: Exclude<Detail, "nothing">): number {
    return bytes(this.printer.item(item, section, detail === "whole"));
  }

  /** A section's title, what ends it, and the line that says what of it is left out. */
  private frameBytes(section: Section): number {
    const { open, close } = this.printer.frame(section);
    return bytes(open) + bytes(close) + (section.items.some(({ rank }) => rank > 0) ? REMARK_BYTES : 0);
  }

  private assemble(): string {
    const { layout, printer } = this;
    const pieces = [printer.opening(layout)];
    let [unsaid, lines] = [0, 0];
    for (const section of layout.sections) {
      const { open, close } = printer.frame(section);
      pieces.push(open);
      if (this.named.has(section)) pieces.push(this.names(section));
      const left: Item[] = [];
      for (const item of section.items) {
        const detail = this.detail.get(item) ?? "nothing";
        if (detail === "nothing") {
          if (!(this.named.has(section) && item.rank === 0)) left.push(item);
        } else {
          pieces.push(printer.item(item, section, detail === "whole"));
          if (detail === "line" && item.body) lines++;
        }
      }
      unsaid += left.length;
      if (left.length) pieces.push(printer.remark(leftOut(left)));
      pieces.push(close);
    }
    if (unsaid || lines || this.named.size) {
      const what = [
        lines && `the attributes of ${lines}`,
        unsaid && plural(unsaid, "line"),
        this.named.size && "why, and how",
      ].filter(Boolean);
      pieces.push(
        printer.remark(
          `Left out to stay within ${this.options.limit} bytes: ${what.join(", ")}. The whole: ${this.options.whole}.`,
        ),
      );
    }
    return pieces.join("");
  }
}

function grouped(items: readonly Item[], by = ({ group }: Item) => group): Map<string, Item[]> {
  const groups = new Map<string, Item[]>();
  for (const item of items) append(groups, by(item), item);
  return groups;
}

const leftOut = (items: readonly Item[]): string => {
  const groups = [...grouped(items)].map(([group, found]) => `${found.length} ${group}`);
  return `… and ${items.length} more: ${groups.slice(0, 6).join(", ")}${groups.length > 6 ? ", and others" : ""}`;
};
