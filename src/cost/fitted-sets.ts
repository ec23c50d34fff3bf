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
      window: { mac: 0, output: 4.04, row: 0 },
      conv: { mac: 4.61, output: 13.67, row: 61.84 },
      pointwise: { mac: 4.41, output: 19.17, row: 0 },
      depthwise: { mac: 5.4, output: 27.22, row: 0 },
      gru: { mac: 4.38, output: 467.12, row: 0 },
      pool: { mac: 0, output: 133.25, row: 4084.46 },
      state: { mac: 0, output: 124.4, row: 0 },
      dense: { mac: 5.92, output: 0, row: 0 },
    },
    codeBytes: 8626,
    stateBytes: 104,
    stackBytes: 308,
    errorMedian: 0.013,
    errorWorst: 0.054,
    counted: "QEMU virt, gcc -O3 -march=rv32imc_zicsr",
  },
  aarch64: {
    model: {
      window: { mac: 0, output: 1.67, row: 0 },
      conv: { mac: 0.41, output: 29.5, row: 0 },
      pointwise: { mac: 0.23, output: 20.88, row: 0 },
      depthwise: { mac: 10.62, output: 0, row: 0 },
      gru: { mac: 1.83, output: 157.2, row: 2238.26 },
      pool: { mac: 15.69, output: 295.52, row: 0 },
      state: { mac: 0, output: 0, row: 0 },
      dense: { mac: 4.08, output: 83.95, row: 0 },
    },
    codeBytes: 9000,
    stateBytes: 120,
    stackBytes: 500,
    errorMedian: 0.096,
    errorWorst: 0.304,
    counted: "QEMU user mode, gcc -O3",
  },
};
