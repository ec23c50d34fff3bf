/*
 * SHA-256 and SHA-512, written from FIPS 180-4, for code size: one table for both, and a message
 * schedule of sixteen words that is renewed in place.
 *
 * Per block: SHA-256 64 rounds over 64 bytes, SHA-512 80 rounds over 128 bytes.
 */

#include "bw_sha2.h"

#include "bw_memory.h"

/* The first 64 bits of the fractional parts of the cube roots of the first 80 primes (section
 * 4.2.3). SHA-256 uses the first 32 bits of the first 64 of them (section 4.2.2). */
static const uint64_t ROUND_CONSTANTS[80] = {
    0x428a2f98d728ae22u, 0x7137449123ef65cdu, 0xb5c0fbcfec4d3b2fu, 0xe9b5dba58189dbbcu,
    0x3956c25bf348b538u, 0x59f111f1b605d019u, 0x923f82a4af194f9bu, 0xab1c5ed5da6d8118u,
    0xd807aa98a3030242u, 0x12835b0145706fbeu, 0x243185be4ee4b28cu, 0x550c7dc3d5ffb4e2u,
    0x72be5d74f27b896fu, 0x80deb1fe3b1696b1u, 0x9bdc06a725c71235u, 0xc19bf174cf692694u,
    0xe49b69c19ef14ad2u, 0xefbe4786384f25e3u, 0x0fc19dc68b8cd5b5u, 0x240ca1cc77ac9c65u,
    0x2de92c6f592b0275u, 0x4a7484aa6ea6e483u, 0x5cb0a9dcbd41fbd4u, 0x76f988da831153b5u,
    0x983e5152ee66dfabu, 0xa831c66d2db43210u, 0xb00327c898fb213fu, 0xbf597fc7beef0ee4u,
    0xc6e00bf33da88fc2u, 0xd5a79147930aa725u, 0x06ca6351e003826fu, 0x142929670a0e6e70u,
    0x27b70a8546d22ffcu, 0x2e1b21385c26c926u, 0x4d2c6dfc5ac42aedu, 0x53380d139d95b3dfu,
    0x650a73548baf63deu, 0x766a0abb3c77b2a8u, 0x81c2c92e47edaee6u, 0x92722c851482353bu,
    0xa2bfe8a14cf10364u, 0xa81a664bbc423001u, 0xc24b8b70d0f89791u, 0xc76c51a30654be30u,
    0xd192e819d6ef5218u, 0xd69906245565a910u, 0xf40e35855771202au, 0x106aa07032bbd1b8u,
    0x19a4c116b8d2d0c8u, 0x1e376c085141ab53u, 0x2748774cdf8eeb99u, 0x34b0bcb5e19b48a8u,
    0x391c0cb3c5c95a63u, 0x4ed8aa4ae3418acbu, 0x5b9cca4f7763e373u, 0x682e6ff3d6b2b8a3u,
    0x748f82ee5defb2fcu, 0x78a5636f43172f60u, 0x84c87814a1f0ab72u, 0x8cc702081a6439ecu,
    0x90befffa23631e28u, 0xa4506cebde82bde9u, 0xbef9a3f7b2c67915u, 0xc67178f2e372532bu,
    0xca273eceea26619cu, 0xd186b8c721c0c207u, 0xeada7dd6cde0eb1eu, 0xf57d4f7fee6ed178u,
    0x06f067aa72176fbau, 0x0a637dc5a2c898a6u, 0x113f9804bef90daeu, 0x1b710b35131c471bu,
    0x28db77f523047d84u, 0x32caab7b40c72493u, 0x3c9ebe0a15c9bebcu, 0x431d67c49c100d4cu,
    0x4cc5d4becb3e42b6u, 0x597f299cfc657e2au, 0x5fcb6fab3ad6faecu, 0x6c44198c4a475817u,
};

/* The same of the square roots of the first 8 primes (sections 5.3.3 and 5.3.5). */
static const uint64_t START[8] = {
    0x6a09e667f3bcc908u, 0xbb67ae8584caa73bu, 0x3c6ef372fe94f82bu, 0xa54ff53a5f1d36f1u,
    0x510e527fade682d1u, 0x9b05688c2b3e6c1fu, 0x1f83d9abfb41bd6bu, 0x5be0cd19137e2179u,
};

static uint32_t turn32(uint32_t x, unsigned by) { return (x >> by) | (x << (32u - by)); }
static uint64_t turn64(uint64_t x, unsigned by) { return (x >> by) | (x << (64u - by)); }

static void take_block256(uint32_t state[8], const uint8_t *block) {
  uint32_t w[16];
  uint32_t v[8];
  for (unsigned i = 0; i < 16; i++, block += 4) {
    w[i] = ((uint32_t)block[0] << 24) | ((uint32_t)block[1] << 16) | ((uint32_t)block[2] << 8) |
           block[3];
  }
  memcpy(v, state, sizeof v);
  for (unsigned t = 0; t < 64; t++) {
    uint32_t wt = w[t & 15u];
    uint32_t near = w[(t + 1u) & 15u];
    uint32_t far = w[(t + 14u) & 15u];
    uint32_t e = v[4];
    uint32_t a = v[0];
    uint32_t t1 = v[7] + (turn32(e, 6) ^ turn32(e, 11) ^ turn32(e, 25)) +
                  ((e & v[5]) ^ (~e & v[6])) + (uint32_t)(ROUND_CONSTANTS[t] >> 32) + wt;
    uint32_t t2 = (turn32(a, 2) ^ turn32(a, 13) ^ turn32(a, 22)) +
                  ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
    /* Word t has been used; word t + 16 takes its place. */
    w[t & 15u] = wt + (turn32(near, 7) ^ turn32(near, 18) ^ (near >> 3)) + w[(t + 9u) & 15u] +
                 (turn32(far, 17) ^ turn32(far, 19) ^ (far >> 10));
    v[7] = v[6];
    v[6] = v[5];
    v[5] = e;
    v[4] = v[3] + t1;
    v[3] = v[2];
    v[2] = v[1];
    v[1] = a;
    v[0] = t1 + t2;
  }
  for (unsigned i = 0; i < 8; i++) state[i] += v[i];
}

