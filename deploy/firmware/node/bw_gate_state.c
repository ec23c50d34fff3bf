/*
 * What a gate remembers: begun, carried over to another release, written and read. The bytes are
 * those of src/gate/gate-state-bytes.ts.
 */
#include "bw_gate_parts.h"

/* As released, which firmware from before reads too, and with a share that is wanted. */
#define RELEASED_VERSION 1
#define SHARE_VERSION 2

static void clear(bw_gate_state *state) {
  uint8_t *bytes = (uint8_t *)state;
  for (uint32_t i = 0; i < sizeof *state; i++) bytes[i] = 0;
}

void bw_gate_start(const bw_gate *gate, bw_gate_state *state) {
  clear(state);
  /* A new node begins with its reserve: enough for an alarm, not a windfall for every doubt. */
  state->level_q8 = gate->reserve_tokens * gate->windows_per_token_q8;
  state->audit_chance_q16 = gate->audit_chance_q16;
  state->agreement_q16 = 65535;
}

void bw_keep_within_bucket(const bw_gate *gate, bw_gate_state *state) {
  const uint8_t *point = bw_point_of(gate, state);
  uint32_t full = gate->capacity_tokens * bw_windows_per_token(gate, point);
  if (state->level_q8 > full) state->level_q8 = full;
}

/* The point with the largest share that is not above the wanted one, or the first where all are. */
void bw_find_point(const bw_gate *gate, bw_gate_state *state) {
  const uint8_t *point = gate->points;
  uint8_t found = 0;
  state->operating_point = 0;
  if (state->operating_share_q16 == 0 || gate->point_count == 0) return;
  while (found < gate->point_count && bw_get_u16(point) <= state->operating_share_q16) {
    found++;
    point += 10u + 2u * gate->exit_count;
  }
  state->operating_point = found == 0 ? 1 : found;
}

void bw_gate_carry(const bw_gate *gate, bw_gate_state *state) {
  const uint32_t level_q8 = state->level_q8;
  const uint16_t share_q16 = state->operating_share_q16;
  bw_gate_start(gate, state);
  state->level_q8 = level_q8;
  state->operating_share_q16 = share_q16;
  bw_find_point(gate, state);
  bw_keep_within_bucket(gate, state);
}

static void save_burst(const bw_gate_state *state, bw_writer *to) {
  const bw_burst *burst = &state->burst;
  bw_put_u16(to, burst->left);
  bw_put_u16(to, burst->age_windows);
  bw_put_u16(to, burst->since_last_windows);
  bw_put_u8(to, burst->taken_in_bout);
  bw_put_u8(to, burst->taken_count);
  for (uint32_t i = 0; i < burst->taken_count; i++) {
    bw_put_bytes(to, burst->taken[i], state->statistics_count);
  }
}

uint32_t bw_gate_save(const bw_gate_state *state, uint8_t *bytes) {
  bw_writer to = bw_write_to(bytes, BW_GATE_STATE_BYTES);
  bw_put_u8(&to, state->operating_share_q16 == 0 ? RELEASED_VERSION : SHARE_VERSION);
  bw_put_u32(&to, state->windows);
  bw_put_u32(&to, state->level_q8);
  bw_put_u32(&to, (uint32_t)state->rate_offset_q23);
  bw_put_u16(&to, state->audit_chance_q16);
  if (state->operating_share_q16 > 0) bw_put_u16(&to, state->operating_share_q16);
  bw_put_u16(&to, state->drift.cusum_q8);
  bw_put_u8(&to, state->drift.alarm);
  bw_put_u8(&to, state->drift.doublings);
  bw_put_u32(&to, state->drift.calm_windows);
  bw_put_u16(&to, state->agreement_q16);
  bw_put_u32(&to, state->verdicts);
  bw_put_u8(&to, state->belief_count);
  for (uint32_t c = 0; c < state->belief_count; c++) bw_put_u16(&to, state->belief_q15[c]);
  bw_put_u32(&to, state->last_window_index);
  bw_put_u8(&to, state->bias_count);
  for (uint32_t c = 0; c < state->bias_count; c++) bw_put_u16(&to, (uint16_t)state->bias_q8[c]);
  bw_put_u8(&to, state->statistics_count);
  for (uint32_t i = 0; i < state->statistics_count; i++) {
    bw_put_u16(&to, (uint16_t)state->bout_means_q4[i]);
  }
  bw_put_u8(&to, state->bout_away_windows);
  save_burst(state, &to);
  bw_put_u8(&to, state->pending_count);
  for (uint32_t i = 0; i < state->pending_count; i++) {
    bw_put_u32(&to, state->pending[i].window_index);
    bw_put_u8(&to, state->pending[i].class_index);
    bw_put_u8(&to, state->pending[i].probability_q8);
  }
  return to.length;
}

/* A count, or 0 and a failed reader. */
static uint8_t count_up_to(bw_reader *from, uint32_t limit) {
  uint8_t count = bw_take_u8(from);
  if (count <= limit) return count;
  from->failed = 1;
  return 0;
}

