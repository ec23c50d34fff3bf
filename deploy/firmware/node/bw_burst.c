/*
 * After an alarm: which windows to send so that a few dozen teach the student the new place. The
 * choice of src/gate/burst.ts, and the raw statistics of src/gate/window-statistics.ts on which
 * alone it rests.
 */
#include "bw_gate_parts.h"

/* Windows in a row away from the running mean that make a new bout. */
#define AWAY_WINDOWS 2

/* The largest whole number whose square is at most `value`, which is a variance of int8. */
static uint32_t integer_root(uint32_t value) {
  uint32_t root = 0;
  uint32_t bit = value >= 1u << 8 ? 1u << 7 : 1u << 3; /* a root below 16 takes half */
  for (; bit > 0; bit >>= 1) {
    if ((root + bit) * (root + bit) <= value) root += bit;
  }
  return root;
}

/* Up to 2^34 / 2^20 for a window of 1024 samples of full scale; 32 bits do for half of that, and
 * then the processor divides by itself. */
static uint32_t variance_of(uint32_t samples, int32_t sum, uint32_t squares) {
  if (samples < 512) {
    return (samples * squares - (uint32_t)sum * (uint32_t)sum) / (samples * samples);
  }
  const uint64_t spread = (uint64_t)samples * squares - (uint64_t)((int64_t)sum * sum);
  return (uint32_t)(spread / ((uint64_t)samples * samples));
}

void bw_window_statistics(const int8_t *window, uint32_t samples, uint8_t channels,
                          int8_t *statistics) {
  const uint32_t step = channels;
  for (uint32_t channel = 0; channel < step; channel++) {
    const int8_t *at = window + channel;
    int32_t sum = 0;
    int32_t squares = 0;
    uint32_t left = samples;
    /* Four at a time: counting and stepping would cost as much as the sums. */
    for (; left >= 4; left -= 4, at += 4 * step) {
      const int32_t a = at[0], b = at[step], c = at[2 * step], d = at[3 * step];
      sum += a + b + c + d;
      squares += a * a + b * b + c * c + d * d;
    }
    for (; left > 0; left--, at += step) {
      sum += *at;
      squares += *at * *at;
    }
    statistics[channel] = (int8_t)(sum / (int32_t)samples);
    const uint32_t variance = variance_of(samples, sum, (uint32_t)squares);
    statistics[channels + channel] = (int8_t)integer_root(variance);
  }
}

static int32_t distance(const int8_t *a, const int8_t *b, uint32_t count) {
  int32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    int32_t away = a[i] - b[i];
    sum += away < 0 ? -away : away;
  }
  return sum;
}

/* A burst that is running is topped up, not restarted. */
void bw_call_burst(bw_burst *burst, uint16_t windows) {
  if (burst->left > 0) {
    if (windows > burst->left) burst->left = windows;
    return;
  }
  burst->left = windows;
  burst->age_windows = 0;
  burst->since_last_windows = 0;
  burst->taken_in_bout = 0;
  burst->taken_count = 0;
}

static void begin_bout(bw_gate_state *state, const int8_t *statistics, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) state->bout_means_q4[i] = (int16_t)(statistics[i] * 16);
  state->statistics_count = (uint8_t)count;
  state->bout_away_windows = 0;
}

/* Moves the running mean of raw statistics on, and sees whether a new bout has begun. */
void bw_follow_bout(const bw_gate *gate, bw_gate_state *state, const int8_t *statistics,
                    uint32_t count) {
  int32_t away = 0;
  if (state->statistics_count != count) {
    begin_bout(state, statistics, count);
    return;
  }
  for (uint32_t i = 0; i < count; i++) {
    int32_t apart = state->bout_means_q4[i] - statistics[i] * 16;
    away += apart < 0 ? -apart : apart;
  }
  if (away > gate->bout_change * 16) {
    state->bout_away_windows += 1;
    if (state->bout_away_windows < AWAY_WINDOWS) return;
    begin_bout(state, statistics, count);
    state->burst.taken_in_bout = 0;
    return;
  }
  state->bout_away_windows = 0;
  for (uint32_t i = 0; i < count; i++) {
    int32_t mean = state->bout_means_q4[i];
    state->bout_means_q4[i] = (int16_t)(mean + (statistics[i] * 16 - mean) / 8);
  }
}

static uint8_t repeats(const bw_gate *gate, const bw_burst *burst, const int8_t *statistics,
                       uint32_t count) {
  for (uint32_t i = 0; i < burst->taken_count; i++) {
    if (distance(burst->taken[i], statistics, count) < gate->diversity) return 1;
  }
  return 0;
}

uint8_t bw_seek_for_burst(const bw_gate *gate, bw_burst *burst, const int8_t *statistics,
                          uint32_t count) {
  if (burst->left == 0) return 0;
  uint32_t age = (uint32_t)bw_at_most((int32_t)burst->age_windows + 1, 65535);
  if (age > gate->expiry_windows || age == 65535) {
    burst->left = 0;
    burst->taken_count = 0;
    return 0;
  }
  burst->age_windows = (uint16_t)age;
  if (burst->since_last_windows < 65535) burst->since_last_windows += 1;
  return age > gate->delay_windows &&
         (burst->taken_count == 0 || burst->since_last_windows > gate->gap_windows) &&
         burst->taken_in_bout < gate->per_bout && !repeats(gate, burst, statistics, count);
}

void bw_burst_took(bw_burst *burst, const int8_t *statistics, uint32_t count) {
  burst->left -= 1;
  burst->since_last_windows = 0;
  if (burst->taken_in_bout < 255) burst->taken_in_bout += 1;
  if (burst->taken_count < BW_REMEMBERED_WINDOWS) burst->taken_count += 1;
  for (uint32_t row = burst->taken_count - 1u; row > 0; row--) {
    for (uint32_t i = 0; i < count; i++) burst->taken[row][i] = burst->taken[row - 1][i];
  }
  for (uint32_t i = 0; i < count; i++) burst->taken[0][i] = statistics[i];
}
