/** How near an exported ONNX file comes to the reference engine, on given windows. */

import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { referenceEngine } from "../src/engine/reference.ts";
import { exportOnnx } from "../src/export/student-onnx.ts";
import type { Container } from "../src/model/container.ts";
import { type WindowSet, windowAt } from "../src/signal/window-set.ts";

export type Agreement = {
  /** Windows times exits. */
  readonly answers: number;
  /** Of them with the same largest logit; of equal logits any is one. */
  readonly same: number;
  /** Of two logits that both lie within the node's range, int16 in Q8. */
  readonly largestDifference: number;
  readonly meanDifference: number;
  /** Answers with a logit that differs by more than what rounds it to 1/256. */
  readonly beyondRounding: number;
};

const LOGIT_MIN = -128;
const LOGIT_MAX = 32_767 / 256;
const ROUNDING = 0.51 / 256;

export async function onnxAgreement(container: Container, windows: WindowSet): Promise<Agreement> {
  const { student } = container;
  const program = await onnxRuntime().compile(exportOnnx({ container, modelId: "00".repeat(8) }));
  const gravities = container.inputMilligPerStep / 1000;
  const data = Float32Array.from(windows.samples, (value) => value * gravities);
  const shape = [windows.count, student.windowSamples, student.channels];
  const outputs = await program.run({ window: { shape, data } });
  await program.release();
  const loaded = referenceEngine.load(container);
  let [same, largest, sum, beyondRounding] = [0, 0, 0, 0];
  for (let w = 0; w < windows.count; w++) {
    loaded.begin(windowAt(windows, w));
    for (let exit = 1; exit <= loaded.exits; exit++) {
      const ours = Array.from(loaded.nextExit().logits, (logit) => logit / 256);
      const all = outputs[`exit${exit}_logits`]?.data ?? new Float32Array(0);
      const theirs = [...all.slice(w * student.classes, (w + 1) * student.classes)];
      const differences = ours.map((logit, c) =>
        Math.abs(logit - Math.max(LOGIT_MIN, Math.min(LOGIT_MAX, theirs[c] ?? Number.NaN))),
      );
      largest = Math.max(largest, ...differences);
      sum += differences.reduce((a, b) => a + b, 0);
      if (differences.some((difference) => difference > ROUNDING)) beyondRounding++;
      if (ours[theirs.indexOf(Math.max(...theirs))] === Math.max(...ours)) same++;
    }
  }
  const answers = windows.count * loaded.exits;
  return {
    answers,
    same,
    beyondRounding,
    largestDifference: largest,
    meanDifference: sum / (answers * student.classes),
  };
}

/** At most so many, spread over all. */
export function someOf(set: WindowSet, most: number): WindowSet {
  const count = Math.min(most, set.count);
  const at = (i: number): number => Math.floor((i * set.count) / count);
  const samples = new Int8Array(count * set.windowSamples * set.channels);
  for (let i = 0; i < count; i++) {
    samples.set(windowAt(set, at(i)), i * set.windowSamples * set.channels);
  }
  return { ...set, count, samples };
}
