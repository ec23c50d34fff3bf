/*
 * The trial of a new model, as device-sim/trial.ts: it is confirmed when it has answered enough
 * windows in a healthy way and the gateway has been heard, and otherwise the node goes back.
 *
 * Healthy means that its answers depend on what it sees. Whether they are good is the gateway's to
 * judge.
 */
#ifndef BW_TRIAL_H
#define BW_TRIAL_H

#include <stdint.h>

#define BW_TRIAL_STATISTICS 16u

typedef struct bw_trial {
  uint64_t started_ms;
  uint32_t first_seq; /* outbox entries from here on were made under the new model */
  uint32_t windows;
  uint32_t moved;   /* windows that differed plainly from the first */
  uint32_t unmoved; /* those of them with the same logits */
  uint32_t flat;    /* windows in which all classes had the same logit */
  uint32_t first_logits; /* hash: two lists that share one differ once in four thousand million */
  uint8_t heard;    /* the gateway has acknowledged one of those entries */
  uint8_t statistics_count;
  int8_t first_statistics[BW_TRIAL_STATISTICS];
} bw_trial;

typedef enum bw_trial_verdict { BW_GO_ON = 0, BW_CONFIRM = 1, BW_REVERT = 2 } bw_trial_verdict;

void bw_trial_start(bw_trial *trial, uint32_t first_seq, uint64_t now_ms);

/* One window's statistics, of bw_window_statistics, and the logits of exit 0. */
void bw_trial_watch(bw_trial *trial, const int8_t *statistics, uint8_t statistics_count,
                    const int16_t *logits, uint8_t classes);

bw_trial_verdict bw_trial_judge(const bw_trial *trial, uint32_t trial_windows, uint32_t trial_ms,
                                uint64_t now_ms);

#endif
