/*
 * One window decided, and one verdict taken in: src/gate/decide.ts, with the state changed in
 * place instead of a new one made.
 */
#include "bw_gate_parts.h"

#define COUNT_LIMIT 0x7fffffffu

static void think(const bw_gate *gate, const bw_gate_state *state, const bw_exit *exits,
                  uint32_t exit_count, bw_answer *answer) {
  int32_t evidence[BW_GATE_CLASSES];
  bw_fuse_exits(gate, exits, exit_count, evidence);
  bw_personalise(state, evidence, gate->classes);
  answer->belief = bw_believe(gate, state, evidence, answer->joint);
  answer->probability_q15 = evidence[answer->belief.class_index];
}

bw_gate_step bw_gate_exit(const bw_gate *gate, const bw_gate_state *state, const bw_exit *exits,
                          uint8_t exit_count, bw_answer *answer) {
  uint16_t sure = 0; /* whatever the last exit says is the answer */
  if (exit_count < gate->exit_count) {
    const uint8_t *point = bw_point_of(gate, state);
    sure = point == 0 ? bw_get_u16(bw_exit_record(gate, exit_count - 1u) + 3)
                      : bw_get_u16(point + 8u + 2u * exit_count);
    if (sure >= BW_NEVER_Q8 || state->drift.alarm || state->burst.left > 0) return BW_GATE_NEXT;
  }
  think(gate, state, exits, exit_count, answer);
  return answer->belief.margin_q8 >= sure ? BW_GATE_ANSWER : BW_GATE_NEXT;
}

static uint8_t is_unsure(const bw_gate *gate, const bw_gate_state *state, const uint8_t *point,
                         bw_belief answer) {
  int32_t base = point == 0 ? bw_get_u16(gate->unsure_margins + 2 * answer.class_index)
                            : bw_get_u16(point + 4);
  if (base == 0) return 0;
  int32_t threshold = base + (state->rate_offset_q23 >> 8);
  return answer.margin_q8 < bw_at_least(bw_at_most(threshold, BW_MARGIN_TOP_Q8), 0);
}

/* One more window in the bucket, which never holds more than its capacity. */
static uint32_t refill(const bw_gate *gate, uint32_t level_q8, uint32_t token) {
  uint32_t full = gate->capacity_tokens * token;
  return level_q8 >= full - 256 ? full : level_q8 + 256;
}

/* Follows the share of windows that were unsure or offloaded for whatever reason (a stochastic
 * quantile, Robbins and Monro, 1951). */
static int32_t steer(const bw_gate *gate, int32_t offset_q23, const uint8_t *point,
                     uint8_t asked) {
  if (gate->rate_step_q16 == 0) return 0;
  int32_t target = point == 0 ? gate->target_share_q16 : bw_get_u16(point);
  int32_t pull = asked ? target - 65536 : target;
  int32_t limit = gate->rate_limit_q8 * 256;
  /* |step| <= 2^14, |pull| <= 2^16: below 2^30; rounded so that small steps have no drift. */
  int32_t moved = offset_q23 + ((gate->rate_step_q16 * pull + 32768) >> 16);
  return bw_at_least(bw_at_most(moved, limit), -limit);
}

typedef struct wants {
  uint8_t burst;
  uint8_t unsure;
  uint8_t novel;
  uint8_t audited;
} wants;

static bw_offload choose(const bw_gate *gate, uint32_t level_q8, uint32_t token, wants want) {
  uint8_t one_token = level_q8 >= token;
  /* Capacity and reserve are at most 1024 and their product with a token is below 2^30. */
  uint8_t over_reserve = level_q8 >= (gate->reserve_tokens + 1u) * token;
  if (want.burst && one_token) return BW_BURST;
  if (want.unsure && over_reserve) return BW_UNSURE;
  if (want.novel && over_reserve) return BW_NOVEL;
  if (want.audited && one_token) return BW_AUDIT;
  return BW_KEPT;
}

static void remember_offload(bw_gate_state *state, uint32_t window_index, uint8_t class_index,
                             int32_t probability_q15) {
  if (state->pending_count < BW_PENDING_LIMIT) state->pending_count += 1;
  for (uint32_t i = state->pending_count - 1u; i > 0; i--) {
    state->pending[i] = state->pending[i - 1];
  }
  state->pending[0].window_index = window_index;
  state->pending[0].class_index = class_index;
  state->pending[0].probability_q8 = (uint8_t)bw_at_most(probability_q15 >> 7, 255);
}

