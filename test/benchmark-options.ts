/** The options with which a test runs a benchmark: quick, in silence, nothing chosen. */

import type { BenchmarkOptions } from "../bench/benchmark.ts";

export function quickOptions(chosen: Partial<BenchmarkOptions> = {}): BenchmarkOptions {
  return {
    data: undefined,
    quick: true,
    dataset: undefined,
    train: [],
    test: [],
    shift: [],
    seeds: undefined,
    student: undefined,
    rotate: undefined,
    extra: {},
    progress: () => undefined,
    signal: new AbortController().signal,
    ...chosen,
  };
}
