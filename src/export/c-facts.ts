/** What an export starts from, and the figures that generated C states of itself. */

import type { Container } from "../model/container.ts";

export type ExportFacts = {
  readonly container: Container;
  /** The first 8 bytes of the container's SHA-256, as hex. */
  readonly modelId: string;
  /** What identifiers and files begin with; in capitals for constants. */
  readonly name: string;
};

/** What a generated file tells of itself; the header states these figures. */
export type CFigures = {
  readonly ramBytes: number;
  readonly tableBytes: number;
  readonly macs: readonly number[];
  readonly selfTest: { readonly seed: number; readonly hashes: readonly number[] };
};
