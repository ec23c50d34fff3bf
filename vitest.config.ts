/** How the tests run: two files at a time, for the machines that we measure on have two cores. */

import { defineConfig } from "vitest/config";

/** Where a script wants the counts, beside what a person reads. */
const report = process.env.BELLWETHER_TEST_REPORT;

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxWorkers: 2,
    reporters: report === undefined ? ["default"] : ["default", ["json", { outputFile: report }]],
  },
});
