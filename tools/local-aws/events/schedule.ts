import { AwsError } from "../aws-request";

/** When something is due that waits for a time: the first moment after another, or none if it never is. Both in milliseconds since 1970. */
export type Schedule = (after: number) => number | undefined;

const RATE = /^rate\((\d+) (minute|hour|day)(s?)\)$/;
const CRON = /^cron\((.+)\)$/;
const MILLISECONDS = { minute: 60_000, hour: 3_600_000, day: 86_400_000 } as const;
const DAY = MILLISECONDS.day;
/** EventBridge knows no later year. */
const LAST_YEAR = 2199;

/**
 * Reads a schedule as rules of EventBridge write it, `rate(5 minutes)` or `cron(0 3 * * ? *)`; in UTC.
 *
 * @throws AwsError in EventBridge's words where it is none
 */
export function readSchedule(text: string): Schedule {
  const [, count, unit, plural] = RATE.exec(text) ?? [];
  if (unit) {
    const interval = Number(count) * MILLISECONDS[unit as keyof typeof MILLISECONDS];
    // As EventBridge wants it: `rate(1 minutes)` is none.
    if (!interval || (count === "1") !== !plural) throw invalid();
    return (after) => after + interval;
  }
  const fields = CRON.exec(text)?.[1]?.trim().split(/\s+/) ?? [];
  if (fields.length !== 6) throw invalid();
  return readCron(fields);
}

const MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"];
const WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"];

function readCron([
  minute = "",
  hour = "",
  date = "",
  month = "",
  weekday = "",
  year = "",
]: string[]): Schedule {
  // One of the two says nothing, for together they would say too much.
  if ((date === "?") === (weekday === "?")) throw invalid();
  const minutes = readValues(minute, 0, 59);
  const hours = readValues(hour, 0, 23);
  const months = readValues(month, 1, 12, MONTHS);
  const years = readValues(year, 1970, LAST_YEAR);
  const isDay = weekday === "?" ? readDate(date) : readWeekday(weekday);
  return (after) => {
    // The first full minute after it.
    const from = (Math.floor(after / 60_000) + 1) * 60_000;
    for (let midnight = Math.floor(from / DAY) * DAY; ; midnight += DAY) {
      const day = new Date(midnight);
      if (day.getUTCFullYear() > LAST_YEAR) return undefined;
      if (!years.has(day.getUTCFullYear()) || !months.has(day.getUTCMonth() + 1) || !isDay(day)) continue;
      for (const each of hours) {
        for (const one of minutes) {
          const time = midnight + each * MILLISECONDS.hour + one * MILLISECONDS.minute;
          if (time >= from) return time;
        }
      }
    }
  };
}

/** The values of `*`, `1,2`, `1-5`, `0/15`, `MON-FRI`, in their order. */
function readValues(
  text: string,
  least: number,
  most: number,
  names: readonly string[] = [],
): ReadonlySet<number> {
  const values = new Set<number>();
  const valueIn = (word: string) => {
    const named = names.indexOf(word.toUpperCase());
    const value = named >= 0 ? named + least : /^\d+$/.test(word) ? Number(word) : Number.NaN;
    if (!(value >= least && value <= most)) throw invalid();
    return value;
  };
  for (const part of text.split(",")) {
    const [range = "", step, ...more] = part.split("/");
    const [first = "", last, ...others] = range.split("-");
    const every = step === undefined ? 1 : /^[1-9]\d*$/.test(step) ? Number(step) : 0;
    if (!every || more.length || others.length) throw invalid();
    const from = first === "*" ? least : valueIn(first);
    // `5/15` goes on to the end, `5` alone does not.
    const open = first === "*" || step !== undefined;
    const to = last !== undefined ? valueIn(last) : open ? most : from;
    if (to < from || (first === "*" && last !== undefined)) throw invalid();
    for (let value = from; value <= to; value += every) values.add(value);
  }
  return new Set([...values].sort((a, b) => a - b));
}

type IsDay = (day: Date) => boolean;

const lastDateOf = (day: Date) =>
  new Date(Date.UTC(day.getUTCFullYear(), day.getUTCMonth() + 1, 0)).getUTCDate();

/** Days of a month: values, `L` for the last, `15W` for the weekday that is nearest to the 15th. */
function readDate(text: string): IsDay {
  if (text === "L") return (day) => day.getUTCDate() === lastDateOf(day);
  const [, near] = /^(\d+)W$/.exec(text) ?? [];
  const dates = readValues(near ?? text, 1, 31);
  if (!near) return (day) => dates.has(day.getUTCDate());
  return (day) => {
    const last = lastDateOf(day);
    if (Number(near) > last) return false;
    const wanted = new Date(day);
    wanted.setUTCDate(Number(near));
    const date = wanted.getUTCDate();
    // A Saturday's neighbour is the Friday before and a Sunday's the Monday after, but never in another month.
    const shift = { 6: date === 1 ? 2 : -1, 0: date === last ? -2 : 1 }[wanted.getUTCDay()] ?? 0;
    return day.getUTCDate() === date + shift;
  };
}

/** Days of a week, 1 is Sunday: values, `L` for Saturday, `6L` for the month's last Friday, `3#2` for its second Tuesday. */
function readWeekday(text: string): IsDay {
  if (text === "L") return (day) => day.getUTCDay() === 6;
  const [, counted, which, count] = /^(\w+?)(?:(L)|#([1-5]))$/.exec(text) ?? [];
  const weekdays = readValues(counted ?? text, 1, 7, WEEKDAYS);
  const isWeekday: IsDay = (day) => weekdays.has(day.getUTCDay() + 1);
  if (which) return (day) => isWeekday(day) && day.getUTCDate() > lastDateOf(day) - 7;
  if (count) return (day) => isWeekday(day) && Math.ceil(day.getUTCDate() / 7) === Number(count);
  return isWeekday;
}

const invalid = () => new AwsError("ValidationException", "Parameter ScheduleExpression is not valid.");
