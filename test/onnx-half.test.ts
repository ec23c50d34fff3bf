/** Weights in half precision: bits by hand, and a teacher that answers as before. */

import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { onnxRuntime } from "../gateway/teacher/onnx-runtime.ts";
import { halfBits, halfWeights } from "../src/learn/onnx-half.ts";
import { onnxMetadata } from "../src/learn/onnx-model.ts";

const singleBits = (value: number): number => {
  const view = new DataView(new ArrayBuffer(4));
  view.setFloat32(0, value);
  return view.getUint32(0);
};

/** Back, by the definition of binary16. */
const floatOf = (half: number): number => {
  const sign = half & 0x8000 ? -1 : 1;
  const exponent = (half >> 10) & 31;
  const fraction = (half & 1023) / 1024;
  return sign * (exponent === 0 ? fraction * 2 ** -14 : (1 + fraction) * 2 ** (exponent - 15));
};

describe("half precision", () => {
  it("has the bits of the standard", () => {
    const known: [number, number][] = [
      [0, 0x0000],
      [-0, 0x8000],
      [1, 0x3c00],
      [-2, 0xc000],
      [65504, 0x7bff],
      [2 ** -14, 0x0400],
      [2 ** -24, 0x0001],
      [2 ** -25, 0x0000],
      [1.5 * 2 ** -25, 0x0001],
      [2 ** -26, 0x0000],
      // Ties go to the even one, and a carry reaches the exponent.
      [1 + 2 ** -11, 0x3c00],
      [1 + 3 * 2 ** -11, 0x3c02],
      [2 - 2 ** -12, 0x4000],
    ];
    for (const [value, bits] of known) expect(halfBits(singleBits(value)), `${value}`).toBe(bits);
    expect(() => halfBits(singleBits(1e5))).toThrow(/finite/);
  });

  it("is nearest: no neighbour is nearer, for every half and around it", () => {
    for (let half = 1; half < 0x7bff; half += 7) {
      const [below, above] = [floatOf(half), floatOf(half + 1)];
      for (const share of [0.1, 0.49, 0.51, 0.9]) {
        const nearest = share < 0.5 ? half : half + 1;
        expect(halfBits(singleBits(below + share * (above - below)))).toBe(nearest);
      }
    }
  });

  it("halves a teacher's file and leaves its answers and what it says", async () => {
    const file = readFileSync("profiles/cattle/teacher.onnx");
    const halved = halfWeights(file);
    expect(halved.length).toBeLessThan(0.55 * file.length);
    expect([...onnxMetadata(halved)]).toEqual([...onnxMetadata(file)]);
    const data = Float32Array.from({ length: 6 * 150 }, (_, i) => Math.sin(i / (3 + (i % 3))));
    const shape = [6, 50, 3];
    const answers = [];
    for (const bytes of [file, halved]) {
      const program = await onnxRuntime().compile(bytes);
      const { logits } = await program.run({ window: { shape, data } });
      answers.push([...(logits?.data ?? [])]);
      await program.release();
    }
    const [before = [], after = []] = answers;
    expect(before).toHaveLength(18);
    const largest = Math.max(...before.map(Math.abs));
    after.forEach((value, i) => {
      expect(Math.abs(value - (before[i] as number))).toBeLessThan(0.01 * largest);
    });
    expect(after).not.toEqual(before);
  });
});
