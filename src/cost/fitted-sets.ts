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
      window: { mac: 0, output: 2.27, row: 489.67 },
      conv: { mac: 1.44, output: 9.26, row: 88.33 },
      pointwise: { mac: 1.12, output: 13.86, row: 3.12 },
      depthwise: { mac: 3.3, output: 34.31, row: 0 },
      gru: { mac: 1.26, output: 220.19, row: 0 },
      pool: { mac: 0.23, output: 80.4, row: 2367.02 },
      state: { mac: 0, output: 76.71, row: 0 },
      dense: { mac: 3.89, output: 0, row: 0 },
    },
    codeBytes: 5982,
    stateBytes: 104,
    stackBytes: 296,
    errorMedian: 0.023,
    errorWorst: 0.079,
    counted: "QEMU mps2-an386, gcc -O3 with DSP instructions",
  },
  rv32imc: {
    model: {
      window: { mac: 0, output: 3.47, row: 91.25 },
      conv: { mac: 4.63, output: 13.35, row: 63.51 },
      pointwise: { mac: 4.41, output: 19.04, row: 0 },
      depthwise: { mac: 5.35, output: 27.47, row: 0 },
      gru: { mac: 5.31, output: 304.88, row: 0 },
      pool: { mac: 0, output: 137.81, row: 3819.25 },
      state: { mac: 0, output: 96.06, row: 0 },
      dense: { mac: 6.09, output: 0, row: 0 },
    },
    codeBytes: 8556,
    stateBytes: 104,
    stackBytes: 308,
    errorMedian: 0.006,
    errorWorst: 0.055,
    counted: "QEMU virt, gcc -O3 -march=rv32imc_zicsr",
  },
  aarch64: {
    model: {
      window: { mac: 0, output: 3.51, row: 0 },
      conv: { mac: 0.41, output: 33.34, row: 0 },
      pointwise: { mac: 0.24, output: 26.4, row: 0 },
      depthwise: { mac: 14.27, output: 0, row: 0 },
      gru: { mac: 1.63, output: 190.51, row: 1872.71 },
      pool: { mac: 9.07, output: 248.25, row: 0 },
      state: { mac: 0, output: 0, row: 0 },
      dense: { mac: 0, output: 192.8, row: 0 },
    },
    codeBytes: 9000,
    stateBytes: 120,
    stackBytes: 500,
    errorMedian: 0.089,
    errorWorst: 0.257,
    counted: "QEMU user mode, gcc -O3",
  },
};
