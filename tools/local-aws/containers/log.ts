import type { LogEvent } from "../builds/log";

/** How often the lines that have come are passed on, in milliseconds. */
const PASS_MILLISECONDS = 500;
/** Longer lines are cut: no event may be longer. */
const LONGEST_LINE = 200_000;

/** What one container prints, line by line. */
export class ContainerLog {
  private waiting: LogEvent[] = [];
  private rest = "";
  private timer?: NodeJS.Timeout;
  private passing: Promise<void> = Promise.resolve();

  /** @param sink where lines go; what it cannot take is lost */
  constructor(private readonly sink: (events: readonly LogEvent[]) => Promise<void>) {}

  /** Takes what is printed, in pieces as they come. */
  print(text: string): void {
    const lines = (this.rest + text).split("\n");
    this.rest = lines.pop() ?? "";
    for (const line of lines) this.put(line);
  }

  /** Passes all on that has come. */
  async close(): Promise<void> {
    if (this.rest) this.put(this.rest);
    this.rest = "";
    clearTimeout(this.timer);
    this.pass();
    await this.passing;
  }

  private put(line: string): void {
    this.waiting.push({ timestamp: Date.now(), message: line.slice(0, LONGEST_LINE) });
    this.timer ??= setTimeout(() => this.pass(), PASS_MILLISECONDS).unref();
  }

  private pass(): void {
    this.timer = undefined;
    const events = this.waiting;
    this.waiting = [];
    if (events.length) this.passing = this.passing.then(() => this.sink(events)).catch(() => {});
  }
}
