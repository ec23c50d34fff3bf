/*
 * Numbers modulo p = 2^255 - 19, for code size and for processors that multiply 32 bits by 32.
 *
 * A number is eight 32-bit words, lowest first, of any value below 2^256: each has two or three
 * forms, and only bw_field_bytes makes the one below p. Outputs may be the same place as inputs.
 * Running time depends on the values: nothing here may touch a secret.
 */
#ifndef BW_FIELD25519_H
#define BW_FIELD25519_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t bw_field[8];

void bw_field_add(bw_field out, const bw_field a, const bw_field b);
void bw_field_subtract(bw_field out, const bw_field a, const bw_field b);
void bw_field_multiply(bw_field out, const bw_field a, const bw_field b);
void bw_field_square(bw_field out, const bw_field a);

/* a^(p-2): one over a; 0 for 0. */
void bw_field_invert(bw_field out, const bw_field a);
/* a^((p-5)/8), from which square roots are made. */
void bw_field_root_power(bw_field out, const bw_field a);

/* 32 bytes, lowest first; bit 255 is dropped. Any value below 2^255 is taken, p and above too. */
void bw_field_read(bw_field out, const uint8_t bytes[32]);
/* The one form below p. */
void bw_field_bytes(uint8_t bytes[32], const bw_field a);
bool bw_field_is_zero(const bw_field a);

#endif
