/** Into which integers a trained student is to be put, and what that needs of training. */
import type { QuantizeOptions } from "../model/quantize-trace.ts";
import { MULTIPLIER_MIN, type Scheme } from "../model/requantize.ts";
import type { QuantizedStudent, Requantization } from "../model/student.ts";
import type { FloatStudent } from "../model/student-spec.ts";
import { type FineTuneRequest, fineTuneOptions, fineTuneQuantized } from "./fine-tune-quantized.ts";
import type { Runtime } from "./runtime.ts";
import type { StudentOptions } from "./train-student.ts";

export type QuantizationPlan = {
  readonly scheme: Scheme;
  /** 2..8; a container holds a byte a weight all the same. */
  readonly weightBits: number;
  readonly fineTune: boolean;
};

/** At 8 bits a student loses too little after training for fine-tuning to win it back measurably. */
export const DEFAULT_PLAN: QuantizationPlan = { scheme: "int8", weightBits: 8, fineTune: false };

/** The integers that a student is in already, so that its successor can be put into the same: fine-tuned
 * where they have fewer than 8 bits, for there it pays. */
export function planOf(student: QuantizedStudent): QuantizationPlan {
  let largest = 0;
  let shiftsOnly = true;
  const see = (weights: Int8Array, { multipliers }: Requantization): void => {
    for (const weight of weights) largest = Math.max(largest, Math.abs(weight));
    for (const multiplier of multipliers) shiftsOnly &&= multiplier === MULTIPLIER_MIN;
  };
  for (const { layers, exit } of student.stages) {
    for (const layer of [...layers, ...exit.layers]) {
      if (layer.kind !== "gru") see(layer.weights, layer.requantization);
      else {
        see(layer.inputWeights, layer.inputRequantization);
        see(layer.stateWeights, layer.stateRequantization);
      }
    }
  }
  const weightBits = Math.max(2, Math.ceil(Math.log2(largest + 1)) + 1);
  return {
    scheme: shiftsOnly ? "dynamic-fixed-point" : "int8",
    weightBits,
    fineTune: weightBits < DEFAULT_PLAN.weightBits,
  };
}

/** The student to quantize and the options to do it with: as it came, or fine-tuned. */
export async function plannedStudent(
  runtime: Runtime,
  plan: QuantizationPlan,
  trained: Pick<FineTuneRequest, "student" | "windows" | "inputMilligPerStep" | "seed"> & {
    readonly options: StudentOptions;
  } & Pick<FineTuneRequest, "onProgress" | "shouldStop">,
): Promise<{ readonly student: FloatStudent; readonly quantization: Partial<QuantizeOptions> }> {
  const { scheme, weightBits, fineTune } = plan;
  if (!fineTune) return { student: trained.student, quantization: { scheme, weightBits } };
  return fineTuneQuantized(runtime, {
    ...trained,
    quantization: { scheme, weightBits, range: { kind: "mse" } },
    options: fineTuneOptions(trained.options),
  });
}

/** For tables and cards. */
export function planName({ scheme, weightBits, fineTune }: QuantizationPlan): string {
  const name = scheme === "int8" ? "int8" : "fixed point";
  const bits = weightBits === 8 ? "" : `, weights of ${weightBits} bits`;
  return `${name}${bits}${fineTune ? ", fine-tuned" : ""}`;
}
