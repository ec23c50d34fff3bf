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
      window: { mac: 0, output: 2.26, row: 346.21 },
      conv: { mac: 1.38, output: 9.64, row: 88.71 },
      pointwise: { mac: 1.06, output: 13.9, row: 12.85 },
      depthwise: { mac: 2.94, output: 30.76, row: 0 },
      gru: { mac: 1.21, output: 212.49, row: 0 },
      pool: { mac: 0, output: 78.32, row: 2652.56 },
      state: { mac: 0, output: 66.54, row: 0 },
      dense: { mac: 3.95, output: 0, row: 0 },
    },
    codeBytes: 6792,
    stateBytes: 100,
    stackBytes: 288,
    errorMedian: 0.025,
    errorWorst: 0.079,
    counted: "QEMU mps2-an386, gcc -O3 with DSP instructions",
  },
  rv32imc: {
    model: {
      window: { mac: 0, output: 3.8, row: 0 },
      conv: { mac: 4.63, output: 24.73, row: 68.94 },
      pointwise: { mac: 4.38, output: 30.26, row: 0 },
      depthwise: { mac: 7.28, output: 36.43, row: 0 },
      gru: { mac: 4.64, output: 458.95, row: 0 },
      pool: { mac: 0, output: 131.67, row: 3103.41 },
      state: { mac: 0, output: 89.56, row: 0 },
      dense: { mac: 6.78, output: 0, row: 0 },
    },
    codeBytes: 8848,
    stateBytes: 100,
    stackBytes: 388,
    errorMedian: 0.013,
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
