import type { MetricAlarm, MetricDataQuery } from "@aws-sdk/client-cloudwatch";
import { evaluate } from "../../../tools/local-aws/alarms";
import { calculate, type Value } from "../../../tools/local-aws/metric-math";

const END = 6000;
const OF = { Namespace: "AWS/Lambda", Dimensions: [{ Name: "FunctionName", Value: "hello" }] };

/** Evaluates an alarm over the values of its last periods, the last one last; `-` is one that is missing. */
function state(alarm: MetricAlarm, values: string) {
  const numbers = values.split(" ").map((value) => (value === "-" ? undefined : Number(value)));
  const periodOf = ({ period }: { readonly period: number }, end: number): Value =>
    numbers[numbers.length - 1 - (END - end) / period];
  return evaluate(alarm, periodOf, END);
}

const alarm: MetricAlarm = {
  ...OF,
  MetricName: "Errors",
  Statistic: "Sum",
  Period: 60,
  EvaluationPeriods: 3,
  DatapointsToAlarm: 2,
  Threshold: 5,
  ComparisonOperator: "GreaterThanThreshold",
};

describe("an alarm", () => {
  test.each([
    ["0 6 6", "ALARM"],
    ["6 0 6", "ALARM"],
    ["0 0 6", "OK"],
    ["5 5 5", "OK"],
    ["6 6 0 0 0", "OK"],
  ])("over 2 of 3 periods with %s is %s", (values, expected) => {
    expect(state(alarm, values)).toBe(expected);
  });

  test("without a number of datapoints wants all periods", () => {
    expect(state({ ...alarm, DatapointsToAlarm: undefined }, "0 6 6")).toBe("OK");
    expect(state({ ...alarm, DatapointsToAlarm: undefined }, "6 6 6")).toBe("ALARM");
  });

  test.each([
    ["GreaterThanThreshold", "OK", "ALARM", "OK"],
    ["GreaterThanOrEqualToThreshold", "ALARM", "ALARM", "OK"],
    ["LessThanThreshold", "OK", "OK", "ALARM"],
    ["LessThanOrEqualToThreshold", "ALARM", "OK", "ALARM"],
  ] as const)("that compares by %s", (ComparisonOperator, ...expected) => {
    const one: MetricAlarm = { ...alarm, ComparisonOperator, EvaluationPeriods: 1, DatapointsToAlarm: 1 };
    expect(["5", "6", "4"].map((value) => state(one, value))).toEqual(expected);
  });

  test.each([
    ["missing", "- - -", "INSUFFICIENT_DATA"],
    ["missing", "- - 6", "ALARM"],
    ["missing", "- 0 6", "OK"],
    ["notBreaching", "- - -", "OK"],
    ["notBreaching", "- - 6", "OK"],
    ["notBreaching", "6 - 6", "ALARM"],
    ["breaching", "- - 0", "ALARM"],
    ["breaching", "0 - 0", "OK"],
    ["ignore", "- - -", undefined],
    ["ignore", "- 0 0", "OK"],
    ["ignore", "6 - 6", "ALARM"],
  ])("that takes missing data as %s with %s is %s", (TreatMissingData, values, expected) => {
    expect(state({ ...alarm, TreatMissingData }, values)).toBe(expected);
  });

  test("reads each of its periods in full, also of five minutes", () => {
    const five = { ...alarm, Period: 300, EvaluationPeriods: 2, DatapointsToAlarm: 2 };
    const ends: number[] = [];
    const read = ({ period }: { readonly period: number }, end: number) => {
      ends.push(end - period);
      return 0;
    };
    evaluate(five, read, END);
    expect(ends).toEqual([END - 300, END - 600]);
  });

  test("by an expression looks at what the expression makes of its metrics", () => {
    const query = (Id: string, MetricName: string): MetricDataQuery => ({
      Id,
      ReturnData: false,
      MetricStat: { Metric: { ...OF, MetricName }, Period: 60, Stat: "Sum" },
    });
    const share: MetricAlarm = {
      ...alarm,
      Statistic: undefined,
      Period: undefined,
      EvaluationPeriods: 1,
      DatapointsToAlarm: 1,
      Metrics: [
        query("errors", "Errors"),
        query("calls", "Invocations"),
        { Id: "share", Expression: "100 * errors / calls", ReturnData: true },
      ],
    };
    const given = (values: Record<string, Value>) => evaluate(share, ({ name }) => values[name], END);
    expect(given({ Errors: 1, Invocations: 10 })).toBe("ALARM");
    expect(given({ Errors: 1, Invocations: 20 })).toBe("OK");
    expect(given({})).toBe("INSUFFICIENT_DATA");
  });

  test("that compares in a way that is not known is not evaluated", () => {
    const band = { ...alarm, ComparisonOperator: "LessThanLowerThreshold" as const };
    expect(() => state(band, "1 2 3")).toThrow("LessThanLowerThreshold");
  });
});

describe("metric math", () => {
  const values: Record<string, number> = { a: 6, b: 2, none: Number.NaN };
  const find = (id: string) => (id === "none" ? undefined : values[id]);

  test.each([
    ["a + b * 3", 12],
    ["(a + b) * 3", 24],
    ["a - b - 1", 3],
    ["100*a/b", 300],
    ["-a + 1.5", -4.5],
    ["a / 0", undefined],
    ["a + none", undefined],
    ["FILL(none, 0) + FILL(a, 0)", 6],
    ["FILL(none, b) / 4", 0.5],
    ["MAX([a, b, none])", 6],
    ["MIN([a, b])", 2],
    ["SUM([a, FILL(none, 1)])", 7],
    ["AVG([a, b])", 4],
    ["MAX([none])", undefined],
    ["IF(a > b, 100 * b / a, 0)", (100 * 2) / 6],
    ["IF(a <= b, 1, 0)", 0],
    ["IF(a - 6, 1, 2)", 2],
    ["IF(none > 1, 1, 0)", undefined],
  ])("%s is %s", (expression, expected) => {
    expect(calculate(expression, find)).toBe(expected);
  });

  test.each([
    "a +",
    "a b",
    "IF(a > b)",
    "MAX(a)",
    "a ^ 2",
    "(a",
    "",
    "FILL(a)",
  ])("'%s' is refused", (expression) => {
    expect(() => calculate(expression, find)).toThrow("does not know the metric math");
  });
});
