/** Times of rows: seconds, milliseconds, microseconds, nanoseconds or dates; rates and gaps. */

import { EdgeError } from "../src/assert.ts";
import { MissingSamples } from "./missing-samples.ts";

/** How far the measured rate may be from the one that was given. */
const RATE_TOLERANCE = 0.05;
/** A measured rate this close to a whole number is that number. */
const WHOLE_TOLERANCE = 0.005;
/** Steps kept per file for the median, and after how many the rate is checked for the first time. */
const MOST_STEPS = 20_000;
const FIRST_CHECK_STEPS = 200;

export const TIME_UNITS = { s: 1, ms: 1e3, us: 1e6, ns: 1e9 } as const;
export type TimeUnit = keyof typeof TIME_UNITS;

/**
 * A time in seconds. Numbers without a unit are scaled by their size when they are moments since
 * 1970 (in milliseconds, microseconds or nanoseconds); smaller ones are taken as seconds. Dates are
 * ISO 8601, with a space or a T, and need no zone.
 *
 * @throws EdgeError `recording-time`
 */
export function parseTime(text: string, where: string, unit?: TimeUnit): number {
  const number = text === "" ? Number.NaN : Number(text);
  if (Number.isFinite(number)) {
    if (unit !== undefined) return number / TIME_UNITS[unit];
    if (number > 1e17) return number / 1e9;
    if (number > 1e14) return number / 1e6;
    return number > 1e11 ? number / 1e3 : number;
  }
  const date = /^(\d{4}-\d{2}-\d{2})[ T](\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?$/;
  const match = date.exec(text);
  const parsed = match ? Date.parse(`${match[1]}T${match[2]}${match[3] ?? "Z"}`) : Number.NaN;
  if (Number.isFinite(parsed)) return parsed / 1000 + fractionBelowMs(match?.[2] ?? "");
  throw new EdgeError({
    code: "recording-time",
    message: `"${text.slice(0, 40)}" is not a time`,
    where,
    hint: "Use seconds, a Unix time, or a date such as 2024-05-13 12:00:09.1; or leave the time column out and give --rate.",
  });
}

/** The rate from steps in seconds, or null for fewer than two; rounded to a hundredth of a hertz. */
export function rateOfSteps(steps: readonly number[]): number | null {
  const median = medianOf(steps);
  if (median === null || !(median > 0)) return null;
  // Clocks with a coarse tick give steps of 33, 33, 34 ms: the mean of the regular steps is finer.
  const regular = steps.filter((step) => step > 0.5 * median && step < 1.5 * median);
  const mean = regular.reduce((sum, step) => sum + step, 0) / regular.length;
  const rateHz = Math.round(100 / mean) / 100;
  const whole = Math.round(rateHz);
  return Math.abs(rateHz - whole) < WHOLE_TOLERANCE * rateHz ? whole : rateHz;
}

/** Follows the time within one file; `missing-samples.ts` says how a gap is told. */
export class TimeCheck {
  readonly #rateHz: number;
  readonly #file: string;
  readonly #steps: number[] = [];
  #key = "";
  #last = Number.NaN;
  readonly #missing: MissingSamples;

  constructor(rateHz: number, file: string) {
    this.#rateHz = rateHz;
    this.#file = file;
    this.#missing = new MissingSamples(rateHz);
  }

  /**
   * @param key who and what: time may start anew where it changes
   * @returns whether samples are missing before this one
   * @throws EdgeError `recording-time` when time stands still or goes back within one key
   */
  step(key: string, seconds: number, where: string): boolean {
    const step = seconds - this.#last;
    const same = key === this.#key;
    this.#key = key;
    this.#last = seconds;
    if (!same || Number.isNaN(step)) {
      this.#missing.begin(seconds);
      return false;
    }
    if (step <= 0) {
      throw new EdgeError({
        code: "recording-time",
        message:
          step === 0
            ? "has the same time as the row before"
            : `goes back by ${(-step).toPrecision(3)} s`,
        where,
        hint: "Sort the rows by subject and time; if the clock ticks slower than the sensor, leave the time column out and give --rate.",
      });
    }
    if (this.#steps.length < MOST_STEPS) this.#steps.push(step);
    if (this.#steps.length === FIRST_CHECK_STEPS) this.finish();
    return this.#missing.before(seconds);
  }

  /** @throws EdgeError `recording-rate` when the median step tells another rate */
  finish(): void {
    const median = medianOf(this.#steps);
    if (median === null) return;
    const measuredHz = rateOfSteps(this.#steps) ?? 1 / median;
    if (Math.abs(measuredHz / this.#rateHz - 1) <= RATE_TOLERANCE) return;
    throw new EdgeError({
      code: "recording-rate",
      message: `its times tell ${measuredHz.toPrecision(4)} Hz, not ${this.#rateHz} Hz`,
      where: this.#file,
      hint: `Give --rate ${measuredHz.toPrecision(4)}, or leave it out; or is --time-unit wrong?`,
    });
  }
}

function medianOf(values: readonly number[]): number | null {
  if (values.length < 2) return null;
  return [...values].sort((a, b) => a - b)[values.length >> 1] ?? null;
}

/** `Date.parse` keeps milliseconds; what lies below them in the text, in seconds. */
function fractionBelowMs(clock: string): number {
  const digits = /\.\d{3}(\d+)$/.exec(clock)?.[1];
  return digits === undefined ? 0 : Number(`0.000${digits}`);
}
