import fc from "fast-check";

/** The halves of pairs, none of which is a character by itself. */
const HALVES = { from: 0xd800, count: 0x800 };

/** Any character. fast-check's own keep a list of all, which takes longer to make than most tests do. */
const character = fc.nat({ max: 0x10ffff - HALVES.count }).map(
  (n) => String.fromCodePoint(n < HALVES.from ? n : n + HALVES.count),
  // By this it finds texts that are hard on JavaScript, as "__proto__".
  (text) => {
    const [code, ...more] = Array.from(String(text), (one) => one.codePointAt(0)!);
    if (code === undefined || more.length > 0) throw new Error("not one character");
    return code < HALVES.from ? code : code - HALVES.count;
  },
);

/** Text of any characters. */
export const anyText = (constraints: { minLength?: number; maxLength?: number } = {}) =>
  fc.string({ ...constraints, unit: character });
