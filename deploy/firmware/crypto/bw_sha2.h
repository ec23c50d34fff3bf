/*
 * SHA-256 and SHA-512 (FIPS 180-4), taken in piece by piece.
 *
 *   bw_sha256 sha;
 *   bw_sha256_start(&sha);
 *   bw_sha256_add(&sha, bytes, length);      as often as needed
 *   bw_sha256_end(&sha, digest);             ends it; start again for another
 */
#ifndef BW_SHA2_H
#define BW_SHA2_H

#include <stdint.h>

#define BW_SHA256_BYTES 32u
#define BW_SHA512_BYTES 64u

typedef struct bw_sha256 {
  uint32_t state[8];
  uint8_t block[64];
  uint32_t length; /* bytes so far: a node hashes nothing near 4 GB */
} bw_sha256;

typedef struct bw_sha512 {
  uint64_t state[8];
  uint8_t block[128];
  uint32_t length;
} bw_sha512;

void bw_sha256_start(bw_sha256 *sha);
void bw_sha256_add(bw_sha256 *sha, const void *data, uint32_t length);
void bw_sha256_end(bw_sha256 *sha, uint8_t digest[BW_SHA256_BYTES]);

void bw_sha512_start(bw_sha512 *sha);
void bw_sha512_add(bw_sha512 *sha, const void *data, uint32_t length);
void bw_sha512_end(bw_sha512 *sha, uint8_t digest[BW_SHA512_BYTES]);

#endif
