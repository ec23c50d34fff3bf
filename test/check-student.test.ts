import { describe, expect, it } from "vitest";
import { EdgeError } from "../src/assert.ts";
import { checkStudent } from "../src/model/check-student.ts";
import { quantizeStudent } from "../src/model/quantize.ts";
import type { QuantizedStudent } from "../src/model/student.ts";
import type { StudentSpec } from "../src/model/student-spec.ts";
import {
  noiseWindows,
  randomFloatStudent,
  SMALL_CNN_SPEC,
  SMALL_GRU_SPEC,
} from "./student-samples.ts";

/** The code with which a student is refused after the value at a path has been replaced. */
function codeAfter(spec: StudentSpec, path: string, value: unknown): string | undefined {
  const good = quantizeStudent(randomFloatStudent(spec, 1), noiseWindows(spec, 4, 1), 31.25);
  checkStudent(good);
  const student = structuredClone(good);
  const keys = path.split(".");
  const last = keys.pop() as string;
  const at = keys.reduce((object, key) => Reflect.get(object, key) as object, student as object);
  expect(Reflect.has(at, last), path).toBe(true);
  Reflect.set(at, last, value);
  try {
    checkStudent(student);
  } catch (error) {
    if (error instanceof EdgeError) return error.code;
    throw error;
  }
  return undefined;
}

const RANGE = "student-range";
const SHAPE = "student-shape";
const OVERFLOW = "student-overflow";
const FIRST = "stages.0.layers.0";
const SECOND = "stages.1.layers.0";
const HEAD = "stages.1.exit.layers";

describe("checkStudent refuses a convolutional student", () => {
  it.each<[string, string, string, unknown]>([
    ["windows that are too long", RANGE, "windowSamples", 2000],
    ["half a channel", RANGE, "channels", 1.5],
    ["one class", RANGE, "classes", 1],
    ["another number of classes than its heads", SHAPE, "classes", 4],
    ["no stages", RANGE, "stages", []],
    ["a stage without layers", RANGE, "stages.1.layers", []],
    ["layers that do not fit in time", SHAPE, `${SECOND}.inTime`, 24],
    ["layers that do not fit in channels", SHAPE, `${SECOND}.channels`, 8],
    ["a wrong output time", SHAPE, `${FIRST}.outTime`, 26],
    ["a wrong padding", SHAPE, `${FIRST}.padLeft`, 0],
    ["a kernel of 0", RANGE, `${FIRST}.kernel`, 0],
    ["a stride of 0", RANGE, `${FIRST}.stride`, 0],
    ["a weight too few", SHAPE, `${FIRST}.weights`, new Int8Array(134)],
    ["a bias too many", SHAPE, `${FIRST}.bias`, new Int32Array(10)],
    ["a multiplier too small", RANGE, `${FIRST}.requantization.multipliers.3`, 16_383],
    ["a negative multiplier", RANGE, `${HEAD}.1.requantization.multipliers.0`, -20_000],
    ["a shift of 0", RANGE, `${SECOND}.requantization.shifts.0`, 0],
    ["a shift of 47", RANGE, `${SECOND}.requantization.shifts.0`, 47],
    ["a shift too few", SHAPE, `${FIRST}.requantization.shifts`, new Uint8Array(8)],
    ["sums that may overflow", OVERFLOW, `${FIRST}.bias.2`, 2 ** 31 - 1],
    ["depthwise sums that may overflow", OVERFLOW, `${SECOND}.bias.2`, -(2 ** 31)],
    ["dense sums that may overflow", OVERFLOW, `${HEAD}.0.bias.2`, 2 ** 31 - 1],
    ["the pool of a state", SHAPE, "stages.0.exit.pool", "state"],
    ["other features than channels", SHAPE, "stages.0.exit.features", 8],
    ["a head without layers", RANGE, "stages.0.exit.layers", []],
    ["a head that ends in a ReLU", SHAPE, "stages.0.exit.layers.0.output", "relu"],
    ["logits inside of a head", SHAPE, `${HEAD}.0.output`, "logits"],
    ["a dense layer that does not fit", SHAPE, `${HEAD}.0.inputs`, 11],
  ])("with %s", (_, code, path, value) => {
    expect(codeAfter(SMALL_CNN_SPEC, path, value)).toBe(code);
  });
});

describe("checkStudent refuses a GRU student", () => {
  it.each<[string, string, string, unknown]>([
    ["that continues nothing", SHAPE, `${FIRST}.continues`, true],
    ["that starts again", SHAPE, `${SECOND}.continues`, false],
    ["that skips a patch", SHAPE, `${SECOND}.firstPatch`, 5],
    ["that reads past the window", RANGE, `${SECOND}.patches`, 7],
    ["without patches", RANGE, `${FIRST}.patches`, 0],
    ["of other channels", SHAPE, `${FIRST}.channels`, 2],
    ["with a weight too few", SHAPE, `${FIRST}.stateWeights`, new Int8Array(362)],
    ["that continues with other weights", SHAPE, `${SECOND}.inputWeights`, new Int8Array(495)],
    ["whose state's sums may overflow", OVERFLOW, `${FIRST}.stateBias.0`, 2 ** 31 - 1],
    ["that pools a mean", SHAPE, "stages.1.exit.pool", "mean"],
    ["of two layers in a stage", "student-order", "stages.1.layers", [{}, {}]],
    ["mixed with convolutions", "student-order", `${SECOND}.kind`, "conv"],
  ])("%s", (_, code, path, value) => {
    expect(codeAfter(SMALL_GRU_SPEC, path, value)).toBe(code);
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
    expect(() => checkStudent(oneLayer(1024, 3, 256, 1))).toThrow("bytes of RAM: 265988");
  });
});
