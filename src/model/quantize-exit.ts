/** Quantization of an exit: the pool and its dense layers. */

import { dense, meanPool, statePool } from "../engine/kernels.ts";
import { floatDense, floatMean, relu } from "./float-forward.ts";
import type { FloatDense, FloatStage } from "./float-student.ts";
import { quantizeRows } from "./quantize-rows.ts";
import {
  channelMeans,
  correctBias,
  type GruTrace,
  LOGIT_SCALE,
  STATE_FEATURE_SCALE,
  type Settings,
  settledScale,
  type Trace,
} from "./quantize-trace.ts";
import {
  nearestRequantization,
  requantizationFactor,
  requantizationFactors,
} from "./requantize.ts";
import type { DenseLayer, ExitHead } from "./student.ts";

/** `activation` is what a mean pools; where there is a `state`, the exit reads that instead. */
export function quantizeExit(
  stage: FloatStage,
  name: string,
  activation: Trace,
  state: GruTrace | undefined,
  settings: Settings,
): ExitHead {
  const pooled =
    state === undefined ? poolMean(stage, `${name}.pool`, activation, settings) : poolState(state);
  let trace = pooled.trace;
  const layers = stage.head.map((layer) => {
    const done = quantizeDense(layer, trace, settings);
    trace = done.trace;
    return done.layer;
  });
  const { multiplier, shift } = pooled.requantization;
  return {
    pool: stage.pool,
    poolRequantization: {
      multipliers: Int16Array.of(multiplier),
      shifts: Uint8Array.of(shift),
    },
    features: stage.features,
    layers,
  };
}

type Pooled = {
  readonly trace: Trace;
  readonly requantization: ReturnType<typeof nearestRequantization>;
};

function poolMean(stage: FloatStage, name: string, input: Trace, settings: Settings): Pooled {
  const channels = stage.features;
  const time = (input.ints[0]?.length ?? 0) / channels;
  const floats = input.floats.map((values) => floatMean(values, time, channels));
  const ratio = input.scale / (time * settledScale(name, floats, settings));
  // Any step of the features will do, as the next layer's weights absorb it: take one that is exact.
  // The little more lets a scale that came from here go through again unchanged.
  const requantization = nearestRequantization(
    settings.scheme === "int8" ? ratio : 2 ** Math.floor(Math.log2(ratio) + 1e-9),
    settings.scheme,
  );
  const factor = requantizationFactor(requantization.multiplier, requantization.shift);
  const ints = input.ints.map((values) => {
    const out = new Int8Array(channels);
    meanPool(time, channels, factor, values, 0, out);
    return out;
  });
  const scale = input.scale / (time * factor);
  settings.chosen.set(name, scale);
  return { trace: { floats, ints, scale }, requantization };
}

function poolState(state: GruTrace): Pooled {
  const ints = state.ints.map((values) => {
    const out = new Int8Array(values.length);
    statePool(values, out);
    return out;
  });
  return {
    trace: { floats: state.floats, ints, scale: STATE_FEATURE_SCALE },
    // Not used: features are the state's upper byte.
    requantization: nearestRequantization(2 ** -8, "int8"),
  };
}
function quantizeDense(
  layer: FloatDense,
  input: Trace,
  settings: Settings,
): { readonly layer: DenseLayer; readonly trace: Trace } {
  const logits = layer.output === "logits";
  const sums = input.floats.map((values) => floatDense(layer, values));
  const wanted = channelMeans(sums, layer.outputs);
  const floats = logits ? sums : sums.map((values) => relu(values));
  const scale = logits ? LOGIT_SCALE : settledScale(layer.name, floats, settings);
  const rows = quantizeRows(
    { weights: layer.weights, bias: layer.bias, inputScale: input.scale, outputScale: scale },
    settings.scheme,
    settings.weightBits,
  );
  const { weights, bias, requantization } = rows;
  if (settings.correctBias) {
    const unbiased = {
      ...layer,
      weights: Float32Array.from(weights),
      bias: new Float32Array(layer.outputs),
    };
    correctBias(
      rows,
      wanted,
      input.ints.map((values) => floatDense(unbiased, values)),
    );
  }
  const { name: _, ...shape } = layer;
  const quantized: DenseLayer = { ...shape, weights, bias, requantization };
  const factors = requantizationFactors(requantization);
  const ints = input.ints.map((values) => {
    const out = new Int8Array(logits ? 0 : layer.outputs);
    if (!logits) dense(quantized, factors, values, out);
    return out;
  });
  return { layer: quantized, trace: { floats, ints, scale } };
}
