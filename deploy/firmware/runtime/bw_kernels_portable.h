/*
 * The loops over weights in C99 alone, for processors without Cortex-M's DSP instructions.
 *
 * Rows are taken two by two positions, or four by one. A block at the edge computes its last row or
 * position twice rather than carry code for the rest. Only bw_kernels.h includes this.
 */
#ifndef BW_KERNELS_PORTABLE_H
#define BW_KERNELS_PORTABLE_H

BW_INLINE int32_t bw_relu8(int32_t value) {
  return value < 0 ? 0 : value > 127 ? 127 : value;
}

BW_INLINE int32_t bw_saturate8(int32_t value) {
  return value < -128 ? -128 : value > 127 ? 127 : value;
}

BW_INLINE int32_t bw_saturate16(int32_t value) {
  return value < -32768 ? -32768 : value > 32767 ? 32767 : value;
}

/* (sum * scale + 2^31) >> 32. A product of 64 bits is two instructions or three, but a call on a
 * Cortex-M0: there no row is fast, as bw_exactly has products of 32 bits only. */
BW_INLINE int32_t bw_rescale(int32_t sum, int32_t scale) {
  return (int32_t)(((int64_t)sum * scale + 0x80000000) >> 32);
}
#if defined(__ARM_ARCH_6M__)
#define BW_IS_FAST(rows, form) 0
#else
#define BW_IS_FAST(rows, form) ((rows)->fast == (form))
#endif

/* Of a row that is fast and not lifted, what bw_rescale wants; else 0, which no scale is. */
BW_INLINE int32_t bw_scale(const bw_rows *rows, int32_t row) {
  if (!BW_IS_FAST(rows, BW_FAST)) return 0;
  return rows->multipliers[row] << (32 - rows->shifts[row]);
}

/* A sum of one row to int8 with ReLU. */
BW_INLINE int8_t bw_relu_value(const bw_rows *rows, int32_t row, int32_t scale, int32_t sum) {
  const int32_t value = scale != 0
                            ? bw_rescale(sum, scale)
                            : bw_exactly(sum, rows->multipliers[row], rows->shifts[row]);
  return (int8_t)bw_relu8(value);
}

/* A sum of one row to int16. */
BW_KERNEL int16_t bw_wide_value(const bw_rows *rows, int32_t row, int32_t sum) {
  const int32_t multiplier = rows->multipliers[row];
  const int32_t shift = rows->shifts[row];
  int32_t value;
  if (BW_IS_FAST(rows, BW_FAST)) {
    value = bw_rescale(sum, multiplier << (32 - shift));
  } else if (BW_IS_FAST(rows, BW_LIFTED)) {
    sum = sum > 0x7ffffff ? 0x7ffffff : sum < -0x8000000 ? -0x8000000 : sum;
    value = bw_rescale(sum * 16, multiplier << (28 - shift));
  } else {
    value = bw_exactly(sum, multiplier, shift);
  }
  return (int16_t)bw_saturate16(value);
}

/*
 * Convolution with ReLU. `input` starts at the zeros before the first sample; position t reads
 * columns values from t * step on and writes output[t][row].
 *
 *   output[t][r] = max(0, saturate8(rescale(bias[r] + sum over c of in[t * step + c] * w[r][c])))
 */
BW_KERNEL void bw_conv(const bw_rows *rows, const int8_t *input, int32_t step, int32_t times,
                       int8_t *output, int32_t *scratch) {
  const int32_t count = rows->count;
  const int32_t columns = rows->columns;
  (void)scratch;
  for (int32_t row = 0; row < count; row += 2) {
    const int32_t other = row + 1 < count ? 1 : 0;
    const int32_t scale0 = bw_scale(rows, row), scale1 = bw_scale(rows, row + other);
    const int32_t bias0 = rows->biases[row], bias1 = rows->biases[row + other];
    const int8_t *first = rows->weights + row * columns;
    const int8_t *const end = first + columns;
    const int32_t apart = other * columns;
    const int8_t *in = input;
    int8_t *out = output + row;
    for (int32_t t = 0; t < times; t += 2, in += 2 * step, out += 2 * count) {
      const int32_t later = t + 1 < times ? 1 : 0;
      const int32_t next = later * step;
      const int8_t *w = first, *x = in;
      int32_t a = bias0, b = bias1, c = bias0, d = bias1;
      do {
        const int32_t w0 = w[0], w1 = w[apart];
        const int32_t x0 = x[0], x1 = x[next];
        a += w0 * x0;
        b += w1 * x0;
        c += w0 * x1;
        d += w1 * x1;
        w++;
        x++;
      } while (w != end);
      out[0] = bw_relu_value(rows, row, scale0, a);
      out[other] = bw_relu_value(rows, row + other, scale1, b);
      out[later * count] = bw_relu_value(rows, row, scale0, c);
      out[later * count + other] = bw_relu_value(rows, row + other, scale1, d);
    }
  }
}

