/*
 * What the gate's own files say to each other. Nobody else includes this.
 *
 * One file each for probabilities, belief, novelty and bursts, named and cut as in src/gate.
 */
#ifndef BW_GATE_PARTS_H
#define BW_GATE_PARTS_H

#include "bw_gate.h"

/* One exit's record in the gate section. */
#define BW_EXIT_BYTES (5 + BW_CONFIDENCE_NODES)
/* Three nats to either side, log2 of the odds, Q8. */
#define BW_BIAS_LIMIT_Q8 1108
#define BW_KNOWS_NOTHING_Q8 (-0x8000)
/* Whitened inputs and prototypes within this of zero are less than the limit of a term apart. It is
 * 32 standard deviations, Q4; nearly all are much nearer. */
#define BW_NEAR_Q4 512

extern const uint16_t bw_exp2_q16[256]; /* 65535 * 2^(-i / 256), rounded */
extern const uint16_t bw_log2_q8[256];  /* 256 * log2(1 + i / 256), rounded */

static inline const uint8_t *bw_exit_record(const bw_gate *gate, uint32_t exit) {
  return gate->exits + exit * BW_EXIT_BYTES;
}

/* The operating point that a node is at, or null for the gate as it was released: target share u16,
 * accuracy beside the teacher's i16, unsure margin u16, windows per token u32, sure margins u16. */
static inline const uint8_t *bw_point_of(const bw_gate *gate, const bw_gate_state *state) {
  if (state->operating_point == 0) return 0;
  return gate->points + (state->operating_point - 1u) * (10u + 2u * gate->exit_count);
}

static inline uint32_t bw_windows_per_token(const bw_gate *gate, const uint8_t *point) {
  return point == 0 ? gate->windows_per_token_q8 : bw_get_u32(point + 6);
}

static inline int32_t bw_at_least(int32_t value, int32_t low) { return value < low ? low : value; }
static inline int32_t bw_at_most(int32_t value, int32_t high) {
  return value > high ? high : value;
}

/* Bits that it takes to write a number other than 0. */
static inline uint32_t bw_bits_of(uint32_t value) {
#if defined(__GNUC__)
  return 32u - (uint32_t)__builtin_clz(value);
#else
  uint32_t bits = 0;
  for (; value > 0; value >>= 1) bits++;
  return bits;
#endif
}

/* bw_margins.c */
void bw_fuse_exits(const bw_gate *gate, const bw_exit *exits, uint32_t exit_count, int32_t *mean);
uint8_t bw_confidence_at(const bw_gate *gate, uint32_t exit, uint32_t margin_q8);
int32_t bw_log2_of(uint32_t value);

/* bw_belief.c: each `int32_t *` has one entry per class. */
void bw_normalise(int32_t *values, uint32_t count);
void bw_personalise(const bw_gate_state *state, int32_t *probabilities, uint32_t classes);
bw_belief bw_believe(const bw_gate *gate, const bw_gate_state *state,
                     const int32_t *probabilities, int32_t *joint);
void bw_instruct(bw_gate_state *state, const bw_gate_verdict *verdict);
void bw_adapt(const bw_gate *gate, bw_gate_state *state, const bw_pending *offload,
              const bw_gate_verdict *verdict);

/* bw_novelty.c */
int32_t bw_novelty_of(const bw_gate *gate, const int8_t *features, const int8_t *statistics);
bw_drift bw_accumulate(const bw_gate *gate, bw_drift before, int32_t standardised_q8);

/* bw_gate_state.c: the point for the share that is wanted, and no more in the bucket than it holds
 * there. */
void bw_find_point(const bw_gate *gate, bw_gate_state *state);
void bw_keep_within_bucket(const bw_gate *gate, bw_gate_state *state);

/* bw_burst.c */
void bw_call_burst(bw_burst *burst, uint16_t windows);
void bw_follow_bout(const bw_gate *gate, bw_gate_state *state, const int8_t *statistics,
                    uint32_t count);
/* Whether the burst wants this window. The burst's age moves on either way. */
uint8_t bw_seek_for_burst(const bw_gate *gate, bw_burst *burst, const int8_t *statistics,
                          uint32_t count);
void bw_burst_took(bw_burst *burst, const int8_t *statistics, uint32_t count);

#endif
