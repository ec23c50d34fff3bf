/** Follows the times of one file's rows: gaps, repeats, times that go back, a rate that was not said. */

import { EdgeError } from "../src/assert.ts";
import { medianOf, rateOfSteps } from "./csv-time.ts";
import { MissingSamples } from "./missing-samples.ts";

/** How far the measured rate may be from the one that was given. */
const RATE_TOLERANCE = 0.05;
/** Steps kept per file for the median, and after how many the rate is checked for the first time. */
const MOST_STEPS = 20_000;
const FIRST_CHECK_STEPS = 200;
/** So many rows in a row that go back mean that the clock was set, and not that they are strays. */
const STRAY_ROWS = 20;

/** What a row's time says of it: next in time, behind a gap, or a stray that repeats or goes back. */
export type TimeStep = "next" | "gap" | "stray";

export type TimeRules = {
  readonly rateHz: number;
  /** Several rows share a tick, so that a step of nothing is no repeat. */
  readonly coarse: boolean;
  /** Strays are told rather than refused. */
  readonly allowStrays: boolean;
};

export class TimeCheck {
  readonly #rules: TimeRules;
  readonly #file: string;
  readonly #steps: number[] = [];
  readonly #missing: MissingSamples;
  #key = "";
  #last = Number.NaN;
  #strays = 0;

  constructor(rules: TimeRules, file: string) {
    this.#rules = rules;
    this.#file = file;
    this.#missing = new MissingSamples(rules.rateHz);
  }

  /**
   * @param key who and what: time may start anew where it changes
   * @throws EdgeError `recording-time` when time stands still or goes back within one key
   */
  step(key: string, seconds: number, where: string): TimeStep {
    const step = seconds - this.#last;
    if (key !== this.#key || Number.isNaN(step)) {
      this.#key = key;
      this.#begin(seconds);
      return "next";
    }
    const isStray = this.#rules.coarse ? step < 0 : step <= 0;
    if (isStray) {
      if (!this.#rules.allowStrays) throw strayError(step, where);
      this.#strays++;
      if (this.#strays < STRAY_ROWS) return "stray";
      this.#begin(seconds);
      return "gap";
    }
    this.#strays = 0;
    this.#last = seconds;
    if (this.#steps.length < MOST_STEPS) this.#steps.push(step);
    if (this.#steps.length === FIRST_CHECK_STEPS) this.finish();
    return this.#missing.before(seconds) ? "gap" : "next";
  }

  #begin(seconds: number): void {
    this.#last = seconds;
    this.#strays = 0;
    this.#missing.begin(seconds);
  }

  /** @throws EdgeError `recording-rate` when the times tell another rate */
  finish(): void {
    const { rateHz, coarse } = this.#rules;
    const median = medianOf(this.#steps);
    const measuredHz = rateOfSteps(this.#steps);
    if (median === null || measuredHz === null || (median === 0 && !coarse)) return;
    if (Math.abs(measuredHz / rateHz - 1) <= RATE_TOLERANCE) return;
    throw new EdgeError({
      code: "recording-rate",
      message: `its times tell ${measuredHz.toPrecision(4)} Hz, not ${rateHz} Hz`,
      where: this.#file,
      hint: `Give --rate ${measuredHz.toPrecision(4)}, or leave it out; or is --time-unit wrong?`,
    });
  }
}

function strayError(step: number, where: string): EdgeError {
  return new EdgeError({
    code: "recording-time",
    message:
      step === 0
        ? "has the same time as the row before"
        : `goes back by ${(-step).toPrecision(3)} s`,
    where,
    hint: "Sort the rows by subject and time; or leave such rows out with --skip-bad-rows; or leave the time column out and give --rate.",
  });
}
