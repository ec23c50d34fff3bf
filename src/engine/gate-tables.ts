/**
 * The GRU's two tables: sigmoid and tanh of a Q3.12 number, Q15 out.
 *
 * 257 nodes over -8..8, one each 1/16, linear in between; within 13 of 32768 of the function. The
 * nodes come from `Math.exp`, which need not be correctly rounded everywhere; a test shows that no
 * node lies near a rounding boundary, so every plausible implementation yields the same integers.
 */

/** Nodes i = 0..256 for x = (i - 128) / 16. */
export const SIGMOID_Q15 = table((x) => 1 / (1 + Math.exp(-x)));
export const TANH_Q15 = table((x) => 1 - 2 / (Math.exp(2 * x) + 1));

/** The table at an int16 Q3.12 number: between nodes, rounded half up. */
export function lookUp(nodes: Int16Array, xQ12: number): number {
  const position = xQ12 + 32_768;
  const at = position >> 8;
  const low = nodes[at] as number;
  const rise = (nodes[at + 1] as number) - low;
  return low + ((rise * (position & 255) + 128) >> 8);
}

function table(value: (x: number) => number): Int16Array {
  return Int16Array.from({ length: 257 }, (_, i) =>
    Math.max(-32_768, Math.min(32_767, Math.round(value((i - 128) / 16) * 32_768))),
  );
}
