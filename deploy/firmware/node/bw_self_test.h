/* The self-test of a release, as src/model/self-test.ts: do these bits come out of this machine? */
#ifndef BW_SELF_TEST_H
#define BW_SELF_TEST_H

#include <stdint.h>

#include "../runtime/bw.h"

/* Before the first value of bw_hash_logits. */
#define BW_HASH_START 0x811c9dc5u

/* One for each exit. Codes have one of their own, the last, in a container with operating points; in
 * one without, the last exit's goes on over them. */
static inline uint32_t bw_self_test_hashes(const bw_model *model) {
  return model->exits + (model->encoder != 0 && model->points != 0 ? 1u : 0u);
}

/* Runs eight windows drawn from the seed through all exits of a student that was opened, and through
 * its encoder where it has one. `window` has room for one window, `hashes` for as many numbers as
 * bw_self_test_hashes says. */
void bw_self_test(bw_run *run, uint32_t seed, int8_t *window, uint32_t *hashes);

/* Continues an FNV-1a hash (32 bits) over int16 values, low byte first. */
uint32_t bw_hash_logits(uint32_t hash, const int16_t *logits, uint32_t count);

#endif
