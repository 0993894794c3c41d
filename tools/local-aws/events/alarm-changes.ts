import type { AwsRequest, RequestHead, Scope } from "../aws-request";
import { ask } from "../functions/client";
import type { Quirk, QuirkAnswer } from "../quirks";
import type { Occurrence, Publisher } from "./event";
import { publishTo } from "./targets";

export interface AlarmChangesProps {
  /** Of moto: what is asked of it here is no request of anybody's. */
  readonly moto: string;
  /** Address of Local AWS itself. */
  readonly endpoint: () => string;
  /** An access key that belongs to an account. */
  readonly keyOf: (account: string) => string;
  readonly events: Publisher;
  /** Gets a line for each topic that could not be told. @default - nobody */
  readonly log?: (line: string) => void;
}

const API = "GraniteServiceVersion20100801";

/** An alarm, as CloudWatch's JSON tells of it. */
interface Alarm {
  readonly AlarmName: string;
  readonly AlarmArn: string;
  readonly AlarmDescription?: string;
  readonly AlarmConfigurationUpdatedTimestamp?: number;
  readonly ActionsEnabled?: boolean;
  readonly OKActions?: readonly string[];
  readonly AlarmActions?: readonly string[];
  readonly InsufficientDataActions?: readonly string[];
  readonly StateValue: string;
  readonly StateReason?: string;
  readonly StateReasonData?: string;
  readonly StateUpdatedTimestamp?: number;
  readonly Namespace?: string;
  readonly MetricName?: string;
  readonly Dimensions?: readonly { readonly Name: string; readonly Value: string }[];
  readonly Metrics?: readonly MetricQuery[];
  readonly Statistic?: string;
  readonly ExtendedStatistic?: string;
  readonly Period?: number;
  readonly EvaluationPeriods?: number;
  readonly DatapointsToAlarm?: number;
  readonly Threshold?: number;
  readonly ComparisonOperator?: string;
  readonly TreatMissingData?: string;
}

type Metric = Pick<Alarm, "Namespace" | "MetricName" | "Dimensions">;

interface MetricQuery {
  readonly Id: string;
  readonly Expression?: string;
  readonly Label?: string;
  readonly ReturnData?: boolean;
  readonly MetricStat?: {
    readonly Metric: Metric;
    readonly Period: number;
    readonly Stat: string;
  };
}

/** Tells of alarms that change, whoever changes them: as an event, and to the topics of the alarm. */
export function alarmChanges(props: AlarmChangesProps): Quirk {
  const turns = new Map<string, Promise<unknown>>();
  const change = async (request: AwsRequest): Promise<QuirkAnswer> => {
    const before = new Map((await readAlarms(props.moto, request.scope)).map((one) => [one.AlarmName, one]));
    const answer = await forward(props.moto, request);
    const after = answer.status === 200 ? await readAlarms(props.moto, request.scope) : [];
    for (const alarm of after) {
      const old = before.get(alarm.AlarmName);
      if (!old || old.StateValue === alarm.StateValue) continue;
      props.events.publish(request.scope, alarmEvent(alarm, old));
      await tellTopics(props, request.scope, alarm, old);
    }
    return answer;
  };
  return {
    reason: "moto tells nobody when an alarm changes",
    concerns: isSetState,
    answer(request) {
      if (request.form && !/(^|&)Action=SetAlarmState(&|$)/.test(request.body.toString())) return undefined;
      // One after the other: what has changed is seen by what was there before.
      const key = `${request.scope.account}/${request.scope.region}`;
      const turn = (turns.get(key) ?? Promise.resolve()).catch(() => {}).then(() => change(request));
      turns.set(key, turn);
      return turn;
    },
  };
}

/** In each of the protocols that CloudWatch's clients speak. */
function isSetState({ api, operation, form, service, url }: RequestHead): boolean {
  if (service !== "monitoring") return false;
  return (
    (api === API && operation === "SetAlarmState") ||
    form ||
    url.pathname.endsWith("/operation/SetAlarmState")
  );
}

async function forward(
  moto: string,
  { method, url, headers, body, scope }: AwsRequest,
): Promise<QuirkAnswer> {
  const {
    host: _host,
    connection: _connection,
    "content-length": _length,
    expect: _expect,
    ...rest
  } = headers;
  const response = await fetch(`${moto}${url.pathname}${url.search}`, {
    method,
    headers: { ...(rest as Record<string, string>), "x-moto-account-id": scope.account },
    body: new Uint8Array(body),
  });
  const answered = Buffer.from(await response.arrayBuffer());
  const kept = Object.fromEntries(
    [...response.headers].filter(([name]) => /^(content-type|x-amz|smithy)/.test(name)),
  );
  return { status: response.status, headers: kept, body: answered };
}

async function readAlarms(moto: string, { account, region }: Scope): Promise<Alarm[]> {
  const all: Alarm[] = [];
  let NextToken: string | undefined;
  do {
    const response = await ask({ endpoint: moto, region, accessKey: "local" }, "monitoring", "/", {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": `${API}.DescribeAlarms`,
        "x-moto-account-id": account,
      },
      body: JSON.stringify({ NextToken }),
    });
    const page = (await response.json()) as { MetricAlarms?: Alarm[]; NextToken?: string };
    all.push(...(page.MetricAlarms ?? []));
    NextToken = page.NextToken;
  } while (NextToken);
  return all;
}

