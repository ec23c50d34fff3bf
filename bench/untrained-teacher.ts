/**
 * A teacher that has learned nothing: the arithmetic and the cost of a real one, and answers that mean
 * nothing. For measuring and testing the way to the teacher where no trained one is at hand.
 */

import { initialValues } from "../src/learn/parameters.ts";
import { type TeacherDesign, teacherNetwork, teacherOnnx } from "../src/learn/teacher-network.ts";
import type { Tensor } from "../src/model/student-spec.ts";
import type { Profile } from "../src/signal/profile.ts";

/** ONNX bytes of a residual network with first values from a seed. */
export function untrainedTeacherOnnx(
  profile: Profile,
  shape: Pick<TeacherDesign, "widths" | "strides" | "kernels">,
  seed = 1,
): Uint8Array {
  const design = {
    windowSamples: profile.windowSamples,
    channels: profile.channels,
    classes: profile.classes.length,
    ...shape,
  };
  const { parameters, normalisations } = teacherNetwork(design);
  const values = initialValues(parameters, seed);
  const tensors = new Map<string, Tensor>();
  let offset = 0;
  for (const { name, shape: dimensions } of parameters) {
    const size = dimensions.reduce((product, dimension) => product * dimension, 1);
    tensors.set(name, { shape: dimensions, data: values.slice(offset, offset + size) });
    offset += size;
  }
  for (const { name, channels } of normalisations) {
    tensors.set(`${name}.mean`, { shape: [channels], data: new Float32Array(channels) });
    tensors.set(`${name}.variance`, {
      shape: [channels],
      data: new Float32Array(channels).fill(1),
    });
  }
  return teacherOnnx({
    design,
    tensors,
    classes: profile.classes,
    rateHz: profile.rateHz,
    inputMilligPerStep: profile.inputMilligPerStep,
  });
}
