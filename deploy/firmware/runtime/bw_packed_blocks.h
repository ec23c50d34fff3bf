/*
 * The arithmetic under bw_kernels_packed.h: one rescaling, one widening, and two blocks of products.
 *
 * Each has a form for Cortex-M with DSP instructions and one for any processor; the bits are the
 * same. BW_PORTABLE leaves out the former. What is packed how is drawn in bw_kernels_packed.h.
 */
#ifndef BW_PACKED_BLOCKS_H
#define BW_PACKED_BLOCKS_H

#include <stdint.h>

#if defined(__ARM_FEATURE_DSP) && defined(__thumb2__) && !defined(__ARM_BIG_ENDIAN) && \
    !defined(BW_PORTABLE)
#define BW_PACKED_DSP 1
#include <arm_acle.h>
#else
#define BW_PACKED_DSP 0
#endif

/* Saturation in one instruction, from ARMv7-M on. */
#if defined(__ARM_FEATURE_SAT) && defined(__thumb2__) && !defined(BW_PORTABLE)
#define BW_PACKED_SAT 1
#else
#define BW_PACKED_SAT 0
#endif

/* Cortex-M0 multiplies into 32 bits only. Tests set it elsewhere too. */
#if !defined(BW_SHORT_PRODUCTS)
#if defined(__ARM_ARCH_ISA_THUMB) && __ARM_ARCH_ISA_THUMB == 1
#define BW_SHORT_PRODUCTS 1
#else
#define BW_SHORT_PRODUCTS 0
#endif
#endif

/* Of tables that are read by the word. */
#if defined(__GNUC__)
#define BW_ALIGNED __attribute__((aligned(4)))
#define BW_UNUSED __attribute__((unused))
/* One copy, whatever it is called with: its loops are long enough to pay for the call. */
#define BW_SHARED __attribute__((noinline, unused)) static
#else
#define BW_ALIGNED
#define BW_UNUSED
#define BW_SHARED static
#endif

/* A function of assembly alone, whose arguments are where the procedure call standard has them. The
 * compiler must believe nothing of its body: not that an argument is unused, nor that memory is. */
#if defined(__clang__)
#define BW_ASSEMBLY __attribute__((naked, noinline)) static
#else
#define BW_ASSEMBLY __attribute__((naked, noinline, noipa)) static
#endif

/* A row's bias and rescaling by multiplier m and shift s, in one of two forms. With a lift k of 0 or
 * more, a sum is first shifted left by k, so that 17 <= s + k <= 32, and `scale` is
 * BW_SCALE(m, s + k), what the processor takes fastest. Where that would leave an int32, the lift
 * is BW_WIDE and `scale` is BW_WIDE_SCALE(m, s). */
typedef struct bw_row {
  int32_t bias;
  int32_t scale;
} bw_row;

#define BW_WIDE (-1)
#define BW_WIDE_SCALE(m, s) ((int32_t)(m) + (int32_t)(s) * 65536)
#if BW_SHORT_PRODUCTS
#define BW_SCALE(m, s) BW_WIDE_SCALE(m, s)
#else
#define BW_SCALE(m, s) ((int32_t)(m) * ((int32_t)1 << (32 - (s))))
#endif

/* What becomes of a rescaled sum. */
enum { BW_RELU8, BW_SAT8, BW_SAT16 };

static inline int32_t bw_clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : value > high ? high : value;
}

static inline int32_t bw_saturate(int32_t y, int32_t mode) {
#if BW_PACKED_SAT
  if (mode == BW_RELU8) __asm__("usat %0, #7, %0" : "+r"(y));
  else if (mode == BW_SAT8) __asm__("ssat %0, #8, %0" : "+r"(y));
  else __asm__("ssat %0, #16, %0" : "+r"(y));
  return y;
#else
  if (mode == BW_RELU8) return bw_clamp(y, 0, 127);
  if (mode == BW_SAT8) return bw_clamp(y, -128, 127);
  return bw_clamp(y, -32768, 32767);
#endif
}

/* y = (sum * m + 2^(s-1)) >> s, exactly, then what `mode` says. The narrow form is the upper
 * word of a product with m * 2^(32-s), which fits an int32: one SMMULR, or one long multiplication.
 * Without those it is made of two 32-bit products. */
