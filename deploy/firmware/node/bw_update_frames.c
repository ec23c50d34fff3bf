/* Frames of an update: two are read, two are written. */

#include "bw_update_frames.h"

#include "bw_bytes.h"


#define CHUNKS_MAX 2048u

static bw_reader open_frame(const uint8_t *frame, uint32_t length, uint8_t type) {
  bw_reader from = bw_read_from(frame, length);
  if (bw_take_u8(&from) != BW_FRAME_VERSION || bw_take_u8(&from) != type) from.failed = 1;
  return from;
}

uint8_t bw_read_offer(bw_offer *offer, const uint8_t *frame, uint32_t length) {
  bw_reader from = open_frame(frame, length, BW_FRAME_OFFER);
  offer->signature = bw_take(&from, 64);
  offer->manifest_bytes = bw_take_u16(&from);
  if (offer->manifest_bytes < 1 || offer->manifest_bytes > BW_MANIFEST_BYTES_MAX) return 0;
  offer->manifest = bw_take(&from, offer->manifest_bytes);
  return !from.failed && from.left == 0;
}

uint8_t bw_read_chunk(bw_chunk *chunk, const uint8_t *frame, uint32_t length) {
  bw_reader from = open_frame(frame, length, BW_FRAME_CHUNK);
  chunk->sequence = bw_take_u32(&from);
  chunk->index = bw_take_u16(&from);
  chunk->length = bw_take_u16(&from);
  if (chunk->index >= CHUNKS_MAX) return 0;
  if (chunk->length < 1 || chunk->length > BW_CHUNK_BYTES_MAX) return 0;
  chunk->bytes = bw_take(&from, chunk->length);
  return !from.failed && from.left == 0;
}

static bw_writer start_frame(uint8_t *frame, uint32_t room, uint8_t type, uint32_t sequence,
                             const uint8_t *model) {
  bw_writer to = bw_write_to(frame, room);
  bw_put_u8(&to, BW_FRAME_VERSION);
  bw_put_u8(&to, type);
  bw_put_u32(&to, sequence);
  bw_put_bytes(&to, model, BW_MODEL_ID_BYTES);
  return to;
}

uint32_t bw_write_outcome(uint8_t *frame, uint32_t room, uint32_t sequence,
                          const uint8_t model[BW_MODEL_ID_BYTES], bw_outcome outcome) {
  bw_writer to = start_frame(frame, room, BW_FRAME_OUTCOME, sequence, model);
  bw_put_u8(&to, (uint8_t)outcome);
  return to.full ? 0 : to.length;
}

uint32_t bw_write_want(uint8_t *frame, uint32_t room, uint32_t sequence,
                       const uint8_t model[BW_MODEL_ID_BYTES], uint16_t first_chunk,
                       const uint8_t *bitmap, uint16_t bitmap_bytes) {
  bw_writer to = start_frame(frame, room, BW_FRAME_WANT, sequence, model);
  bw_put_u16(&to, first_chunk);
  bw_put_u16(&to, bitmap_bytes);
  bw_put_bytes(&to, bitmap, bitmap_bytes);
  return to.full ? 0 : to.length;
}
