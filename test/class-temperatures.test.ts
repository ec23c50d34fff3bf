/** Temperatures by class find what was put in, where enough windows speak. */
import { expect, it } from "vitest";
import { fitClassTemperatures } from "../bench/class-temperatures.ts";
import { softmaxRows } from "../src/learn/metrics.ts";
import { normal, prng, uniform } from "../src/prng.ts";
import type { WindowSet } from "../src/signal/window-set.ts";

it("finds a class that claims too much, and believes a seldom one little", () => {
  const random = prng(2, "class-temperatures");
  const count = 6000;
  const logits = new Float32Array(3 * count);
  const labels = new Uint8Array(count);
  for (let i = 0; i < count; i++) {
    // Answers of class 0 claim twice the odds that are true, class 1 is honest, class 2 is rare.
    const answer = i % 100 === 0 ? 2 : i % 2;
    const row = Float32Array.from({ length: 3 }, () => normal(random));
    row[answer] = Math.max(...row) + 1 + 2 * uniform(random);
    const p = softmaxRows(row, 3, answer === 0 ? 2 : 1);
    let draw = uniform(random);
    let label = 0;
    while (label < 2 && draw >= (p[label] as number)) draw -= p[label++] as number;
    labels[i] = label;
    logits.set(row, 3 * i);
  }
  const windows = { labels, count } as Partial<WindowSet> as WindowSet;
  const [first, second, third] = fitClassTemperatures(logits, windows, 1);
  expect(first).toBeGreaterThan(1.6);
  expect(first).toBeLessThan(2.3);
  expect(second).toBeGreaterThan(0.85);
  expect(second).toBeLessThan(1.2);
  expect(Math.abs(Math.log(third ?? 0))).toBeLessThan(0.3);
});