static inline int32_t bw_rescale(int32_t sum, int32_t scale, int32_t lift, int32_t mode) {
  int32_t y;
  if (lift == BW_WIDE) {
    const int32_t m = scale & 0x7fff;
    const int32_t s = scale >> 16;
    const int64_t product = (int64_t)sum * m + ((int64_t)1 << (s - 1));
    const int64_t exact = product >> s;
    y = exact > 32767 ? 32767 : exact < -32768 ? -32768 : (int32_t)exact;
  } else {
    const int32_t lifted = sum * ((int32_t)1 << lift);
#if BW_PACKED_DSP
    __asm__("smmulr %0, %1, %2" : "=r"(y) : "r"(lifted), "r"(scale));
#elif !BW_SHORT_PRODUCTS
    y = (int32_t)(((int64_t)lifted * scale + ((int64_t)1 << 31)) >> 32);
#else
    const int32_t m = scale & 0x7fff;
    const int32_t s = (scale >> 16) - 16;
    const int32_t low = (int32_t)(((uint32_t)lifted & 0xffffu) * (uint32_t)m >> 16);
    const int32_t upper = (lifted >> 16) * m + low; /* floor(lifted * m / 2^16), within 30 bits */
    y = (upper + ((int32_t)1 << (s - 1))) >> s;
#endif
  }
  return bw_saturate(y, mode);
}

static inline void bw_packed_zero(int8_t *to, int32_t bytes) {
  for (int32_t i = 0; i < bytes; i++) to[i] = 0;
}

#if BW_PACKED_DSP
static inline uint32_t bw_load32(const void *from) {
  uint32_t word;
  __builtin_memcpy(&word, from, 4);
  return word;
}

static inline int16x2_t bw_even_bytes(uint32_t word) {
  return __sxtb16((int8x4_t)word);
}

static inline int16x2_t bw_odd_bytes(uint32_t word) {
  int16x2_t out;
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(out) : "r"(word));
  return out;
}
#endif

/* Widens `columns` int8 of `samples` rows, `step` bytes apart, into [column pair][samples][2]. */
BW_SHARED void bw_widen(int16_t *to, const int8_t *from, int32_t columns, int32_t step,
                            int32_t samples) {
  for (int32_t t = 0; t < samples; t++, from += step, to += 2) {
    int32_t c = 0;
    int16_t *pair = to;
#if BW_PACKED_DSP
    for (; c + 4 <= columns; c += 4, pair += 4 * samples) {
      const uint32_t word = bw_load32(from + c);
      const uint32_t even = (uint32_t)bw_even_bytes(word);
      const uint32_t odd = (uint32_t)bw_odd_bytes(word);
      uint32_t low;
      uint32_t high;
      __asm__("pkhbt %0, %1, %2, lsl #16" : "=r"(low) : "r"(even), "r"(odd));
      __asm__("pkhtb %0, %1, %2, asr #16" : "=r"(high) : "r"(odd), "r"(even));
      __builtin_memcpy(pair, &low, 4);
      __builtin_memcpy(pair + 2 * samples, &high, 4);
    }
#endif
    for (; c + 2 <= columns; c += 2, pair += 2 * samples) {
      pair[0] = from[c];
      pair[1] = from[c + 1];
    }
    if (c < columns) {
      pair[0] = from[c];
      pair[1] = 0;
    }
  }
}

/* Two rows by four samples: sums[row * 4 + sample] += weights . scratch. */
#if BW_PACKED_DSP
/* By hand: eight sums, two inputs and two words of weights leave a compiler no register to count
 * with, and a loop that it unrolls instead takes four times the flash. The ends are on the stack. */
#define BW_FOUR_BY_TWO             \
  "ldr r12, [r1], #4\n"            \
  "ldrd r2, r3, [r0], #8\n"        \
  "sxtb16 lr, r12\n"               \
  "sxtb16 r12, r12, ror #8\n"      \
  "smlad r4, lr, r2, r4\n"         \
  "smlad r8, r12, r2, r8\n"        \
  "smlad r5, lr, r3, r5\n"         \
  "smlad r9, r12, r3, r9\n"        \
  "ldrd r2, r3, [r0], #8\n"        \
  "smlad r6, lr, r2, r6\n"         \
  "smlad r10, r12, r2, r10\n"      \
  "smlad r7, lr, r3, r7\n"         \
  "smlad r11, r12, r3, r11\n"
