/**
 * Whether an accelerometer still measures, by the windows that come of it: an axis that sticks, a chip
 * that says nothing any more, one that stands at the end of its range.
 *
 * One window shows the plain cases (`windowFault`); nothing is learned from such a one. That a *sensor*
 * is broken is said of several in a row (`watchSensor`), which also finds what no single window
 * shows: an axis that holds its value while the animal lies still is a fault once the others have
 * moved and it has not. Windows may be any few of those that a node measured, in their order. Pure.
 */

/** `rate`: see `rate-watch.ts`. */
export const SENSOR_FAULTS = ["axis-stuck", "flat", "clipped", "rate"] as const;
export type SensorFault = (typeof SENSOR_FAULTS)[number];
export type WindowFault = Exclude<SensorFault, "rate">;

/** An axis is stuck when it stays the same while another ranges over so many steps. None of 3,801
 * windows of cattle is like that, none of 7,748 of people and none of 14,011 of a watch. */
const STUCK_WHILE_STEPS = 12;
/** Int8 values end here; an axis that is there for so much of a window has left its range. In none
 * of those windows is one there for more than three tenths. */
const FULL_SCALE = 127;
const CLIPPED_SHARE = 0.5;
/** What holds still reads 1 g; a chip's gain is off by far less than this. */
const GRAVITY_LEAST_MILLIG = 600;
const GRAVITY_MOST_MILLIG = 1500;
/** Windows in a row that make a fault, and that end it. */
const FAULT_WINDOWS = 3;
const SOUND_WINDOWS = 3;
/** A phone on a table moves no axis by a step for minutes, an animal does: so long is odd. */
const FLAT_MS = 30 * 60_000;
const FLAT_WINDOWS = 8;

/** Of one axis: the one value that it has said for so many windows, and between what every axis has
 * been meanwhile. */
type Held = {
  readonly value: number;
  readonly windows: number;
  readonly sinceMs: number;
  readonly lows: readonly number[];
  readonly highs: readonly number[];
};

export type SensorWatch = {
  /** By axis; null for one that moved in the last window. */
  readonly held: readonly (Held | null)[];
  /** Windows in a row that were clipped, and that said nothing. */
  readonly clipped: number;
  readonly dead: number;
  readonly fault: WindowFault | null;
  /** Windows in a row that did not show it. */
  readonly sound: number;
};

export const NEW_SENSOR_WATCH: SensorWatch = {
  held: [],
  clipped: 0,
  dead: 0,
  fault: null,
  sound: 0,
};

export type MeasuredWindow = {
  /** Int8 `[time][channel]`. */
  readonly window: Int8Array;
  readonly channels: number;
  readonly inputMilligPerStep: number;
};

/** What one window shows; undefined for a sound one. */
export function windowFault(measured: MeasuredWindow): WindowFault | undefined {
  const axes = axesOf(measured);
  if (isDead(axes, measured.inputMilligPerStep)) return "flat";
  if (axes.some(({ clippedShare }) => clippedShare > CLIPPED_SHARE)) return "clipped";
  const ranges = axes.map(({ low, high }) => high - low);
  const stuck = Math.min(...ranges) === 0 && Math.max(...ranges) >= STUCK_WHILE_STEPS;
  return stuck ? "axis-stuck" : undefined;
}

/** @param timeMs the window's end by the node's clock */
export function watchSensor(
  before: SensorWatch,
  measured: MeasuredWindow,
  timeMs: number,
): SensorWatch {
  const axes = axesOf(measured);
  const held = axes.map((axis, i) => hold(before.held[i] ?? null, axis, axes, timeMs));
  const isClipped = axes.some(({ clippedShare }) => clippedShare > CLIPPED_SHARE);
  const counts = {
    clipped: isClipped ? before.clipped + 1 : 0,
    dead: isDead(axes, measured.inputMilligPerStep) ? before.dead + 1 : 0,
  };
  const shown = shownBy({ held, ...counts }, timeMs);
  // Of an axis that is known to stick nothing more is asked than that it still does not move.
  const lasts =
    before.fault !== null &&
    (shown === before.fault || (before.fault !== "clipped" && held.some((axis) => axis !== null)));
  const sound = lasts ? 0 : before.sound + 1;
  const isOver = before.fault === null || sound >= SOUND_WINDOWS;
  return { held, ...counts, fault: isOver ? shown : before.fault, sound: isOver ? 0 : sound };
}

type Axis = { readonly low: number; readonly high: number; readonly clippedShare: number };

function axesOf({ window, channels }: MeasuredWindow): Axis[] {
  return Array.from({ length: channels }, (_, channel) => {
    let [low, high, ends, count] = [FULL_SCALE, -FULL_SCALE - 1, 0, 0];
    for (let at = channel; at < window.length; at += channels) {
      const value = window[at] as number;
      low = Math.min(low, value);
      high = Math.max(high, value);
      if (Math.abs(value) >= FULL_SCALE) ends++;
      count++;
    }
    return { low, high, clippedShare: ends / Math.max(1, count) };
  });
}

/** Every axis says one value, and together they are not gravity. */
function isDead(axes: readonly Axis[], milligPerStep: number): boolean {
  if (axes.some(({ low, high }) => low !== high)) return false;
  const millig = milligPerStep * Math.hypot(...axes.map(({ low }) => low));
  return millig < GRAVITY_LEAST_MILLIG || millig > GRAVITY_MOST_MILLIG;
}

function hold(before: Held | null, axis: Axis, axes: readonly Axis[], timeMs: number): Held | null {
  if (axis.low !== axis.high) return null;
  const goesOn = before !== null && before.value === axis.low;
  const [lows, highs] = goesOn ? [before.lows, before.highs] : [[], []];
  return {
    value: axis.low,
    windows: goesOn ? before.windows + 1 : 1,
    sinceMs: goesOn ? before.sinceMs : timeMs,
    lows: axes.map(({ low }, i) => Math.min(low, lows[i] ?? low)),
    highs: axes.map(({ high }, i) => Math.max(high, highs[i] ?? high)),
  };
}

function shownBy(
  { held, clipped, dead }: Pick<SensorWatch, "held" | "clipped" | "dead">,
  timeMs: number,
): WindowFault | null {
  if (dead >= FAULT_WINDOWS) return "flat";
  if (clipped >= FAULT_WINDOWS) return "clipped";
  if (held.some((axis) => axis !== null && isStuck(axis))) return "axis-stuck";
  const flat = held.every(
    (axis) => axis !== null && axis.windows >= FLAT_WINDOWS && timeMs - axis.sinceMs >= FLAT_MS,
  );
  return flat && held.length > 0 ? "flat" : null;
}

function isStuck({ windows, lows, highs }: Held): boolean {
  if (windows < FAULT_WINDOWS) return false;
  return highs.some((high, i) => high - (lows[i] as number) >= STUCK_WHILE_STEPS);
}
