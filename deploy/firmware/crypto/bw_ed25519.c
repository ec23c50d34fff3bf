/*
 * Ed25519 verification: SHA-512(R, A, M) = h, and then whether S B - h A is R.
 *
 * Points are in the extended coordinates of RFC 8032, section 5.1.4: x = X / Z, y = Y / Z,
 * x y = T / Z. The two multiplications share their doublings (Straus), with signed windows of five
 * bits over a table of the base point in flash and of four over one of A on the stack: some 253
 * doublings and 95 additions, and two powers of about 265 multiplications.
 */

#include "bw_ed25519.h"

#include "bw_ed25519_table.h"
#include "bw_field25519.h"
#include "bw_memory.h"
#include "bw_sha2.h"

#define BASE_WINDOW 5u
#define KEY_WINDOW 4u
#define KEY_MULTIPLES 4u
#define DIGITS 256u

typedef struct point {
  bw_field x, y, z, t;
} point;

/* What an addition reads of its second operand. */
typedef struct addend {
  bw_field minus; /* y - x */
  bw_field plus;  /* y + x */
  bw_field t2d;   /* 2 d t */
  bw_field z2;    /* 2 z */
} addend;

static const bw_field TWO = {2};

/* Both formulas end alike: from e, f, g, h to a point. A doubling does not read t, so that it can be
 * left out before one. */
static void finish(point *out, const bw_field e, const bw_field f, const bw_field g,
                   const bw_field h, bool with_t) {
  bw_field_multiply(out->x, e, f);
  bw_field_multiply(out->y, g, h);
  bw_field_multiply(out->z, f, g);
  if (with_t) bw_field_multiply(out->t, e, h);
}

static void double_point(point *p, bool with_t) {
  bw_field a, b, c, e;
  bw_field_square(a, p->x);
  bw_field_square(b, p->y);
  bw_field_square(c, p->z);
  bw_field_add(c, c, c);
  bw_field_add(e, p->x, p->y);
  bw_field_square(e, e);
  bw_field_add(p->t, a, b);      /* h */
  bw_field_subtract(e, p->t, e); /* e */
  bw_field_subtract(b, a, b);    /* g */
  bw_field_add(c, c, b);         /* f */
  memcpy(a, p->t, sizeof a);
  finish(p, e, c, b, a, with_t);
}

/* p plus the point of which these are y - x, y + x, 2 d t, 2 z, or minus it. */
static void add_point(point *p, const uint32_t *minus, const uint32_t *plus, const uint32_t *t2d,
                      const uint32_t *z2, bool negative) {
  bw_field a, b, c, d;
  /* The negative of (x, y) is (-x, y): both differences change places, and t its sign. */
  bw_field_subtract(a, p->y, p->x);
  bw_field_multiply(a, a, negative ? plus : minus);
  bw_field_add(b, p->y, p->x);
  bw_field_multiply(b, b, negative ? minus : plus);
  bw_field_multiply(c, p->t, t2d);
  bw_field_multiply(d, p->z, z2);
  bw_field_subtract(p->x, b, a); /* e */
  bw_field_add(p->y, b, a);      /* h */
  bw_field_subtract(a, d, c);
  bw_field_add(b, d, c);
  memcpy(c, p->x, sizeof c);
  memcpy(d, p->y, sizeof d);
  finish(p, c, negative ? b : a, negative ? a : b, d, true);
}

/* Whether eight times the point is the neutral element. Only it and the point of order 2 have an x
 * of 0, and twice either is neutral. Such a key would verify one signature for many messages. */
static bool is_of_small_order(const point *p) {
  point four = *p;
  double_point(&four, false);
  double_point(&four, false);
  return bw_field_is_zero(four.x);
}

static void make_addend(addend *out, const point *p) {
  bw_field_subtract(out->minus, p->y, p->x);
  bw_field_add(out->plus, p->y, p->x);
  bw_field_multiply(out->t2d, p->t, CURVE_2D);
  bw_field_add(out->z2, p->z, p->z);
}

/* A key's point (section 5.1.3). False: no point has that y. An x of 0 has no sign, and whatever
 * bit 255 says of it is passed over, as OpenSSL does. */
static bool read_point(point *out, const uint8_t bytes[32]) {
  bw_field u, v, v3, check;
  uint8_t x[32];
  bw_field_read(out->y, bytes);
  bw_zero(out->z, sizeof out->z);
  out->z[0] = 1;
  bw_field_square(u, out->y);
  bw_field_multiply(v, u, CURVE_D);
  bw_field_subtract(u, u, out->z);
  bw_field_add(v, v, out->z);
  bw_field_square(v3, v);
  bw_field_multiply(v3, v3, v);
  /* x = u v^3 (u v^7)^((p-5)/8), or that times a root of -1. */
  bw_field_square(out->x, v3);
  bw_field_multiply(out->x, out->x, v);
  bw_field_multiply(out->x, out->x, u);
  bw_field_root_power(out->x, out->x);
  bw_field_multiply(out->x, out->x, v3);
  bw_field_multiply(out->x, out->x, u);
  bw_field_square(check, out->x);
  bw_field_multiply(check, check, v);
  bw_field_subtract(v3, check, u);
  if (!bw_field_is_zero(v3)) {
    bw_field_add(v3, check, u);
    if (!bw_field_is_zero(v3)) return false;
    bw_field_multiply(out->x, out->x, ROOT_OF_MINUS_ONE);
  }
  bw_field_bytes(x, out->x);
  if ((x[0] & 1u) != bytes[31] >> 7) {
    bw_zero(v3, sizeof v3);
    bw_field_subtract(out->x, v3, out->x);
  }
  bw_field_multiply(out->t, out->x, out->y);
  return true;
}