BW_ASSEMBLY void bw_block4(BW_UNUSED const int16_t *x, BW_UNUSED const int8_t *w,
                           BW_UNUSED int32_t pairs, BW_UNUSED int32_t *sums) {
  __asm__ volatile(
      "push {r3-r11, lr}\n"
      "add lr, r1, r2, lsl #2\n"
      "bic r2, r2, #3\n"
      "add r12, r1, r2, lsl #2\n"
      "push {r12, lr}\n"
      "ldm r3, {r4-r11}\n"
      "cmp r1, r12\n"
      "beq 2f\n"
      "1:\n" BW_FOUR_BY_TWO BW_FOUR_BY_TWO BW_FOUR_BY_TWO BW_FOUR_BY_TWO
      "ldr r2, [sp]\n"
      "cmp r1, r2\n"
      "bne 1b\n"
      "2:\n"
      "ldr r2, [sp, #4]\n"
      "cmp r1, r2\n"
      "beq 3f\n" BW_FOUR_BY_TWO
      "b 2b\n"
      "3:\n"
      "ldr r3, [sp, #8]\n"
      "stm r3, {r4-r11}\n"
      "add sp, sp, #12\n"
      "pop {r4-r11, pc}\n");
}

/* All whole pairs of rows of a matrix with lift 0, by four samples, with ReLU: out is [4][n] int8.
 * Sums never leave their registers: it is bw_block4 with the rows' loop around and the rescaling
 * behind it. Stack: ends at 0 and 4, x at 8, rows at 12, bytes of a pair of rows at 16, of which in
 * whole fours at 20, pairs left at 24; `out` and `n` at 64 and 68. */
#define BW_RESCALE_PAIR(a, b)   \
  "smmulr " a ", " a ", r2\n"   \
  "smmulr " b ", " b ", r3\n"   \
  "usat " a ", #7, " a "\n"     \
  "usat " b ", #7, " b "\n"     \
  "strb " a ", [r0]\n"          \
  "strb " b ", [r0, #1]\n"      \
  "add r0, r0, r12\n"
BW_ASSEMBLY void bw_pairs4_relu(BW_UNUSED const int16_t *x, BW_UNUSED const int8_t *w,
                                BW_UNUSED const bw_row *rows, BW_UNUSED int32_t pairs,
                                BW_UNUSED int8_t *out, BW_UNUSED int32_t n) {
  __asm__ volatile(
      "push {r4-r11, lr}\n"
      "sub sp, sp, #28\n"
      "lsl r3, r3, #2\n"
      "str r0, [sp, #8]\n"
      "str r2, [sp, #12]\n"
      "str r3, [sp, #16]\n"
      "bic r3, r3, #15\n"
      "str r3, [sp, #20]\n"
      "ldr r2, [sp, #68]\n"
      "lsrs r2, r2, #1\n"
      "beq 4f\n"
      "0:\n"
      "str r2, [sp, #24]\n"
      "ldr r3, [sp, #12]\n"
      "ldm r3!, {r4, r5, r8, r9}\n" /* bias, scale, bias, scale */
      "str r3, [sp, #12]\n"
      "mov r5, r4\n"
      "mov r6, r4\n"
      "mov r7, r4\n"
      "mov r9, r8\n"
      "mov r10, r8\n"
      "mov r11, r8\n"
      "ldrd r2, r3, [sp, #16]\n"
      "add r2, r2, r1\n"
      "add r3, r3, r1\n"
      "strd r3, r2, [sp]\n"
      "ldr r0, [sp, #8]\n"
      "cmp r1, r3\n"
      "beq 2f\n"
      "1:\n" BW_FOUR_BY_TWO BW_FOUR_BY_TWO BW_FOUR_BY_TWO BW_FOUR_BY_TWO
      "ldr r2, [sp]\n"
      "cmp r1, r2\n"
      "bne 1b\n"
      "2:\n"
      "ldr r2, [sp, #4]\n"
      "cmp r1, r2\n"
      "beq 3f\n" BW_FOUR_BY_TWO
      "b 2b\n"
      "3:\n"
      "ldr r3, [sp, #12]\n"
      "ldrd r0, r12, [sp, #64]\n"
      "ldr r2, [r3, #-12]\n"
      "ldr r3, [r3, #-4]\n" BW_RESCALE_PAIR("r4", "r8") BW_RESCALE_PAIR("r5", "r9")
      BW_RESCALE_PAIR("r6", "r10") BW_RESCALE_PAIR("r7", "r11")
      "ldr r0, [sp, #64]\n"
      "adds r0, r0, #2\n"
      "str r0, [sp, #64]\n"
      "ldr r2, [sp, #24]\n"
      "subs r2, r2, #1\n"
      "bne 0b\n"
      "4:\n"
      "add sp, sp, #28\n"
      "pop {r4-r11, pc}\n");
}
#else
static void bw_block4(const int16_t *x, const int8_t *w, int32_t pairs, int32_t *sums) {
  int32_t a0 = sums[0], a1 = sums[1], a2 = sums[2], a3 = sums[3];
  int32_t b0 = sums[4], b1 = sums[5], b2 = sums[6], b3 = sums[7];
  const int8_t *const end = w + 4 * pairs;
  for (; w != end; x += 8, w += 4) {
    for (int32_t i = 0; i < 2; i++) {
      const int32_t row0 = w[2 * i];
      const int32_t row1 = w[2 * i + 1];
      a0 += row0 * x[i];
      b0 += row1 * x[i];
      a1 += row0 * x[2 + i];
      b1 += row1 * x[2 + i];
      a2 += row0 * x[4 + i];
      b2 += row1 * x[4 + i];
      a3 += row0 * x[6 + i];
      b3 += row1 * x[6 + i];
    }
  }
  sums[0] = a0, sums[1] = a1, sums[2] = a2, sums[3] = a3;
  sums[4] = b0, sums[5] = b1, sums[6] = b2, sums[7] = b3;
}
#endif

