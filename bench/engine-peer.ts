/**
 * A quantized student as ONNX, for ONNX Runtime to be timed beside our engines.
 *
 * Everything speaks for the peer: int8 convolutions (`QLinearConv`, uint8 activations and int8 weights
 * per channel, which its fastest kernels want), the ReLU inside of the convolution's saturation, the
 * small head in float. There is no int8 GRU in ONNX Runtime: its float one stands in. So the shapes
 * are equal and the answers nearly so, but not the bits.
 */

import {
  BATCH,
  type OnnxGraph,
  type OnnxNode,
  type OnnxTensor,
  onnxModel,
} from "../src/learn/onnx-model.ts";
import { requantizationFactor, requantizationFactors } from "../src/model/requantize.ts";
import type {
  ConvLayer,
  DepthwiseLayer,
  ExitHead,
  GruLayer,
  QuantizedStudent,
} from "../src/model/student.ts";

/** Input `window`: int8 steps as floats, `[batch][channel][time]` for convolutions, `[patch][batch]
 * [sample * channel]` for a GRU. Outputs `exit0`, `exit1`, …: logits times 256. */
export function peerOnnx(student: QuantizedStudent): Uint8Array {
  const graph = new PeerGraph();
  const first = student.stages[0]?.layers[0];
  const gru = first?.kind === "gru" ? first : undefined;
  let x = gru === undefined ? graph.quantized("window") : graph.gruStates(gru);
  let [time, patches] = [0, 0];
  student.stages.forEach((stage, s) => {
    for (const layer of stage.layers) {
      if (layer.kind === "gru") {
        patches = layer.firstPatch + layer.patches;
      } else {
        x = graph.convolution(layer, x);
        time = layer.outTime;
      }
    }
    const features =
      gru === undefined
        ? graph.mean(x)
        : graph.node("Gather", [x, graph.index(patches - 1)], { axis: { integer: 0 } });
    graph.head(stage.exit, features, gru === undefined ? time : 0, `exit${s}`);
  });
  const shape = gru
    ? [patches, BATCH, gru.patchSamples * gru.channels]
    : [BATCH, student.channels, student.windowSamples];
  return graph.toOnnx(shape, student);
}

class PeerGraph {
  readonly #nodes: OnnxNode[] = [];
  readonly #constants = new Map<string, OnnxTensor>();

  node(
    operator: string,
    inputs: readonly string[],
    attributes: OnnxNode["attributes"] = {},
    output = `v${this.#nodes.length}`,
  ): string {
    this.#nodes.push({ operator, inputs, outputs: [output], attributes });
    return output;
  }

  constant(tensor: OnnxTensor): string {
    const name = `c${this.#constants.size}`;
    this.#constants.set(name, tensor);
    return name;
  }

  floats(shape: readonly number[], values: Iterable<number>): string {
    return this.constant({ shape, floats: Float32Array.from(values) });
  }

  index(value: number): string {
    return this.constant({ shape: [], integers: [value] });
  }

  /** Int8 steps as uint8 about 128. */
  quantized(window: string): string {
    return this.node("QuantizeLinear", [window, this.floats([], [1]), this.byte(128)]);
  }

  byte(value: number): string {
    return this.constant({ shape: [], small: Uint8Array.of(value) });
  }

  convolution(layer: ConvLayer | DepthwiseLayer, input: string): string {
    const { kernel, stride, padLeft } = layer;
    const depthwise = layer.kind === "depthwise";
    const outputs = depthwise ? layer.channels : layer.outChannels;
    const inputs = depthwise ? 1 : layer.inChannels;
    const weights = new Int8Array(layer.weights.length);
    for (let o = 0, to = 0; o < outputs; o++) {
      for (let i = 0; i < inputs; i++) {
        for (let k = 0; k < kernel; k++, to++) {
          const from = depthwise ? k * outputs + o : (o * kernel + k) * inputs + i;
          weights[to] = layer.weights[from] as number;
        }
      }
    }
    const padding = Math.max(0, (layer.outTime - 1) * stride + kernel - layer.inTime);
    const one = this.floats([], [1]);
    const zeroPoint = this.#nodes.length === 1 ? 128 : 0;
    const scales = requantizationFactors(layer.requantization);
    return this.node(
      "QLinearConv",
      [
        input,
        one,
        this.byte(zeroPoint),
        this.constant({ shape: [outputs, inputs, kernel], small: weights }),
        this.floats([outputs], scales),
        this.constant({ shape: [outputs], small: new Int8Array(outputs) }),
        one,
        this.byte(0),
        this.constant({ shape: [outputs], small: layer.bias }),
      ],
      {
        kernel_shape: { integers: [kernel] },
        strides: { integers: [stride] },
        pads: { integers: [padLeft, padding - padLeft] },
        group: { integer: depthwise ? outputs : 1 },
      },
    );
  }