/* Novelty of the window and the drift after it. BW_KNOWS_NOTHING_Q8 where the exit did not run. */
static int32_t watch(const bw_gate *gate, bw_gate_state *state, const bw_gate_input *input) {
  if (!gate->has_novelty || gate->novelty_exit >= input->exit_count) return BW_KNOWS_NOTHING_Q8;
  const int8_t *features = input->exits[gate->novelty_exit].features;
  int32_t standardised = bw_novelty_of(gate, features, input->statistics);
  state->drift = bw_accumulate(gate, state->drift, standardised);
  return standardised;
}

static void keep_belief(bw_gate_state *state, int32_t *joint, uint32_t classes) {
  bw_normalise(joint, classes);
  for (uint32_t c = 0; c < classes; c++) state->belief_q15[c] = (uint16_t)joint[c];
  state->belief_count = (uint8_t)classes;
}

void bw_gate_window(const bw_gate *gate, bw_gate_state *state, const bw_gate_input *input,
                    bw_prng *random, bw_decision *decision) {
  bw_belief answer = input->answer->belief;
  uint32_t draw = bw_prng_next(random) >> 16;
  uint32_t exit = input->exit_count - 1u;
  uint32_t count = input->statistics_count;
  uint8_t alarm_before = state->drift.alarm;
  int32_t standardised = watch(gate, state, input);
  bw_follow_bout(gate, state, input->statistics, count);
  uint8_t alarm = state->drift.alarm;
  if (alarm && !alarm_before) bw_call_burst(&state->burst, gate->burst_windows);

  const uint8_t *point = bw_point_of(gate, state);
  uint32_t token = bw_windows_per_token(gate, point);
  wants want = {0, 0, 0, 0};
  want.burst = bw_seek_for_burst(gate, &state->burst, input->statistics, count);
  want.unsure = is_unsure(gate, state, point, answer);
  want.novel = standardised >= (gate->has_novelty ? gate->novel_q8 : 0x7fff) && !alarm;
  want.audited = draw < state->audit_chance_q16;
  uint32_t level = refill(gate, state->level_q8, token);
  bw_offload offload = choose(gate, level, token, want);

  if (state->windows < COUNT_LIMIT) state->windows += 1;
  state->level_q8 = offload == BW_KEPT ? level : level - token;
  state->rate_offset_q23 = steer(gate, state->rate_offset_q23, point,
                                 want.unsure || offload != BW_KEPT);
  keep_belief(state, input->answer->joint, gate->classes);
  state->last_window_index = input->window_index;
  if (offload == BW_BURST) bw_burst_took(&state->burst, input->statistics, count);
  if (offload != BW_KEPT) {
    remember_offload(state, input->window_index, answer.class_index,
                     input->answer->probability_q15);
  }
  decision->class_index = answer.class_index;
  decision->confidence_q8 = bw_confidence_at(gate, exit, answer.margin_q8);
  decision->exit = (uint8_t)exit;
  decision->margin_q8 = answer.margin_q8;
  decision->offload = offload;
  decision->chance_q16 = offload == BW_AUDIT ? state->audit_chance_q16 : 65535;
  decision->drift_q8 = state->drift.cusum_q8;
  decision->alarm = alarm;
}

/* A verdict for a window that no longer waits changes nothing; an untrusted one, or one in another
 * list of classes, only the list of those waiting. */
void bw_gate_take_verdict(const bw_gate *gate, bw_gate_state *state,
                          const bw_gate_verdict *verdict) {
  uint32_t at = 0;
  while (at < state->pending_count &&
         state->pending[at].window_index != verdict->window_index) {
    at++;
  }
  if (at == state->pending_count) return;
  bw_pending waiting = state->pending[at];
  for (; at + 1 < state->pending_count; at++) state->pending[at] = state->pending[at + 1];
  state->pending_count -= 1;
  if (!verdict->trusted || verdict->classes != gate->classes) return;
  int32_t agreed = waiting.class_index == verdict->class_index ? 65535 : 0;
  int32_t agreement = state->agreement_q16;
  bw_instruct(state, verdict);
  bw_adapt(gate, state, &waiting, verdict);
  if (state->verdicts < COUNT_LIMIT) state->verdicts += 1;
  state->agreement_q16 = (uint16_t)(agreement + (agreed - agreement) / 32);
}

void bw_gate_set(bw_gate_state *state, uint16_t audit_chance_q16, uint16_t burst_windows) {
  state->audit_chance_q16 = audit_chance_q16;
  if (burst_windows > 0) bw_call_burst(&state->burst, burst_windows);
}

void bw_gate_move(const bw_gate *gate, bw_gate_state *state, uint16_t share_q16) {
  const uint8_t before = state->operating_point;
  state->operating_share_q16 = share_q16;
  bw_find_point(gate, state);
  if (state->operating_point == before) return;
  state->rate_offset_q23 = 0;
  bw_keep_within_bucket(gate, state);
}
