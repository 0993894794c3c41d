import { codeSpan } from "../../shared/markdown";
import { fenced, html } from "./escape";
import type { Layout } from "./layout";
import type { Phrase } from "./phrase";
import { bodyLines, foldRanges, type Printer, shortName } from "./printer";

const ALERT: Readonly<Record<Layout["severity"], string>> = {
  high: "CAUTION",
  middle: "WARNING",
  low: "NOTE",
};

const phrase = (words: Phrase): string =>
  words.map((part) => (typeof part === "string" ? part : codeSpan(shortName(part.code)))).join("");

const phraseHtml = (words: Phrase): string =>
  words
    .map((part) =>
      typeof part === "string" ? escapeOwn(part) : `<code>${html(shortName(part.code))}</code>`,
    )
    .join("");

const escapeOwn = (text: string) => text.replace(/[&<>]/g, (found) => `&#${found.charCodeAt(0)};`);

/** GitHub's Markdown. All that is the plan's stands in code, where nothing is more than text. */
export const markdown: Printer = {
  opening: ({ severity, verdict, stacks }) =>
    [
      `> [!${ALERT[severity]}]`,
      `> **${phrase(verdict)}**`,
      ...stacks.flatMap((stack, index) => [...(index ? [] : [">"]), `> - ${phrase(stack)}`]),
      "",
      "",
    ].join("\n"),

  frame({ title, items, stack, note }) {
    if (stack === undefined) return { open: `### ${title} (${items.length})\n\n`, close: "\n" };
    const remark = note ? ` <sub>${note}</sub>` : "";
    if (items.length === 0)
      return { open: `<code>${html(shortName(stack))}</code>:${remark}\n\n`, close: "" };
    return {
      open: `<details><summary><b><code>${html(shortName(stack))}</code></b>: ${title}${remark}</summary>\n\n`,
      close: "\n</details>\n\n",
    };
  },

  item({ head, body }, { stack }, whole) {
    if (!whole || !body) return `- ${phrase(stack === undefined ? head : unsymboled(head))}\n`;
    const block = fenced(bodyLines(body), "text" in body ? "text" : "diff");
    if (stack !== undefined)
      // Only an empty line ends the HTML: what follows right after it would be live.
      return `<details><summary>${phraseHtml(head)}</summary>\n\n${block}\n\n</details>\n\n`;
    return `- ${phrase(head)}\n\n${block.replace(/^/gm, "  ")}\n\n`;
  },

  names: (head, names) =>
    `- ${phrase(head)}: ${foldRanges(names)
      .map((name) => codeSpan(name))
      .join(", ")}\n`,

  remark: (text) => `- *${text}*\n`,
};

/** "+ " at the beginning of a list's item would be another list. */
const unsymboled = ([first, ...others]: Phrase): Phrase => {
  if (typeof first !== "string") return [first!, ...others];
  // Two backticks with nothing in between would open another span.
  return first.trim() === "" ? others : [`\`${first.trim()}\` `, ...others];
};
