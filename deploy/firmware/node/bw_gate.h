/*
 * The gate on a microcontroller: whether an exit may answer, whether a window is offloaded, and
 * what is learned from the answers. The decisions, to the bit, of src/gate/decide.ts.
 *
 * Whole numbers only. The parameters are read in place from the container's gate section, so that
 * the whitening matrix stays in flash; what changes is `bw_gate_state`, some 700 bytes, which a
 * node saves now and then. Every range of a section is checked once, by bw_gate_load; after that
 * nothing here can leave 32 bits. Right shifts of negative numbers are arithmetic, as every
 * compiler that we build with does them; a test fails where they are not.
 *
 *   do { exits[count++] = bw_next_exit(&run); }
 *   while (bw_gate_exit(&gate, &state, exits, count, &answer) == BW_GATE_NEXT);
 *   bw_gate_window(&gate, &state, &input, &random, &decision);
 */
#ifndef BW_GATE_H
#define BW_GATE_H

#include "../runtime/bw.h"
#include "bw_bytes.h"
#include "bw_prng.h"
#include <stdint.h>

/* src/gate/gate-parameters.ts has the reasons. */
#define BW_GATE_EXITS 8
#define BW_GATE_POINTS 16
#define BW_GATE_CLASSES 64
#define BW_GATE_FEATURES 128
#define BW_GATE_AXES 8
#define BW_GATE_STATISTICS (2 * BW_GATE_AXES)
#define BW_CONFIDENCE_NODES 33
#define BW_CONFIDENCE_STEP_Q8 160
#define BW_MARGIN_TOP_Q8 5120
#define BW_NEVER_Q8 (BW_MARGIN_TOP_Q8 + 1)
#define BW_ONE_Q15 32768
#define BW_ALARM_DOUBLINGS 4
#define BW_REMEMBERED_WINDOWS 12
#define BW_PENDING_LIMIT 16
/* Of a state as bytes: room for the largest. */
#define BW_GATE_STATE_BYTES 702

/* Why a gate section or a saved state was refused; the codes of src/gate/gate-bytes.ts. */
typedef enum bw_gate_code {
  BW_GATE_OK = 0,
  BW_GATE_TRUNCATED = 1,
  BW_GATE_TRAILING_BYTES = 2,
  BW_GATE_VERSION = 3,
  BW_GATE_RANGE = 4,
  BW_GATE_MISMATCH = 5 /* made for another student */
} bw_gate_code;

/* Checked parameters. Points into the section, which must stay where it is. */
typedef struct bw_gate {
  uint8_t exit_count;
  uint8_t classes;
  const uint8_t *exits;          /* records of 38 bytes */
  const uint8_t *unsure_margins; /* u16 per class, Q8 */
  uint16_t change_q15;
  uint16_t adapt_q8;
  uint16_t target_share_q16;
  uint16_t rate_step_q16;
  uint16_t rate_limit_q8;
  uint16_t capacity_tokens;
  uint32_t windows_per_token_q8;
  uint16_t reserve_tokens;
  uint16_t audit_chance_q16;
  uint16_t burst_windows;
  uint16_t delay_windows;
  uint16_t expiry_windows;
  uint8_t per_bout;
  uint16_t gap_windows;
  uint16_t diversity;
  uint16_t bout_change;
  uint8_t has_novelty; /* what follows holds only then */
  uint8_t novelty_exit;
  uint8_t features;
  uint8_t axes;
  const uint8_t *whitening;       /* i16, lower triangle, Q12 */
  const uint8_t *prototypes;      /* i16, [class][feature or axis], Q4 */
  uint8_t point_count;            /* operating points; 0: none */
  uint8_t near_prototypes;        /* all are within BW_NEAR_Q4 of zero */
  const uint8_t *points;          /* records of 10 bytes and a u16 per exit */
  const uint8_t *centres;         /* i16 per class, Q8 */
  const uint8_t *inverse_spreads; /* u16 per class, Q8 */
  uint16_t clip_q8;
  uint16_t slack_q8;
  uint16_t threshold_q8;
  uint32_t recovery_windows;
  uint16_t novel_q8;
} bw_gate;

typedef struct bw_drift {
  uint16_t cusum_q8;
  uint8_t alarm;
  uint8_t doublings;
  uint32_t calm_windows;
} bw_drift;

typedef struct bw_burst {
  uint16_t left; /* offloads still to find; 0 when no burst is on */
  uint16_t age_windows;
  uint16_t since_last_windows;
  uint8_t taken_in_bout;
  uint8_t taken_count;
  int8_t taken[BW_REMEMBERED_WINDOWS][BW_GATE_STATISTICS]; /* newest first */
} bw_burst;

typedef struct bw_pending {
  uint32_t window_index;
  uint8_t class_index;
  uint8_t probability_q8;
} bw_pending;

