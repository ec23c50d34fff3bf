/*
 * A gate section checked once: the ranges and the order of src/gate/gate-bytes.ts, with the same
 * codes, so that a node refuses exactly what a gateway would refuse.
 */
#include "bw_gate_parts.h"

/* One encoding only, of this version. */
#define GATE_VERSION 1
/* Levels of the bucket are kept below 2^30 by capacity and windows per token together. */
#define LEVEL_LIMIT_Q8 0x3fffffffu

/* Reads on after the first mistake, but remembers the first: a section is short. */
typedef struct checker {
  bw_reader from;
  bw_gate_code code;
} checker;

static void check(checker *at, uint32_t value, uint32_t low, uint32_t high) {
  if (at->code != BW_GATE_OK) return;
  if (at->from.failed) {
    at->code = BW_GATE_TRUNCATED;
  } else if (value < low || value > high) {
    at->code = BW_GATE_RANGE;
  }
}

static uint8_t u8(checker *at, uint32_t low, uint32_t high) {
  uint8_t value = bw_take_u8(&at->from);
  check(at, value, low, high);
  return value;
}

static uint16_t u16(checker *at, uint32_t low, uint32_t high) {
  uint16_t value = bw_take_u16(&at->from);
  check(at, value, low, high);
  return value;
}

static uint32_t u32(checker *at, uint32_t low, uint32_t high) {
  uint32_t value = bw_take_u32(&at->from);
  check(at, value, low, high);
  return value;
}

static const uint8_t *table(checker *at, uint32_t bytes) {
  const uint8_t *start = bw_take(&at->from, bytes);
  check(at, 0, 0, 0);
  return start;
}

static void load_exits(bw_gate *gate, checker *at) {
  gate->exits = at->from.at;
  for (uint32_t k = 0; k < gate->exit_count; k++) {
    (void)u16(at, 1, 65535);
    (void)u8(at, 1, 255);
    (void)u16(at, 0, BW_NEVER_Q8);
    (void)table(at, BW_CONFIDENCE_NODES);
  }
}

static void load_budget(bw_gate *gate, checker *at) {
  gate->change_q15 = u16(at, 1, BW_ONE_Q15);
  gate->adapt_q8 = u16(at, 0, 1024);
  gate->unsure_margins = at->from.at;
  for (uint32_t c = 0; c < gate->classes; c++) (void)u16(at, 0, BW_MARGIN_TOP_Q8);
  gate->target_share_q16 = u16(at, 0, 65535);
  gate->rate_step_q16 = u16(at, 0, 1 << 14);
  gate->rate_limit_q8 = u16(at, 0, BW_MARGIN_TOP_Q8);
  gate->capacity_tokens = u16(at, 1, 1024);
  if (at->code != BW_GATE_OK) return;
  gate->windows_per_token_q8 = u32(at, 256, LEVEL_LIMIT_Q8 / gate->capacity_tokens);
  gate->reserve_tokens = u16(at, 0, gate->capacity_tokens);
  gate->audit_chance_q16 = u16(at, 0, 65535);
  gate->burst_windows = u16(at, 0, 65535);
  gate->delay_windows = u16(at, 0, 65535);
  gate->expiry_windows = u16(at, 0, 65535);
  gate->per_bout = u8(at, 0, 255);
  gate->gap_windows = u16(at, 0, 65535);
  gate->diversity = u16(at, 0, 65535);
  gate->bout_change = u16(at, 0, 65535);
}

/* Of int16 entries, once they are known to be there. */
static uint8_t are_near(const checker *at, const uint8_t *entry, uint32_t count) {
  if (at->code != BW_GATE_OK) return 0;
  for (; count > 0; count--, entry += 2) {
    const int32_t value = bw_get_i16(entry);
    if (value < -BW_NEAR_Q4 || value >= BW_NEAR_Q4) return 0;
  }
  return 1;
}

