/*
 * Little-endian reading and writing with every bound checked, as src/bytes.ts does it.
 *
 * A reader that has once asked for more than there is stays failed and gives zeros, so that a
 * caller reads a whole record and looks once. A writer that is full stays full and writes nothing
 * more. No pointer here is ever cast to a wider type: a frame may begin at any address.
 */
#ifndef BW_BYTES_H
#define BW_BYTES_H

#include <stdint.h>

typedef struct bw_reader {
  const uint8_t *at;
  uint32_t left;
  uint8_t failed;
} bw_reader;

typedef struct bw_writer {
  uint8_t *start;
  uint32_t room;
  uint32_t length;
  uint8_t full;
} bw_writer;

static inline uint16_t bw_get_u16(const uint8_t *at) {
  return (uint16_t)(at[0] | (uint16_t)(at[1] << 8));
}

static inline int16_t bw_get_i16(const uint8_t *at) { return (int16_t)bw_get_u16(at); }

static inline uint32_t bw_get_u32(const uint8_t *at) {
  return (uint32_t)bw_get_u16(at) | ((uint32_t)bw_get_u16(at + 2) << 16);
}

static inline void bw_set_u32(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
  at[2] = (uint8_t)(value >> 16);
  at[3] = (uint8_t)(value >> 24);
}

static inline bw_reader bw_read_from(const uint8_t *bytes, uint32_t length) {
  bw_reader reader = {bytes, length, 0};
  return reader;
}

/* The next bytes where they lie; a null pointer where there are not so many. */
static inline const uint8_t *bw_take(bw_reader *from, uint32_t count) {
  const uint8_t *at = from->at;
  if (from->failed || count > from->left) {
    from->failed = 1;
    return 0;
  }
  from->at += count;
  from->left -= count;
  return at;
}

static inline uint8_t bw_take_u8(bw_reader *from) {
  const uint8_t *at = bw_take(from, 1);
  return at ? at[0] : 0;
}

static inline uint16_t bw_take_u16(bw_reader *from) {
  const uint8_t *at = bw_take(from, 2);
  return at ? bw_get_u16(at) : 0;
}

static inline uint32_t bw_take_u32(bw_reader *from) {
  const uint8_t *at = bw_take(from, 4);
  return at ? bw_get_u32(at) : 0;
}

static inline bw_writer bw_write_to(uint8_t *bytes, uint32_t room) {
  bw_writer writer = {bytes, room, 0, 0};
  return writer;
}

static inline void bw_put_u8(bw_writer *to, uint32_t value) {
  if (to->full || to->length == to->room) {
    to->full = 1;
    return;
  }
  to->start[to->length++] = (uint8_t)value;
}

static inline void bw_put_u16(bw_writer *to, uint32_t value) {
  bw_put_u8(to, value & 255);
  bw_put_u8(to, (value >> 8) & 255);
}

static inline void bw_put_u32(bw_writer *to, uint32_t value) {
  bw_put_u16(to, value & 0xffff);
  bw_put_u16(to, value >> 16);
}

/* Milliseconds since 1970 in 48 bits. */
static inline void bw_put_u48(bw_writer *to, uint64_t value) {
  bw_put_u32(to, (uint32_t)value);
  bw_put_u16(to, (uint32_t)(value >> 32) & 0xffff);
}

/* Bytes for the caller to fill; a null pointer where there are not so many. */
static inline uint8_t *bw_put_room(bw_writer *to, uint32_t count) {
  if (to->full || count > to->room - to->length) {
    to->full = 1;
    return 0;
  }
  to->length += count;
  return to->start + to->length - count;
}

static inline void bw_put_bytes(bw_writer *to, const void *bytes, uint32_t count) {
  const uint8_t *from = (const uint8_t *)bytes;
  if (to->full || count > to->room - to->length) {
    to->full = 1;
    return;
  }
  for (uint32_t i = 0; i < count; i++) to->start[to->length + i] = from[i];
  to->length += count;
}

#endif
