/* sfc32 as src/prng.ts seeds and steps it. */
#include "bw_prng.h"

uint32_t bw_prng_next(bw_prng *random) {
  uint32_t out = random->a + random->b + random->counter;
  random->counter += 1;
  random->a = random->b ^ (random->b >> 9);
  random->b = random->c + (random->c << 3);
  random->c = ((random->c << 21) | (random->c >> 11)) + out;
  return out;
}

void bw_prng_seed(bw_prng *random, uint32_t seed, const char *stream, uint32_t stream_length) {
  uint32_t hash = 0x811c9dc5u; /* FNV-1a, only to tell streams apart */
  for (uint32_t i = 0; i < stream_length; i++) {
    hash = (hash ^ (uint8_t)stream[i]) * 0x01000193u;
  }
  random->a = seed;
  random->b = hash;
  random->c = 0x9e3779b9u;
  random->counter = 1;
  for (int i = 0; i < 12; i++) (void)bw_prng_next(random);
}
