/**
 * Quantization-aware fine-tuning: a trained float student, a little more training in which its
 * integers are felt, and a float student that loses next to nothing when it is quantized.
 *
 * The graph rounds as the integer engine does, on the scales that `quantizeStudent` will choose, and
 * the gradient goes straight through (`fake-quantize.ts`). Scales of activations are calibrated once,
 * before; those of weights follow the weights at every step. The student learns from itself: each exit
 * is to answer as the float student's did, on the same augmented views (distillation into fewer bits,
 * Mishra & Marr, arXiv 1711.05852), and if asked also as the labels say.
 */
import { assert } from "../assert.ts";
import { foldStudent } from "../model/float-student.ts";
import { quantizeWithScales } from "../model/quantize.ts";
import type { ActivationScales, QuantizeOptions } from "../model/quantize-trace.ts";
import type { FloatStudent } from "../model/student-spec.ts";
import { weightScales } from "../model/weight-scales.ts";
import { type Augmentation, NO_AUGMENTATION } from "../signal/augment.ts";
import type { WindowSet } from "../signal/window-set.ts";
import { batchesOf, type Draw } from "./batches.ts";
import { withBiasesOf } from "./fine-tune-start.ts";
import { softmaxRows } from "./metrics.ts";
import type { Network } from "./network.ts";
import { adamW, learningRateAt } from "./optimiser.ts";
import { filled, flatten, type Parameter, unflatten } from "./parameters.ts";
import { quantizedStep } from "./quantized-step.ts";
import type { Program, Runtime, RuntimeTensor } from "./runtime.ts";
import { studentNetwork, studentOnnx } from "./student-network.ts";
import type { TrainingProgress } from "./train-network.ts";
import { hardTargets } from "./train-teacher.ts";

export type FineTuneOptions = {
  readonly augmentation: Augmentation;
  readonly epochs: number;
  readonly batchSize: number;
  readonly learningRate: number;
  /** Frequency of the classes to this power decides how often they are drawn: 1 as they come. */
  readonly balance: number;
  /** Share of the loss that is cross-entropy with the labels; the rest is with the float student. */
  readonly hardWeight: number;
  /** At which the float student's answers are softened. */
  readonly temperature: number;
};

export type FineTuneRequest = {
  readonly student: FloatStudent;
  /** To calibrate with and to learn from: those that the student was trained on. */
  readonly windows: WindowSet;
  readonly inputMilligPerStep: number;
  readonly seed: number;
  readonly quantization: Pick<QuantizeOptions, "scheme" | "weightBits" | "range">;
  readonly options: FineTuneOptions;
  readonly onProgress?: (progress: TrainingProgress) => void;
  readonly shouldStop?: () => boolean;
};

export type FineTuned = {
  /** Of the same spec, with the same statistics: it can be quantized, and trained further. */
  readonly student: FloatStudent;
  /** What to hand to `quantizeStudent` beside it. Biases have been trained: correcting them towards
   * the means of the unrounded student would undo that. */
  readonly quantization: Pick<QuantizeOptions, "scheme" | "weightBits" | "range"> & {
    readonly scales: ActivationScales;
    readonly correctBias: false;
  };
};

/** For a student that was trained with these options. Chosen by how closely its integers follow the
 * float student, over 8, 6 and 4 bits, on subjects out of the training sets of cattle and people that
 * the fine-tuning did not learn from: hard labels drew it away, higher rates and temperatures were no
 * better, 8 passes almost as good as 16. */
export function fineTuneOptions(
  trained: Pick<FineTuneOptions, "augmentation" | "batchSize" | "balance">,
): FineTuneOptions {
  const { augmentation, batchSize, balance } = trained;
  const chosen = { epochs: 16, learningRate: 1e-3, hardWeight: 0, temperature: 1 };
  return { augmentation, batchSize, balance, ...chosen };
}

const CLIP_NORM = 5;
/** How often the weights are judged, and on how many batches. */
const JUDGED_STEPS = 25;
const JUDGING_BATCHES = 8;

