import type { CloudWatchClient, Dimension, MetricAlarm, MetricDataQuery } from "@aws-sdk/client-cloudwatch";
import type { Scope } from "./aws-request";
import type { Meter, Sample } from "./meter";
import { calculate, type Value } from "./metric-math";
import type { EmulatedTime } from "./time";

export interface AlarmsProps {
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key that belongs to an account. */
  readonly keyOf: (account: string) => string;
  readonly time: EmulatedTime;
  /** Gets a line for each alarm that cannot be evaluated. @default - nobody */
  readonly log?: (line: string) => void;
}

export type AlarmState = "OK" | "ALARM" | "INSUFFICIENT_DATA";

/** What alarms look at: one metric of some time, or its like in a {@link MetricDataQuery}. */
interface Measure {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: readonly Dimension[];
  readonly statistic: string;
  /** In seconds. */
  readonly period: number;
}

/** Alarms are looked at once a minute, as on AWS. */
const EVALUATION_SECONDS = 60;
/** After the full minute: what was measured in it is in. */
const DELAY_SECONDS = 0.5;

/**
 * Keeps what is measured, and puts the alarms that look at it into the state that it makes for. An alarm that nothing
 * was measured for keeps the state that somebody gave it, and so does one whose measurements tell the same as before.
 */
export class Alarms implements Meter {
  private readonly places = new Map<string, Place>();

  constructor(private readonly props: AlarmsProps) {}

  record(scope: Scope, sample: Sample): void {
    const key = `${scope.account}/${scope.region}`;
    const place = this.places.get(key) ?? new Place(this.props, scope);
    this.places.set(key, place);
    place.record(sample);
  }

  /** Ends all that runs. Fulfilled when nothing of it is left. */
  async stop(): Promise<void> {
    await Promise.all([...this.places.values()].map((place) => place.stop()));
  }
}

/** The metrics and alarms of one account in one region. */
class Place {
  private readonly samples = new Samples();
  /** What alarms were last evaluated to, by their name and time of change. */
  private readonly states = new Map<string, AlarmState>();
  private readonly told = new Set<string>();
  private client?: CloudWatchClient;
  private cancel?: () => void;
  private evaluation?: Promise<void>;
  private stopped = false;

  constructor(
    private readonly props: AlarmsProps,
    private readonly scope: Scope,
  ) {}

  record(sample: Sample): void {
    this.samples.add(sample, this.props.time.seconds);
    // While nobody measures, nothing runs.
    if (!this.cancel && !this.evaluation) this.schedule();
  }

  async stop(): Promise<void> {
    this.stopped = true;
    this.cancel?.();
    await this.evaluation;
    this.client?.destroy();
  }

  private schedule(): void {
    if (this.stopped) return;
    const { time } = this.props;
    const passed = time.seconds % EVALUATION_SECONDS;
    this.cancel = time.after(EVALUATION_SECONDS - passed + DELAY_SECONDS, () => {
      this.cancel = undefined;
      const end = time.seconds - (time.seconds % EVALUATION_SECONDS);
      this.evaluation = this.evaluateAll(end)
        .catch((error: Error) => {
          this.tell(
            `The alarms of ${this.scope.account} in ${this.scope.region} are not evaluated: ${error.message}`,
          );
          return true;
        })
        .then((more) => {
          this.evaluation = undefined;
          if (more) this.schedule();
        });
    });
  }

  /** @returns whether there is something to evaluate later */
  private async evaluateAll(end: number): Promise<boolean> {
    let horizon = EVALUATION_SECONDS;
    for (const alarm of await this.readAlarms()) {
      const key = `${alarm.AlarmName} ${Number(alarm.AlarmConfigurationUpdatedTimestamp)}`;
      try {
        const measures = measuresOf(alarm);
        const measured = measures.some((measure) => this.samples.has(measure));
        if (!measured && !this.states.has(key)) continue;
        const period = Math.max(...measures.map((one) => one.period));
        horizon = Math.max(horizon, period * (alarm.EvaluationPeriods ?? 1));
        const before = this.states.get(key) ?? (alarm.StateValue as AlarmState);
        const state = evaluate(alarm, (measure, until) => this.samples.value(measure, until), end) ?? before;
        this.states.set(key, state);
        if (state !== before) await this.setState(alarm, state);
      } catch (error) {
        this.tell(`The alarm ${alarm.AlarmName} is not evaluated: ${(error as Error).message}`);
      }
    }
    return this.samples.forget(end - horizon);
  }

