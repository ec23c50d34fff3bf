/*
 * What the windows before say about this one, and what verdicts say about this animal: the hidden
 * Markov filter and the bias per class of src/gate/belief.ts, in the same whole numbers.
 */
#include "bw_gate_parts.h"

/* Each verdict takes one part in so many off the bias. */
#define FORGET 50
/* Added to every probability, so that no behaviour is ever ruled out. */
#define FLOOR_Q15 8
/* Added to every belief that a verdict is multiplied with. */
#define BELIEF_FLOOR_Q15 1024

void bw_normalise(int32_t *values, uint32_t count) {
  uint32_t sum = 0;
  for (uint32_t c = 0; c < count; c++) sum += (uint32_t)values[c];
  /* Keeps 16 bits of the sum, so that a value times 2^15 stays below 2^31. */
  uint32_t shift = sum > 0xffff ? bw_bits_of(sum) - 16 : 0;
  uint32_t total = sum >> shift;
  if (total == 0) total = 1;
  for (uint32_t c = 0; c < count; c++) {
    values[c] = (int32_t)(((uint32_t)values[c] >> shift) * BW_ONE_Q15 / total);
  }
}

void bw_personalise(const bw_gate_state *state, int32_t *probabilities, uint32_t classes) {
  int32_t most = -BW_BIAS_LIMIT_Q8;
  if (state->bias_count != classes) return;
  for (uint32_t c = 0; c < classes; c++) {
    if (state->bias_q8[c] > most) most = state->bias_q8[c];
  }
  for (uint32_t c = 0; c < classes; c++) {
    uint32_t below = (uint32_t)(most - state->bias_q8[c]);
    /* 32768 * 65535 stays below 2^31. */
    uint32_t scaled = ((uint32_t)probabilities[c] * bw_exp2_q16[below & 255]) >> 16;
    probabilities[c] = (int32_t)(scaled >> (below >> 8));
  }
  bw_normalise(probabilities, classes);
}

bw_belief bw_believe(const bw_gate *gate, const bw_gate_state *state,
                     const int32_t *probabilities, int32_t *joint) {
  bw_belief belief = {0, 0};
  int32_t change = gate->change_q15;
  int32_t even = BW_ONE_Q15 / gate->classes;
  int32_t best = -1;
  int32_t second = -1;
  for (uint32_t c = 0; c < gate->classes; c++) {
    int32_t stays = state->belief_count == 0 ? even : state->belief_q15[c];
    int32_t prior = ((BW_ONE_Q15 - change) * stays + change * even) >> 15;
    int32_t value = prior * (probabilities[c] + FLOOR_Q15);
    joint[c] = value;
    if (value > best) {
      second = best;
      best = value;
      belief.class_index = (uint8_t)c;
    } else if (value > second) {
      second = value;
    }
  }
  int32_t margin = bw_log2_of((uint32_t)best) - bw_log2_of((uint32_t)second);
  belief.margin_q8 = (uint16_t)bw_at_most(margin, BW_MARGIN_TOP_Q8);
  return belief;
}

/* The teacher is one more witness of the last window; half of what it says counts a window later,
 * nothing of it after that. */
void bw_instruct(bw_gate_state *state, const bw_gate_verdict *verdict) {
  int32_t taught[BW_GATE_CLASSES];
  uint32_t ago = state->last_window_index - verdict->window_index;
  if (state->last_window_index < verdict->window_index || ago > 1) return;
  if (state->belief_count != verdict->classes) return;
  for (uint32_t c = 0; c < verdict->classes; c++) {
    int32_t said = verdict->probabilities_q8[c];
    int32_t believed = state->belief_q15[c];
    /* Halved, so that 64 classes of whatever a state may hold add up to less than 2^31. */
    taught[c] = ago == 1 ? (said << 7) + believed
                         : ((believed + BELIEF_FLOOR_Q15) * (2 * said + 1)) >> 1;
  }
  bw_normalise(taught, verdict->classes);
  for (uint32_t c = 0; c < verdict->classes; c++) state->belief_q15[c] = (uint16_t)taught[c];
}

/* Towards what the teacher says, away from what the node said. Only the answered class's
 * probability was kept; the rest is shared among the others. */
void bw_adapt(const bw_gate *gate, bw_gate_state *state, const bw_pending *offload,
              const bw_gate_verdict *verdict) {
  int32_t others = (255 - offload->probability_q8) / (verdict->classes - 1);
  if (gate->adapt_q8 == 0) return;
  for (uint32_t c = 0; c < verdict->classes; c++) {
    int32_t said = c == offload->class_index ? offload->probability_q8 : others;
    int32_t before = c < state->bias_count ? state->bias_q8[c] : 0;
    int32_t step = ((verdict->probabilities_q8[c] - said) * gate->adapt_q8 * 370) >> 16;
    int32_t after = before - before / FORGET + step;
    after = bw_at_most(bw_at_least(after, -BW_BIAS_LIMIT_Q8), BW_BIAS_LIMIT_Q8);
    state->bias_q8[c] = (int16_t)after;
  }
  state->bias_count = verdict->classes;
}
