/* The four frames of an update, byte for byte as in docs/FORMATS.md. Others belong to bw_frames. */
#ifndef BW_UPDATE_FRAMES_H
#define BW_UPDATE_FRAMES_H

#include <stdint.h>

#include "bw_release.h"

#define BW_FRAME_WANT 0x04
#define BW_FRAME_OUTCOME 0x05
#define BW_FRAME_OFFER 0x83
#define BW_FRAME_CHUNK 0x84

#define BW_WANT_FRAME_HEAD_BYTES 18u

/* Both point into the frame that they were read from. */
typedef struct bw_offer {
  const uint8_t *signature; /* 64 bytes */
  const uint8_t *manifest;
  uint32_t manifest_bytes;
} bw_offer;

typedef struct bw_chunk {
  const uint8_t *bytes;
  uint32_t sequence;
  uint16_t index;
  uint16_t length; /* 1 to BW_CHUNK_BYTES_MAX */
} bw_chunk;

/* 0: no such frame. */
uint8_t bw_read_offer(bw_offer *offer, const uint8_t *frame, uint32_t length);
uint8_t bw_read_chunk(bw_chunk *chunk, const uint8_t *frame, uint32_t length);

/* The frame's length; 0 where there is no room for it. */
uint32_t bw_write_outcome(uint8_t *frame, uint32_t room, uint32_t sequence,
                          const uint8_t model[BW_MODEL_ID_BYTES], bw_outcome outcome);
uint32_t bw_write_want(uint8_t *frame, uint32_t room, uint32_t sequence,
                       const uint8_t model[BW_MODEL_ID_BYTES], uint16_t first_chunk,
                       const uint8_t *bitmap, uint16_t bitmap_bytes);

#endif
