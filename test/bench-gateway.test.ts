/** The gateway's benchmark runs, with figures that hang together. */

import { expect, it } from "vitest";
import { run } from "../bench/gateway.ts";
import { quickOptions } from "./benchmark-options.ts";

it("measures the gateway beside the bare teacher", async () => {
  const result = await run(quickOptions({ extra: { nodes: "8", "in-flight": "4" } }));
  expect(result.ok).toBe(true);
  const { shipped } = result.figures as {
    shipped: {
      bare: { windowsPerSecond: number };
      gateway: {
        offloadsPerSecond: number;
        acknowledgedPerSecond: number;
        p50Ms: number;
        p99Ms: number;
      };
      paced: { p50Ms: number };
      ratio: number;
      processorRatio: number;
    };
  };
  expect(shipped.bare.windowsPerSecond).toBeGreaterThan(10);
  expect(shipped.gateway.offloadsPerSecond).toBeGreaterThan(10);
  expect(shipped.gateway.acknowledgedPerSecond).toBeGreaterThan(10);
  expect(shipped.gateway.p99Ms).toBeGreaterThanOrEqual(shipped.gateway.p50Ms);
  expect(shipped.paced.p50Ms).toBeGreaterThan(0);
  // Nothing around a teacher makes it cheaper.
  expect(shipped.processorRatio).toBeGreaterThan(0);
  expect(shipped.processorRatio).toBeLessThan(1.1);
}, 60_000);