static void load_novelty(bw_gate *gate, checker *at) {
  gate->novelty_exit = u8(at, 0, gate->exit_count - 1u);
  gate->features = u8(at, 1, BW_GATE_FEATURES);
  gate->axes = u8(at, 0, BW_GATE_AXES);
  if (at->code != BW_GATE_OK) return;
  uint32_t inputs = (uint32_t)gate->features + gate->axes;
  gate->whitening = table(at, inputs * (inputs + 1));
  gate->prototypes = table(at, 2 * gate->classes * inputs);
  gate->near_prototypes = are_near(at, gate->prototypes, gate->classes * inputs);
  gate->centres = table(at, 2u * gate->classes);
  gate->inverse_spreads = at->from.at;
  for (uint32_t c = 0; c < gate->classes; c++) (void)u16(at, 1, 16383);
  gate->clip_q8 = u16(at, 1, 32767);
  gate->slack_q8 = u16(at, 0, 32767);
  gate->threshold_q8 = u16(at, 1, 32767);
  gate->recovery_windows = u32(at, 1, 0x7fffffff);
  gate->novel_q8 = u16(at, 0, 32767);
}

bw_gate_code bw_gate_load(bw_gate *gate, const uint8_t *section, uint32_t length) {
  static const bw_gate nothing;
  checker at = {bw_read_from(section, length), BW_GATE_OK};
  *gate = nothing;
  uint8_t version = u8(&at, 0, 255);
  if (at.code == BW_GATE_OK && version != GATE_VERSION) return BW_GATE_VERSION;
  gate->exit_count = u8(&at, 1, BW_GATE_EXITS);
  gate->classes = u8(&at, 2, BW_GATE_CLASSES);
  gate->has_novelty = u8(&at, 0, 1);
  if (at.code != BW_GATE_OK) return at.code;
  load_exits(gate, &at);
  load_budget(gate, &at);
  if (at.code == BW_GATE_OK && gate->has_novelty) load_novelty(gate, &at);
  if (at.code == BW_GATE_OK && at.from.left > 0) return BW_GATE_TRAILING_BYTES;
  return at.code;
}

bw_gate_code bw_gate_load_points(bw_gate *gate, const uint8_t *section, uint32_t length) {
  checker at = {bw_read_from(section, length), BW_GATE_OK};
  const uint32_t token_most = LEVEL_LIMIT_Q8 / gate->capacity_tokens;
  uint32_t least_share = 1;
  uint32_t longest_token = 0;
  gate->point_count = u8(&at, 1, BW_GATE_POINTS);
  const uint8_t exits = u8(&at, 1, BW_GATE_EXITS);
  gate->points = at.from.at;
  for (uint32_t p = 0; p < gate->point_count && at.code == BW_GATE_OK; p++) {
    least_share = u16(&at, least_share, 65535) + 1u;
    (void)u16(&at, 0, 65535);
    (void)u16(&at, 0, BW_MARGIN_TOP_Q8);
    const uint32_t token = u32(&at, 256, LEVEL_LIMIT_Q8);
    if (token > longest_token) longest_token = token;
    for (uint32_t k = 0; k < exits; k++) (void)u16(&at, 0, BW_NEVER_Q8);
  }
  if (at.code == BW_GATE_OK && at.from.left > 0) at.code = BW_GATE_TRAILING_BYTES;
  /* Together with the bucket's capacity a level stays in its 32 bits. */
  if (at.code == BW_GATE_OK && (exits != gate->exit_count || longest_token > token_most)) {
    at.code = BW_GATE_MISMATCH;
  }
  if (at.code != BW_GATE_OK) gate->point_count = 0;
  return at.code;
}

/* Whether the gate was made for the student of this container. */
static bw_gate_code fits(const bw_gate *gate, const bw_model *model) {
  if (gate->exit_count != model->exits || gate->classes != model->classes) return BW_GATE_MISMATCH;
  if (!gate->has_novelty) return BW_GATE_OK;
  /* A stage's record ends with the number of its features. */
  uint32_t features = bw_get_u16(model->stage_records + 8u * gate->novelty_exit + 6);
  if (features != gate->features) return BW_GATE_MISMATCH;
  if (gate->axes != 0 && gate->axes != model->channels) return BW_GATE_MISMATCH;
  return BW_GATE_OK;
}

bw_gate_code bw_gate_of(bw_gate *gate, const bw_model *model) {
  bw_gate_code code = bw_gate_load(gate, model->gate, model->gate_length);
  if (code == BW_GATE_OK && model->points != 0) {
    code = bw_gate_load_points(gate, model->points, model->points_length);
  }
  return code == BW_GATE_OK ? fits(gate, model) : code;
}
