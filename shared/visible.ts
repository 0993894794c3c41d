/**
 * Characters that nobody sees, or that change how others are seen: controls, format characters (bidirectional
 * overrides, zero-width ones, tags), separators, halves of surrogate pairs, private ones, and blanks that are no space.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800]|(?! )\p{Zs}/gu;

const NAMED: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text on one line of which every character is seen. */
export function visible(text: string): string {
  return text.replace(UNSEEN, (found) => {
    const point = found.codePointAt(0)!;
    return (
      NAMED[found] ??
      (point > 0xffff ? `\\u{${point.toString(16)}}` : `\\u${point.toString(16).padStart(4, "0")}`)
    );
  });
}

/** A text of which every character is seen, on its own lines: such as Terraform's words, which tell what anybody wrote. */
export const legible = (text: string): string =>
  text.replaceAll("\t", "  ").split(/\r?\n/).map(visible).join("\n");

/** A text of at most so many characters, and how many are left out. */
export function shortened(text: string, most: number): string {
  if (text.length <= most) return text;
  // A pair of surrogates stays together.
  const end = /[\uD800-\uDBFF]/.test(text[most - 1]!) ? most - 1 : most;
  return `${text.slice(0, end)}… (${text.length - end} more characters)`;
}
