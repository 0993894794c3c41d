/** A sentence: our own words, and `code`, which is the plan's and must not be anything but text. */
export type Phrase = readonly (string | { readonly code: string })[];

export const code = (value: string) => ({ code: value });

/** Values side by side, of which the first few are told. */
export function codes(values: readonly string[], most = 12): Phrase {
  const shown = values.slice(0, most).flatMap((value, index) => [...(index ? [", "] : []), code(value)]);
  return values.length > most ? [...shown, ` and ${values.length - most} more`] : shown;
}

export const plainText = (phrase: Phrase): string =>
  phrase.map((part) => (typeof part === "string" ? part : part.code)).join("");

export const plural = (count: number, one: string, many = `${one}s`) =>
  `${count} ${count === 1 ? one : many}`;
