/** Encoders: their integers, against a second opinion and against the float network they came from. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { loadEncoder } from "../src/engine/encode.ts";
import { Graph } from "../src/learn/graph.ts";
import { inferenceLayers } from "../src/learn/network.ts";
import { BATCH, onnxMetadata } from "../src/learn/onnx-model.ts";
import { initialValues, unflatten } from "../src/learn/parameters.ts";
import { predictRows } from "../src/learn/predict.ts";
import { type SplitDesign, splitNetwork } from "../src/learn/split-network.ts";
import { encoderOf, type FloatSplit, tailOnnx } from "../src/learn/tail-network.ts";
import { checkEncoder, codeShape, encoderMacs } from "../src/model/encoder.ts";
import { codeStep, type EncoderSpec } from "../src/model/encoder-spec.ts";
import { quantizeEncoder } from "../src/model/quantize-encoder.ts";
import { windowAt } from "../src/signal/window-set.ts";
import { oracleCodes } from "./integer-oracle.ts";
import { noiseWindows, randomFloatStudent } from "./student-samples.ts";

const SPEC: EncoderSpec = {
  windowSamples: 50,
  channels: 3,
  layers: [
    { kind: "conv", filters: 9, kernel: 5, stride: 2 },
    { kind: "separable", filters: 11, kernel: 4, stride: 1 },
    { kind: "conv", filters: 3, kernel: 1, stride: 1 },
  ],
  codeBits: 4,
};

const MILLIG = 31.25;

function windowsFor(spec: EncoderSpec, count: number, seed: number) {
  return noiseWindows({ ...spec, classes: 2, stages: [] }, count, seed);
}

function randomEncoder(spec: EncoderSpec, seed: number) {
  const { windowSamples, channels, layers } = spec;
  const stages = [{ layers, exit: { hidden: 0 } }];
  const { tensors } = randomFloatStudent({ windowSamples, channels, classes: 2, stages }, seed);
  return { spec, tensors };
}

/** Random weights and the statistics that go with them; the codes use their range. */
function randomSplit(spec: EncoderSpec, seed: number): FloatSplit {
  const tail = { widths: [6, 8], strides: [1, 2], kernels: [3, 3] };
  const design: SplitDesign = { encoder: spec, tail, classes: 3 };
  const { parameters, normalisations } = splitNetwork(design);
  const tensors = unflatten(parameters, initialValues(parameters, seed));
  for (const { name, channels } of normalisations) {
    tensors.set(`${name}.mean`, { shape: [channels], data: new Float32Array(channels) });
    tensors.set(`${name}.variance`, {
      shape: [channels],
      data: new Float32Array(channels).fill(1),
    });
  }
  return { design, tensors };
}

