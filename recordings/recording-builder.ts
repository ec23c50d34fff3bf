/**
 * Collects samples from importers into recordings: joins rows into segments, watches the units.
 *
 * Values are kept as rounded milli-g from the first row on, so that a file of hundreds of megabytes
 * needs six bytes a row.
 */

import { EdgeError } from "../src/assert.ts";
import { AXES, type Recordings, type Segment } from "../src/signal/recordings.ts";

export type AccelerationUnit = "g" | "mg" | "m/s2";

/** Milli-g in one of the unit. Standard gravity is 9.80665 m/s2 by definition. */
export const MILLIG_PER_UNIT: Readonly<Record<AccelerationUnit, number>> = {
  g: 1000,
  mg: 1,
  "m/s2": 1000 / 9.80665,
};

/** Where a row came from, for errors: made only when one is thrown. */
export type Place = () => string;

export type SegmentKey = {
  readonly subject: string;
  readonly label: string;
  readonly source: string;
};

export type RecordingsHead = {
  readonly name: string;
  readonly rateHz: number;
  readonly about: Readonly<Record<string, string>>;
};

/** Within these a resting sensor's median magnitude is gravity, whatever else it does, milli-g. */
const LEAST_MEDIAN_MILLIG = 600;
const MOST_MEDIAN_MILLIG = 1700;
/** Of a label or a subject; and labels of a data set. */
const LONGEST_NAME = 64;
const MOST_LABELS = 255;
/** Int16 holds up to this. */
export const MOST_MILLIG = 32_767;

export class RecordingBuilder {
  #samples = new Int16Array(1 << 16);
  #used = 0;
  readonly #segments: Segment[] = [];
  #open: (SegmentKey & { start: number }) | null = null;
  /** Counts of magnitudes, one cell per milli-g. */
  readonly #magnitudes = new Uint32Array(MOST_MILLIG + 1);

  get sampleCount(): number {
    return this.#used / AXES;
  }

  get segmentCount(): number {
    return this.#segments.length + (this.#open === null ? 0 : 1);
  }

  /**
   * Adds one sample; a key that differs from the one before starts a segment.
   *
   * @throws EdgeError `recording-value` for a value that is no number or beyond 32.767 g
   */
  add(key: SegmentKey, x: number, y: number, z: number, place: Place): void {
    const open = this.#open;
    if (
      open === null ||
      open.subject !== key.subject ||
      open.label !== key.label ||
      open.source !== key.source
    ) {
      this.endSegment();
      this.#open = { ...key, start: this.sampleCount };
    }
    if (this.#used + AXES > this.#samples.length) {
      const larger = new Int16Array(this.#samples.length * 2);
      larger.set(this.#samples);
      this.#samples = larger;
    }
    this.#samples[this.#used] = toMillig(x, "x", place);
    this.#samples[this.#used + 1] = toMillig(y, "y", place);
    this.#samples[this.#used + 2] = toMillig(z, "z", place);
    this.#used += AXES;
    const magnitude = Math.min(MOST_MILLIG, Math.round(Math.hypot(x, y, z)));
    this.#magnitudes[magnitude] = (this.#magnitudes[magnitude] as number) + 1;
  }

  /** The next sample is not contiguous with the last one. */
  endSegment(): void {
    const open = this.#open;
    this.#open = null;
    if (open === null) return;
    this.#segments.push({ ...open, length: this.sampleCount - open.start });
  }

  /**
   * @param options `anyMagnitude` lets signals without gravity pass
   * @throws EdgeError `recording-empty`, `recording-unit`, `recording-label`
   */
  finish(
    head: RecordingsHead,
    options: { readonly where: string; readonly anyMagnitude?: boolean },
  ): Recordings {
    this.endSegment();
    if (this.#segments.length === 0) {
      throw new EdgeError({
        code: "recording-empty",
        message: "no labelled sample was found",
        where: options.where,
        hint: "Check the columns, and that rows carry a label.",
      });
    }
    if (options.anyMagnitude !== true) this.#checkMagnitude(options.where);
    checkNames(this.#segments, options.where);
    const segments = this.#segments.map(({ subject, label, start, length, source }) => ({
      subject,
      label,
      start,
      length,
      source,
    }));
    return {
      ...head,
      labels: distinct(segments.map((segment) => segment.label)),
      subjects: distinct(segments.map((segment) => segment.subject)),
      segments,
      samples: this.#samples.slice(0, this.#used),
    };
  }

  #checkMagnitude(where: string): void {
    const median = this.#medianMagnitude();
    if (median >= LEAST_MEDIAN_MILLIG && median <= MOST_MEDIAN_MILLIG) return;
    throw new EdgeError({
      code: "recording-unit",
      message: `the median acceleration is ${(median / 1000).toPrecision(3)} g, where gravity alone makes about 1 g`,
      where,
      hint: `${unitGuess(median)} If it is right as it is, pass --any-magnitude.`,
    });
  }

  #medianMagnitude(): number {
    let left = this.sampleCount / 2;
    const median = this.#magnitudes.findIndex((count) => {
      left -= count;
      return left <= 0;
    });
    return median < 0 ? MOST_MILLIG : median;
  }
}

/** Half to even, as most tools that people compare with round. */
export function roundHalfEven(value: number): number {
  const low = Math.floor(value);
  const part = value - low;
  if (part !== 0.5) return Math.round(value);
  return low % 2 === 0 ? low : low + 1;
}

function toMillig(value: number, axis: string, place: Place): number {
  if (Math.abs(value) <= MOST_MILLIG) return roundHalfEven(value);
  const isNumber = Number.isFinite(value);
  throw new EdgeError({
    code: "recording-value",
    message: isNumber
      ? `${axis} is ${(value / 1000).toPrecision(4)} g, beyond 32.767 g`
      : `${axis} is not a number`,
    where: place(),
    hint: isNumber
      ? "No wearable measures that: check --units and the columns, or pass --skip-bad-rows."
      : "Mend the row, or pass --skip-bad-rows to end the segment there.",
  });
}

/** What the header of recordings takes. */
function checkNames(segments: readonly SegmentKey[], where: string): void {
  const labels = distinct(segments.map(({ label }) => label));
  const subjects = distinct(segments.map(({ subject }) => subject));
  const long = [...labels, ...subjects].find((name) => name.length > LONGEST_NAME);
  if (long === undefined && labels.length <= MOST_LABELS) return;
  throw new EdgeError({
    code: "recording-label",
    message:
      long === undefined
        ? `${labels.length} labels, where ${MOST_LABELS} are the most: ${labels.slice(0, 5).join(", ")}, …`
        : `"${long.slice(0, 80)}" is longer than ${LONGEST_NAME} characters`,
    where,
    hint: "Name the labels that count, and leave the others out: --labels old=new,*=-. Is it the right column?",
  });
}

function unitGuess(medianMillig: number): string {
  if (medianMillig < 100) return "Was gravity removed, or are the values in g and not mg?";
  if (medianMillig > 7000 && medianMillig < 14_000) return "The values look like m/s2, not g.";
  return "Check --units and which columns are the acceleration with gravity; a sensor's own counts need --counts-per-g, and --zero where rest is not 0.";
}

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)];
}
