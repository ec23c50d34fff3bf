/*
 * A release put together in flash from chunks that come in any order, twice, or from elsewhere.
 *
 * As src/wire/assembly.ts: a chunk is checked against its hash before it is written, and after a
 * restart every chunk counts whose hash is right. In RAM there is one bit per chunk.
 */
#ifndef BW_ASSEMBLY_H
#define BW_ASSEMBLY_H

#include <stdint.h>

#include "bw_release.h"
#include "bw_slots.h"
#include "bw_update_frames.h"

typedef struct bw_assembly {
  bw_manifest manifest; /* read from the slot's header, where it stays */
  uint16_t missing;
  uint8_t slot;
  uint8_t present[BW_SLOT_CHUNKS_MAX / 8u]; /* bit 0 of byte 0 is the first chunk */
} bw_assembly;

typedef enum bw_chunk_outcome {
  BW_CHUNK_STORED = 0,
  BW_CHUNK_IGNORED = 1,     /* a duplicate, of another release, or not what the hash says */
  BW_CHUNK_FLASH_FAILED = 2
} bw_chunk_outcome;

/* Whether a slot can take a release in chunks of that size: they are written in whole units. */
uint8_t bw_assembly_takes(const bw_manifest *manifest);

/* Looks at what the slot's image holds, and erases the pages that must be written anew. 0: flash
 * refused. */
uint8_t bw_assembly_resume(bw_assembly *assembly, const bw_slots *slots, uint8_t slot,
                           const bw_manifest *manifest);

bw_chunk_outcome bw_assembly_take(bw_assembly *assembly, const bw_slots *slots,
                                  const bw_chunk *chunk);

/* What to ask for next, at most `most` chunks: fills `bitmap` from *first on and returns its bytes,
 * with their number in *count. Something is missing. */
uint16_t bw_assembly_wanted(const bw_assembly *assembly, uint16_t most, uint8_t *bitmap,
                            uint16_t bitmap_room, uint16_t *first, uint16_t *count);

#endif
