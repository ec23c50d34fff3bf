/** The benchmark of credentials runs, with figures that hang together. */

import { expect, it } from "vitest";
import { run, type Timed } from "../bench/access.ts";
import { quickOptions } from "./benchmark-options.ts";

it("measures logins, joins and connections", async () => {
  const result = await run(quickOptions());
  expect(result.ok).toBe(true);
  const figures = result.figures as Record<"first" | "again" | "joined" | "plain" | "tls", Timed>;
  // Remembered passwords are what makes a herd's return cheap.
  expect(figures.again.seconds).toBeLessThan(figures.first.seconds);
  for (const name of ["joined", "plain", "tls"] as const) {
    expect(figures[name].count).toBeGreaterThan(0);
    expect(figures[name].seconds).toBeGreaterThan(0);
  }
});
