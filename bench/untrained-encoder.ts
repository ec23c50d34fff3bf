/**
 * Encoders and tails as training begins with them: for costs, which follow from shapes, and for tests
 * of everything but accuracy.
 */

import { initialValues, unflatten } from "../src/learn/parameters.ts";
import { type SplitDesign, splitNetwork } from "../src/learn/split-network.ts";
import { encoderOf, type FloatSplit } from "../src/learn/tail-network.ts";
import type { QuantizedEncoder } from "../src/model/encoder.ts";
import { quantizeEncoder } from "../src/model/quantize-encoder.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

export function untrainedSplit(design: SplitDesign, seed: number): FloatSplit {
  const { parameters, normalisations } = splitNetwork(design);
  const tensors = unflatten(parameters, initialValues(parameters, seed));
  for (const { name, channels } of normalisations) {
    tensors.set(`${name}.mean`, { shape: [channels], data: new Float32Array(channels) });
    const data = new Float32Array(channels).fill(1);
    tensors.set(`${name}.variance`, { shape: [channels], data });
  }
  return { design, tensors };
}

/** Calibrated on a few windows that swing, the more the later. */
export function untrainedEncoder(split: FloatSplit, inputMilligPerStep: number): QuantizedEncoder {
  return quantizeEncoder(encoderOf(split), swingingWindows(split), inputMilligPerStep);
}

const WINDOWS = 8;

function swingingWindows({ design }: FloatSplit): WindowSet {
  const { windowSamples, channels } = design.encoder;
  const length = windowSamples * channels;
  const samples = Int8Array.from({ length: WINDOWS * length }, (_, i) => {
    const window = Math.floor(i / length);
    return Math.round(12 * (window + 1) * Math.sin(0.3 * i));
  });
  return {
    ...{ count: WINDOWS, windowSamples, channels, samples },
    labels: new Uint8Array(WINDOWS),
    subjects: Array.from({ length: WINDOWS }, () => "nobody"),
    bouts: new Int32Array(WINDOWS),
  };
}
