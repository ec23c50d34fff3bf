/*
 * The draws of src/prng.ts: sfc32 (Chris Doty-Humphrey, PractRand), 128 bits of state.
 *
 * The same seed and stream name give the same numbers as there, so that a node on a
 * microcontroller audits the very windows that a simulated one would. Not for secrets.
 */
#ifndef BW_PRNG_H
#define BW_PRNG_H

#include <stdint.h>

typedef struct bw_prng {
  uint32_t a;
  uint32_t b;
  uint32_t c;
  uint32_t counter;
} bw_prng;

/* `stream` is ASCII: what the numbers are for. */
void bw_prng_seed(bw_prng *random, uint32_t seed, const char *stream, uint32_t stream_length);

/* Uniform over 0..2^32-1. */
uint32_t bw_prng_next(bw_prng *random);

#endif
