/** Calls of generated C that run one convolution, and the zeros that its reader wants around it. */

import type { ConvLayer, DepthwiseLayer } from "../model/student.ts";
import { inChannelsOf } from "../model/student-cost.ts";
import type { Activation } from "./ram-plan.ts";

/** From the start of the input's buffer, with its zeros, into the middle of the output's. */
export function convolutionCalls(
  layer: ConvLayer | DepthwiseLayer,
  table: string,
  input: Activation,
  output: Activation,
): readonly string[] {
  const step = layer.stride * inChannelsOf(layer);
  const between = `ram->${input.buffer}, ${step}, ram->${output.buffer}${plus(output.beforeBytes)}`;
  const call =
    layer.kind === "conv"
      ? `  bw_packed_conv(&${table}, ${between}, ${layer.outTime}, ram->scratch);`
      : `  bw_packed_depthwise(&${table}, ${between}, ${layer.outTime});`;
  return [...margins(output), call];
}

export function margins({ buffer, beforeBytes, bytes, afterBytes }: Activation): readonly string[] {
  const zero = (at: number, count: number) =>
    count > 0 ? [`  bw_packed_zero(ram->${buffer}${plus(at)}, ${count});`] : [];
  return [...zero(0, beforeBytes), ...zero(beforeBytes + bytes, afterBytes)];
}

/** What is added to a pointer; nothing where that is 0. */
export function plus(offset: number): string {
  return offset > 0 ? ` + ${offset}` : "";
}