/*
 * Depthwise convolution with ReLU; rows are channels, columns the samples of the kernel.
 *
 *   output[t][c] = max(0, saturate8(rescale(bias[c] + sum over k of x[t * step + k][c] * w[k][c])))
 */
BW_KERNEL void bw_depthwise(const bw_rows *rows, const int8_t *input, int32_t step, int32_t times,
                            int8_t *output) {
  const int32_t channels = rows->count;
  const int32_t columns = rows->columns;
  for (int32_t c = 0; c < channels; c++) {
    const int32_t scale = bw_scale(rows, c);
    const int32_t bias = rows->biases[c];
    const int8_t *weights = rows->weights + c;
    const int8_t *in = input + c;
    int8_t *out = output + c;
    /* Two positions at a time; the last of an odd number twice. */
    for (int32_t t = 0; t < times; t += 2, in += 2 * step, out += 2 * channels) {
      const int32_t later = t + 1 < times ? 1 : 0;
      const int32_t next = later * step;
      const int8_t *w = weights, *x = in;
      int32_t a = bias, b = bias;
      for (int32_t k = columns; k > 0; k--, w += channels, x += channels) {
        a += *w * x[0];
        b += *w * x[next];
      }
      out[0] = bw_relu_value(rows, c, scale, a);
      out[later * channels] = bw_relu_value(rows, c, scale, b);
    }
  }
}

#define BW_FOUR_BY_ONE(x)                          \
  do {                                             \
    for (const int8_t *w = first; w != end; w++) { \
      const int32_t value = *(x)++;                \
      a += w[0] * value;                           \
      b += w[b_at] * value;                        \
      c += w[c_at] * value;                        \
      d += w[d_at] * value;                        \
    }                                              \
  } while (0)

/* output[r] = saturate16(rescale(bias[r] + sum over c of input[c] * w[r][c])): int8 at `input`, or
 * int16 at `wide` where there is no `input`. Four rows at a time, of which the last block may
 * repeat some. */
BW_KERNEL void bw_dense(const bw_rows *rows, const int8_t *input, const int16_t *wide,
                        int16_t *output, int32_t *scratch) {
  const int32_t last = rows->count - 1;
  const int32_t columns = rows->columns;
  const int32_t b_row = last < 1 ? last : 1, c_row = last < 2 ? last : 2;
  const int32_t d_row = last < 3 ? last : 3;
  const int32_t b_at = b_row * columns, c_at = c_row * columns, d_at = d_row * columns;
  (void)scratch;
  for (int32_t row = 0; row <= last; row += 4) {
    if (row + d_row > last) row = last - d_row;
    const int8_t *const first = rows->weights + row * columns;
    const int8_t *const end = first + columns;
    int32_t a = rows->biases[row], b = rows->biases[row + b_row];
    int32_t c = rows->biases[row + c_row], d = rows->biases[row + d_row];
    const int8_t *x = input;
    const int16_t *wide_x = wide;
    if (x != 0) BW_FOUR_BY_ONE(x);
    else BW_FOUR_BY_ONE(wide_x);
    output[row] = bw_wide_value(rows, row, a);
    output[row + b_row] = bw_wide_value(rows, row + b_row, b);
    output[row + c_row] = bw_wide_value(rows, row + c_row, c);
    output[row + d_row] = bw_wide_value(rows, row + d_row, d);
  }
}

#endif