export async function fineTuneQuantized(
  runtime: Runtime,
  request: FineTuneRequest,
): Promise<FineTuned> {
  const { student, windows, inputMilligPerStep, seed, options } = request;
  assert(windows.count > 0, "fine-tuning needs windows to learn from");
  const inputScale = inputMilligPerStep / 1000;
  const { student: integers, scales } = quantizeWithScales(student, windows, inputMilligPerStep, {
    ...request.quantization,
    correctBias: true,
  });
  const start = withBiasesOf(student, integers, inputScale, scales, request.quantization);
  const network = studentNetwork(student.spec);
  const rows = weightSteps(request, student, scales);
  const soft = options.hardWeight < 1 ? options.temperature : undefined;
  const program = await runtime.compile(
    quantizedStep({
      student,
      steps: rows.parameters,
      batchSize: options.batchSize,
      temperature: soft,
      scales,
      inputScale,
      weightBits: request.quantization.weightBits,
    }),
  );
  const float = await runtime.compile(studentOnnx(student));
  try {
    const next = batchesOf(windows, { ...options, seed, inputMilligPerStep });
    const judges = await judgingBatches(request, float);
    const weights = flatten(network.parameters, start.tensors);
    const weightInputs = (): Inputs => ({
      parameters: { shape: [weights.length], data: weights },
      steps: weightSteps(request, tunedStudent(network, student, weights), scales).values,
    });
    const judged = async (): Promise<Judged> => {
      let loss = 0;
      const fixed = weightInputs();
      for (const batch of judges) loss += lossOf(await program.run({ ...batch, ...fixed }));
      return { loss, weights: weights.slice() };
    };
    let best = await judged();
    const optimiser = adamW(network.parameters, { weightDecay: 0, clipNorm: CLIP_NORM });
    const steps = Math.max(1, Math.round((options.epochs * windows.count) / options.batchSize));
    for (let step = 0; step < steps; step++) {
      if (request.shouldStop?.() === true) break;
      const batch = await batchOf(request, next(), float);
      const result = await program.run({ ...batch, ...weightInputs() });
      const rate = learningRateAt(step, steps, options.learningRate);
      optimiser.step(weights, result.gradients?.data ?? new Float32Array(0), rate);
      request.onProgress?.({ step: step + 1, steps, loss: lossOf(result) });
      if (step + 1 === steps || (step + 1) % JUDGED_STEPS === 0) {
        const now = await judged();
        if (now.loss < best.loss) best = now;
      }
    }
    return {
      student: tunedStudent(network, student, best.weights),
      quantization: { ...request.quantization, scales, correctBias: false },
    };
  } finally {
    await program.release();
    await float.release();
  }
}

type Inputs = Record<string, RuntimeTensor>;
type Judged = { readonly loss: number; readonly weights: Float32Array };

function lossOf({ loss }: Inputs): number {
  const value = loss?.data[0];
  assert(value !== undefined && Number.isFinite(value), "fine-tuning stays finite");
  return value;
}

/** Always the same windows, as they are: between them and the next, weights that lie beside a
 * threshold of rounding swing to and fro (Nagel et al., arXiv 2203.08086), so the last step is not
 * always the best. */
async function judgingBatches(request: FineTuneRequest, float: Program): Promise<Inputs[]> {
  const { windows, options, inputMilligPerStep, seed } = request;
  const draw = batchesOf(windows, {
    ...options,
    augmentation: NO_AUGMENTATION,
    seed,
    inputMilligPerStep,
  });
  const batches: Inputs[] = [];
  for (let i = 0; i < JUDGING_BATCHES; i++) batches.push(await batchOf(request, draw(), float));
  return batches;
}

/** The flat vector as a student again, with the statistics that it had. */
function tunedStudent(network: Network, before: FloatStudent, weights: Float32Array): FloatStudent {
  return {
    spec: before.spec,
    tensors: new Map([...before.tensors, ...unflatten(network.parameters, weights)]),
  };
}

/** Steps of all weights and biases of a student, as one vector, and how it is laid out. */
export function weightSteps(
  request: Pick<FineTuneRequest, "inputMilligPerStep" | "quantization">,
  student: FloatStudent,
  scales: ActivationScales,
): { readonly values: RuntimeTensor; readonly parameters: readonly Parameter[] } {
  const inputScale = request.inputMilligPerStep / 1000;
  const parameters: Parameter[] = [];
  const flat: number[] = [];
  const folded = foldStudent(student);
  for (const [name, rows] of weightScales(folded, inputScale, scales, request.quantization)) {
    for (const part of ["weight", "bias"] as const) {
      parameters.push(filled(`${name}.${part}`, [rows[part].length], 0));
      flat.push(...rows[part]);
    }
  }
  return { values: { shape: [flat.length], data: Float32Array.from(flat) }, parameters };
}

/** A batch's window, its labels, and what the float student answers at each exit. */
async function batchOf(
  { student, windows, options }: FineTuneRequest,
  { indices, window }: Draw,
  float: Program,
): Promise<Inputs> {
  const { windowSamples, channels, classes, stages } = student.spec;
  const rows = indices.length;
  const shape = [rows, classes];
  const input = { shape: [rows, windowSamples, channels], data: window };
  const hard = hardTargets(windows, indices, classes, 0);
  const batch: Inputs = {
    window: input,
    hard: { shape, data: hard.map((target) => target * options.hardWeight) },
  };
  if (options.hardWeight === 1) return batch;
  const answers = await float.run({ window: input });
  const weight = (1 - options.hardWeight) * options.temperature ** 2;
  stages.forEach((_, s) => {
    const logits = answers[`exit${s}`]?.data ?? new Float32Array(0);
    const targets = softmaxRows(logits, classes, options.temperature);
    batch[`soft${s}`] = { shape, data: targets.map((target) => target * weight) };
  });
  return batch;
}
