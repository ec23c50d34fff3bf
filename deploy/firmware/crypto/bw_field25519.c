/*
 * Arithmetic modulo 2^255 - 19.
 *
 * 2^256 is 38 modulo p, so whatever leaves the eighth word comes back times 38. A product is 64
 * multiplications of 32 by 32 bits with two words added, which never leave 64 bits and are one
 * UMAAL each on a Cortex-M4; a Cortex-M0 puts each together from four of 16 by 16.
 */

#include "bw_field25519.h"

#include "bw_memory.h"

/* A Cortex-M0 multiplies to 32 bits only. A test asks for its way on any processor. */
#if defined(__ARM_ARCH_6M__) && !defined(BW_NARROW_MULTIPLY)
#define BW_NARROW_MULTIPLY
#endif

/* low of a * b + c + d, whose high goes to *high. Cannot overflow: (2^32-1)^2 + 2 (2^32-1) is
 * 2^64 - 1. */
#if defined(BW_NARROW_MULTIPLY)
static inline uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c, uint32_t d,
                                    uint32_t *high) {
  uint32_t a0 = a & 0xffffu, a1 = a >> 16, b0 = b & 0xffffu, b1 = b >> 16;
  uint32_t low = a0 * b0;
  uint32_t middle = a0 * b1 + (low >> 16);
  uint32_t other = a1 * b0 + (middle & 0xffffu);
  uint32_t top = a1 * b1 + (middle >> 16) + (other >> 16);
  low = (other << 16) | (low & 0xffffu);
  low += c;
  top += low < c;
  low += d;
  top += low < d;
  *high = top;
  return low;
}
#elif defined(__ARM_FEATURE_DSP)
/* GCC does not find UMAAL by itself. */
static inline uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c, uint32_t d,
                                    uint32_t *high) {
  __asm__("umaal %0, %1, %2, %3" : "+r"(c), "+r"(d) : "r"(a), "r"(b));
  *high = d;
  return c;
}
#else
static inline uint32_t multiply_add(uint32_t a, uint32_t b, uint32_t c, uint32_t d,
                                    uint32_t *high) {
  uint64_t sum = (uint64_t)a * b + c + d;
  *high = (uint32_t)(sum >> 32);
  return (uint32_t)sum;
}
#endif

/* The eight words of a sum, written out: a loop would cost more than what is in it. */
#define EIGHT_TIMES(step) step(0) step(1) step(2) step(3) step(4) step(5) step(6) step(7)

/* Adds `carry` times 2^256, that is 38 times `carry`, as far as it carries; seldom past word 0. */
static inline void fold(bw_field a, uint32_t carry) {
  uint64_t sum = (uint64_t)carry * 38u;
  for (unsigned i = 0; sum != 0; i++) {
    if (i == 8) {
      i = 0;
      sum *= 38u;
    }
    sum += a[i];
    a[i] = (uint32_t)sum;
    sum >>= 32;
  }
}

void bw_field_add(bw_field out, const bw_field a, const bw_field b) {
  uint64_t sum = 0;
#define ADD_WORD(i)           \
  sum += (uint64_t)a[i] + b[i]; \
  out[i] = (uint32_t)sum;       \
  sum >>= 32;
  EIGHT_TIMES(ADD_WORD)
  fold(out, (uint32_t)sum);
}

void bw_field_subtract(bw_field out, const bw_field a, const bw_field b) {
  int64_t sum = 0;
#define SUBTRACT_WORD(i)       \
  sum += (int64_t)a[i] - b[i]; \
  out[i] = (uint32_t)sum;      \
  sum >>= 32;
  EIGHT_TIMES(SUBTRACT_WORD)
  /* A borrow took 2^256 too much, which is 38 modulo p. */
  sum *= 38;
  for (unsigned i = 0; sum != 0; i++) {
    if (i == 8) {
      i = 0;
      sum *= 38;
    }
    sum += out[i];
    out[i] = (uint32_t)sum;
    sum >>= 32;
  }
}

/* One row of a product: `into` + word * b over eight words, the ninth returned. */
static inline uint32_t add_row(uint32_t into[8], uint32_t word, const bw_field b) {
  uint32_t carry = 0;
#define MULTIPLY_WORD(j) into[j] = multiply_add(word, b[j], into[j], carry, &carry);
  EIGHT_TIMES(MULTIPLY_WORD)
  return carry;
}

/* Sixteen words to eight: the upper half comes back times 38. */
static void reduce(bw_field out, uint32_t wide[16]) {
  uint32_t carry = add_row(wide, 38, wide + 8);
  memcpy(out, wide, sizeof(bw_field));
  fold(out, carry);
}

void bw_field_multiply(bw_field out, const bw_field a, const bw_field b) {
  uint32_t wide[16] = {0};
#if defined(__ARM_FEATURE_DSP) && !defined(__OPTIMIZE_SIZE__)
  /* Written out, b and a part of the product stay in registers: half the instructions. */
#define ADD_ROW(i) wide[(i) + 8] = add_row(wide + (i), a[i], b);
  EIGHT_TIMES(ADD_ROW)
#else
  for (unsigned i = 0; i < 8; i++) wide[i + 8] = add_row(wide + i, a[i], b);
#endif
  reduce(out, wide);
}

