import { setTimeout as wait } from "node:timers/promises";
import type { Scope } from "../aws-request";
import type { Caller } from "../functions/client";
import { EmulatedTime } from "../time";
import { type AwsEvent, eventOf, type Occurrence, type Publisher } from "./event";
import { inputOf } from "./input";
import { type Pattern, readPattern } from "./pattern";
import { Schedules } from "./schedules";
import { bury, busIn, type Delivery, DeliveryFailure, deliver, readRules, type Target } from "./targets";

export interface EventBusProps {
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key that belongs to an account. */
  readonly keyOf: (account: string) => string;
  /** Gets a line for each event that a target did not take. @default - nobody */
  readonly log?: (line: string) => void;
  /** Whether each event is delivered twice, as may happen on AWS. @default false */
  readonly twice?: boolean;
  /** What passes before an event is given to a target again that did not take it. @default a second, then two */
  readonly retryMilliseconds?: readonly number[];
  /** What schedules go by. @default - this machine's time */
  readonly time?: EmulatedTime;
}

interface Rule {
  readonly name: string;
  readonly arn: string;
  readonly matches: Pattern;
  readonly targets: readonly Target[];
}

const RETRY_MILLISECONDS = [1000, 2000];
export const DEFAULT_BUS = "default";

/** EventBridge's buses: what happens goes to the targets of the rules that wait for it. moto keeps the rules. */
export class EventBus implements Publisher {
  /** Rules by account, region and bus, read once after each change. */
  private readonly rules = new Map<string, Promise<readonly Rule[]>>();
  /** Where somebody has made a rule. */
  private readonly ruled = new Set<string>();
  private readonly work = new Set<Promise<void>>();
  private readonly stopping = new AbortController();
  private readonly schedules: Schedules;

  constructor(private readonly props: EventBusProps) {
    this.schedules = new Schedules(props.time ?? new EmulatedTime(), (scope, rule) => this.fire(scope, rule));
  }

  publish(scope: Scope, occurrence: Occurrence): void {
    this.take(scope, DEFAULT_BUS, eventOf(scope, occurrence));
  }

  /**
   * Hands an event on to the rules of a bus.
   *
   * @param forwarded whether it comes from another bus, and goes to no third one
   */
  take(scope: Scope, bus: string, event: AwsEvent, forwarded = false): void {
    if (this.stopping.signal.aborted || !this.ruled.has(keyOf(scope))) return;
    this.begin(
      this.spread(scope, bus, event, forwarded).catch((error: Error) =>
        this.tell(`An event of ${event.source} reached no rule: ${error.message}`),
      ),
    );
  }

  /**
   * A rule is called at the times of a schedule from now on; without one, at none any more.
   *
   * @throws AwsError where it is no schedule
   */
  schedule(scope: Scope, rule: string, expression?: string): void {
    if (expression) this.schedules.set(scope, rule, expression);
    else this.schedules.cancel(scope, rule);
  }

  /** Rules of an account and region have changed. */
  learn(scope: Scope): void {
    this.ruled.add(keyOf(scope));
    for (const key of this.rules.keys()) if (key.startsWith(`${keyOf(scope)}/`)) this.rules.delete(key);
  }

  /** Fulfilled when nothing is under way any more. */
  async stop(): Promise<void> {
    this.stopping.abort();
    this.schedules.stop();
    await Promise.all(this.work);
  }

  private begin(work: Promise<unknown>): void {
    const done = work.then(() => {}).finally(() => this.work.delete(done));
    this.work.add(done);
  }

  /** Calls a rule whose time has come. */
  private fire(scope: Scope, name: string): void {
    const give = async () => {
      const rule = (await this.rulesOf(scope, DEFAULT_BUS)).find((one) => one.name === name);
      if (!rule) return;
      const event = eventOf(scope, {
        source: "aws.events",
        detailType: "Scheduled Event",
        resources: [rule.arn],
        detail: {},
      });
      await Promise.all(rule.targets.map((target) => this.give(scope, rule, target, event, false)));
    };
    this.begin(
      give().catch((error: Error) => this.tell(`The rule ${name} was due and not called: ${error.message}`)),
    );
  }

  private async spread(scope: Scope, bus: string, event: AwsEvent, forwarded: boolean): Promise<void> {
    const rules = (await this.rulesOf(scope, bus)).filter(({ matches }) => matches(event));
    await Promise.all(
      rules.flatMap((rule) => rule.targets.map((target) => this.give(scope, rule, target, event, forwarded))),
    );
  }

  private async give(
    scope: Scope,
    rule: Rule,
    target: Target,
    event: AwsEvent,
    forwarded: boolean,
  ): Promise<void> {
    const next = busIn(target.Arn);
    if (next) {
      if (!forwarded) this.take(next.scope, next.bus, event, true);
      return;
    }
    const input = inputOf(target, event, rule.arn);
    const delivery: Delivery = {
      rule: rule.arn,
      target,
      input,
      callerIn: (region) => this.callerIn({ ...scope, region }),
    };
    // A function is invoked later, and that happens twice by itself.
    const times = this.props.twice && !/^arn:[\w-]+:lambda:/.test(target.Arn) ? 2 : 1;
    for (let time = 0; time < times; time++) await this.insist(delivery, rule, event);
  }

  /** Tries until the target takes the event, or is to be tried no more. */
  private async insist(delivery: Delivery, rule: Rule, event: AwsEvent): Promise<void> {
    const { target } = delivery;
    const { retryMilliseconds = RETRY_MILLISECONDS } = this.props;
    const pauses = retryMilliseconds.slice(0, target.RetryPolicy?.MaximumRetryAttempts);
    for (let retries = 0; ; retries++) {
      const failure = await deliver(delivery).catch(asFailure);
      if (!failure || this.stopping.signal.aborted) return;
      const pause = pauses[retries];
      if (failure.retryable && pause !== undefined) {
        await wait(pause, undefined, { ref: false, signal: this.stopping.signal }).catch(() => {});
        if (this.stopping.signal.aborted) return;
        continue;
      }
      const line = `The rule ${rule.arn} could not give its event to ${target.Arn}: ${failure.message}`;
      if (!target.DeadLetterConfig?.Arn) return this.tell(line);
      await bury(delivery, JSON.stringify(event), { failure, retries }).catch((error: Error) =>
        this.tell(`${line} (nor to ${target.DeadLetterConfig?.Arn}: ${error.message})`),
      );
      return;
    }
  }

  private rulesOf(scope: Scope, bus: string): Promise<readonly Rule[]> {
    const key = `${keyOf(scope)}/${bus}`;
    const known = this.rules.get(key);
    if (known) return known;
    const read = readRules(this.callerIn(scope), bus).then((kept) =>
      kept.map(({ pattern, ...rule }) => ({
        ...rule,
        matches: pattern ? readPattern(pattern) : () => false,
      })),
    );
    this.rules.set(key, read);
    // To be read again, then.
    read.catch(() => this.rules.delete(key));
    return read;
  }

  private callerIn({ account, region }: Scope): Caller {
    return { endpoint: this.props.endpoint(), region, accessKey: this.props.keyOf(account) };
  }

  private tell(line: string): void {
    if (!this.stopping.signal.aborted) this.props.log?.(line);
  }
}

const keyOf = ({ account, region }: Scope) => `${account}/${region}`;

const asFailure = (error: Error) =>
  error instanceof DeliveryFailure ? error : new DeliveryFailure("SDK_CLIENT_ERROR", error.message);