  mean(input: string): string {
    const floats = this.node("DequantizeLinear", [input, this.floats([], [1]), this.byte(0)]);
    const pooled = this.node("GlobalAveragePool", [floats]);
    return this.node("Flatten", [pooled]);
  }

  /** The states after every patch, `[patch][batch][hidden]`. */
  gruStates(layer: GruLayer): string {
    const { hidden } = layer;
    const columns = layer.patchSamples * layer.channels;
    // ONNX orders the gates update, reset, new; a pre-activation's step is 2^-12, a state's 2^-15.
    const rows = [1, 0, 2].flatMap((gate) =>
      Array.from({ length: hidden }, (_, j) => gate * hidden + j),
    );
    const scaled = (
      values: ArrayLike<number>,
      factors: Float64Array,
      width: number,
      step: number,
    ) =>
      rows.flatMap((row) =>
        Array.from(
          { length: width },
          (_, i) => (Number(values[row * width + i]) * (factors[row] as number) * step) / 4096,
        ),
      );
    const input = requantizationFactors(layer.inputRequantization);
    const state = requantizationFactors(layer.stateRequantization);
    const biases = [
      ...scaled(layer.inputBias, input, 1, 1),
      ...scaled(layer.stateBias, state, 1, 1),
    ];
    const all = this.node(
      "GRU",
      [
        "window",
        this.floats([1, 3 * hidden, columns], scaled(layer.inputWeights, input, columns, 1)),
        this.floats([1, 3 * hidden, hidden], scaled(layer.stateWeights, state, hidden, 32_768)),
        this.floats([1, 6 * hidden], biases),
      ],
      { hidden_size: { integer: hidden }, linear_before_reset: { integer: 1 } },
    );
    const axes = this.constant({ shape: [1], integers: [1] });
    return this.node("Squeeze", [all, axes]);
  }

  /** In float; the step of the features goes into the first layer's weights. `time` 0 for a state. */
  head(exit: ExitHead, features: string, time: number, output: string): void {
    const { multipliers, shifts } = exit.poolRequantization;
    const pool = requantizationFactor(multipliers[0] as number, shifts[0] as number);
    let step = time === 0 ? 128 : pool * time;
    let x = features;
    exit.layers.forEach((layer, l) => {
      const factors = requantizationFactors(layer.requantization);
      const weights = Array.from(
        layer.weights,
        (weight, i) => weight * (factors[Math.floor(i / layer.inputs)] as number) * step,
      );
      const bias = Array.from(layer.bias, (value, o) => value * (factors[o] as number));
      const last = l === exit.layers.length - 1;
      const sums = this.node(
        "Gemm",
        [
          x,
          this.floats([layer.outputs, layer.inputs], weights),
          this.floats([layer.outputs], bias),
        ],
        { transB: { integer: 1 } },
        last ? output : undefined,
      );
      x = last ? sums : this.node("Relu", [sums]);
      step = 1;
    });
  }

  toOnnx(shape: readonly number[], student: QuantizedStudent): Uint8Array {
    const graph: OnnxGraph = {
      nodes: this.#nodes,
      constants: this.#constants,
      inputs: [{ name: "window", shape }],
      outputs: student.stages.map((_, s) => ({
        name: `exit${s}`,
        shape: [BATCH, student.classes],
      })),
      metadata: {},
    };
    return onnxModel(graph);
  }
}
