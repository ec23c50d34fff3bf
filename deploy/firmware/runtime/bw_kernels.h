/*
 * The integer kernels: what src/engine/kernels.ts defines, in C99, to the same bits.
 *
 * They trust their arguments: bw_load has proved that shapes fit and that no sum leaves an int32.
 * These are the kernels of the interpreter, for tables as a container has them; exported code has
 * packed tables, and bw_kernels_packed.h. Rows are taken in blocks, two by two positions or
 * four by one; a block at the edge computes its last row or position twice rather than carry code
 * for the rest. The inner loops are in bw_sums.h.
 */
#ifndef BW_KERNELS_H
#define BW_KERNELS_H

#include <stdint.h>

#define BW_INLINE static inline __attribute__((always_inline))

/* Shifts of negative numbers must round down. Every compiler that we know does; this proves it. */
typedef char bw_shifts_round_down[(-3 >> 1) == -2 ? 1 : -1];

/* Rows of int8 weights and what belongs to each row. `weights` is [row][column] but for a depthwise
 * convolution, where it is [column][row] and a column is one sample of the kernel. */
typedef struct bw_rows {
  const int8_t *weights;
  const int32_t *biases;
  const int16_t *multipliers; /* 16384..32767 */
  const uint8_t *shifts;      /* 1..46 */
  int32_t count;
  int32_t columns;
} bw_rows;

#include "bw_sums.h"

/* The rule itself, exact for every shift: (sum * m + 2^(s-1)) >> s, and saturation. */
static __attribute__((noinline, unused)) int32_t
bw_requantize(int32_t sum, int32_t multiplier, int32_t shift, int32_t low, int32_t high) {
  int64_t value = ((int64_t)sum * multiplier + ((int64_t)1 << (shift - 1))) >> shift;
  return value < low ? low : value > high ? high : (int32_t)value;
}

/* For shifts of 16 to 32, m * 2^(32-s), with which the rule is the upper half of one product,
 * rounded: (sum * scale + 2^31) >> 32. Else 0, which no scale is. */
BW_INLINE int32_t bw_scale(const bw_rows *rows, int32_t row) {
  int32_t left = 32 - (int32_t)rows->shifts[row];
  return left >= 0 && left <= 16 ? (int32_t)rows->multipliers[row] << left : 0;
}

BW_INLINE int32_t bw_exactly(
    const bw_rows *rows, int32_t row, int32_t sum, int32_t low, int32_t high) {
  return bw_requantize(sum, rows->multipliers[row], rows->shifts[row], low, high);
}

/*
 * Convolution over [time][channel], dense layer, both with ReLU. `input` starts at the zeros before
 * the first sample; position t reads columns values from t * step on and writes output[t][row].
 *
 *   output[t][r] = max(0, saturate8(rescale(bias[r] + sum over c of input[t * step + c] * w[r][c])))
 */
BW_INLINE void bw_conv(
    const bw_rows *rows, const int8_t *input, int32_t step, int32_t times, int8_t *output) {
  const int32_t count = rows->count;
  const int32_t columns = rows->columns;
  for (int32_t row = 0; row < count; row += 2) {
    const int32_t other = row + 1 < count ? 1 : 0;
    const int8_t *weights = rows->weights + row * columns;
    const int32_t bias[2] = {rows->biases[row], rows->biases[row + other]};
    const int32_t scale[2] = {bw_scale(rows, row), bw_scale(rows, row + other)};
    const int8_t *in = input;
    int8_t *out = output + row;
    for (int32_t t = 0; t < times; t += 2, in += 2 * step, out += 2 * count) {
      const int32_t later = t + 1 < times ? 1 : 0;
      int32_t sums[4] = {bias[0], bias[1], bias[0], bias[1]};
      bw_sums_2x2(weights, other * columns, in, later * step, columns, sums);
      if (scale[0] != 0 && scale[1] != 0) {
        out[0] = bw_relu8(bw_rescale(sums[0], scale[0]));
        out[other] = bw_relu8(bw_rescale(sums[1], scale[1]));
        out[later * count] = bw_relu8(bw_rescale(sums[2], scale[0]));
        out[later * count + other] = bw_relu8(bw_rescale(sums[3], scale[1]));
      } else {
        for (int32_t i = 0; i < 4; i++) {
          int32_t which = (i & 1) * other;
          out[(i >> 1) * later * count + which] =
              (int8_t)bw_exactly(rows, row + which, sums[i], 0, 127);
        }
      }
    }
  }
}

