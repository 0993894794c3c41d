import type { Snapshot } from "./execution";

interface Waiting {
  /** @returns whether it waits no more */
  look(snapshot: Snapshot): boolean;
  fail(error: Error): void;
}

/** Looks at an execution, once for all that wait for something of it. */
export class Watch {
  private readonly waiting = new Set<Waiting>();
  private looking = false;

  /** @param every how often, in milliseconds */
  constructor(
    private readonly read: () => Promise<Snapshot>,
    private readonly every: number,
  ) {}

  /**
   * Waits for something to be so.
   *
   * @param find gives undefined while it is not
   * @throws what reading or finding throws
   */
  until<T>(find: (snapshot: Snapshot) => T | undefined): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      this.waiting.add({
        look(snapshot) {
          const found = find(snapshot);
          if (found === undefined) return false;
          resolve(found);
          return true;
        },
        fail: reject,
      });
      if (!this.looking) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.looking = true;
    while (this.waiting.size) {
      try {
        const snapshot = await this.read();
        for (const one of this.waiting) this.show(one, snapshot);
      } catch (error) {
        for (const one of this.waiting) one.fail(error as Error);
        this.waiting.clear();
      }
      if (this.waiting.size) await new Promise((resolve) => setTimeout(resolve, this.every));
    }
    this.looking = false;
  }

  private show(one: Waiting, snapshot: Snapshot): void {
    try {
      if (one.look(snapshot)) this.waiting.delete(one);
    } catch (error) {
      this.waiting.delete(one);
      one.fail(error as Error);
    }
  }
}
