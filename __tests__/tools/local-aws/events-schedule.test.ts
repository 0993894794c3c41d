import { readSchedule } from "../../../tools/local-aws/events/schedule";
import { Schedules } from "../../../tools/local-aws/events/schedules";
import { EmulatedTime } from "../../../tools/local-aws/time";
import { TestClock } from "./emulated-clock";

describe("a schedule", () => {
  /** The next times, as `2026-01-24T22:03`. */
  const next = (text: string, after: string, count = 1) => {
    const schedule = readSchedule(text);
    const times: string[] = [];
    let from = Date.parse(`${after}Z`);
    for (let time = 0; time < count; time++) {
      const due = schedule(from);
      if (due === undefined) break;
      times.push(new Date(due).toISOString().slice(0, 16));
      from = due;
    }
    return times;
  };

  test.each([
    ["rate(1 minute)", "2026-01-24T22:03:30", ["2026-01-24T22:04"]],
    ["rate(12 hours)", "2026-01-24T22:03", ["2026-01-25T10:03"]],
    ["rate(7 days)", "2026-01-24T22:03", ["2026-01-31T22:03"]],
    ["cron(0 3 * * ? *)", "2026-01-24T03:00", ["2026-01-25T03:00"]],
    ["cron(0/15 9-10 ? * MON-FRI *)", "2026-01-23T10:40", ["2026-01-23T10:45", "2026-01-26T09:00"]],
    ["cron(5,35 14 * * ? *)", "2026-12-31T14:06", ["2026-12-31T14:35", "2027-01-01T14:05"]],
    ["cron(0 8 1 * ? *)", "2026-01-01T08:00", ["2026-02-01T08:00"]],
    ["cron(0 0 L * ? *)", "2028-01-31T00:00", ["2028-02-29T00:00", "2028-03-31T00:00"]],
    // The 1st is a Sunday in February and March of 2026, the 15th a Sunday, the 31st of May a Sunday.
    ["cron(0 0 1W * ? *)", "2026-01-15T00:00", ["2026-02-02T00:00"]],
    ["cron(0 0 15W * ? *)", "2026-02-01T00:00", ["2026-02-16T00:00"]],
    ["cron(0 0 31W * ? *)", "2026-05-01T00:00", ["2026-05-29T00:00"]],
    ["cron(0 10 ? * 6L *)", "2026-01-01T00:00", ["2026-01-30T10:00", "2026-02-27T10:00"]],
    ["cron(0 10 ? * TUE#2 *)", "2026-01-14T00:00", ["2026-02-10T10:00"]],
    ["cron(0 10 ? * L *)", "2026-01-19T00:00", ["2026-01-24T10:00"]],
    ["cron(30 6 ? JAN,JUL 2 2027)", "2026-08-01T00:00", ["2027-01-04T06:30"]],
    ["cron(0 0 30 FEB ? *)", "2026-01-01T00:00", []],
    ["cron(0 0 1 1 ? 2020)", "2026-01-01T00:00", []],
  ])("%s is due after %s at %j", (text, after, expected) => {
    expect(next(text, after, Math.max(1, expected.length))).toEqual(expected);
  });

  test.each([
    "rate(0 minutes)",
    "rate(1 minutes)",
    "rate(5 minute)",
    "rate(5 weeks)",
    "cron(0 3 * * *)",
    "cron(0 3 * * * *)",
    "cron(0 3 ? * ? *)",
    "cron(60 3 * * ? *)",
    "cron(0 3 * 13 ? *)",
    "cron(0 3 ? * 0 *)",
    "cron(0 3 10-5 * ? *)",
    "cron(0 3 */0 * ? *)",
    "cron(0 3 ? * MON#6 *)",
    "every day",
  ])("%s is none", (text) => {
    expect(() => readSchedule(text)).toThrow("Parameter ScheduleExpression is not valid.");
  });
});

describe("rules that wait for a time", () => {
  const scope = { account: "111111111111", region: "eu-west-1" };
  let clock: TestClock;
  let called: string[];
  const open = (minute?: number) =>
    new Schedules(new EmulatedTime(minute, clock), (_, rule) => called.push(rule));
  beforeEach(() => {
    clock = new TestClock();
    called = [];
  });

  test("are called each time, and not at once", async () => {
    const schedules = open();
    schedules.set(scope, "it", "rate(1 hour)");
    await clock.pass(3599);
    expect(called).toEqual([]);
    await clock.pass(2 * 3600 + 1);
    expect(called).toEqual(["it", "it", "it"]);
  });

  test("are called by the clock, in UTC", async () => {
    const schedules = open();
    // The clock of the test stands at 2001-09-09T01:47:00Z.
    schedules.set(scope, "it", "cron(50 1 * * ? *)");
    await clock.pass(179);
    expect(called).toEqual([]);
    await clock.pass(1);
    expect(called).toEqual(["it"]);
  });

  test("are called sooner where minutes are shorter", async () => {
    const schedules = open(5000);
    schedules.set(scope, "rate", "rate(2 minutes)");
    schedules.set(scope, "cron", "cron(50 1 * * ? *)");
    await clock.pass(14);
    expect(called).toEqual(["rate"]);
    await clock.pass(1);
    expect(called).toEqual(["rate", "cron"]);
  });

  test("wait for nothing any more once they are gone, or have another schedule", async () => {
    const schedules = open();
    schedules.set(scope, "gone", "rate(1 minute)");
    schedules.set(scope, "changed", "rate(1 minute)");
    schedules.cancel(scope, "gone");
    schedules.set(scope, "changed", "rate(1 day)");
    await clock.pass(3600);
    expect(called).toEqual([]);
    schedules.stop();
    expect(clock.waiting).toBe(0);
  });
});
