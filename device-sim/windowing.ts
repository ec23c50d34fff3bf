/**
 * Samples to windows: a ring of the last samples, cut every hop, quantized to int8.
 *
 * A window never spans a gap: when samples were lost the ring begins afresh. The student sees the
 * same int8 steps as in training, because both go through `quantizeMillig`.
 */

import { assert } from "../src/assert.ts";
import { quantizeMillig } from "../src/signal/make-windows.ts";

export type WindowShape = {
  readonly windowSamples: number;
  readonly hopSamples: number;
  readonly channels: number;
  readonly inputMilligPerStep: number;
  readonly rateHz: number;
};

export type Windowing = {
  readonly shape: WindowShape;
  /** `[time][channel]` milli-g of the last `windowSamples`; the row to write next is `row`. */
  readonly ring: Int16Array;
  row: number;
  /** Rows since the last gap; and rows until the next window may end. */
  filled: number;
  untilWindow: number;
  /** The sensor's count of the sample that comes next if none is lost. */
  nextSample: number;
  /** Reused for every window. */
  readonly window: Int8Array;
};

export function createWindowing(shape: WindowShape): Windowing {
  const length = shape.windowSamples * shape.channels;
  return {
    shape,
    ring: new Int16Array(length),
    row: 0,
    filled: 0,
    untilWindow: 0,
    nextSample: 0,
    window: new Int8Array(length),
  };
}

/** A window that is complete. The bytes are valid until the next one is cut. */
export type CutWindow = {
  readonly window: Int8Array;
  /** The sensor's count of the sample after the window's last. */
  readonly endSample: number;
  /** How long before the end of the samples handed over the window ended. */
  readonly agoMs: number;
};

/** Takes whole rows of milli-g, and calls `onWindow` for each window that they complete. */
export function takeSamples(
  windowing: Windowing,
  run: { readonly startSample: number; readonly millig: Int16Array },
  onWindow: (cut: CutWindow) => void,
): void {
  const { shape, ring } = windowing;
  const { channels, windowSamples, hopSamples } = shape;
  assert(run.millig.length % channels === 0, "samples are whole rows");
  const rows = run.millig.length / channels;
  if (run.startSample !== windowing.nextSample) startAfresh(windowing);
  for (let i = 0; i < rows; i++) {
    const to = windowing.row * channels;
    for (let c = 0; c < channels; c++) ring[to + c] = run.millig[i * channels + c] as number;
    windowing.row = (windowing.row + 1) % windowSamples;
    windowing.filled += 1;
    windowing.untilWindow -= 1;
    if (windowing.filled < windowSamples || windowing.untilWindow > 0) continue;
    windowing.untilWindow = hopSamples;
    onWindow({
      window: quantizeRing(windowing),
      endSample: run.startSample + i + 1,
      agoMs: ((rows - 1 - i) * 1000) / shape.rateHz,
    });
  }
  windowing.nextSample = run.startSample + rows;
}

function startAfresh(windowing: Windowing): void {
  windowing.row = 0;
  windowing.filled = 0;
  windowing.untilWindow = 0;
}

/** The ring from its oldest row, in int8 steps. */
function quantizeRing(windowing: Windowing): Int8Array {
  const { ring, window, shape } = windowing;
  const from = windowing.row * shape.channels;
  for (let i = 0; i < ring.length; i++) {
    const value = ring[(from + i) % ring.length] as number;
    window[i] = quantizeMillig(value, shape.inputMilligPerStep);
  }
  return window;
}
