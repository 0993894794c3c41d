import type { Scope } from "../aws-request";
import type { EmulatedTime } from "../time";
import { readSchedule, type Schedule } from "./schedule";

/** A rule that is called later than that does not make up for what it has missed. */
const LATE_MILLISECONDS = 60_000;

/** Calls rules that wait for a time when it has come. */
export class Schedules {
  /** What calls off the next time of a rule, by account, region and name. */
  private readonly waiting = new Map<string, () => void>();
  /** Wall-clock time and emulated time at one moment: what is emulated goes on from there. */
  private readonly start: { readonly wall: number; readonly seconds: number };

  /** @param run is called for each rule that is due */
  constructor(
    private readonly time: EmulatedTime,
    private readonly run: (scope: Scope, rule: string) => void,
  ) {
    this.start = { wall: time.now() * 1000, seconds: time.seconds };
  }

  /**
   * A rule waits for the times of a schedule from now on, and for no others.
   *
   * @throws AwsError where it is none
   */
  set(scope: Scope, rule: string, expression: string): void {
    const schedule = readSchedule(expression);
    this.cancel(scope, rule);
    this.wait(scope, rule, schedule, this.now);
  }

  /** A rule waits for nothing any more. */
  cancel(scope: Scope, rule: string): void {
    const key = keyOf(scope, rule);
    this.waiting.get(key)?.();
    this.waiting.delete(key);
  }

  stop(): void {
    for (const cancel of this.waiting.values()) cancel();
    this.waiting.clear();
  }

  private get now(): number {
    return this.start.wall + (this.time.seconds - this.start.seconds) * 1000;
  }

  private wait(scope: Scope, rule: string, schedule: Schedule, after: number): void {
    const due = schedule(after);
    if (due === undefined) return;
    const sleep = () => {
      const key = keyOf(scope, rule);
      const cancel = this.time.after((due - this.now) / 1000, () => {
        // No timer waits for months: it is to be set again.
        if (this.now < due - 1) return sleep();
        this.run(scope, rule);
        // What this machine has slept through is not made up for.
        this.wait(scope, rule, schedule, this.now - due < LATE_MILLISECONDS ? due : this.now);
      });
      this.waiting.set(key, cancel);
    };
    sleep();
  }
}

const keyOf = ({ account, region }: Scope, rule: string) => `${account}/${region}/${rule}`;