/** As CloudWatch's user guide tells of "CloudWatch Alarm State Change". */
function alarmEvent(alarm: Alarm, old: Alarm): Occurrence {
  return {
    source: "aws.cloudwatch",
    detailType: "CloudWatch Alarm State Change",
    resources: [alarm.AlarmArn],
    detail: {
      alarmName: alarm.AlarmName,
      configuration: { description: alarm.AlarmDescription, metrics: metricsOf(alarm) },
      previousState: stateOf(old),
      state: stateOf(alarm),
    },
  };
}

const stateOf = ({ StateValue, StateReason, StateReasonData, StateUpdatedTimestamp }: Alarm) => ({
  reason: StateReason,
  reasonData: StateReasonData || undefined,
  timestamp: timeOf(StateUpdatedTimestamp),
  value: StateValue,
});

/** As `2026-01-24T22:03:07.000+0000`. */
const timeOf = (seconds: unknown) =>
  new Date(typeof seconds === "number" ? seconds * 1000 : Date.now()).toISOString().replace("Z", "+0000");

function metricsOf(alarm: Alarm) {
  const { Metrics = [] } = alarm;
  const metricOf = ({ Namespace, MetricName, Dimensions = [] }: Metric) => ({
    namespace: Namespace,
    name: MetricName,
    dimensions: Object.fromEntries(Dimensions.map(({ Name, Value }) => [Name, Value])),
  });
  if (Metrics.length) {
    return Metrics.map(({ Id, Expression, Label, ReturnData = true, MetricStat }) => ({
      id: Id,
      expression: Expression,
      label: Label,
      metricStat: MetricStat && {
        metric: metricOf(MetricStat.Metric),
        period: MetricStat.Period,
        stat: MetricStat.Stat,
      },
      returnData: ReturnData,
    }));
  }
  const stat = alarm.Statistic ?? alarm.ExtendedStatistic;
  return [
    { id: "m1", metricStat: { metric: metricOf(alarm), period: alarm.Period, stat }, returnData: true },
  ];
}

async function tellTopics(props: AlarmChangesProps, scope: Scope, alarm: Alarm, old: Alarm): Promise<void> {
  const actions = {
    OK: alarm.OKActions,
    ALARM: alarm.AlarmActions,
    INSUFFICIENT_DATA: alarm.InsufficientDataActions,
  };
  const wanted = actions[alarm.StateValue as keyof typeof actions] ?? [];
  if (alarm.ActionsEnabled === false) return;
  const { account, region } = scope;
  const caller = { endpoint: props.endpoint(), region, accessKey: props.keyOf(account) };
  for (const topic of wanted.filter((arn) => /^arn:[\w-]+:sns:/.test(arn))) {
    const message = {
      subject: `${alarm.StateValue}: "${alarm.AlarmName}" in ${region}`,
      json: messageOf(alarm, old, scope),
      text: textOf(alarm, old, scope),
    };
    await publishTo(caller, topic, message).catch((error: Error) =>
      props.log?.(`The alarm ${alarm.AlarmName} could not tell ${topic}: ${error.message}`),
    );
  }
}

/** What topics get, as CloudWatch writes it. */
function messageOf(alarm: Alarm, old: Alarm, { account, region }: Scope) {
  return {
    AlarmName: alarm.AlarmName,
    AlarmDescription: alarm.AlarmDescription ?? null,
    AWSAccountId: account,
    AlarmConfigurationUpdatedTimestamp: timeOf(alarm.AlarmConfigurationUpdatedTimestamp),
    NewStateValue: alarm.StateValue,
    NewStateReason: alarm.StateReason,
    StateChangeTime: timeOf(alarm.StateUpdatedTimestamp),
    Region: region,
    AlarmArn: alarm.AlarmArn,
    OldStateValue: old.StateValue,
    OKActions: alarm.OKActions ?? [],
    AlarmActions: alarm.AlarmActions ?? [],
    InsufficientDataActions: alarm.InsufficientDataActions ?? [],
    Trigger: {
      MetricName: alarm.MetricName,
      Namespace: alarm.Namespace,
      StatisticType: alarm.ExtendedStatistic ? "ExtendedStatistic" : "Statistic",
      Statistic: alarm.Statistic?.toUpperCase() ?? alarm.ExtendedStatistic,
      Unit: null,
      Dimensions: (alarm.Dimensions ?? []).map(({ Name, Value }) => ({ value: Value, name: Name })),
      Metrics: alarm.Metrics?.length ? alarm.Metrics : undefined,
      Period: alarm.Period,
      EvaluationPeriods: alarm.EvaluationPeriods,
      DatapointsToAlarm: alarm.DatapointsToAlarm,
      ComparisonOperator: alarm.ComparisonOperator,
      Threshold: alarm.Threshold,
      TreatMissingData: alarm.TreatMissingData ?? "missing",
      EvaluateLowSampleCountPercentile: "",
    },
  };
}

function textOf(alarm: Alarm, old: Alarm, { account, region }: Scope): string {
  return [
    `You are receiving this email because your Amazon CloudWatch Alarm "${alarm.AlarmName}" in the ${region} region has entered the ${alarm.StateValue} state, because "${alarm.StateReason}" at "${timeOf(alarm.StateUpdatedTimestamp)}".`,
    "",
    "Alarm Details:",
    `- Name: ${alarm.AlarmName}`,
    `- Description: ${alarm.AlarmDescription ?? ""}`,
    `- State Change: ${old.StateValue} -> ${alarm.StateValue}`,
    `- Reason for State Change: ${alarm.StateReason}`,
    `- AWS Account: ${account}`,
    `- Alarm Arn: ${alarm.AlarmArn}`,
    "",
  ].join("\n");
}
