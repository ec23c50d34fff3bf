/** Students with random weights and windows of noise, for tests of shapes, bits and bytes. */

import fc from "fast-check";
import type { Container } from "../src/model/container.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { QuantizeOptions } from "../src/model/quantize-trace.ts";
import type { QuantizedStudent, Requantization } from "../src/model/student.ts";
import type { FloatStudent, StudentSpec, Tensor } from "../src/model/student-spec.ts";
import { normal, prng, uniform } from "../src/prng.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

const separable = (filters: number, kernel: number, stride: number) =>
  ({ kind: "separable", filters, kernel, stride }) as const;

/** 13,216 weights and 267,776 multiply-accumulates: the shape that engines are compared on. */
export const CNN_SPEC: StudentSpec = {
  windowSamples: 256,
  channels: 3,
  classes: 6,
  stages: [
    {
      layers: [{ kind: "conv", filters: 16, kernel: 8, stride: 2 }, separable(32, 5, 2)],
      exit: { hidden: 0 },
    },
    { layers: [separable(48, 5, 2), separable(64, 5, 2)], exit: { hidden: 0 } },
    { layers: [separable(64, 5, 1)], exit: { hidden: 32 } },
  ],
};

/** 32 patches of 8 samples, 48 hidden; the exits read 8, 16 and all of the patches. */
export const GRU_SPEC: StudentSpec = {
  windowSamples: 256,
  channels: 3,
  classes: 6,
  stages: [8, 8, 16].map((patches, s) => ({
    layers: [{ kind: "gru", patchSamples: 8, hidden: 48, patches, continues: s > 0 }],
    exit: { hidden: s === 2 ? 48 : 0 },
  })),
};

/** What a cow's collar carries: 5 s at 10 Hz, about 2,700 parameters. */
export const COLLAR_SPEC: StudentSpec = {
  windowSamples: 50,
  channels: 3,
  classes: 3,
  stages: [
    {
      layers: [{ kind: "conv", filters: 12, kernel: 5, stride: 2 }, separable(24, 5, 2)],
      exit: { hidden: 0 },
    },
    { layers: [separable(24, 5, 1), separable(36, 5, 2)], exit: { hidden: 0 } },
  ],
};

/** Small, and every number odd or beside a multiple of eight on purpose. */
export const SMALL_CNN_SPEC: StudentSpec = {
  windowSamples: 50,
  channels: 3,
  classes: 3,
  stages: [
    { layers: [{ kind: "conv", filters: 9, kernel: 5, stride: 2 }], exit: { hidden: 0 } },
    { layers: [separable(13, 4, 3), separable(10, 3, 1)], exit: { hidden: 7 } },
  ],
};

export const SMALL_GRU_SPEC: StudentSpec = {
  windowSamples: 50,
  channels: 3,
  classes: 5,
  stages: [4, 6].map((patches, s) => ({
    layers: [{ kind: "gru", patchSamples: 5, hidden: 11, patches, continues: s > 0 }],
    exit: { hidden: s * 6 },
  })),
};

const convolutions = fc.record({
  kind: fc.constantFrom("conv" as const, "separable" as const),
  filters: fc.integer({ min: 1, max: 9 }),
  kernel: fc.integer({ min: 1, max: 7 }),
  stride: fc.integer({ min: 1, max: 4 }),
});
/** Convolutional students of any shape, small. */
export const arbitrarySpecs: fc.Arbitrary<StudentSpec> = fc.record({
  windowSamples: fc.integer({ min: 1, max: 40 }),
  channels: fc.integer({ min: 1, max: 4 }),
  classes: fc.integer({ min: 2, max: 6 }),
  stages: fc.array(
    fc.record({
      layers: fc.array(convolutions, { minLength: 1, maxLength: 3 }),
      exit: fc.record({ hidden: fc.integer({ min: 0, max: 5 }) }),
    }),
    { minLength: 1, maxLength: 3 },
  ),
});