static void take_block512(uint64_t state[8], const uint8_t *block) {
  uint64_t w[16];
  uint64_t v[8];
  for (unsigned i = 0; i < 16; i++) {
    uint64_t word = 0;
    for (unsigned k = 0; k < 8; k++) word = (word << 8) | *block++;
    w[i] = word;
  }
  memcpy(v, state, sizeof v);
  for (unsigned t = 0; t < 80; t++) {
    uint64_t wt = w[t & 15u];
    uint64_t near = w[(t + 1u) & 15u];
    uint64_t far = w[(t + 14u) & 15u];
    uint64_t e = v[4];
    uint64_t a = v[0];
    uint64_t t1 = v[7] + (turn64(e, 14) ^ turn64(e, 18) ^ turn64(e, 41)) +
                  ((e & v[5]) ^ (~e & v[6])) + ROUND_CONSTANTS[t] + wt;
    uint64_t t2 = (turn64(a, 28) ^ turn64(a, 34) ^ turn64(a, 39)) +
                  ((a & v[1]) ^ (a & v[2]) ^ (v[1] & v[2]));
    w[t & 15u] = wt + (turn64(near, 1) ^ turn64(near, 8) ^ (near >> 7)) + w[(t + 9u) & 15u] +
                 (turn64(far, 19) ^ turn64(far, 61) ^ (far >> 6));
    v[7] = v[6];
    v[6] = v[5];
    v[5] = e;
    v[4] = v[3] + t1;
    v[3] = v[2];
    v[2] = v[1];
    v[1] = a;
    v[0] = t1 + t2;
  }
  for (unsigned i = 0; i < 8; i++) state[i] += v[i];
}

static const uint8_t PADDING[2] = {0x80, 0};

static void put_word(uint8_t *at, uint32_t word) {
  for (unsigned i = 0; i < 4; i++) at[i] = (uint8_t)(word >> (24u - 8u * i));
}

/* The last 64 bits of the last block: the message's length in bits. */
static void end_block(uint8_t *at, uint32_t length) {
  put_word(at, length >> 29);
  put_word(at + 4, length << 3);
}

void bw_sha256_start(bw_sha256 *sha) {
  for (unsigned i = 0; i < 8; i++) sha->state[i] = (uint32_t)(START[i] >> 32);
  sha->length = 0;
}

void bw_sha256_add(bw_sha256 *sha, const void *data, uint32_t length) {
  const uint8_t *from = data;
  while (length > 0) {
    uint32_t at = sha->length & 63u;
    uint32_t part = 64u - at < length ? 64u - at : length;
    memcpy(sha->block + at, from, part);
    sha->length += part;
    from += part;
    length -= part;
    if ((sha->length & 63u) == 0) take_block256(sha->state, sha->block);
  }
}

void bw_sha256_end(bw_sha256 *sha, uint8_t digest[BW_SHA256_BYTES]) {
  uint32_t length = sha->length;
  bw_sha256_add(sha, PADDING, 1);
  while ((sha->length & 63u) != 56) bw_sha256_add(sha, PADDING + 1, 1);
  end_block(sha->block + 56, length);
  take_block256(sha->state, sha->block);
  for (unsigned i = 0; i < 8; i++) put_word(digest + 4 * i, sha->state[i]);
}

void bw_sha512_start(bw_sha512 *sha) {
  memcpy(sha->state, START, sizeof START);
  sha->length = 0;
}

void bw_sha512_add(bw_sha512 *sha, const void *data, uint32_t length) {
  const uint8_t *from = data;
  while (length > 0) {
    uint32_t at = sha->length & 127u;
    uint32_t part = 128u - at < length ? 128u - at : length;
    memcpy(sha->block + at, from, part);
    sha->length += part;
    from += part;
    length -= part;
    if ((sha->length & 127u) == 0) take_block512(sha->state, sha->block);
  }
}

void bw_sha512_end(bw_sha512 *sha, uint8_t digest[BW_SHA512_BYTES]) {
  uint32_t length = sha->length;
  bw_sha512_add(sha, PADDING, 1);
  while ((sha->length & 127u) != 112) bw_sha512_add(sha, PADDING + 1, 1);
  bw_zero(sha->block + 112, 8);
  end_block(sha->block + 120, length);
  take_block512(sha->state, sha->block);
  for (unsigned i = 0; i < 8; i++, digest += 8) {
    put_word(digest, (uint32_t)(sha->state[i] >> 32));
    put_word(digest + 4, (uint32_t)sha->state[i]);
  }
}
