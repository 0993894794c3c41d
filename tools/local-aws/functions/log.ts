import type { LogEvent } from "../builds/log";
import { type Caller, call } from "./client";

/** How often the events that have come are passed on, in milliseconds. */
const PASS_MILLISECONDS = 500;
/** PutLogEvents takes no more at once. */
const MOST_EVENTS = 5000;
const MOST_BYTES = 900_000;
/** Longer lines are cut: no event may be longer. */
const LONGEST_LINE = 200_000;
/** How much of its log an invocation gives back, in bytes. */
const TAIL_BYTES = 4096;

export interface Report {
  readonly status: "success" | "error" | "timeout" | "failure";
  readonly milliseconds: number;
  /** Of the environment's start, where this invocation waited for it. */
  readonly initMilliseconds?: number;
  /** MiB. */
  readonly memory: number;
  /** MiB. */
  readonly memoryUsed: number;
  /** What Lambda itself says of a failure. */
  readonly failure?: { readonly errorType: string; readonly reason: string };
}

export interface FunctionLogProps {
  readonly format: "Text" | "JSON";
  /** Where events go. */
  readonly sink: (events: readonly LogEvent[]) => Promise<void>;
}

/** The log of one environment of a function: what its code prints, between Lambda's own records. */
export class FunctionLog {
  private waiting: LogEvent[] = [];
  private invocation: string[] = [];
  private timer?: NodeJS.Timeout;
  private passing: Promise<void> = Promise.resolve();

  constructor(private readonly props: FunctionLogProps) {}

  /** @param runtime what runs the code */
  initStart(runtime: string): void {
    this.record(`INIT_START Runtime Version: ${runtime}`, "initStart", {
      initializationType: "on-demand",
      phase: "init",
      runtimeVersion: runtime,
    });
  }

  start(requestId: string, version: string): void {
    this.record(`START RequestId: ${requestId} Version: ${version}`, "start", { requestId, version });
  }

  /** A line that the function's code printed. */
  print(line: string): void {
    // Lines that belong together come as one.
    this.put(line.replaceAll("\r", "\n"));
  }

  end(requestId: string, report: Report): void {
    const { status, milliseconds, initMilliseconds, memory, memoryUsed, failure } = report;
    const billed = Math.ceil(milliseconds);
    if (this.props.format === "JSON") {
      const metrics = {
        durationMs: round(milliseconds),
        billedDurationMs: billed,
        memorySizeMB: memory,
        maxMemoryUsedMB: Math.ceil(memoryUsed),
        initDurationMs: initMilliseconds === undefined ? undefined : round(initMilliseconds),
      };
      this.record("", "report", { requestId, metrics, status, errorType: failure?.errorType });
      return;
    }
    if (failure) this.put(`${new Date().toISOString()} ${requestId} ${failure.reason}`);
    this.put(`END RequestId: ${requestId}`);
    const fields = [
      `REPORT RequestId: ${requestId}`,
      `Duration: ${milliseconds.toFixed(2)} ms`,
      `Billed Duration: ${billed} ms`,
      `Memory Size: ${memory} MB`,
      `Max Memory Used: ${Math.ceil(memoryUsed)} MB`,
    ];
    if (initMilliseconds !== undefined) fields.push(`Init Duration: ${initMilliseconds.toFixed(2)} ms`);
    if (status !== "success") fields.push(`Status: ${status}`);
    this.put(`${fields.join("\t")}\t`);
  }

  /** The end of what has come since it was asked last. */
  takeTail(): Buffer {
    const text = Buffer.from(this.invocation.join(""));
    this.invocation = [];
    return text.subarray(Math.max(text.length - TAIL_BYTES, 0));
  }

  /** Passes all on that has come. */
  flush(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    const events = this.waiting;
    this.waiting = [];
    if (events.length) this.passing = this.passing.then(() => this.props.sink(events)).catch(() => {});
    return this.passing;
  }

  private record(text: string, type: string, record: Readonly<Record<string, unknown>>): void {
    const content = { time: new Date().toISOString(), type: `platform.${type}`, record };
    this.put(this.props.format === "JSON" ? JSON.stringify(content) : text);
  }

  private put(line: string): void {
    const message = `${line.slice(0, LONGEST_LINE)}\n`;
    this.waiting.push({ timestamp: Date.now(), message });
    this.invocation.push(message);
    this.timer ??= setTimeout(() => void this.flush(), PASS_MILLISECONDS).unref();
  }
}

const round = (milliseconds: number) => Math.round(milliseconds * 1000) / 1000;

/**
 * Takes events into a stream of a group, which is made with the first of them. Where the group is not there, they
 * are lost, as those of a function that may not make it.
 */
export function logStream(
  caller: Caller,
  logGroupName: string,
  logStreamName: string,
): FunctionLogProps["sink"] {
  const names = { logGroupName, logStreamName };
  let made: Promise<unknown> | undefined;
  return async (events) => {
    made ??= call(caller, "logs", "Logs_20140328.CreateLogStream", names);
    await made;
    for (let from = 0; from < events.length; ) {
      let bytes = 0;
      let to = from;
      while (to < events.length && to - from < MOST_EVENTS) {
        bytes += Buffer.byteLength(events[to]!.message) + 26;
        if (bytes > MOST_BYTES && to > from) break;
        to++;
      }
      await call(caller, "logs", "Logs_20140328.PutLogEvents", {
        ...names,
        logEvents: events.slice(from, to),
      });
      from = to;
    }
  };
}
