/*
 * The firmware's cryptography as a program for tests: jobs on standard input, answers on output.
 *
 *   job:     u8 what, u32 length, that many bytes
 *   'c'      bytes                                                  -> CRC-32, 4 bytes
 *   'h' 'H'  u32 step, bytes: taken in so many at a time            -> SHA-256, SHA-512
 *   'v'      64 signature, 32 key, u32 prefix length, prefix, rest  -> 1 or 0
 *
 * Each job's bytes are a block of their own, so that a sanitizer sees any step out of them.
 */

#include <stdio.h>
#include <stdlib.h>

#include "bw_crc32.h"
#include "bw_ed25519.h"
#include "bw_sha2.h"

static uint32_t word_at(const uint8_t *at) {
  return at[0] | ((uint32_t)at[1] << 8) | ((uint32_t)at[2] << 16) | ((uint32_t)at[3] << 24);
}

static uint32_t hash_in_steps(uint8_t *answer, int what, const uint8_t *job, uint32_t length) {
  uint32_t step = word_at(job);
  bw_sha256 sha256;
  bw_sha512 sha512;
  bw_sha256_start(&sha256);
  bw_sha512_start(&sha512);
  for (uint32_t at = 4; at < length; at += step) {
    uint32_t part = length - at < step ? length - at : step;
    bw_sha256_add(&sha256, job + at, part);
    bw_sha512_add(&sha512, job + at, part);
  }
  if (what == 'h') {
    bw_sha256_end(&sha256, answer);
    return BW_SHA256_BYTES;
  }
  bw_sha512_end(&sha512, answer);
  return BW_SHA512_BYTES;
}

static uint32_t answer_job(uint8_t *answer, int what, const uint8_t *job, uint32_t length) {
  uint32_t crc, prefix;
  switch (what) {
    case 'c':
      crc = bw_crc32(bw_crc32(0, job, length / 3), job + length / 3, length - length / 3);
      for (unsigned i = 0; i < 4; i++) answer[i] = (uint8_t)(crc >> (8 * i));
      return 4;
    case 'h':
    case 'H':
      return hash_in_steps(answer, what, job, length);
    case 'v':
      prefix = word_at(job + 96);
      answer[0] = bw_ed25519_verify(job, job + 64, job + 100, prefix, job + 100 + prefix,
                                    length - 100 - prefix);
      return 1;
    default:
      return 0;
  }
}

int main(void) {
  uint8_t head[5];
  while (fread(head, 1, sizeof head, stdin) == sizeof head) {
    uint32_t length = word_at(head + 1);
    uint8_t answer[BW_SHA512_BYTES];
    uint8_t *job = malloc(length);
    if (job == NULL || fread(job, 1, length, stdin) != length) return 2;
    uint32_t answered = answer_job(answer, head[0], job, length);
    free(job);
    if (answered == 0) return 3;
    (void)fwrite(answer, 1, answered, stdout);
  }
  return 0;
}