/*
 * Depthwise convolution with ReLU; rows are channels, columns the samples of the kernel.
 *
 *   output[t][c] = max(0, saturate8(rescale(bias[c] + sum over k of input[t * step + k][c] * w[k][c])))
 */
BW_INLINE void bw_depthwise(
    const bw_rows *rows, const int8_t *input, int32_t step, int32_t times, int8_t *output) {
  const int32_t channels = rows->count;
  for (int32_t c = 0; c < channels; c++) {
    const int32_t bias = rows->biases[c];
    const int32_t scale = bw_scale(rows, c);
    const int8_t *in = input + c;
    int8_t *out = output + c;
    for (int32_t t = 0; t < times; t++, in += step, out += channels) {
      int32_t sum = bias;
      for (int32_t k = 0, i = 0; k < rows->columns; k++, i += channels) {
        sum += in[i] * rows->weights[c + i];
      }
      *out = scale != 0 ? bw_relu8(bw_rescale(sum, scale))
                        : (int8_t)bw_exactly(rows, c, sum, 0, 127);
    }
  }
}

/* One value a row, saturated to int16: logits in Q8, and a GRU's pre-activations in Q3.12. */
BW_INLINE void bw_store_wide(
    const bw_rows *rows, int32_t row, int32_t last, const int32_t *sums, int16_t *output) {
  for (int32_t i = 0; i < 4; i++) {
    int32_t at = row + i < last ? row + i : last;
    int32_t scale = bw_scale(rows, at);
    output[at] = scale != 0 ? bw_saturate16(bw_rescale(sums[i], scale))
                            : (int16_t)bw_exactly(rows, at, sums[i], -32768, 32767);
  }
}

/* output[r] = saturate16(rescale(bias[r] + sum over c of input[c] * w[r][c])), input int8. */
BW_INLINE void bw_dense_wide(const bw_rows *rows, const int8_t *input, int16_t *output) {
  const int32_t last = rows->count - 1;
  for (int32_t row = 0; row <= last; row += 4) {
    const int8_t *weights[4];
    int32_t sums[4];
    for (int32_t i = 0; i < 4; i++) {
      int32_t at = row + i < last ? row + i : last;
      weights[i] = rows->weights + at * rows->columns;
      sums[i] = rows->biases[at];
    }
    bw_sums_4x1(weights, input, rows->columns, sums);
    bw_store_wide(rows, row, last, sums, output);
  }
}

/* The same with an int16 input: a GRU's state. */
BW_INLINE void bw_state_wide(const bw_rows *rows, const int16_t *input, int16_t *output) {
  const int32_t last = rows->count - 1;
  for (int32_t row = 0; row <= last; row += 4) {
    const int8_t *weights[4];
    int32_t sums[4];
    for (int32_t i = 0; i < 4; i++) {
      int32_t at = row + i < last ? row + i : last;
      weights[i] = rows->weights + at * rows->columns;
      sums[i] = rows->biases[at];
    }
    bw_state_sums_4x1(weights, input, rows->columns, sums);
    bw_store_wide(rows, row, last, sums, output);
  }
}

/* output[c] = saturate8(rescale(sum over t of input[t][c])). */
BW_INLINE void bw_mean_pool(const int8_t *input, int32_t times, int32_t channels,
                            int32_t multiplier, int32_t shift, int8_t *output) {
  for (int32_t c = 0; c < channels; c++) {
    int32_t sum = 0;
    for (int32_t t = 0, i = c; t < times; t++, i += channels) sum += input[i];
    output[c] = (int8_t)bw_requantize(sum, multiplier, shift, -128, 127);
  }
}

/* A GRU's state in Q15 as int8 features: saturate8((h + 128) >> 8). */
BW_INLINE void bw_state_pool(const int16_t *state, int32_t hidden, int8_t *output) {
  for (int32_t j = 0; j < hidden; j++) {
    int32_t value = (state[j] + 128) >> 8;
    output[j] = (int8_t)(value > 127 ? 127 : value);
  }
}

/* A table of 257 nodes at an int16 Q3.12 number: between nodes, rounded half up. */
BW_INLINE int32_t bw_look_up(const int16_t *nodes, int32_t x_q12) {
  int32_t position = x_q12 + 32768;
  const int16_t *at = nodes + (position >> 8);
  return at[0] + (((at[1] - at[0]) * (position & 255) + 128) >> 8);
}

/*
 * One step of a GRU, gates in the order reset, update, new; state[hidden] in Q15 before and after.
 * `from_input` and `from_state` are [3 * hidden] in Q3.12.
 */
BW_INLINE void bw_gru_update(const int16_t *from_input, const int16_t *from_state, int32_t hidden,
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
