/*
 * The inner loops in portable C99, for processors without Cortex-M's DSP instructions, and their
 * saturations. bw_kernels.h includes this; nobody else does.
 */
#ifndef BW_SUMS_H
#define BW_SUMS_H

/* (sum * scale + 2^31) >> 32 */
BW_INLINE int32_t bw_rescale(int32_t sum, int32_t scale) {
  return (int32_t)(((int64_t)sum * scale + 0x80000000) >> 32);
}

BW_INLINE int8_t bw_relu8(int32_t value) {
  return (int8_t)(value < 0 ? 0 : value > 127 ? 127 : value);
}

BW_INLINE int16_t bw_saturate16(int32_t value) {
  return (int16_t)(value < -32768 ? -32768 : value > 32767 ? 32767 : value);
}

/* sums[0] and sums[1] are two rows of weights at one position of the input, sums[2] and sums[3] the
 * same rows at the next; `row` and `step` are 0 where there is no second row or position. */
BW_INLINE void bw_sums_2x2(const int8_t *weights, int32_t row, const int8_t *input, int32_t step,
                           int32_t columns, int32_t *sums) {
  int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  for (int32_t i = 0; i < columns; i++) {
    int32_t w0 = weights[i], w1 = weights[i + row];
    int32_t x0 = input[i], x1 = input[i + step];
    a += w0 * x0;
    b += w1 * x0;
    c += w0 * x1;
    d += w1 * x1;
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

/* Four rows of weights at one position. */
BW_INLINE void bw_sums_4x1(const int8_t *const *weights, const int8_t *input, int32_t columns,
                           int32_t *sums) {
  int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  for (int32_t i = 0; i < columns; i++) {
    int32_t x = input[i];
    a += weights[0][i] * x;
    b += weights[1][i] * x;
    c += weights[2][i] * x;
    d += weights[3][i] * x;
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

BW_INLINE void bw_state_sums_4x1(const int8_t *const *weights, const int16_t *input,
                                 int32_t columns, int32_t *sums) {
  int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  for (int32_t i = 0; i < columns; i++) {
    int32_t x = input[i];
    a += weights[0][i] * x;
    b += weights[1][i] * x;
    c += weights[2][i] * x;
    d += weights[3][i] * x;
  }
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
}

#endif
