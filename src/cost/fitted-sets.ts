/**
 * The instruction models that are in use, fitted to exact counts of the interpreter, on random
 * students, and tested on others; made by
 *
 *     npm run -s bench -- cost --write yes
 *
 * Whoever changes a kernel runs it again: a test fails where the model of the Cortex-M4 is too far off.
 * No processor was timed.
 */

import type { Fitted } from "./fitted.ts";
import type { InstructionSet } from "./targets.ts";

/** On aarch64 the bytes are guesses, which do not matter there. */
export const FITTED: Readonly<Record<InstructionSet, Fitted>> = {
  "cortex-m4": {
    model: {
      window: { mac: 0, output: 2.38, row: 563.3 },
      conv: { mac: 1.42, output: 12.9, row: 90.32 },
      pointwise: { mac: 1.13, output: 16.38, row: 18.04 },
      depthwise: { mac: 3.05, output: 33.89, row: 0 },
      gru: { mac: 1.25, output: 284.42, row: 0 },
      pool: { mac: 0, output: 66.7, row: 2350.74 },
      state: { mac: 0, output: 63.27, row: 0 },
      dense: { mac: 4.62, output: 0, row: 0 },
    },
    codeBytes: 5968,
    stateBytes: 100,
    stackBytes: 280,
    errorMedian: 0.021,
    errorWorst: 0.075,
    counted: "QEMU mps2-an386, gcc -O3 with DSP instructions",
  },
  rv32imc: {
    model: {
      window: { mac: 0, output: 3.9, row: 0 },
      conv: { mac: 4.61, output: 15.97, row: 59.94 },
      pointwise: { mac: 4.4, output: 21.09, row: 0 },
      depthwise: { mac: 7.34, output: 31.72, row: 0 },
      gru: { mac: 4.64, output: 463.1, row: 0 },
      pool: { mac: 0, output: 133.9, row: 3326.46 },
      state: { mac: 0, output: 106.52, row: 0 },
      dense: { mac: 6.6, output: 0, row: 0 },
    },
    codeBytes: 8382,
    stateBytes: 100,
    stackBytes: 308,
    errorMedian: 0.012,
    errorWorst: 0.048,
    counted: "QEMU virt, gcc -O3 -march=rv32imc_zicsr",
  },
  aarch64: {
    model: {
      window: { mac: 0, output: 5.87, row: 0 },
      conv: { mac: 0.41, output: 45.4, row: 0 },
      pointwise: { mac: 0.2, output: 37.14, row: 0 },
      depthwise: { mac: 15.89, output: 0, row: 0 },
      gru: { mac: 1.59, output: 183.52, row: 1866.61 },
      pool: { mac: 11.14, output: 274.99, row: 0 },
      state: { mac: 0, output: 0, row: 0 },
      dense: { mac: 0, output: 151.17, row: 0 },
    },
    codeBytes: 9000,
    stateBytes: 120,
    stackBytes: 500,
    errorMedian: 0.085,
    errorWorst: 0.256,
    counted: "QEMU user mode, gcc -O3",
  },
};
