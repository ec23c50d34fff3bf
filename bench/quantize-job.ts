/**
 * One fold and one seed of the quantization benchmark: float students of both families, and every way
 * to put each of them into integers, asked about subjects that none has seen.
 */
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { readRecordings } from "../recordings/read.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { containerOf } from "../src/gate/pack-student.ts";
import {
  type FineTuneOptions,
  fineTuneOptions,
  fineTuneQuantized,
} from "../src/learn/fine-tune-quantized.ts";
import { predictedOf, softmaxRows } from "../src/learn/metrics.ts";
import { predictStudent } from "../src/learn/predict.ts";
import type { Recipe, StudentFamily } from "../src/learn/recipes.ts";
import type { RangeRule } from "../src/model/activation-scale.ts";
import { type PackedCost, packedCost } from "../src/model/packed-cost.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { Scheme } from "../src/model/requantize.ts";
import type { QuantizedStudent } from "../src/model/student.ts";
import type { FloatStudent } from "../src/model/student-spec.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import { profileFor } from "../src/signal/profiles.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { floatStudents } from "./float-students.ts";
import { integerAnswers } from "./learn-job.ts";

export const METHODS = ["max", "percentile", "mse", "mse, bias", "fine-tuned"] as const;
export type Method = (typeof METHODS)[number];
export const SCHEMES: readonly Scheme[] = ["int8", "dynamic-fixed-point"];

export type QuantizeJob = {
  readonly folder: string;
  readonly train: readonly string[];
  readonly test: readonly string[];
  readonly seed: number;
  readonly quick: boolean;
  readonly families: readonly StudentFamily[];
  readonly bits: readonly number[];
  /** Where float students are kept from run to run. */
  readonly students: string | undefined;
};

/** The class that each exit answers with, `[exit] -> [window]`. */
export type Predictions = readonly Uint8Array[];

export type Cell = {
  readonly family: StudentFamily;
  readonly scheme: Scheme;
  readonly bits: number;
  readonly method: Method;
  readonly predictions: Predictions;
  /** Per exit. */
  readonly cost: readonly PackedCost[];
};

export type QuantizeAnswers = {
  readonly classes: number;
  readonly labels: Uint8Array;
  readonly floats: readonly { readonly family: StudentFamily; readonly predictions: Predictions }[];
  readonly cells: readonly Cell[];
};

/** What the float students take of the whole, about; only for the progress bar. */
const FLOAT_PART = 0.4;
/** Of the values other than zero; the rest saturates. */
const PERCENT = 99.9;
const RANGES: Readonly<Record<Exclude<Method, "fine-tuned">, RangeRule>> = {
  max: { kind: "max" },
  percentile: { kind: "percentile", percent: PERCENT },
  mse: { kind: "mse" },
  "mse, bias": { kind: "mse" },
};

type Made = { readonly student: FloatStudent; readonly recipe: Recipe };
type Setting = { readonly scheme: Scheme; readonly weightBits: number };

export async function runQuantizeJob(
  job: QuantizeJob,
  onProgress: (share: number) => void,
): Promise<QuantizeAnswers> {
  const recordings = await readRecordings(job.folder);
  const profile = profileFor(recordings);
  const train = makeWindows(recordings, profile, job.train);
  const test = makeWindows(recordings, profile, job.test);
  const { families, seed, quick } = job;
  const made = await floatStudents({
    profile,
    windows: train,
    families,
    seed,
    quick,
    keptIn: job.students,
    onProgress: (share) => onProgress(FLOAT_PART * share),
  });
  const floats: { family: StudentFamily; predictions: Predictions }[] = [];
  const cells: Cell[] = [];
  const count = families.length * SCHEMES.length * job.bits.length;
  for (const [family, one] of made) {
    floats.push({ family, predictions: await floatPredictions(one.student, profile, test) });
    for (const scheme of SCHEMES) {
      for (const bits of job.bits) {
        const setting = { scheme, weightBits: bits };
        for (const method of METHODS) {
          const student = await quantizedBy(method, one, setting, { profile, train, seed, quick });
          const predictions = integerPredictions(student, profile, test);
          const cost = packedCost(student, scheme, bits);
          cells.push({ family, scheme, bits, method, predictions, cost });
        }
        onProgress(FLOAT_PART + ((1 - FLOAT_PART) * cells.length) / (count * METHODS.length));
      }
    }
  }
  return { classes: profile.classes.length, labels: test.labels, floats, cells };
}

async function quantizedBy(
  method: Method,
  { student, recipe }: Made,
  setting: Setting,
  given: { profile: Profile; train: WindowSet; seed: number; quick: boolean },
): Promise<QuantizedStudent> {
  const { profile, train, seed, quick } = given;
  const { inputMilligPerStep } = profile;
  if (method !== "fine-tuned") {
    const correctBias = method === "mse, bias";
    const options = { ...setting, range: RANGES[method], correctBias };
    return quantizeStudent(student, train, inputMilligPerStep, options);
  }
  const options: FineTuneOptions = {
    ...fineTuneOptions(recipe.student.options),
    ...(quick && { epochs: 1 }),
  };
  const tuned = await fineTuneQuantized(onnxRuntime(), {
    student,
    windows: train,
    inputMilligPerStep,
    seed,
    quantization: { ...setting, range: { kind: "mse" } },
    options,
  });
  return quantizeStudent(tuned.student, train, inputMilligPerStep, tuned.quantization);
}

async function floatPredictions(
  student: FloatStudent,
  profile: Profile,
  windows: WindowSet,
): Promise<Predictions> {
  const classes = profile.classes.length;
  const exits = await predictStudent(onnxRuntime(), student, windows, profile.inputMilligPerStep);
  return exits.map((logits) =>
    predictedOf({ classes, probabilities: softmaxRows(logits, classes) }),
  );
}

function integerPredictions(
  student: QuantizedStudent,
  profile: Profile,
  windows: WindowSet,
): Predictions {
  const exits = integerAnswers(
    chooseEngine(),
    containerOf(profile, student),
    profile.classes.length,
    windows,
  );
  return exits.map((probabilities) =>
    predictedOf({ classes: profile.classes.length, probabilities }),
  );
}
