/**
 * One fold and one seed of the calibration benchmark: what each exit claims of windows of subjects
 * that nobody learned or calibrated from, by float and by integers, and whether it was right.
 */
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { calibrateGate } from "../src/gate/calibrate.ts";
import { type ExitRecords, recordExits } from "../src/gate/exit-records.ts";
import { answersOf } from "../src/gate/fit-confidence.ts";
import type { ExitGate } from "../src/gate/gate-parameters.ts";
import { confidenceAt, exitProbabilities } from "../src/gate/margins.ts";
import { largestIndex, softmaxRows } from "../src/learn/metrics.ts";
import { predictStudent } from "../src/learn/predict.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import { fitClassTemperatures } from "./class-temperatures.ts";
import { type GateJob, prepareGateJob } from "./gate-job.ts";

/** `raw` is the softmax of the logits, `temperature` the same at the exit's temperature, `perClass`
 * at one of its own for each answered class; `told` is what a node reports, by the gate's table and
 * with its filter over windows. */
export const CLAIMS = [
  "float raw",
  "float temperature",
  "float perClass",
  "int8 raw",
  "int8 temperature",
  "int8 perClass",
  "told",
] as const;
export type Claim = (typeof CLAIMS)[number];

/** Per window: the chance that was claimed, 0..1, and whether the answer was right. */
export type Claimed = { readonly claimed: Float64Array; readonly right: Uint8Array };

export type CalibrationAnswers = {
  readonly subjects: readonly string[];
  /** By exit. */
  readonly exits: readonly Readonly<Record<Claim, Claimed>>[];
  readonly temperatures: readonly number[];
};

export async function runCalibrationJob(
  job: GateJob,
  onProgress: (share: number) => void,
): Promise<CalibrationAnswers> {
  const { profile, trained, request, test } = await prepareGateJob(job, onProgress);
  const { held } = request;
  const { parameters, expected } = calibrateGate({ ...request, noveltyExit: null });
  const float = (windows: WindowSet): Promise<readonly Float32Array[]> =>
    predictStudent(onnxRuntime(), trained.float, windows, profile.inputMilligPerStep);
  const floats = { held: await float(held), test: await float(test) };
  const records = {
    held: recordExits(trained.loaded, held),
    test: recordExits(trained.loaded, test),
  };
  const told = answersOf(records.test, parameters.exits, parameters.filter, test.subjects);
  await trained.release();
  const exits = parameters.exits.map((exit, k) => {
    const temperature = expected.temperatures[k] as number;
    const inFloat = {
      held: floats.held[k] as Float32Array,
      test: floats.test[k] as Float32Array,
    };
    const inSteps = { held: logitsOf(records.held, k), test: logitsOf(records.test, k) };
    const claims = (logits: typeof inFloat) => ({
      raw: softmaxClaims(logits.test, test, 1),
      perClass: softmaxClaims(
        logits.test,
        test,
        fitClassTemperatures(logits.held, held, temperature),
      ),
    });
    const [asFloat, asSteps] = [claims(inFloat), claims(inSteps)];
    const answers = told[k] ?? [];
    return {
      "float raw": asFloat.raw,
      "float temperature": softmaxClaims(inFloat.test, test, temperature),
      "float perClass": asFloat.perClass,
      "int8 raw": asSteps.raw,
      "int8 temperature": integerClaims(records.test, k, exit, test),
      "int8 perClass": asSteps.perClass,
      told: {
        claimed: Float64Array.from(answers, (a) => confidenceAt(exit, a.marginQ8) / 255),
        right: Uint8Array.from(answers, (a, i) => Number(a.classIndex === test.labels[i])),
      },
    };
  });
  return { subjects: test.subjects, exits, temperatures: expected.temperatures };
}

/** In nats, as the float network's. */
function logitsOf(records: ExitRecords, exit: number): Float32Array {
  return Float32Array.from(records.exits[exit]?.logits ?? [], (logit) => logit / 256);
}

/** @param temperature one for all, or one for each answered class */
function softmaxClaims(
  logits: Float32Array,
  { labels, count }: WindowSet,
  temperature: number | readonly number[],
): Claimed {
  const classes = logits.length / count;
  const claimed = new Float64Array(count);
  const right = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    const row = logits.subarray(i * classes, (i + 1) * classes);
    const answer = largestIndex(row);
    const own = typeof temperature === "number" ? temperature : (temperature[answer] ?? 1);
    claimed[i] = softmaxRows(row, classes, own)[answer] as number;
    right[i] = Number(answer === labels[i]);
  }
  return { claimed, right };
}

/** By the node's own tables. */
function integerClaims(
  records: ExitRecords,
  exit: number,
  gate: ExitGate,
  { labels, count }: WindowSet,
): Claimed {
  const claimed = new Float64Array(count);
  const right = new Uint8Array(count);
  const logits = records.exits[exit]?.logits ?? new Int16Array(0);
  for (let i = 0; i < count; i++) {
    const row = logits.subarray(i * records.classes, (i + 1) * records.classes);
    const probabilities = exitProbabilities(gate, row);
    const answer = largestIndex(probabilities);
    claimed[i] = (probabilities[answer] as number) / 32768;
    right[i] = Number(answer === labels[i]);
  }
  return { claimed, right };
}
