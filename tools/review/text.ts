import { visible } from "../../shared/visible";
import type { Phrase } from "./phrase";
import { bodyLines, foldRanges, type Printer, shortName } from "./printer";

const phrase = (words: Phrase): string =>
  words.map((part) => (typeof part === "string" ? part : visible(shortName(part.code)))).join("");

/** For terminals: nothing of the plan's can move the cursor, or colour anything. */
export const text: Printer = {
  opening: ({ verdict, stacks }) =>
    [phrase(verdict), ...stacks.map((stack) => `  ${phrase(stack)}`), "", ""].join("\n"),

  frame({ title, items, stack, note }) {
    if (stack === undefined) return { open: `${title} (${items.length})\n`, close: "\n" };
    return {
      open: `${visible(shortName(stack))}: ${items.length ? title : ""}${note ? `${items.length ? "; " : ""}${note}` : ""}\n`,
      close: "\n",
    };
  },

  item({ head, body }, _, whole) {
    const line = `  ${phrase(head)}\n`;
    return whole && body
      ? `${line}${bodyLines(body)
          .map((inner) => `      ${inner}\n`)
          .join("")}`
      : line;
  },

  names: (head, names) =>
    `  ${phrase(head)}: ${foldRanges(names)
      .map((name) => visible(name))
      .join(", ")}\n`,

  remark: (words) => `  ${words}\n`,
};
