/**
 * The bytes of a model container, as constants. `docs/FORMATS.md` draws them.
 *
 * Flat sections, little-endian, each on a multiple of four bytes: a microcontroller runs a student
 * in place from flash. Sections stand in one fixed order, without gaps other than zeros up to the
 * next multiple of four, and a container has exactly one encoding.
 */

/** "BWSM" as bytes. */
export const CONTAINER_MAGIC = 0x4d53_5742;
/** Of a container without an encoder: its bytes are those of before there were any. */
export const CONTAINER_VERSION = 1;
/** Of one with an encoder: an older node is withheld it, or refuses it. */
export const ENCODER_CONTAINER_VERSION = 2;
/** Of one with operating points, whether or not it has an encoder. Who reads it also knows the frame
 * that moves a node between them. */
export const POINTS_CONTAINER_VERSION = 3;
export const HEADER_BYTES = 32;
export const SECTION_ENTRY_BYTES = 12;
export const STAGE_RECORD_BYTES = 8;
export const LAYER_RECORD_BYTES = 48;

/** In the order in which they stand; `body` and `head` once per stage, alternating. */
export const SECTION = {
  ...{ names: 1, gate: 2, stages: 3, layers: 4, body: 5, head: 6 },
  /** Behind those, where there are any. */
  encoder: 7,
  points: 8,
} as const;

export const OPERATION = { conv: 1, depthwise: 2, gru: 3, denseRelu: 4, denseLogits: 5 } as const;
export const POOL = { mean: 0, state: 1 } as const;
/** In a layer record's flags. */
export const FLAG_CONTINUES = 1;

/** Names, gate, stages, layers, two sections a stage, an encoder and points where there are any. */
export function sectionCount(
  stages: number,
  more: { readonly encoder: boolean; readonly points: boolean },
): number {
  return 4 + 2 * stages + (more.encoder ? 1 : 0) + (more.points ? 1 : 0);
}
