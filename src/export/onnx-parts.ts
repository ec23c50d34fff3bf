/**
 * Nodes and constants of an ONNX graph under construction, with the two that quantization needs.
 *
 * Integers stay integers in the file: an int8 or int32 constant and a DequantizeLinear behind it, as
 * ONNX Runtime's and PyTorch's own quantizers write it.
 */

import type { Attribute, OnnxNode, OnnxPort, OnnxTensor } from "../learn/onnx-model.ts";

export class OnnxParts {
  readonly nodes: OnnxNode[] = [];
  readonly constants = new Map<string, OnnxTensor>();
  readonly outputs: OnnxPort[] = [];

  /** Returns the name of the node's first output, which is the node's own where none is given. */
  node(
    operator: string,
    name: string,
    inputs: readonly string[],
    attributes: Readonly<Record<string, Attribute>> = {},
    outputs: readonly string[] = [name],
  ): string {
    this.nodes.push({ operator, inputs, outputs, attributes });
    return outputs.find((output) => output !== "") ?? name;
  }

  constant(name: string, tensor: OnnxTensor): string {
    this.constants.set(name, tensor);
    return name;
  }

  floats(name: string, values: ArrayLike<number>): string {
    return this.constant(name, { shape: [values.length], floats: Float32Array.from(values) });
  }

  integers(name: string, integers: readonly number[]): string {
    return this.constant(name, { shape: [integers.length], integers });
  }

  /** To int8 and back: what an activation of one scale becomes on the node. */
  throughInt8(name: string, input: string, scale: number): string {
    const scaleName = this.constant(`${name}_scale`, {
      shape: [],
      floats: Float32Array.of(scale),
    });
    const zero = this.constant("zero", { shape: [], small: new Int8Array(1) });
    const quantized = this.node("QuantizeLinear", `${name}_int8`, [input, scaleName, zero]);
    return this.node("DequantizeLinear", name, [quantized, scaleName, zero]);
  }

  /** An integer constant that is worth `scales[i]` a step along `axis`. */
  dequantized(
    name: string,
    shape: readonly number[],
    small: Int8Array | Int32Array,
    scales: ArrayLike<number>,
    axis: number,
  ): string {
    const value = this.constant(`${name}_integers`, { shape, small });
    const scale = this.floats(`${name}_scales`, scales);
    const inputs = [value, scale];
    if (small instanceof Int8Array) {
      const zeros = new Int8Array(scales.length);
      inputs.push(this.constant(`${name}_zeros`, { shape: [zeros.length], small: zeros }));
    }
    return this.node("DequantizeLinear", name, inputs, { axis: { integer: axis } });
  }
}
