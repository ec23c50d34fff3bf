/** Gates with operating points, for tests. */

import fc from "fast-check";
import {
  type GateParameters,
  NEVER_Q8,
  type OperatingPoint,
  uncalibratedGate,
} from "../src/gate/gate-parameters.ts";

/** 2 % and 30 %; those of the golden file. */
export const OPERATING_POINTS: readonly OperatingPoint[] = [
  {
    targetShareQ16: 1311,
    overTeacherCentipoints: -204,
    unsureMarginQ8: 10,
    windowsPerTokenQ8: 8534,
    sureMarginsQ8: [0, 0],
  },
  {
    targetShareQ16: 19661,
    overTeacherCentipoints: 12,
    unsureMarginQ8: 2000,
    windowsPerTokenQ8: 569,
    sureMarginsQ8: [NEVER_Q8, 0],
  },
];

/** For three classes and two exits. */
export function gateWithPoints(): GateParameters {
  const gate = uncalibratedGate({ exits: 2, classes: 3 });
  const offload = { ...gate.offload, rateStepQ16: 1 << 14, rateLimitQ8: 1536 };
  return { ...gate, offload, operatingPoints: OPERATING_POINTS };
}

export const pointsArbitrary: fc.Arbitrary<readonly OperatingPoint[]> = fc
  .uniqueArray(
    fc.record({
      targetShareQ16: fc.integer({ min: 1, max: 65535 }),
      overTeacherCentipoints: fc.integer({ min: -32768, max: 32767 }),
      unsureMarginQ8: fc.integer({ min: 0, max: 5120 }),
      windowsPerTokenQ8: fc.integer({ min: 256, max: 0x3fff_ffff }),
      sureMarginsQ8: fc.array(fc.integer({ min: 0, max: NEVER_Q8 }), {
        minLength: 2,
        maxLength: 2,
      }),
    }),
    { minLength: 1, maxLength: 16, selector: (point) => point.targetShareQ16 },
  )
  .map((points) => [...points].sort((a, b) => a.targetShareQ16 - b.targetShareQ16));
