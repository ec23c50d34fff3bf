/**
 * Training of whatever answers in the teacher's place from less: an encoder with its tail, or a tail
 * on windows that were made smaller by rule.
 *
 * Every augmented view goes to the teacher whole, and to the network as `reduce` leaves it.
 */
import { assert } from "../assert.ts";
import type { Tensor } from "../model/student-spec.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { batchesOf } from "./batches.ts";
import { softmaxRows } from "./metrics.ts";
import type { Network } from "./network.ts";
import type { Program, Runtime } from "./runtime.ts";
import { type Batch, type TrainingProgress, trainNetwork } from "./train-network.ts";
import type { Objective, StudentOptions } from "./train-student.ts";
import { hardTargets } from "./train-teacher.ts";

export type SplitTraining = {
  readonly network: Network;
  readonly windows: WindowSet;
  readonly inputMilligPerStep: number;
  readonly seed: number;
  readonly objective: Objective;
  readonly options: StudentOptions;
  readonly teacher: Program;
  /** One window `[time][channel]` in g to what the network reads; as it is where undefined. */
  readonly reduce?: (window: Float32Array) => Float32Array;
  readonly exitWeights?: readonly number[];
  readonly initial?: ReadonlyMap<string, Tensor>;
  readonly onProgress?: (progress: TrainingProgress) => void;
};

export async function trainSplit(
  runtime: Runtime,
  training: SplitTraining,
): Promise<Map<string, Tensor>> {
  const { network, windows, seed, options, objective, inputMilligPerStep, reduce } = training;
  const { classes } = network;
  const { batchSize } = options;
  const draw = batchesOf(windows, { ...options, seed, inputMilligPerStep });
  const nextBatch = async (): Promise<Batch> => {
    const { indices, window } = draw();
    const hard = hardTargets(windows, indices, classes, options.labelSmoothing);
    const shape = [batchSize, windows.windowSamples, windows.channels];
    const { logits } = await training.teacher.run({ window: { shape, data: window } });
    assert(logits?.data.length === batchSize * classes, "the teacher knows the same classes");
    const soft = softmaxRows(logits.data, classes, objective.temperature);
    const weight = (1 - objective.hardWeight) * objective.temperature ** 2;
    return {
      window: reduce === undefined ? window : reducedRows(window, batchSize, reduce),
      hard: hard.map((target) => target * objective.hardWeight),
      soft: soft.map((target) => target * weight),
    };
  };
  return trainNetwork(runtime, network, nextBatch, {
    seed,
    batchSize,
    steps: Math.max(1, Math.round((options.epochs * windows.count) / batchSize)),
    learningRate: options.learningRate,
    weightDecay: options.weightDecay,
    temperature: objective.temperature,
    exitWeights: training.exitWeights ?? [1],
    ...(training.initial && { initial: training.initial }),
    ...(training.onProgress && { onProgress: training.onProgress }),
  });
}

function reducedRows(
  rows: Float32Array,
  count: number,
  reduce: (window: Float32Array) => Float32Array,
): Float32Array {
  const length = rows.length / count;
  const parts = Array.from({ length: count }, (_, i) =>
    reduce(rows.subarray(i * length, (i + 1) * length)),
  );
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    all.set(part, offset);
    offset += part.length;
  }
  return all;
}
