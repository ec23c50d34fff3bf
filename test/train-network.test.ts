/** The whole training step of each kind of network: its gradient is the slope of its own loss. */
import { describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import type { Network } from "../src/learn/network.ts";
import { initialValues } from "../src/learn/parameters.ts";
import { recipeFor, type StudentFamily } from "../src/learn/recipes.ts";
import { studentNetwork } from "../src/learn/student-network.ts";
import { teacherNetwork } from "../src/learn/teacher-network.ts";
import { trainingStep } from "../src/learn/train-network.ts";
import { normal, prng, uniform } from "../src/prng.ts";
import { shippedProfile } from "../src/signal/profiles.ts";

const runtime = onnxRuntime();
const BATCH_SIZE = 6;

const students = ["cattle", "people", "watch"].flatMap((name) =>
  (["cnn", "gru"] as const).map((family: StudentFamily) => {
    const { spec } = recipeFor(shippedProfile(name), family).student;
    return [`${name}'s ${family} student`, studentNetwork(spec), spec.stages.length] as const;
  }),
);
const { teacher } = recipeFor(shippedProfile("cattle"));
const design = { windowSamples: 50, channels: 3, classes: 3, ...teacher, widths: [6, 8, 8] };
const NETWORKS: readonly (readonly [string, Network, number])[] = [
  ...students,
  ["a teacher", teacherNetwork(design), 1],
];

describe("a training step", () => {
  it.each(NETWORKS)("of %s has the slope of its loss as gradient", async (_, network, exits) => {
    const exitWeights = Array.from({ length: exits }, (__, i) => 1 + i);
    const program = await runtime.compile(trainingStep(network, BATCH_SIZE, exitWeights, 2));
    const { windowSamples, channels, classes } = network;
    const random = prng(3, "step");
    const draw = (shape: number[], value: () => number) => ({
      shape,
      data: Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, value),
    });
    const inputs = {
      window: draw([BATCH_SIZE, windowSamples, channels], () => normal(random)),
      hard: draw([BATCH_SIZE, classes], () => uniform(random)),
      soft: draw([BATCH_SIZE, classes], () => uniform(random)),
    };
    const at = initialValues(network.parameters, 1);
    const run = async (data: Float32Array) =>
      program.run({ ...inputs, parameters: { shape: [data.length], data } });
    const { gradients, statistics } = await run(at);
    const gradient = gradients?.data as Float32Array;
    expect(gradient.length).toBe(at.length);
    const widths = network.normalisations.reduce((sum, { channels: c }) => sum + 2 * c, 0);
    expect(statistics?.data.length ?? 0).toBe(widths);

    // Along the gradient, and along a random direction in which every parameter moves.
    const norm = Math.hypot(...gradient);
    const directions = [
      gradient.map((g) => g / norm),
      at.map(() => normal(random) / Math.sqrt(at.length)),
    ];
    for (const direction of directions) {
      const step = 1e-3;
      const lossAt = async (by: number) => {
        const moved = at.map((w, i) => w + by * (direction[i] as number));
        return (await run(moved)).loss?.data[0] as number;
      };
      const slope = ((await lossAt(step)) - (await lossAt(-step))) / (2 * step);
      const expected = direction.reduce((sum, d, i) => sum + d * (gradient[i] as number), 0);
      // ReLU bends and float32 differences leave some hundredths of the slope along the gradient.
      expect(Math.abs(slope - expected)).toBeLessThan(0.03 * norm);
    }
    await program.release();
  });
});