/* What a gate remembers between two windows. A count of 0 says that there is nothing yet. */
typedef struct bw_gate_state {
  uint32_t windows;
  uint32_t level_q8;
  int32_t rate_offset_q23;
  uint16_t audit_chance_q16;
  uint16_t agreement_q16;
  uint16_t operating_share_q16; /* wanted by the gateway; 0 for the gate as it was released */
  uint8_t operating_point;      /* of this gate, for that share: from 1; 0 for the gate as released */
  bw_drift drift;
  uint32_t verdicts;
  uint32_t last_window_index;
  uint8_t belief_count;
  uint8_t bias_count;
  uint8_t statistics_count; /* of the bout's means, and of each window in `burst.taken` */
  uint8_t bout_away_windows;
  uint16_t belief_q15[BW_GATE_CLASSES];
  int16_t bias_q8[BW_GATE_CLASSES];
  int16_t bout_means_q4[BW_GATE_STATISTICS];
  bw_burst burst;
  uint8_t pending_count;
  bw_pending pending[BW_PENDING_LIMIT]; /* newest first */
} bw_gate_state;

typedef enum bw_gate_step { BW_GATE_ANSWER = 0, BW_GATE_NEXT = 1 } bw_gate_step;

typedef struct bw_belief {
  uint8_t class_index;
  uint16_t margin_q8;
} bw_belief;

/* What the exits that have run say together, with the windows before: kept from bw_gate_exit to
 * bw_gate_window, so that it is worked out once. */
typedef struct bw_answer {
  bw_belief belief;
  int32_t probability_q15;        /* of that class, by this window alone */
  int32_t joint[BW_GATE_CLASSES]; /* the filter's state after this window, before normalising */
} bw_answer;

typedef struct bw_gate_input {
  const bw_exit *exits; /* those that have run, first to last */
  bw_answer *answer;    /* theirs; used up */
  uint8_t exit_count;
  uint8_t statistics_count;
  const int8_t *statistics; /* of bw_window_statistics */
  uint32_t window_index;
} bw_gate_input;

/* As the offload frame numbers them; BW_KEPT where nothing is offloaded. */
typedef enum bw_offload {
  BW_UNSURE = 0,
  BW_AUDIT = 1,
  BW_NOVEL = 2,
  BW_BURST = 3,
  BW_KEPT = 255
} bw_offload;

typedef struct bw_decision {
  uint8_t class_index;
  uint8_t confidence_q8;
  uint8_t exit;
  uint8_t alarm;
  bw_offload offload;
  uint16_t margin_q8;
  uint16_t chance_q16; /* 65535 where it was certain */
  uint16_t drift_q8;
} bw_decision;

/* A teacher's answer, as far as the gate cares; `probabilities_q8` has `classes` entries. */
typedef struct bw_gate_verdict {
  uint32_t window_index;
  uint8_t class_index;
  uint8_t trusted;
  uint8_t classes;
  const uint8_t *probabilities_q8;
} bw_gate_verdict;

bw_gate_code bw_gate_load(bw_gate *gate, const uint8_t *section, uint32_t length);
/* Of a container: its gate with its operating points, where they were made for its student. */
bw_gate_code bw_gate_of(bw_gate *gate, const bw_model *model);
/* Points of a gate that was loaded. */
bw_gate_code bw_gate_load_points(bw_gate *gate, const uint8_t *section, uint32_t length);

void bw_gate_start(const bw_gate *gate, bw_gate_state *state);
/* The state under a new release: novelty and thresholds begin afresh, the budget does not, and what
 * share is wanted stays so. */
void bw_gate_carry(const bw_gate *gate, bw_gate_state *state);
/* Bytes written; at most BW_GATE_STATE_BYTES. */
uint32_t bw_gate_save(const bw_gate_state *state, uint8_t *bytes);
/* What was saved under the same release, or what of it another release may keep. On a state that is
 * refused, because no gate wrote it or it is of other classes, `state` begins afresh. */
bw_gate_code bw_gate_restore(const bw_gate *gate, bw_gate_state *state, const uint8_t *bytes,
                             uint32_t length, uint8_t same_release);

/* Whether the exit that ran last may answer. Where it may, `answer` is what it says. */
bw_gate_step bw_gate_exit(const bw_gate *gate, const bw_gate_state *state, const bw_exit *exits,
                          uint8_t exit_count, bw_answer *answer);
/* Decides one window with the answer that bw_gate_exit has just let through: nothing else may have
 * changed the state since. Takes exactly one number from `random`. */
void bw_gate_window(const bw_gate *gate, bw_gate_state *state, const bw_gate_input *input,
                    bw_prng *random, bw_decision *decision);
void bw_gate_take_verdict(const bw_gate *gate, bw_gate_state *state,
                          const bw_gate_verdict *verdict);
/* Takes in what share of windows is wanted of this node, 0 for the gate as it was released. At another
 * operating point the thresholds' rate control begins afresh, the budget does not. */
void bw_gate_move(const bw_gate *gate, bw_gate_state *state, uint16_t share_q16);
void bw_gate_set(bw_gate_state *state, uint16_t audit_chance_q16, uint16_t burst_windows);

/* Means, then standard deviations per axis, in int8 steps, of an int8 window [time][channel]. */
void bw_window_statistics(const int8_t *window, uint32_t samples, uint8_t channels,
                          int8_t *statistics);

#endif
