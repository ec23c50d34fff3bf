/*
 * The loops over weights in C99 alone, for processors without Cortex-M's DSP instructions.
 *
 * Rows are taken two by two positions, or two by one. A block at the edge computes its last row or
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

/* How one row's sums become values. */
typedef struct bw_scale {
  int32_t multiplier;
  int32_t shift;
} bw_scale;

/* A product of 64 bits is two instructions or three, but a call on a Cortex-M0. */
#if defined(__ARM_ARCH_6M__)
BW_INLINE bw_scale bw_scale_of(const bw_rows *rows, int32_t row) {
  bw_scale scale = {rows->multipliers[row], rows->shifts[row]};
  return scale;
}
BW_INLINE int32_t bw_value(bw_scale scale, uint32_t fast, int32_t sum) {
  (void)fast;
  return bw_exactly(sum, scale.multiplier, scale.shift);
}
#else
BW_INLINE bw_scale bw_scale_of(const bw_rows *rows, int32_t row) {
  bw_scale scale = {rows->multipliers[row], rows->shifts[row]};
  if (rows->fast != 0) scale.multiplier <<= (int32_t)(rows->fast & 255u) - scale.shift;
  return scale;
}
/* Saturated to int16. */
BW_INLINE int32_t bw_value(bw_scale scale, uint32_t fast, int32_t sum) {
  if (fast == 0) return bw_exactly(sum, scale.multiplier, scale.shift);
  if (fast == BW_LIFTED) {
    sum = sum > 0x7ffffff ? 0x7ffffff : sum < -0x8000000 ? -0x8000000 : sum;
    sum *= 16;
  }
  return bw_saturate16((int32_t)(((int64_t)sum * scale.multiplier + 0x80000000) >> 32));
}
#endif

#define BW_TWO_BY_TWO(i)  \
  do {                    \
    a += w0[i] * x0[i];   \
    b += w1[i] * x0[i];   \
    c += w0[i] * x1[i];   \
    d += w1[i] * x1[i];   \
  } while (0)

/* Adds to sums[0] and sums[1] two rows at one position, to sums[2] and sums[3] the same rows at
 * another. A function of its own, so that nothing else competes for its registers. */
BW_KERNEL void bw_two_by_two(const int8_t *w0, const int8_t *w1, const int8_t *x0,
                             const int8_t *x1, int32_t columns, int32_t *sums) {
  int32_t a = sums[0], b = sums[1], c = sums[2], d = sums[3];
  const int8_t *const end = w0 + columns;
  const int8_t *const fours = w0 + (columns & ~3);
  for (; w0 != fours; w0 += 4, w1 += 4, x0 += 4, x1 += 4) {
    BW_TWO_BY_TWO(0);
    BW_TWO_BY_TWO(1);
    BW_TWO_BY_TWO(2);
    BW_TWO_BY_TWO(3);
  }
  for (; w0 != end; w0++, w1++, x0++, x1++) BW_TWO_BY_TWO(0);
  sums[0] = a, sums[1] = b, sums[2] = c, sums[3] = d;
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
  const uint32_t fast = rows->fast;
  (void)scratch;
  for (int32_t row = 0; row < count; row += 2) {
    const int32_t other = row + 1 < count ? 1 : 0;
    const bw_scale scale0 = bw_scale_of(rows, row);
    const bw_scale scale1 = bw_scale_of(rows, row + other);
    const int32_t bias0 = rows->biases[row], bias1 = rows->biases[row + other];
    const int8_t *weights = rows->weights + row * columns;
    const int8_t *in = input;
    int8_t *out = output + row;
    for (int32_t t = 0; t < times; t += 2, in += 2 * step, out += 2 * count) {
      const int32_t later = t + 1 < times ? 1 : 0;
      int32_t sums[4] = {bias0, bias1, bias0, bias1};
      bw_two_by_two(weights, weights + other * columns, in, in + later * step, columns, sums);
      int8_t *next = out + later * count;
      out[0] = (int8_t)bw_relu8(bw_value(scale0, fast, sums[0]));
      out[other] = (int8_t)bw_relu8(bw_value(scale1, fast, sums[1]));
      next[0] = (int8_t)bw_relu8(bw_value(scale0, fast, sums[2]));
      next[other] = (int8_t)bw_relu8(bw_value(scale1, fast, sums[3]));
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
  const uint32_t fast = rows->fast;
  for (int32_t c = 0; c < channels; c++) {
    const bw_scale scale = bw_scale_of(rows, c);
    const int32_t bias = rows->biases[c];
    const int8_t *weights = rows->weights + c;
    const int8_t *in = input + c;
    int8_t *out = output + c;
    for (int32_t t = 0; t < times; t++, in += step, out += channels) {
      const int8_t *w = weights, *x = in;
      int32_t sum = bias;
      for (int32_t k = columns; k > 0; k--, w += channels, x += channels) sum += *w * *x;
      *out = (int8_t)bw_relu8(bw_value(scale, fast, sum));
    }
  }
}

/* output[r] = saturate16(rescale(bias[r] + sum over c of input[c] * w[r][c])): int8 at `input`, or
 * int16 at `wide` where there is no `input`. */
BW_KERNEL void bw_dense(const bw_rows *rows, const int8_t *input, const int16_t *wide,
                        int16_t *output, int32_t *scratch) {
  const int32_t count = rows->count;
  const int32_t columns = rows->columns;
  const uint32_t fast = rows->fast;
  const int8_t *w0 = rows->weights;
  (void)scratch;
  for (int32_t row = 0; row < count; row += 2, w0 += columns) {
    const int32_t other = row + 1 < count ? 1 : 0;
    const int8_t *w1 = w0 + other * columns;
    const int8_t *const end = w0 + columns;
    int32_t a = rows->biases[row], b = rows->biases[row + other];
    if (input != 0) {
      const int8_t *x = input;
      while (w0 != end) {
        a += *w0++ * *x;
        b += *w1++ * *x++;
      }
    } else {
      const int16_t *x = wide;
      while (w0 != end) {
        a += *w0++ * *x;
        b += *w1++ * *x++;
      }
    }
    output[row] = (int16_t)bw_value(bw_scale_of(rows, row), fast, a);
    output[row + other] = (int16_t)bw_value(bw_scale_of(rows, row + other), fast, b);
  }
}

#endif
