/** The firmware node's benchmark, tiny: it runs, and the smallest board has room to spare. */

import { expect, it } from "vitest";
import { run } from "../bench/firmware-node.ts";
import { missingForNode } from "../deploy/firmware/tools/node-image.ts";
import { quickOptions } from "./benchmark-options.ts";

const missing = missingForNode("microbit");
if (missing !== undefined) console.log(`the firmware node is not measured: ${missing}`);

it.skipIf(missing !== undefined)(
  "measures both boards, and 16 KB are enough",
  async () => {
    const result = await run(quickOptions());
    expect(result.ok).toBe(true);
    const { figures } = result.figures as {
      figures: { board: string; codeBytes: number; ramBytes: number; stackBytes: number }[];
    };
    expect(figures.map(({ board }) => board)).toEqual(["mps2-an386", "microbit"]);
    const [, small] = figures;
    expect((small?.ramBytes ?? 0) + (small?.stackBytes ?? 0)).toBeLessThan(15 * 1024);
    for (const { stackBytes } of figures) expect(stackBytes).toBeGreaterThan(1000);
  },
  120_000,
);
