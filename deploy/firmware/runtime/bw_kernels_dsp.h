/*
 * The loops over weights for Cortex-M with DSP instructions: Cortex-M4, M7, M33 and up.
 *
 * SMLAD adds two products of int16 pairs; int8 must be widened first. Inputs are widened once for
 * all rows, into a scratch block of one or four positions; weights as they come from flash:
 *
 *   scratch [four columns][position][column 0, column 2, column 1, column 3] int16
 *
 * so that one word of weights and four double words of scratch give 16 products in 8 SMLAD and 2
 * SXTB16. Columns are filled up to fours with zeros; the weights that are read beside them belong
 * to the next row or to the biases, and count nothing. Words are loaded from any address, which these
 * processors allow. The two loops that take nearly all the time are written by hand, as
 * compilers do not pair the loads. bw_kernels.h includes this; nobody else does.
 */
#ifndef BW_KERNELS_DSP_H
#define BW_KERNELS_DSP_H

/* (sum * scale + 2^31) >> 32 */
BW_INLINE int32_t bw_rescale(int32_t sum, int32_t scale) {
  int32_t result;
  __asm__("smmulr %0, %1, %2" : "=r"(result) : "r"(sum), "r"(scale));
  return result;
}
BW_INLINE int32_t bw_relu8(int32_t value) {
  int32_t result;
  __asm__("usat %0, #7, %1" : "=r"(result) : "r"(value));
  return result;
}
BW_INLINE int32_t bw_saturate8(int32_t value) {
  int32_t result;
  __asm__("ssat %0, #8, %1" : "=r"(result) : "r"(value));
  return result;
}
BW_INLINE int32_t bw_saturate16(int32_t value) {
  int32_t result;
  __asm__("ssat %0, #16, %1" : "=r"(result) : "r"(value));
  return result;
}
BW_INLINE int32_t bw_even_bytes(uint32_t word) {
  int32_t pair;
  __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
  return pair;
}
BW_INLINE int32_t bw_odd_bytes(uint32_t word) {
  int32_t pair;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
  return pair;
}
/* sum + a * b, of the lower and of the upper halves. */
BW_INLINE int32_t bw_low_product(int32_t a, int32_t b, int32_t sum) {
  __asm__("smlabb %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}
BW_INLINE int32_t bw_high_product(int32_t a, int32_t b, int32_t sum) {
  __asm__("smlatt %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}
BW_INLINE uint32_t bw_word(const void *from) {
  uint32_t word;
  __builtin_memcpy(&word, from, 4);
  return word;
}

/* Widens `columns` int8 of so many positions, `step` bytes apart. It and the next run once for all
 * rows: hardly worth their bytes. */
static BW_SMALL __attribute__((noinline, unused)) void bw_widen(
    int32_t *scratch, const int8_t *input, int32_t columns, int32_t step, int32_t positions) {
  for (int32_t p = 0; p < positions; p++, input += step, scratch += 2) {
    int32_t *to = scratch;
    for (int32_t c = 0; c < columns; c += 4, to += 2 * positions) {
      uint32_t word = bw_word(input + c);
      if (c + 4 > columns) word &= 0xffffffffu >> (8 * (c + 4 - columns));
      to[0] = bw_even_bytes(word);
      to[1] = bw_odd_bytes(word);
    }
  }
}

/* One position of int16 into the same order. */
static BW_SMALL __attribute__((noinline, unused)) void bw_permute(
    int32_t *scratch, const int16_t *input, int32_t columns) {
  int16_t *to = (int16_t *)scratch;
  for (int32_t c = 0; c < ((columns + 3) & ~3); c++) {
    to[(c & ~3) | (c & 1) << 1 | (c & 2) >> 1] = c < columns ? input[c] : 0;
  }
}

/* The two loops that take nearly all the time, by hand: compilers do not pair the loads. Each adds
 * to four sums. r0 scratch, r1 weights, r2 columns left, r3 sums, r4-r7 the sums themselves. */
#define BW_UNUSED __attribute__((unused))

/* Functions of assembly alone, of whose bodies the compiler must believe nothing: not that an
 * argument is unused, nor that memory is. */
#if defined(__clang__)
#define BW_ASSEMBLY __attribute__((naked, noinline, unused)) static
#else
#define BW_ASSEMBLY __attribute__((naked, noinline, noipa, unused)) static
#endif

/* A row at four positions. */
#define BW_POSITION(sum)             \
  "ldrd r10, r12, [r0], #8\n"        \
  "smlad " sum ", r8, r10, " sum "\n" \
  "smlad " sum ", r9, r12, " sum "\n"
BW_ASSEMBLY void bw_dots_1x4(
    BW_UNUSED const int32_t *scratch, BW_UNUSED const int8_t *weights, BW_UNUSED int32_t columns,
    BW_UNUSED int32_t *sums) {
  __asm__ volatile(
      "push {r4-r10, lr}\n"
      "ldm r3, {r4-r7}\n"
      "1:\n"
      "ldr r9, [r1], #4\n"
      "sxtb16 r8, r9\n"
      "sxtb16 r9, r9, ror #8\n"
      BW_POSITION("r4") BW_POSITION("r5") BW_POSITION("r6") BW_POSITION("r7")
      "subs r2, r2, #4\n"
      "bgt 1b\n"
      "stm r3, {r4-r7}\n"
      "pop {r4-r10, pc}\n");
}

/* Four rows, `apart` bytes from each other, at one position. */
#define BW_ROW(weights, sum)          \
  "ldr r11, " weights "\n"            \
  "sxtb16 r10, r11\n"                \
  "sxtb16 r11, r11, ror #8\n"        \
  "smlad " sum ", r10, r8, " sum "\n" \
  "smlad " sum ", r11, r9, " sum "\n"
BW_ASSEMBLY void bw_dots_4x1(
    BW_UNUSED const int32_t *scratch, BW_UNUSED const int8_t *weights, BW_UNUSED int32_t columns,
    BW_UNUSED int32_t *sums, BW_UNUSED int32_t apart) {
  __asm__ volatile(
      "push {r4-r11, lr}\n"
      "ldr r12, [sp, #36]\n"
      "add lr, r12, r12, lsl #1\n"
      "ldm r3, {r4-r7}\n"
      "1:\n"
      "ldrd r8, r9, [r0], #8\n"
      BW_ROW("[r1, lr]", "r7")
      BW_ROW("[r1, r12, lsl #1]", "r6")
      BW_ROW("[r1, r12]", "r5")
      BW_ROW("[r1], #4", "r4")
      "subs r2, r2, #4\n"
      "bgt 1b\n"
      "stm r3, {r4-r7}\n"
      "pop {r4-r11, pc}\n");
}

BW_INLINE int32_t bw_scale(const bw_rows *rows, int32_t row) {
  return (int32_t)((uint32_t)rows->multipliers[row] << (rows->fast - rows->shifts[row]));
}

/* A sum after rescaling, saturated to int16. */
BW_INLINE int32_t bw_value(const bw_rows *rows, int32_t row, int32_t sum) {
  if (rows->fast == 0) return bw_exact_row(rows, row, sum);
  if (rows->fast == BW_LIFTED) __asm__("ssat %0, #28, %0\n lsl %0, %0, #4" : "+r"(sum));
  return bw_saturate16(bw_rescale(sum, bw_scale(rows, row)));
}

/* Four sums of a row become int8 with ReLU, `stride` apart. */
BW_INLINE void bw_store_relu(const bw_rows *rows, int32_t row, const int32_t *sums, int8_t *output,
                             int32_t stride) {
  if (rows->fast == BW_FAST) {
    const int32_t scale = bw_scale(rows, row);
    output[0] = (int8_t)bw_relu8(bw_rescale(sums[0], scale));
    output[stride] = (int8_t)bw_relu8(bw_rescale(sums[1], scale));
    output[2 * stride] = (int8_t)bw_relu8(bw_rescale(sums[2], scale));
    output[3 * stride] = (int8_t)bw_relu8(bw_rescale(sums[3], scale));
  } else {
    for (int32_t i = 0; i < 4; i++) {
      output[i * stride] = (int8_t)bw_relu8(bw_exact_row(rows, row, sums[i]));
    }
  }
}

BW_KERNEL void bw_conv(const bw_rows *rows, const int8_t *input, int32_t step, int32_t times,
                       int8_t *output, int32_t *scratch) {
  const int32_t count = rows->count;
  int32_t stride = count;
  int32_t apart = step;
  if (times < 4) stride = apart = 0; /* four times the same position */
  for (int32_t t = 0; t < times; t += stride != 0 ? 4 : 1) {
    if (stride != 0 && t > times - 4) t = times - 4; /* the last block is whole, too */
    const int8_t *weights = rows->weights;
    int8_t *out = output + t * count;
    bw_widen(scratch, input + t * step, rows->columns, apart, 4);
    for (int32_t row = 0; row < count; row++, weights += rows->columns) {
      const int32_t bias = rows->biases[row];
      int32_t sums[4] = {bias, bias, bias, bias};
      bw_dots_1x4(scratch, weights, rows->columns, sums);
      bw_store_relu(rows, row, sums, out++, stride);
    }
  }
}

/* All rows on a scratch block of one position. The last four rows may repeat some; of fewer than
 * four each is computed four times. */
BW_KERNEL void bw_rows_wide(const bw_rows *rows, const int32_t *scratch, int16_t *output) {
  const int32_t block = rows->count < 4 ? 1 : 4;
  const int32_t apart = rows->count < 4 ? 0 : rows->columns;
  for (int32_t row = 0; row < rows->count; row += block) {
    if (row > rows->count - block) row = rows->count - block;
    const int32_t *bias = rows->biases + row;
    int32_t sums[4] = {bias[0], bias[1], bias[2], bias[3]};
    bw_dots_4x1(scratch, rows->weights + row * rows->columns, rows->columns, sums, apart);
    for (int32_t i = 0; i < block; i++) {
      output[row + i] = (int16_t)bw_value(rows, row + i, sums[i]);
    }
  }
}

BW_INLINE void bw_dense(const bw_rows *rows, const int8_t *input, int16_t *output,
                        int32_t *scratch) {
  bw_widen(scratch, input, rows->columns, 0, 1);
  bw_rows_wide(rows, scratch, output);
}

BW_INLINE void bw_dense_16(const bw_rows *rows, const int16_t *input, int16_t *output,
                           int32_t *scratch) {
  bw_permute(scratch, input, rows->columns);
  bw_rows_wide(rows, scratch, output);
}

/* Four channels at a time; what is computed beside the last channel is not stored. */
BW_KERNEL void bw_depthwise(const bw_rows *rows, const int8_t *input, int32_t step, int32_t times,
                            int8_t *output) {
  const int32_t channels = rows->count;
  for (; times > 0; times--, input += step, output += channels) {
    for (int32_t row = 0; row < channels;) {
      const int8_t *in = input + row;
      const int8_t *weights = rows->weights + row;
      int32_t sums[4] = {0, 0, 0, 0};
      for (int32_t left = rows->columns; left > 0; left--, in += channels, weights += channels) {
        const uint32_t x = bw_word(in);
        const uint32_t w = bw_word(weights);
        const int32_t even = bw_even_bytes(x), even_weights = bw_even_bytes(w);
        const int32_t odd = bw_odd_bytes(x), odd_weights = bw_odd_bytes(w);
        sums[0] = bw_low_product(even, even_weights, sums[0]);
        sums[1] = bw_low_product(odd, odd_weights, sums[1]);
        sums[2] = bw_high_product(even, even_weights, sums[2]);
        sums[3] = bw_high_product(odd, odd_weights, sums[3]);
      }
      for (int32_t i = 0; i < 4 && row < channels; i++, row++) {
        const int32_t sum = sums[i] + rows->biases[row];
        const int32_t value = rows->fast == BW_FAST ? bw_rescale(sum, bw_scale(rows, row))
                                                    : bw_exact_row(rows, row, sum);
        output[row] = (int8_t)bw_relu8(value);
      }
    }
  }
}

#endif
