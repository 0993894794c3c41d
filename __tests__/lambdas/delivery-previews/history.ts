import fc from "fast-check";
import { TASK } from "./fake-world";

// What may happen to a repository, for those who tell histories of it.

export const BRANCHES = [
  "feature/login",
  "feature/logout",
  "feature/$(id)`x`",
  "fix/cart",
  "fix/mail",
  "main",
];

/** Nothing expires: what that does is told elsewhere. */
export const RULES = TASK.rules.map((rule) => ({ ...rule, ttlHours: 8000 }));

export const change = fc.record({
  what: fc.constantFrom("push", "push", "delete", "delete", "open", "close", "sweep"),
  branch: fc.constantFrom(...BRANCHES),
});
export type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;

/** Numbers that look random, the same each time for a seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
