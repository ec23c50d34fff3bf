/*
 * The interpreter's integer kernels: what src/engine/kernels.ts defines, in C99, to the same bits,
 * over tables as a container has them. Exported code has packed tables, and bw_kernels_packed.h.
 *
 * They trust their arguments: bw_load has proved that shapes fit and that no sum leaves an int32.
 * Here is what all processors share; the loops over weights are in bw_kernels_dsp.h for Cortex-M4
 * and up, and in bw_kernels_portable.h for all others and where BW_PORTABLE is defined:
 *
 *   bw_conv       [time][channel] int8 to [time][row] int8, with ReLU
 *   bw_depthwise  [time][channel] int8 to the same, with ReLU
 *   bw_dense      [column] int8 to [row] int16: dense layers, and a GRU's pre-activations
 *   bw_dense_16   [column] int16 to [row] int16
 *
 * Their heart is the rescaling of sums, which has a fast form for all rows met in practice.
 */
#ifndef BW_KERNELS_H
#define BW_KERNELS_H

#include <stdint.h>

#define BW_INLINE static inline __attribute__((always_inline))
/* What runs once a value: fast. It is in the program once, whoever calls it. */
#define BW_KERNEL static __attribute__((noinline, hot, unused))
/* What runs once a layer: small. */
#define BW_SMALL __attribute__((cold))

/* Shifts of negative numbers must round down. Every compiler that we know does; this proves it. */
typedef char bw_shifts_round_down[(-3 >> 1) == -2 ? 1 : -1];

/* Rows of int8 weights and what belongs to each row. `weights` is [row][column] but for a depthwise
 * convolution, where it is [column][row] and a column is one sample of the kernel. At least four
 * bytes that may be read follow the last weight: biases do. */
typedef struct bw_rows {
  const int8_t *weights;
  const int32_t *biases;
  const int16_t *multipliers; /* 16384..32767 */
  const uint8_t *shifts;      /* 1..46 */
  int32_t count;
  int32_t columns;
  uint32_t fast; /* bw_fast_form of the shifts */
} bw_rows;

/* The rule itself, for every shift: (sum * m + 2^(s-1)) >> s, saturated to int16. What is saturated
 * to int8 afterwards is what int8 alone would have given. */
BW_KERNEL int32_t bw_exactly(int32_t sum, int32_t multiplier, uint32_t shift) {
  /* One bit more than asked for, so that half of the last step is one. */
  const int64_t twice = ((int64_t)sum * multiplier) >> (shift - 1u);
  const int64_t value = (twice + 1) >> 1;
  return value < -32768 ? -32768 : value > 32767 ? 32767 : (int32_t)value;
}

/* The same of one of some rows. */
BW_INLINE int32_t bw_exact_row(const bw_rows *rows, int32_t row, int32_t sum) {
  return bw_exactly(sum, rows->multipliers[row], rows->shifts[row]);
}

/*
 * Fast rows. With shifts of 16 to 32 only, the rule is the upper half of one product, rounded:
 * (sum * (m << (32 - s)) + 2^31) >> 32. With shifts of 12 to 26 only, it is that of sum << 4 and
 * m << (28 - s), once the sum is saturated to 28 bits: a sum beyond gives 2^27 * 2^14 / 2^26 or
 * more, which saturates an int16. `fast` is 32 or 28, or 0 where rows are neither.
 */
#define BW_FAST 32u
#define BW_LIFTED 28u

BW_INLINE uint32_t bw_fast_form(const uint8_t *shifts, int32_t count) {
  int32_t least = 255;
  int32_t most = 0;
  for (int32_t row = 0; row < count; row++) {
    least = shifts[row] < least ? shifts[row] : least;
    most = shifts[row] > most ? shifts[row] : most;
  }
  if (least >= 16 && most <= 32) return BW_FAST;
  return least >= 12 && most <= 26 ? BW_LIFTED : 0;
}

#if defined(__ARM_FEATURE_DSP) && !defined(BW_PORTABLE)
#include "bw_kernels_dsp.h"
#else
#include "bw_kernels_portable.h"
#endif

/* output[c] = saturate8(rescale(sum over t of input[t][c])). */
BW_KERNEL void bw_mean_pool(const int8_t *input, uint32_t times, uint32_t channels,
                            int32_t multiplier, uint32_t shift, int8_t *output) {
  for (const int8_t *const end = input + channels; input != end; input++) {
    const int8_t *at = input;
    int32_t sum = 0;
    for (uint32_t left = times; left > 0; left--, at += channels) sum += *at;
    *output++ = (int8_t)bw_saturate8(bw_exactly(sum, multiplier, shift));
  }
}

/* A dense layer's ReLU: int16 to 0..127, where they are. */
BW_INLINE void bw_relu(int16_t *values, int32_t count) {
  for (int32_t i = 0; i < count; i++) values[i] = (int16_t)bw_relu8(values[i]);
}

/* A GRU's state in Q15 as int8 features: saturate8((h + 128) >> 8). */
BW_INLINE void bw_state_pool(const int16_t *state, int32_t hidden, int8_t *output) {
  for (int32_t j = 0; j < hidden; j++) {
    output[j] = (int8_t)bw_saturate8((state[j] + 128) >> 8);
  }
}

/* A table of 257 nodes at an int16 Q3.12 number: between nodes, rounded half up. */
BW_KERNEL int32_t bw_look_up(const int16_t *nodes, int32_t x_q12) {
  const int16_t *at = nodes + 128 + (x_q12 >> 8);
  return at[0] + (((at[1] - at[0]) * (x_q12 & 255) + 128) >> 8);
}

/*
 * One step of a GRU, gates in the order reset, update, new; state[hidden] in Q15 before and after.
 * `from_input` and `from_state` are [3 * hidden] in Q3.12.
 */
BW_KERNEL void bw_gru_update(const int16_t *from_input, const int16_t *from_state, int32_t hidden,
                             const int16_t *sigmoid, const int16_t *tanh, int16_t *state) {
  for (int32_t j = 0; j < hidden; j++) {
    int32_t u = hidden + j;
    int32_t n = 2 * hidden + j;
    int32_t reset = bw_look_up(sigmoid, bw_saturate16(from_input[j] + from_state[j]));
    int32_t update = bw_look_up(sigmoid, bw_saturate16(from_input[u] + from_state[u]));
    int32_t gated = (reset * from_state[n] + 16384) >> 15;
    int32_t fresh = bw_look_up(tanh, bw_saturate16(from_input[n] + gated));
    /* |update * (h - fresh)| <= 32767 * 65535 < 2^31, and the new state lies between the two. */
    state[j] = (int16_t)(fresh + ((update * (state[j] - fresh) + 16384) >> 15));
  }
}

#endif
