/**
 * Where fine-tuning starts: the float student with the biases that bias correction gave its integers.
 *
 * Rounding shifts the mean of many sums; a correction finds that in one pass over the calibration
 * windows, gradients need many steps for it.
 */
import { assert } from "../assert.ts";
import { foldStudent } from "../model/float-student.ts";
import type { ActivationScales, QuantizeOptions } from "../model/quantize-trace.ts";
import type { QuantizedStudent } from "../model/student.ts";
import type { FloatStudent } from "../model/student-spec.ts";
import { weightScales } from "../model/weight-scales.ts";
import { known } from "./network.ts";

/** `integers` is this student quantized with these scales and options, biases corrected. A GRU's are
 * never corrected and stay as they are. */
export function withBiasesOf(
  student: FloatStudent,
  integers: QuantizedStudent,
  inputScale: number,
  scales: ActivationScales,
  options: Pick<QuantizeOptions, "scheme" | "weightBits">,
): FloatStudent {
  const folded = foldStudent(student);
  const steps = weightScales(folded, inputScale, scales, options);
  const tensors = new Map(student.tensors);
  folded.stages.forEach((stage, s) => {
    const { layers = [], exit } = integers.stages[s] ?? {};
    const move = (name: string, tensor: string, before: Float32Array, after: Int32Array): void => {
      const step = known(steps, name).bias;
      const { shape, data } = known(student.tensors, tensor);
      const moved = data.map(
        (value, i) => value + (after[i] as number) * (step[i] as number) - (before[i] as number),
      );
      tensors.set(tensor, { shape, data: moved });
    };
    stage.layers.forEach((layer, l) => {
      const integer = layers[l];
      if (layer.kind === "gru") return;
      assert(integer !== undefined && integer.kind === layer.kind, "integers of this student");
      move(layer.name, `${layer.name}.normalise.shift`, layer.bias, integer.bias);
    });
    stage.head.forEach((layer, l) => {
      const integer = exit?.layers[l];
      assert(integer !== undefined, "integers of this student");
      move(layer.name, `${layer.name}.bias`, layer.bias, integer.bias);
    });
  });
  return { spec: student.spec, tensors };
}
