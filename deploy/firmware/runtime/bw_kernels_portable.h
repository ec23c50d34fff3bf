/*
 * The loops over weights in C99 alone, for processors without Cortex-M's DSP instructions.
 *
 * Rows are taken two by two positions, or four by one. A block at the edge computes its last row or
 * position twice rather than carry code for the rest. bw_kernels.h includes this; nobody else does.
 */
#ifndef BW_KERNELS_PORTABLE_H
#define BW_KERNELS_PORTABLE_H

/* (sum * scale + 2^31) >> 32 */
BW_INLINE int32_t bw_rescale(int32_t sum, int32_t scale) {
  return (int32_t)(((int64_t)sum * scale + 0x80000000) >> 32);
}

BW_INLINE int32_t bw_relu8(int32_t value) {
  return value < 0 ? 0 : value > 127 ? 127 : value;
}

BW_INLINE int32_t bw_saturate8(int32_t value) {
  return value < -128 ? -128 : value > 127 ? 127 : value;
}

BW_INLINE int32_t bw_saturate16(int32_t value) {
  return value < -32768 ? -32768 : value > 32767 ? 32767 : value;
}

/* The rule for one row's sum, saturated to int16. */
BW_INLINE int32_t bw_row_value(const bw_rows *rows, int32_t row, int32_t sum) {
  if (rows->fast == 0) return bw_exact_row(rows, row, sum);
  int32_t left = (int32_t)rows->fast - rows->shifts[row];
  if (rows->fast == BW_LIFTED) {
    sum = sum > 0x7ffffff ? 0x7ffffff : sum < -0x8000000 ? -0x8000000 : sum;
    sum *= 16;
  }
  return bw_saturate16(bw_rescale(sum, rows->multipliers[row] << left));
}

/* Of a fast row, what bw_rescale wants; else 0, which no scale is. */
BW_INLINE int32_t bw_scale(const bw_rows *rows, int32_t row) {
  return rows->fast == BW_FAST ? rows->multipliers[row] << (32 - rows->shifts[row]) : 0;
}

/* The rule, ReLU and saturation to int8, for sums of one row and its scale. */
BW_INLINE int8_t bw_relu_value(const bw_rows *rows, int32_t row, int32_t scale, int32_t sum) {
  const int32_t value = scale != 0 ? bw_rescale(sum, scale) : bw_exact_row(rows, row, sum);
  return (int8_t)bw_relu8(value);
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

BW_INLINE void bw_sums_4x1_16(const int8_t *const *weights, const int16_t *input,
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

/*
 * Convolution over [time][channel], dense layer, both with ReLU. `input` starts at the zeros before
 * the first sample; position t reads columns values from t * step on and writes output[t][row].
 *
 *   output[t][r] = max(0, saturate8(rescale(bias[r] + sum over c of input[t * step + c] * w[r][c])))
 */
BW_KERNEL void bw_conv(const bw_rows *rows, const int8_t *input, int32_t step, int32_t times,
                       int8_t *output, int32_t *scratch) {
  (void)scratch;
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
      out[0] = bw_relu_value(rows, row, scale[0], sums[0]);
      out[other] = bw_relu_value(rows, row + other, scale[1], sums[1]);
      out[later * count] = bw_relu_value(rows, row, scale[0], sums[2]);
      out[later * count + other] = bw_relu_value(rows, row + other, scale[1], sums[3]);
    }
  }
}

/*
 * Depthwise convolution with ReLU; rows are channels, columns the samples of the kernel.
 *
 *   output[t][c] = max(0, saturate8(rescale(bias[c] + sum over k of in[t * step + k][c] * w[k][c])))
 */
BW_KERNEL void bw_depthwise(const bw_rows *rows, const int8_t *input, int32_t step,
                            int32_t times, int8_t *output) {
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
      *out = bw_relu_value(rows, c, scale, sum);
    }
  }
}

/* One value a row, saturated to int16: logits in Q8, and a GRU's pre-activations in Q3.12. */
BW_INLINE void bw_store_wide(
    const bw_rows *rows, int32_t row, int32_t last, const int32_t *sums, int16_t *output) {
  for (int32_t i = 0; i < 4; i++) {
    int32_t at = row + i < last ? row + i : last;
    output[at] = (int16_t)bw_row_value(rows, at, sums[i]);
  }
}

/* output[r] = saturate16(rescale(bias[r] + sum over c of input[c] * w[r][c])), input int8. */
BW_KERNEL void bw_dense(const bw_rows *rows, const int8_t *input, int16_t *output,
                             int32_t *scratch) {
  (void)scratch;
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
BW_KERNEL void bw_dense_16(const bw_rows *rows, const int16_t *input, int16_t *output,
                             int32_t *scratch) {
  (void)scratch;
  const int32_t last = rows->count - 1;
  for (int32_t row = 0; row <= last; row += 4) {
    const int8_t *weights[4];
    int32_t sums[4];
    for (int32_t i = 0; i < 4; i++) {
      int32_t at = row + i < last ? row + i : last;
      weights[i] = rows->weights + at * rows->columns;
      sums[i] = rows->biases[at];
    }
    bw_sums_4x1_16(weights, input, rows->columns, sums);
    bw_store_wide(rows, row, last, sums, output);
  }
}

#endif
