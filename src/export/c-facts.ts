/** What an export starts from, and the figures that generated C states of itself. */

import type { Container } from "../model/container.ts";

export type ExportFacts = {
  readonly container: Container;
  /** The first 8 bytes of the container's SHA-256, as hex. */
  readonly modelId: string;
  /** What identifiers and files begin with; in capitals for constants. */
  readonly name: string;
  /** The first 4 bytes of the SHA-256 of the encoder's section, as hex: what codes name. Left out, the
   * header does not tell it. */
  readonly encoderId?: string;
};

/** What a generated file tells of itself; the header states these figures. */
export type CFigures = {
  readonly ramBytes: number;
  readonly tableBytes: number;
  readonly macs: readonly number[];
  /** A hash for each exit, then one of the codes where there is an encoder. */
  readonly selfTest: { readonly seed: number; readonly hashes: readonly number[] };
  readonly encoder?: EncoderFigures;
};

export type EncoderFigures = {
  readonly macs: number;
  readonly codes: number;
  readonly codeBits: number;
  /** Packed, as they are sent. */
  readonly codeBytes: number;
};
