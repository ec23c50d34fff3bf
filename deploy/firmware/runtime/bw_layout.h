/*
 * The bytes of a model container, as docs/FORMATS.md draws them, and how to read them anywhere.
 *
 * Numbers are put together from bytes, so that no record needs an alignment; compilers make one
 * load of it where the processor can. Tables are different: bw_load has made sure that each stands
 * on a multiple of four, and kernels read them as arrays.
 */
#ifndef BW_LAYOUT_H
#define BW_LAYOUT_H

#include <stdint.h>

#define BW_MAGIC 0x4d535742u /* "BWSM" */
/* Of a container without an encoder, of one with it, and of one with operating points, whether or
 * not it has an encoder. */
#define BW_VERSION 1u
#define BW_ENCODER_VERSION 2u
#define BW_POINTS_VERSION 3u
#define BW_HEADER_BYTES 32u
#define BW_SECTION_ENTRY_BYTES 12u
#define BW_STAGE_RECORD_BYTES 8u
#define BW_LAYER_RECORD_BYTES 48u

enum {
  BW_NAMES = 1,
  BW_GATE = 2,
  BW_STAGES = 3,
  BW_LAYERS = 4,
  BW_BODY = 5,
  BW_HEAD = 6,
  BW_ENCODER = 7,
  BW_POINTS = 8
};
enum { BW_CONV = 1, BW_DEPTHWISE = 2, BW_GRU = 3, BW_DENSE_RELU = 4, BW_DENSE_LOGITS = 5 };
enum { BW_POOL_MEAN = 0, BW_POOL_STATE = 1 };

/* Where fields stand in a layer record; of a GRU the first three are others. */
enum {
  BW_AT_FLAGS = 1,
  BW_AT_KERNEL = 2,
  BW_AT_STRIDE = 4,
  BW_AT_PAD = 6,
  BW_AT_IN_TIME = 8,
  BW_AT_OUT_TIME = 10,
  BW_AT_IN_CHANNELS = 12,
  BW_AT_OUT_CHANNELS = 14,
  BW_AT_TABLES = 16,
  BW_AT_STATE_TABLES = 32,
  BW_AT_PATCH_SAMPLES = 2,
  BW_AT_PATCHES = 4,
  BW_AT_FIRST_PATCH = 6
};

/* Where fields stand in a stage record. */
enum {
  BW_AT_LAYERS = 0,
  BW_AT_HEAD_LAYERS = 1,
  BW_AT_POOL = 2,
  BW_AT_POOL_SHIFT = 3,
  BW_AT_POOL_MULTIPLIER = 4,
  BW_AT_FEATURES = 6
};

/* Where fields stand in the encoder's section; its layer records follow. */
enum {
  BW_AT_STAGES_BEFORE = 0,
  BW_AT_CODE_BITS = 1,
  BW_AT_ENCODER_LAYERS = 2,
  BW_ENCODER_HEAD_BYTES = 4
};

static inline uint32_t bw_u16(const uint8_t *at) {
  return (uint32_t)at[0] | (uint32_t)at[1] << 8;
}

static inline uint32_t bw_u32(const uint8_t *at) {
  return bw_u16(at) | bw_u16(at + 2) << 16;
}

static inline uint32_t bw_aligned(uint32_t length) {
  return (length + 3u) & ~3u;
}

/* Zeros that a convolution wants around its input, before and behind together, in samples. */
static inline uint32_t bw_margin(const uint8_t *layer) {
  uint32_t reach = (bw_u16(layer + BW_AT_OUT_TIME) - 1u) * bw_u16(layer + BW_AT_STRIDE) +
                   bw_u16(layer + BW_AT_KERNEL);
  uint32_t time = bw_u16(layer + BW_AT_IN_TIME);
  return reach > time ? reach - time : 0u;
}

#endif
