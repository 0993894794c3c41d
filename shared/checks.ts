import { setTimeout as pause } from "node:timers/promises";
import { shortened, visible } from "./visible";

/** A request, and what a good answer to it is: of a service, or of a function that answers requests. */
export interface RequestCheck {
  /** With its query. */
  readonly path: string;
  readonly method: string;
  /** Body of the request. @default - none */
  readonly body?: string;
  /** Status of a good answer. @default - any below 500 */
  readonly status?: number;
  /** What a good answer's body holds. @default - anything */
  readonly contains?: string;
  /** Within which a good answer comes. */
  readonly withinMilliseconds: number;
}

/** An event, and what a good answer to it is: of a function that answers no requests. */
export interface EventCheck {
  /** JSON. */
  readonly event: string;
  /** What a good answer, as JSON, holds. @default - anything but a failure */
  readonly contains?: string;
  readonly withinMilliseconds: number;
}

/** What lambdas/release-check is told of what it checks. */
export type CheckTarget =
  | {
      readonly kind: "service";
      /** Where its users reach it. */
      readonly url: string;
      /** The load balancer, as network interfaces name it: `app/<name>/<id>`. */
      readonly loadBalancer: string;
      /** Of the listener that shows the new version before traffic moves. */
      readonly testPort: number;
      /** Of the listener that users reach. @default - 443 where the URL is of HTTPS, else 80 */
      readonly productionPort?: number;
    }
  | { readonly kind: "function"; readonly name: string; readonly alias: string };

/** What a new version has to do to be released, and a released one to be sound. */
export type Check = RequestCheck | EventCheck;

/**
 * A service's checks, as they can be asked through its load balancer: where that does not give it the path of its health,
 * which is then for the load balancer alone, any answer of the service is good instead.
 */
export const serviceChecks = (service: {
  readonly checks: readonly RequestCheck[];
  readonly healthPath: string;
  readonly paths: readonly string[];
}): RequestCheck[] =>
  service.checks.map((check) => {
    const isReached = service.paths.some((pattern) => matches(pattern, check.path.split("?")[0]!));
    if (check.path !== service.healthPath || isReached) return check;
    const path = service.paths[0]!.replace(/\*.*$/, "");
    return { path, method: "GET", withinMilliseconds: check.withinMilliseconds };
  });

/** What can be checked; see check-targets.ts. */
export interface Target {
  /** What it is called where a check of it is told. */
  readonly name: string;
  /**
   * @param signal ends the waiting
   * @throws Error that says why there is no answer
   */
  answer(check: Check, signal: AbortSignal): Promise<Answer>;
}

export interface Answer {
  /** @default - none: it is the answer to an event */
  readonly status?: number;
  readonly body: string;
  /** Whether the body goes on, and was read no further. @default false */
  readonly isCut?: boolean;
}

/** How a check ended, in words of which each is one line without a character that is not seen. */
export interface CheckResult {
  readonly isGood: boolean;
  /** As `GET /health of https://dev.example.com`. */
  readonly asked: string;
  /** As `status 200 within 5000 ms`. */
  readonly expected: string;
  /** As `503: no database`, of the last try; the beginning of the body at most. */
  readonly came: string;
  /** Of the last try. */
  readonly milliseconds: number;
  readonly tries: number;
}

export interface CheckOptions {
  /** Within which what is not good is tried again; the last try may take its time beyond it. */
  readonly patienceMilliseconds: number;
  /** Between two tries. @default 2000 */
  readonly pauseMilliseconds?: number;
  /** Ends all at once. @default - nothing does */
  readonly signal?: AbortSignal;
}

/** Tries each check, one after the other in their order, until it is good or patience has an end. */
export async function runChecks(
  checks: readonly Check[],
  target: Target,
  { patienceMilliseconds, pauseMilliseconds = 2000, signal = new AbortController().signal }: CheckOptions,
): Promise<CheckResult[]> {
  const end = Date.now() + patienceMilliseconds;
  const results = checks.map(
    (check): CheckResult => ({ ...question(check, target), ...NOT_ASKED, isGood: false }),
  );
  for (;;) {
    for (const [index, check] of checks.entries()) {
      const { isGood, tries } = results[index]!;
      if (!isGood && !signal.aborted)
        results[index] = {
          ...question(check, target),
          ...(await attempt(check, target, signal)),
          tries: tries + 1,
        };
    }
    const isOver = signal.aborted || Date.now() + pauseMilliseconds > end;
    if (isOver || results.every(({ isGood }) => isGood)) return results;
    // Where the signal ends the pause, the next round asks nothing more.
    await pause(pauseMilliseconds, undefined, { signal }).catch(() => {});
  }
}

/** A result as a sentence. */
export function sentence({ isGood, asked, expected, came, milliseconds, tries }: CheckResult): string {
  if (isGood) return `${asked} is good: ${came}, after ${milliseconds} ms`;
  return `${asked} should answer with ${expected}; asked ${tries === 1 ? "once" : `${tries} times`}, it answered ${came}`;
}

const NOT_ASKED = { came: "nothing (there was no time left to ask)", milliseconds: 0, tries: 0 };

/** What a person has to read of an answer that may be a page, or anything at all. */
const excerpt = (text: string) => visible(shortened(text, 300));

function question(check: Check, { name }: Target): Pick<CheckResult, "asked" | "expected"> {
  const what = "event" in check ? `The event ${check.event}` : `${check.method} ${check.path}`;
  const status =
    "event" in check
      ? "no failure"
      : check.status === undefined
        ? "a status below 500"
        : `status ${check.status}`;
  const contains = check.contains ? ` and "${excerpt(check.contains)}"` : "";
  return {
    asked: `${excerpt(what)} of ${name}`,
    expected: `${status}${contains} within ${check.withinMilliseconds} ms`,
  };
}

async function attempt(
  check: Check,
  target: Target,
  signal: AbortSignal,
): Promise<Pick<CheckResult, "isGood" | "came" | "milliseconds">> {
  const begin = performance.now();
  const limit = AbortSignal.timeout(check.withinMilliseconds);
  const ended = (isGood: boolean, came: string) => ({
    isGood,
    came,
    milliseconds: Math.round(performance.now() - begin),
  });
  try {
    const answer = await target.answer(check, AbortSignal.any([limit, signal]));
    return ended(isGood(check, answer), told(answer));
  } catch (error) {
    if (limit.aborted) return ended(false, "nothing in time");
    if (signal.aborted) return ended(false, "nothing until there was no time left");
    return ended(false, `nothing (${excerpt(reason(error))})`);
  }
}

function isGood(check: Check, { status = 0, body }: Answer): boolean {
  if (!("event" in check) && (check.status === undefined ? status >= 500 : status !== check.status))
    return false;
  return body.includes(check.contains ?? "");
}

function told({ status, body, isCut }: Answer): string {
  const said = [status, excerpt(body)].filter((part) => part !== undefined && part !== "").join(": ");
  return `${said || "nothing in words"}${isCut ? ", and more that was not read" : ""}`;
}

/** Where several addresses were tried, the error has a code alone. */
function reason(error: unknown): string {
  const { name, message, code } = error as Error & { readonly code?: string };
  if (!message) return code ?? name;
  return name === "Error" ? message : `${name}: ${message}`;
}

/** Whether a path pattern of the load balancer means a path: `*` is any text, `?` one character. */
function matches(pattern: string, path: string): boolean {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, "\\$&")
    .replaceAll("*", ".*")
    .replaceAll("?", ".");
  return new RegExp(`^${source}$`).test(path);
}
