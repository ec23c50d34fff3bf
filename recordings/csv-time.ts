/** Times of rows: seconds, milliseconds, days, dates, times of day; the rate that they tell. */

import { EdgeError } from "../src/assert.ts";
import { toNumber } from "./csv-columns.ts";

/** How many of one there are in a second. Days are a spreadsheet's: the date is the whole part. */
export const TIME_UNITS = { s: 1, ms: 1e3, us: 1e6, ns: 1e9, days: 1 / 86_400 } as const;
export type TimeUnit = keyof typeof TIME_UNITS;
/** Of dates with slashes, such as 5/6/2024. */
export const DATE_ORDERS = ["dmy", "mdy"] as const;

export type TimeFormat = {
  readonly unit?: TimeUnit | undefined;
  readonly dateOrder?: (typeof DATE_ORDERS)[number] | undefined;
};

/** A measured rate this close to a whole number is that number. */
const WHOLE_TOLERANCE = 0.005;

const CLOCK = String.raw`(\d{1,2}):(\d{2})(?::(\d{2}(?:[.,]\d+)?))?\s*([AaPp]\.?[Mm]\.?)?`;
const ZONE = String.raw`\s*(Z|[+-]\d{2}:?\d{2})?(?:\s*\[[^\]]*\])?`;
const YEAR_FIRST = new RegExp(`^(\\d{4})[-/.](\\d{1,2})[-/.](\\d{1,2})(?:[ T]+${CLOCK}${ZONE})?$`);
const YEAR_LAST = new RegExp(`^(\\d{1,2})([/.-])(\\d{1,2})\\2(\\d{4})(?:[ T,]+${CLOCK}${ZONE})?$`);
const CLOCK_ALONE = new RegExp(`^${CLOCK}$`);

/**
 * A time in seconds. Numbers without a unit are scaled by their size when they are moments since
 * 1970 (in milliseconds, microseconds or nanoseconds); smaller ones are taken as seconds. Dates begin
 * with the year or end with it, and need no zone; a clock alone counts from midnight.
 *
 * @throws EdgeError `recording-time`
 */
export function parseTime(text: string, where: string, format: TimeFormat = {}): number {
  const number = toNumber(text);
  if (Number.isFinite(number)) return secondsOf(number, format.unit);
  const date = YEAR_FIRST.exec(text);
  if (date !== null) {
    const [, year, month, day, ...clock] = date;
    return moment([year, month, day], clock, text, where);
  }
  const last = YEAR_LAST.exec(text);
  if (last !== null) {
    const [, first, mark, second, year, ...clock] = last;
    const order = format.dateOrder ?? (mark === "/" ? undefined : "dmy");
    if (order === undefined) throw unclearOrder(text, where);
    const [day, month] = order === "dmy" ? [first, second] : [second, first];
    return moment([year, month, day], clock, text, where);
  }
  const clock = CLOCK_ALONE.exec(text);
  if (clock !== null) return clockSeconds(clock.slice(1));
  throw noTime(text, where);
}

function secondsOf(number: number, unit: TimeUnit | undefined): number {
  if (unit !== undefined) return number / TIME_UNITS[unit];
  if (number > 1e17) return number / 1e9;
  if (number > 1e14) return number / 1e6;
  return number > 1e11 ? number / 1e3 : number;
}

/** The clock's fields are hours, minutes, seconds, half of the day and zone. */
function moment(
  [year, month, day]: readonly (string | undefined)[],
  clock: readonly (string | undefined)[],
  text: string,
  where: string,
): number {
  const midnightMs = Date.UTC(Number(year), Number(month) - 1, Number(day));
  const isDate = new Date(midnightMs).getUTCDate() === Number(day) && Number(month) <= 12;
  if (!isDate) throw noTime(text, where);
  const [, sign, hours, minutes] = /^([+-])(\d{2}):?(\d{2})$/.exec(clock[4] ?? "") ?? [];
  const aheadMinutes = (sign === "-" ? -1 : 1) * (60 * Number(hours ?? 0) + Number(minutes ?? 0));
  return midnightMs / 1000 + clockSeconds(clock) - 60 * aheadMinutes;
}

function clockSeconds([hours, minutes, seconds, half]: readonly (string | undefined)[]): number {
  const inHalf = half === undefined ? Number(hours ?? 0) : Number(hours) % 12;
  const isAfternoon = half !== undefined && /^p/i.test(half);
  const rest = 60 * Number(minutes ?? 0) + Number((seconds ?? "0").replace(",", "."));
  return 3600 * (inHalf + (isAfternoon ? 12 : 0)) + rest;
}

function noTime(text: string, where: string): EdgeError {
  return new EdgeError({
    code: "recording-time",
    message: `"${text.slice(0, 40)}" is not a time`,
    where,
    hint: "Use seconds, a Unix time, or a date such as 2024-05-13 12:00:09.1 or 13.05.2024 12:00:09; or leave the time column out and give --rate.",
  });
}

function unclearOrder(text: string, where: string): EdgeError {
  return new EdgeError({
    code: "recording-time",
    message: `"${text.slice(0, 40)}" may begin with the day or with the month`,
    where,
    hint: "Say which with --date-order dmy or mdy.",
  });
}

/**
 * The rate from steps in seconds, rounded to a hundredth of a hertz, or null for fewer than two. A
 * clock coarser than the sensor gives steps of zero: then it is by how many rows share a tick.
 */
export function rateOfSteps(steps: readonly number[]): number | null {
  if (steps.length < 2) return null;
  const median = medianOf(steps);
  if (median === null) return null;
  const mean = median > 0 ? regularMean(steps, median) : coarseMean(steps);
  if (mean === null) return null;
  const rateHz = Math.round(100 / mean) / 100;
  const whole = Math.round(rateHz);
  return Math.abs(rateHz - whole) < WHOLE_TOLERANCE * rateHz ? whole : rateHz;
}

/** Whether several rows share a tick of the clock as a rule. */
export function isCoarse(steps: readonly number[]): boolean {
  return steps.length >= 2 && medianOf(steps) === 0;
}

/** Clocks with a coarse tick give steps of 33, 33, 34 ms: the mean of the regular ones is finer. */
function regularMean(steps: readonly number[], median: number): number {
  const regular = steps.filter((step) => step > 0.5 * median && step < 1.5 * median);
  return regular.reduce((sum, step) => sum + step, 0) / regular.length;
}

/** Seconds a row, over ticks that came in time; the first may have begun before the file did. */
function coarseMean(steps: readonly number[]): number | null {
  const ticks: { readonly rows: number; readonly seconds: number }[] = [];
  let rows = 0;
  for (const step of steps) {
    rows++;
    if (step === 0) continue;
    ticks.push({ rows, seconds: step });
    rows = 0;
  }
  const usual = medianOf(ticks.map(({ seconds }) => seconds));
  if (usual === null) return null;
  const whole = ticks.slice(1).filter(({ seconds }) => seconds < 1.5 * usual);
  const total = whole.reduce((sum, tick) => sum + tick.rows, 0);
  return total === 0 ? null : whole.reduce((sum, tick) => sum + tick.seconds, 0) / total;
}

export function medianOf(values: readonly number[]): number | null {
  if (values.length < 1) return null;
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? null;
}