/* Four rows by one vector [column]: sums[row] += weights . x. */
#if BW_PACKED_DSP
#define BW_ONE_BY_FOUR(pointer, first, second) \
  "ldrd r10, r11, [" pointer "], #8\n"        \
  "sxtb16 r2, r10\n"                          \
  "sxtb16 r3, r10, ror #8\n"                  \
  "smlad " first ", r2, r8, " first "\n"      \
  "smlad " second ", r3, r8, " second "\n"    \
  "sxtb16 r2, r11\n"                          \
  "sxtb16 r3, r11, ror #8\n"                  \
  "smlad " first ", r2, r9, " first "\n"      \
  "smlad " second ", r3, r9, " second "\n"
#define BW_FOUR_COLUMNS            \
  "ldrd r8, r9, [r0], #8\n"        \
  BW_ONE_BY_FOUR("r1", "r4", "r5") \
  BW_ONE_BY_FOUR("r12", "r6", "r7")
BW_ASSEMBLY void bw_block1(BW_UNUSED const int16_t *x, BW_UNUSED const int8_t *w,
                           BW_UNUSED int32_t pairs, BW_UNUSED int32_t *sums) {
  __asm__ volatile(
      "push {r2-r11, r12, lr}\n"
      "add r12, r1, r2, lsl #2\n"
      "ldm r3, {r4-r7}\n"
      "lsrs lr, r2, #2\n"
      "beq 2f\n"
      "1:\n" BW_FOUR_COLUMNS BW_FOUR_COLUMNS
      "subs lr, lr, #1\n"
      "bne 1b\n"
      "2:\n"
      "ldr r2, [sp]\n"
      "ands lr, r2, #3\n"
      "beq 4f\n"
      "3:\n"
      "ldr r8, [r0], #4\n"
      "ldr r10, [r1], #4\n"
      "ldr r11, [r12], #4\n"
      "sxtb16 r2, r10\n"
      "sxtb16 r3, r10, ror #8\n"
      "smlad r4, r2, r8, r4\n"
      "smlad r5, r3, r8, r5\n"
      "sxtb16 r2, r11\n"
      "sxtb16 r3, r11, ror #8\n"
      "smlad r6, r2, r8, r6\n"
      "smlad r7, r3, r8, r7\n"
      "subs lr, lr, #1\n"
      "bne 3b\n"
      "4:\n"
      "ldr r3, [sp, #4]\n"
      "stm r3, {r4-r7}\n"
      "add sp, sp, #8\n"
      "pop {r4-r11, r12, pc}\n");
}
#else
static void bw_block1(const int16_t *x, const int8_t *w, int32_t pairs, int32_t *sums) {
  for (int32_t half = 0; half < 4; half += 2) {
    const int16_t *at = x;
    int32_t a = sums[half];
    int32_t b = sums[half + 1];
    for (int32_t i = 0; i < pairs; i++, at += 2, w += 4) {
      a += w[0] * at[0] + w[2] * at[1];
      b += w[1] * at[0] + w[3] * at[1];
    }
    sums[half] = a;
    sums[half + 1] = b;
  }
}
#endif

#endif
