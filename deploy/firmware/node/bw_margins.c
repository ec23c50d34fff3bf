/*
 * Probabilities without an exponential, as src/gate/margins.ts: every step an integer
 * multiplication, a shift or a truncating division.
 */
#include "bw_gate_parts.h"

/* Adds one exit's probabilities, Q15, times its fusion weight, and gives that weight. */
static uint32_t add_exit(const uint8_t *record, const int16_t *logits, uint32_t classes,
                         int32_t *mean) {
  uint32_t weights[BW_GATE_CLASSES];
  uint32_t inverse_temperature = bw_get_u16(record);
  uint32_t fusion = record[2];
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
  for (uint32_t c = 0; c < classes; c++) {
    mean[c] += (int32_t)(fusion * (weights[c] * BW_ONE_Q15 / sum));
  }
  return fusion;
}

void bw_fuse_exits(const bw_gate *gate, const bw_exit *exits, uint32_t exit_count, int32_t *mean) {
  int32_t total = 0;
  for (uint32_t c = 0; c < gate->classes; c++) mean[c] = 0;
  for (uint32_t k = 0; k < exit_count; k++) {
    total += (int32_t)add_exit(bw_exit_record(gate, k), exits[k].logits, gate->classes, mean);
  }
  for (uint32_t c = 0; c < gate->classes; c++) mean[c] /= total;
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
