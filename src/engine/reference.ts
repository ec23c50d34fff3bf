/**
 * The reference engine: plain TypeScript, readable, and the definition of the bits.
 *
 * Loading lays out every buffer; a run only fills them. It refuses to be fast by any means that
 * would make it harder to read: the WebAssembly engine is for that, and must agree with this one.
 */

import { assert } from "../assert.ts";
import type { Container } from "../model/container.ts";
import { checkStudent } from "../model/check-student.ts";
import { requantizationFactor, requantizationFactors } from "../model/requantize.ts";
import type {
  ConvLayer,
  DenseLayer,
  DepthwiseLayer,
  ExitHead,
  GruLayer,
  QuantizedStudent,
  Stage,
} from "../model/student.ts";
import { marginSamples, outChannelsOf } from "../model/student-cost.ts";
import { loadEncoder } from "./encode.ts";
import type { Engine, ExitOutput, LoadedStudent } from "./engine.ts";
import { conv, dense, depthwise, type GruScratch, gru, meanPool, statePool } from "./kernels.ts";

export const referenceEngine: Engine = { name: "reference", load };

/** Int8 `[time][channel]` inside of a buffer whose margins stay zero. */
type Activation = {
  readonly buffer: Int8Array;
  /** Index of the first sample: behind the zeros that the next layer wants before it. */
  readonly start: number;
  readonly time: number;
  readonly channels: number;
};

type ConvolutionRun = {
  readonly layer: ConvLayer | DepthwiseLayer;
  readonly factors: Float64Array;
  readonly input: Activation;
  readonly output: Activation;
};
type GruRun = {
  readonly layer: GruLayer;
  readonly scratch: GruScratch;
  readonly input: Activation;
};
type Run = ConvolutionRun | GruRun;

type DenseRun = {
  readonly layer: DenseLayer;
  readonly factors: Float64Array;
  readonly input: Int8Array;
  readonly output: Int8Array | Int16Array;
};

type StageRun = {
  readonly runs: readonly Run[];
  /** What the exit pools; the GRU's state where it is undefined. */
  readonly pooled: Activation | undefined;
  readonly poolFactor: number;
  readonly denses: readonly DenseRun[];
  readonly output: ExitOutput;
};

function load(container: Container): LoadedStudent {
  const { student } = container;
  checkStudent(student);
  const state = new Int16Array(hiddenOf(student));
  const window = activationFor(
    student.windowSamples,
    student.channels,
    student.stages[0]?.layers[0],
  );
  const stages = layOut(student, window);
  const samples = window.time * window.channels;
  const encode = container.encoder && loadEncoder(container.encoder);
  let next = stages.length;

  return {
    container,
    exits: stages.length,
    begin(given) {
      assert(
        given.length === samples,
        `a window of ${given.length} values for a student of ${window.time}x${window.channels}`,
      );
      window.buffer.set(given, window.start);
      state.fill(0);
      next = 0;
    },
    nextExit() {
      const stage = stages[next++];
      assert(stage !== undefined, "begin() comes before nextExit(), once for each exit");
      runStage(stage, state);
      return stage.output;
    },
    encode() {
      assert(encode !== undefined, "only a container with an encoder makes codes");
      return encode(window.buffer.subarray(window.start, window.start + samples));
    },
  };
}

function runStage(stage: StageRun, state: Int16Array): void {
  for (const run of stage.runs) {
    if (!("output" in run)) {
      gru(run.layer, run.scratch, run.input.buffer, state);
    } else if (run.layer.kind === "conv") {
      conv(run.layer, run.factors, run.input.buffer, run.output.buffer, run.output.start);
    } else {
      depthwise(run.layer, run.factors, run.input.buffer, run.output.buffer, run.output.start);
    }
  }
  const { pooled, output } = stage;
  if (pooled === undefined) {
    statePool(state, output.features);
  } else {
    const { time, channels, buffer, start } = pooled;
    meanPool(time, channels, stage.poolFactor, buffer, start, output.features);
  }
  for (const { layer, factors, input, output: out } of stage.denses) {
    dense(layer, factors, input, out);
  }
}

/** Gives every layer its buffers: a layer writes between the margins that its reader wants. */
function layOut(student: QuantizedStudent, window: Activation): readonly StageRun[] {
  let input = window;
  return student.stages.map((stage, s) => {
    const runs = stage.layers.map((layer, l): Run => {
      if (layer.kind === "gru") return { layer, scratch: gruScratch(layer), input: window };
      const reader = stage.layers[l + 1] ?? student.stages[s + 1]?.layers[0];
      const channels = outChannelsOf(layer);
      const output = activationFor(layer.outTime, channels, reader);
      const run = { layer, factors: requantizationFactors(layer.requantization), input, output };
      input = output;
      return run;
    });
    return { runs, pooled: stage.exit.pool === "mean" ? input : undefined, ...layOutHead(stage) };
  });
}

function layOutHead(stage: Stage): Pick<StageRun, "poolFactor" | "denses" | "output"> {
  const head: ExitHead = stage.exit;
  const { multipliers, shifts } = head.poolRequantization;
  const features = new Int8Array(head.features);
  const logits = new Int16Array(head.layers.at(-1)?.outputs ?? 0);
  let input = features;
  const denses = head.layers.map((layer): DenseRun => {
    const hidden = new Int8Array(layer.output === "relu" ? layer.outputs : 0);
    const output = layer.output === "relu" ? hidden : logits;
    const run = { layer, factors: requantizationFactors(layer.requantization), input, output };
    input = hidden;
    return run;
  });
  const poolFactor = requantizationFactor(multipliers[0] as number, shifts[0] as number);
  return { poolFactor, denses, output: { logits, features } };
}

function activationFor(
  time: number,
  channels: number,
  reader: Stage["layers"][number] | undefined,
): Activation {
  const before = reader === undefined || reader.kind === "gru" ? 0 : reader.padLeft;
  return {
    buffer: new Int8Array((time + marginSamples(reader)) * channels),
    start: before * channels,
    time,
    channels,
  };
}

function gruScratch(layer: GruLayer): GruScratch {
  return {
    inputFactors: requantizationFactors(layer.inputRequantization),
    stateFactors: requantizationFactors(layer.stateRequantization),
    fromInput: new Int16Array(3 * layer.hidden),
    fromState: new Int16Array(3 * layer.hidden),
  };
}

function hiddenOf(student: QuantizedStudent): number {
  const first = student.stages[0]?.layers[0];
  return first?.kind === "gru" ? first.hidden : 0;
}
