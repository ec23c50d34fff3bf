/**
 * Training of whatever answers in the teacher's place from less: an encoder with its tail, or a tail
 * on windows that were made smaller by rule.
 *
 * Views are drawn and shown to the teacher once, and every network learns from the same ones in the
 * same order, so that two of them differ by nothing but what they are told of a window.
 */
import { assert } from "../assert.ts";
import type { Tensor } from "../model/student-spec.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { batchesOf, stepsOf } from "./batches.ts";
import { softmaxRows } from "./metrics.ts";
import type { Network } from "./network.ts";
import type { Program, Runtime } from "./runtime.ts";
import {
  type Batch,
  STATISTICS_STEPS,
  type TrainingProgress,
  trainNetwork,
} from "./train-network.ts";
import type { Objective, StudentOptions } from "./train-student.ts";
import { hardTargets } from "./train-teacher.ts";

/** Augmented views in the order in which they are learned from. */
export type Views = {
  readonly steps: number;
  readonly batchSize: number;
  readonly classes: number;
  /** Int8 `[view][time][channel]`, as a node would have them. */
  readonly samples: Int8Array;
  readonly inputMilligPerStep: number;
  /** Targets as `Batch` has them, `[view][class]`. */
  readonly hard: Float32Array;
  readonly soft: Float32Array;
};

export type ViewsAsked = {
  readonly windows: WindowSet;
  readonly classes: number;
  readonly inputMilligPerStep: number;
  readonly seed: number;
  readonly objective: Objective;
  readonly options: StudentOptions;
  readonly teacher: Program;
  /** Share of the views that are drawn. */
  readonly onProgress?: (share: number) => void;
  /** What is drawn by then is all; the rest stays zero, for a training that is stopped as well. */
  readonly shouldStop?: () => boolean;
};

/** As many as the options' passes take, and the batches behind them that statistics are measured on. */
export async function drawViews(asked: ViewsAsked): Promise<Views> {
  const { windows, classes, inputMilligPerStep, objective, options } = asked;
  const { batchSize } = options;
  assert(windows.count > 0, "views of some windows");
  const steps = stepsOf(options, windows.count);
  const length = windows.windowSamples * windows.channels;
  const count = (steps + STATISTICS_STEPS) * batchSize;
  const samples = new Int8Array(count * length);
  const hard = new Float32Array(count * classes);
  const soft = new Float32Array(count * classes);
  const draw = batchesOf(windows, { ...options, seed: asked.seed, inputMilligPerStep });
  const softWeight = (1 - objective.hardWeight) * objective.temperature ** 2;
  for (let view = 0; view < count; view += batchSize) {
    if (asked.shouldStop?.() === true) break;
    asked.onProgress?.(view / count);
    const { indices, window } = draw();
    const shape = [batchSize, windows.windowSamples, windows.channels];
    const { logits } = await asked.teacher.run({ window: { shape, data: window } });
    assert(logits?.data.length === batchSize * classes, "the teacher knows the same classes");
    const labels = hardTargets(windows, indices, classes, options.labelSmoothing);
    const answers = softmaxRows(logits.data, classes, objective.temperature);
    samples.set(
      window.map((g) => Math.round((g * 1000) / inputMilligPerStep)),
      view * length,
    );
    hard.set(
      labels.map((target) => target * objective.hardWeight),
      view * classes,
    );
    soft.set(
      answers.map((target) => target * softWeight),
      view * classes,
    );
  }
  return { steps, batchSize, classes, samples, inputMilligPerStep, hard, soft };
}

/** Part of the time that drawing takes where training follows. */
const DRAWING = 0.15;

/** Both parts of such a training told as one, and stopped alike. */
export function splitProgress(asked: {
  readonly onProgress?: (share: number) => void;
  readonly shouldStop?: () => boolean;
}): {
  readonly drawing: Pick<ViewsAsked, "onProgress" | "shouldStop">;
  readonly training: Pick<SplitTraining, "onProgress" | "shouldStop">;
} {
  const { onProgress, shouldStop } = asked;
  const stop = shouldStop && { shouldStop };
  return {
    drawing: { ...stop, onProgress: (share) => onProgress?.(DRAWING * share) },
    training: {
      ...stop,
      onProgress: ({ step, steps }) => onProgress?.(DRAWING + (1 - DRAWING) * (step / steps)),
    },
  };
}

export type SplitTraining = {
  readonly network: Network;
  readonly views: Views;
  readonly seed: number;
  readonly objective: Objective;
  readonly options: Pick<StudentOptions, "learningRate" | "weightDecay">;
  /** Weight of each exit in the loss; one exit that weighs 1 where undefined. */
  readonly exitWeights?: readonly number[];
  /** One window to what the network reads, both int8 `[time][channel]`; as it is where undefined. */
  readonly reduce?: (window: Int8Array) => Int8Array;
  readonly onProgress?: (progress: TrainingProgress) => void;
  readonly shouldStop?: () => boolean;
};

export function trainSplit(
  runtime: Runtime,
  training: SplitTraining,
): Promise<Map<string, Tensor>> {
  const { network, views, objective, options } = training;
  const { batchSize, classes, steps } = views;
  let at = 0;
  const nextBatch = async (): Promise<Batch> => {
    const first = batchSize * at++;
    const part = (rows: Float32Array): Float32Array =>
      rows.slice(first * classes, (first + batchSize) * classes);
    return {
      window: reducedViews(training, first),
      hard: part(views.hard),
      soft: part(views.soft),
    };
  };
  return trainNetwork(runtime, network, nextBatch, {
    seed: training.seed,
    batchSize,
    steps,
    learningRate: options.learningRate,
    weightDecay: options.weightDecay,
    temperature: objective.temperature,
    exitWeights: training.exitWeights ?? [1],
    ...(training.onProgress && { onProgress: training.onProgress }),
    ...(training.shouldStop && { shouldStop: training.shouldStop }),
  });
}

/** One batch in g, `[view][time][channel]`. */
function reducedViews({ network, views, reduce }: SplitTraining, first: number): Float32Array {
  const { batchSize, samples, inputMilligPerStep } = views;
  const length = samples.length / (views.hard.length / views.classes);
  const size = network.windowSamples * network.channels;
  const batch = new Float32Array(batchSize * size);
  const gPerStep = inputMilligPerStep / 1000;
  for (let i = 0; i < batchSize; i++) {
    const window = samples.subarray((first + i) * length, (first + i + 1) * length);
    const read = reduce?.(window) ?? window;
    assert(read.length === size, "a window as the network reads it");
    batch.set(
      Float32Array.from(read, (step) => step * gPerStep),
      i * size,
    );
  }
  return batch;
}
