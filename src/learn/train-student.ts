/**
 * Training the student: from labels, from a teacher, or from both; fresh or going on.
 *
 * Soft targets come either from a teacher that sees the same augmented view as the student
 * ("function matching", Beyer et al., arXiv 2106.05237) or, where only the answers were kept, from
 * soft labels per window.
 */
import { assert } from "../assert.ts";
import type { FloatStudent, StudentSpec } from "../model/student-spec.ts";
import type { Augmentation } from "../signal/augment.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { batchesOf, stepsOf } from "./batches.ts";
import { type Batch, type TrainingProgress, trainNetwork } from "./train-network.ts";
import { softmaxRows } from "./metrics.ts";
import type { Program, Runtime } from "./runtime.ts";
import { studentNetwork } from "./student-network.ts";
import { hardTargets } from "./train-teacher.ts";

/** Loss = hardWeight * CE(label) + (1 - hardWeight) * T^2 * CE(teacher at T), for every exit. */
export type Objective = {
  readonly hardWeight: number;
  readonly temperature: number;
  /** Weight of each exit; undefined weighs all alike. */
  readonly exitWeights?: readonly number[];
};

export type StudentOptions = {
  readonly augmentation: Augmentation;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  readonly weightDecay: number;
  readonly labelSmoothing: number;
  readonly balance: number;
  readonly leastShare?: number;
  readonly leastSteps?: number;
};

export type StudentTraining = {
  readonly spec: StudentSpec;
  readonly windows: WindowSet;
  readonly inputMilligPerStep: number;
  readonly seed: number;
  readonly objective: Objective;
  readonly options: StudentOptions;
  /** A compiled teacher (input `window`, output `logits`), asked about every augmented view. */
  readonly teacher?: Program;
  /** Class probabilities `[window][class]` where there is no teacher to ask. */
  readonly softLabels?: Float32Array;
  /** Weight per window, 1 by default: inverse of the chance of being chosen, or of being replayed. */
  readonly sampleWeights?: Float32Array;
  /** Fine-tuning starts here instead of from fresh weights. */
  readonly initial?: FloatStudent;
  readonly onProgress?: (progress: TrainingProgress) => void;
  readonly shouldStop?: () => boolean;
};

export async function trainStudent(
  runtime: Runtime,
  training: StudentTraining,
): Promise<FloatStudent> {
  const { spec, windows, seed, options, objective, inputMilligPerStep } = training;
  assert(windows.count > 0, "a student needs windows to learn from");
  const soft = training.teacher !== undefined || training.softLabels !== undefined;
  assert(soft || objective.hardWeight === 1, "a soft objective needs a teacher or soft labels");
  const distils = soft && objective.hardWeight < 1;
  const draw = batchesOf(windows, { ...options, seed, inputMilligPerStep });
  const nextBatch = async (): Promise<Batch> => {
    const { indices, window } = draw();
    const hard = hardTargets(windows, indices, spec.classes, options.labelSmoothing);
    weighRows(hard, spec.classes, indices, objective.hardWeight, training.sampleWeights);
    if (!distils) return { window, hard, soft: undefined };
    const softRows = await softTargets(training, indices, window);
    const weight = (1 - objective.hardWeight) * objective.temperature ** 2;
    weighRows(softRows, spec.classes, indices, weight, training.sampleWeights);
    return { window, hard, soft: softRows };
  };
  const tensors = await trainNetwork(runtime, studentNetwork(spec), nextBatch, {
    seed,
    batchSize: options.batchSize,
    steps: stepsOf(options, windows.count),
    learningRate: options.learningRate,
    weightDecay: options.weightDecay,
    temperature: distils ? objective.temperature : undefined,
    exitWeights: objective.exitWeights ?? spec.stages.map(() => 1),
    ...(training.initial && { initial: training.initial.tensors }),
    ...(training.onProgress && { onProgress: training.onProgress }),
    ...(training.shouldStop && { shouldStop: training.shouldStop }),
  });
  return { spec, tensors };
}

/** The teacher's probabilities at the objective's temperature, `[row][class]`. */
async function softTargets(
  training: StudentTraining,
  indices: Int32Array,
  window: Float32Array,
): Promise<Float32Array> {
  const { spec, objective, teacher, softLabels } = training;
  const { classes } = spec;
  if (teacher !== undefined) {
    const shape = [indices.length, spec.windowSamples, spec.channels];
    const { logits } = await teacher.run({ window: { shape, data: window } });
    assert(logits?.data.length === indices.length * classes, "the teacher knows the same classes");
    return softmaxRows(logits.data, classes, objective.temperature);
  }
  assert(softLabels?.length === training.windows.count * classes, "one soft label per window");
  // A kept answer is at temperature 1; its logarithms are its logits up to a constant.
  const logits = new Float32Array(indices.length * classes);
  indices.forEach((index, row) => {
    for (let c = 0; c < classes; c++) {
      logits[row * classes + c] = Math.log((softLabels[index * classes + c] as number) + 1e-6);
    }
  });
  return softmaxRows(logits, classes, objective.temperature);
}

function weighRows(
  rows: Float32Array,
  classes: number,
  indices: Int32Array,
  weight: number,
  sampleWeights: Float32Array | undefined,
): void {
  indices.forEach((index, row) => {
    const factor = weight * (sampleWeights?.[index] ?? 1);
    for (let c = 0; c < classes; c++) {
      rows[row * classes + c] = (rows[row * classes + c] as number) * factor;
    }
  });
}
