/** Folding batch normalisation into the convolution before it: same function, one step less. */
import { assert } from "../assert.ts";
import type { Tensor } from "../model/student-spec.ts";
import { NORMALISE_EPSILON } from "./normalise.ts";

/** weight `[out, …]` and the normalisation `name` of its outputs, as one weight and one bias. */
export function foldNormalisation(
  weight: Tensor,
  tensors: ReadonlyMap<string, Tensor>,
  name: string,
): { readonly weight: Float32Array; readonly bias: Float32Array } {
  const part = (key: string): Float32Array => {
    const tensor = tensors.get(`${name}.${key}`);
    assert(tensor !== undefined, `there is a tensor ${name}.${key}`);
    return tensor.data;
  };
  const [scale, shift, mean, variance] = [
    part("scale"),
    part("shift"),
    part("mean"),
    part("variance"),
  ] as const;
  const outputs = scale.length;
  const each = weight.data.length / outputs;
  const folded = new Float32Array(weight.data.length);
  const bias = new Float32Array(outputs);
  for (let o = 0; o < outputs; o++) {
    const root = Math.sqrt((variance[o] as number) + NORMALISE_EPSILON);
    const factor = (scale[o] as number) / root;
    for (let i = 0; i < each; i++) {
      folded[o * each + i] = (weight.data[o * each + i] as number) * factor;
    }
    bias[o] = (shift[o] as number) - (mean[o] as number) * factor;
  }
  return { weight: folded, bias };
}
