import { readFileSync } from "node:fs";

/** Waits for what comes soon. */
export async function until(condition: () => unknown): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 400) throw new Error("it never came");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

/** Looks until there is something. @returns it */
export async function untilFound<T>(
  look: () => Promise<T | undefined | false>,
  { tries = 600, milliseconds = 100 } = {},
): Promise<T> {
  for (let left = tries; left > 0; left--) {
    const found = await look();
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, milliseconds));
  }
  throw new Error("It never came.");
}

export function lives(pid: number): boolean {
  try {
    process.kill(pid, 0);
    // One that nobody has waited for yet is dead, too.
    return !/^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "ENOENT" && process.platform !== "linux";
  }
}
