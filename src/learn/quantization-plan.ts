/** Into which integers a trained student is to be put, and what that needs of training. */
import type { QuantizeOptions } from "../model/quantize-trace.ts";
import type { Scheme } from "../model/requantize.ts";
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
