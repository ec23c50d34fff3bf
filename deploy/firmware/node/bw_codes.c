/* Codes packed, from the low end on. */
#include "bw_codes.h"

void bw_pack_codes(const uint8_t *codes, uint32_t count, uint32_t bits, uint8_t *packed) {
  uint32_t held = 0; /* bits that are not written yet, the first in the lowest */
  uint32_t holds = 0;
  for (uint32_t i = 0; i < count; i++) {
    held |= (uint32_t)codes[i] << holds;
    holds += bits;
    if (holds < 8u) continue;
    *packed++ = (uint8_t)held;
    held >>= 8;
    holds -= 8u;
  }
  if (holds > 0) *packed = (uint8_t)held;
}