/** Random weights, scaled so that activations neither die nor explode. */
export function randomFloatStudent(spec: StudentSpec, seed: number): FloatStudent {
  const random = prng(seed, "random-float-student");
  const tensors = new Map<string, Tensor>();
  const put = (name: string, shape: readonly number[], value: () => number) => {
    const length = shape.reduce((product, size) => product * size, 1);
    tensors.set(name, { shape, data: Float32Array.from({ length }, value) });
  };
  const weights = (name: string, shape: readonly number[], fanIn: number) =>
    put(name, shape, () => normal(random) / Math.sqrt(fanIn));
  const normalise = (name: string, channels: number) => {
    put(`${name}.normalise.scale`, [channels], () => uniform(random, 0.5, 1.5));
    put(`${name}.normalise.shift`, [channels], () => uniform(random, -0.5, 1));
    put(`${name}.normalise.mean`, [channels], () => uniform(random, -0.2, 0.2));
    put(`${name}.normalise.variance`, [channels], () => uniform(random, 0.2, 1));
  };
  let channels = spec.channels;
  spec.stages.forEach((stage, s) => {
    stage.layers.forEach((layer, l) => {
      const name = `stage${s}.layer${l}`;
      if (layer.kind === "conv") {
        const columns = channels * layer.kernel;
        weights(`${name}.weight`, [layer.filters, channels, layer.kernel], columns);
        normalise(name, layer.filters);
      } else if (layer.kind === "separable") {
        weights(`${name}.depthwise.weight`, [channels, layer.kernel], layer.kernel);
        normalise(`${name}.depthwise`, channels);
        weights(`${name}.pointwise.weight`, [layer.filters, channels], channels);
        normalise(`${name}.pointwise`, layer.filters);
      } else if (!layer.continues) {
        const rows = 3 * layer.hidden;
        const columns = layer.patchSamples * spec.channels;
        weights(`${name}.input.weight`, [rows, columns], columns / 4);
        weights(`${name}.state.weight`, [rows, layer.hidden], layer.hidden);
        put(`${name}.input.bias`, [rows], () => normal(random) / 4);
        put(`${name}.state.bias`, [rows], () => normal(random) / 4);
      }
      channels = layer.kind === "gru" ? layer.hidden : layer.filters;
    });
    const { hidden } = stage.exit;
    if (hidden > 0) {
      weights(`stage${s}.exit.hidden.weight`, [hidden, channels], channels / 8);
      put(`stage${s}.exit.hidden.bias`, [hidden], () => normal(random) / 4);
    }
    const inputs = hidden > 0 ? hidden : channels;
    weights(`stage${s}.exit.logits.weight`, [spec.classes, inputs], inputs / 16);
    put(`stage${s}.exit.logits.bias`, [spec.classes], () => normal(random) / 2);
  });
  return { spec, tensors };
}

/** Windows of noise about gravity; each has its own amplitude, some saturate. */
export function noiseWindows(spec: StudentSpec, count: number, seed: number): WindowSet {
  const { windowSamples, channels, classes } = spec;
  const random = prng(seed, "noise-windows");
  const samples = new Int8Array(count * windowSamples * channels);
  for (let w = 0, i = 0; w < count; w++) {
    const amplitude = 60 * uniform(random) ** 2;
    const gravity = Array.from({ length: channels }, () => uniform(random, -32, 32));
    for (let t = 0; t < windowSamples; t++) {
      for (let c = 0; c < channels; c++, i++) {
        const value = Math.round((gravity[c] as number) + amplitude * normal(random));
        samples[i] = Math.max(-128, Math.min(127, value));
      }
    }
  }
  return {
    count,
    windowSamples,
    channels,
    samples,
    labels: Uint8Array.from({ length: count }, (_, i) => i % classes),
    subjects: Array.from({ length: count }, () => "noise"),
    bouts: Int32Array.from({ length: count }, (_, i) => i),
  };
}

/** Both shapes of student, and both odd small ones. */
export const SPECS = {
  cnn: CNN_SPEC,
  gru: GRU_SPEC,
  "small-cnn": SMALL_CNN_SPEC,
  "small-gru": SMALL_GRU_SPEC,
} as const;

/** A container around a quantized student, with a gate of a few bytes that nobody reads. */
export function containerAround(student: QuantizedStudent): Container {
  return {
    student,
    classes: Array.from({ length: student.classes }, (_, i) => `behaviour ${i}`),
    cohort: "test/noise",
    rateCentihertz: 1000,
    hopSamples: 25,
    inputMilligPerStep: 31.25,
    gate: Uint8Array.of(1, 2, 3, 4, 5),
  };
}

/** Random weights in integers, calibrated on noise. */
export function randomContainer(
  spec: StudentSpec,
  seed: number,
  options: Partial<QuantizeOptions> = {},
): Container {
  const calibration = noiseWindows(spec, 3, seed);
  return containerAround(
    quantizeStudent(randomFloatStudent(spec, seed), calibration, 31.25, options),
  );
}

/** The same shapes with other weights, multipliers and shifts: sums that saturate and that vanish. */
export function scrambled(student: QuantizedStudent, seed: number): QuantizedStudent {
  const copy = structuredClone(student);
  let state = seed | 1;
  const draw = () => {
    state = Math.imul(state, 1_664_525) + 1_013_904_223;
    return (state >>> 8) & 0xffff;
  };
  const scramble = (weights: Int8Array, { multipliers, shifts }: Requantization) => {
    for (let i = 0; i < weights.length; i++) weights[i] = draw();
    for (let i = 0; i < shifts.length; i++) {
      multipliers[i] = 16_384 + (draw() % 16_384);
      shifts[i] = 18 + (draw() % 12);
    }
  };
  for (const stage of copy.stages) {
    for (const layer of [...stage.layers, ...stage.exit.layers]) {
      if (layer.kind !== "gru") {
        scramble(layer.weights, layer.requantization);
      } else if (!layer.continues) {
        // A continuing layer has the very arrays of the first, in the copy too.
        scramble(layer.inputWeights, layer.inputRequantization);
        scramble(layer.stateWeights, layer.stateRequantization);
      }
    }
  }
  return copy;
}

/** Draws a shift for every row. */
export function setShifts(student: QuantizedStudent, shift: () => number): void {
  for (const { layers, exit } of student.stages) {
    exit.poolRequantization.shifts.fill(shift());
    for (const layer of [...layers, ...exit.layers]) {
      const all =
        layer.kind === "gru"
          ? [layer.inputRequantization, layer.stateRequantization]
          : [layer.requantization];
      for (const { shifts } of all) for (const i of shifts.keys()) shifts[i] = shift();
    }
  }
}
