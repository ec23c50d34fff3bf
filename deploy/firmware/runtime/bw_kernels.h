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
 * Rescaling has a fast form for all rows that are met in practice.
 */
#ifndef BW_KERNELS_H
#define BW_KERNELS_H

#include <stdint.h>

#define BW_INLINE static inline __attribute__((always_inline))

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "a container's tables are little-endian, and are read where they are"
#endif

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

/* In the program once, however often it is called. */
#define BW_KERNEL static __attribute__((noinline, hot, unused))
/* Where few bytes are worth more than few instructions: what runs once a layer, or hardly ever. */
#define BW_SMALL static __attribute__((noinline, cold, unused))

/*
 * The rule for every shift, saturated to int16: (sum * m + 2^(s-1)) >> s. What is saturated to int8
 * afterwards is what int8 alone would have given.
 *
 * From a shift of 17 on, the product's lower 16 bits cannot change the result: 32 bits will do.
 * Below, the sum is lifted by k = 17 - s first, saturated to what 32 - k bits hold: beyond, the
 * result is at least 2^(31-k) * 2^14 / 2^s = 2^28, and saturates anyway.
 */
BW_SMALL int32_t bw_exactly(int32_t sum, int32_t multiplier, int32_t shift) {
  if (shift < 17) {
    const int32_t most = 0x7fffffff >> (17 - shift);
    sum = sum > most ? most : sum < ~most ? ~most : sum;
    sum = (int32_t)((uint32_t)sum << (17 - shift));
    shift = 17;
  }
  int32_t low = (int32_t)(((uint32_t)sum & 0xffffu) * (uint32_t)multiplier >> 16);
  int32_t upper = (sum >> 16) * multiplier + low;
  int32_t value = (upper + ((int32_t)1 << (shift - 17))) >> (shift - 16);
  return value < -32768 ? -32768 : value > 32767 ? 32767 : value;
}

/*
 * Fast rows. With shifts of 16 to 32 only, the rule is the upper half of one product, rounded:
 * (sum * (m << (32 - s)) + 2^31) >> 32. With shifts of 12 to 26 only, it is that of sum << 4 and
 * m << (28 - s), once the sum is saturated to 28 bits: a sum beyond gives 2^27 * 2^14 / 2^26 or
 * more, which saturates an int16. `fast` is 32 or 28 in each byte, or 0 where rows are neither.
 */
#define BW_FAST 0x20202020u
#define BW_LIFTED 0x1c1c1c1cu

BW_SMALL uint32_t bw_fast_form(const uint8_t *shifts, int32_t count) {
  uint32_t form = BW_FAST;
  uint32_t lifted = BW_LIFTED;
  while (--count >= 0) {
    const uint32_t shift = shifts[count];
    if (shift - 16u > 16u) form = 0;
    if (shift - 12u > 14u) lifted = 0;
  }
  return form != 0 ? form : lifted;
}

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && !defined(BW_PORTABLE)
#include "bw_kernels_dsp.h"
#else
#include "bw_kernels_portable.h"
#endif

/* output[c] = saturate8(rescale(sum over t of input[t][c])) */
BW_INLINE void bw_mean_pool(const int8_t *input, int32_t times, int32_t channels,
                            int32_t multiplier, int32_t shift, int8_t *output) {
  for (int32_t c = 0; c < channels; c++) {
    int32_t sum = 0;
    for (int32_t t = 0, i = c; t < times; t++, i += channels) sum += input[i];
    output[c] = (int8_t)bw_saturate8(bw_exactly(sum, multiplier, shift));
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

/* A table of 257 nodes at a Q3.12 number, saturated to int16: between nodes, rounded half up. */
BW_SMALL int32_t bw_look_up(const int16_t *nodes, int32_t x) {
  int32_t position = bw_saturate16(x) + 32768;
  const int16_t *at = nodes + (position >> 8);
  return at[0] + (((at[1] - at[0]) * (position & 255) + 128) >> 8);
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
    int32_t reset = bw_look_up(sigmoid, from_input[j] + from_state[j]);
    int32_t update = bw_look_up(sigmoid, from_input[u] + from_state[u]);
    int32_t gated = (reset * from_state[n] + 16384) >> 15;
    int32_t fresh = bw_look_up(tanh, from_input[n] + gated);
    /* |update * (h - fresh)| <= 32767 * 65535 < 2^31, and the new state lies between the two. */
    state[j] = (int16_t)(fresh + ((update * (state[j] - fresh) + 16384) >> 15));
  }
}

#endif
