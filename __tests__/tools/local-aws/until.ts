import { readFileSync } from "node:fs";

/** Waits for what comes soon. */
export async function until(condition: () => unknown): Promise<void> {
  for (let tries = 0; !condition(); tries++) {
    if (tries === 400) throw new Error("it never came");
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
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
