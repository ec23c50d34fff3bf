/*
 * Is this window like any that the student was trained on, and is the stream? The Mahalanobis
 * distance and the CUSUM of src/gate/novelty.ts.
 *
 * The matrix is read where it lies in flash. It stands at any address, so every entry is read as
 * two bytes: some thousand of them per window, next to the tens of thousands that a student reads.
 */
#include "bw_gate_parts.h"

#define INPUTS_MAX (BW_GATE_FEATURES + BW_GATE_AXES)
/* One term of a distance is at most 2^20, Q8: 4096 variances, so that 136 terms stay below 2^28. */
#define TERM_LIMIT_ROOT (2 * BW_NEAR_Q4)
/* The CUSUM stops at twice its threshold, and fits 16 bits. */
#define CUSUM_LIMIT_Q8 65535

#if defined(__ARM_FEATURE_DSP) && !defined(BW_PORTABLE)
#include <arm_acle.h>
static inline int16x2_t pair_at(const void *from) {
  int16x2_t pair;
  __builtin_memcpy(&pair, from, 4);
  return pair;
}
/* Two entries by two inputs. These processors read words at any address. */
static inline int32_t add_pair(const uint8_t *entry, const int16_t *input, int32_t sum) {
  return __smlad(pair_at(entry), pair_at(input), sum);
}
/* Two squared differences; both fit an int16. */
static inline int32_t add_squares(const uint8_t *entry, const int16_t *whitened, int32_t sum) {
  const int16x2_t away = __ssub16(pair_at(whitened), pair_at(entry));
  return __smlad(away, away, sum);
}
#else
static inline int32_t add_pair(const uint8_t *entry, const int16_t *input, int32_t sum) {
  return sum + bw_get_i16(entry) * input[0] + bw_get_i16(entry + 2) * input[1];
}
static inline int32_t add_squares(const uint8_t *entry, const int16_t *whitened, int32_t sum) {
  const int32_t a = whitened[0] - bw_get_i16(entry);
  const int32_t b = whitened[1] - bw_get_i16(entry + 2);
  return sum + a * a + b * b;
}
#endif

/* One whitened value, Q4, and what tells whether it is near zero. It takes the place of its row's
 * input, which no row above needs. */
static inline uint32_t keep(int32_t sum, int16_t *input, int32_t *whitened) {
  const int32_t value = (sum + 128) >> 8;
  *whitened = value;
  *input = (int16_t)value; /* looked at only where all are near */
  return (uint32_t)(value + BW_NEAR_Q4);
}

/* Features and raw means times the lower triangle, Q4, from the last row up. Whether all are near
 * zero, see BW_NEAR_Q4; `input` then has them too. Rows go in pairs, which load an input once for
 * both. A sum has at most 136 products of 2^7 and 2^15: below 2^30. */
static uint8_t whiten(const bw_gate *gate, int16_t *input, int32_t *whitened) {
  uint32_t row = (uint32_t)gate->features + gate->axes;
  uint32_t far = 0;
  if (row & 1) {
    const uint8_t *entry = gate->whitening + row * (row - 1);
    int32_t sum = 0;
    row -= 1;
    for (uint32_t i = 0; i < row; i += 2) sum = add_pair(entry + 2 * i, input + i, sum);
    sum += bw_get_i16(entry + 2 * row) * input[row];
    far = keep(sum, input + row, whitened + row);
  }
  while (row > 0) {
    row -= 2;
    const uint8_t *entry = gate->whitening + row * (row + 1);
    const uint8_t *next = entry + 2 * (row + 1);
    int32_t sum = 0;
    int32_t next_sum = 0;
    for (uint32_t i = 0; i < row; i += 2) {
      sum = add_pair(entry + 2 * i, input + i, sum);
      next_sum = add_pair(next + 2 * i, input + i, next_sum);
    }
    sum += bw_get_i16(entry + 2 * row) * input[row];
    next_sum = add_pair(next + 2 * row, input + row, next_sum);
    far |= keep(sum, input + row, whitened + row);
    far |= keep(next_sum, input + row + 1, whitened + row + 1);
  }
  return far < 2 * BW_NEAR_Q4;
}