  private async readAlarms(): Promise<MetricAlarm[]> {
    const { DescribeAlarmsCommand } = await import("@aws-sdk/client-cloudwatch");
    const client = await this.connect();
    const alarms: MetricAlarm[] = [];
    let token: string | undefined;
    do {
      const page = await client.send(new DescribeAlarmsCommand({ NextToken: token }));
      alarms.push(...(page.MetricAlarms ?? []));
      token = page.NextToken;
    } while (token);
    return alarms;
  }

  private async setState({ AlarmName, Threshold }: MetricAlarm, StateValue: AlarmState): Promise<void> {
    const { SetAlarmStateCommand } = await import("@aws-sdk/client-cloudwatch");
    const reasons = {
      OK: `Threshold Crossed: the latest datapoints are within the threshold (${Threshold}).`,
      ALARM: `Threshold Crossed: the latest datapoints are beyond the threshold (${Threshold}).`,
      INSUFFICIENT_DATA: "Insufficient Data: there are no datapoints.",
    };
    const input = { AlarmName, StateValue, StateReason: reasons[StateValue] };
    await (await this.connect()).send(new SetAlarmStateCommand(input));
  }

  private async connect(): Promise<CloudWatchClient> {
    if (this.client) return this.client;
    const { CloudWatchClient } = await import("@aws-sdk/client-cloudwatch");
    const { endpoint, keyOf } = this.props;
    const { account, region } = this.scope;
    const credentials = { accessKeyId: keyOf(account), secretAccessKey: "local" };
    this.client = new CloudWatchClient({ endpoint: endpoint(), region, credentials });
    return this.client;
  }

  /** Once for each, not once a minute. */
  private tell(line: string): void {
    if (!this.told.has(line) && !this.stopped) this.props.log?.(line);
    this.told.add(line);
  }
}

/** Values by metric. */
class Samples {
  private readonly series = new Map<string, { readonly at: number; readonly value: number }[]>();

  add({ namespace, name, dimensions, value }: Sample, at: number): void {
    const given = Object.entries(dimensions).map(([Name, Value]) => ({ Name, Value }));
    const key = keyOf({ namespace, name, dimensions: given });
    const series = this.series.get(key) ?? [];
    series.push({ at, value });
    this.series.set(key, series);
  }

  has(measure: Measure): boolean {
    return this.series.has(keyOf(measure));
  }

  /** The value of a measure for the period that ends then. */
  value(measure: Measure, end: number): Value {
    const series = this.series.get(keyOf(measure)) ?? [];
    const values = series
      .filter(({ at }) => at >= end - measure.period && at < end)
      .map(({ value }) => value);
    return values.length ? statisticOf(values, measure.statistic) : undefined;
  }

  /** Forgets what is older. @returns whether anything is left */
  forget(before: number): boolean {
    for (const [key, series] of this.series) {
      const left = series.filter(({ at }) => at >= before);
      if (left.length) this.series.set(key, left);
      else this.series.delete(key);
    }
    return this.series.size > 0;
  }
}

function keyOf({ namespace, name, dimensions }: Pick<Measure, "namespace" | "name" | "dimensions">): string {
  const pairs = dimensions.map(({ Name, Value }) => `${Name}=${Value}`).sort();
  return JSON.stringify([namespace, name, ...pairs]);
}

function statisticOf(values: readonly number[], statistic: string): number {
  const sum = values.reduce((total, value) => total + value, 0);
  switch (statistic) {
    case "Sum":
      return sum;
    case "Average":
      return sum / values.length;
    case "Maximum":
      return values.reduce((most, value) => Math.max(most, value));
    case "Minimum":
      return values.reduce((least, value) => Math.min(least, value));
    case "SampleCount":
      return values.length;
  }
  const [, percentile] = /^p(\d{1,3}(?:\.\d+)?)$/.exec(statistic) ?? [];
  if (percentile === undefined) throw new Error(`Local AWS does not know the statistic ${statistic}`);
  const sorted = [...values].sort((a, b) => a - b);
  const rank = Math.ceil((Number(percentile) / 100) * sorted.length);
  return sorted[Math.max(0, rank - 1)] as number;
}

