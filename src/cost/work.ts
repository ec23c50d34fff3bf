/**
 * What a student does to a window, as counts by kind of work: the input of every model of one
 * processor. It follows from the shapes alone.
 */

import type { ExitHead, QuantizedStudent, Stage } from "../model/student.ts";

/** `window` is the copy of the samples before the first layer, `pool` the mean over time, `state` the
 * features of a GRU. */
export const WORK_KINDS = [
  "window",
  "conv",
  "pointwise",
  "depthwise",
  "gru",
  "pool",
  "state",
  "dense",
] as const;
export type WorkKind = (typeof WORK_KINDS)[number];

export type Work = {
  readonly kind: WorkKind;
  /** Multiply-accumulates; sums in a pool. */
  readonly macs: number;
  /** Values written: requantized sums, a GRU's states over all patches, bytes copied. */
  readonly outputs: number;
  /** How often the loops around all that begin: once for each row of outputs or patch. */
  readonly rows: number;
};

/** For each exit what is done between the exit before it and its logits. */
export function workOf(student: QuantizedStudent): readonly (readonly Work[])[] {
  const samples = student.windowSamples * student.channels;
  return student.stages.map((stage, s) => [
    ...(s === 0 ? [copyWork(samples)] : []),
    ...stage.layers.map(layerWork),
    ...headWork(stage.exit, pooledTime(student, s)),
  ]);
}

/** The copy of a window of so many values, and these layers after it, without any exit. */
export function chainWork(samples: number, layers: Stage["layers"]): readonly Work[] {
  return [copyWork(samples), ...layers.map(layerWork)];
}

function copyWork(samples: number): Work {
  return { kind: "window", macs: 0, outputs: samples, rows: 1 };
}

function layerWork(layer: Stage["layers"][number]): Work {
  switch (layer.kind) {
    case "conv": {
      const { kernel, inChannels, outChannels, outTime } = layer;
      const outputs = outTime * outChannels;
      const kind = kernel === 1 ? "pointwise" : "conv";
      return { kind, macs: outputs * kernel * inChannels, outputs, rows: outTime };
    }
    case "depthwise": {
      const { kernel, channels, outTime } = layer;
      const outputs = outTime * channels;
      return { kind: "depthwise", macs: outputs * kernel, outputs, rows: outTime };
    }
    case "gru": {
      const { patchSamples, channels, hidden, patches } = layer;
      const columns = patchSamples * channels + hidden;
      const macs = patches * 3 * hidden * columns;
      return { kind: "gru", macs, outputs: patches * hidden, rows: patches };
    }
  }
}

function headWork(head: ExitHead, time: number): Work[] {
  const { features } = head;
  const pooled: Work =
    head.pool === "mean"
      ? { kind: "pool", macs: time * features, outputs: features, rows: 1 }
      : { kind: "state", macs: 0, outputs: features, rows: 1 };
  const denses = head.layers.map(({ inputs, outputs }): Work => {
    return { kind: "dense", macs: inputs * outputs, outputs, rows: 1 };
  });
  return [pooled, ...denses];
}

/** Samples of the activation that an exit pools: that of the last convolution so far. */
function pooledTime(student: QuantizedStudent, stage: number): number {
  const layers = student.stages.slice(0, stage + 1).flatMap((one) => one.layers);
  const last = layers.findLast((layer) => layer.kind !== "gru");
  return last?.outTime ?? student.windowSamples;
}
