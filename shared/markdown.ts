import { visible } from "./visible";

/** Of backticks in a row, the most; a fence must have more. */
export const longestRun = (text: string) =>
  (text.match(/`+/g) ?? []).reduce((longest, run) => Math.max(longest, run.length), 0);

/**
 * A text as a Markdown code span: in it nothing is markup, a mention, a link or a reference (CommonMark 0.31, 6.1), as
 * long as it stays on its line and has no run of backticks like the one around it.
 */
export function codeSpan(text: string): string {
  const content = visible(text);
  if (content === "") return "`(empty)`";
  const fence = "`".repeat(longestRun(content) + 1);
  // Of a span that begins and ends with a space, one is taken away on each side.
  const padding = /^`|`$|^ .*[^ ].* $/.test(content) ? " " : "";
  return fence + padding + content + padding + fence;
}
