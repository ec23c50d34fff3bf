import { describe, expect, it } from "vitest";
import { lookUp, SIGMOID_Q15, TANH_Q15 } from "../src/engine/gate-tables.ts";
import { hashLogits } from "../src/model/self-test.ts";

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));

describe.each([
  ["sigmoid", SIGMOID_Q15, sigmoid, 3_064_350_528],
  ["tanh", TANH_Q15, Math.tanh, 423_840_035],
])("the %s table", (_, nodes, exact, hash) => {
  it("holds these very integers", () => {
    expect(hashLogits(0x811c9dc5, nodes)).toBe(hash);
  });

  it("does not depend on how well the platform rounds exp", () => {
    for (let i = 0; i <= 256; i++) {
      const value = exact((i - 128) / 16) * 32_768;
      const fromTie = Math.abs(value - Math.floor(value) - 0.5);
      // 2^15 times an error of several units in the last place is below 1e-10.
      expect(fromTie).toBeGreaterThan(1e-6);
    }
  });

  it("is within 13 steps of the function everywhere, and rises", () => {
    let before = -32_768;
    let largestError = 0;
    for (let x = -32_768; x <= 32_767; x++) {
      const got = lookUp(nodes, x);
      if (got < before) expect.fail(`falls at ${x}`);
      before = got;
      largestError = Math.max(largestError, Math.abs(got - exact(x / 4096) * 32_768));
    }
    expect(largestError).toBeLessThan(13);
  });

  it("never reaches 32768, so that a product of two gates fits", () => {
    expect(Math.max(...nodes)).toBeLessThanOrEqual(32_767);
    expect(Math.min(...nodes)).toBeGreaterThanOrEqual(-32_768);
  });
});
