/**
 * An encoder's integers, from the quantizer that makes a student's: it is quantized as the only stage
 * of one whose exit says nothing. The code's step is not calibrated: the tail was trained on it.
 */

import type { WindowSet } from "../signal/window-set.ts";
import { checkEncoder, type QuantizedEncoder } from "./encoder.ts";
import { codeActivation, codeStep, type FloatEncoder } from "./encoder-spec.ts";
import { quantizeStudent } from "./quantize.ts";
import type { QuantizeOptions } from "./quantize-trace.ts";

const CLASSES = 2;

/** As `quantizeStudent`: the encoder learned from windows in g. */
export function quantizeEncoder(
  { spec, tensors }: FloatEncoder,
  calibration: WindowSet,
  inputMilligPerStep: number,
  options: Partial<Omit<QuantizeOptions, "scales">> = {},
): QuantizedEncoder {
  const { windowSamples, channels, layers, codeBits } = spec;
  const width = layers.at(-1)?.filters ?? 0;
  const silent = new Map([
    ...tensors,
    [
      "stage0.exit.logits.weight",
      { shape: [CLASSES, width], data: new Float32Array(CLASSES * width) },
    ],
    ["stage0.exit.logits.bias", { shape: [CLASSES], data: new Float32Array(CLASSES) }],
  ]);
  const stages = [{ layers, exit: { hidden: 0 } }];
  const step = codeStep(codeBits);
  // The exit's mean is of no use, but must have a step of which its sums are some.
  const scales = new Map([
    [codeActivation(spec), step],
    ["stage0.exit.pool", step],
  ]);
  const student = quantizeStudent(
    { spec: { windowSamples, channels, classes: CLASSES, stages }, tensors: silent },
    calibration,
    inputMilligPerStep,
    { ...options, scales },
  );
  const quantized = (student.stages[0]?.layers ?? []).filter((layer) => layer.kind !== "gru");
  const encoder = { afterStages: 0, layers: quantized, codeBits };
  checkEncoder(encoder, { time: windowSamples, channels });
  return encoder;
}
