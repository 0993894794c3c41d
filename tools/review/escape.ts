import { longestRun } from "../../shared/markdown";
import { visible } from "../../shared/visible";

/**
 * A text as HTML, for an element such as `<code>` in which mentions and references are not looked for, in a block
 * that is HTML to its end: Markdown begins again only after an empty line (CommonMark 0.31, 4.6).
 */
export const html = (text: string): string =>
  visible(text).replace(/[&<>"'`@#[\]]/g, (found) => `&#${found.charCodeAt(0)};`);

/** Lines as a fenced block that none of them can end. */
export function fenced(lines: readonly string[], language: string): string {
  const fence = "`".repeat(Math.max(3, longestRun(lines.join("\n")) + 1));
  return [`${fence}${language}`, ...lines, fence].join("\n");
}
