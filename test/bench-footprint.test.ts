/** The footprint's benchmark, tiny: both processes start, serve, end, and were looked at. */

import { expect, it } from "vitest";
import { run } from "../bench/footprint.ts";
import { quickOptions } from "./benchmark-options.ts";

it.skipIf(process.platform !== "linux")(
  "measures a gateway and a node that it serves",
  async () => {
    const { ok, figures } = await run(quickOptions());
    expect(ok).toBe(true);
    // Less than Node itself would be a wrong process; a gigabyte would be a leak.
    for (const key of ["gatewayResidentMb", "nodeResidentMb", "herdOfOneResidentMb"]) {
      expect(figures[key]).toBeGreaterThan(40);
      expect(figures[key]).toBeLessThan(1000);
    }
    expect(figures.gatewayOwnMb).toBeLessThan(figures.gatewayResidentMb as number);
    expect(figures.gatewayFirstStartMs).toBeGreaterThan(0);
    const { countedMb, windowMicroseconds } = figures.bouts as Record<string, number>;
    // Of a node some 700 open windows and two days in quarters: 20 KB and 5 KB at the least.
    expect(countedMb).toBeGreaterThan((0.02 * (figures.herd as number)) / 1.05);
    expect(countedMb).toBeLessThan(0.1 * (figures.herd as number));
    expect(windowMicroseconds).toBeGreaterThan(0);
  },
  120_000,
);
