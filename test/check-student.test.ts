import { describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import { checkStudent } from "../src/model/check-student.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { QuantizedStudent } from "../src/model/student.ts";
import {
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
} from "./student-samples.ts";

type Writable<T> = T extends Int8Array | Int16Array | Uint8Array | Int32Array
  ? T
  : { -readonly [K in keyof T]: Writable<T[K]> };
type Change = (student: Writable<QuantizedStudent>) => void;

function codeAfter(spec: typeof SMALL_CNN_SPEC, change: Change): string | undefined {
  const good = quantizeStudent(randomFloatStudent(spec, 1), noiseWindows(spec, 4, 1), 31.25);
  const student = structuredClone(good) as Writable<QuantizedStudent>;
  checkStudent(student as QuantizedStudent);
  change(student);
  try {
    checkStudent(student as QuantizedStudent);
  } catch (error) {
    if (error instanceof EdgeError) return error.code;
    throw error;
  }
  return undefined;
}

/** The layer of a stage, whatever its kind: tests write into it what no type would allow. */
function layer(student: Writable<QuantizedStudent>, stage: number, index = 0) {
  return student.stages[stage]?.layers[index] as unknown as Record<string, unknown>;
}
function head(student: Writable<QuantizedStudent>, stage: number, index = 0) {
  return student.stages[stage]?.exit.layers[index] as unknown as Record<string, unknown>;
}
function requantization(of: Record<string, unknown>) {
  return of["requantization"] as { multipliers: Int16Array; shifts: Uint8Array };
}

describe("checkStudent refuses a convolutional student", () => {
  it.each<[string, string, Change]>([
    ["with windows that are too long", "student-range", (s) => void (s.windowSamples = 2000)],
    [
      "with windows of too many bytes",
      "student-range",
      (s) => {
        s.windowSamples = 1024;
        s.channels = 8 + 1;
      },
    ],
    ["with half a channel", "student-range", (s) => void (s.channels = 1.5)],
    ["of one class", "student-range", (s) => void (s.classes = 1)],
    ["of another number of classes than its heads", "student-shape", (s) => void (s.classes = 4)],
    ["without stages", "student-range", (s) => void (s.stages = [])],
    [
      "with a stage without layers",
      "student-range",
      (s) => void ((s.stages[1] as { layers: unknown }).layers = []),
    ],
    ["whose layers do not fit in time", "student-shape", (s) => void (layer(s, 1)["inTime"] = 24)],
    [
      "whose layers do not fit in channels",
      "student-shape",
      (s) => void (layer(s, 1)["channels"] = 8),
    ],
    ["with a wrong output time", "student-shape", (s) => void (layer(s, 0)["outTime"] = 26)],
    ["with a wrong padding", "student-shape", (s) => void (layer(s, 0)["padLeft"] = 0)],
    ["with a kernel of 0", "student-range", (s) => void (layer(s, 0)["kernel"] = 0)],
    ["with a stride of 0", "student-range", (s) => void (layer(s, 0)["stride"] = 0)],
    [
      "with a weight too few",
      "student-shape",
      (s) => void (layer(s, 0)["weights"] = new Int8Array(134)),
    ],
    [
      "with a bias too many",
      "student-shape",
      (s) => void (layer(s, 0)["bias"] = new Int32Array(10)),
    ],
    [
      "with a multiplier too small",
      "student-range",
      (s) => void (requantization(layer(s, 0)).multipliers[3] = 16_383),
    ],
    [
      "with a negative multiplier",
      "student-range",
      (s) => void (requantization(head(s, 1, 1)).multipliers[0] = -20_000),
    ],
    ["with a shift of 0", "student-range", (s) => void (requantization(layer(s, 1)).shifts[0] = 0)],
    [
      "with a shift of 47",
      "student-range",
      (s) => void (requantization(layer(s, 1, 1)).shifts[0] = 47),
    ],
    [
      "with a shift too few",
      "student-shape",
      (s) => void (requantization(layer(s, 0)).shifts = new Uint8Array(8)),
    ],
    [
      "whose sums may overflow",
      "student-overflow",
      (s) => void ((layer(s, 0)["bias"] as Int32Array)[2] = 2 ** 31 - 1),
    ],
    [
      "whose depthwise sums may overflow",
      "student-overflow",
      (s) => void ((layer(s, 1)["bias"] as Int32Array)[2] = -(2 ** 31)),
    ],
    [
      "whose dense sums may overflow",
      "student-overflow",
      (s) => void ((head(s, 1)["bias"] as Int32Array)[2] = 2 ** 31 - 1),
    ],
    [
      "that pools a state",
      "student-shape",
      (s) => void ((s.stages[0] as { exit: { pool: string } }).exit.pool = "state"),
    ],
    [
      "with other features than channels",
      "student-shape",
      (s) => void ((s.stages[0] as { exit: { features: number } }).exit.features = 8),
    ],
    [
      "with a head without layers",
      "student-range",
      (s) => void ((s.stages[0] as { exit: { layers: unknown } }).exit.layers = []),
    ],
    [
      "with a head that ends in a ReLU",
      "student-shape",
      (s) => void (head(s, 0)["output"] = "relu"),
    ],
    [
      "with logits inside of a head",
      "student-shape",
      (s) => void (head(s, 1)["output"] = "logits"),
    ],
    [
      "with a dense layer that does not fit",
      "student-shape",
      (s) => void (head(s, 1)["inputs"] = 11),
    ],
  ])("%s", (_, code, change) => {
    expect(codeAfter(SMALL_CNN_SPEC, change)).toBe(code);
  });
});

describe("checkStudent refuses a GRU student", () => {
  it.each<[string, string, Change]>([
    ["that continues nothing", "student-shape", (s) => void (layer(s, 0)["continues"] = true)],
    ["that starts again", "student-shape", (s) => void (layer(s, 1)["continues"] = false)],
    ["that skips a patch", "student-shape", (s) => void (layer(s, 1)["firstPatch"] = 5)],
    ["that reads past the window", "student-range", (s) => void (layer(s, 1)["patches"] = 7)],
    ["without patches", "student-range", (s) => void (layer(s, 0)["patches"] = 0)],
    ["of other channels", "student-shape", (s) => void (layer(s, 0)["channels"] = 2)],
    [
      "with a weight too few",
      "student-shape",
      (s) => void (layer(s, 0)["stateWeights"] = new Int8Array(362)),
    ],
    [
      "that continues with other weights",
      "student-shape",
      (s) => {
        const weights = (layer(s, 1)["inputWeights"] as Int8Array).slice();
        weights[7] = (weights[7] as number) ^ 1;
        layer(s, 1)["inputWeights"] = weights;
      },
    ],
    [
      "whose state's sums may overflow",
      "student-overflow",
      (s) => void ((layer(s, 0)["stateBias"] as Int32Array)[0] = 2 ** 31 - 1),
    ],
    [
      "that pools a mean",
      "student-shape",
      (s) => void ((s.stages[1] as { exit: { pool: string } }).exit.pool = "mean"),
    ],
    [
      "mixed with convolutions",
      "student-order",
      (s) => {
        const stage = s.stages[1] as unknown as { layers: unknown[] };
        stage.layers = [...stage.layers, ...stage.layers];
      },
    ],
  ])("%s", (_, code, change) => {
    expect(codeAfter(SMALL_GRU_SPEC, change)).toBe(code);
  });
});

/** One convolution and one dense layer, all weights zero. */
function oneLayer(
  time: number,
  channels: number,
  filters: number,
  kernel: number,
): QuantizedStudent {
  const rows = (count: number, columns: number) => ({
    weights: new Int8Array(count * columns),
    bias: new Int32Array(count),
    requantization: {
      multipliers: new Int16Array(count).fill(16_384),
      shifts: new Uint8Array(count).fill(14),
    },
  });
  return {
    windowSamples: time,
    channels,
    classes: 2,
    stages: [
      {
        layers: [
          {
            kind: "conv",
            inTime: time,
            outTime: time,
            inChannels: channels,
            outChannels: filters,
            kernel,
            stride: 1,
            padLeft: (kernel - 1) >> 1,
            ...rows(filters, kernel * channels),
          },
        ],
        exit: {
          pool: "mean",
          poolRequantization: rows(1, 1).requantization,
          features: filters,
          layers: [
            { kind: "dense", inputs: filters, outputs: 2, output: "logits", ...rows(2, filters) },
          ],
        },
      },
    ],
  };
}

describe("checkStudent bounds what a node must pay", () => {
  it("in multiply-accumulates", () => {
    checkStudent(oneLayer(512, 3, 16, 9));
    expect(() => checkStudent(oneLayer(512, 8, 64, 64))).toThrow("multiply-accumulates: 16777344");
  });

  it("in bytes of memory", () => {
    expect(() => checkStudent(oneLayer(1024, 3, 256, 1))).toThrow("bytes of RAM: 265476");
  });
});
