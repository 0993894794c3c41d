import { setTimeout as wait } from "node:timers/promises";

export interface LogEvent {
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  readonly message: string;
}

/** How often the events that have come are passed on, in milliseconds. */
const PASS_MILLISECONDS = 500;
/** How often they are handed in before they count as lost, and how long to wait between, in milliseconds. */
const MOST_TRIES = 4;
const RETRY_MILLISECONDS = 250;
/** Shorter parts of a hidden value of many lines would hide half of the log. */
const LEAST_HIDDEN_LINE = 4;

/** A build's log: lines of Local AWS and of the commands, without the values that must not show. */
export class BuildLog {
  private readonly hidden = new Set<string>();
  private waiting: LogEvent[] = [];
  private line = "";
  private timer?: NodeJS.Timeout;
  private passing: Promise<void> = Promise.resolve();
  private closed = false;
  /** Where events go. @default - they wait */
  sink?: (events: readonly LogEvent[]) => Promise<void>;

  /** Shows `***` in place of a value from now on. */
  hide(value: string): void {
    if (value.trim()) this.hidden.add(value).add(value.trim());
    // Commands print line by line, and so is the log read.
    for (const part of value.split("\n"))
      if (part.trim().length >= LEAST_HIDDEN_LINE) this.hidden.add(part.trim());
  }

  masked(text: string): string {
    const values = [...this.hidden].sort((a, b) => b.length - a.length);
    return values.reduce((masked, value) => masked.replaceAll(value, "***"), text);
  }

  /** A line of Local AWS's own, in CodeBuild's form. */
  say(text: string): void {
    this.endLine();
    const time = new Date().toISOString().replace("T", " ").replaceAll("-", "/").replace("Z", "");
    for (const line of text.split("\n")) this.put(`[Container] ${time} ${line}`);
  }

  /** What a command prints, in pieces as they come. */
  print(text: string): void {
    const lines = (this.line + text).split("\n");
    this.line = lines.pop() ?? "";
    for (const line of lines) this.put(line);
  }

  /** Passes all on that has come. */
  async close(): Promise<void> {
    this.endLine();
    clearTimeout(this.timer);
    this.pass();
    this.closed = true;
    await this.passing;
  }

  private endLine(): void {
    if (this.line) this.put(this.line);
    this.line = "";
  }

  private put(line: string): void {
    if (this.closed) return;
    this.waiting.push({ timestamp: Date.now(), message: `${this.masked(line)}\n` });
    this.timer ??= setTimeout(() => this.pass(), PASS_MILLISECONDS);
  }

  private pass(): void {
    this.timer = undefined;
    const { sink } = this;
    if (!sink || !this.waiting.length) return;
    const events = this.waiting;
    this.waiting = [];
    this.passing = this.passing.then(() => handIn(events, sink));
  }
}

async function handIn(events: readonly LogEvent[], sink: NonNullable<BuildLog["sink"]>): Promise<void> {
  for (let tries = 1; tries <= MOST_TRIES; tries++) {
    try {
      return await sink(events);
    } catch {
      await wait(RETRY_MILLISECONDS);
    }
  }
}
