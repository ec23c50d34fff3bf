/** Training the teacher from labelled windows. */
import { assert } from "../assert.ts";
import type { Augmentation } from "../signal/augment.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { batchesOf, stepsOf } from "./batches.ts";
import { type TrainingProgress, trainNetwork } from "./train-network.ts";
import type { Runtime } from "./runtime.ts";
import { type FloatTeacher, teacherNetwork } from "./teacher-network.ts";

export type TeacherOptions = {
  readonly widths: readonly number[];
  readonly strides: readonly number[];
  readonly kernels: readonly number[];
  readonly augmentation: Augmentation;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  /** Share of the target given to all classes alike. */
  readonly labelSmoothing: number;
  /** Frequency of the classes to this power decides how often they are drawn: 1 as they come. */
  readonly balance: number;
  readonly leastShare?: number;
  readonly leastSteps?: number;
};

export async function trainTeacher(
  runtime: Runtime,
  training: {
    readonly windows: WindowSet;
    readonly classes: readonly string[];
    readonly rateHz: number;
    readonly inputMilligPerStep: number;
    readonly seed: number;
    readonly options: TeacherOptions;
    readonly onProgress?: (progress: TrainingProgress) => void;
    readonly shouldStop?: () => boolean;
  },
): Promise<FloatTeacher> {
  const { windows, classes, seed, options, inputMilligPerStep } = training;
  assert(windows.count > 0, "a teacher needs windows to learn from");
  const design = {
    windowSamples: windows.windowSamples,
    channels: windows.channels,
    classes: classes.length,
    widths: options.widths,
    strides: options.strides,
    kernels: options.kernels,
  };
  const draw = batchesOf(windows, { ...options, seed, inputMilligPerStep });
  const tensors = await trainNetwork(
    runtime,
    teacherNetwork(design),
    async () => {
      const { indices, window } = draw();
      const hard = hardTargets(windows, indices, classes.length, options.labelSmoothing);
      return { window, hard, soft: undefined };
    },
    {
      seed,
      batchSize: options.batchSize,
      steps: stepsOf(options, windows.count),
      learningRate: options.learningRate,
      weightDecay: options.weightDecay,
      temperature: undefined,
      exitWeights: [1],
      ...(training.onProgress && { onProgress: training.onProgress }),
      ...(training.shouldStop && { shouldStop: training.shouldStop }),
    },
  );
  return { design, tensors, classes, rateHz: training.rateHz, inputMilligPerStep };
}

/** One row per index: 1 for the label, or a little less and the rest for all. */
export function hardTargets(
  windows: WindowSet,
  indices: Int32Array,
  classes: number,
  labelSmoothing: number,
): Float32Array {
  const targets = new Float32Array(indices.length * classes).fill(labelSmoothing / classes);
  indices.forEach((index, row) => {
    const cell = row * classes + (windows.labels[index] as number);
    targets[cell] = (targets[cell] as number) + 1 - labelSmoothing;
  });
  return targets;
}