function measuresOf(alarm: MetricAlarm): Measure[] {
  if (!alarm.Metrics?.length) return [ownMeasure(alarm)];
  return alarm.Metrics.filter(({ MetricStat }) => MetricStat).map(queryMeasure);
}

function ownMeasure(alarm: MetricAlarm): Measure {
  return {
    namespace: alarm.Namespace ?? "",
    name: alarm.MetricName ?? "",
    dimensions: alarm.Dimensions ?? [],
    statistic: alarm.ExtendedStatistic ?? alarm.Statistic ?? "",
    period: alarm.Period ?? EVALUATION_SECONDS,
  };
}

function queryMeasure({ MetricStat }: MetricDataQuery): Measure {
  return {
    namespace: MetricStat?.Metric?.Namespace ?? "",
    name: MetricStat?.Metric?.MetricName ?? "",
    dimensions: MetricStat?.Metric?.Dimensions ?? [],
    statistic: MetricStat?.Stat ?? "",
    period: MetricStat?.Period ?? EVALUATION_SECONDS,
  };
}

/**
 * The state that an alarm has to be in.
 *
 * @param read a measure's value for the period that ends at a time, in seconds
 * @param end of the last period
 * @returns nothing where it stays as it is
 * @throws Error where it looks at something that Local AWS does not know
 */
export function evaluate(
  alarm: MetricAlarm,
  read: (measure: Measure, end: number) => Value,
  end: number,
): AlarmState | undefined {
  const periods = alarm.EvaluationPeriods ?? 1;
  const needed = alarm.DatapointsToAlarm ?? periods;
  const period = Math.max(...measuresOf(alarm).map((measure) => measure.period));
  const values = Array.from({ length: periods }, (_, back) => valueAt(alarm, read, end - back * period));
  const there = values.filter((value) => value !== undefined);
  const missing = periods - there.length;
  const breaching = there.filter((value) => breaches(alarm, value)).length;
  switch (alarm.TreatMissingData ?? "missing") {
    case "breaching":
      return breaching + missing >= needed ? "ALARM" : "OK";
    case "notBreaching":
      return breaching >= needed ? "ALARM" : "OK";
    case "ignore":
      if (breaching >= needed) return "ALARM";
      return breaching + missing < needed ? "OK" : undefined;
    default:
      if (!there.length) return "INSUFFICIENT_DATA";
      return breaching >= Math.min(needed, there.length) ? "ALARM" : "OK";
  }
}

function valueAt(alarm: MetricAlarm, read: (measure: Measure, end: number) => Value, end: number): Value {
  const { Metrics: queries = [] } = alarm;
  if (!queries.length) return read(ownMeasure(alarm), end);
  const work = (query: MetricDataQuery | undefined, id: string | undefined): Value => {
    if (query?.MetricStat) return read(queryMeasure(query), end);
    if (!query?.Expression) throw new Error(`its query ${id} has no metric and no expression`);
    return calculate(query.Expression, (other) =>
      work(
        queries.find(({ Id }) => Id === other),
        other,
      ),
    );
  };
  const shown = queries.find(({ ReturnData }) => ReturnData !== false);
  return work(shown, shown?.Id);
}

function breaches({ ComparisonOperator, Threshold = 0 }: MetricAlarm, value: number): boolean {
  switch (ComparisonOperator) {
    case "GreaterThanThreshold":
      return value > Threshold;
    case "GreaterThanOrEqualToThreshold":
      return value >= Threshold;
    case "LessThanThreshold":
      return value < Threshold;
    case "LessThanOrEqualToThreshold":
      return value <= Threshold;
    default:
      throw new Error(`Local AWS does not know the comparison ${ComparisonOperator}`);
  }
}
