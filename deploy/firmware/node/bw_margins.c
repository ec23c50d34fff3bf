/*
 * Probabilities without an exponential, as src/gate/margins.ts: every step an integer
 * multiplication, a shift or a truncating division.
 */
#include "bw_gate_parts.h"

/* One exit's probabilities, not normalised: at most 65535 each. Gives their sum. */
static uint32_t weigh(const uint8_t *record, const int16_t *logits, uint32_t classes,
                      uint32_t *weights) {
  const uint32_t inverse_temperature = bw_get_u16(record);
  int32_t best = -0x8000;
  uint32_t sum = 0;
  for (uint32_t c = 0; c < classes; c++) {
    if (logits[c] > best) best = logits[c];
  }
  for (uint32_t c = 0; c < classes; c++) {
    /* At most 65535 * 65535 before the shift. */
    uint32_t below = ((uint32_t)(best - logits[c]) * inverse_temperature) >> 8;
    uint32_t whole = below >> 8;
    weights[c] = whole > 16 ? 0 : (uint32_t)bw_exp2_q16[below & 255] >> whole;
    sum += weights[c];
  }
  return sum;
}

void bw_fuse_exits(const bw_gate *gate, const bw_exit *exits, uint32_t exit_count, int32_t *mean) {
  const uint32_t classes = gate->classes;
  uint32_t weights[BW_GATE_CLASSES];
  uint32_t total = bw_exit_record(gate, 0)[2];
  uint32_t sum = weigh(bw_exit_record(gate, 0), exits[0].logits, classes, weights);
  /* Of one exit alone the mean is what it says: its weight would cancel. */
  uint32_t fusion = exit_count == 1 ? 1 : total;
  for (uint32_t c = 0; c < classes; c++) {
    mean[c] = (int32_t)(fusion * (weights[c] * BW_ONE_Q15 / sum));
  }
  if (exit_count == 1) return;
  for (uint32_t k = 1; k < exit_count; k++) {
    fusion = bw_exit_record(gate, k)[2];
    total += fusion;
    sum = weigh(bw_exit_record(gate, k), exits[k].logits, classes, weights);
    for (uint32_t c = 0; c < classes; c++) {
      mean[c] += (int32_t)(fusion * (weights[c] * BW_ONE_Q15 / sum));
    }
  }
  for (uint32_t c = 0; c < classes; c++) mean[c] = (int32_t)((uint32_t)mean[c] / total);
}

uint8_t bw_confidence_at(const bw_gate *gate, uint32_t exit, uint32_t margin_q8) {
  const uint8_t *nodes = bw_exit_record(gate, exit) + 5;
  uint32_t index = margin_q8 / BW_CONFIDENCE_STEP_Q8;
  if (index > BW_CONFIDENCE_NODES - 2) index = BW_CONFIDENCE_NODES - 2;
  int32_t low = nodes[index];
  int32_t rise = nodes[index + 1] - low;
  int32_t above = (int32_t)(margin_q8 - index * BW_CONFIDENCE_STEP_Q8);
  return (uint8_t)(low + rise * above / BW_CONFIDENCE_STEP_Q8);
}

/* 256 * log2(value), 0 for 0; values below 2^31. */
int32_t bw_log2_of(uint32_t value) {
  if (value == 0) return 0;
  uint32_t exponent = bw_bits_of(value) - 1;
  uint32_t mantissa = exponent >= 8 ? value >> (exponent - 8) : value << (8 - exponent);
  return (int32_t)((exponent << 8) + bw_log2_q8[mantissa & 255]);
}