static void read_beliefs(bw_gate_state *state, bw_reader *from) {
  uint32_t sum = 0;
  state->belief_count = count_up_to(from, BW_GATE_CLASSES);
  for (uint32_t c = 0; c < state->belief_count; c++) {
    state->belief_q15[c] = bw_take_u16(from);
    sum += state->belief_q15[c];
  }
  /* More than certainty would leave 32 bits in the filter. */
  if (sum > BW_ONE_Q15) from->failed = 1;
  state->last_window_index = bw_take_u32(from);
  state->bias_count = count_up_to(from, BW_GATE_CLASSES);
  for (uint32_t c = 0; c < state->bias_count; c++) {
    int32_t bias = (int16_t)bw_take_u16(from);
    if (bias < -BW_BIAS_LIMIT_Q8 || bias > BW_BIAS_LIMIT_Q8) from->failed = 1;
    state->bias_q8[c] = (int16_t)bias;
  }
}

static void read_burst(bw_gate_state *state, bw_reader *from) {
  bw_burst *burst = &state->burst;
  state->statistics_count = count_up_to(from, BW_GATE_STATISTICS);
  for (uint32_t i = 0; i < state->statistics_count; i++) {
    state->bout_means_q4[i] = (int16_t)bw_take_u16(from);
  }
  state->bout_away_windows = bw_take_u8(from);
  if (state->bout_away_windows > 1) from->failed = 1;
  burst->left = bw_take_u16(from);
  burst->age_windows = bw_take_u16(from);
  burst->since_last_windows = bw_take_u16(from);
  burst->taken_in_bout = bw_take_u8(from);
  burst->taken_count = count_up_to(from, BW_REMEMBERED_WINDOWS);
  if (burst->taken_count > 0 && state->statistics_count == 0) from->failed = 1;
  for (uint32_t i = 0; i < burst->taken_count; i++) {
    for (uint32_t s = 0; s < state->statistics_count; s++) {
      burst->taken[i][s] = (int8_t)bw_take_u8(from);
    }
  }
}

static bw_gate_code read_state(bw_gate_state *state, bw_reader *from) {
  uint8_t version = bw_take_u8(from);
  if (!from->failed && version != RELEASED_VERSION && version != SHARE_VERSION) {
    return BW_GATE_VERSION;
  }
  state->windows = bw_take_u32(from);
  state->level_q8 = bw_take_u32(from);
  state->rate_offset_q23 = (int32_t)bw_take_u32(from);
  state->audit_chance_q16 = bw_take_u16(from);
  if (version == SHARE_VERSION) {
    state->operating_share_q16 = bw_take_u16(from);
    if (state->operating_share_q16 == 0) from->failed = 1;
  }
  state->drift.cusum_q8 = bw_take_u16(from);
  state->drift.alarm = bw_take_u8(from) != 0;
  state->drift.doublings = count_up_to(from, BW_ALARM_DOUBLINGS);
  state->drift.calm_windows = bw_take_u32(from);
  state->agreement_q16 = bw_take_u16(from);
  state->verdicts = bw_take_u32(from);
  read_beliefs(state, from);
  read_burst(state, from);
  state->pending_count = count_up_to(from, BW_PENDING_LIMIT);
  for (uint32_t i = 0; i < state->pending_count; i++) {
    state->pending[i].window_index = bw_take_u32(from);
    state->pending[i].class_index = bw_take_u8(from);
    state->pending[i].probability_q8 = bw_take_u8(from);
  }
  if (from->failed) return BW_GATE_RANGE;
  return from->left > 0 ? BW_GATE_TRAILING_BYTES : BW_GATE_OK;
}

/* Steering starts inside its limits, so that no sum of it can leave 32 bits. */
static uint8_t fits(const bw_gate *gate, const bw_gate_state *state) {
  int32_t limit = BW_MARGIN_TOP_Q8 * 256;
  return (state->belief_count == 0 || state->belief_count == gate->classes) &&
         (state->bias_count == 0 || state->bias_count == gate->classes) &&
         state->rate_offset_q23 >= -limit && state->rate_offset_q23 <= limit;
}

bw_gate_code bw_gate_restore(const bw_gate *gate, bw_gate_state *state, const uint8_t *bytes,
                             uint32_t length, uint8_t same_release) {
  bw_reader from = bw_read_from(bytes, length);
  clear(state);
  bw_gate_code code = read_state(state, &from);
  if (code == BW_GATE_OK && !same_release) {
    bw_gate_carry(gate, state);
    return BW_GATE_OK;
  }
  if (code == BW_GATE_OK && !fits(gate, state)) code = BW_GATE_MISMATCH;
  if (code != BW_GATE_OK) {
    bw_gate_start(gate, state);
    return code;
  }
  bw_find_point(gate, state);
  bw_keep_within_bucket(gate, state);
  return BW_GATE_OK;
}
