/*
 * Kernels for a student that was compiled in: weights packed at export, shapes known to the compiler.
 *
 * `bellwether export c` writes tables for these and calls them. They are not what runs a container:
 * a container's layout is plain, so that it can be read in place, and has kernels of its own. The
 * bits are the same, those of src/engine/kernels.ts.
 *
 * Why packed. A Cortex-M4 multiplies two pairs of int16 at once (SMLAD) but must first widen int8 to
 * int16. Here inputs are widened once for all rows, into a scratch block of four output samples:
 *
 *   scratch [column pair][4 samples][2 columns] int16
 *   weights [row pair][column pair][row 0 column 0, row 1 column 0, row 0 column 1, row 1 column 1]
 *
 * so that one word of weights and four words of scratch give 16 multiply-accumulates in 8 SMLAD and
 * 2 SXTB16. Columns are filled up to pairs and rows to
 * fours, with zero weights. The same tables serve processors
 * without SMLAD; only the loop differs.
 *
 * Everything trusts its arguments: the exporter has checked the student. Blocks of RAM are on
 * multiples of four; int8 inputs may lie anywhere.
 */
#ifndef BW_KERNELS_PACKED_H
#define BW_KERNELS_PACKED_H

#include <stdint.h>

#include "bw_packed_blocks.h"

typedef struct bw_matrix {
  const int8_t *weights; /* packed as drawn above */
  const bw_row *rows;
  int32_t row_count;
  int32_t columns;
  int32_t lift; /* of all rows */
} bw_matrix;

typedef struct bw_depthwise {
  const int8_t *weights; /* [kernel][channel], as the container has them */
  const bw_row *rows;
  int32_t channels;
  int32_t kernel;
  int32_t lift;
} bw_depthwise;

typedef struct bw_gru {
  bw_matrix input; /* 3 * hidden rows, patch columns */
  bw_matrix state; /* 3 * hidden rows, hidden columns */
  const int16_t *sigmoid; /* 257 nodes, docs/FORMATS.md */
  const int16_t *tanh;
  int32_t hidden;
} bw_gru;

/* out is int8 for BW_RELU8 and BW_SAT8, int16 for BW_SAT16: `at` counts elements. */
static inline void bw_store(void *out, int32_t at, int32_t value, int32_t mode) {
  if (mode == BW_SAT16) ((int16_t *)out)[at] = (int16_t)value;
  else ((int8_t *)out)[at] = (int8_t)value;
}

/* All rows of `m` on a scratch block of four samples; out is [sample][row]. */
static inline void bw_rows4(const bw_matrix *m, const int16_t *x, void *out, int32_t mode) {
  const int32_t pairs = (m->columns + 1) / 2;
  const int32_t n = m->row_count;
  int32_t r = 0;
#if BW_PACKED_DSP
  if (mode == BW_RELU8 && m->lift == 0) {
    bw_pairs4_relu(x, m->weights, m->rows, pairs, (int8_t *)out, n);
    r = n & ~1;
  }
#endif
  const int8_t *w = m->weights + 2 * r * pairs;
  for (; r < n; r += 2, w += 4 * pairs) {
    const bw_row *row = m->rows + r;
    const int32_t a = row[0].bias;
    const int32_t b = row[1].bias;
    int32_t sums[8] = {a, a, a, a, b, b, b, b};
    bw_block4(x, w, pairs, sums);
    for (int32_t t = 0; t < 4; t++) {
      bw_store(out, t * n + r, bw_rescale(sums[t], row[0].scale, m->lift, mode), mode);
    }
    if (r + 1 == n) break;
    for (int32_t t = 0; t < 4; t++) {
      bw_store(out, t * n + r + 1, bw_rescale(sums[4 + t], row[1].scale, m->lift, mode), mode);
    }
  }
}

/* All rows of `m` on one vector; out is [row]. */
static inline void bw_rows1(const bw_matrix *m, const int16_t *x, void *out, int32_t mode) {
  const int32_t pairs = (m->columns + 1) / 2;
  const int8_t *w = m->weights;
  for (int32_t r = 0; r < m->row_count; r += 4, w += 8 * pairs) {
    const bw_row *row = m->rows + r;
    int32_t sums[4] = {row[0].bias, row[1].bias, row[2].bias, row[3].bias};
    bw_block1(x, w, pairs, sums);
    for (int32_t i = 0; i < 4 && r + i < m->row_count; i++) {
      bw_store(out, r + i, bw_rescale(sums[i], row[i].scale, m->lift, mode), mode);
    }
  }
}

/* Convolution with ReLU: output sample t reads `columns` int8 at in + t * step; out is
 * [times][row]. The last block of four samples may repeat some of the one before. */
