/**
 * Whether samples are missing, by their times. Stamps of phones jitter by half a period and more
 * although no sample is missing, so a gap is told by how late a sample is against a clock that follows
 * slowly.
 */

/** Later than expected by this many periods, and by as many times the clock's own jitter, means that
 * samples are missing. */
const GAP_PERIODS = 0.8;
const GAP_JITTERS = 4;
/** How fast the expected time follows the clock, and the jitter its errors; shares per sample. */
const FOLLOW = 0.05;

export class MissingSamples {
  readonly #rateHz: number;
  /** In seconds; and in periods. */
  #expected = Number.NaN;
  #jitter = 0;

  constructor(rateHz: number) {
    this.#rateHz = rateHz;
  }

  /** The first of a row of samples, and its time. */
  begin(seconds: number): void {
    this.#expected = seconds + 1 / this.#rateHz;
  }

  /** Whether some are missing before the one of this time. */
  before(seconds: number): boolean {
    const latePeriods = (seconds - this.#expected) * this.#rateHz;
    const late = latePeriods > GAP_PERIODS + GAP_JITTERS * this.#jitter;
    if (late) this.#expected = seconds;
    else {
      this.#jitter += FOLLOW * (Math.abs(latePeriods) - this.#jitter);
      this.#expected += (FOLLOW * latePeriods) / this.#rateHz;
    }
    this.#expected += 1 / this.#rateHz;
    return late;
  }
}