static bool below_order(const uint32_t scalar[8]) {
  for (unsigned i = 8; i-- > 0;) {
    if (scalar[i] != ORDER[i]) return scalar[i] < ORDER[i];
  }
  return false;
}

/* 512 bits, lowest byte first, modulo the order: division as at school, bit by bit. */
static void reduce_hash(uint32_t out[8], const uint8_t hash[BW_SHA512_BYTES]) {
  bw_zero(out, 8 * sizeof *out);
  for (unsigned bit = 512; bit-- > 0;) {
    uint32_t carry = (uint32_t)(hash[bit >> 3] >> (bit & 7u)) & 1u;
    for (unsigned i = 0; i < 8; i++) {
      uint32_t top = out[i] >> 31;
      out[i] = (out[i] << 1) | carry;
      carry = top;
    }
    if (below_order(out)) continue;
    int64_t sum = 0;
    for (unsigned i = 0; i < 8; i++) {
      sum += (int64_t)out[i] - ORDER[i];
      out[i] = (uint32_t)sum;
      sum >>= 32;
    }
  }
}

static uint32_t bits_at(const uint32_t scalar[8], unsigned at, unsigned count) {
  uint32_t bits = 0;
  for (unsigned i = at + count; i-- > at;) {
    bits = (bits << 1) | (i < 256u ? (scalar[i >> 5] >> (i & 31u)) & 1u : 0u);
  }
  return bits;
}

/* A scalar below 2^253 as odd digits between -2^(window-1) and 2^(window-1), with window - 1 zeros
 * or more between any two: the sum of digits[i] 2^i. */
static void recode(int8_t digits[DIGITS], const uint32_t scalar[8], unsigned window) {
  uint32_t carry = 0;
  bw_zero(digits, DIGITS);
  for (unsigned i = 0; i < DIGITS;) {
    if (((bits_at(scalar, i, 1) + carry) & 1u) == 0) {
      i++;
      continue;
    }
    int32_t digit = (int32_t)(bits_at(scalar, i, window) + carry);
    carry = digit >= 1 << (window - 1u);
    digits[i] = (int8_t)(digit - (carry ? 1 << window : 0));
    i += window;
  }
}

static unsigned multiple_of(int8_t digit) { return (unsigned)(digit < 0 ? -digit : digit) >> 1; }

/* s B - h A, in place of A. */
static void combine(point *a, const uint32_t s[8], const uint32_t h[8]) {
  int8_t base_digits[DIGITS], key_digits[DIGITS];
  addend multiples[KEY_MULTIPLES];
  point twice = *a;
  double_point(&twice, true);
  make_addend(&multiples[0], &twice);
  point odd = *a;
  addend step = multiples[0];
  for (unsigned i = 0; i < KEY_MULTIPLES; i++) {
    make_addend(&multiples[i], &odd);
    add_point(&odd, step.minus, step.plus, step.t2d, step.z2, false);
  }
  recode(base_digits, s, BASE_WINDOW);
  recode(key_digits, h, KEY_WINDOW);
  bw_zero(a, sizeof *a);
  a->y[0] = 1;
  a->z[0] = 1;
  for (unsigned i = DIGITS; i-- > 0;) {
    double_point(a, key_digits[i] != 0 || base_digits[i] != 0);
    if (key_digits[i] != 0) {
      const addend *m = &multiples[multiple_of(key_digits[i])];
      add_point(a, m->minus, m->plus, m->t2d, m->z2, key_digits[i] > 0);
    }
    if (base_digits[i] != 0) {
      const bw_field *m = BASE_MULTIPLES[multiple_of(base_digits[i])];
      add_point(a, m[0], m[1], m[2], TWO, base_digits[i] < 0);
    }
  }
}

static void hash_parts(uint32_t out[8], const uint8_t *signature, const uint8_t *public_key,
                       const void *prefix, uint32_t prefix_length, const void *message,
                       uint32_t length) {
  bw_sha512 sha;
  uint8_t hash[BW_SHA512_BYTES];
  bw_sha512_start(&sha);
  bw_sha512_add(&sha, signature, 32);
  bw_sha512_add(&sha, public_key, BW_PUBLIC_KEY_BYTES);
  bw_sha512_add(&sha, prefix, prefix_length);
  bw_sha512_add(&sha, message, length);
  bw_sha512_end(&sha, hash);
  reduce_hash(out, hash);
}

bool bw_ed25519_verify(const uint8_t signature[BW_SIGNATURE_BYTES],
                       const uint8_t public_key[BW_PUBLIC_KEY_BYTES], const void *prefix,
                       uint32_t prefix_length, const void *message, uint32_t length) {
  uint32_t s[8], h[8];
  uint8_t bytes[32];
  point a;
  for (unsigned i = 0; i < 8; i++) {
    const uint8_t *word = signature + 32 + 4 * i;
    s[i] = word[0] | ((uint32_t)word[1] << 8) | ((uint32_t)word[2] << 16) |
           ((uint32_t)word[3] << 24);
  }
  if (!below_order(s) || !read_point(&a, public_key) || is_of_small_order(&a)) return false;
  hash_parts(h, signature, public_key, prefix, prefix_length, message, length);
  combine(&a, s, h);
  if (is_of_small_order(&a)) return false;
  bw_field_invert(a.z, a.z);
  bw_field_multiply(a.x, a.x, a.z);
  bw_field_multiply(a.y, a.y, a.z);
  bw_field_bytes(bytes, a.x);
  uint8_t sign = (uint8_t)(bytes[0] << 7);
  bw_field_bytes(bytes, a.y);
  bytes[31] |= sign;
  return bw_same(bytes, signature, sizeof bytes);
}
