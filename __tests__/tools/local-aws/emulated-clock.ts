import type { Clock } from "../../../tools/local-aws/pipelines/execution";

const settle = () => new Promise(setImmediate);

/** A clock that stands still until a test moves it. */
export class TestClock implements Clock {
  private time = 1_000_000_020;
  private timers: { readonly due: number; readonly run: () => void }[] = [];

  /** How many wait. */
  get waiting(): number {
    return this.timers.length;
  }

  now(): number {
    return this.time;
  }

  after(milliseconds: number, run: () => void): () => void {
    const timer = { due: this.time + milliseconds / 1000, run };
    this.timers.push(timer);
    return () => {
      this.timers = this.timers.filter((one) => one !== timer);
    };
  }

  /** Lets time pass, and all happen that is due in it, each thing at its time. */
  async pass(seconds: number): Promise<void> {
    const until = this.time + seconds;
    await settle();
    for (;;) {
      const [next] = this.timers.filter(({ due }) => due <= until).sort((a, b) => a.due - b.due);
      if (!next) break;
      this.timers = this.timers.filter((timer) => timer !== next);
      this.time = next.due;
      next.run();
      await settle();
    }
    this.time = until;
    await settle();
  }
}
