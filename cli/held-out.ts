/** Figures of the very models that a training wrote, on subjects that none of them has seen. */

import { table } from "../bench/benchmark.ts";
import { type ClassFigures, classFigures, classTable } from "../bench/class-table.ts";
import { integerAnswers } from "../bench/learn-job.ts";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { chooseEngine } from "../src/engine/choose-engine.ts";
import { metricsOf, predictedOf, softmaxRows, subjectAccuracy } from "../src/learn/metrics.ts";
import { predictRows } from "../src/learn/predict.ts";
import { decodeContainer } from "../src/model/container.ts";
import { makeWindows } from "../src/signal/make-windows.ts";
import type { Profile } from "../src/signal/profile.ts";
import type { Recordings } from "../src/signal/recordings.ts";
import type { WindowSet } from "../src/signal/window-set.ts";
import type { ProfileFiles } from "./train-profile.ts";

/** Lines as the benchmark of learning has them, of one training instead of many. */
export async function heldOutLines(
  files: ProfileFiles,
  profile: Profile,
  recordings: Recordings,
  subjects: readonly string[],
): Promise<readonly string[]> {
  const windows = makeWindows(recordings, profile, subjects);
  const program = await onnxRuntime().compile(files.get("teacher.onnx") as Uint8Array);
  const rows = await predictRows(program, windows, profile.inputMilligPerStep, ["logits"]);
  await program.release();
  const classes = profile.classes.length;
  const teacher = softmaxRows(rows.get("logits")?.data ?? new Float32Array(0), classes);
  const container = decodeContainer(files.get("student.bwm") as Uint8Array);
  const exits = integerAnswers(chooseEngine(), container, classes, windows);
  const student = exits.at(-1) as Float32Array;
  const models: [string, Float32Array][] = [
    ["teacher", teacher],
    ["student, int8", student],
  ];
  const head = ["", "accuracy", "macro-F1", "MCC", "ECE", "subjects' mean", "worst"];
  const body = models.map(([name, answers]) => [name, ...figuresOf(answers, classes, windows)]);
  const byClass = (answers: Float32Array): readonly ClassFigures[] =>
    classFigures(profile.classes, windows.labels, predictedOf({ classes, probabilities: answers }));
  return [
    `${windows.count} windows of ${subjects.join(", ")}`,
    "",
    ...table([head, ...body]),
    "",
    ...classTable(byClass(student), byClass(teacher)),
  ];
}

function figuresOf(probabilities: Float32Array, classes: number, windows: WindowSet): string[] {
  const scored = { classes, probabilities, labels: windows.labels };
  const { accuracy, macroF1, mcc, ece } = metricsOf(scored);
  const { mean, worst } = subjectAccuracy(windows.subjects, windows.labels, predictedOf(scored));
  return [accuracy, macroF1, mcc, ece, mean, worst].map((value) => value.toFixed(3));
}
