/** What has a place in an order. */
export interface Ordered {
  readonly name: string;
  /** Names of those that come before it. All of them are there, and none comes after itself. */
  readonly dependencies: readonly string[];
}

/** What became of one: whether its work succeeded; "left out" where one before it did not. */
export type Outcome = "succeeded" | "failed" | "left out";

/**
 * Does the work for each once it is done for all those before it, side by side. Where it fails for one, those after that
 * one are left out, and all others go on.
 *
 * @param most so many at once
 * @param work says whether it succeeded; what it throws ends all of it, once those that have begun are done
 */
export async function inOrder<T extends Ordered>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<boolean>,
): Promise<Map<string, Outcome>> {
  const outcomes = new Map<string, Outcome>();
  const waiting = new Set(items);
  const running = new Set<Promise<unknown>>();
  let thrown: { readonly error: unknown } | undefined;

  const begin = (item: T) => {
    waiting.delete(item);
    const done = work(item)
      .then((succeeded) => outcomes.set(item.name, succeeded ? "succeeded" : "failed"))
      .catch((error: unknown) => {
        thrown ??= { error };
      })
      .finally(() => running.delete(done));
    running.add(done);
  };
  /** @returns whether another look may find more */
  const look = (): boolean => {
    for (const item of waiting) {
      const before = item.dependencies.map((name) => outcomes.get(name));
      if (before.some((outcome) => outcome === "failed" || outcome === "left out")) {
        waiting.delete(item);
        outcomes.set(item.name, "left out");
        return true;
      }
      if (running.size < most && before.every((outcome) => outcome === "succeeded")) {
        begin(item);
        return true;
      }
    }
    return false;
  };

  for (;;) {
    while (!thrown && look());
    if (running.size === 0) break;
    await Promise.race(running);
  }
  if (thrown) throw thrown.error;
  return outcomes;
}

/** Those whose work can be done side by side, then those that can be after them, and so on. */
export function waves<T extends Ordered>(items: readonly T[]): T[][] {
  const found: T[][] = [];
  const done = new Set<string>();
  for (let left = [...items]; left.length > 0; ) {
    const wave = left.filter(({ dependencies }) => dependencies.every((name) => done.has(name)));
    // Each in the round of the others: a synth refuses that.
    if (wave.length === 0) throw new Error(`In a circle: ${left.map(({ name }) => name).join(", ")}`);
    for (const { name } of wave) done.add(name);
    left = left.filter((item) => !wave.includes(item));
    found.push(wave);
  }
  return found;
}