/* Squared distance to the prototype at `entry`, Q8. */
static int32_t distance_q8(const uint8_t *entry, const int32_t *whitened, uint32_t inputs) {
  int32_t sum = 0;
  for (uint32_t i = 0; i < inputs; i++, entry += 2) {
    int32_t away = whitened[i] - bw_get_i16(entry);
    /* A square is cut at its limit, so its root may be cut before: it then fits 32 bits. */
    int32_t clipped = bw_at_most(away < 0 ? -away : away, TERM_LIMIT_ROOT);
    sum += clipped * clipped;
  }
  return sum;
}

/* The same where both are near zero, and no square reaches its limit. */
static int32_t near_distance_q8(const uint8_t *entry, const int16_t *whitened, uint32_t inputs) {
  const uint32_t even = inputs & ~1u;
  int32_t sum = 0;
  for (uint32_t i = 0; i < even; i += 2) sum = add_squares(entry + 2 * i, whitened + i, sum);
  if (inputs & 1) {
    const int32_t away = whitened[even] - bw_get_i16(entry + 2 * even);
    sum += away * away;
  }
  return sum;
}

/* The log distance, standardised over unshifted windows and clipped, Q8. */
int32_t bw_novelty_of(const bw_gate *gate, const int8_t *features, const int8_t *statistics) {
  int16_t input[INPUTS_MAX];
  int32_t whitened[INPUTS_MAX];
  uint32_t inputs = (uint32_t)gate->features + gate->axes;
  uint32_t nearest = 0;
  int32_t smallest = 0x7fffffff;
  for (uint32_t i = 0; i < gate->features; i++) input[i] = features[i];
  for (uint32_t i = gate->features; i < inputs; i++) input[i] = statistics[i - gate->features];
  const uint8_t near = whiten(gate, input, whitened) && gate->near_prototypes;
  for (uint32_t c = 0; c < gate->classes; c++) {
    const uint8_t *prototype = gate->prototypes + 2 * c * inputs;
    int32_t distance = near ? near_distance_q8(prototype, input, inputs)
                            : distance_q8(prototype, whitened, inputs);
    if (distance < smallest) {
      smallest = distance;
      nearest = c;
    }
  }
  int32_t away = bw_log2_of((uint32_t)smallest) - bw_get_i16(gate->centres + 2 * nearest);
  int32_t standardised = (away * bw_get_u16(gate->inverse_spreads + 2 * nearest)) >> 8;
  return bw_at_least(bw_at_most(standardised, gate->clip_q8), -(int32_t)gate->clip_q8);
}

/* The CUSUM after one more window, and the alarm: up at the threshold, down at half of it. */
bw_drift bw_accumulate(const bw_gate *gate, bw_drift before, int32_t standardised_q8) {
  bw_drift after = {0, 0, before.doublings, 0};
  int32_t threshold =
      bw_at_most((int32_t)gate->threshold_q8 << before.doublings, CUSUM_LIMIT_Q8 >> 1);
  int32_t slack = gate->slack_q8 + (before.doublings << 8);
  int32_t raised = before.cusum_q8 + standardised_q8 - slack;
  int32_t cusum = bw_at_least(bw_at_most(raised, 2 * threshold), 0);
  after.cusum_q8 = (uint16_t)cusum;
  if (before.alarm) {
    if (2 * cusum > threshold) {
      after.alarm = 1;
    } else if (before.doublings < BW_ALARM_DOUBLINGS) {
      after.doublings += 1;
    }
    return after;
  }
  if (cusum >= threshold) {
    after.alarm = 1;
  } else if (before.doublings > 0) {
    if (before.calm_windows >= gate->recovery_windows - 1) {
      after.doublings -= 1;
    } else {
      after.calm_windows = before.calm_windows + 1;
    }
  }
  return after;
}