BW_SHARED void bw_packed_conv(const bw_matrix *m, const int8_t *in, int32_t step, int8_t *out,
                                  int32_t times, int16_t *scratch) {
  if (times < 4) {
    for (int32_t t = 0; t < times; t++) {
      bw_widen(scratch, in + t * step, m->columns, 0, 1);
      bw_rows1(m, scratch, out + t * m->row_count, BW_RELU8);
    }
    return;
  }
  for (int32_t t = 0; t < times; t += 4) {
    if (t > times - 4) t = times - 4;
    bw_widen(scratch, in + t * step, m->columns, step, 4);
    bw_rows4(m, scratch, out + t * m->row_count, BW_RELU8);
  }
}

/* A dense layer: in is [column] int8. */
BW_SHARED void bw_packed_dense(const bw_matrix *m, const int8_t *in, void *out, int32_t mode,
                                   int16_t *scratch) {
  bw_widen(scratch, in, m->columns, 0, 1);
  bw_rows1(m, scratch, out, mode);
}

/* One channel of one sample. */
static inline void bw_depthwise_one(const bw_depthwise *d, const int8_t *in, int32_t c,
                                    int8_t *out) {
  int32_t sum = d->rows[c].bias;
  for (int32_t k = 0; k < d->kernel; k++) {
    sum += d->weights[k * d->channels + c] * in[k * d->channels + c];
  }
  out[c] = (int8_t)bw_rescale(sum, d->rows[c].scale, d->lift, BW_RELU8);
}

#if BW_PACKED_DSP
/* Four channels of two samples, `step` bytes apart in the input. */
static inline void bw_depthwise_four(const bw_depthwise *d, const int8_t *in, int32_t step,
                                     int32_t c, int8_t *out) {
  const bw_row *rows = d->rows + c;
  int32_t a0 = rows[0].bias, a1 = rows[1].bias, a2 = rows[2].bias, a3 = rows[3].bias;
  int32_t b0 = a0, b1 = a1, b2 = a2, b3 = a3;
  const int8_t *w = d->weights + c;
  const int8_t *x = in + c;
  for (int32_t k = 0; k < d->kernel; k++, w += d->channels, x += d->channels) {
    const uint32_t weights = bw_load32(w);
    const int32_t even = bw_even_bytes(weights);
    const int32_t odd = bw_odd_bytes(weights);
    const uint32_t first = bw_load32(x);
    const int32_t even0 = bw_even_bytes(first);
    const int32_t odd0 = bw_odd_bytes(first);
    a0 = __smlabb(even, even0, a0);
    a1 = __smlabb(odd, odd0, a1);
    a2 = __smlatt(even, even0, a2);
    a3 = __smlatt(odd, odd0, a3);
    const uint32_t second = bw_load32(x + step);
    const int32_t even1 = bw_even_bytes(second);
    const int32_t odd1 = bw_odd_bytes(second);
    b0 = __smlabb(even, even1, b0);
    b1 = __smlabb(odd, odd1, b1);
    b2 = __smlatt(even, even1, b2);
    b3 = __smlatt(odd, odd1, b3);
  }
  int8_t *to = out + c;
  const int32_t n = d->channels;
  to[0] = (int8_t)bw_rescale(a0, rows[0].scale, d->lift, BW_RELU8);
  to[n] = (int8_t)bw_rescale(b0, rows[0].scale, d->lift, BW_RELU8);
  to[1] = (int8_t)bw_rescale(a1, rows[1].scale, d->lift, BW_RELU8);
  to[n + 1] = (int8_t)bw_rescale(b1, rows[1].scale, d->lift, BW_RELU8);
  to[2] = (int8_t)bw_rescale(a2, rows[2].scale, d->lift, BW_RELU8);
  to[n + 2] = (int8_t)bw_rescale(b2, rows[2].scale, d->lift, BW_RELU8);
  to[3] = (int8_t)bw_rescale(a3, rows[3].scale, d->lift, BW_RELU8);
  to[n + 3] = (int8_t)bw_rescale(b3, rows[3].scale, d->lift, BW_RELU8);
}
#endif

/* Depthwise convolution with ReLU: output sample t reads [kernel][channel] at in + t * step. */
BW_SHARED void bw_packed_depthwise(const bw_depthwise *d, const int8_t *in, int32_t step,
                                       int8_t *out, int32_t times) {
  int32_t done = 0; /* channels of all samples */
#if BW_PACKED_DSP
  if (times >= 2) {
    done = d->channels & ~3;
    for (int32_t t = 0; t < times; t += 2) {
      if (t > times - 2) t = times - 2;
      for (int32_t c = 0; c < done; c += 4) {
        bw_depthwise_four(d, in + t * step, step, c, out + t * d->channels);
      }
    }
  }
#endif
  if (done == d->channels) return;
  for (int32_t t = 0; t < times; t++) {
    for (int32_t c = done; c < d->channels; c++) {
      bw_depthwise_one(d, in + t * step, c, out + t * d->channels);
    }
  }
}

