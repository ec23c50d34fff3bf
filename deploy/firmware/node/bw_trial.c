/* The trial of a new model: what is counted, and when it is over. */

#include "bw_trial.h"

#include "../crypto/bw_memory.h"
#include "bw_self_test.h"

/* L1 distance of statistics, in int8 steps over all axes, that a working student must notice. */
#define PLAIN_CHANGE 24
/* Plainly changed windows without any change of the logits. */
#define MOVED_WINDOWS 5u

void bw_trial_start(bw_trial *trial, uint32_t first_seq, uint64_t now_ms) {
  bw_zero(trial, sizeof *trial);
  trial->first_seq = first_seq;
  trial->started_ms = now_ms;
}

static uint8_t is_flat(const int16_t *logits, uint8_t classes) {
  for (uint8_t i = 1; i < classes; i++) {
    if (logits[i] != logits[0]) return 0;
  }
  return 1;
}

static int32_t distance(const int8_t *a, const int8_t *b, uint8_t count) {
  int32_t sum = 0;
  for (uint8_t i = 0; i < count; i++) sum += a[i] < b[i] ? b[i] - a[i] : a[i] - b[i];
  return sum;
}

void bw_trial_watch(bw_trial *trial, const int8_t *statistics, uint8_t statistics_count,
                    const int16_t *logits, uint8_t classes) {
  uint32_t hash = bw_hash_logits(BW_HASH_START, logits, classes);
  trial->windows += 1;
  if (is_flat(logits, classes)) trial->flat += 1;
  if (trial->windows == 1) {
    if (statistics_count > BW_TRIAL_STATISTICS) statistics_count = BW_TRIAL_STATISTICS;
    trial->statistics_count = statistics_count;
    memcpy(trial->first_statistics, statistics, statistics_count);
    trial->first_logits = hash;
    return;
  }
  if (distance(trial->first_statistics, statistics, trial->statistics_count) < PLAIN_CHANGE) return;
  trial->moved += 1;
  if (hash == trial->first_logits) trial->unmoved += 1;
}

bw_trial_verdict bw_trial_judge(const bw_trial *trial, uint32_t trial_windows, uint32_t trial_ms,
                                uint64_t now_ms) {
  if (trial->moved >= MOVED_WINDOWS && trial->unmoved == trial->moved) return BW_REVERT;
  if (trial->windows >= trial_windows) {
    if (trial->flat == trial->windows) return BW_REVERT;
    if (trial->heard) return BW_CONFIRM;
  }
  return now_ms - trial->started_ms >= trial_ms ? BW_REVERT : BW_GO_ON;
}
