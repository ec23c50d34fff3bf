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

typedef struct sums {
  int32_t sum;
  int32_t squares;
} sums;

/* And of every `step`th byte. Four at a time: counting and stepping would cost as much as the
 * sums. */
static inline sums sums_on(sums of, const int8_t *at, uint32_t samples, uint32_t step) {
  uint32_t left = samples;
  for (; left >= 4; left -= 4, at += 4 * step) {
    const int32_t a = at[0], b = at[step], c = at[2 * step], d = at[3 * step];
    of.sum += a + b + c + d;
    of.squares += a * a;
    of.squares += b * b;
    of.squares += c * c;
    of.squares += d * d;
  }
  for (; left > 0; left--, at += step) {
    of.sum += *at;
    of.squares += *at * *at;
  }
  return of;
}

#if defined(__ARM_FEATURE_DSP) && !defined(BW_PORTABLE)
#define HAS_SUMS_OF_THREE
#include <arm_acle.h>
static inline uint32_t word_at(const int8_t *from) {
  uint32_t word;
  __builtin_memcpy(&word, from, 4);
  return word;
}
/* Bytes 0 and 2, and bytes 1 and 3, as two int16. */
static inline int16x2_t even(uint32_t word) { return __sxtb16((int8x4_t)word); }
static inline int16x2_t odd(uint32_t word) { return __sxtb16((int8x4_t)(word >> 8)); }
static inline int32_t low(int16x2_t pair) { return (int16_t)pair; }
static inline int32_t high(int16x2_t pair) { return (int32_t)pair >> 16; }

static inline void take(int16x2_t pair, int16x2_t *sum, int32_t *low_squares,
                        int32_t *high_squares) {
  *sum = __sadd16(*sum, pair);
  *low_squares = __smlabb(pair, pair, *low_squares);
  *high_squares = __smlatt(pair, pair, *high_squares);
}

/* Three channels at once, of fewer than 512 samples: three words are four samples of each,
 * xyzx yzxy zxyz. Each half of a pair sums every other sample at most, which fits an int16. */
static void sums_of_three(const int8_t *at, uint32_t samples, sums *of) {
  const int8_t *const end = at + 3 * (samples & ~3u);
  int16x2_t xz = 0, yx = 0, zy = 0;
  int32_t xx = 0, yy = 0, zz = 0;
  for (; at < end; at += 12) {
    const uint32_t first = word_at(at), second = word_at(at + 4), third = word_at(at + 8);
    take(even(first), &xz, &xx, &zz);
    take(odd(first), &yx, &yy, &xx);
    take(even(second), &yx, &yy, &xx);
    take(odd(second), &zy, &zz, &yy);
    take(even(third), &zy, &zz, &yy);
    take(odd(third), &xz, &xx, &zz);
  }
  of[0] = sums_on((sums){low(xz) + high(yx), xx}, at, samples & 3, 3);
  of[1] = sums_on((sums){low(yx) + high(zy), yy}, at + 1, samples & 3, 3);
  of[2] = sums_on((sums){low(zy) + high(xz), zz}, at + 2, samples & 3, 3);
}
#endif

static void put_statistics(sums of, uint32_t samples, int8_t *mean, int8_t *deviation) {
  *mean = (int8_t)(of.sum / (int32_t)samples);
  *deviation = (int8_t)integer_root(variance_of(samples, of.sum, (uint32_t)of.squares));
}

void bw_window_statistics(const int8_t *window, uint32_t samples, uint8_t channels,
                          int8_t *statistics) {
#ifdef HAS_SUMS_OF_THREE
  if (channels == 3 && samples < 512) {
    sums of[3];
    sums_of_three(window, samples, of);
    for (uint32_t i = 0; i < 3; i++) {
      put_statistics(of[i], samples, statistics + i, statistics + 3 + i);
    }
    return;
  }
#endif
  for (uint32_t i = 0; i < channels; i++) {
    const sums of = sums_on((sums){0, 0}, window + i, samples, channels);
    put_statistics(of, samples, statistics + i, statistics + channels + i);
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