/* Mean over time: in is [times][channel], out [channel]. */
BW_SHARED void bw_packed_mean(const int8_t *in, int32_t times, int32_t channels, int32_t scale,
                              int32_t lift, int8_t *out) {
  int32_t c = 0;
#if BW_PACKED_DSP
  /* Two sums in one word: 256 times -128 is what an int16 holds. */
  for (; times <= 256 && c + 4 <= channels; c += 4) {
    int16x2_t even = 0;
    int16x2_t odd = 0;
    for (int32_t t = 0; t < times; t++) {
      const uint32_t word = bw_load32(in + t * channels + c);
      even = __sxtab16(even, (int8x4_t)word);
      __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(odd) : "r"(word));
    }
    out[c] = (int8_t)bw_rescale((int16_t)even, scale, lift, BW_SAT8);
    out[c + 1] = (int8_t)bw_rescale((int16_t)odd, scale, lift, BW_SAT8);
    out[c + 2] = (int8_t)bw_rescale(even >> 16, scale, lift, BW_SAT8);
    out[c + 3] = (int8_t)bw_rescale(odd >> 16, scale, lift, BW_SAT8);
  }
#endif
  for (; c < channels; c++) {
    int32_t sum = 0;
    for (int32_t t = 0; t < times; t++) sum += in[t * channels + c];
    out[c] = (int8_t)bw_rescale(sum, scale, lift, BW_SAT8);
  }
}

/* A GRU's state, Q15, to int8 features. */
static inline void bw_packed_state(const int16_t *state, int32_t hidden, int8_t *out) {
  for (int32_t j = 0; j < hidden; j++) {
    out[j] = (int8_t)bw_saturate((state[j] + 128) >> 8, BW_SAT8);
  }
}

/* The table at a Q3.12 number: between nodes, rounded half up. */
static inline int32_t bw_look_up(const int16_t *nodes, int32_t x) {
  const int32_t position = x + 32768;
  const int16_t *node = nodes + (position >> 8);
  return node[0] + (((node[1] - node[0]) * (position & 255) + 128) >> 8);
}

/* One step: a and u are [3 * hidden] Q3.12 from the input and from the state. */
static inline void bw_gru_step(const bw_gru *g, const int16_t *a, const int16_t *u,
                               int16_t *state) {
  const int32_t hidden = g->hidden;
  for (int32_t j = 0; j < hidden; j++) {
    const int32_t reset = bw_look_up(g->sigmoid, bw_saturate(a[j] + u[j], BW_SAT16));
    const int32_t update =
        bw_look_up(g->sigmoid, bw_saturate(a[hidden + j] + u[hidden + j], BW_SAT16));
    const int32_t gated = (reset * u[2 * hidden + j] + 16384) >> 15;
    const int32_t fresh = bw_look_up(g->tanh, bw_saturate(a[2 * hidden + j] + gated, BW_SAT16));
    state[j] = (int16_t)(fresh + ((update * (state[j] - fresh) + 16384) >> 15));
  }
}

/* Reads `patches` patches of input columns each at `in`; the state, [hidden] Q15 and zero behind an
 * odd hidden, goes on. scratch is one widened block, a [4][3 * hidden], u [3 * hidden]. */
BW_SHARED void bw_packed_gru(const bw_gru *g, const int8_t *in, int32_t patches,
                                 int16_t *state, int16_t *a, int16_t *u, int16_t *scratch) {
  const int32_t columns = g->input.columns;
  const int32_t block = patches < 4 ? 1 : 4;
  for (int32_t p = 0; p < patches; p += block) {
    /* The last block starts early enough to be whole, and its first sums are not used again. */
    const int32_t first = p > patches - block ? patches - block : p;
    if (block == 4) {
      bw_widen(scratch, in + first * columns, columns, columns, 4);
      bw_rows4(&g->input, scratch, a, BW_SAT16);
    } else {
      bw_widen(scratch, in + first * columns, columns, 0, 1);
      bw_rows1(&g->input, scratch, a, BW_SAT16);
    }
    for (int32_t i = p - first; i < block; i++) {
      bw_rows1(&g->state, state, u, BW_SAT16);
      bw_gru_step(g, a + i * 3 * g->hidden, u, state);
    }
  }
}

#endif
