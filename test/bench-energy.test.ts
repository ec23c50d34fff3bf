/** The energy benchmark, tiny: its figures stand in the relations that they must. */

import { expect, it } from "vitest";
import { run } from "../bench/energy.ts";
import type { DayEnergy } from "../src/link/energy-day.ts";
import { quickOptions } from "./benchmark-options.ts";

type Row = { profile: string; link: string; strategy: string; energy: DayEnergy | null };

it("estimates days on every link", async () => {
  const result = await run(quickOptions());
  expect(result.ok).toBe(true);
  const { rows } = result.figures as { rows: Row[] };
  expect(rows.length).toBe(2 * 6 * 7);
  const energy = (profile: string, link: string, strategy: string): DayEnergy => {
    const row = rows.find(
      (one) => one.profile === profile && one.link === link && one.strategy === strategy,
    );
    if (row === undefined || row.energy === null) throw new Error(`no ${link}, ${strategy}`);
    return row.energy;
  };
  for (const profile of ["cattle", "people"]) {
    for (const link of ["BLE", "Wi-Fi, associated", "LoRaWAN DR5"]) {
      const local = energy(profile, link, "always local");
      const raw = energy(profile, link, "always raw");
      const gated = energy(profile, link, "gated raw");
      expect(local.inferenceMillijoule).toBeGreaterThan(0);
      expect(raw.inferenceMillijoule).toBe(0);
      expect(gated.airtimeSeconds).toBeGreaterThan(local.airtimeSeconds);
      expect(gated.airtimeSeconds).toBeLessThan(raw.airtimeSeconds);
      const four = energy(profile, link, "gated raw, 4 bits");
      expect(four.airtimeSeconds).toBeLessThan(gated.airtimeSeconds);
      const { inferenceMillijoule, radioMillijoule, restMillijoule } = gated;
      const sum = inferenceMillijoule + radioMillijoule + restMillijoule;
      expect(gated.totalMillijoule).toBeCloseTo(sum, 6);
    }
    expect(energy(profile, "BLE", "always raw").carried).toBe(1);
    expect(energy(profile, "LoRaWAN DR5", "always raw").carried).toBeLessThan(0.2);
  }
  // Codes fit everywhere, also where windows do not, and take less of the air than any.
  for (const { energy: day, link } of rows.filter(({ strategy }) => /codes/.test(strategy))) {
    expect(day?.totalMillijoule, link).toBeGreaterThan(0);
  }
  for (const profile of ["cattle", "people"]) {
    for (const link of ["BLE", "Wi-Fi, associated", "LoRaWAN DR5", "LoRaWAN DR3"]) {
      const [two, large, small] = ["raw, 2 bits", "codes, 40 B", "codes, 28 B"].map((name) =>
        energy(profile, link, `gated ${name}`),
      );
      const four = energy(profile, link, "gated raw, 4 bits");
      const onAir = [small, large, two, four].map((day) => Number(day?.airtimeSeconds));
      expect(onAir).toEqual([...onAir].sort((a, b) => a - b));
      const local = energy(profile, link, "always local");
      expect(small?.inferenceMillijoule).toBeGreaterThan(local.inferenceMillijoule);
      expect(two?.inferenceMillijoule).toBe(local.inferenceMillijoule);
    }
  }
});
