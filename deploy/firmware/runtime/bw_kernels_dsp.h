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
 * to the next row or to the biases, and count nothing. Words are loaded from any address, which
 * these processors allow. The two loops that take nearly all the time are written by hand: they
 * need every register, and compilers do not pair the loads. Only bw_kernels.h includes this.
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
/* sum + a * b, of both halves, of the lower and of the upper ones. */
BW_INLINE int32_t bw_two_products(int32_t a, int32_t b, int32_t sum) {
  __asm__("smlad %0, %1, %2, %0" : "+r"(sum) : "r"(a), "r"(b));
  return sum;
}
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

/* Widens `columns` int8 of so many positions, `step` bytes apart. */
BW_SMALL void bw_widen(
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
BW_SMALL void bw_permute(
    int32_t *scratch, const int16_t *input, int32_t columns) {
  int16_t *to = (int16_t *)scratch;
  for (int32_t c = 0; c < ((columns + 3) & ~3); c++) {
    to[(c & ~3) | (c & 1) << 1 | (c & 2) >> 1] = c < columns ? input[c] : 0;
  }
}

/* Any rows, one after another, on a scratch block of one position: int8 with ReLU to `relu`, or
 * int16 to `wide` where there is no `relu`. */
BW_SMALL void bw_any_rows(const bw_rows *rows, const int32_t *scratch, int8_t *relu,
                          int16_t *wide) {
  const int8_t *weights = rows->weights;
  for (int32_t row = 0; row < rows->count; row++, weights += rows->columns) {
    const int32_t *x = scratch;
    int32_t sum = rows->biases[row];
    for (int32_t c = 0; c < rows->columns; c += 4, x += 2) {
      const uint32_t word = bw_word(weights + c);
      sum = bw_two_products(bw_even_bytes(word), x[0], sum);
      sum = bw_two_products(bw_odd_bytes(word), x[1], sum);
    }
    sum = bw_exactly(sum, rows->multipliers[row], rows->shifts[row]);
    if (relu != 0) relu[row] = (int8_t)bw_relu8(sum);
    else wide[row] = (int16_t)sum;
  }
}

/* Four columns of a row at a register's address by one, or by four positions of scratch. */
#define BW_COLUMNS(weights, sum)   \
  "ldr r11, " weights "\n"         \
  "sxtb16 r10, r11\n"              \
  "sxtb16 r11, r11, ror #8\n"      \
  "smlad " sum ", r10, r8, " sum "\n" \
  "smlad " sum ", r11, r9, " sum "\n"
#define BW_FOUR_ROWS               \
  "ldrd r8, r9, [r0], #8\n"        \
  BW_COLUMNS("[r1, r3]", "r7")     \
  BW_COLUMNS("[r1, r2, lsl #1]", "r6") \
  BW_COLUMNS("[r1, r2]", "r5")     \
  BW_COLUMNS("[r1], #4", "r4")
#define BW_POSITION(sum)           \
  "ldrd r8, r9, [r0], #8\n"        \
  "smlad " sum ", r2, r8, " sum "\n" \
  "smlad " sum ", r3, r9, " sum "\n"
#define BW_FOUR_POSITIONS          \
  "ldr r3, [r1], #4\n"             \
  "sxtb16 r2, r3\n"                \
  "sxtb16 r3, r3, ror #8\n"        \
  BW_POSITION("r4") BW_POSITION("r5") BW_POSITION("r6") BW_POSITION("r7")
/* One sum becomes a value: `scale` puts the row's multiplier into r8, whose shift is last in r1. */
#define BW_WIDE_VALUE(scale, sum, at) \
  scale "\n"                          \
  "lsl r8, r8, r1\n"                  \
  "lsrs r1, r1, #8\n"                 \
  "smmulr " sum ", " sum ", r8\n"     \
  "ssat " sum ", #16, " sum "\n"      \
  "strh " sum ", [r0, #" at "]\n"
#define BW_LIFT(sum)                  \
  "ssat " sum ", #28, " sum "\n"      \
  "lsls " sum ", " sum ", #4\n"
#define BW_RELU_VALUE(sum, at)        \
  "smmulr " sum ", " sum ", r0\n"     \
  "usat " sum ", #7, " sum "\n"       \
  "strb " sum ", " at "\n"
#define BW_UNUSED __attribute__((unused))
/* Functions of assembly alone, of whose bodies the compiler must believe nothing: not that an
 * argument is unused, nor that memory is. */
#if defined(__clang__)
#define BW_ASSEMBLY __attribute__((naked, noinline, unused)) static
#else
#define BW_ASSEMBLY __attribute__((naked, noinline, noipa, unused)) static
#endif

/* Four or more fast rows at one position: output[row] int16. The last block of four rows may repeat
 * some. r0 scratch, r1 weights, r2 columns, r3 three times that, r4-r7 sums, lr the row. */
BW_ASSEMBLY void bw_fast_rows_1(
    BW_UNUSED const bw_rows *rows, BW_UNUSED const int32_t *scratch, BW_UNUSED int16_t *output) {
  __asm__ volatile(
      "push {r0-r11, lr}\n"
      "mov lr, #0\n"
      "0:\n"
      "ldr r12, [sp]\n"
      "ldr r2, [r12, #20]\n" /* columns */
      "ldrd r1, r3, [r12]\n" /* weights, biases */
      "mla r1, r2, lr, r1\n"
      "add r3, r3, lr, lsl #2\n"
      "ldm r3, {r4-r7}\n"
      "add r3, r2, r2, lsl #1\n"
      "ldr r0, [sp, #4]\n"
      "adds r12, r2, #3\n"
      "lsrs r12, r12, #2\n"
      "1:\n" BW_FOUR_ROWS
      "subs r12, r12, #1\n"
      "bne 1b\n"
      "ldr r12, [sp]\n"
      "ldrd r0, r1, [r12, #8]\n" /* multipliers, shifts */
      "ldr r1, [r1, lr]\n"
      "ldr r3, [r12, #24]\n" /* the fast form */
      "subs r1, r3, r1\n" /* 32 or 28 less the shift in each byte; LSL looks at the last */
      "tst r3, #4\n"
      "beq 4f\n" BW_LIFT("r4") BW_LIFT("r5") BW_LIFT("r6") BW_LIFT("r7")
      "4:\n"
      "add r0, r0, lr, lsl #1\n"
      "ldr r2, [r0]\n"
      "ldr r3, [r0, #4]\n"
      "ldr r0, [sp, #8]\n"
      "add r0, r0, lr, lsl #1\n"
      BW_WIDE_VALUE("uxth r8, r2", "r4", "0")
      BW_WIDE_VALUE("lsr r8, r2, #16", "r5", "2")
      BW_WIDE_VALUE("uxth r8, r3", "r6", "4")
      BW_WIDE_VALUE("lsr r8, r3, #16", "r7", "6")
      "ldr r3, [r12, #16]\n" /* count */
      "subs r3, r3, #4\n"
      "cmp lr, r3\n"
      "bge 3f\n"
      "add lr, lr, #4\n"
      "cmp lr, r3\n"
      "it gt\n"
      "movgt lr, r3\n"
      "b 0b\n"
      "3:\n"
      "pop {r0-r11, pc}\n");
}

/* Fast rows, not lifted, at four positions, with ReLU: output[position][row] int8. r0 scratch,
 * r1 weights, r4-r7 sums, r11 rows, r12 output, lr the row. */
BW_ASSEMBLY void bw_fast_rows_4(
    BW_UNUSED const bw_rows *rows, BW_UNUSED const int32_t *scratch, BW_UNUSED int8_t *output) {
  __asm__ volatile(
      "push {r1, r4-r11, lr}\n"
      "mov r11, r0\n"
      "mov r12, r2\n"
      "mov lr, #0\n"
      "0:\n"
      "ldr r2, [r11, #20]\n" /* columns */
      "ldrd r1, r3, [r11]\n" /* weights, biases */
      "mla r1, r2, lr, r1\n"
      "ldr r4, [r3, lr, lsl #2]\n"
      "mov r5, r4\n"
      "mov r6, r4\n"
      "mov r7, r4\n"
      "ldr r0, [sp]\n"
      "add r10, r2, #3\n"
      "lsr r10, r10, #2\n"
      "1:\n" BW_FOUR_POSITIONS
      "subs r10, r10, #1\n"
      "bne 1b\n"
      "ldrd r0, r1, [r11, #8]\n" /* multipliers, shifts */
      "ldrh r0, [r0, lr, lsl #1]\n"
      "ldrb r1, [r1, lr]\n"
      "rsb r1, r1, #32\n"
      "lsls r0, r0, r1\n"
      "ldr r1, [r11, #16]\n" /* count */
      "mov r3, r12\n"
      BW_RELU_VALUE("r4", "[r3]")
      BW_RELU_VALUE("r5", "[r3, r1]")
      "adds r3, r3, r1\n"
      BW_RELU_VALUE("r6", "[r3, r1]")
      "adds r3, r3, r1\n"
      BW_RELU_VALUE("r7", "[r3, r1]")
      "add r12, r12, #1\n"
      "add lr, lr, #1\n"
      "cmp lr, r1\n"
      "bne 0b\n"
      "pop {r1, r4-r11, pc}\n");
}

BW_SMALL void bw_conv(const bw_rows *rows, const int8_t *input, int32_t step, int32_t times,
                       int8_t *output, int32_t *scratch) {
  const int32_t block = times >= 4 && rows->fast == BW_FAST ? 4 : 1;
  for (int32_t t = 0; t < times; t += block) {
    if (t > times - block) t = times - block; /* the last block starts early enough to be whole */
    int8_t *out = output + t * rows->count;
    bw_widen(scratch, input + t * step, rows->columns, step, block);
    if (block == 4) bw_fast_rows_4(rows, scratch, out);
    else bw_any_rows(rows, scratch, out, 0);
  }
}

/* All rows on one position: int8 at `input`, or int16 at `wide` where there is no `input`. */
BW_SMALL void bw_dense(const bw_rows *rows, const int8_t *input, const int16_t *wide,
                        int16_t *output, int32_t *scratch) {
  if (input != 0) bw_widen(scratch, input, rows->columns, 0, 1);
  else bw_permute(scratch, wide, rows->columns);
  if (rows->fast != 0 && rows->count >= 4) bw_fast_rows_1(rows, scratch, output);
  else bw_any_rows(rows, scratch, 0, output);
}

/* Four channels at a time; what is computed beside the last channel is not stored. */
BW_KERNEL void bw_depthwise(const bw_rows *rows, const int8_t *input, int32_t step, int32_t times,
                            int8_t *output) {
  const int32_t channels = rows->count;
  const int32_t columns = rows->columns;
  for (int32_t first = 0; first < channels; first += 4) {
    const int32_t end = first + 4 < channels ? first + 4 : channels;
    const int8_t *from = input + first;
    int8_t *to = output + first;
    for (int32_t left = times; left > 0; left--, from += step, to += channels - (end - first)) {
      const int8_t *in = from;
      const int8_t *weights = rows->weights + first;
      int32_t a = 0, b = 0, c = 0, d = 0;
      int32_t k = columns;
      do {
        const uint32_t x = bw_word(in);
        const uint32_t w = bw_word(weights);
        const int32_t even = bw_even_bytes(x), even_weights = bw_even_bytes(w);
        const int32_t odd = bw_odd_bytes(x), odd_weights = bw_odd_bytes(w);
        a = bw_low_product(even, even_weights, a);
        b = bw_low_product(odd, odd_weights, b);
        c = bw_high_product(even, even_weights, c);
        d = bw_high_product(odd, odd_weights, d);
        in += channels;
        weights += channels;
      } while (--k > 0);
      const int32_t sums[4] = {a, b, c, d};
      const int32_t *sum = sums;
      int32_t i = first;
      do {
        int32_t value = *sum++ + rows->biases[i];
        const int32_t multiplier = rows->multipliers[i];
        const int32_t shift = rows->shifts[i];
        if (rows->fast != BW_FAST) value = bw_exactly(value, multiplier, shift);
        else value = bw_rescale(value, multiplier << (32 - shift));
        *to++ = (int8_t)bw_relu8(value);
      } while (++i < end);
    }
  }
}

#endif