#if !defined(BW_NARROW_MULTIPLY)
/* Written out, 64 multiplications are fewer instructions than 36 in loops of changing length. */
void bw_field_square(bw_field out, const bw_field a) { bw_field_multiply(out, a, a); }
#else
/* Each product of two different words once and doubled, then the squares: 36 multiplications. */
void bw_field_square(bw_field out, const bw_field a) {
  uint32_t wide[16] = {0};
  for (unsigned i = 0; i < 7; i++) {
    uint32_t carry = 0;
    for (unsigned j = i + 1; j < 8; j++) {
      wide[i + j] = multiply_add(a[i], a[j], wide[i + j], carry, &carry);
    }
    wide[i + 8] = carry;
  }
  uint32_t top = 0, carry = 0;
  for (unsigned i = 0; i < 8; i++) {
    uint32_t low = (wide[2 * i] << 1) | top;
    uint32_t high = (wide[2 * i + 1] << 1) | (wide[2 * i] >> 31);
    uint32_t sum;
    top = wide[2 * i + 1] >> 31;
    wide[2 * i] = multiply_add(a[i], a[i], low, carry, &sum);
    wide[2 * i + 1] = high + sum;
    carry = wide[2 * i + 1] < sum;
  }
  reduce(out, wide);
}
#endif

static void square_times(bw_field a, unsigned times) {
  while (times-- > 0) bw_field_square(a, a);
}

/* a^(2^250 - 1), the run of ones that both exponents begin with, and a^11 on the way. */
static void power_of_ones(bw_field out, bw_field a11, const bw_field a) {
  bw_field x, y;
  bw_field_square(x, a); /* 2 */
  memcpy(y, x, sizeof y);
  square_times(y, 2);           /* 8 */
  bw_field_multiply(y, y, a);   /* 9 */
  bw_field_multiply(a11, y, x); /* 11 */
  bw_field_square(x, a11);      /* 22 */
  bw_field_multiply(x, x, y);   /* 2^5 - 1 */
  /* From n ones to 2 n ones, and twice with a shorter run put on at the end. */
  memcpy(y, x, sizeof y);
  square_times(y, 5);
  bw_field_multiply(x, y, x); /* 2^10 - 1 */
  memcpy(out, x, sizeof x);   /* kept: ten ones */
  memcpy(y, x, sizeof y);
  square_times(y, 10);
  bw_field_multiply(y, y, x); /* 2^20 - 1 */
  memcpy(x, y, sizeof x);
  square_times(y, 20);
  bw_field_multiply(y, y, x); /* 2^40 - 1 */
  square_times(y, 10);
  bw_field_multiply(x, y, out); /* 2^50 - 1 */
  memcpy(y, x, sizeof y);
  square_times(y, 50);
  bw_field_multiply(y, y, x); /* 2^100 - 1 */
  memcpy(out, y, sizeof y);
  square_times(y, 100);
  bw_field_multiply(y, y, out); /* 2^200 - 1 */
  square_times(y, 50);
  bw_field_multiply(out, y, x); /* 2^250 - 1 */
}

void bw_field_invert(bw_field out, const bw_field a) {
  bw_field ones, a11;
  power_of_ones(ones, a11, a);
  square_times(ones, 5);
  bw_field_multiply(out, ones, a11); /* (2^250 - 1) 2^5 + 11 = 2^255 - 21 */
}

void bw_field_root_power(bw_field out, const bw_field a) {
  bw_field ones, a11;
  power_of_ones(ones, a11, a);
  square_times(ones, 2);
  bw_field_multiply(out, ones, a); /* (2^250 - 1) 2^2 + 1 = 2^252 - 3 */
}

void bw_field_read(bw_field out, const uint8_t bytes[32]) {
  for (unsigned i = 0; i < 8; i++, bytes += 4) {
    out[i] = bytes[0] | ((uint32_t)bytes[1] << 8) | ((uint32_t)bytes[2] << 16) |
             ((uint32_t)bytes[3] << 24);
  }
  out[7] &= 0x7fffffffu;
}

/* Adds 19 * times to the low 255 bits; what bit 255 then is. */
static uint32_t add_nineteens(bw_field a, uint32_t times) {
  uint64_t sum = (uint64_t)times * 19u;
  for (unsigned i = 0; i < 8; i++) {
    sum += a[i];
    a[i] = (uint32_t)sum;
    sum >>= 32;
  }
  return a[7] >> 31;
}

void bw_field_bytes(uint8_t bytes[32], const bw_field a) {
  bw_field whole;
  memcpy(whole, a, sizeof whole);
  /* Bit 255 is worth 19: after two rounds the number is below 2^255. */
  for (unsigned round = 0; round < 2; round++) {
    uint32_t top = whole[7] >> 31;
    whole[7] &= 0x7fffffffu;
    add_nineteens(whole, top);
  }
  /* It is p or more exactly if 19 more reaches bit 255, and then less p is plus 19 without it. */
  bw_field reduced;
  memcpy(reduced, whole, sizeof reduced);
  if (add_nineteens(reduced, 1) != 0) {
    reduced[7] &= 0x7fffffffu;
    memcpy(whole, reduced, sizeof whole);
  }
  for (unsigned i = 0; i < 32; i++) bytes[i] = (uint8_t)(whole[i >> 2] >> (8u * (i & 3u)));
}

bool bw_field_is_zero(const bw_field a) {
  uint8_t bytes[32];
  uint8_t any = 0;
  bw_field_bytes(bytes, a);
  for (unsigned i = 0; i < 32; i++) any = (uint8_t)(any | bytes[i]);
  return any == 0;
}