describe("an encoder in integers", () => {
  const layer = fc.record({
    kind: fc.constantFrom("conv" as const, "separable" as const),
    filters: fc.integer({ min: 1, max: 6 }),
    kernel: fc.integer({ min: 1, max: 6 }),
    stride: fc.integer({ min: 1, max: 3 }),
  });
  const specs: fc.Arbitrary<EncoderSpec> = fc.record({
    windowSamples: fc.integer({ min: 1, max: 30 }),
    channels: fc.integer({ min: 1, max: 4 }),
    layers: fc.array(layer, { minLength: 1, maxLength: 4 }),
    codeBits: fc.integer({ min: 1, max: 7 }),
  });

  it("gives the codes of an independent, exact reading, for any shape, twice", () => {
    fc.assert(
      fc.property(specs, fc.integer({ min: 1, max: 99 }), (spec, seed) => {
        const encoder = quantizeEncoder(randomEncoder(spec, seed), windowsFor(spec, 4, 1), MILLIG);
        const encode = loadEncoder(encoder);
        const windows = windowsFor(spec, 2, seed);
        const { time, channels, bytes } = codeShape(encoder);
        expect(bytes).toBe(Math.ceil((time * channels * spec.codeBits) / 8));
        for (const window of [windowAt(windows, 0), windowAt(windows, 1), windowAt(windows, 0)]) {
          const codes = [...encode(window)];
          expect(codes).toEqual(oracleCodes(encoder, spec.channels, window));
          expect(codes).toHaveLength(time * channels);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("counts what it costs", () => {
    const encoder = quantizeEncoder(randomEncoder(SPEC, 1), windowsFor(SPEC, 4, 1), MILLIG);
    expect(encoderMacs(encoder)).toBe(25 * (9 * 15 + 9 * 4 + 9 * 11 + 11 * 3));
    expect(codeShape(encoder)).toEqual({ time: 25, channels: 3, bits: 4, bytes: 38 });
  });

  it("stays beside the float network whose steps it took, code by code", async () => {
    const split = randomSplit(SPEC, 3);
    const windows = windowsFor(SPEC, 40, 5);
    const encoder = quantizeEncoder(encoderOf(split), windows, MILLIG);
    const encode = loadEncoder(encoder);
    const graph = new Graph();
    const input = graph.input("window", [BATCH, 50, 3]);
    // The code as training sees it: the split network up to its rounding.
    const rounded = splitNetwork(split.design).forward(
      graph,
      input,
      inferenceLayers(graph, split.tensors),
    );
    graph.output("logits", rounded.logits[0] ?? input);
    const float = await onnxRuntime().compile(graph.toOnnx());
    const whole = (await predictRows(float, windows, MILLIG, ["logits"])).get("logits");
    await float.release();
    const tail = await onnxRuntime().compile(
      tailOnnx(split, { classes: ["a", "b", "c"], rateHz: 10, encoder: "00" }),
    );
    const codes = Float32Array.from(
      Array.from({ length: windows.count }, (_, i) => [...encode(windowAt(windows, i))]).flat(),
    );
    const answers = await tail.run({ code: { shape: [windows.count, 25, 3], data: codes } });
    await tail.release();
    expect(new Set(codes).size).toBeGreaterThan(2 ** (SPEC.codeBits - 1));
    let agree = 0;
    for (let i = 0; i < windows.count; i++) {
      const row = (data: Float32Array | undefined) => [...(data ?? []).slice(3 * i, 3 * i + 3)];
      const best = (values: number[]) => values.indexOf(Math.max(...values));
      if (best(row(whole?.data)) === best(row(answers.logits?.data))) agree++;
    }
    expect(agree).toBeGreaterThanOrEqual(windows.count - 2);
  });
});

describe("a tail's file", () => {
  it("says which encoder it understands, and in what", () => {
    const about = { classes: ["a", "b", "c"], rateHz: 10, encoder: "ab12" };
    const metadata = onnxMetadata(tailOnnx(randomSplit(SPEC, 1), about));
    expect(Object.fromEntries(metadata)).toMatchObject({
      kind: "bellwether-tail",
      classes: '["a","b","c"]',
      rateHz: "10",
      codeTime: "25",
      codeChannels: "3",
      codeBits: "4",
      encoder: "ab12",
    });
  });
});

describe("checking an encoder", () => {
  const encoder = quantizeEncoder(randomEncoder(SPEC, 1), windowsFor(SPEC, 4, 1), MILLIG);
  const shape = { time: 50, channels: 3 };

  it.each([
    ["bits below 1", { ...encoder, codeBits: 0 }, "encoder-range"],
    ["bits above 7", { ...encoder, codeBits: 8 }, "encoder-range"],
    ["no layer", { ...encoder, layers: [] }, "encoder-range"],
    [
      "more layers than a stage may have",
      { ...encoder, layers: Array.from({ length: 17 }, () => encoder.layers[0] as never) },
      "encoder-range",
    ],
    ["layers that do not follow", { ...encoder, layers: encoder.layers.slice(1) }, "student-shape"],
    ["stages that no student has", { ...encoder, afterStages: 99 }, "encoder-range"],
  ])("refuses %s", (_, wrong, code) => {
    expect(() => checkEncoder(wrong, shape)).toThrow(expect.objectContaining({ code }));
  });

  it("accepts what the quantizer made, and refuses another window", () => {
    checkEncoder(encoder, shape);
    expect(() => checkEncoder(encoder, { time: 49, channels: 3 })).toThrow(
      expect.objectContaining({ code: "student-shape" }),
    );
    expect(codeStep(4)).toBeCloseTo(4 / 15, 12);
  });
});
