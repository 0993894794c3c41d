import { systemClock } from "./pipelines/engine";
import type { Clock } from "./pipelines/execution";

/** A minute of AWS's, in milliseconds of this machine. */
export const MINUTE_MILLISECONDS = 60_000;

/** Time as deployments, alarms, schedules and queues see it, which may pass faster than this machine's. */
export class EmulatedTime {
  /** @param minuteMilliseconds how long an emulated minute takes */
  constructor(
    private readonly minuteMilliseconds = MINUTE_MILLISECONDS,
    private readonly clock: Clock = systemClock,
  ) {}

  /** Seconds since 1970, of this machine: what is shown to people. */
  now(): number {
    return this.clock.now();
  }

  /** Emulated seconds. Only differences mean something. */
  get seconds(): number {
    return (this.clock.now() * 1000 * 60) / this.minuteMilliseconds;
  }

  /** How many seconds of this machine emulated ones take. */
  real(seconds: number): number {
    return (seconds * this.minuteMilliseconds) / MINUTE_MILLISECONDS;
  }

  /**
   * Runs something later.
   *
   * @param seconds emulated
   * @returns what calls it off
   */
  after(seconds: number, run: () => void): () => void {
    return this.clock.after((seconds * this.minuteMilliseconds) / 60, run);
  }

  /**
   * @param seconds emulated
   * @throws the signal's reason, once it is aborted
   */
  sleep(seconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((wake, fail) => {
      if (signal.aborted) {
        fail(signal.reason);
        return;
      }
      const cancel = this.after(seconds, () => {
        signal.removeEventListener("abort", abort);
        wake();
      });
      const abort = () => {
        cancel();
        fail(signal.reason);
      };
      signal.addEventListener("abort", abort, { once: true });
    });
  }
}
