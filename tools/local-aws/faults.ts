import { UserError } from "../project";
import { AwsError, OWN_AGENT, type RequestHead } from "./aws-request";

/** What goes wrong on purpose, to see what survives it. */
export interface FaultSettings {
  /** Share of the requests of roles that are refused as too many, 0 to 0.9. @default 0 */
  readonly throttle?: number;
  /** Whether asynchronous invocations and deliveries of events happen twice. @default false */
  readonly duplicateEvents?: boolean;
  /** Name of an action of a pipeline: the first build that it runs is killed. @default - none is */
  readonly kill?: string;
  /** What the requests that are refused are drawn by: the same for the same requests in the same order. @default 1 */
  readonly seed?: number;
}

/** More than that, and nothing gets through. */
const MOST_THROTTLED = 0.9;

const ALLOWED = `Allowed are throttle=SHARE (0 to ${MOST_THROTTLED}), duplicate-events, kill=ACTION and seed=NUMBER.`;

/**
 * Reads faults as a user writes them: `throttle=0.1`, `duplicate-events`, `kill=Test`, `seed=7`.
 *
 * @throws UserError where one is none
 */
export function readFaults(given: readonly string[]): FaultSettings {
  let faults: FaultSettings = {};
  for (const one of given) {
    const [, name = one, value = ""] = /^([^=]*)=(.*)$/s.exec(one) ?? [];
    const wrong = (what: string) => new UserError(`--fault ${one}: ${what}. ${ALLOWED}`);
    const isNumber = /^\d+(\.\d+)?$/.test(value);
    switch (name) {
      case "throttle":
        if (!isNumber || Number(value) > MOST_THROTTLED)
          throw wrong(`${value || "nothing"} is no share of requests`);
        faults = { ...faults, throttle: Number(value) };
        break;
      case "duplicate-events":
        if (one !== name) throw wrong("it takes no value");
        faults = { ...faults, duplicateEvents: true };
        break;
      case "kill":
        if (!value) throw wrong("it names no action");
        faults = { ...faults, kill: value };
        break;
      case "seed":
        if (!isNumber || !Number.isSafeInteger(Number(value))) throw wrong("it takes a whole number");
        faults = { ...faults, seed: Number(value) };
        break;
      default:
        throw wrong("there is no such fault");
    }
  }
  return faults;
}

/** Makes the faults of one Local AWS. */
export class Faults {
  private readonly draw: () => number;
  private killed = false;

  constructor(private readonly settings: FaultSettings = {}) {
    this.draw = randomNumbers(settings.seed ?? 1);
  }

  get duplicates(): boolean {
    return this.settings.duplicateEvents ?? false;
  }

  /** Whether the build that an action starts now is to be killed. */
  kills(action: string): boolean {
    if (this.killed || action !== this.settings.kill) return false;
    this.killed = true;
    return true;
  }

  /**
   * Refuses some of what roles ask, in the words and the status that their clients try again for. Not what Local AWS
   * asks itself in the place of a service, which on AWS has its own limits.
   *
   * @throws AwsError
   */
  throttle(head: RequestHead): void {
    const { throttle = 0 } = this.settings;
    const isRole = head.accessKey.startsWith("ASIA");
    if (!throttle || !isRole || String(head.headers["user-agent"]).includes(OWN_AGENT)) return;
    if (this.draw() < throttle) throw tooMany(head);
  }
}

function tooMany({ service, form, api, url }: RequestHead): AwsError {
  if (service === "s3") return new AwsError("SlowDown", "Please reduce your request rate.", 503);
  if (service === "ec2") return new AwsError("RequestLimitExceeded", "Request limit exceeded.", 503);
  if (form) return new AwsError("Throttling", "Rate exceeded");
  if (api) return new AwsError("ThrottlingException", "Rate exceeded");
  // CBOR, which has no error of ours: the status is what its clients go by.
  if (/\/operation\//.test(url.pathname)) return new AwsError("ThrottlingException", "Rate exceeded", 503);
  return new AwsError("TooManyRequestsException", "Rate exceeded", 429);
}

/** Numbers from 0 to 1 that look random and are the same for the same seed (mulberry32). */
function randomNumbers(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
