/* An encoder's codes as bytes, `bits` each, the low bits of a byte first: src/wire/codes.ts. */
#ifndef BW_CODES_H
#define BW_CODES_H

#include <stdint.h>

static inline uint32_t bw_packed_code_bytes(uint32_t count, uint32_t bits) {
  return (count * bits + 7u) / 8u;
}

/* Fills that many bytes. `codes` are one a byte, each below 2^bits; `bits` is 1 to 7. */
void bw_pack_codes(const uint8_t *codes, uint32_t count, uint32_t bits, uint8_t *packed);

#endif
